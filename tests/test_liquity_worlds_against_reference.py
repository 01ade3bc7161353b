"""Whole worlds with Liquity against the plain second implementation: the engine's prices, redemptions as it sized them, no more.

In every block the integers liquidate, lowest ratio first, what may be at the block's start, each as its predecessors left the
system, then redeem as much as the engine did. The same troves stand at the end, with the same collateral, debt, surplus, pool and
base rate. Worlds 0 to 59 have been run; so many as stand here are run every time.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest

from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.protocols.liquity_calls import price_of
from delever.protocols.liquity_system import BASE_RATE, COLL, POOL, POOL_COLL, REDEEMED, System, entire
from protocols.liquity_worlds import PRICE, started, troves, world
from reference.troves import CCR, MCR, ONE, Liquity, Reverted

WORLDS, PATHS, STEPS = 16, 2, 40


def raw(x: float) -> int:
    """In smallest units, as exactly as a float is."""
    numerator, denominator = float(x).as_integer_ratio()
    return numerator * ONE // denominator


class Played:
    """One random world, and both sides of it."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        safest = draw.choice((2.0, 4.0, 20.0))
        self.rows = [(draw.lognormvariate(3.0, 1.0) + 3.0, draw.uniform(1.11, safest)) for _ in range(draw.randrange(3, 25))]
        owed = sum(held * PRICE / ratio for held, ratio in self.rows)
        self.per_call = draw.choice((1, 1, 4))
        rules = {"stability_pool": {"ETH": draw.choice((0.0, 0.05, 0.5)) * owed}, "redemptions": draw.random() < 0.5,
                 "per_call": self.per_call, "pool_sells": draw.choice((0.0, 1.0))}
        stated = world(troves(*self.rows), lusd=draw.choice((0.98, 1.0)), depth=1e5, rules=rules)
        fall = {"kind": "price", "at": 60, "over": 1200, "change": {"ETH": -draw.uniform(0.05, 0.5)}}
        self.world = stated.replace("scenario.events", [fall]).replace("scenario.horizon", f"{STEPS} min").replace(
            "scenario.prices.volatility", {"ETH": 2.0, "LUSD": 0.1}).replace("scenario.seed", seed)
        self.exact, self.seen = [Liquity() for _ in range(PATHS)], Counter[str]()
        for one in self.exact:
            for k, (held, ratio) in enumerate(self.rows):
                one.open(k, raw(held), raw(held * PRICE / ratio))
            if rules["stability_pool"]["ETH"]:
                one.deposit(0, raw(rules["stability_pool"]["ETH"]))

    def run(self) -> System:
        """All steps."""
        chunk, state, phase = started(self.world, PATHS)
        for _ in range(STEPS):
            before = phase.systems[0].system.told[REDEEMED].copy()
            step(chunk, state)
            assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
            s = phase.systems[0].system
            for p, one in enumerate(self.exact):
                one.price = raw(price_of(p, s, state.seen))
                self.block(one, state, s.told[REDEEMED, p] - before[p])
        return phase.systems[0].system

    def block(self, exact: Liquity, state: State, redeemed: float) -> None:
        """The integers' turn."""
        mode = "recovery" if exact.total_ratio() < CCR else "normal"
        total, pool = exact.total_ratio(), exact.to_offset()
        may = [k for k in exact.order() if len(exact.troves) > 1
               and (exact.ratio(k) < MCR or (mode == "recovery" and exact.portions(k, exact.ratio(k), pool, total) and pool))]
        for k in may if self.per_call == 1 else may[:1]:
            try:
                done = exact.liquidate(k) if self.per_call == 1 else exact.sequence(self.per_call)
                self.seen[f"liquidated in {mode}"] += len(done.closed)
                self.seen["surplus"] += len(done.surplus)
            except Reverted:
                self.seen["reverted"] += 1
            except KeyError:
                self.seen["gone"] += 1
        if redeemed > 0.0:
            exact.redeem(raw(redeemed), round(state.time))
            self.seen["redeemed"] += 1


@cache
def ended(seed: int) -> tuple[Played, System]:
    """A world that has been run."""
    played = Played(seed)
    return played, played.run()


def test_worlds_end_as_the_integers_do() -> None:
    for seed in range(WORLDS):
        played, s = ended(seed)
        for p, exact in enumerate(played.exact):
            standing = {k for k in range(len(s.account)) if s.open[p, k]}
            assert standing == set(exact.troves), f"world {seed}, path {p}: {played.seen}"
            pairs = [(f"{name} of {k}", ours, theirs) for k in standing for name, ours, theirs in zip(
                ("coll", "debt"), entire(p, k, s), exact.entire(k), strict=True)]
            pairs += [(f"surplus of {k}", ours, exact.surplus.get(k, 0)) for k, ours in enumerate(s.surplus[p])]
            pairs += [("coll", s.sums[p, COLL], exact.coll), ("pool", s.sums[p, POOL], exact.pool),
                      ("base rate", s.sums[p, BASE_RATE], exact.base_rate)]
            if played.world.protocols["liquity"].rules.pool_sells == 0.0:  # type: ignore[attr-defined]
                pairs.append(("collateral of the pool", s.sums[p, POOL_COLL], exact.pool_coll))
            for name, ours, theirs in pairs:
                assert ours == pytest.approx(theirs / ONE, rel=1e-8, abs=1e-6), f"world {seed}, path {p}: {name}, {played.seen}"


def test_worlds_see_everything_that_may_happen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(WORLDS):
        seen += ended(seed)[0].seen
    for what in ("liquidated in normal", "liquidated in recovery", "surplus", "redeemed"):
        assert seen[what] >= 3, (what, seen)
