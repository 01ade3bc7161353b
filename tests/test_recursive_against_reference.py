"""The engine against the plain implementation on random worlds whose owners enter and leave recursive positions."""

from __future__ import annotations

import pytest

from reference.comparing import Worlds
from reference.worlds_recursive import recursive_world
from test_terms_against_reference import result, terms_differences

WORLDS = 90
BATCH = 30
RECURSIVE = Worlds(recursive_world, result, terms_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    RECURSIVE.hold_together(range(first, first + BATCH), most_excused=2, pushed=True)


LEAST = {"wind": 15, "unwind": 40, "reverted_wind": 10, "reverted_unwind": 5}  # in how many worlds on some path


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    seen = RECURSIVE.seen(range(WORLDS))
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen
