"""The worlds of stablecoins: the one with reserves mends, the one whose sister bears too little does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import delever as dl
from actors.redeem import ends
from delever.core.state import State
from delever.core.tables import ISSUER

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "stablecoins"


def end(name: str, **changes: Any) -> tuple[State, dict[str, float]]:
    """One path to its end, and what is said of it."""
    settings = {"scenario.paths": 1, **{key.replace("__", "."): value for key, value in changes.items()}}
    state, said = ends(dl.load(FOLDER / f"{name}.yaml", set=settings))
    return state, {column: float(values[0]) for column, values in said.items()}


def test_the_sound_coin_is_worth_its_rate_again_once_its_bank_is_open() -> None:
    state, _ = end("sound")
    price, rate = state.markets.price[state.backing.market[0], 0], state.backing.log_rate[0, 0]
    assert abs(price - rate) < 0.001
    assert 250e6 < state.backing.reserve[0, 0] < 300e6
    assert state.ledgers.tokens[ISSUER, 0, 0] == pytest.approx(state.backing.reserve[0, 0] - 400e6)


def test_one_whose_reserve_is_lost_runs_dry() -> None:
    assert end("sound", scenario__events__0__lost="80 %")[0].backing.reserve[0, 0] == 0.0


def test_a_sister_who_bears_less_than_is_burned_is_lost_with_the_coin_and_a_deep_one_mends_it() -> None:
    lost, mended = end("spiral")[1], end("spiral", venues__luna__depth="3m")[1]
    assert lost["discount"] > 0.5 > 0.05 > mended["discount"]
    assert lost["burned"] < mended["burned"]
