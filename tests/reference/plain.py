"""The model, plainly: one path, one account at a time. Follows "The model, exactly" in docs/design.md."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from reference import accounts as rule
from reference.accounts import Account, Claim, View
from reference.default_waterfall import absorb_lending
from reference.exchange import Exchange, Sale
from reference.margin import Sight
from reference.margin_engine import Margins
from reference.marks import follow, sample_mark
from reference.outcome import late, result_of
from reference.randomness import BORROWERS, philox, uniform
from reference.setting import Feed, Order, Result, Setting, Transaction

PAYER = {"oracle": "reporters", "claim": "liquidators", "top_up": "owners", "order": "order_owners"}
BATCH = {"oracle": 0, "top_up": 1, "claim": 2, "order": 3}


class Path:
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
        follow(self.x, setting.follows)
        for feed in setting.feeds.values():
            if math.isnan(feed.answer):  # none given: the market's
                feed.answer = self.x.pair(feed.base, feed.quote)

    # ---- what protocols see ---------------------------------------------------------------------------------

    def answer(self, name: str) -> float:
        feed = self.w.feeds[name]
        if feed.kind == "market":
            return self.x.pair(feed.base, feed.quote)
        return feed.answer

    def seen(self, protocol: str) -> View:
        """What a protocol sees now; an asset without an oracle is seen at the market."""
        t = self.k * self.w.dt
        view = View({}, {}, {})
        for (of, asset), (supply, borrow) in self.w.rates.items():
            if of == protocol:
                view.price[asset] = math.exp(self.seen_log_price(protocol, asset))
                view.supply_index[asset], view.borrow_index[asset] = math.exp(supply * t), math.exp(borrow * t)
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
        self.k = k
        for m, move in self.w.moves[k - 1].items():
            self.w.markets[m].e += move
        for m, side, factor in self.w.depth_shocks[k - 1]:
            self.w.markets[m].depth[side] *= factor
        for market in self.w.markets.values():
            base, quote = market.relax(self.w.dt)
            self.x.ledger.move(market.asset, base, "arbitrageurs", "venues")
            self.x.ledger.move(market.quote, quote, "arbitrageurs", "venues")
        follow(self.x, self.w.follows)
        self.margins.before_blocks(k, self.w.dt)
        wake = -math.inf  # everybody takes part in the first block
        for b in range(1, self.w.blocks + 1):
            self.time = (k - 1) * self.w.dt + b * self.w.dt / self.w.blocks
            if self.time < wake:
                continue
            before = self.counts["liquidations"]
            wake = self.block(b == 1)
            self.cascade = self.cascade + 1 if self.counts["liquidations"] > before else 0
            self.longest_blocks = max(self.longest_blocks, self.cascade)

    def block(self, first: bool) -> float:
        """One block, the first of its step or not; when the path next has something to do."""
        follow(self.x, self.w.follows)
        offered = self.oracles(first)
        views = {protocol: self.seen(protocol) for protocol in self.w.rules}
        sights = {e.name: Sight(self.prices(e.name, e.weight), self.prices(e.name, e.tiers)) for e in self.w.exchanges}
        claims = self.claims(views)
        self.counts["late_blocks"] += late(self, views)
        called = self.margins.call(sights, self.time)
        top_ups = [t for claim in claims if (t := self.top_up(claim.account, views)) is not None]
        orders = [Transaction("order", order, order.fee, amount=order.left(self.k))
                  for order in self.w.orders if order.left(self.k) > 0.0]
        offered += self.bids(claims) + top_ups + orders
        # without a network there is no fee to bid: what is offered is executed in the order offered
        ranked = sorted(offered, key=lambda t: -t.bid) if self.w.network.gas else offered  # stable
        able = [t for t in ranked if t.bid >= self.w.network.base_fee]
        room = int(min(self.w.network.room, len(able)))
        included, unfit = able[:room], able[room:]
        self.counts["unfit"] += len(unfit)
        self.counts["underbid"] += len(ranked) - len(able)
        self.execute(included)
        absorb_lending(self.w.waterfalls, self.fund, self.deficit, self.socialised)
        fell = self.margins.absorb(sights, self.time)
        self.margins.arbitrage(sights)
        if included or unfit or called or fell:
            return self.time
        return min((feed.next_look() for feed in self.w.feeds.values()), default=math.inf)

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
                offered.append(Transaction("oracle", name, feed.fee))
        return offered

    def claims(self, views: dict[str, View]) -> list[Claim]:
        found = []
        for account in self.w.accounts:
            if self.health(account, views[account.protocol]) < 1.0:
                claim = rule.assess(account, self.w.rules[account.protocol], views[account.protocol])
                if claim is not None:
                    found.append(claim)
        return found

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
        return Transaction("top_up", account, self.w.top_up_fee, amount=missing, leg=leg)

    # ---- liquidators -----------------------------------------------------------------------------------------

    def sales(self, claim: Claim) -> list[Sale]:
        return [(c.asset, d.asset, units, "liquidators") for c, d, units in claim.sales]

    def gain(self, claim: Claim) -> float:
        """What selling now brings beyond the repaid debt [USD]."""
        out: dict[str, float] = defaultdict(float)
        for (_, debt, _), units in zip(claim.sales, self.x.trade(self.sales(claim), real=False), strict=True):
            out[debt.asset] += units
        for debt, units in claim.repay:
            out[debt.asset] -= units
        return sum(units * self.x.usd(asset) for asset, units in out.items())

    def bids(self, claims: list[Claim]) -> list[Transaction]:
        """The claims that liquidators want, with what they bid."""
        wanted = []
        for claim in claims:
            net, gain = self.w.network, self.gain(claim)
            gwei = net.gas["liquidation"] * 1e-9 * self.x.usd(net.native) if net.gas else 0.0
            profit = gain - gwei * net.base_fee
            if self.w.profitable and profit < self.w.min_profit:
                self.counts["declined"] += 1
                continue
            bid = net.base_fee + self.w.fee_share * max(profit, 0.0) / gwei if net.gas else 0.0
            wanted.append(Transaction("claim", claim.account, bid))
        return wanted

    # ---- execution -------------------------------------------------------------------------------------------

    def execute(self, included: list[Transaction]) -> None:
        claimed = {id(t.ref) for t in included if t.kind == "claim"}
        self.counts["raced"] += sum(t.kind == "top_up" and id(t.ref) in claimed for t in included)
        if self.w.sequential:
            for t in included:
                self.x.trade(self.settle(t), real=True)
        else:
            fills = [f for t in sorted(included, key=lambda t: BATCH[t.kind]) for f in self.settle(t)]
            self.x.trade(fills, real=True)

    def settle(self, t: Transaction) -> list[Sale]:
        """Do one transaction; what it sells."""
        net = self.w.network
        if net.gas:
            paid = net.gas["liquidation" if t.kind == "claim" else t.kind] * t.bid * 1e-9
            self.x.ledger.move(net.native, paid, PAYER[t.kind], "block_builders")
        if isinstance(t.ref, str):
            self.answered(self.w.feeds[t.ref])
        elif isinstance(t.ref, Order):
            t.ref.sold += t.amount
            self.counts["orders"] += 1
            return [(t.ref.asset, t.ref.into, t.amount, "order_owners")]
        elif isinstance(t.ref, Account):
            done = self.topped_up(t, t.ref) if t.kind == "top_up" else self.claimed(t.ref)
            if done is None:
                self.counts["reverted"] += 1
                self.counts[f"reverted_{t.kind}"] += 1
            else:
                return done
        return []

    def answered(self, feed: Feed) -> None:
        assert feed.flight is not None
        feed.answer, feed.updated, feed.flight, feed.land = feed.flight, self.time, None, math.inf
        self.counts["answers"] += 1

    def topped_up(self, t: Transaction, account: Account) -> list[Sale] | None:
        view = self.seen(account.protocol)
        if self.health(account, view) >= 1.0:
            return None
        leg = t.leg
        assert isinstance(leg, rule.Leg)
        leg.amount += t.amount / view.supply_index[leg.asset]
        account.answered = True
        self.x.ledger.move(leg.asset, t.amount, "owners", "cash")
        self.counts["top_ups"] += 1
        return []

    def claimed(self, account: Account) -> list[Sale] | None:
        view = self.seen(account.protocol)
        if self.health(account, view) >= 1.0:
            return None
        claim = rule.assess(account, self.w.rules[account.protocol], view)
        if claim is None or (self.w.profitable and self.w.sequential and self.gain(claim) < 0.0):
            return None
        for leg, seize, kept in claim.seize:
            leg.amount = 0.0 if leg in claim.cleared else leg.amount - seize / view.supply_index[leg.asset]
            self.x.ledger.move(leg.asset, seize - kept, "cash", "liquidators")
            if self.w.feeds_fund(account.protocol):
                self.fund[account.protocol, leg.asset] += kept
        for leg, repay in claim.repay:
            leg.amount = 0.0 if leg in claim.cleared else leg.amount - repay / view.borrow_index[leg.asset]
            self.x.ledger.move(leg.asset, repay, "liquidators", "cash")
        self.counts["liquidations"] += 1
        self.liquidated[account.protocol] += 1
        self.absorb(account, view)
        return self.sales(claim)

    def absorb(self, account: Account, view: View) -> None:
        """What is owed without any collateral is booked as a deficit, where the rules say so."""
        if self.w.rules[account.protocol].kind not in ("v3_3", "pro_rata"):
            return
        if any(leg.amount > 0.0 for leg in account.collateral):
            return
        for leg in account.debt:
            self.deficit[account.protocol, leg.asset] += view.owed(leg)
            leg.amount = 0.0

    # ---- the whole path --------------------------------------------------------------------------------------

    def run(self) -> Result:
        longest = run = 0  # steps in a row with executed claims
        for k in range(1, self.w.steps + 1):
            before = self.counts["liquidations"]
            self.step(k)
            run = run + 1 if self.counts["liquidations"] > before else 0
            longest = max(longest, run)
        return result_of(self, longest)


def simulate(setting: Setting) -> Result:
    """Run one path. The setting is used up."""
    return Path(setting).run()
