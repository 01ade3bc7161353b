"""Liquity's kernels against the plain second implementation, whole random histories: prices, depositors, calls, redemptions.

The contracts' integers on one side, floats on the other: the same troves stand; what each holds and owes, what depositors have
and the base rate agree to 1e-9 (and a float's share of what came in, see tests/protocols/test_liquity_vectors.py).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from delever.protocols.liquity_redeem import redeem, redeemed
from delever.protocols.liquity_system import BASE_RATE, COLL, DEBT, LOWEST, OPEN, POOL, STAKES, entire, from_the_lowest, look
from protocols.liquity_systems import TERMS, Depositors, liquidated, opened, system
from reference.troves import CCR, ONE, Liquity, Reverted

TROVES, ACTIONS, HISTORIES, BATCH = 12, 40, 200, 20
RELATIVE, CANCELLED = 1e-9, 1e-13


def raw(x: float) -> int:
    """In smallest units, of a number of six decimals."""
    return round(x * 1e6) * 10**12


class History:
    """Both sides of one random history."""

    def __init__(self, seed: int) -> None:
        self.draw, self.exact, self.s = random.Random(seed), Liquity(), system(TROVES, TERMS)
        self.who, self.time, self.paid_in, self.seen, self.worn = Depositors(self.s), 0, 1.0, Counter[str](), 1.0
        self.grain = ONE  # the smallest stake so far: the contract cuts it, too
        self.price, self.safest = 2000.0, self.draw.choice((2.5, 30.0))  # USD; collateral ratio of the safest
        self.exact.price = raw(self.price)
        for k in range(8):
            self.open(k)

    def open(self, k: int) -> None:
        coll = round(self.draw.lognormvariate(2.5, 1.0), 6) + 3.0
        near = self.draw.random() < 0.5
        debt = round(coll * self.price / (self.draw.uniform(1.105, 1.25) if near else self.draw.uniform(1.25, self.safest)), 6)
        self.exact.open(k, raw(coll), raw(debt))
        opened(self.s, k, coll, debt)

    def act(self) -> None:
        """One of what may happen; a revert is one on both sides."""
        draw, s, exact = self.draw, self.s, self.exact
        what = draw.choice(("price", "price", "deposit", "withdraw", "liquidate", "batch", "sequence", "open", "open", "redeem"))
        standing, pool = list(exact.troves), exact.pool
        if what == "price":
            self.price = round(min(max(self.price * draw.uniform(0.75, 1.25), 800.0), 4000.0), 6)
            exact.price = raw(self.price)
        elif what == "deposit":
            units, who = round(draw.lognormvariate(8.0, 1.5), 6), draw.randrange(5)
            self.paid_in += units
            assert self.who.put(who, units) == pytest.approx(exact.deposit(who, raw(units)) / ONE, rel=1e-7, abs=1e-9)
        elif what == "withdraw":
            who, units = draw.randrange(5), round(draw.lognormvariate(8.0, 1.5), 6)
            try:
                exact.withdraw(who, raw(units))
            except Reverted:
                what = "withdraw refused"
            look(0, s)
            if s.sums[0, LOWEST] * self.price < 1.1:
                assert what == "withdraw refused"
            else:
                self.who.put(who, -min(units, self.who.left(who)))
        elif what == "open":
            free = [k for k in range(TROVES) if k not in exact.troves]
            if free:
                self.open(free[0])
        elif what == "redeem":
            self.time += draw.choice((20, 90, 7200, 50_000))
            what = self.redeem(round(draw.lognormvariate(8.5, 1.5), 6))
        else:
            recovery = "in recovery" if exact.total_ratio() < CCR else "in normal mode"
            some = exact.order() if draw.random() < 0.7 else draw.sample(standing, len(standing))
            what = f"{what} {recovery}{self.call(what, some[:draw.randrange(1, 6)])}"
        if 0 < exact.pool < pool and what.split()[0] in ("liquidate", "batch", "sequence"):
            self.worn = max(self.worn, self.paid_in * ONE / exact.pool)
        self.seen[what] += 1

    def call(self, what: str, some: list[int]) -> str:
        """Liquidate on both sides."""
        s, exact, n = self.s, self.exact, len(some)
        try:
            done = exact.sequence(n) if what == "sequence" else exact.batch(some if what == "batch" else some[:1])
            closed = len(done.closed)
        except Reverted:
            closed = 0
        if what == "sequence":
            most = int(s.sums[0, OPEN]) - (s.sums[0, COLL] * self.price < 1.5 * s.sums[0, DEBT])
            from_the_lowest(0, float("inf"), s)
            some = s.order[:min(n, most)].tolist()
        assert liquidated(s, some if what != "liquidate" else some[:1], self.price, what == "sequence") == closed
        return "" if closed else ", nothing"

    def redeem(self, units: float) -> str:
        """Redeem on both sides."""
        s, exact = self.s, self.exact
        try:
            largest = max(exact.entire(k)[1] for k in exact.troves)
            if exact.debt - raw(units) < largest:  # the contract refuses to close the last; here it is left
                return "redeem, not tried"
            supply = exact.debt
            paid, drawn, fee = exact.redeem(raw(units), self.time)
        except Reverted:
            return "redeem refused"  # nobody asks, as nothing is to be had
        ours = redeem(0, units, self.price, 1.0, True, s)
        assert ours[0] == pytest.approx(paid / ONE, rel=1e-9) and ours[2] == pytest.approx(drawn / ONE, rel=1e-9)
        share = ours[2] * redeemed(0, ours[0] / (supply / ONE), float(self.time), s)
        assert share == pytest.approx(fee / ONE, rel=1e-9)
        return "redeem"

    def differences(self) -> Iterator[str]:
        """What is not the same now."""
        s, exact = self.s, self.exact
        mine = {k for k in range(TROVES) if s.open[0, k]}
        if mine != set(exact.troves):
            yield f"open: {mine}, {set(exact.troves)}"
            return
        self.grain = min(self.grain, *(trove.stake for trove in exact.troves.values()))
        pairs = [(f"{name} of {k}", ours, theirs) for k in mine for name, ours, theirs in zip(
            ("coll", "debt"), entire(0, k, s), exact.entire(k), strict=True)]
        pairs += [(f"stake of {k}", s.stake[0, k], exact.troves[k].stake) for k in mine]
        pairs += [("stakes", s.sums[0, STAKES], exact.stakes), ("coll", s.sums[0, COLL], exact.coll),
                  ("debt", s.sums[0, DEBT], exact.debt), ("base rate", s.sums[0, BASE_RATE], exact.base_rate)]
        pairs += [(f"surplus of {k}", s.surplus[0, k], exact.surplus.get(k, 0)) for k in range(TROVES)]
        for name, ours, theirs in pairs:
            if not abs(ours - theirs / ONE) <= (RELATIVE + 10.0 / self.grain) * abs(theirs / ONE) + 1e-12:
                yield f"{name}: {ours!r}, {theirs / ONE!r}"
        loose = RELATIVE * (1.0 + self.worn * 1e-6)
        deposits = [(f"deposit of {k}", self.who.left(k), exact.compounded(k)) for k in range(5)]
        for name, ours, theirs in (*deposits, ("pool", s.sums[0, POOL], exact.pool)):
            if not abs(ours - theirs / ONE) <= loose * abs(theirs / ONE) + CANCELLED * self.paid_in:
                yield f"{name}: {ours!r}, {theirs / ONE!r}"


@pytest.mark.parametrize("first", range(0, HISTORIES, BATCH))
def test_histories_run_as_the_integers_do(first: int) -> None:
    for seed in range(first, first + BATCH):
        history = History(seed)
        for number in range(ACTIONS):
            history.act()
            assert not list(history.differences()), f"history {seed}, action {number}: {history.seen}"


def test_histories_see_everything_that_may_happen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        history = History(seed)
        for _ in range(ACTIONS):
            history.act()
        seen += history.seen
    calls = [f"{what} in {mode}" for what in ("liquidate", "batch", "sequence") for mode in ("normal mode", "recovery")]
    for what in (*calls, *(f"{call}, nothing" for call in calls), "withdraw", "withdraw refused", "redeem", "redeem refused"):
        assert seen[what] >= 3, (what, seen)
