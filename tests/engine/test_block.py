"""The block: who gets in, in which order, and what that decides."""

from __future__ import annotations

from typing import Any

import pytest

from delever.core.outcomes import DECLINED, LIQUIDATIONS, TOP_UPS
from delever.core.state import State
from delever.core.tables import BLOCK_BUILDERS, HIT, HOLDERS, SLOTS
from delever.model.world import World
from run.small import Mapping, fall, last, loan, one_market, steps

ETH = 1
LIQUIDATORS, OWNERS = HOLDERS, HOLDERS + 1  # the actors of these worlds, in their order
CHAIN: Mapping = {"block_time": 60, "room": 30, "base_fee": 20}


def chain(**more: Any) -> Mapping:
    """A network of one block a step."""
    return {"chain": CHAIN | more}


def liquidations(world: World) -> list[int]:
    """So far, after every step."""
    return [int(state.ledgers.totals[LIQUIDATIONS, :, 0].sum()) for _, state in steps(world)]


def hit(state: State) -> set[int]:
    """Numbers of the accounts that have been liquidated."""
    touched = state.pool.touched
    return {int(touched.account[slot]) for slot in range(int(state.watch.counts[SLOTS])) if touched.flags[slot] & HIT}


# ---- late oracles -----------------------------------------------------------------------------------------------


def late(delay: float, **changes: Any) -> World:
    """ETH falls by 20 % in the step that ends at 120 s; the feed answers so many seconds later."""
    return one_market(
        loan("a", 10.0, 8000.0), oracles={"pool": {"ETH": "eth_usd"}},
        feeds={"eth_usd": {"kind": "push", "of": "ETH/USD", "heartbeat": "1 d", "deviation": "1 %", "delay": delay}},
        scenario={"events": [fall(0.2, 60.0)]}, **changes)


@pytest.mark.parametrize(("delay", "first"), [(0.0, 3), (60.0, 4), (179.0, 6), (180.0, 6), (181.0, 7)])
def test_a_late_answer_delays_liquidation_until_it_has_landed(delay: float, first: int) -> None:
    """Observed at 120 s, offered in the first block at or after 120 s + delay, seen by claims in the block after that."""
    done = liquidations(late(delay))
    assert done.index(1) + 1 == first


def test_the_next_block_of_the_same_step_sees_the_answer() -> None:
    assert liquidations(late(0.0, execution={"rounds": 2})).index(1) + 1 == 2
    assert liquidations(late(0.0, networks=chain(block_time=30))).index(1) + 1 == 2


def test_a_move_below_the_deviation_is_not_seen() -> None:
    world = late(0.0).replace("feeds.eth_usd.deviation", "21 %")
    assert liquidations(world)[-1] == 0
    assert liquidations(world.replace("feeds.eth_usd.heartbeat", "5 min")).index(1) + 1 == 6  # renewed at 300 s


def test_a_reporter_who_bids_less_than_the_base_fee_never_gets_in() -> None:
    world = late(0.0, networks=chain())
    assert liquidations(world)[-1] == 1
    assert liquidations(world.replace("feeds.eth_usd.fee", "19 gwei"))[-1] == 0


# ---- room -------------------------------------------------------------------------------------------------------


SIZES = [3.0, 50.0, 8.0, 120.0, 20.0]  # ETH of accounts 0 .. 4, all equally healthy


def crowd(**network: Any) -> World:
    """Five accounts of different size become eligible at once, on an infinitely deep market."""
    legs = [leg for i, eth in enumerate(SIZES) for leg in loan(f"a{i}", eth, 800.0 * eth)]
    return one_market(legs, networks=chain(**network), liquidators={"rule": "profitable"},
                      scenario={"events": [fall(0.08)]})


@pytest.mark.parametrize("room", [1, 2, 3, 5])
def test_a_block_holds_no_more_than_its_room_and_the_best_pay_first(room: int) -> None:
    """The bid is a share of the profit and that a share of the debt: largest first. One call makes an account healthy."""
    order = sorted(range(5), key=lambda i: -SIZES[i])
    seen = [hit(state) for _, state in steps(crowd(room=room))]
    for k, accounts in enumerate(seen, start=1):
        assert accounts == set(order[:k * room])


def test_what_finds_no_room_is_counted_and_bids_again() -> None:
    """5 claims in room for 2: 3 wait, then 1, then none."""
    _, state = last(crowd(room=2))
    assert (int(state.tally.unfit[0]), int(state.tally.longest[0])) == (4, 3)


def test_every_included_transaction_pays_its_bid_to_the_block() -> None:
    """Bid = base fee + half of the profit / gas: what liquidators pay is the base fee and half of what is left of it."""
    _, state = last(crowd())
    paid = 0.0
    for eth in SIZES:
        repaid = 0.5 * 800.0 * eth  # health 0.92 x 0.85 / 0.8 = 0.9775: half of the debt
        base = 500_000 * 20e-9  # ETH
        paid += base + 0.5 * (0.05 * repaid / 920.0 - base)
    tokens = state.ledgers.tokens[:, ETH, 0]
    assert tokens[BLOCK_BUILDERS] == pytest.approx(paid) == state.tally.gas[0]
    assert tokens[LIQUIDATORS] == pytest.approx(-paid)


