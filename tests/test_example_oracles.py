"""examples/oracles: what push feeds answer has a cause, and so have nine in ten of Chainlink's rounds; the page has them."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from delever import worlds
from run.small import loan, one_market, steps

ROOT = Path(__file__).resolve().parents[1]
FOLDER, PAGE = ROOT / "examples" / "oracles", ROOT / "docs" / "oracles.md"
MODULES = ("rounds", "maker", "outside")
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
with_data = pytest.mark.skipif(not (DATA / "oracles").is_dir() and not os.environ.get("CI"), reason="no rounds (DELEVER_DATA)")


@pytest.fixture(scope="module")
def example() -> Iterator[Callable[[str], ModuleType]]:
    """The example's modules by name; they import one another as scripts of one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELEVER_DATA", str(DATA))
        patch.syspath_prepend(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)
        yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


def pushed(example: Callable[[str], ModuleType], days: int = 4, **feed: Any) -> Any:
    """Rounds of a push feed of 0.5 % and an hour, on a price that is drawn, minute by minute."""
    world = one_market(loan("a", 1.0, 1.0), oracles={"pool": {"ETH": "eth"}},
                       feeds={"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": 3600.0, "deviation": 0.005, **feed}},
                       scenario={"horizon": days * 86400, "step": 60,
                                 "prices": {"kind": "lognormal", "volatility": {"ETH": 0.4}}})
    seen = [(float(state.feeds.updated[0, 0]), math.exp(float(state.feeds.answer[0, 0]))) for _, state in steps(world)]
    time, answer = np.array(sorted(set(seen))).T
    return example("rounds").Rounds(time, answer)


@pytest.mark.parametrize("feed", [{}, {"delay": 120.0}])
def test_all_that_a_push_feed_answers_is_explained_and_its_terms_are_found(
    example: Callable[[str], ModuleType], feed: dict[str, Any]
) -> None:
    module, found = example("rounds"), pushed(example, **feed)
    terms = module.fit(found)
    assert terms.threshold == pytest.approx(0.005, abs=1e-4)
    assert terms.heartbeat == pytest.approx(3600.0 + feed.get("delay", 0.0))
    cause = module.causes(found, module.Terms(0.005, 3600.0, math.nan), clock=False)
    assert len(cause) > 100
    assert set(cause) == {module.DEVIATION, module.AGE} | (set(cause) & {module.BOTH})


def test_a_clock_of_its_own_is_told_from_one_that_is_set_back(example: Callable[[str], ModuleType]) -> None:
    """From its first quiet hour on, which says when it beats, all of it is explained; without the clock much is not."""
    module, found = example("rounds"), pushed(example, first=1800.0)
    terms = module.Terms(0.005, 3600.0, math.nan)
    cause = module.causes(found, terms)
    quiet = int(np.argmax(cause == module.AGE))
    assert (cause[quiet:] != module.UNEXPLAINED).all()
    assert (cause == module.CLOCK).sum() > 10
    assert np.mean(module.causes(found, terms, clock=False) == module.UNEXPLAINED) > 0.1


def test_causes_by_hand(example: Callable[[str], ModuleType]) -> None:
    module = example("rounds")
    time = np.array([0.0, 3600.0, 4000.0, 7230.0, 8000.0, 12000.0, 28800.0 + 86400.0, 28900.0 + 86400.0])
    answer = np.array([100.0, 100.1, 100.7, 100.6, 100.7, 101.3, 101.4, 101.4])
    found = [module.CAUSES[c] for c in module.causes(module.Rounds(time, answer), module.Terms(0.005, 3600.0, 28900.0))]
    assert found == ["age", "deviation", "clock", "unexplained", "both", "age", "daily"]


@with_data
def test_at_most_a_tenth_of_chainlinks_rounds_is_unexplained(example: Callable[[str], ModuleType]) -> None:
    module = example("rounds")
    for name in module.FILES:
        found = module.rounds(name)
        terms = module.fit(found)
        assert module.shares(found, module.causes(found, terms))[module.UNEXPLAINED] <= 0.1
        set_back = module.shares(found, module.causes(found, terms, clock=False, daily=False))[module.UNEXPLAINED]
        assert (set_back > 0.1) == name.endswith("/USD"), "what the clock is for"


@with_data
def test_an_osm_feed_is_within_half_a_percent_of_makers_but_in_the_crash(example: Callable[[str], ModuleType]) -> None:
    module = example("maker")
    for time, error in module.errors().values():
        crash = (time >= module.CRASH[0]) & (time < module.CRASH[1])
        assert np.median(np.abs(error[~crash])) <= 50.0 < np.median(np.abs(error[crash]))


@with_data
def test_a_push_feed_is_nearer_to_chainlinks_than_the_price_that_it_is_given(example: Callable[[str], ModuleType]) -> None:
    module = example("outside")
    found, given = module.hours()
    error = module.errors(given, module.pushed(given, module.fit(found)))
    assert np.median(error["push"]) < np.median(error["outside"]) < 20.0


@with_data
@pytest.mark.parametrize("name", MODULES)
def test_the_page_has_what_the_commands_print(example: Callable[[str], ModuleType], name: str) -> None:
    assert "\n".join(example(name).tables()) in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_kind_of_feed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in worlds.kinds("oracles") if f"| `{kind}` |" not in page] == []
