"""Price processes."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.claims import EveryMechanism
from conformance.house import world_with
from delever.run.assemble import assemble
from delever.run.start import new_state


class TestPrices(EveryMechanism):
    """Every file of prices/."""

    role = "prices"

    def moved(self, kind: str, paths: int, first: int) -> np.ndarray:
        """[steps, M, P] outside log prices."""
        model: Any = assemble(world_with(self.role, kind))
        state, phase = new_state(model, first, paths), model.prices.phase(paths)
        out = []
        for k in range(1, model.steps + 1):
            state.step = k
            state.moves[:] = 0.001 * k
            phase.move(state)
            out.append(state.markets.exogenous.copy())
        return np.array(out)

    def test_a_path_is_the_same_wherever_it_is_drawn(self, kind: str) -> None:
        assert self.moved(kind, 4, 0)[:, :, 3:].tobytes() == self.moved(kind, 1, 3).tobytes()

    def test_what_events_bring_is_added(self, kind: str) -> None:
        """Nothing moves stETH's ratio or a perp but the events, where the process does not name them."""
        model = assemble(world_with(self.role, kind))
        still = model.layout.markets.index("stETH")
        named = getattr(model.world.scenario.prices, "volatility", {})
        if "stETH" not in named:
            steps = self.moved(kind, 1, 0)[:, still, 0]
            assert np.allclose(np.diff(steps), 0.001 * np.arange(2, len(steps) + 1))

    def test_it_says_how_far_prices_move_by_themselves(self, kind: str) -> None:
        model = assemble(world_with(self.role, kind))
        assert 0.0 <= model.prices.spread(1) <= model.prices.spread(100) < np.inf
