"""Price feeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.claims import WithPhase
from conformance.house import example, world_with
from delever import worlds
from delever.core.phase import Phase
from delever.oracles.base import FeedPhase
from delever.run.assemble import assemble, phases
from delever.run.start import new_state


class TestOracles(WithPhase):
    """Every file of oracles/."""

    role = "oracles"

    def members(self, world: Any) -> dict[str, Any]:
        """Feeds by name."""
        return dict(world.feeds)

    def test_its_phase_is_one_of_feeds(self, kind: str) -> None:
        phase: Phase = self.phase(kind, times=2)[0]
        assert isinstance(phase, FeedPhase)

    def test_it_answers_the_market_price_at_the_start_unless_told_otherwise(self, kind: str) -> None:
        made: Any = example(worlds.kinds(self.role)[kind])
        assert made.start_answer(7.5) == 7.5
        assert made.start_age() >= 0.0

    def test_it_writes_its_own_answer_and_nobody_elses(self, kind: str) -> None:
        model = assemble(world_with(self.role, kind))
        acting = phases(model, 2, ())
        state = new_state(model, 0, 2, acting)
        mine = [n for n, spec in enumerate(model.oracles.specs) if type(spec) is worlds.kinds(self.role)[kind]]
        others = [n for n in range(len(model.oracles.specs)) if n not in mine]
        before = state.feeds.answer[others].copy()
        state.active[:], state.step, state.block, state.time = True, 1, 1, 60.0
        for feed in acting.feeds:
            if type(feed) is type(self.phase(kind)[0]):
                feed.observe(state)
        assert np.array_equal(state.feeds.answer[others], before)
        assert np.isfinite(state.feeds.answer[mine]).all()
