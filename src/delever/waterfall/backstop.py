"""A backstop vault: takes whole accounts over, positions and margin with them, and trades the positions away over time.

Hyperliquid's liquidator vault is the model: its documentation, "Liquidations", says that it takes positions and margin.
How it unwinds is not published: exponentially, by a half-life (assumption).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from delever.core.columns import Value, added, of_protocol
from delever.core.exchange_tables import BACKSTOP, Fallen
from delever.core.jit import kernel
from delever.core.margin import take_over
from delever.core.state import State
from delever.core.tables import Accounts, Liquidity, Records
from delever.core.vault import unwind
from delever.model.quantity import Ratio, Seconds, Usd
from delever.waterfall.base import Layer, LayerPhase, Served


class Backstop(Layer):
    """A vault that takes over accounts while its equity, theirs included, covers `reserve` times the margin of what it holds.

    Its equity is an estimate where an exchange does not publish it; `reserve` and `half_life` are assumptions.
    """

    kind: ClassVar[str] = "backstop"
    exchanges_only: ClassVar[bool] = True
    equity: Usd = Field(ge=0, description="cash of the vault at the start; of an exchange that counts in a coin worth that then",
                        examples=["300m USD"])
    reserve: Ratio = Field(1.0, description="maintenance margins of its positions that the vault must hold to take one more")
    half_life: Seconds | None = Field(None, description="time in which it trades half of a position away; none: it keeps them")

    def compile(self, number: int, step_length: float) -> BackstopPhase:
        """The vault of the exchange of that number. step_length: [s]."""
        if self.half_life is None:
            return BackstopPhase(number, 0.0)
        return BackstopPhase(number, 1.0 - 2.0 ** (-step_length / self.half_life) if self.half_life > 0.0 else 1.0)

    def vault(self) -> tuple[float, float]:
        """(cash at the start [USD], maintenance margins it must hold)."""
        return self.equity, self.reserve


@kernel
def unwind_all(number: int, share: float, accounts: Accounts, liquidity: Liquidity, records: Records, trading: np.ndarray,
               time: float) -> None:
    """On every path the vault trades away a share of each position. trading: [M, P] until when a market is halted [s]."""
    for p in range(liquidity.markets.price.shape[1]):
        unwind(number, p, share, accounts, liquidity, records, trading, time)


@kernel
def take_fallen(fallen: Fallen, number: int, time: float, accounts: Accounts, records: Records) -> None:
    """The vault takes over the fallen accounts that it can bear."""
    touched, book, active = accounts.touched, accounts.book, fallen.active
    for j in range(fallen.n):
        slot = fallen.slot[j]
        if slot < 0:
            continue
        p, g = int(touched.path[slot]), book.signature[touched.account[slot]]
        if not active[p] or book.protocol[g] != number:
            continue
        if take_over(slot, p, g, number, time, accounts, records):
            fallen.slot[j] = -1


class BackstopPhase(LayerPhase):
    """The vault of one exchange, ready to run."""

    serves = Served(BACKSTOP, "backstop", "backstop", "equity below zero that the backstop vault took over",
                    "the backstop vault refused an account")

    def __init__(self, number: int, share: float) -> None:
        """share: of each position that it trades away in a step."""
        super().__init__(number)
        self.share = share

    def begin(self, state: State) -> None:
        """Once a step, before the blocks: trade positions away."""
        if self.share > 0.0:
            unwind_all(self.number, self.share, state.accounts, state.liquidity, state.records, state.halts.trading,
                       (state.step - 1) * state.step_length)

    def amounts(self, state: State) -> list[Value]:
        """See LayerPhase."""
        margins, vault, price = state.margins, state.safety.vault, state.seen.price
        equity = added([vault[r] * (price[:, r] - margins.paid[r] if margins.perp[r] else
                                    price[:, r] * margins.weight[r] * margins.counted[r])
                        for r in of_protocol(state, self.number)], state.paths) * margins.in_usd[self.number]
        return [*super().amounts(state), self.holds("vault_equity", "what the backstop vault is worth, at marks", equity)]

    def absorb(self, state: State) -> None:
        """At the end of a block: take over whom it can bear."""
        if state.n_fallen:
            take_fallen(state.below_zero, self.number, state.time, state.accounts, state.records)
