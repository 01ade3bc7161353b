"""Interest rate curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.claims import WithPhase
from conformance.house import world_with
from delever.engine.step import step
from delever.rates.base import RatesPhase
from delever.run.assemble import assemble, phases
from delever.run.start import new_state


class TestRates(WithPhase):
    """Every file of rates/."""

    role = "rates"

    def members(self, world: Any) -> dict[Any, Any]:
        return {(name, asset): curve for name, protocol in world.protocols.items() for asset, curve in protocol.rates.items()}

    def test_a_rate_does_not_fall_with_what_is_lent_out(self, kind: str) -> None:
        phase, _ = self.phase(kind)
        assert isinstance(phase, RatesPhase)
        found = []
        for used in np.linspace(0.0, 1.0, 21):
            again, _ = self.phase(kind)
            again.used[:] = used
            again.rates(60.0)
            found.append(again.rate[0, 0])
        assert np.all(np.diff(found) >= 0.0)
        assert found[-1] >= found[0] >= 0.0
        assert (found[-1] > found[0]) == (kind != "constant")

    def test_indices_do_not_fall_and_logs_are_theirs(self, kind: str) -> None:
        model = assemble(world_with(self.role, kind))
        acting = phases(model, 3, ())
        state, before = new_state(model, 0, 3, acting), 1.0
        for _ in range(model.steps):
            step(acting, state)
            assert np.all(state.reserves.borrow_index >= before)
            before = state.reserves.borrow_index.copy()
        for level, log in ((state.reserves.supply_index, state.reserves.log_supply),
                           (state.reserves.borrow_index, state.reserves.log_borrow)):
            assert np.allclose(np.log(level), log, rtol=0.0, atol=1e-13)
