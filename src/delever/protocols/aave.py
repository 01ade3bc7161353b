"""Aave's liquidation call: half of a debt, or all of it below a health of 0.95; from 3.3 on without dust, and bad debt is booked.

Versions: v2 (lending pool of 2020), v3_0 (3.0 to 3.2, read in 3.0.2), v3_3 (3.3 and later, read in 3.6), v4, which repays what
brings the account back to a health factor, for an incentive that grows as its health falls:

    paid     = incentive x (least_bonus + (1 - least_bonus) x (1 - health) / (1 - full_bonus_at)), all of it from there down
    repay    = debt x (target_health - health) / (target_health - threshold (1 + paid)), at most what is owed and there is
    dust     where less than 1000 USD of a leg would be left, all of it goes, whatever that makes of the health

The arithmetic is protocols/fixed_spread.py's; here are the rows. 3.0 floors the average threshold to whole basis points before
the health factor, which is up to one basis point of the collateral lower than here. Of v4, an asset's `liquidation_threshold` is
its collateral factor, `incentive` its maximum bonus; a protocol is one spoke. Not modelled of v4: risk premiums (0 in the markets
read), hubs that lend to several spokes, terms that older positions keep until they act, shares in place of tokens.
Source: the contracts named beside each row. v2 is read, 3.0 and 3.6 are executed (tests); v4 is published in no package: its
documents and the worked cases of its own tests judge it, not the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from delever.model.errors import InputError
from delever.model.quantity import Ratio, Share
from delever.protocols.base import ISOLATION, MODES
from delever.protocols.fixed_spread import FixedSpreadRules, Terms

# v2: LendingPoolCollateralManager, LIQUIDATION_CLOSE_FACTOR_PERCENT 50 %; nothing lifts it, nothing is written off.
# v3_0: LiquidationLogic, DEFAULT_LIQUIDATION_CLOSE_FACTOR 50 %, CLOSE_FACTOR_HF_THRESHOLD 0.95.
# v3_3: LiquidationLogic, MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD 2000, MIN_LEFTOVER_BASE half of that: USD, in which v3 counts.
# v4: aave/aave-v4 @0051c6e LiquidationLogic, DUST_LIQUIDATION_THRESHOLD 1000; @726fe28 docs/features/LiquidationEngine.md.
VERSIONS = {
    "v2": Terms(),
    "v3_0": Terms(full_below=0.95),
    "v3_3": Terms(full_below=0.95, of_whole_debt=True, full_under=2000.0, least_left=1000.0, writes_off=True),
    "v4": Terms(close_factor=1.0, least_left=1000.0, clears_dust=True, writes_off=True),
}
# What each version reads, as it is where nothing is stated. v4: the main spoke of Arc, aave/aave-v4 @5ab6be7
# scripts/config/ArcParameters.sol; that of Ethereum has the same target (aave-dao/aave-v4-risk-stewards @88b6819, diffs).
OLD = {"close_factor": 0.5}
OWN: Mapping[str, Mapping[str, float]] = {
    "v2": OLD, "v3_0": OLD, "v3_3": OLD, "v4": {"target_health": 1.24, "least_bonus": 0.9, "full_bonus_at": 0.9}}


def of_version(name: str) -> Callable[[dict[str, Any]], float | None]:
    """The default of a field by the version that is stated; None where that does not read it."""
    return lambda stated: OWN.get(stated.get("version", ""), {}).get(name)


class Aave(FixedSpreadRules):
    """Aave's liquidation call."""

    kind: ClassVar[str] = "aave"
    version: Literal["v2", "v3_0", "v3_3", "v4"] = Field(description="rules as of this version", examples=["v3_0"])
    close_factor: Share | None = Field(default_factory=of_version("close_factor"), gt=0, le=1, description="v2, v3: largest "
                                       "share of the debt that one call repays; 50 % where nothing is stated")
    target_health: Ratio | None = Field(default_factory=of_version("target_health"), ge=1, description="v4: health factor that a "
                                        "call brings an account back to; 1.24 where nothing is stated")
    least_bonus: Share | None = Field(default_factory=of_version("least_bonus"), description="v4: share of the incentive that is "
                                      "paid just below a health of 1; 90 % where nothing is stated")
    full_bonus_at: Share | None = Field(default_factory=of_version("full_bonus_at"), lt=1, description="v4: health factor at or "
                                        "below which all of the incentive is paid; 0.9 where nothing is stated")

    @model_validator(mode="after")
    def _reads_what_is_stated(self) -> Self:
        own = OWN[self.version]
        for name in (*OLD, *OWN["v4"]):
            value = getattr(self, name)
            if value is not None and name not in own:
                versions = ", ".join(version for version, fields in OWN.items() if name in fields)
                raise InputError(f"has no meaning in aave.{self.version}", path=(name,), value=value,
                                 remedy=f"it is read by {versions}; aave.{self.version} reads {', '.join(own)}")
            if value is None and name in own:
                raise InputError("is null", path=(name,), remedy=f"aave.{self.version} reads it: write `{name}: {own[name]:g}`")
        return self

    def lacks(self) -> tuple[str, ...]:
        """See Rules. Of v4 a spoke of its own stands in place of a mode or of isolation."""
        both = (*MODES, *ISOLATION)
        return {"v2": (*both, "supply_cap", "borrow_cap", "protocol_fee"), "v4": both}.get(self.version, ())

    def terms(self) -> Terms:
        """The version's, as stated."""
        return VERSIONS[self.version]._replace(**{name: getattr(self, name) for name in OWN[self.version]})
