"""A pause: nobody is liquidated, owners may still add collateral, and afterwards things go on as they stand."""

from __future__ import annotations

from typing import Any

import pytest

from delever.core.outcomes import LIQUIDATIONS, TOP_UPS
from delever.core.state import State
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from run.small import Mapping, fall, last, loan, one_market, steps


def paused(at: float = 60.0, lasting: float | None = 180.0, **more: Any) -> Mapping:
    return {"at": at, "kind": "pause", "protocol": "pool", "lasting": lasting, **more}


def world(*events: Mapping, **more: Any) -> World:
    """ETH falls by 10 % in the second step."""
    return one_market(loan("a", 10.0, 8000.0), scenario={"events": [fall(0.1, 60.0), *events]}, **more)


def history(world: World, outcome: int) -> list[int]:
    return [int(state.ledgers.totals[outcome, 0, 0]) for _, state in steps(world)]


def test_nobody_is_liquidated_during_a_pause_and_everybody_who_is_still_unhealthy_after_it() -> None:
    assert history(world(), LIQUIDATIONS)[:5] == [0, 1, 1, 1, 1]
    assert history(world(paused()), LIQUIDATIONS)[:5] == [0, 0, 0, 0, 1]
    assert history(world(paused(lasting=None)), LIQUIDATIONS)[-1] == 0


def test_who_has_become_healthy_during_a_pause_is_not_called() -> None:
    it = world(paused(), fall(1 - 1 / 0.9, 180.0))
    assert history(it, LIQUIDATIONS)[-1] == 0


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_owners_add_collateral_during_a_pause(mode: str) -> None:
    """Nobody races them, so they bid less than any liquidator would."""
    it = world(paused(), borrowers={"attentive": 1, "fee": 21}, execution={"mode": mode},
               networks={"chain": {"block_time": 60, "room": 1, "base_fee": 20}})
    assert history(it, TOP_UPS)[:3] == [0, 1, 1]
    assert history(it, LIQUIDATIONS)[-1] == 0
    _, state = last(it)
    assert float(residual(state, 1).max()) < 1e-9
    unpaused = it.replace("scenario.events", it.scenario.events[:1])
    assert history(unpaused, TOP_UPS)[-1] == 0  # a liquidator took the only place


def test_a_pause_that_ends_within_a_step_is_over_in_its_next_block() -> None:
    """Two blocks a step; paused up to 150 s, so the block at 180 s calls."""
    assert history(world(paused(lasting=90.0), execution={"rounds": 2}), LIQUIDATIONS)[:3] == [0, 0, 1]
    assert history(world(paused(lasting=30.0), execution={"rounds": 2}), LIQUIDATIONS)[:3] == [0, 1, 1]


def test_a_pause_of_openings_alone_lets_liquidations_go_on() -> None:
    it = world(paused(liquidations=False))
    assert history(it, LIQUIDATIONS)[1] == 1
    assert [bool(state.halts.opening[0, 0] > state.time) for _, state in steps(it)][:6] == [False, *3 * [True], False, False]


def test_of_two_pauses_the_later_end_counts() -> None:
    assert history(world(paused(lasting=240.0), paused(at=120.0, lasting=60.0)), LIQUIDATIONS)[:6] == [0, 0, 0, 0, 0, 1]


def left(state: State) -> list[float]:
    return list(state.pool.touched.amount[0])


def test_what_is_called_after_a_pause_is_sized_by_what_is_seen_then() -> None:
    """ETH falls by another 5 % while nobody can call: 10 x 855 x 0.85 / 8000 = 0.908, so the whole debt may be repaid."""
    _, state = last(world(paused(), fall(0.05, 180.0)))
    assert left(state) == pytest.approx([10.0 - 8000.0 * 1.05 / 855.0, 0.0], abs=1e-9)


@pytest.mark.parametrize(("changes", "line"), [
    ({"protocol": "pol"}, "did you mean pool"), ({"liquidations": False, "opening": False}, "pauses nothing"),
    ({"lasting": -1}, "lasting is -1"), ({"until": 5}, "until"),
])
def test_bad_input_is_one_line(changes: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        world(paused() | changes)
    assert "\n" not in str(error.value)
    assert "scenario.events.1" in str(error.value)
