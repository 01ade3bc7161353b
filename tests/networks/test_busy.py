"""A busy chain: base fee and room follow volatility."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from delever.core.state import State
from delever.model.errors import InputError
from delever.model.world import World
from delever.networks.busy import YEAR
from delever.run.stress import stress
from networks.small import FAST, SLOW, crowd, play, two_chains
from run.small import Mapping, fall, unlike

BUSY: Mapping = {"kind": "busy", "block_time": 12, "room": 100, "base_fee": 20, "usual": 0.6, "half_life": 600}


def world(terms: Mapping = {}, **scenario: Any) -> World:  # noqa: B006
    """The slow chain is busy."""
    return two_chains(crowd(1), networks={"slow": BUSY | terms}, scenario={"horizon": 300, **scenario})


def demand(state: State) -> tuple[float, int]:
    """Base fee and room of the busy chain."""
    return float(state.networks.base_fee[SLOW, 0]), int(state.networks.room[SLOW, 0])


def by_step(made: World) -> list[tuple[float, int]]:
    """In each of the five steps: those of its first block."""
    _, _, diary = play(made, lambda state: (state.step, *demand(state)))
    return [next((fee, room) for k, fee, room in diary.seen if k == step) for step in range(1, 6)]


def test_a_fall_raises_the_base_fee_and_takes_room() -> None:
    """ETH falls by 10 % in the second step of a minute; before and after it nothing moves."""
    keep, variance = 2.0 ** (-60 / 600), 0.36
    found = by_step(world({"elasticity": 1, "crowd": 0.5, "most": 1000}, events=[fall(0.1, 60.0)]))
    for step, (fee, room) in enumerate(found, start=1):
        move = math.log(0.9) if step == 2 else 0.0
        variance = keep * variance + (1.0 - keep) * move**2 * YEAR / 60.0
        ratio = math.sqrt(variance) / 0.6
        assert fee == pytest.approx(20.0 * ratio)
        assert room == max(1, math.floor(100 / max(1.0, math.sqrt(ratio))))
    assert found[0][0] < 20.0 < 500.0 < found[1][0]
    assert found[0][1] == 100 > found[1][1] > 1


def test_the_other_chain_is_as_it_was() -> None:
    _, _, diary = play(world(events=[fall(0.1)]), lambda state: float(state.networks.base_fee[FAST, 0]))
    assert set(diary.seen) == {2.0}


@pytest.mark.parametrize("most", [1.0, 3.0])
def test_the_base_fee_stays_within_its_bounds_and_room_is_at_least_one(most: float) -> None:
    terms = {"most": most, "elasticity": 5, "crowd": 10}
    assert by_step(world(terms, events=[fall(0.1)]))[0] == (pytest.approx(20.0 * most), 1)
    quiet = world({**terms, "half_life": 1})
    assert by_step(quiet)[-1] == (pytest.approx(20.0 / most), 100)


def test_a_chain_that_nothing_moves_is_as_stated() -> None:
    assert by_step(world({"elasticity": 0, "crowd": 0}, events=[fall(0.1)])) == [(20.0, 100)] * 5


def test_what_somebody_else_writes_is_what_is_stated_from_then_on() -> None:
    """From the third step on the chain states 40 gwei: twice what it would have been."""
    def written(state: State) -> tuple[int, float]:
        if state.step == 2:
            state.networks.base_fee[SLOW] = 40.0
        return state.step, float(state.networks.base_fee[SLOW, 0])

    as_before = by_step(world())
    _, _, diary = play(world(), written)
    found = [next(fee for k, fee in diary.seen if k == step) for step in range(1, 6)]
    assert found[2:] == pytest.approx([2.0 * fee for fee, _ in as_before[2:]])


def test_who_bids_what_was_enough_before_is_left_out_in_a_crash() -> None:
    """A reporter of 30 gwei is heard in a quiet hour, and not while the base fee stands at its highest."""
    feed = {"kind": "push", "of": "ETH/USD", "heartbeat": "1 d", "deviation": "1 %", "fee": 30, "network": "slow"}
    for kind, answers in (("busy", 0), ("blocks", 1)):
        chain = BUSY if kind == "busy" else {"block_time": 12, "room": 100, "base_fee": 20}
        made = two_chains(crowd(1), feeds={"eth": feed}, oracles={"slow": {"ETH": "eth"}}, networks={"slow": chain},
                          scenario={"events": [fall(0.1)]})
        assert play(made)[1].tally.answers[0] == answers


def test_each_path_has_its_own_and_no_bit_depends_on_the_chunk() -> None:
    made = world(horizon=600, paths=5, prices={"kind": "lognormal", "volatility": {"ETH": 6.0}})
    _, state, _ = play(made)
    assert len(np.unique(state.networks.base_fee[SLOW])) == 5
    whole = stress(made, keep=False)
    assert unlike(whole.paths, stress(made, keep=False, chunk=2).paths) == []


@pytest.mark.parametrize(("terms", "line"), [
    ({"follows": "ETC"}, "world.networks.slow.follows: unknown asset: 'ETC'; did you mean ETH?"),
    ({"follows": "USD"}, "world.networks.slow.follows: does not move: 'USD'; name an asset that has a price"),
    ({"most": 0.5}, "world.networks.slow.most is 0.5; it must be greater than or equal to 1"),
    ({"usual": None}, "world.networks.slow.usual")])
def test_mistakes_are_told_in_one_line(terms: Mapping, line: str) -> None:
    with pytest.raises(InputError) as error:
        world(terms)
    assert str(error.value).startswith(line)
