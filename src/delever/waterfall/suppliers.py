"""Socialised loss as the only layer of isolated markets: one pass over hundreds of them, and one table of what each bore.

Not a kind that a user names: markets of one protocol whose waterfall is `[socialised_loss]` alone are served so. What happens is
what socialised_loss.py says of lending.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from delever.core.columns import Column, Figure, Value, mean_of, worth
from delever.core.exchange_tables import SOCIALISED
from delever.core.state import State
from delever.core.tables import DEFICIT
from delever.model.market import home_of
from delever.waterfall.base import LayerPhase
from delever.waterfall.last_resort import BORE
from delever.waterfall.socialised_loss import shrink_claims

TAKEN = "deficits that suppliers bore"
STAYS = Column("residual_shortfall", "USD", BORE)


class SuppliersBear(LayerPhase):
    """Socialised loss as the only layer of many isolated markets, ready to run."""

    def __init__(self, markets: Mapping[int, str]) -> None:
        """markets: their names, PROTOCOL/MARKET, by number."""
        super().__init__(next(iter(markets)))
        self.markets, self.numbers = markets, tuple(markets)
        self.lent = np.zeros(0, np.int64)  # [n] their reserves, filled when first needed

    def absorb(self, state: State) -> None:
        """At the end of a block, all of them at once."""
        if not len(self.lent):
            self.lent = np.flatnonzero(np.isin(state.reserves.protocol, self.numbers))
        shrink_claims(self.lent, state.active, state.reserves, state.ledgers, state.safety, state.seen.price)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What suppliers of each bore up to now [USD]."""
        return [Value(borne(name), state.safety.served[SOCIALISED, number], number) for number, name in self.markets.items()]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What nobody bore: it is nothing."""
        return [Value(STAYS, worth(state, state.ledgers.booked[DEFICIT], number), number) for number in self.markets]


def borne(market: str) -> Column:
    """What suppliers of a market bore: a row of one table of all markets of its protocol."""
    return Column("socialised_loss", "USD", TAKEN, (
        *mean_of("socialised_loss", TAKEN, market, "bore"),
        Figure("socialised_loss_95", "quantile", f"95th percentile over paths of {TAKEN}", level=0.95, label=market,
               under="bore (95 %)")), section=f"Bad debt of the markets of {home_of(market)}, borne by their suppliers")
