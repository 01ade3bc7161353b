"""After the last layer: whoever is still below zero is closed out, and his deficit stays booked.

Not a kind that a user names: every exchange ends with it. Source: docs/design.md, "Margin exchanges", "Absorb".
"""

from __future__ import annotations

import numpy as np

from delever.core.columns import Column, Figure, Value, mean_of, never_as_nan, of_protocol, worth
from delever.core.exchange_tables import LAYERS, Fallen
from delever.core.jit import kernel
from delever.core.margin import close_out
from delever.core.state import State
from delever.core.tables import COVERED, DEFICIT, Accounts, Liquidity, Records
from delever.waterfall.base import IN_ORDER, LayerPhase, began_column

BORE = "deficits that no layer bore"
STAYS = Column("residual_shortfall", "USD", BORE, (
    *mean_of("residual_shortfall", BORE, "nobody", "bore"),
    Figure("residual_shortfall_95", "quantile", f"95th percentile over paths of {BORE}", level=0.95, label="deficit that stays"),
    Figure("probability_of_shortfall", "share_above", f"paths with {BORE}", "share", label="some deficit stays")),
    section=IN_ORDER, label="nobody", stock=True)
SINCE = began_column("residual_shortfall", "nobody", BORE)
ANY = 1.0  # USD: less is rounding of what layers bore
BOOKED = Column("deficit_booked", "USD", "deficits booked, whoever bore them afterwards", mean_of(
    "deficit_booked", "deficits booked: what closed accounts owed, before the fund or socialised losses bore any"),
    section=IN_ORDER)


@kernel
def close_fallen(fallen: Fallen, number: int, accounts: Accounts, liquidity: Liquidity, records: Records) -> None:
    """Close out every account of exchange `number` that is still fallen, in order."""
    touched, book, active = accounts.touched, accounts.book, fallen.active
    for j in range(fallen.n):
        slot = fallen.slot[j]
        if slot < 0:
            continue
        p, g = int(touched.path[slot]), book.signature[touched.account[slot]]
        if active[p] and book.protocol[g] == number:
            close_out(slot, p, g, accounts, liquidity, records)
            fallen.slot[j] = -1


def close_out_rest(state: State, number: int) -> None:
    """Close out whoever of exchange `number` is still fallen."""
    if state.n_fallen:
        close_fallen(state.below_zero, number, state.accounts, state.liquidity, state.records)


class LastResort(LayerPhase):
    """What stands behind the last layer of a protocol, or in the place of layers where an exchange has none."""

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What no layer bears, up to now."""
        return [Value(STAYS, worth(state, state.ledgers.booked[DEFICIT], self.number), self.number)]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. All that was booked, and since when some of it stays."""
        booked = state.ledgers.booked
        return [Value(BOOKED, worth(state, booked[DEFICIT] + booked[COVERED], self.number), self.number),
                Value(SINCE, never_as_nan(state.safety.began[LAYERS, self.number]), self.number)]

    def absorb(self, state: State) -> None:
        """At the end of a block, after the protocol's layers: who has borne something by now, and whether anything stays."""
        close_out_rest(state, self.number)
        served, began = state.safety.served[:, self.number], state.safety.began[:, self.number]
        if served.any():
            note_first(began[:LAYERS], served > 0.0, state)
        cash, standing = int(state.margins.cash[self.number]), state.ledgers.booked[DEFICIT]
        if standing[cash].any() if cash >= 0 else standing[of_protocol(state, self.number)].any():
            note_first(began[LAYERS], worth(state, standing, self.number) > ANY, state)


def note_first(began: np.ndarray, now: np.ndarray, state: State) -> None:
    """Where something is so now, on paths that take part, it has been since now at the latest. began, now: [..., P]."""
    began[now & state.active & (began > state.time)] = state.time
