"""Actors."""

from __future__ import annotations

from typing import Any

from conformance.claims import WithPhase
from conformance.house import example
from delever import worlds


class TestActors(WithPhase):
    """Every file of actors/."""

    role = "actors"

    def test_it_says_what_of_it_is_assumed(self, kind: str) -> None:
        made: Any = example(worlds.kinds(self.role)[kind])
        assert made.says()
        assert made.quotes() in (True, False)

    def test_whoever_bids_or_answers_has_the_hook_for_it(self, kind: str) -> None:
        made: Any = example(worlds.kinds(self.role)[kind])
        hooks = vars(type(self.phase(kind)[0]))
        assert ("bid" in hooks) == made.bids
        assert ("react" in hooks) == made.answers
