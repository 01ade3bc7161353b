"""Euler v2's liquidate: no close factor and no stated bonus, a discount that grows as the account's health falls.

    health   = sum of collateral x liquidation LTV / liability < 1
    discount = 1 - max(health, 1 - most_discount);   a call gives repay / (1 - discount) of collateral, at most all of it
    deficit  = what is owed when no collateral is left, where bad debt is socialised
The arithmetic is protocols/fixed_spread.py's. An asset's `liquidation_threshold` is its liquidation LTV; stated incentives do
not count. In the contract each vault has its own most_discount and its own borrowers of one asset; here a protocol has one.
Source: euler-xyz/euler-vault-kit, Liquidation.sol (calculateMaxLiquidation) and the white paper; read, not executed.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from delever.model.quantity import Share
from delever.model.references import Path
from delever.model.world import World
from delever.protocols.base import ISOLATION, MODES, refuse_fee
from delever.protocols.fixed_spread import FixedSpreadRules, Terms

VERSIONS = {"v2": Terms(close_factor=1.0, full_below=1.0)}


class Euler(FixedSpreadRules):
    """Euler's liquidate."""

    kind: ClassVar[str] = "euler"
    version: Literal["v2"] = Field(description="rules as of this version", examples=["v2"])
    most_discount: Share = Field(0.15, gt=0, lt=1, description="largest discount; vaults choose theirs, most 15 %")
    socialises: bool = Field(True, description="what is owed when no collateral is left becomes a deficit")

    def terms(self) -> Terms:
        """The version's, at this discount."""
        return VERSIONS[self.version]._replace(most_discount=self.most_discount, writes_off=self.socialises)

    def lacks(self) -> tuple[str, ...]:
        """See Rules."""
        return (*MODES, *ISOLATION)

    def check(self, world: World, path: Path) -> None:
        """Nothing of a liquidation is the protocol's."""
        refuse_fee(world, path, "Euler keeps nothing of what is seized: leave it out")
