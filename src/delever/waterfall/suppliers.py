"""Socialised loss as the only layer of isolated markets: one pass over hundreds of them, and one table of what each bore.

Not a kind that a user names: markets of one protocol whose waterfall is `[socialised_loss]` alone are served so. What happens is
what socialised_loss.py says of lending.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from delever.core.columns import OF, Column, Figure, Value, added, mean_of
from delever.core.exchange_tables import SOCIALISED
from delever.core.jit import kernel
from delever.core.seen_prices import price_paths
from delever.core.state import State
from delever.core.tables import DEFICIT, Ledgers
from delever.model.market import home_of
from delever.waterfall.base import LayerPhase
from delever.waterfall.socialised_loss import shrink_claims

TAKEN = "deficits that suppliers bore"
ALL = Column("suppliers_bore", "USD", f"deficits that suppliers of all markets of {OF} bore", mean_of(
    "suppliers_bore", f"deficits that suppliers of all markets of {OF} bore", "borne by suppliers"), section="Losses")


@kernel
def find_owed(lent: np.ndarray, ledgers: Ledgers, active: np.ndarray, owed: np.ndarray, path: np.ndarray) -> int:
    """How many of these reserves have a deficit. owed: [n] their numbers; path: [P] whether there is one that takes part."""
    n, deficit = 0, ledgers.booked[DEFICIT]
    path[:] = 0
    for r in lent:
        stands, some = deficit[r], np.int64(0)
        for p in range(active.shape[0]):
            some += np.int64(stands[p] > 0.0)
        if some > 0:
            owed[n] = r
            n += 1
            for p in range(active.shape[0]):
                path[p] |= np.int64(active[p] and stands[p] > 0.0)
    return n


class SuppliersBear(LayerPhase):
    """Socialised loss as the only layer of many isolated markets, ready to run."""

    priced = False

    def __init__(self, markets: Mapping[int, str]) -> None:
        """markets: their names, PROTOCOL/MARKET, by number."""
        super().__init__(next(iter(markets)))
        self.markets, self.numbers = markets, tuple(markets)
        self.lent = np.zeros(0, np.int64)  # [n] their reserves, filled when first needed
        self.owed, self.path = self.lent, self.lent  # [n] those with a deficit now, [P] whether there is one

    def absorb(self, state: State) -> None:
        """At the end of a block, all of them at once."""
        if not len(self.lent):
            counts_in = state.seen.unit == state.reserves.asset  # a market counts in what it lends
            self.lent = np.flatnonzero(np.isin(state.reserves.protocol, self.numbers) & counts_in)
            self.owed, self.path = np.zeros(len(self.lent), np.int64), np.zeros(state.paths, np.int64)
        n = find_owed(self.lent, state.ledgers, state.active, self.owed, self.path)
        if n:
            paths = np.flatnonzero(self.path)
            price_paths(paths, np.arange(state.paths), state.seen, state.tree, state.markets.price)
            shrink_claims(self.owed[:n], state.active, state.reserves, state.ledgers, state.safety, state.seen.price)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What suppliers bore up to now, of all markets of a protocol together [USD]."""
        homes: dict[str, list[int]] = {}
        for number, name in self.markets.items():
            homes.setdefault(home_of(name), []).append(number)
        served = state.safety.served[SOCIALISED]
        return [Value(ALL, added([served[number] for number in mine], state.paths), of=home) for home, mine in homes.items()]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What suppliers of each bore."""
        return [Value(borne(name), state.safety.served[SOCIALISED, number], number) for number, name in self.markets.items()]


def borne(market: str) -> Column:
    """What suppliers of a market bore: a row of one table of all markets of its protocol."""
    return Column("socialised_loss", "USD", TAKEN, (
        *mean_of("socialised_loss", TAKEN, market, "bore"),
        Figure("socialised_loss_95", "quantile", f"95th percentile over paths of {TAKEN}", level=0.95, label=market,
               under="bore (95 %)")), section=f"Bad debt of the markets of {home_of(market)}, borne by their suppliers")
