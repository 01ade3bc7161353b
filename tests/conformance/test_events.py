"""Events of a scenario."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.claims import WithPhase
from delever.model.errors import InputError


class TestEvents(WithPhase):
    """Every file of events/."""

    role = "events"

    def members(self, world: Any) -> dict[str, Any]:
        """Events by their place."""
        return {str(n): event for n, event in enumerate(world.scenario.events)}

    def test_two_of_a_kind_make_one_phase_that_does_something(self, kind: str) -> None:
        try:
            phase, families = self.phase(kind, times=2)
        except InputError as error:
            pytest.skip(f"the same twice is refused: {error}")
        assert families == 1
        assert any("happen" in vars(base) or "offer" in vars(base) for base in type(phase).__mro__[:-2])
