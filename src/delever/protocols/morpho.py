"""Morpho Blue's liquidate: no close factor, an incentive that the market's LLTV implies, bad debt with the last collateral.

    healthy    debt <= collateral x oracle price x LLTV
    LIF        min(1.15, 1 / (1 - 0.3 (1 - LLTV)));   the incentive is LIF - 1, whatever is stated
    repay      as much as the liquidator brings, at most the debt;  seize = repay x LIF / price, at most all of it for worth / LIF
    bad debt   what is owed when the collateral is exactly 0, and not before: one unit left keeps all of it owed
The arithmetic is protocols/fixed_spread.py's. An asset's `liquidation_threshold` is its LLTV; the protocol keeps nothing of a
liquidation. A market has one collateral, one asset that is lent and its own oracle, and is created once for all: state each of
them under `markets` (model/market.py), and no reserve of one backs or pays for another. Its suppliers bear the bad debt by
`waterfall: [socialised_loss]`, which `markets` have unless they say otherwise; its curve is rates/adaptive.py.
Source: morpho-org/morpho-blue 1.0.0, Morpho.sol (liquidate, _isHealthy), ConstantsLib.sol; executed. Real arithmetic: the
contract rounds shares to units of the token. What it answers with a panic, more than the position has, is taken here as an offer
that is cut to what there is. Its fee on interest is rates.reserve_factor, off what suppliers earn; it is nobody's deposit here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from delever.model.references import Path
from delever.model.world import World
from delever.protocols.base import ISOLATION, MODES, refuse_fee
from delever.protocols.fixed_spread import FixedSpreadRules, Terms

CURSOR, MOST = 0.3, 1.15  # ConstantsLib: LIQUIDATION_CURSOR, MAX_LIQUIDATION_INCENTIVE_FACTOR
VERSIONS: Mapping[str, Terms] = {"v1": Terms(close_factor=1.0, full_below=1.0, writes_off=True)}


class Morpho(FixedSpreadRules):
    """Morpho's liquidate."""

    kind: ClassVar[str] = "morpho"
    version: Literal["v1"] = Field(description="rules as of this version: v1 is Morpho Blue", examples=["v1"])

    def terms(self) -> Terms:
        """The version's."""
        return VERSIONS[self.version]

    def incentives(self, threshold: np.ndarray) -> np.ndarray:
        """LIF - 1 of each LLTV [n], shares."""
        return np.minimum(MOST, 1.0 / (1.0 - CURSOR * (1.0 - threshold))) - 1.0

    def lacks(self) -> tuple[str, ...]:
        """See Rules: a market has no such terms."""
        return (*MODES, *ISOLATION, "supply_cap", "borrow_cap")

    def check(self, world: World, path: Path) -> None:
        """Nothing of a liquidation is the protocol's."""
        refuse_fee(world, path, "Morpho keeps nothing of what is seized: leave it out")
