"""The model, plainly: one path, one account at a time. Follows "The model, exactly" in docs/design.md."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from reference import accounts as rule
from reference.accounts import Account, View
from reference.answers import Answers
from reference.auctions import Auctions
from reference.bidding import Bids, Offer
from reference.blocks import fill
from reference.breakers import Breaker, Halts
from reference.default_waterfall import absorb_lending
from reference.exchange import Exchange
from reference.lending import Lending, Reserve
from reference.margin import Sight
from reference.margin_engine import Margins
from reference.marks import follow, sample_mark
from reference.outcome import late, result_of
from reference.randomness import BORROWERS, philox, uniform
from reference.setting import Network, Result, Setting, Transaction

BROKEN = 40.0  # log price, of either sign, at which nobody trades: its rounding is more than two implementations may differ by


class Path(Answers):
    """The state of one path."""

    def __init__(self, setting: Setting) -> None:
        self.w = setting
        self.x = Exchange(setting.markets, setting.wraps)
        self.deficit: dict[tuple[str, str], float] = defaultdict(float)
        self.liquidated: dict[str, int] = dict.fromkeys(setting.rules, 0)
        self.counts: Counter[str] = Counter()
        self.nearest = math.inf
        self.k = 0
        self.time = 0.0
        self.cascade = 0  # blocks in a row with executed claims, up to now
        self.longest_blocks = 0
        self.margins = Margins(setting.exchanges, setting.arbitrageurs, self.x, self.counts)
        self.socialised: dict[tuple[str, str], float] = defaultdict(float)
        self.fund = setting.funds()
        self.auctions = Auctions(setting.auctions, self.x.ledger, self.deficit, self.counts)
        reserves = {where: setting.reserves.setdefault(where, Reserve(*rates)) for where, rates in setting.rates.items()}
        self.lending = Lending(reserves, setting.lenders, setting.accounts, self.deficit)
        self.halts = Halts(setting.breakers, setting.margin_calls, self.counts)
        self.repaid: dict[str, float] = defaultdict(float)  # per protocol, at prices seen then [USD]
        follow(self.x, setting.follows)
        for feed in setting.feeds.values():
            if math.isnan(feed.answer):  # none given: the market's
                feed.answer = self.x.pair(feed.base, feed.quote)
        for breaker in setting.breakers:
            breaker.begin(self.looked_at(breaker))

    # ---- what protocols see ---------------------------------------------------------------------------------

    def answer(self, name: str) -> float:
        feed = self.w.feeds[name]
        if feed.kind == "market":
            return self.x.pair(feed.base, feed.quote)
        return feed.answer

    def seen(self, protocol: str) -> View:
        """What a protocol sees now; an asset without an oracle is seen at the market."""
        view = View({}, {}, {})
        for (of, asset), reserve in self.lending.reserves.items():
            if of == protocol:
                view.price[asset] = math.exp(self.seen_log_price(protocol, asset))
                view.supply_index[asset], view.borrow_index[asset] = reserve.supply, reserve.borrow
        return view

    def seen_log_price(self, protocol: str, asset: str) -> float:
        if (protocol, asset) not in self.w.sight:
            return self.x.pair(asset, self.w.unit[protocol])
        constant, feeds = self.w.sight[protocol, asset]
        return constant + sum(sign * self.answer(name) for name, sign in feeds)

    def prices(self, protocol: str, assets: Iterable[str]) -> dict[str, float]:
        """What a protocol sees of assets [USD]."""
        return {asset: math.exp(self.seen_log_price(protocol, asset)) for asset in assets}

    def health(self, account: Account, view: View) -> float:
        hf = rule.health(account, view)
        self.nearest = min(self.nearest, abs(hf - 1.0))
        return hf

    # ---- a step ----------------------------------------------------------------------------------------------

    def step(self, k: int) -> None:
        for breaker in self.w.breakers:
            if k > 1:
                breaker.next_step(self.looked_at(breaker), (k - 1) * self.w.dt)
        self.k = k
        for m, move in self.w.moves[k - 1].items():
            self.w.markets[m].e += move
        for m, side, factor in self.w.depth_shocks[k - 1]:
            self.w.markets[m].depth[side] *= factor
        for market in self.w.markets.values():
            if self.halts.trading.get(market.asset, -math.inf) > (k - 1) * self.w.dt and market.keeper == "venues":
                continue  # nobody trades a pool while its market is halted
            base, quote = market.relax(self.w.dt)
            self.x.ledger.move(market.asset, base, "arbitrageurs", "venues")
            self.x.ledger.move(market.quote, quote, "arbitrageurs", "venues")
        follow(self.x, self.w.follows)
        self.lending.step(k, self.w.dt)
        self.margins.before_blocks(k, self.w.dt)
        wake = -math.inf  # everybody takes part in the first block
        for b in range(1, self.w.blocks + 1):
            self.time = (k - 1) * self.w.dt + b * self.w.dt / self.w.blocks
            if self.time < wake:
                self.counts["slept"] += 1
                continue
            before = self.counts["liquidations"]
            wake = self.block(b)
            self.cascade = self.cascade + 1 if self.counts["liquidations"] > before else 0
            self.longest_blocks = max(self.longest_blocks, self.cascade)

    def block(self, b: int) -> float:
        """Block b = 1, 2, ... of its step; when the path next has something to do."""
        follow(self.x, self.w.follows)
        self.auctions.at(self.time)
        offered = self.oracles(b == 1)
        views = {protocol: self.seen(protocol) for protocol in self.w.rules}
        sights = {e.name: Sight(self.prices(e.name, e.weight), self.prices(e.name, e.tiers)) for e in self.w.exchanges}
        unhealthy = [a for a in self.w.accounts if self.health(a, views[a.protocol]) < 1.0]
        self.halts.look(self.looked_at, self.time)
        self.halts.netted, self.halts.lends = self.netted(views, sights), set(views)
        spared = {a.number for a in unhealthy if self.spared(a, views[a.protocol])}
        self.counts["late_blocks"] += late(self, views)
        called = self.margins.call(sights, self.time, self.halts)
        calls, answers = self.calls(unhealthy, spared, views)
        own = self.owners_answer(answers, views)
        orders = [Transaction("order", order, order.fee, amount=order.left(self.k), chain=order.chain, payer="order_owners",
                              routes=[(order.asset, order.into)])
                  for order in self.w.orders if order.left(self.k) > 0.0] + self.placed(own, b == 1, views)
        offers = calls + self.lots_offered(views)
        bids = Bids(self.x, self.w.chains, self.w.sequential)
        offered += bids.decide(self.w.bidders, offers, self.resized) + own + orders + bids.more
        self.counts["declined"] += sum(offer.by is None for offer in offers)
        closed = {id(t): until for t in offered if (until := self.closed_until(t)) > self.time}
        self.counts["waited for a market"] += len(closed)
        self.nearest = min(self.nearest, nearest_bids(offered, self.w.chains))
        block = fill([t for t in offered if id(t) not in closed], self.w.chains, (self.k - 1) * self.w.blocks + b,
                     self.w.dt / self.w.blocks)
        for name in ("unfit", "underbid", "waits"):
            self.counts[name] += getattr(block, name)
        self.execute(block.rows)
        after = {protocol: self.seen(protocol) for protocol in self.w.rules if protocol in self.w.margin_calls}
        absorb_lending(self.w.waterfalls, self.fund, self.deficit, self.socialised, self.lending.cut_claims)
        fell = self.margins.absorb(sights, self.time)
        self.margins.arbitrage(sights)
        self.lapse(after, sights)
        if max(abs(m.u(m.s)) for m in self.w.markets.values()) > BROKEN:
            self.nearest = 0.0
        if block.rows or called or fell or self.lending.somebody_waits():
            return self.time
        return min([block.wake, *closed.values(), self.halts.wake(self.time),
                    self.auctions.wake(self.time, self.halts.liquidations),
                    *(feed.next_look() for feed in self.w.feeds.values())])

    # ---- policies --------------------------------------------------------------------------------------------

    def looked_at(self, breaker: Breaker) -> dict[str, float]:
        """What a breaker looks at, as it is now: log prices of assets in USD, of markets in their quote; volumes [USD]."""
        if breaker.trigger == "liquidations":
            return {protocol: self.repaid[protocol] for protocol in breaker.of}
        return {name: self.x.pair(*name.split("/")) if "/" in name else self.x.log_price(name) for name in breaker.of}

    def spared(self, account: Account, view: View) -> bool:
        """Whether an unhealthy account may not be called now."""
        gone = rule.backing(account, view) <= 0.0
        return self.halts.spares(account.protocol, account.number, rule.health(account, view), gone, self.time)

    def lapse(self, views: dict[str, View], sights: dict[str, Sight]) -> None:
        """At the end of a block: margin calls of accounts that are healthy, as lending sees them once transactions have been
        carried out, before anybody arbitrages; exchanges see what they saw at the start of the block.
        """
        if not self.w.margin_calls:
            return
        self.halts.lapse(a.number for a in self.w.accounts if a.protocol in views
                         and not self.health(a, views[a.protocol]) < 1.0)
        for e in self.w.exchanges:
            sight = sights[e.name]
            self.halts.lapse(a.number for a in e.accounts if not e.equity(a, sight) < e.maintenance(a, sight))

    def closed_until(self, t: Transaction) -> float:
        """When all markets on which it would trade are open [s]."""
        return max((self.halts.trading.get(m, -math.inf) for a, b in t.routes
                    for m in {*self.x.chain(a)} ^ {*self.x.chain(b)}), default=-math.inf)

    # ---- what is offered -------------------------------------------------------------------------------------

    def calls(self, unhealthy: list[Account], spared: set[int], views: dict[str, View]) -> tuple[list[Offer], list[Account]]:
        """What may be called now; and whose owners see a call, whether it is spared or not."""
        vaults = [a for a in unhealthy if a.protocol in self.w.auctions and a.debt]
        kicks = self.auctions.kicks([a for a in vaults if a.number not in spared], views)
        offers, answers = [], []
        for account in unhealthy:
            if account.protocol in self.w.auctions:
                kick = kicks.get(account.number)
                offer = self.offer_of_kick(account, kick) if kick is not None else None
                seen = kick is not None or account.number in spared
            else:
                rules, view = self.w.rules[account.protocol], views[account.protocol]
                offer, seen = None, rule.assess(account, rules, view) is not None
                if seen and account.number not in spared:
                    call = self.lending.assess(account, rules, view, math.inf)
                    offer, seen = self.offer_of_call(call), call.known
            if seen:
                answers.append(account)
            if offer is not None and account.number not in spared:
                offers.append(offer)
        return offers, answers

    def withdrawals(self) -> list[Transaction]:
        """What depositors who wait would get."""
        return [Transaction("withdrawal", lender, lender.fee, amount=units, chain=lender.chain, payer=lender.name)
                for lender in self.w.lenders if (units := self.lending.wanted(lender)) > 0.0]

    def oracles(self, first: bool) -> list[Transaction]:
        """Oracle answers that are offered; marks are sampled."""
        offered = []
        for name, feed in self.w.feeds.items():
            if feed.kind == "mark" and first:
                sample_mark(feed, self.x, self.w.exchange(feed.exchange), self.k, self.w.dt)
            if feed.kind != "push":
                continue
            if feed.flight is None:
                observed = self.x.pair(feed.base, feed.quote)
                move = observed - feed.answer
                if (move >= math.log(1.0 + feed.deviation) or move <= math.log(1.0 - feed.deviation)
                        or feed.updated <= self.time - feed.heartbeat):
                    feed.flight, feed.land = observed, self.time + feed.delay
            if feed.flight is not None and self.time >= feed.land:
                offered.append(Transaction("oracle", name, feed.fee, chain=feed.chain, payer="reporters"))
        return offered

    def lots_offered(self, views: dict[str, View]) -> list[Offer]:
        """What is for sale, or must be started anew."""
        found = []
        for lot in self.auctions.lots:
            if self.halts.liquidations.get(lot.protocol, -math.inf) > self.time:
                self.counts["halted lots"] += 1
            elif self.auctions.over(lot):
                found.append(self.offer_of_redo(lot, views[lot.protocol]))
            else:
                found.append(self.offer_of_take(lot, 0.0))
        return [offer for offer in found if offer is not None]

    def top_up(self, account: Account, views: dict[str, View]) -> Transaction | None:
        """What the owner of an account that is offered answers."""
        words = philox((self.w.path, account.number, 0, BORROWERS), self.w.seed)
        if account.answered or not uniform(words[0]) < self.w.attentive:
            return None
        view = views[account.protocol]
        legs = [leg for leg in account.collateral if leg.callable]
        if not legs:
            return None
        leg = max(legs, key=view.held_value)  # the first of equals
        price = view.price[leg.asset]
        missing = (self.w.target * rule.owing(account, view) - rule.backing(account, view)) / (price * leg.threshold)
        if missing * price > self.w.budget * sum(view.held_value(c) for c in account.collateral):
            return None
        return Transaction("top_up", account, self.w.top_up_fee, amount=missing, leg=leg, payer="owners",
                           chain=self.w.home.get(account.protocol, ""))

    # ---- the whole path --------------------------------------------------------------------------------------

    def run(self) -> Result:
        longest = run = 0  # steps in a row with executed claims
        for k in range(1, self.w.steps + 1):
            before = self.counts["liquidations"]
            self.step(k)
            run = run + 1 if self.counts["liquidations"] > before else 0
            longest = max(longest, run)
        return result_of(self, longest)


def nearest_bids(offered: list[Transaction], chains: dict[str, Network]) -> float:
    """Relative distance of the bids for calls that were cut: many are to the same cash, and bid the same but for rounding."""
    bids = sorted(t.bid for t in offered if t.kind == "claim" and t.most > 0.0 and t.bid > chains[t.chain].base_fee)
    return min([math.inf, *((b - a) / b for a, b in itertools.pairwise(bids))])


def simulate(setting: Setting) -> Result:
    """Run one path. The setting is used up."""
    return Path(setting).run()
