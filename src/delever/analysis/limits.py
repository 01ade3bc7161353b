"""Static checks of a world's lending: terms against oracles, spirals and depth, caps and collateral factors, who backs what.

Nothing is run. Formulas stand in limit_terms.py (the free option, the toxic frontier), limit_caps.py (caps, the highest
collateral factor) and liabilities.py (the asset-liability matrix); what sales fetch in exits.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.exits import Exits
from delever.analysis.joint_shocks import moving, parse_joint
from delever.analysis.liabilities import assets_table, matrix_table
from delever.analysis.limit_caps import Asked, caps_table, caps_within, collaterals_of, factors_found, factors_table
from delever.analysis.limit_terms import Term, terms_found, terms_of, toxic_frontier
from delever.analysis.shocks import Shocks
from delever.analysis.solvency import prices_after
from delever.analysis.tables import Column, table
from delever.analysis.valuation import legs_of
from delever.core.jit import interpreted
from delever.model.errors import InputError, nearest
from delever.model.quantity import SHARE
from delever.model.world import World
from delever.run.asked import findings_table
from delever.run.assemble import Model, assemble
from delever.run.plots import factor_by_cap
from delever.run.result import Result

LIQUIDATED = 0.25  # share of a cap that is liquidated at once, if not told; assumption, not an estimate
FALL = "all -20 %"  # of the sandbox, if not told


@dataclass(frozen=True, repr=False)
class Limits(Result):
    """What terms and caps leave room for.

    findings: level, code, what, where, value, remedy, worst first. terms: a row a collateral and category. caps: a row a
    collateral. factors: a row a collateral and cap of the sandbox. assets: a row a protocol and asset. matrix: a row a
    collateral and debt.
    """

    findings: pa.Table
    terms: pa.Table
    caps: pa.Table
    factors: pa.Table
    assets: pa.Table
    matrix: pa.Table
    share: float  # of a cap that is liquidated at once
    shock: str  # of the sandbox; empty: none

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.factors

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: factors by cap."""
        return factor_by_cap(alt, self.factors)

    def __repr__(self) -> str:
        return (f"Limits: {self.findings.num_rows} findings on {self.terms.num_rows} terms of collateral; "
                f"{self.share:.0%} of a cap liquidated at once after {self.shock or 'no shock'}")


def static_checks(world: World, share: float | str = LIQUIDATED, slippage: float | str | None = None,
                  shock: str | Mapping[str, Shocks] | None = None, asset: str | None = None,
                  caps: Sequence[float] | None = None) -> Limits:
    """Every static check of a world's lending protocols.

    share: of a cap, or of what is supplied, that is liquidated at once. slippage: that this may lose; None: what the asset's
    incentive pays for. shock: before it, of the sandbox, as the wall's, of one step; None: all -20 %. asset, caps: of the sandbox
    alone, units; None: every collateral, and multiples of what is supplied. InputError: no lending, an unknown asset, no shares.
    """
    asked = Asked(_share(share, "share"), None if slippage is None else _share(slippage, "slippage"))
    if asked.share <= 0.0:
        raise InputError("is 0", "share", share, "say how much is liquidated at once: 25 %")
    if caps is not None and asset is None:
        raise InputError("are of no asset", "caps", ", ".join(map(str, caps)), "name it: asset")
    for cap in caps or ():
        if not 0.0 < cap < np.inf:
            raise InputError("is no cap", "caps", cap, "give units above 0")
    if not world.lending:
        raise InputError("has no lending protocol", world.name, None, "there are no loans whose terms could be looked at")
    with interpreted(0):
        return _look(assemble(world), asked, shock, asset, caps)


def limits_of(model: Model) -> Limits:
    """The same with what is assumed if nothing is told, of a world that is assembled already."""
    with interpreted(0):
        return _look(model, Asked(LIQUIDATED, None), None, None, None)


def _share(value: float | str, where: str) -> float:
    try:
        return SHARE.read(value)
    except InputError as error:
        raise error.at(where) from None


def _look(model: Model, asked: Asked, shock: str | Mapping[str, Shocks] | None, asset: str | None, caps: Sequence[float] | None
          ) -> Limits:
    legs = legs_of(model)
    terms = list(terms_of(model, legs))
    now, after, said = Exits(model, np.zeros(len(model.layout.markets))), *_after(model, shock)
    rows = collaterals_of(model, legs, terms, asked)
    if asset is not None and asset not in {one.term.asset for one in rows}:
        raise InputError("is nobody's collateral", "asset", asset, nearest(asset, sorted({one.term.asset for one in rows})))
    of_caps = caps_table(now, rows)
    factors = factors_table(now, after, [one for one in rows if asset in (None, one.term.asset)], caps)
    found = [*terms_found(terms), *caps_within(of_caps, asked.share), *factors_found(factors)]
    return Limits(findings_table(found), terms_table(terms), of_caps, factors, assets_table(model, legs),
                  matrix_table(model, legs), asked.share, said)


def _after(model: Model, shock: str | Mapping[str, Shocks] | None) -> tuple[Exits, str]:
    """Venues after the shock, and what it is in words."""
    if shock is None and not moving(model):
        return Exits(model, np.zeros(len(model.layout.markets))), ""
    joint = parse_joint(FALL if shock is None else shock, model)
    if len(joint.moves) != 1:
        raise InputError("has several steps", "shock", str(shock), 'write one: "ETH -20 %"')
    said = FALL if shock is None else shock if isinstance(shock, str) else ", ".join(f"{a} {b}" for a, b in shock.items())
    return Exits(model, prices_after(model, joint.assets, joint.moves[0])[0]), said


def terms_table(terms: Sequence[Term]) -> pa.Table:
    """A row a collateral and category."""
    def frontier(one: Term, collateral: float) -> float | None:
        return None if one.incentive is None else toxic_frontier(one.incentive, collateral, one.steepness)

    def column(name: str, unit: str, values: Sequence[Any], meaning: str = "") -> Column:
        return Column(name, unit, values, meaning, pa.string() if not unit else pa.float64())

    return table(
        column("protocol", "", [one.protocol for one in terms]),
        column("asset", "", [one.asset for one in terms]),
        Column("category", "1", [one.category for one in terms], "efficiency mode; 0: none", pa.int64()),
        column("ltv", "share", [one.ltv for one in terms], "up to which may be borrowed; where none is stated, the threshold"),
        column("debt", "", [one.debt for one in terms], "that is worst to borrow"),
        column("down", "share", [one.down for one in terms], "that its market may stand below what is seen"),
        column("up", "share", [one.up for one in terms], "that the debt's may stand above"),
        column("worst", "share", [one.worst for one in terms], "debt over collateral at the market; from 1 on a free option"),
        column("threshold", "share", [one.threshold for one in terms]),
        column("incentive", "share", [one.incentive for one in terms], "none: its rules read none"),
        column("called", "share", [None if one.incentive is None else one.threshold * (1.0 + one.incentive) for one in terms],
               "threshold (1 + incentive): from 1 on every call lowers health"),
        column("frontier", "share", [frontier(one, 0.0) for one in terms], "debt over collateral beyond which a call does"),
        column("largest_usd", "USD", [one.collateral for one in terms], "in it, of the largest loan"),
        column("frontier_largest", "share", [frontier(one, one.collateral) for one in terms], "as its sale moves what is seen"),
    )
