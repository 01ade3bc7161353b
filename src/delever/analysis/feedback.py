"""Where selling feeds on itself, how far it then runs, which loop drives it, and how fast the market would mend: four tables.

The formulas stand in branching.py, what is sold by force in forced_sales.py, what that does to prices in impact.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.branching import PERCENT, Branching, Level, Spiral
from delever.analysis.joint_shocks import Joint, effects
from delever.analysis.loops import shares, spectral_radius, strongest_loop
from delever.analysis.shocks import Shocks, Walk, parse_shocks
from delever.analysis.tables import Column, table
from delever.analysis.valuation import market_of, sensitivity
from delever.analysis.walls import joint_of
from delever.model.asset import price_usd
from delever.model.errors import InputError
from delever.model.world import World
from delever.protocols.base import unseen_of
from delever.run.assemble import Model, assemble
from delever.run.result import Result

STEP = 0.01  # of levels where none is told, share
HOUR = 3600.0  # [s]
MOST = 500  # levels
TO = "-60%..0%"


@dataclass(frozen=True, repr=False)
class Criticality(Result):
    """What forced selling forces.

    levels: a row a level of the price, from now on. runs: a row a stretch of levels where n > 1. matrix: a row each two kinds of
    forced sale, at the level of the highest spectral radius. pace: a row a level, forced selling against replenishment.
    """

    levels: pa.Table
    runs: pa.Table
    matrix: pa.Table
    pace: pa.Table
    asset: str
    price: float  # of it now, USD
    market: str  # on which most of the asset's leveraged exposure would be sold
    peak: float  # level of the matrix, share
    radius: float  # its spectral radius
    loop: tuple[str, ...]  # kinds of forced sale that lead to each other, the last to the first
    loop_ratio: float  # its growth a turn
    asked: pa.Table  # what is stated, and what of it is used, as of a wall
    findings: pa.Table  # as those of a check
    said: tuple[str, ...] = ()

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.levels

    @property
    def top(self) -> dict[str, Any]:
        """The level at which n is highest, the step that it is counted over with it."""
        rows = self.levels.to_pylist()
        k = max(range(len(rows) - 1), key=lambda k: float(rows[k]["n"]))
        return rows[k] | {"step": abs(rows[k + 1]["shock"] - rows[k]["shock"])}

    def __repr__(self) -> str:
        ratios = [(n, at) for n, at in zip(self.levels["n"].to_pylist(), self.levels["shock"].to_pylist(), strict=True)
                  if n is not None]
        n, at = max(ratios)
        return f"Criticality of {self.asset}: n up to {n:.3g} at {at:+.4g}, above 1 on {self.runs.num_rows} stretches"


def criticality(world: World, asset: str | None = None, shocks: Shocks | Mapping[str, Shocks] = TO,
                step: float | str | None = None, count: int | None = None) -> Criticality:
    """The branching ratio at every price of an asset's way, the spirals, the branching matrix, the pace of replenishment.

    asset: what falls; None: `shocks` names several at once, as for a wall. shocks: "-60%..0%", or how far to go: "-30%"; above 0
    for rises, which squeeze shorts. step, count: of the levels; 1 % apart if not told. It is the width over which forced sales
    are counted: too narrow, and n jumps from account to account.
    """
    return criticality_of(assemble(world), asset, shocks, Walk(STEP if step is None and count is None else step, count))


def criticality_of(model: Model, asset: str | None, shocks: Shocks | Mapping[str, Shocks], walk: Walk) -> Criticality:
    """The same for a world that is assembled already."""
    joint = way(joint_of(model, asset, shocks, walk), walk)
    branching = Branching(model, joint)
    levels, spirals = list(branching.levels()), [branching.spiral(k) for k in range(len(joint.moves))]
    lead = joint.assets[joint.lead]
    radii = [spectral_radius(level.matrix) for level in levels]
    top = int(np.argmax(radii))
    loop, ratio = strongest_loop(levels[top].matrix)
    start = price_usd(lead, model.world.assets)
    rows = _levels(branching, levels, spirals, radii, start)
    asked, findings = effects(model, joint, sensitivity(model)[:, [market_of(model, name, "shock") for name in joint.assets]])
    return Criticality(rows, _runs(rows), _matrix(branching, levels[top], float(joint.moves[top, joint.lead])),
                       _pace(branching, levels), lead, start, model.layout.rows[branching.main],
                       float(joint.moves[top, joint.lead]), radii[top], tuple(levels[top].kinds[i].words for i in loop), ratio,
                       asked, findings,
                       (*joint.said, *_left_out(model)))


def way(joint: Joint, walk: Walk) -> Joint:
    """The steps from now on to the farthest: sorted, from 0 on; one shock alone is walked to in steps."""
    moves, lead = joint.moves, joint.lead
    if len(moves) == 1:
        far = float(moves[0, lead])
        steps = parse_shocks(f"0..{far!r}", walk=walk) if far else [far]
        moves = np.outer(np.array(steps) / (far or 1.0), moves[0])
    if moves[:, lead].min() < 0.0 < moves[:, lead].max():
        raise InputError("goes both ways", "shock", f"{moves[:, lead].min():+g} to {moves[:, lead].max():+g}",
                         "ask for falls and rises apart: selling feeds on falls, the buying back of shorts on rises")
    moves = moves[np.argsort(np.abs(moves[:, lead]), kind="stable")]
    moves = moves[np.abs(moves[:, lead]) > 0.0]
    if not len(moves):
        raise InputError("moves nothing", "shock", 0.0, f'say how far to look: "{TO}"')
    if len(moves) > MOST:
        raise InputError(f"asks for {len(moves):,} levels", "shock", None, f"take larger steps: at most {MOST}")
    return Joint(joint.assets, np.vstack([np.zeros(moves.shape[1]), np.round(moves, 12)]), joint.said)


def over(above: float, below: float) -> float:
    """above / below; infinite over nothing, and nothing of nothing."""
    return above / below if below > 0.0 else np.inf if above > 0.0 else 0.0


def _levels(branching: Branching, levels: Sequence[Level], spirals: Sequence[Spiral], radii: Sequence[float], start: float
            ) -> pa.Table:
    """A row a level; what needs a further step is empty in the last."""
    moves = branching.joint.moves[:, branching.joint.lead]
    empty: list[float | None] = [None]
    forced = [float(level.forced.sum()) / level.step * PERCENT for level in levels]
    depth = [level.depth for level in levels]
    ratios = [level.ratio for level in levels]
    fall = [n / f * PERCENT * 1e6 if f > 0.0 else over(PERCENT, d) * 1e6 for n, f, d in zip(ratios, forced, depth, strict=True)]
    rule = [over(level.exposure * level.penalty * PERCENT, level.depth) for level in levels]
    ends = [float(np.expm1(branching.main_move(spiral.moves))) for spiral in spirals]
    alone = [float(np.expm1(branching.main_move(branching.moves(k)))) for k in range(len(moves))]
    return table(
        Column("shock", "share", moves, "the level: the move of the asset's price from now"),
        Column("price_usd", "USD", start * (1.0 + moves)),
        Column("n", "1", ratios + empty, "branching ratio: USD sold by force for each USD sold by force here", pa.float64()),
        Column("forced_usd", "USD", forced + empty, "sold by force per further 1 % of fall", pa.float64()),
        Column("fall_per_million", "share", fall + empty, "fall of the price per 1m USD, at the size that is sold, as "
               "those see it who are next", pa.float64()),
        Column("lpd", "1", rule + empty, "L P / D: the rule of thumb beside n", pa.float64()),
        Column("exposure_usd", "USD", [level.exposure for level in levels] + empty, "L: collateral of borrowers and positions "
               "that would be sold on the main market", pa.float64()),
        Column("penalty", "share", [level.penalty for level in levels] + empty, "P: mean incentive or fee of L", pa.float64()),
        Column("depth_usd", "USD", depth + empty, "D: what must be sold for a fall of 1 %", pa.float64()),
        Column("accounts", "1", [level.accounts for level in levels] + empty, "that the step to the next level takes from; n "
               "rests on them", pa.int64()),
        Column("largest", "share", [level.largest if level.accounts else None for level in levels] + empty, "of what it "
               "takes, the largest one's", pa.float64()),
        Column("spectral_radius", "1", list(radii) + empty, "of the branching matrix over all assets, protocols and venues",
               pa.float64()),
        Column("due_usd", "USD", [spiral.due for spiral in spirals], "sold by force by a shock of this size alone"),
        Column("sold_usd", "USD", [spiral.forced for spiral in spirals], "sold by force until nobody may be called"),
        Column("ends_at", "share", ends, "where the price then stands, from now"),
        Column("beyond", "share", [(1.0 + end) / (1.0 + here) - 1.0 for end, here in zip(ends, alone, strict=True)],
               "of it the selling's own part"),
        Column("generations", "1", [spiral.generations for spiral in spirals], "of calls, one after the other"),
    )


def _runs(levels: pa.Table) -> pa.Table:
    """Stretches of levels where n > 1, and the smallest shock that runs through them."""
    rows, found, k = levels.to_pylist(), list[dict[str, Any]](), 0
    while k < len(rows) - 1:
        first = k
        while k < len(rows) - 1 and rows[k]["n"] > 1.0:
            k += 1
        if k > first:
            top = max(rows[first:k], key=lambda row: row["n"])
            through = next(row for row in rows if abs(row["ends_at"]) >= abs(rows[k]["shock"]) - 1e-9)
            found.append({"from": rows[first]["shock"], "to": rows[k]["shock"], "n": top["n"], "at": top["shock"],
                          "set_off_by": through["shock"], "runs_to": through["ends_at"], "beyond": through["beyond"]})
        k += k == first

    def column(name: str, unit: str, meaning: str = "") -> Column:
        return Column(name, unit, [row[name] for row in found], meaning, pa.float64())

    return table(
        column("from", "share", "and to: levels between which n > 1"), column("to", "share"),
        column("n", "1", "its highest there"), column("at", "share", "where"),
        column("set_off_by", "share", "smallest shock of those looked at that runs through it"),
        column("runs_to", "share", "where that spiral ends"), column("beyond", "share", "of it the selling's own part"))


def _matrix(branching: Branching, level: Level, shock: float) -> pa.Table:
    """A row each two kinds of which one leads to the other, the largest share of the spectral radius first."""
    part = shares(level.matrix)
    to, of = np.nonzero(level.matrix)
    order = np.argsort(-part[to, of], kind="stable")
    to, of, kinds = to[order], of[order], level.kinds
    rows, impact = branching.model.layout.rows, branching.impact
    venues = [", ".join(rows[m] for m in (*route.sells, *route.buys) if impact.curves[m] is not None)
              for route in map(impact.route, kinds)]
    return table(
        Column("shock", "share", np.full(len(to), shock), "the level: that of the highest spectral radius"),
        Column("sold", "", [kinds[j].words for j in of], "by force, on these markets", pa.string()),
        Column("on", "", [venues[j] for j in of], kind=pa.string()),
        Column("forces", "", [kinds[i].words for i in to], kind=pa.string()),
        Column("ratio", "1", level.matrix[to, of], "USD of that for each USD sold"),
        Column("share", "share", part[to, of], "of the spectral radius that hangs on it"),
    )


def _pace(branching: Branching, levels: Sequence[Level]) -> pa.Table:
    """Forced selling on the main market against what comes back there."""
    curve = branching.impact.curves[branching.main]
    life = None if curve is None else curve.table.half_life
    rate = np.log(2.0) * HOUR / life if life else 0.0  # share of a displacement that comes back in an hour, at once
    forced = [float(level.forced.sum()) / level.step * PERCENT for level in levels]
    depth = [level.depth for level in levels]
    fastest = [rate * PERCENT / level.ratio if 0.0 < level.ratio < 1.0 and rate else None for level in levels]
    return table(
        Column("shock", "share", branching.joint.moves[:-1, branching.joint.lead]),
        Column("forced_usd", "USD", forced, "sold by force per further 1 % of fall"),
        Column("half_life", "s", [life] * len(levels), "in which half of a displacement comes back; none: nothing does",
               pa.float64()),
        Column("replenished_usd", "USD", [rate * d if np.isfinite(d) else None for d in depth],
               "bought back in an hour where forced selling holds the price 1 % lower", pa.float64()),
        Column("fastest_fall", "share", fastest, "an hour: the fastest fall from outside under which forced selling holds the "
               "price less than 1 % lower; none where n > 1, nothing is forced or nothing comes back", pa.float64()),
    )


def _left_out(model: Model) -> Iterator[str]:
    """What of this world is not in it."""
    for name, what in unseen_of(model.world):
        yield f"{name}: {what} is left out"
    apart = sorted({model.layout.pairs[model.layout.tree.pair[m]] for m in range(len(model.layout.rows))
                    if m >= len(model.layout.pairs)})
    if apart:
        yield f"{', '.join(apart)}: of venues that are apart the first alone is looked at"
