"""Two chains: each fills its own blocks, at its own times, for its own fee."""

from __future__ import annotations

import pytest

from delever.core.outcomes import LIQUIDATIONS
from delever.core.state import State
from delever.core.tables import BLOCK_BUILDERS, HOLDERS, ORDER_OWNERS
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble, blocks_of
from delever.run.stress import stress
from networks.small import CHAINS, ETH, FAST, POL, SLOW, at, crowd, play, two_chains
from run.small import fall, loan, unlike

FALL = {"events": [fall(0.1)]}


@pytest.mark.parametrize(("slow", "fast", "blocks"), [(12, 2, 30), (12, 5, 60), (12, 7.5, 40), (2, 2, 30), (60, 60, 1)])
def test_the_clock_ticks_at_the_greatest_time_that_divides_both(slow: float, fast: float, blocks: int) -> None:
    world = two_chains(crowd(1), networks={"slow": CHAINS["slow"] | {"block_time": slow},
                                           "fast": CHAINS["fast"] | {"block_time": fast}})
    assert blocks_of(world) == blocks


def test_each_chain_takes_in_what_is_its_own_at_its_own_blocks() -> None:
    _, state, diary = play(two_chains(crowd(1), crowd(1), scenario=FALL))
    assert [(t, c) for t, c, *_ in diary.done] == [(2.0, FAST), (12.0, SLOW)]
    assert state.ledgers.totals[LIQUIDATIONS, :, 0].tolist() == [1.0, 1.0]


def test_a_path_sleeps_exactly_until_the_next_block_of_the_chain_it_waits_for() -> None:
    """Offered at 2 s it waits for 12 s; what was carried out is looked at again at 14 s, and then nothing is left to do."""
    assert at(play(two_chains(crowd(1), scenario=FALL))[2].times) == [2.0, 12.0, 14.0]
    assert at(play(two_chains((), crowd(1), scenario=FALL))[2].times) == [2.0, 4.0]


def test_who_finds_no_room_waits_for_the_next_block_of_that_chain() -> None:
    """Room for one on the slow chain: 12, 24, 36 s, each looked at again a tick later; the others sleep in between."""
    world = two_chains(crowd(3), networks={"slow": CHAINS["slow"] | {"room": 1}}, scenario=FALL)
    _, state, diary = play(world)
    assert [t for t, *_ in diary.done] == [12.0, 24.0, 36.0]
    assert at(diary.times) == [2.0, 12.0, 14.0, 24.0, 26.0, 36.0, 38.0]
    assert state.tally.unfit[0] == 2 + 1


