"""A backstop vault: takes whole accounts over, positions and margin with them, and trades the positions away over time.

Hyperliquid's liquidator vault is the model: its documentation, "Liquidations", says that it takes positions and margin.
How it unwinds is not published: exponentially, by a half-life (assumption).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from delever.core.jit import kernel
from delever.core.margin import take_over
from delever.core.state import State
from delever.core.tables import Accounts, Fallen, Liquidity, Records
from delever.core.vault import unwind
from delever.model.quantity import Ratio, Seconds, Usd
from delever.waterfall.base import Layer, LayerPhase


class Backstop(Layer):
    """A vault that takes over accounts while its equity, theirs included, covers `reserve` times the margin of what it holds.

    Its equity is an estimate where an exchange does not publish it; `reserve` and `half_life` are assumptions.
    """

    kind: ClassVar[str] = "backstop"
    exchanges_only: ClassVar[bool] = True
    equity: Usd = Field(ge=0, description="cash of the vault at the start", examples=["300m USD"])
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
def unwind_all(number: int, share: float, accounts: Accounts, liquidity: Liquidity, records: Records) -> None:
    """On every path the vault trades away a share of each position."""
    for p in range(liquidity.markets.price.shape[1]):
        unwind(number, p, share, accounts, liquidity, records)


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

    def __init__(self, number: int, share: float) -> None:
        """share: of each position that it trades away in a step."""
        super().__init__(number)
        self.share = share

    def begin(self, state: State) -> None:
        """Once a step, before the blocks: trade positions away."""
        if self.share > 0.0:
            unwind_all(self.number, self.share, state.accounts, state.liquidity, state.records)

    def absorb(self, state: State) -> None:
        """At the end of a block: take over whom it can bear."""
        if state.n_fallen:
            take_fallen(state.below_zero, self.number, state.time, state.accounts, state.records)
