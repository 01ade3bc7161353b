"""What is down does nothing, for as long as it is down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.core.outcomes import LIQUIDATIONS
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from run.exchange_small import exchange
from run.small import Mapping, fall, last, loan, one_market, pool, steps

CHAIN: Mapping = {"block_time": 30, "room": 10, "base_fee": 0}


def world(**more: Any) -> World:
    """ETH falls by 10 % in the second step; a chain with two blocks a step."""
    events = [fall(0.1, 60.0), *more.pop("events", ())]
    return one_market(loan("a", 10.0, 8000.0), networks={"chain": CHAIN}, scenario={"events": events}, **more)


def first_call(world: World) -> tuple[int, ...] | None:
    """The step in which somebody is liquidated first, on each path (-1: never)."""
    found = np.full(world.scenario.paths, -1)
    for _, state in steps(world):
        found[(found < 0) & (state.ledgers.totals[LIQUIDATIONS].sum(0) > 0)] = state.step
    return tuple(found.tolist())


def down(at: float, lasting: float | None, **what: str) -> Mapping:
    return {"at": at, "kind": "outage", "lasting": lasting, **what}


@pytest.mark.parametrize(("lasting", "step"), [
    (None, -1), (10.0, 2), (30.0, 2), (50.0, 2), (60.0, 3), (120.0, 4), (150.0, 4)])
def test_a_network_that_is_down_produces_no_block(lasting: float | None, step: int) -> None:
    """Down from 60 s: blocks at 90 s and 120 s fall away after 60 s, after 50 s the first of them
    alone; at least one does; after 150 s the one at 240 s is the first."""
    assert first_call(world()) == (2,)
    assert first_call(world(events=[down(60.0, lasting, network="chain")])) == (step,)


def test_what_an_outage_of_a_network_keeps_waiting_pays_nothing() -> None:
    it = world(events=[down(60.0, None, network="chain")])
    _, state = last(it)
    assert state.tally.gas[0] == 0.0
    assert not state.ledgers.tokens.any()


def test_a_venue_that_is_down_halts_its_market_alone() -> None:
    it = world(events=[down(60.0, 90.0, venue="pool")], venues={"pool": pool()})
    halted = []
    for _, state in steps(it):
        halted.append(state.halts.trading[0, 0] > state.time)
    assert halted == [False, True, False, *7 * [False]]  # through 150 s: the block at 120 s, not the one at 180 s


def test_an_exchange_whose_engine_stands_still_calls_nobody() -> None:
    """ETH falls from 1800 s on; without an engine from 1800 s to 5400 s nobody is called in between."""
    plain = exchange()
    stopped = plain.replace("scenario.events", [*plain.scenario.events, _outage(1800.0, 3600.0, exchange="perps")])
    before, after = np.array(first_call(plain)), np.array(first_call(stopped))
    assert ((before > 30) & (before <= 90)).any()
    assert not ((after > 30) & (after <= 90)).any()
    assert (after[(before > 30) & (before <= 90)] == 91).any()
    _, state = last(stopped)
    assert float(residual(state, int(state.watch.counts[0])).max()) < 1e-9


def _outage(at: float, lasting: float, **what: str) -> Any:
    from delever.events.outage import Outage

    return Outage(at=at, lasting=lasting, **what)


@pytest.mark.parametrize(("what", "line"), [
    ({}, "names nothing"), ({"venue": "pool", "network": "chain"}, "names more than one thing"),
    ({"venue": "pol"}, "did you mean"),
    ({"exchange": "pool"}, "is no exchange"), ({"exchange": "x"}, "unknown protocol"), ({"network": "x"}, "unknown network"),
    ({"venue": "pool", "lasting": 0}, "lasting is 0"),
])
def test_bad_input_is_one_line(what: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        world(events=[{"at": 60, "kind": "outage", "lasting": 60, **what}], venues={"pool": pool()})
    assert "\n" not in str(error.value)
    assert "scenario.events.1" in str(error.value)


def test_venues_that_are_one_market_cannot_fail_one_by_one() -> None:
    with pytest.raises(InputError, match=r"is one market with other: 'pool'; write `liquidity: fragmented`"):
        world(events=[down(60.0, 60.0, venue="pool")], venues={"pool": pool(), "other": pool(eth=10.0, usd=1e4)})
