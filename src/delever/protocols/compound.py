"""Compound v2's liquidateBorrow: up to half of one borrow, against one collateral; nothing is ever cleared whole or written off.

    shortfall = sum of borrows - sum of collateral factor x value > 0        repay <= close factor x borrow of that market
    seize     = repay x price of the borrow x (1 + incentive) / (price of the collateral x exchange rate)   cTokens
    kept      = seize_share x seize, added to the collateral market's reserves; the liquidator gets the rest

The arithmetic is protocols/fixed_spread.py's, in units of the underlying: cTokens x exchange rate, which is the index of what
is supplied. An asset's `liquidation_threshold` is its collateral factor. A call that would seize more than there is reverts in
the contract; here the liquidator offers as much less. Source, read as version v2: Comptroller.liquidateBorrowAllowed,
liquidateCalculateSeizeTokens; CToken.seizeInternal (compound-finance/compound-protocol @1245e5d). Executed: Venus 0.7.0, a fork,
whose ratio of prices has 18 digits behind the point; of a cheap debt against a dear collateral that leaves about five.
Not modelled: markets declared deprecated, whose borrows may be repaid whole without a shortfall.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from delever.model.errors import InputError
from delever.model.parameters import ReserveParameters, look_up
from delever.model.quantity import Share
from delever.model.references import Path
from delever.model.world import World
from delever.protocols.fixed_spread import FixedSpreadRules, Terms

VERSIONS = {"v2": Terms()}


class Compound(FixedSpreadRules):
    """Compound's liquidateBorrow."""

    kind: ClassVar[str] = "compound"
    version: Literal["v2"] = Field(description="rules as of this version", examples=["v2"])
    close_factor: Share = Field(0.5, gt=0, le=1, description="largest share of one borrow that one call repays")
    # CTokenStorage.protocolSeizeShareMantissa = 2.8e16 as read; cTokens as first deployed, and Venus 0.7.0, keep nothing.
    seize_share: Share = Field(0.0, ge=0, lt=1, description="share of what is seized that goes to reserves; later 2.8 %")

    def terms(self) -> Terms:
        """The version's, at these shares."""
        return VERSIONS[self.version]._replace(close_factor=self.close_factor, seize_share=self.seize_share)

    def check(self, world: World, path: Path) -> None:
        """There is no fee on the incentive."""
        name = str(path[1])
        for asset, given in look_up(world.protocols[name].parameters).items():
            if isinstance(given, ReserveParameters) and given.protocol_fee > 0.0:
                raise InputError("has no meaning here", path=("protocols", name, "parameters", asset, "protocol_fee"),
                                 value=given.protocol_fee, remedy=f"{self.kind}.{self.version} keeps a share of all that is "
                                 "seized, not of the incentive: set `rules.seize_share`")
