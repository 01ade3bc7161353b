"""What LLAMMA's markets offer in a block: loans below zero to be closed, and arbitrage; and what becomes of it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

from reference.bands import Amm, Loan
from reference.bidding import Offer
from reference.exchange import Exchange
from reference.lending import Lending

HARD, TRADE = KINDS = ("hard_liquidation", "band_trade")
SAFE = 1e-9  # share of what a call takes by which what is brought may fall short


@dataclass(eq=False)
class Called:
    """A loan to be closed."""

    amm: Amm
    loan: Loan


@dataclass
class Llammas:
    """All markets of a path."""

    amms: list[Amm]
    x: Exchange
    lending: Lending
    home: dict[str, str]  # network of each protocol
    seen: Callable[[str, str], float]  # log price that a protocol sees of an asset
    halted: Callable[[str], float]  # until when liquidations of a protocol are [s]
    deficit: dict[tuple[str, str], float]
    counts: Counter[str]
    treasury: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    def price(self, amm: Amm) -> float:
        return math.exp(self.seen(amm.protocol, amm.a) - self.seen(amm.protocol, amm.b))

    def oracle(self, amm: Amm, t: float) -> tuple[float, float]:
        amm.index = self.lending.reserves[amm.protocol, amm.b].borrow
        return amm.oracle(self.price(amm), t)

    # ---- what is offered ---------------------------------------------------------------------------------------

    def offers(self, t: float) -> list[Offer]:
        """Market by market: its loans below zero, then its arbitrage."""
        found = []
        for amm in self.amms:
            p_o, _ = self.oracle(amm, t)
            below = [loan for loan in amm.loans if loan.open and amm.health(loan, p_o) < 0.0]
            if self.halted(amm.protocol) > t:
                self.counts["loans below zero in a halt"] += len(below)
                below = []
            calls = [(loan, self.call(amm, loan)) for loan in below]
            for loan, call in calls:
                if call is None and amm.writes_off and amm.no_collateral(loan):
                    self.write_off(amm, loan)
            found += [call for _, call in calls if call is not None]
            if (trade := self.arbitrage(amm, t)) is not None:
                found.append(trade)
        return found

    def call(self, amm: Amm, loan: Loan, most: float = math.inf) -> Offer | None:
        """All or nothing. most: stablecoin that is brought."""
        (x, y), owed = amm.holds(loan), amm.owed(loan)
        brings, what = (amm.b, max(owed - x, 0.0)), Called(amm, loan)
        if most < brings[1] * (1.0 - SAFE):
            return None
        if not amm.no_collateral(loan):
            return Offer(HARD, amm.protocol, what, self.home[amm.protocol], [brings], [(amm.a, y)], [(amm.a, amm.b, y)])
        if x <= owed:
            return None
        return Offer(HARD, amm.protocol, what, self.home[amm.protocol], [], [(amm.b, x - owed)], [])

    def arbitrage(self, amm: Amm, t: float, most: float = math.inf) -> Offer | None:
        """What pays before gas; of that as much as `most` units buy."""
        p_o, limiter = self.oracle(amm, t)
        for taken, given in ((amm.a, amm.b), (amm.b, amm.a)):
            brought, got = amm.arbitrage(taken == amm.a, p_o, limiter, partial(self.x.edge, taken, given))
            if got > 0.0 and most < brought:
                done = deepcopy(amm).trade(taken == amm.a, most, p_o, limiter)
                brought, got = done.brought, done.got
            if got > 0.0:
                return Offer(TRADE, amm.protocol, amm, self.home[amm.protocol], [(given, brought)], [(taken, got)],
                             [(taken, given, got)], what=(p_o, limiter))
        return None

    def anew(self, ref: Amm | Called, t: float, most: float = math.inf) -> Offer | None:
        """What it would be now, of somebody who brings at most so many units."""
        if isinstance(ref, Amm):
            return self.arbitrage(ref, t, most)
        p_o, _ = self.oracle(ref.amm, t)
        return self.call(ref.amm, ref.loan, most) if ref.loan.open and ref.amm.health(ref.loan, p_o) < 0.0 else None

    # ---- what becomes of it ------------------------------------------------------------------------------------

    def write_off(self, amm: Amm, loan: Loan) -> None:
        owed = amm.owed(loan)
        x, y = amm.take_out(loan)
        self.x.ledger.move(amm.b, x, "bands", "cash")
        self.x.ledger.move(amm.a, y, "bands", "cash")
        self.treasury[amm.protocol, amm.a] += y
        self.deficit[amm.protocol, amm.b] += owed - x
        self.counts["written off"] += 1

    def close(self, call: Called, who: str) -> float:
        """Somebody pays what a loan owes; how much that is."""
        amm, owed = call.amm, call.amm.owed(call.loan)
        x, y = amm.take_out(call.loan)
        self.x.ledger.move(amm.b, owed, who, "cash")
        self.x.ledger.move(amm.b, x, "bands", who)
        self.x.ledger.move(amm.a, y, "bands", who)
        self.counts["hard liquidations"] += 1
        self.counts["closed without collateral"] += y == 0.0
        self.counts["closed with both"] += x > 0.0 and y > 0.0
        return owed

    def trade(self, amm: Amm, offer: Offer, who: str, t: float) -> float:
        """Carry it out; what it got."""
        (given, units), (taken, _) = offer.pays[0], offer.gets[0]
        p_o, limiter = offer.what  # type: ignore[misc]
        before = amm.active
        done = amm.trade(taken == amm.a, units, p_o, limiter)
        if not done.got > 0.0:
            return 0.0
        amm.active, amm.p_l, amm.limiter, amm.last = done.ends, p_o, limiter, t
        self.x.ledger.move(given, done.brought, who, "bands")
        self.x.ledger.move(given, done.admin, "bands", "cash")
        self.x.ledger.move(taken, done.got, "bands", who)
        self.treasury[amm.protocol, given] += done.admin
        amm.trades += 1
        amm.sold, amm.bought = (amm.sold + done.got, amm.bought) if done.buying else (amm.sold, amm.bought + done.brought)
        amm.loss += done.got * self.x.usd(taken) - done.brought * self.x.usd(given)
        way = "down" if done.buying else "up"
        self.counts[f"trades {way}"] += 1
        self.counts[f"crosses bands {way}"] += done.ends != before
        self.counts["limiter"] += limiter > amm.stated
        self.counts["fee of the way"] += amm.fee(done.ends, p_o, 0.0) > max(amm.stated, limiter)
        self.counts["clamped"] += p_o != self.price(amm)
        return done.got
