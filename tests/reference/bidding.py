"""What anybody may take, and who takes it: liquidators, and those who take two calls in one transaction."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reference.accounts import Account, Claim
from reference.auctions import Lot
from reference.exchange import Exchange, Sale
from reference.setting import Bidder, Network, Transaction

if TYPE_CHECKING:
    from reference.banding import Called
    from reference.bands import Amm
    from reference.liquities import System, TroveCall
    from reference.storefront import Stock

Amounts = list[tuple[str, float]]  # asset, units
Resize = Callable[["Offer", float], "Offer | None"]  # as large as these units pay for
GAS_OF = {"claim": "liquidation"}  # as networks name it, where that is another


@dataclass(eq=False)
class Offer:
    """What may be done now to an account or a lot, at what it is now."""

    kind: str  # claim, kick, take, redo, absorb, buy_collateral, hard_liquidation, band_trade, trove_liquidation, ...
    protocol: str
    ref: Account | Lot | Amm | Called | Stock | System | TroveCall
    chain: str
    pays: Amounts
    gets: Amounts  # less what the protocol keeps
    sales: list[tuple[str, str, float]]  # of what it gets, for what it pays
    what: object = None  # Claim, Kick, (paid, units) or reward
    most: float = math.inf  # units that its sender says he brings at most
    named: bool = True  # one asset for one
    by: Transaction | None = None  # who has taken it

    @staticmethod
    def of_claim(claim: Claim, chain: str) -> Offer:
        gets = [(leg.asset, units - kept) for leg, units, kept in claim.seize]
        return Offer("claim", claim.account.protocol, claim.account, chain, [(leg.asset, units) for leg, units in claim.repay],
                     gets, [(c.asset, d.asset, units) for c, d, units in claim.sales], claim)


def gas_price(kinds: list[str], net: Network, x: Exchange) -> float:
    """What a gwei a unit of gas costs for these kinds of transaction [USD]."""
    return sum(net.gas[GAS_OF.get(kind, kind)] for kind in kinds) * 1e-9 * x.usd(net.native) if net.gas else 0.0


def sold(sales: list[tuple[str, str, float]], holder: str) -> list[Sale]:
    """Nothing is sold for itself."""
    return [Sale(a, b, units, holder) for a, b, units in sales]


def gain(offer: Offer, x: Exchange) -> float:
    """What taking it now brings, less what it takes, before gas [USD]; what is given for nothing counts at market prices."""
    if not any(units > 0.0 for _, units in offer.pays):
        return sum(units * x.usd(asset) for asset, units in offer.gets)
    out: dict[str, float] = defaultdict(float)
    for (_, bought, _), units in zip(offer.sales, x.trade(sold(offer.sales, "asks"), real=False), strict=True):
        out[bought] += units
    for asset, units in offer.pays:
        out[asset] -= units
    return sum(units * x.usd(asset) for asset, units in out.items())


@dataclass
class Bids:
    """What all bidders want of what is offered in a block."""

    x: Exchange
    chains: dict[str, Network]
    sequential: bool
    more: list[Transaction] = field(default_factory=list)  # what others have taken too, and pairs

    def decide(self, bidders: list[Bidder], offers: list[Offer], resize: Resize) -> list[Transaction]:
        """What is taken, in the order offered."""
        first = [bidder.pairs for bidder in bidders]
        for bidder in sorted(bidders, key=lambda b: first.index(b.pairs)):  # those of a kind look together
            if bidder.pairs:
                self.pair(bidder, offers, resize)
                continue
            for offer in offers:
                if bidder.chain is None or bidder.chain == offer.chain:
                    self.take(bidder, offer)
        return [offer.by for offer in offers if offer.by is not None]

    def take(self, bidder: Bidder, offer: Offer) -> None:
        net, brings = self.chains[offer.chain], gain(offer, self.x)
        gas = gas_price([offer.kind], net, self.x)
        profit = brings - gas * net.base_fee
        if bidder.profitable and profit < bidder.min_profit:
            return
        bid = net.base_fee + bidder.fee_share * max(profit, 0.0) / gas if gas > 0.0 else net.base_fee
        t = Transaction(offer.kind, offer.ref, bid, chain=offer.chain, payer=bidder.name,
                        must_pay=self.sequential and bidder.profitable, price=seen_price(offer), most=said(offer.most),
                        routes=[(a, b) for a, b, _ in offer.sales])
        if offer.by is None:
            offer.by = t
        else:
            self.more.append(t)

    # ---- two calls in one transaction --------------------------------------------------------------------------

    def pair(self, bidder: Bidder, offers: list[Offer], resize: Resize) -> None:
        """A in the order offered, B the one with most to gain; each stands in one pair."""
        offers = [o for o in offers if o.named and o.pays and o.pays[0][1] > 0.0 and o.gets[0][1] > 0.0]
        paired: set[int] = set()
        for a in offers:
            if id(a) in paired:
                continue
            found: tuple[float, Offer] | None = None
            for b in offers:
                if id(b) in paired or b.pays[0][0] != a.gets[0][0] or b.protocol == a.protocol or b.chain != a.chain:
                    continue
                net = self.chains[a.chain]
                most = self.most_to_gain(a, b) - gas_price([a.kind, b.kind, "joint"], net, self.x) * net.base_fee
                if most + 1e-9 * abs(most) >= bidder.min_profit and (found is None or most > found[0] + 1e-9 * abs(found[0])):
                    found = most, b
            if found is not None:
                paired |= {id(a), id(found[1])}
                self.bid_for(bidder, a, resize(found[1], a.gets[0][1]))

    def most_to_gain(self, a: Offer, b: Offer) -> float:
        """At market prices, without slippage or gas [USD]."""
        (c, got), (d, then), (lent, units) = a.gets[0], b.gets[0], a.pays[0]
        part = min(1.0, got / b.pays[0][1])
        return ((got - part * b.pays[0][1]) * self.x.usd(c) + part * then * self.x.usd(d) - units * self.x.usd(lent))

    def bid_for(self, bidder: Bidder, a: Offer, b: Offer | None) -> None:
        """b: as large as a can pay for."""
        if b is None or (out := brings(a, b, self.x)) is None:
            return
        net, (lent, units) = self.chains[a.chain], a.pays[0]
        gas = gas_price([a.kind, b.kind, "joint"], net, self.x)
        profit = (out - units) * self.x.usd(lent) - gas * net.base_fee
        if profit < bidder.min_profit:
            return
        bid = net.base_fee + bidder.fee_share * max(profit, 0.0) / gas if gas > 0.0 else net.base_fee
        parts = tuple(Transaction(o.kind, o.ref, bid, chain=a.chain, payer=bidder.name, price=seen_price(o), most=said(o.most))
                      for o in (a, b))
        parts[1].most = min(a.gets[0][1], b.most)
        self.more.append(Transaction("joint", (a, b), bid, chain=a.chain, payer=bidder.name, parts=parts,
                                     routes=[(a.gets[0][0], lent), (b.gets[0][0], lent)]))


def said(most: float) -> float:
    return most if most < math.inf else 0.0


def seen_price(offer: Offer) -> float:
    return offer.pays[0][1] / offer.gets[0][1] if offer.kind in ("take", "buy_collateral") else float("inf")


def left_over(a: Offer, b: Offer) -> list[tuple[str, str, float]] | None:
    """What both calls leave to be sold for what was borrowed; None: the second does not take what the first brings."""
    lent, (c, got), (d, then) = a.pays[0][0], a.gets[0], b.gets[0]
    needs = b.pays[0][1]
    if b.pays[0][0] != c or got - needs < -1e-12 * needs:
        return None
    return [(asset, lent, units) for asset, units in ((c, max(got - needs, 0.0)), (d, then))]


def brings(a: Offer, b: Offer, x: Exchange) -> float | None:
    """Units of what was borrowed that both calls bring together."""
    left = left_over(a, b)
    if left is None:
        return None
    own = sum(units for asset, lent, units in left if asset == lent)
    return own + sum(x.trade(sold(for_sale(left), "asks"), real=False))


def for_sale(left: list[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """What is not what was borrowed already."""
    return [(a, b, units) for a, b, units in left if a != b and units > 0.0]


def nearest_bids(offered: list[Transaction], chains: dict[str, Network]) -> float:
    """Relative distance of the bids for calls that were cut: many are to the same cash, and bid the same but for rounding."""
    bids = sorted(t.bid for t in offered if t.kind == "claim" and t.most > 0.0 and t.bid > chains[t.chain].base_fee)
    return min([math.inf, *((b - a) / b for a, b in itertools.pairwise(bids))])
