"""Aave's liquidation call: half of a debt, or all of it below a health of 0.95; from 3.3 on without dust, and bad debt is booked.

Versions: v2 (lending pool of 2020), v3_0 (3.0 to 3.2, read in 3.0.2), v3_3 (3.3 and later, read in 3.6). The arithmetic is
protocols/fixed_spread.py's; here are the rows. 3.0 floors the average threshold to whole basis points before the health
factor, which is up to one basis point of the collateral lower than here.
Source: the contracts named beside each row.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from delever.model.quantity import Share
from delever.protocols.fixed_spread import FixedSpreadRules, Terms

# v2: LendingPoolCollateralManager, LIQUIDATION_CLOSE_FACTOR_PERCENT 50 %; nothing lifts it, nothing is written off.
# v3_0: LiquidationLogic, DEFAULT_LIQUIDATION_CLOSE_FACTOR 50 %, CLOSE_FACTOR_HF_THRESHOLD 0.95.
# v3_3: LiquidationLogic, MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD 2000, MIN_LEFTOVER_BASE half of that: USD, in which v3 counts.
VERSIONS = {
    "v2": Terms(),
    "v3_0": Terms(full_below=0.95),
    "v3_3": Terms(full_below=0.95, of_whole_debt=True, full_under=2000.0, least_left=1000.0, writes_off=True),
}


class Aave(FixedSpreadRules):
    """Aave's liquidation call."""

    kind: ClassVar[str] = "aave"
    version: Literal["v2", "v3_0", "v3_3"] = Field(description="rules as of this version", examples=["v3_0"])
    close_factor: Share = Field(0.5, gt=0, le=1, description="largest share of the debt that one call repays")

    def terms(self) -> Terms:
        """The version's, at this close factor."""
        return VERSIONS[self.version]._replace(close_factor=self.close_factor)
