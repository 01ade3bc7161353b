"""Owners of resting orders: when they sell, how much, and that they have no more than they have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.tables import HOLDERS
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from run.small import Mapping, everything, fall, last, loan, one_market, pool, steps

USD, ETH = 0, 1


def world(*orders: Mapping, events: Any = (), **more: Any) -> World:
    """ETH at 1000 USD, infinitely deep unless a venue is given; one safe loan; steps of a minute."""
    owners = {f"o{n}": {"kind": "orders", "asset": "ETH", **order} for n, order in enumerate(orders)}
    actors: Mapping = {"liquidators": None} | owners
    return one_market(loan("a", 10.0, 1.0), actors=actors, scenario={"horizon": 300, "events": list(events)}, **more)


def sold(world: World) -> list[list[float]]:
    """Units that each owner has sold so far, after every step."""
    n = len(world.actors)
    return [(-state.ledgers.tokens[HOLDERS:HOLDERS + n, ETH, 0]).tolist() for _, state in steps(world)]


def rise(at: float, share: float) -> Mapping:
    return fall(-share, at)


def test_a_stop_sells_at_or_below_its_level_and_gets_what_the_market_then_pays() -> None:
    it = world({"when": "stop", "level": 900, "amount": 5}, events=[fall(0.05), fall(0.06, 120.0)])
    assert [units for (units,) in sold(it)] == [0.0, 0.0, 5.0, 5.0, 5.0]
    assert last(it)[1].ledgers.tokens[HOLDERS, USD, 0] == pytest.approx(5 * 1000 * 0.95 * 0.94)


def test_a_limit_sells_at_or_above_its_level() -> None:
    it = world({"when": "limit", "level": 1100, "amount": 5}, events=[rise(0.0, 0.09), rise(60.0, 0.02)])
    assert [units for (units,) in sold(it)] == [0.0, 5.0, 5.0, 5.0, 5.0]


def test_a_stop_that_was_reached_goes_on_and_a_limit_does_not() -> None:
    """One unit a block. ETH is at 890 in the second step alone, at 1110 in the fourth alone."""
    there, back = fall(0.11, 60.0), fall(1 - 1 / 0.89, 120.0)
    up, down = fall(-0.11, 180.0), fall(1 - 1 / 1.11, 240.0)
    it = world({"when": "stop", "level": 900, "amount": 3, "per_block": 1}, {"when": "limit", "level": 1100, "amount": 3,
               "per_block": 1}, events=[there, back, up, down])
    assert sold(it) == [[0, 0], [1, 0], [2, 0], [3, 1], [3, 1]]


def test_parts_go_into_every_block_until_all_is_sold() -> None:
    it = world({"when": "limit", "level": 1, "amount": 5, "per_block": 2}, execution={"rounds": 2})
    assert [units for (units,) in sold(it)] == [4.0, 5.0, 5.0, 5.0, 5.0]


def test_what_one_stop_sells_sets_off_the_next_in_the_next_block() -> None:
    """A pool of 100 ETH: the first sells 3 and takes the price to 1000 / 1.03^2 = 942.6, below the second's level."""
    stops = [{"when": "stop", "level": 1000, "amount": 3}, {"when": "stop", "level": 950, "amount": 4}]
    it = world(*stops, venues={"pool": pool(100.0, 1e5)}, execution={"rounds": 3})
    _, state = next(iter(steps(it)))
    assert (-state.ledgers.tokens[HOLDERS:HOLDERS + 2, ETH, 0]).tolist() == [3.0, 4.0]
    first = 1e5 * 3 / 103
    assert state.ledgers.tokens[HOLDERS:HOLDERS + 2, USD, 0] == pytest.approx(
        [first, (1e5 - first) * 4 / 107])
    assert float(residual(state, 0).max()) < 1e-9


def chain(**more: Any) -> Mapping:
    return {"chain": {"block_time": 60, "room": 10, "base_fee": 20, "gas": {"order": 1e5}} | more}


