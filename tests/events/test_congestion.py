"""A crowded network: what bids too little waits, fewer transactions fit, and afterwards all is as it was."""

from __future__ import annotations

from typing import Any

import pytest

from delever.core.outcomes import LIQUIDATIONS
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from run.small import Mapping, fall, last, loan, one_market, steps


def crowded(at: float = 60.0, lasting: float | None = 180.0, **more: Any) -> Mapping:
    return {"at": at, "kind": "congestion", "lasting": lasting, **more}


def world(*events: Mapping, room: int = 7, **more: Any) -> World:
    """Nine equal accounts; ETH falls by 8 % in the second step; the incentive on half of a debt is 20 USD."""
    legs = [leg for i in range(9) for leg in loan(f"a{i}", 1.0, 800.0)]
    return one_market(legs, networks={"chain": {"block_time": 60, "room": room, "base_fee": 20}},
                      liquidators={"rule": "profitable"}, scenario={"events": [fall(0.08, 60.0), *events]}, **more)


def called(world: World) -> list[int]:
    return [int(state.ledgers.totals[LIQUIDATIONS, 0, 0]) for _, state in steps(world)]


def terms(world: World) -> list[tuple[float, int]]:
    return [(float(state.networks.base_fee[0, 0]), int(state.networks.room[0, 0])) for _, state in steps(world)]


def test_base_fee_and_room_are_multiplied_in_its_steps_alone() -> None:
    it = world(crowded(base_fee=10, room=0.3))
    assert terms(it)[:6] == [(20.0, 7), *3 * [(200.0, 2)], (20.0, 7), (20.0, 7)]
    assert terms(world(crowded(base_fee=1 / 3, lasting=None)))[-1] == (20.0 * (1 / 3), 7)


def test_what_is_left_of_the_room_is_at_least_one_place() -> None:
    assert terms(world(crowded(room=0.01)))[1] == (20.0, 1)


def test_fewer_calls_fit_while_it_is_crowded() -> None:
    """Seven and two; with two places two a block until it ends, with seven then."""
    assert called(world())[:3] == [0, 7, 9]
    assert called(world(crowded(room=0.3)))[:6] == [0, 2, 4, 6, 9, 9]


def test_calls_that_do_not_pay_the_higher_fee_wait_until_it_is_over() -> None:
    """Gas is 500,000 x 20 gwei = 9.20 USD at 920, 27.60 threefold: 20 USD do not pay for it."""
    assert called(world(crowded(base_fee=3)))[:6] == [0, 0, 0, 0, 7, 9]


def test_two_that_overlap_multiply_and_may_end_in_any_order() -> None:
    for first, second in ((240.0, 60.0), (120.0, 240.0)):
        it = world(crowded(base_fee=3, room=0.5, lasting=first), crowded(at=120.0, base_fee=7, room=0.5, lasting=second))
        fees = terms(it)
        assert fees[1:3] == [(60.0, 3), (420.0, 1)]
        assert fees[-1][0] == pytest.approx(20.0, rel=1e-15)
    assert fees[4][0] == pytest.approx(140.0)


def test_value_is_conserved() -> None:
    _, state = last(world(crowded(base_fee=1.5, room=0.3)))
    assert float(residual(state, 9).max()) < 1e-9


@pytest.mark.parametrize(("changes", "line"), [
    ({"base_fee": 0}, "base_fee is 0"), ({"room": 1.5}, "room is 1.5"), ({"room": 0}, "room is 0"), ({}, "changes nothing"),
    ({"network": "chian", "room": 0.5}, "did you mean chain"), ({"lasting": 0, "room": 0.5}, "lasting is 0"),
])
def test_bad_input_is_one_line(changes: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        world(crowded() | changes)
    assert "\n" not in str(error.value)
    assert "scenario.events.1" in str(error.value)


def test_a_world_without_networks_is_never_crowded() -> None:
    with pytest.raises(InputError, match="the world has no network"):
        one_market(loan("a", 1.0, 1.0), scenario={"events": [crowded(room=0.5)]})
