"""Whole worlds with Liquity v2 against the plain second implementation: the engine's prices, redemptions as it sized them.

In every block the integers charge interest, shut down, liquidate, lowest ratio first, what may be at the block's start, then
redeem and redeem urgently as much as the engine asked for. The same troves stand at the end, with the same collateral, debt,
surplus, pool and base rate.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest

from delever.core.state import State
from delever.core.tables import EXECUTED, SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.protocols.liquity_calls import price_of
from delever.protocols.liquity_system import OPEN, POOL, POOL_COLL, entire
from delever.protocols.liquity_v2 import LiquityV2Phase
from delever.protocols.liquity_v2_branch import DOWN_AT, NEXT, URGENT
from delever.protocols.liquity_v2_redeem import ASKED, RATE
from protocols.liquity_v2_worlds import PRICE, Trove, started, world
from reference.branches import Bold, Branch, Reverted
from reference.troves import ONE

WORLDS, STEPS, STEP = 200, 12, 60
MCR = {"WETH": 11 * ONE // 10, "wstETH": 12 * ONE // 10, "rETH": 12 * ONE // 10}


def raw(x: float) -> int:
    """In smallest units, as exactly as a float is."""
    numerator, denominator = float(x).as_integer_ratio()
    return numerator * ONE // denominator


class Played:
    """One random world, and both sides of it."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        names = draw.sample(sorted(PRICE), draw.randrange(1, 4))
        if "WETH" not in names:
            names = [*names, "WETH"]
        self.rows = []
        for name in names:
            least, safest = MCR[name] / ONE * 1.01, draw.choice((1.4, 2.0, 4.0))
            for _ in range(draw.randrange(2, 7)):
                held = draw.choice((1.0, 10.0)) * draw.lognormvariate(0.0, 1.0) + 0.5
                self.rows.append(Trove(name, held, held * PRICE[name] / draw.uniform(least, max(safest, least * 1.1)),
                                       draw.choice((0.005, 0.01, 0.05, 2.5))))
        owed = {name: sum(row.debt for row in self.rows if row.collateral == name) for name in names}
        pools = {name: draw.choice((0.0, 0.05, 0.5, 0.999)) * owed[name] for name in names}
        rules = {"stability_pool": pools, "redemptions": draw.random() < 0.7, "pool_sells": draw.choice((0.0, 1.0)),
                 "base_rate": draw.choice((0.0, 0.01))}
        self.sells = rules["pool_sells"]
        fall = {name: -draw.uniform(0.0, 0.45) for name in names}
        self.world = world(*self.rows, bold=draw.choice((0.96, 0.99, 1.0)), depth=draw.choice((1e4, 1e6)), rules=rules)
        for path, value in (("events", [{"kind": "price", "at": 60, "over": 300, "change": fall}]), ("seed", seed),
                            ("horizon", f"{STEPS} min"),
                            ("prices.volatility", {**dict.fromkeys(PRICE, 1.0), "BOLD": draw.choice((0.0, 0.3))})):
            self.world = self.world.replace(f"scenario.{path}", value)
        self.names, self.pools, self.seen, self.base = names, pools, Counter[str](), float(rules["base_rate"])  # type: ignore[arg-type]

    def run(self) -> LiquityV2Phase:
        """All steps."""
        chunk, state, phase = started(self.world)
        branches = []
        for system, _ in phase.systems:
            name = phase.assets[system.of[0]]
            one = Branch(MCR[name], MCR[name], MCR[name] - ONE, 0, raw(self.pools[name]))
            mine = [row for row in self.rows if row.collateral == name]
            for k, row in enumerate(mine):
                one.open(k, raw(row.held), raw(row.debt), raw(row.rate or 0.0))
            branches.append(one)
        self.exact = Bold(branches, raw(self.base))
        for _ in range(STEPS):
            before = [branch.told[URGENT, 0] for branch in phase.branches]
            step(chunk, state)
            assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
            self.block(state, phase, before)
        for one in branches:
            self.seen["shut down"] += one.down is not None
            self.seen["surplus"] += len(one.surplus)
            self.seen["zombie"] += any(trove.zombie for trove in one.troves.values())
        return phase

    def block(self, state: State, phase: LiquityV2Phase, urgent: list[float]) -> None:
        """The integers' turn."""
        now, rows = round(state.time), state.transactions
        for (system, _), one in zip(phase.systems, self.exact.branches, strict=True):
            one.price = raw(price_of(0, system, state.seen))
            one.look(now)
        for one in self.exact.branches:
            due = sorted((k for k in one.troves if one.ratio(k, now) < one.mcr), key=lambda k, b=one: (b.ratio(k, now), k))
            for k in due:
                try:
                    one.liquidate(k, now)
                    self.seen["liquidated"] += 1
                except Reverted:
                    self.seen["left"] += 1
        done = rows.state[:state.n_rows] == EXECUTED
        if (done & (rows.kind[:state.n_rows] == phase.redemption.number)).any():
            self.exact.redeem(raw(phase.registries[0].now[0, ASKED]), now)
            self.seen["redeemed"] += 1
        for one, branch, before in zip(self.exact.branches, phase.branches, urgent, strict=True):
            if branch.told[URGENT, 0] > before:
                one.urgent(raw(branch.told[URGENT, 0] - before), now)
                self.seen["urgent"] += 1


@cache
def ended(seed: int) -> tuple[Played, LiquityV2Phase]:
    """A world that has been run."""
    played = Played(seed)
    return played, played.run()


@pytest.mark.parametrize("seed", range(WORLDS))
def test_a_world_ends_as_the_integers_do(seed: int) -> None:
    played, phase = ended(seed)
    at = f"world {seed}: {played.seen}"
    assert phase.registries[0].now[0, RATE] == pytest.approx(played.exact.base_rate / ONE, rel=1e-8, abs=1e-12), at
    for (s, _), branch, exact in zip(phase.systems, phase.branches, played.exact.branches, strict=True):
        assert (branch.now[0, DOWN_AT] < float("inf")) == (exact.down is not None), at
        standing = {k for k in range(len(s.account)) if s.open[0, k]}
        assert standing == set(exact.troves) and len(standing) == s.sums[0, OPEN], at
        assert {k for k in standing if branch.zombie[0, k]} == {k for k, one in exact.troves.items() if one.zombie}, at
        if exact.next is not None:
            assert branch.now[0, NEXT] == exact.next, at
        now = STEPS * STEP
        pairs = [(f"{name} of {k}", ours, theirs) for k in standing for name, ours, theirs in zip(
            ("coll", "debt"), entire(0, k, s), exact.entire(k, now), strict=True)]
        pairs += [(f"surplus of {k}", ours, exact.surplus.get(k, 0)) for k, ours in enumerate(s.surplus[0])]
        pairs.append(("pool", s.sums[0, POOL], exact.pool))
        if not played.sells:
            pairs.append(("collateral of the pool", s.sums[0, POOL_COLL], exact.pool_coll))
        for name, ours, theirs in pairs:
            assert ours == pytest.approx(theirs / ONE, rel=1e-8, abs=1e-6), f"{at}: {name}"


def test_worlds_see_everything_that_may_happen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(WORLDS):
        seen += ended(seed)[0].seen
    for what in ("liquidated", "surplus", "redeemed", "urgent", "shut down", "zombie"):
        assert seen[what] >= 20, (what, seen)
