"""The model, plainly: one path, one account at a time. Follows "The model, exactly" in docs/design.md."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from reference import accounts as rule
from reference.accounts import Account, View
from reference.answers import Answers
from reference.auctions import Auctions
from reference.banding import Llammas
from reference.bidding import Bids, Offer, nearest_bids
from reference.blocks import fill
from reference.breakers import Breaker, Halts
from reference.conversion import Burners
from reference.default_waterfall import absorb_lending
from reference.exchange import Exchange
from reference.lending import Lending, Reserve
from reference.limits import Allowed, Limits
from reference.liquities import Liquities
from reference.margin import Sight
from reference.margin_engine import Margins
from reference.marks import follow, sample_mark
from reference.outcome import late, result_of
from reference.owners import Owners
from reference.pool import Market
from reference.randomness import BORROWERS, philox, uniform
from reference.redemption import Issuers
from reference.setting import Feed, Order, Result, Setting, Transaction
from reference.storefront import Storefronts
from reference.terms import Moving
from reference.winders import Winders

EMPTY = math.log(1e6)  # move of a pool's log price since the start after which its price is a small difference of large numbers
BROKEN = 40.0  # log price, of either sign, at which nobody trades: its rounding is more than two implementations may differ by


class Path(Answers):
    """The state of one path."""

    def __init__(self, setting: Setting) -> None:
        self.w = setting
        self.x = Exchange(setting.markets, setting.wraps, setting.further, setting.pools)
        self.x.closed = lambda key: self.halts.trading.get(key, -math.inf) > self.time
        self.deficit: dict[tuple[str, str], float] = defaultdict(float)
        self.liquidated: dict[str, int] = dict.fromkeys([*setting.rules, *(amm.protocol for amm in setting.amms),
                                                         *(s.protocol for s in setting.systems)], 0)
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
        self.storefronts = Storefronts(setting.stores, self.x.ledger, self.deficit, self.counts)
        reserves = {where: setting.reserves.setdefault(where, Reserve(*rates)) for where, rates in setting.rates.items()}
        self.lending = Lending(reserves, setting.lenders, setting.accounts, self.deficit)
        self.halts = Halts(setting.breakers, setting.margin_calls, self.counts)
        self.llammas = Llammas(setting.amms, self.x, self.lending, setting.home, self.seen_log_price,
                               lambda protocol: self.halts.liquidations.get(protocol, -math.inf), self.deficit, self.counts)
        self.liquities = Liquities(setting.systems, self.x, setting.home, self.seen_log_price,
                                   lambda protocol: self.halts.liquidations.get(protocol, -math.inf), self.counts)
        self.repaid: dict[str, float] = defaultdict(float)  # per protocol, at prices seen then [USD]
        self.allowed = Allowed({where: setting.limits.setdefault(where, Limits()) for where in reserves}, self.lending,
                               self.counts)
        self.owners = Owners(setting.loopers, setting.carriers, setting.accounts, self.lending, setting.home, setting.seed)
        self.winders = Winders(setting.winders, setting.accounts, setting.home, self.alone, self.owners.near)
        self.issuers = Issuers(setting.backed, setting.failures, setting.redeemers, self.x, self.counts)
        self.burners = Burners(setting.coins, setting.backed, self.x, self.answer, self.counts)
        follow(self.x, setting.exchanges, 0.0)
        self.pools = {name: m.u(m.s) for name, m in setting.markets.items() if m.profile is not None and not m.profile.anchored}
        self.terms = Moving(setting.votes, setting.followers, setting.rules, setting.auctions, setting.exchanges, setting.limits,
                            self.counts)
        self.terms.begin(self.x, setting.accounts)
        for feed in setting.feeds.values():
            if math.isnan(feed.answer):  # none given: the market's
                feed.answer = self.observed(feed)
        for amm in setting.amms:
            amm.lay_out(self.llammas.price(amm))
        for acts in (*setting.fee_rules, *setting.providers):
            acts.begin(self.x.named(acts.venue)[0])
        for breaker in setting.breakers:
            breaker.begin(self.looked_at(breaker))

    # ---- what protocols see ---------------------------------------------------------------------------------

    def answer(self, name: str) -> float:
        feed = self.w.feeds[name]
        if feed.kind == "market":
            return self.observed(feed)
        return feed.answer

    def observed(self, feed: Feed) -> float:
        """Log market price of what it is of, on the venue that it looks at."""
        if feed.venue:
            (venue,) = self.x.named(feed.venue)
            return venue.u(venue.s)
        return self.x.pair(feed.base, feed.quote)

    def seen(self, protocol: str) -> View:
        """What a protocol sees now; an asset without an oracle is seen at the market."""
        view = View({}, {}, {}, usd=self.x.usd(self.w.unit[protocol]))
        for (of, asset), reserve in self.lending.reserves.items():
            if of == protocol:
                view.price[asset] = math.exp(self.seen_log_price(protocol, asset))
                view.supply_index[asset], view.borrow_index[asset] = reserve.supply, reserve.borrow
        for (of, asset, category), factor in self.terms.counted.items():
            if of == protocol:
                view.counted[asset, category] = factor
                view.bonus[asset, category] = self.terms.bonus[of, asset, category]
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
        self.terms.vote(k)
        self.issuers.step(k, self.w.dt)
        for m, move in self.w.moves[k - 1].items():
            for venue in self.x.venues(m):
                venue.e += move
        for m, side, factor in self.w.depth_shocks[k - 1]:
            for venue in self.x.named(m):
                venue.depth[side] *= factor
        for outage in self.w.outages:
            if outage.step == k:
                lasting = max(outage.lasting, self.w.dt / self.w.blocks)  # at least a block
                self.halts.stop(self.x.named(outage.venue), ((k - 1) * self.w.dt + lasting) * (1.0 + 1e-12))
        for market in self.x.everywhere():
            if self.halts.trading.get(market.key, -math.inf) > (k - 1) * self.w.dt and market.keeper == "venues":
                continue  # nobody trades a pool while its market is halted
            base, quote = market.relax(self.w.dt)
            self.x.ledger.move(market.asset, base, "arbitrageurs", "venues")
            self.x.ledger.move(market.quote, quote, "arbitrageurs", "venues")
        self.x.share_pools(relaxed=True)
        follow(self.x, self.w.exchanges, k * self.w.dt)
        for fee in self.w.fee_rules:
            fee.step(self.x.named(fee.venue)[0], self.w.dt)
        for provider in self.w.providers:
            provider.step(self.x.named(provider.venue)[0], (k - 1) * self.w.dt, self.w.dt)
        self.lending.step(k, self.w.dt)
        self.margins.before_blocks(k, self.w.dt)
        self.terms.step(k, self.x, self.w.dt)
        self.auctions.bonus = self.terms.bonus
        self.owners.observe()
        self.burners.step(self.w.dt)
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
        follow(self.x, self.w.exchanges, self.k * self.w.dt)
        self.auctions.at(self.time)
        offered = self.oracles(b == 1)
        views = {protocol: self.seen(protocol) for protocol in self.w.rules}
        sights = {e.name: Sight(self.prices(e.name, e.weight), self.prices(e.name, e.tiers), self.x.usd(e.unit))
                  for e in self.w.exchanges}
        unhealthy = [a for a in self.w.accounts if self.health(a, views[a.protocol]) < 1.0]
        self.terms.note(self.w.accounts, views, sights)
        self.halts.look(self.looked_at, self.time)
        self.halts.netted, self.halts.lends = self.netted(views, sights), set(views)
        spared = {a.number for a in unhealthy if self.spared(a, views[a.protocol])}
        self.counts["late_blocks"] += late(self, views)
        called = self.margins.call(sights, self.time, self.halts)
        calls, answers = self.calls(unhealthy, spared, views)
        own = self.owners_answer(answers, views)
        orders = [Transaction("order", order, order.bid(self.w.chains), amount=order.left(self.k), chain=order.chain,
                              payer="order_owners", routes=[(order.asset, order.into)])
                  for order in self.w.orders if order.left(self.k) > 0.0] + self.placed(own, b, views)
        on_offer = {"clip": self.lots_offered(views), "comet": self.stock_offered(views),
                    "llamma": self.llammas.offers(self.time), "liquity": self.liquities.offers(self.time)}
        offers = calls + [offer for family in self.w.families() for offer in on_offer.get(family, ())]
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
        for desk in self.w.desks:
            desk.act(self.x, self.time)
        self.x.share_pools()
        self.lapse(after, sights)
        self.issuers.close(offered, self.time)
        self.burners.close(offered)
        if max(abs(m.u(m.s)) for m in self.x.everywhere()) > BROKEN:
            self.nearest = 0.0
        for venue in self.x.everywhere():
            venue.moved = venue.moved or venue.s != 0.0
            self.nearest = min(self.nearest, near_gap(venue))
        self.nearest = min(self.nearest, self.x.nearest)
        for name, u in self.pools.items():
            if abs(self.w.markets[name].u(self.w.markets[name].s) - u) > EMPTY:
                self.nearest = 0.0
        if block.rows or called or fell or self.lending.somebody_waits():
            return self.time
        return min([block.wake, *closed.values(), self.halts.wake(self.time), *(desk.due for desk in self.w.desks),
                    self.issuers.wake(self.time),
                    self.auctions.wake(self.time, self.halts.liquidations),
                    self.storefronts.wake(self.time, self.halts.liquidations),
                    *(feed.next_look() for feed in self.w.feeds.values())])

    # ---- policies --------------------------------------------------------------------------------------------

    def looked_at(self, breaker: Breaker) -> dict[str, float]:
        """What a breaker looks at, as it is now: log prices of assets in USD, of markets in their quote; volumes [USD]."""
        if breaker.trigger == "liquidations":
            return {protocol: self.repaid[protocol] for protocol in breaker.of}
        return {name: self.looked_at_price(name) for name in breaker.of}

    def looked_at_price(self, name: str) -> float:
        """Log price of an asset in USD, of a pair or a venue in its quote."""
        if "/" in name:
            return self.x.pair(*name.split("/"))
        venues = [] if name in self.w.markets else self.x.named(name)
        return venues[0].u(venues[0].s) if venues else self.x.log_price(name)

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
        name = t.ref.venue if isinstance(t.ref, Order) else ""

        def of(m: str) -> float:
            venues = self.x.venues(m)
            venues = [v for v in venues if v.venue == name] or venues
            return min(self.halts.trading.get(v.key, -math.inf) for v in venues)
        return max((of(m) for a, b in t.routes for m in {*self.x.chain(a)} ^ {*self.x.chain(b)}), default=-math.inf)

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
            elif account.protocol in self.w.stores:
                view, seen = views[account.protocol], self.storefronts.unsafe(account, views[account.protocol])
                offer = self.offer_of_absorption(account, view) if seen else None
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

    def oracles(self, first: bool) -> list[Transaction]:
        """Oracle answers that are offered; marks are sampled."""
        offered = []
        for name, feed in self.w.feeds.items():
            if feed.kind == "mark" and first:
                sample_mark(feed, self.x, self.w.exchange(feed.exchange), self.k, self.w.dt)
            if feed.kind == "rate":
                feed.answer = self.issuers.backed[feed.base].log_rate
            if feed.kind == "ema":
                feed.answer += (1.0 - math.exp((feed.updated - self.time) / feed.over)) * (self.observed(feed) - feed.answer)
                feed.updated = self.time
            if feed.kind != "push":
                continue
            if feed.flight is None:
                observed = self.observed(feed)
                move = observed - feed.answer
                if (move >= math.log(1.0 + feed.deviation) or move <= math.log(1.0 - feed.deviation)
                        or feed.beat() <= self.time + 1e-9):
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

    def stock_offered(self, views: dict[str, View]) -> list[Offer]:
        """What has been seized, and may be bought."""
        found = [self.offer_of_stock(one, views[one.protocol], 0.0) for one in self.storefronts.stock
                 if self.halts.liquidations.get(one.protocol, -math.inf) <= self.time]
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
        missing = (self.w.target * rule.owing(account, view) - rule.backing(account, view)) / (price * view.threshold(leg))
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


def near_gap(market: Market) -> float:
    """How close to a jump of the price a venue stands, as a share of how far its s moves with the price."""
    profile = market.profile
    if profile is None or not market.moved or min(profile.liquidity) > 0.0:
        return math.inf
    return profile.from_gap(market.s) / market.virtual()


def simulate(setting: Setting) -> Result:
    """Run one path. The setting is used up."""
    return Path(setting).run()
