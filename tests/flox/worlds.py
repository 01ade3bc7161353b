"""flox's setting as a world: one perp without a venue, marked at the index; one step a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from delever import worlds
from delever.core.state import State
from delever.core.tables import HIT, SLOTS
from delever.engine.step import step
from delever.model.book import Book as Accounts
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from flox.books import Book
from flox.replica import Floats, Rules

STEP = 60.0  # s


def exchange_world(book: Book, marks: Floats, folder: Path, rules: Any, waterfall: list[Any], start: float = 100.0,
                   tiers: Sequence[tuple[float, float]] = ((0.0, 0.005),)) -> World:
    """Isolated positions on one exchange. marks: [mark] USD after the start, a minute apart; tiers: (floor [USD], share)."""
    table = pa.table({"time": STEP * np.arange(len(marks) + 1), "BTC": np.concatenate([[start], marks])})
    pq.write_table(table, folder / "marks.parquet")
    count = len(book)
    positions = pa.table({
        "protocol": ["exchange"] * count, "account": [f"{i:07d}" for i in range(count)], "instrument": ["BTC-PERP"] * count,
        "owner": [f"{i:07d}" for i in range(count)], "size": book.quantity, "entry_price": book.entry,
        "margin_mode": ["isolated"] * count, "collateral": book.equity})
    return worlds.load({
        "name": "flox", "as_of": "2025-10-10T00:00:00Z",
        "assets": {"BTC": {"price": start}, "BTC-PERP": {"perp": "BTC"}},
        "feeds": {"mark": {"kind": "mark", "of": "BTC-PERP/USD", "formula": "index"}},
        "oracles": {"exchange": {"BTC-PERP": "mark"}},
        "protocols": {"exchange": {"rules": rules, "waterfall": waterfall, "book": Accounts.from_table(positions),
                                   "parameters": {"BTC-PERP": {"tiers": [{"floor": floor, "maintenance": share}
                                                                 for floor, share in tiers]}}}},
        "scenario": {"horizon": STEP * len(marks), "step": STEP, "paths": 1, "seed": 1,
                     "prices": {"kind": "replay", "data": str(folder / "marks.parquet")}},
    })


def flox_world(book: Book, marks: Floats, folder: Path, fund: float, rules: Rules) -> World:
    """The same under flox's rules."""
    engine = {"kind": "flox", "slippage": rules.slippage, "ranking": rules.ranking}
    return exchange_world(book, marks, folder, engine, [{"kind": "insurance_fund", "start": {"USD": fund}}],
                          tiers=((0.0, rules.maintenance),))


@dataclass
class Journal:
    """A probe of path 0: who was closed at each step, and the fund after it."""

    liquidated: list[list[int]] = field(default_factory=list)  # [step] accounts, rising
    deleveraged: list[list[int]] = field(default_factory=list)  # [step] accounts, in order
    haircuts: list[list[float]] = field(default_factory=list)  # [step] USD
    funds: list[float] = field(default_factory=list)  # [step] USD
    _hit: set[int] = field(default_factory=set)

    def observe(self, state: State) -> None:
        """Once a step."""
        touched, slots = state.pool.touched, int(state.watch.counts[SLOTS])
        hit = {int(a) for a in touched.account[:slots][touched.flags[:slots] & HIT != 0]}
        self.liquidated.append(sorted(hit - self._hit))
        self._hit = hit
        mine = state.closings.step[:state.n_closings] == state.step
        self.deleveraged.append(state.closings.account[:state.n_closings][mine].tolist())
        self.haircuts.append(state.closings.haircut[:state.n_closings][mine].tolist())
        self.funds.append(float(state.safety.fund[state.margins.cash[0], 0]))


def run(world: World) -> tuple[Journal, State]:
    """Every step of the one path."""
    model, journal = assemble(world), Journal()
    chunk = phases(model, 1, (journal,))
    state = new_state(model, 0, 1, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    return journal, state


def units_of(account: int, state: State) -> float:
    """What an account of path 0 holds of the perp."""
    return _leg(account, int(state.book.first_debt[0]), state)


def cash_of(account: int, state: State) -> float:
    """Its wallet less size x entry price; the wallet alone where the position is closed [USD]."""
    return _leg(account, 0, state)


def _leg(account: int, leg: int, state: State) -> float:
    touched, slots = state.pool.touched, int(state.watch.counts[SLOTS])
    mine = np.flatnonzero(touched.account[:slots] == account)
    return float(touched.amount[mine[0], leg] if len(mine) else state.book.amount[account, leg])
