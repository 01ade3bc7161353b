"""Compound v2's liquidateBorrow: up to half of one borrow, against one collateral; nothing is ever cleared whole or written off.

    shortfall = sum of borrows - sum of collateral factor x value > 0        repay <= close factor x borrow of that market
    seize     = repay x price of the borrow x (1 + incentive) / (price of the collateral x exchange rate)   cTokens
    kept      v2     seize_share x seize, added to the collateral market's reserves
              venus  protocol_fee x (seize - seize / (1 + incentive)), to the treasury;  the liquidator gets the rest

The arithmetic is protocols/fixed_spread.py's, in units of the underlying: cTokens x exchange rate, which is the index of what
is supplied. An asset's `liquidation_threshold` is its collateral factor. A call that would seize more than there is reverts in
the contract; here the liquidator offers as much less. Source, read as version v2: Comptroller.liquidateBorrowAllowed,
liquidateCalculateSeizeTokens; CToken.seizeInternal (compound-finance/compound-protocol @1245e5d). Executed: Venus 0.7.0, a fork,
whose ratio of prices has 18 digits behind the point; of a cheap debt against a dear collateral that leaves about five.
Read as version venus: its Core Pool, @venusprotocol/venus-protocol 10.3.0, Liquidator._splitLiquidationIncentive (the percent
of the treasury is of the bonus), ComptrollerLens, MarketFacet (a threshold beside the collateral factor; incentives and e-modes
by market). Not modelled: markets declared deprecated, whose borrows may be repaid whole without a shortfall; of Venus forced
liquidations, and VAI that has to be repaid first.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from delever.model.errors import InputError
from delever.model.quantity import Share
from delever.model.references import Path
from delever.model.world import World
from delever.protocols.base import ISOLATION, MODES, refuse_fee
from delever.protocols.fixed_spread import FixedSpreadRules, Terms


class Compound(FixedSpreadRules):
    """Compound's liquidateBorrow."""

    kind: ClassVar[str] = "compound"
    version: Literal["v2", "venus"] = Field(description="rules as of this version", examples=["v2"])
    close_factor: Share = Field(0.5, gt=0, le=1, description="largest share of one borrow that one call repays")
    # CTokenStorage.protocolSeizeShareMantissa = 2.8e16 as read; cTokens as first deployed, and Venus 0.7.0, keep nothing.
    seize_share: Share = Field(0.0, ge=0, lt=1, description="v2: share of what is seized that goes to reserves; later 2.8 %")

    @model_validator(mode="before")
    @classmethod
    def _third_is_another(cls, values: Any) -> Any:
        """Its third version has nothing in common with these."""
        if isinstance(values, dict) and values.get("version") == "v3":
            raise InputError("is 'v3'", path=("version",), value="v3", remedy="Compound v3 has rules of its own: `comet.usdc`")
        return values

    @model_validator(mode="after")
    def _keeps_one_way(self) -> Self:
        if self.version == "venus" and self.seize_share > 0.0:
            raise InputError("has no meaning in compound.venus", path=("seize_share",), value=self.seize_share,
                             remedy="the treasury has a share of the bonus: set `protocol_fee` of assets, 50 % in the Core Pool")
        return self

    def terms(self) -> Terms:
        """The same in both versions, at these shares."""
        return Terms(close_factor=self.close_factor, seize_share=self.seize_share)

    def lacks(self) -> tuple[str, ...]:
        """See Rules."""
        return ISOLATION if self.version == "venus" else (*MODES, *ISOLATION)

    def check(self, world: World, path: Path) -> None:
        """Of v2 there is no fee on the incentive."""
        if self.version == "v2":
            refuse_fee(world, path, f"{self.kind}.{self.version} keeps a share of all that is seized, not of the incentive: set "
                       "`rules.seize_share`")