# ---- the race between owner and liquidator ----------------------------------------------------------------------


def race(fee: float, mode: str = "sequential", **borrowers: Any) -> State:
    """One account below 1; its owner tops up, bidding `fee`; liquidators bid 20 gwei + half of their profit."""
    world = one_market(loan("a", 10.0, 8000.0), networks=chain(), liquidators={"rule": "profitable"},
                       execution={"mode": mode}, borrowers={"attentive": 1, "fee": fee, **borrowers},
                       scenario={"horizon": 60, "events": [fall(0.1)]})
    return last(world)[1]


def outcome(state: State) -> tuple[int, int, int]:
    """Liquidations, top-ups, reverted transactions."""
    totals = state.ledgers.totals[:, 0, 0]
    return int(totals[LIQUIDATIONS]), int(totals[TOP_UPS]), int(state.tally.reverted[0])


BID = 20.0 + 0.5 * (0.05 * 4000.0 - 500_000 * 20e-9 * 900.0) / (500_000 * 1e-9 * 900.0)  # 232.2 gwei, see crowd


def test_a_top_up_that_outbids_the_liquidator_saves_the_account() -> None:
    """(1.1 x 8000 - 7650) / (900 x 0.85) = 1.503268 ETH are added; the claim that follows reverts, and pays its gas."""
    state = race(BID + 0.1)
    assert outcome(state) == (0, 1, 1)
    assert list(state.pool.touched.amount[0]) == pytest.approx([11.503267973856209, 8000.0])
    assert state.ledgers.tokens[LIQUIDATORS, ETH, 0] == pytest.approx(-500_000 * BID * 1e-9)


def test_a_top_up_that_underbids_comes_too_late() -> None:
    """The account is liquidated, healthy again, and the top-up reverts; its owner pays for it."""
    state = race(BID - 0.1)
    assert outcome(state) == (1, 0, 1)
    assert list(state.pool.touched.amount[0]) == pytest.approx([16 / 3, 4000.0])
    assert state.ledgers.tokens[OWNERS, ETH, 0] == pytest.approx(-250_000 * (BID - 0.1) * 1e-9)


def test_in_a_batch_owners_come_before_liquidators_whatever_they_bid() -> None:
    assert outcome(race(21.0, "batched")) == (0, 1, 1)


def test_who_bids_less_than_the_base_fee_does_not_take_part() -> None:
    assert outcome(race(19.9)) == (1, 0, 0)


def test_a_top_up_beyond_the_budget_is_not_made() -> None:
    """1.503268 ETH are 15.03 % of the collateral."""
    assert outcome(race(1000.0, budget=0.151)) == (0, 1, 1)
    assert outcome(race(1000.0, budget=0.150)) == (1, 0, 0)


def test_nobody_who_does_not_watch_tops_up() -> None:
    assert outcome(race(1000.0, attentive=0)) == (1, 0, 0)


# ---- dust -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "taken"), [("profitable", 0), ("always", 1)])
def test_dust_is_declined_by_those_who_count_their_gas(rule: str, taken: int) -> None:
    """Gas is 500,000 x 20 gwei = 0.01 ETH = 9.20 USD at 920; the incentive on half of 320 USD is 8 USD."""
    world = one_market(loan("a", 0.4, 320.0), networks=chain(), liquidators={"rule": rule},
                       scenario={"horizon": 60, "events": [fall(0.08)]})
    _, state = last(world)
    assert int(state.ledgers.totals[LIQUIDATIONS, 0, 0]) == taken
    assert int(state.ledgers.totals[DECLINED, 0, 0]) == 1 - taken


def test_an_account_just_worth_its_gas_is_taken() -> None:
    """The incentive on half of 370 USD is 9.25 USD, a little more than 9.20."""
    world = one_market(loan("a", 370 / 800, 370.0), networks=chain(), liquidators={"rule": "profitable"},
                       scenario={"horizon": 60, "events": [fall(0.08)]})
    assert liquidations(world)[-1] == 1
    assert liquidations(world.replace("actors.liquidators.min_profit", "0.06 USD"))[-1] == 0


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_of_two_liquidators_who_call_one_account_the_second_finds_it_healthy(mode: str) -> None:
    """Health 0.956: the first repays half and lifts it above 1. In a batch, too, the second is sized at what the first left."""
    both = {name: {"kind": "liquidators", "rule": "always"} for name in ("one", "two")}
    world = one_market(loan("a", 10.0, 8000.0), actors=both, execution={"mode": mode},
                       scenario={"horizon": 60, "events": [fall(0.1)]})
    _, state = last(world)
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == 1 and state.tally.reverted[0] == 1
    assert state.ledgers.tokens[HOLDERS:, 0, 0] == pytest.approx([200.0, 0.0])  # half the loan, a bonus of 5 %
