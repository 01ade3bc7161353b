"""A bridge: what is sent arrives late, less a fee, within a capacity, unless the bridge is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from delever.core.phase import Phase
from delever.core.state import State
from delever.core.tables import BLOCK_BUILDERS, HOLDERS, IN_FLIGHT, OFFERED, OUTSIDE
from delever.model.errors import InputError
from delever.model.world import World
from networks.small import ETH, FAST, POL, SLOW, USD, Diary, at, crowd, play, two_chains
from run.small import Mapping

BRIDGE: Mapping = {"kind": "bridge", "between": ["slow", "fast"], "delay": 30, "back": 7, "fee": 0.01}
MONEY: Mapping = {"kind": "keepers", "network": "slow", "capital": {"USD": 1000, "ETH": 5},
                  "elsewhere": {"fast": {"USD": 500, "POL": 10}}}


class Sender(Phase):
    """Somebody sends so many units of an asset from a chain, from a moment on, once."""

    def __init__(self, *sent: tuple[float, int, int, float]) -> None:
        """sent: (time, network, asset, units)."""
        self.sent = list(sent)

    def offer(self, state: State) -> None:
        for time, network, asset, units in self.sent:
            if state.time != time:
                continue
            n, rows = state.n_rows, state.transactions
            rows.path[n], rows.kind[n], rows.state[n], rows.actor[n] = 0, state.bridges.kind[0], OFFERED, HOLDERS
            rows.network[n], rows.give_asset[n], rows.give[n], rows.most[n] = network, asset, units, units
            rows.bid[n] = state.networks.base_fee[network, 0]
            state.n_rows += 1

    def wake(self, state: State) -> None:
        state.wake[0] = min([state.wake[0], *(time for time, *_ in self.sent if time > state.time)])


def held(state: State) -> tuple[float, float, float]:
    """USD on the slow chain, on the fast one, and in flight."""
    purse = state.purses.held[:, 0, USD, 0]
    return float(purse[SLOW]), float(purse[FAST]), float(state.ledgers.tokens[IN_FLIGHT, USD, 0])


def world(bridge: Mapping | None = None, **scenario: Any) -> World:
    """One actor with money on both chains; nothing to liquidate."""
    return two_chains(crowd(1), networks={"bridge": BRIDGE | (bridge or {})}, actors={"k": MONEY},
                      scenario={"horizon": 120, **scenario})


def sent(made: World, *rows: tuple[float, int, int, float], look: Callable[[State], Any] | None = None
         ) -> tuple[State, Diary]:
    """Played with these transfers."""
    _, state, diary = play(made, look, [Sender(*rows)])
    return state, diary


def test_what_is_sent_leaves_at_once_and_arrives_after_the_delay_less_the_fee() -> None:
    """100 USD sent at 12 s are on the way until 42 s; 99 arrive."""
    state, diary = sent(world(), (12.0, SLOW, USD, 100.0), look=lambda s: (s.time, held(s)))
    assert held(state) == pytest.approx((900.0, 599.0, 0.0))
    assert state.ledgers.tokens[[HOLDERS, OUTSIDE], USD, 0] == pytest.approx([-1.0, 1.0])
    flying = {t: amounts[2] for t, amounts in diary.seen}
    assert flying[2.0] == 0.0 and flying[12.0] == 100.0 and flying[42.0] == 0.0
    assert state.n_messages == 0


def test_each_direction_has_its_delay() -> None:
    state, diary = sent(world(), (2.0, FAST, USD, 100.0), look=lambda s: (round(s.time, 6), held(s)))
    assert dict(diary.seen)[2.0][2] == 100.0
    assert [t for t, amounts in diary.seen if amounts[2] == 0.0][:1] == [10.0]  # 2 + 7 s, in the next block of the clock
    assert held(state) == pytest.approx((1099.0, 400.0, 0.0))


def test_the_path_sleeps_until_it_arrives() -> None:
    _, diary = sent(world(horizon=60), (2.0, FAST, USD, 100.0))
    assert at(diary.times) == [2.0, 4.0, 10.0]


def test_sending_costs_gas_on_the_chain_one_sends_from() -> None:
    """150,000 x 20 gwei in ETH, and x 2 gwei in POL."""
    state, _ = sent(world(), (12.0, SLOW, USD, 10.0), (2.0, FAST, USD, 10.0))
    assert state.ledgers.tokens[BLOCK_BUILDERS, [ETH, POL], 0] == pytest.approx([0.003, 0.0003])
    assert state.purses.held[SLOW, 0, ETH, 0] == pytest.approx(5.0 - 0.003)


@pytest.mark.parametrize(("capacity", "window", "through"), [(None, None, 3), (250, None, 2), (100, None, 1), (99, None, 0),
                                                             (100, 12, 2), (200, 12, 3), (100, 60, 1)])
def test_the_capacity_holds_in_flight_or_in_each_window(capacity: float | None, window: float | None, through: int) -> None:
    """100 USD each at 2, 4 and 12 s over a bridge of 60 s; what finds no room reverts."""
    made = world({"capacity": capacity, "window": window, "back": 60, "fee": 0})
    state, diary = sent(made, *((t, FAST, USD, 100.0) for t in (2.0, 4.0, 12.0)), look=held)
    assert len(diary.done) == through == 3 - len(diary.failed)
    assert max(amounts[2] for amounts in diary.seen) == 100.0 * through
    assert held(state) == pytest.approx((1000.0 + 100.0 * through, 500.0 - 100.0 * through, 0.0))


def test_what_has_arrived_makes_room() -> None:
    made = world({"capacity": 100})
    assert len(sent(made, (2.0, FAST, USD, 100.0), (8.0, FAST, USD, 100.0))[1].failed) == 1
    assert len(sent(made, (2.0, FAST, USD, 100.0), (10.0, FAST, USD, 100.0))[1].failed) == 0


def test_the_capacity_counts_worth_not_units() -> None:
    """1 ETH is 1000 USD."""
    assert len(sent(world({"capacity": 999}), (12.0, SLOW, ETH, 1.0))[1].failed) == 1
    assert len(sent(world({"capacity": 1001}), (12.0, SLOW, ETH, 1.0))[1].failed) == 0


def test_over_a_dead_bridge_nothing_arrives_and_nothing_leaves_but_it_is_still_owned() -> None:
    state, diary = sent(world({"dies": 30}), (12.0, SLOW, USD, 100.0), (36.0, SLOW, USD, 50.0))
    assert held(state) == pytest.approx((900.0, 500.0, 100.0))
    assert [t for t, *_ in diary.failed] == [36.0]
    assert state.n_messages == 1 and int(state.messages.holder[0]) == HOLDERS
    assert state.purses.coming[FAST, 0, USD, 0] == 100.0
    assert at(diary.times)[-1] == 62.0  # the first block of the second step: nobody waits for what will not come


def test_what_was_there_before_it_died_has_arrived() -> None:
    state, _ = sent(world({"dies": 44}), (12.0, SLOW, USD, 100.0))
    assert held(state) == pytest.approx((900.0, 599.0, 0.0))


def test_an_event_may_close_it_for_a_while() -> None:
    """Closed until 80 s: what was due at 42 s arrives then."""
    def close(state: State) -> tuple[float, float]:
        if state.time == 12.0:
            state.halts.bridge[0] = 80.0
        return state.time, held(state)[2]

    state, diary = sent(world(), (12.0, SLOW, USD, 100.0), look=close)
    assert [t for t, flying in diary.seen if flying == 100.0][-1] < 80.0
    assert next(t for t, flying in diary.seen if t > 12.0 and flying == 0.0) == 80.0
    assert held(state)[1] == pytest.approx(599.0)


def test_the_chain_it_goes_to_must_make_blocks() -> None:
    def halt(state: State) -> tuple[float, float]:
        state.halts.network[FAST] = 90.0
        return state.time, held(state)[2]

    _, diary = sent(world(), (12.0, SLOW, USD, 100.0), look=halt)
    assert next(t for t, flying in diary.seen if t > 12.0 and flying == 0.0) == 90.0


@pytest.mark.parametrize(("terms", "line"), [
    ({"between": ["slow", "slow"]}, "world.networks.bridge.between: leads to where it begins: 'slow'; name two chains"),
    ({"between": ["slow", "fats"]}, "world.networks.bridge.between.1: unknown network: 'fats'; did you mean fast?"),
    ({"between": ["slow", "bridge"]}, "world.networks.bridge.between.1: unknown network: 'bridge'; "),
    ({"delay": None}, "world.networks.bridge.delay"),
    ({"delay": 0}, "world.networks.bridge.delay is 0"),
    ({"capacity": 0}, "world.networks.bridge.capacity is 0"),
    ({"fee": 1}, "world.networks.bridge.fee is 1")])
def test_mistakes_are_told_in_one_line(terms: Mapping, line: str) -> None:
    with pytest.raises(InputError) as error:
        world(terms)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
