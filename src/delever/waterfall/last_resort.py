"""After the last layer: whoever is still below zero is closed out, and his deficit stays booked.

Not a kind that a user names: every exchange ends with it. Source: docs/design.md, "Margin exchanges", "Absorb".
"""

from __future__ import annotations

from delever.core.jit import kernel
from delever.core.margin import close_out
from delever.core.state import State
from delever.core.tables import Accounts, Fallen, Liquidity, Records
from delever.waterfall.base import LayerPhase


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
    """What stands behind the last layer of an exchange, or in the place of layers where it has none."""

    def absorb(self, state: State) -> None:
        """At the end of a block, after the exchange's layers."""
        close_out_rest(state, self.number)
