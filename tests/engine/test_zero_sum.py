"""After every block of worlds with exchanges: value is conserved, nobody is closed beyond his size, nobody owes unbooked."""

from __future__ import annotations

import numpy as np
import pytest

from delever.core import seen_prices
from delever.core.margin import equity_of
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from engine.test_margin_boundary import PATHS, random_world


def held(state: State) -> dict[tuple[int, int], np.ndarray]:
    """Positions of everybody who has been touched: (path, account) -> units by leg."""
    touched, first = state.pool.touched, int(state.book.first_debt[0])
    return {(int(touched.path[slot]), int(touched.account[slot])): touched.amount[slot, first:].copy()
            for slot in range(int(state.watch.counts[SLOTS]))}


@pytest.mark.parametrize("seed", range(6))
def test_every_block_adds_up(seed: int) -> None:
    model = assemble(random_world(seed))
    chunk = phases(model, PATHS, ())
    state = new_state(model, 0, PATHS, chunk)
    book, first = state.book, int(state.book.first_debt[0])
    blocks, closed = 0, 0

    class Watching:
        """The network, before whose close the block is looked at."""

        def close(self, state: State) -> None:
            nonlocal blocks, closed
            blocks += 1
            assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
            now = held(state)
            for (path, account), units in now.items():
                start = book.amount[account, first:]
                before = previous.get((path, account), start)
                assert np.all(units * start >= 0.0)  # never turned round
                assert np.all(np.abs(units) <= np.abs(before))  # nor grown
                closed += int(np.any(units != before))
            previous.update(now)
            seen_prices.price_all(state)
            for slot in range(int(state.watch.counts[SLOTS])):
                path, g = int(state.pool.touched.path[slot]), book.signature[state.pool.touched.account[slot]]
                if state.active[path]:
                    equity, _ = equity_of(slot, path, g, state.pool.touched.amount, book, state.margins, state.seen.price)
                    assert equity >= -1e-6  # of accounts worth thousands: rounding
            network.close(state)

        def include(self, state: State) -> None:
            network.include(state)

    previous: dict[tuple[int, int], np.ndarray] = {}
    network = chunk.inclusion
    object.__setattr__(chunk, "inclusion", Watching())
    for _ in range(model.steps):
        step(chunk, state)
    assert blocks > model.steps and closed > 20
    assert state.flows.deleveraged.sum() > 0.0 or state.flows.liquidated.sum() > 0.0