@pytest.mark.parametrize(("slow", "fast"), [(1, 3), (3, 1), (2, 2)])
def test_room_on_one_chain_is_none_on_the_other(slow: int, fast: int) -> None:
    world = two_chains(crowd(4), crowd(4, "b"), networks={"slow": CHAINS["slow"] | {"room": slow},
                                                          "fast": CHAINS["fast"] | {"room": fast}}, scenario=FALL)
    done = play(world)[2].done
    for chain, room, every in ((SLOW, slow, 12), (FAST, fast, 2)):
        times = [t for t, c, *_ in done if c == chain]
        assert times == [every * (1 + i // room) for i in range(4)]


def test_gas_is_paid_to_each_chain_in_its_native_asset_at_its_base_fee() -> None:
    """500,000 x 20 gwei = 0.01 ETH; 500,000 x 2 gwei = 0.001 POL. `always` bids the base fee and half of the profit."""
    _, state, _ = play(two_chains(crowd(1), crowd(1), scenario=FALL,
                                  actors={"liquidators": {"kind": "liquidators", "fee_share": 0}}))
    tokens = state.ledgers.tokens[:, :, 0]
    assert tokens[BLOCK_BUILDERS, [ETH, POL]] == pytest.approx([0.01, 0.001])
    assert tokens[HOLDERS, [ETH, POL]] == pytest.approx([-0.01, -0.001])


def test_gas_of_a_kind_is_stated_by_each_chain() -> None:
    networks = {"slow": CHAINS["slow"] | {"gas": {"liquidation": 300_000}}}
    _, state, _ = play(two_chains(crowd(1), crowd(1), networks=networks, scenario=FALL,
                                  actors={"liquidators": {"kind": "liquidators", "fee_share": 0}}))
    assert state.ledgers.tokens[BLOCK_BUILDERS, [ETH, POL], 0] == pytest.approx([0.006, 0.001])


@pytest.mark.parametrize(("network", "answers"), [("slow", 0), ("fast", 1)])
def test_a_reporter_competes_on_the_chain_it_says(network: str, answers: int) -> None:
    """It bids 10 gwei: enough where the base fee is 2, too little where it is 20."""
    feed = {"kind": "push", "of": "ETH/USD", "heartbeat": "1 d", "deviation": "1 %", "fee": 10, "network": network}
    world = two_chains((), crowd(1), feeds={"eth": feed}, oracles={"fast": {"ETH": "eth"}}, scenario=FALL)
    _, state, diary = play(world)
    assert int(state.tally.answers[0]) == answers
    assert [t for t, *_ in diary.done] == ([2.0, 4.0] if answers else [])


@pytest.mark.parametrize(("network", "when"), [("slow", 12.0), ("fast", 2.0)])
def test_an_order_is_sent_on_the_chain_it_says(network: str, when: float) -> None:
    order = {"at": 0, "kind": "order", "order": "sell 3 ETH", "network": network, "fee": 30}
    _, _, diary = play(two_chains(crowd(1), scenario={"events": [order]}))
    assert [(t, who) for t, _, _, who, _ in diary.done] == [(when, ORDER_OWNERS)]


def test_liquidators_of_one_chain_leave_the_other_alone() -> None:
    actors = {"local": {"kind": "liquidators", "network": "fast"}}
    _, _, diary = play(two_chains(crowd(1), crowd(1), actors=actors, scenario=FALL))
    assert [(t, c) for t, c, *_ in diary.done] == [(2.0, FAST)]


def test_owners_answer_on_the_chain_of_their_protocol() -> None:
    """A top-up of 40 gwei outbids liquidators who bid the base fee, in the slow chain's own block."""
    actors = {"liquidators": {"kind": "liquidators", "fee_share": 0}, "owners": {"kind": "borrowers", "attentive": 1, "fee": 40}}
    _, state, diary = play(two_chains(crowd(1), actors=actors, scenario=FALL))
    assert [(t, c, who) for t, c, _, who, _ in diary.done] == [(12.0, SLOW, HOLDERS + 1)]
    assert [(t, c, who) for t, c, _, who, _ in diary.failed] == [(12.0, SLOW, HOLDERS)]
    assert state.ledgers.tokens[HOLDERS + 1, ETH, 0] == pytest.approx(-(8800 - 7650) / 765 - 250_000 * 40e-9)


def test_a_halted_chain_takes_nothing_in_and_the_other_goes_on() -> None:
    def halt(state: State) -> None:
        state.halts.network[SLOW] = 30.0

    _, _, diary = play(two_chains(crowd(1), crowd(1), scenario=FALL), halt)
    assert [(t, c) for t, c, *_ in diary.done] == [(2.0, FAST), (36.0, SLOW)]


@pytest.mark.parametrize(("network", "line"), [
    (None, "protocols.slow.network: says no network; write `network: NAME`, one of slow, fast"),
    ("slwo", "protocols.slow.network: unknown network: 'slwo'; did you mean slow?")])
def test_a_protocol_says_on_which_chain_it_stands(network: str | None, line: str) -> None:
    world = two_chains(crowd(1))
    protocol = world.protocols["slow"].replace("network", network)
    with pytest.raises(InputError) as error:
        assemble(world.model_copy(update={"protocols": {"slow": protocol}}))
    assert str(error.value).startswith(line)  # known names may follow


def two_chain_world(paths: int) -> World:
    """Loans on both chains, a price that moves, and little room."""
    legs = [leg for i in range(20) for leg in loan(f"a{i}", 10.0, 7000.0 + 70.0 * i)]
    return two_chains(legs, legs, networks={"slow": CHAINS["slow"] | {"room": 2}, "fast": CHAINS["fast"] | {"room": 1}},
                      scenario={"horizon": 600, "paths": paths,
                                "prices": {"kind": "lognormal", "volatility": {"ETH": 8.0, "POL": 2.0}}})


def test_no_bit_depends_on_the_chunk_size() -> None:
    whole = stress(two_chain_world(7), keep=False)
    assert sum(whole.paths["liquidations.slow"].to_pylist()) > 5 < sum(whole.paths["liquidations.fast"].to_pylist())
    for chunk in (1, 3):
        assert unlike(whole.paths, stress(two_chain_world(7), keep=False, chunk=chunk).paths) == []