def test_a_limit_whose_price_has_gone_reverts_at_its_slot_and_pays_its_gas() -> None:
    """Both may sell at 1000; who bids more takes the pool to 942.6 first."""
    both = [{"when": "limit", "level": 1000, "amount": 3, "fee": 30}, {"when": "limit", "level": 1000, "amount": 3, "fee": 25}]
    _, state = next(iter(steps(world(*both, venues={"pool": pool(100.0, 1e5)}, networks=chain()))))
    assert state.ledgers.tokens[HOLDERS:HOLDERS + 2, ETH, 0].tolist() == pytest.approx([-3 - 1e5 * 30e-9, -1e5 * 25e-9])
    assert state.tally.reverted[0] == 1


def test_what_finds_no_room_is_offered_again() -> None:
    both = [{"when": "stop", "level": 1000, "amount": 3, "fee": 30}, {"when": "stop", "level": 1000, "amount": 3, "fee": 25}]
    it = world(*both, networks=chain(room=1, gas={"order": 0.0}))
    assert sold(it)[:2] == [[3.0, 0.0], [3.0, 3.0]]


def test_a_wrapped_asset_is_sold_at_the_price_of_its_own_pair() -> None:
    """1 wstETH = 1.2 stETH = 1.2 x 0.99 ETH; sold for what stETH is quoted in."""
    assets = {"ETH": {"price": 1000.0}, "stETH": {"peg": "ETH", "ratio": 0.99}, "wstETH": {"wraps": "stETH", "rate": 1.2}}
    for level, units in ((1.18, 0.0), (1.19, 2.0)):
        it = world({"asset": "wstETH", "when": "stop", "level": level, "amount": 2}, assets=assets)
        _, state = last(it)
        assert state.ledgers.tokens[HOLDERS, 3, 0] == -units
        assert state.ledgers.tokens[HOLDERS, ETH, 0] == pytest.approx(units * 1.2 * 0.99)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["stop", "limit"]), st.floats(700, 1300), st.floats(0.1, 40.0),
                          st.one_of(st.none(), st.floats(0.5, 5.0))), min_size=1, max_size=4))
def test_nobody_sells_more_than_he_has_and_value_is_conserved(orders: list[tuple[str, float, float, float | None]]) -> None:
    it = world(*({"when": w, "level": p, "amount": q, "per_block": b} for w, p, q, b in orders),
               venues={"pool": pool(200.0, 2e5)}, events=[fall(0.1, 60.0), rise(120.0, 0.3)])
    _, state = last(it)
    units = -state.ledgers.tokens[HOLDERS:HOLDERS + len(orders), ETH, 0]
    assert (units <= np.array([q for _, _, q, _ in orders]) * (1 + 1e-12)).all()
    assert float(residual(state, 0).max(initial=0.0)) < 1e-9


@pytest.mark.parametrize(("changes", "line"), [
    ({"asset": "USD"}, "sells USD"), ({"asset": "ETC"}, "did you mean ETH"), ({"into": "ETH"}, "sells an asset for itself"),
    ({"when": "market"}, "when"), ({"level": 0}, "level is 0"), ({"amount": 0}, "amount is 0"),
    ({"per_block": 0}, "per_block is 0"), ({"network": "chain"}, "unknown network"),
])
def test_bad_input_is_one_line(changes: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        world({"when": "stop", "level": 900, "amount": 5, **changes})
    assert "\n" not in str(error.value)
    assert "o0" in str(error.value)


def test_the_state_of_an_order_belongs_to_its_path() -> None:
    """Paths on which the price has fallen have sold, others have not."""
    base = everything()
    it = base.replace("actors.stop", {"kind": "orders", "asset": "ETH", "when": "stop", "level": 1100.0, "amount": 5.0})
    _, state = last(it)
    units = -state.ledgers.tokens[HOLDERS + list(it.actors).index("stop"), ETH]
    reached = np.round(units - 0.3) == 5  # less gas
    assert 0 < reached.sum() < state.paths, units


