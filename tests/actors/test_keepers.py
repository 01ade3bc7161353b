"""Keepers: what they earn, what they cannot pay for, and who comes first."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from delever.core.outcomes import DECLINED, LIQUIDATIONS, REPAID
from delever.core.state import State
from delever.core.tables import HOLDERS
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.stress import stress
from networks.small import ETH, FAST, POL, SLOW, USD, crowd, play, two_chains
from run.small import Mapping, fall, loan, one_market, pool

FALL: Mapping = {"horizon": 60, "events": [fall(0.1)]}
CHAIN: Mapping = {"chain": {"block_time": 60, "room": 10, "base_fee": 20}}
TESTS = Path(__file__).resolve().parents[1]


def keepers(**terms: Any) -> Mapping:
    """One group that does not borrow."""
    return {"kind": "keepers", "flash": False, **terms}


def alone(loans: int = 1, scenario: Mapping = FALL, networks: Mapping | None = None, **terms: Any) -> State:
    """One group before equal loans, each of which offers 4000 USD to repay for 4200 USD of ETH at 900; the end."""
    world = one_market(crowd(loans), actors={"k": keepers(**terms)}, scenario=scenario, networks=networks or {})
    return play(world)[1]


def purse(state: State, network: int = 0, actor: int = 0) -> list[float]:
    """USD and ETH of one actor on one chain."""
    return [float(units) for units in state.purses.held[network, actor, :2, 0]]


def repaid(state: State) -> float:
    """In all [USD]."""
    return float(state.ledgers.totals[REPAID, :, 0].sum())


# ---- money ------------------------------------------------------------------------------------------------------


def test_own_money_earns_the_incentive() -> None:
    state = alone(capital={"USD": 5000})
    assert purse(state) == pytest.approx([5200.0, 0.0])
    assert state.ledgers.tokens[HOLDERS, USD, 0] == pytest.approx(200.0)


def test_borrowed_money_earns_the_same_and_needs_none() -> None:
    state = alone(3, flash=True)
    assert purse(state) == pytest.approx([600.0, 0.0])


def test_money_that_runs_out_repays_so_much_and_no_more() -> None:
    """5000 USD: one whole call, a quarter of the second; what comes back pays 5250 a step later."""
    state = alone(3, capital={"USD": 5000})
    assert repaid(state) == pytest.approx(5000.0)
    assert purse(state) == pytest.approx([5250.0, 0.0])
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == 2
    later = alone(3, {"horizon": 120, "events": [fall(0.1)]}, capital={"USD": 5000})
    assert repaid(later) == pytest.approx(5000.0 + 5250.0)


def test_where_own_money_falls_short_the_rest_is_borrowed() -> None:
    state = alone(3, flash=True, capital={"USD": 5000})
    assert repaid(state) == pytest.approx(12_000.0)
    assert purse(state) == pytest.approx([5600.0, 0.0])


def test_the_call_that_earns_most_is_paid_first() -> None:
    """Offered in the order of the book; money for one."""
    legs = [leg for i, eth in enumerate((3.0, 50.0, 8.0)) for leg in loan(f"a{i}", eth, 800.0 * eth)]
    world = one_market(legs, actors={"k": keepers(capital={"USD": 20_100})}, scenario=FALL)
    _, state, _ = play(world)
    touched = state.pool.touched
    assert {int(touched.account[s]): round(float(touched.amount[s, 1])) for s in range(3)} == {0: 2400, 1: 20_000, 2: 6300}


def test_no_money_of_the_asset_that_is_owed_is_no_money() -> None:
    assert repaid(alone(capital={"ETH": 100})) == 0.0


# ---- inventory --------------------------------------------------------------------------------------------------


def test_what_is_held_is_not_sold_and_money_runs_out() -> None:
    """4000 USD for 4.667 ETH: nothing is left for the second call."""
    state = alone(2, {"horizon": 600, "events": [fall(0.1)]}, capital={"USD": 4000}, inventory="hold")
    assert purse(state) == pytest.approx([0.0, 4200 / 900], abs=1e-6)
    assert repaid(state) == pytest.approx(4000.0)
    assert state.tally.forced[ETH, 0] == 0.0


def test_inventory_is_sold_at_its_pace_and_pays_for_the_next_call() -> None:
    """36,000 USD an hour are 600 a step: of 4200 USD the first 600 in the second step, and so on."""
    terms: Mapping = {"capital": {"USD": 4000}, "inventory": "hold", "pace": 36_000}
    for steps in (1, 2, 4, 8, 9):
        state = alone(1, {"horizon": 60 * steps, "events": [fall(0.1)]}, **terms)
        sold = min(600.0 * (steps - 1), 4200.0)
        assert purse(state) == pytest.approx([sold, (4200.0 - sold) / 900.0], abs=1e-5)
    state = alone(2, {"horizon": 180, "events": [fall(0.1)]}, **terms)
    assert repaid(state) == pytest.approx(4000.0 + 600.0)  # what the second step brought is spent in the third


def test_inventory_is_priced_with_a_discount() -> None:
    """4200 USD less d: it pays while 4200 (1 - d) > 4000, that is d < 4.76 %."""
    assert repaid(alone(capital={"USD": 4000}, inventory="hold", discount=0.0475)) == pytest.approx(4000.0)
    assert repaid(alone(capital={"USD": 4000}, inventory="hold", discount=0.0477)) == 0.0


def test_gas_of_selling_inventory_is_paid_and_dust_is_kept() -> None:
    """300,000 x 20 gwei = 0.006 ETH = 5.40 USD a sale: a pace of 5 USD a step is not worth it, 10 is."""
    for pace, sales in ((300, 0), (600, 2)):
        state = alone(1, {"horizon": 180, "events": [fall(0.1)]}, CHAIN, capital={"USD": 4000, "ETH": 1}, inventory="hold",
                      pace=pace, fee_share=0)
        assert purse(state) == pytest.approx([10.0 * sales, 1 + 4200 / 900 - 0.01 - sales * (0.006 + 10 / 900)], abs=1e-6)


# ---- gas --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ether", "taken"), [(0.0099, 0), (0.0101, 1), (0.0201, 2), (0.5, 3)])
def test_without_gas_money_they_cannot_bid(ether: float, taken: int) -> None:
    """A call costs 500,000 x 20 gwei = 0.01 ETH; they bid no more than they have."""
    state = alone(3, networks=CHAIN, capital={"USD": 50_000, "ETH": ether}, fee_share=0)
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == taken
    assert purse(state) == pytest.approx([50_000 + 200 * taken, ether - 0.01 * taken])


def test_a_bid_is_cut_off_at_the_gas_money() -> None:
    """They would bid 0.01 ETH and half of 191 USD: they have 0.05 ETH, and pay all of it."""
    state = alone(networks=CHAIN, capital={"USD": 5000, "ETH": 0.05})
    assert purse(state) == pytest.approx([5200.0, 0.0], abs=1e-9)
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == 1


# ---- part of a call ---------------------------------------------------------------------------------------------


def deep(**actor: Any) -> State:
    """A loan of 320,000 USD against 400 ETH; a pool of 1000 ETH that follows the fall by 10 %."""
    world = one_market(loan("a", 400.0, 320_000.0), venues={"pool": pool(half_life=0.001)}, actors={"k": actor}, scenario=FALL)
    return play(world)[1]


def test_a_part_pays_where_the_whole_does_not() -> None:
    """Sell q of pool X, Y for Y q / (X + q), having paid 900 q / 1.05: best at X + q = X sqrt(1.05)."""
    x, y = math.sqrt(1e9 / 900), math.sqrt(1e9 * 900)
    q = x * (math.sqrt(1.05) - 1.0)
    best = y * (1.0 - 1.0 / math.sqrt(1.05)) - 900 * q / 1.05
    for money in ({"flash": True}, {"flash": False, "capital": {"USD": 400_000}}):
        state = deep(kind="keepers", **money)
        assert repaid(state) == pytest.approx(900 * q / 1.05, rel=1e-3)
        assert state.ledgers.tokens[HOLDERS, USD, 0] == pytest.approx(best, rel=1e-6)
        assert state.ledgers.totals[DECLINED, 0, 0] == 0
    assert repaid(deep(kind="liquidators")) == 0.0  # who takes the whole or nothing takes nothing


def test_no_part_pays_where_gas_is_dearer() -> None:
    world = one_market(loan("a", 400.0, 320_000.0), venues={"pool": pool(half_life=0.001)}, networks=CHAIN, scenario=FALL,
                       actors={"k": {"kind": "keepers", "capital": {"ETH": 1}, "min_profit": 545}})
    best = math.sqrt(1e9 * 900) * (1.0 - 1.0 / math.sqrt(1.05)) - math.sqrt(1e9 / 900) * (math.sqrt(1.05) - 1) * 900 / 1.05
    assert 545 + 9 > best > 540 + 9
    assert repaid(play(world)[1]) == 0.0
    assert repaid(play(world.replace("actors.k.min_profit", 540))[1]) > 0.0


# ---- the race ---------------------------------------------------------------------------------------------------


def race(channel: str = "public", **second: Any) -> State:
    """Two groups before one loan: the first bids nine tenths of the profit, the second half."""
    groups = {"first": {"kind": "keepers", "capital": {"ETH": 1}, "fee_share": 0.9},
              "second": {"kind": "keepers", "capital": {"ETH": 1}, "fee_share": 0.5, "channel": channel, **second}}
    return play(one_market(crowd(1), networks=CHAIN, actors=groups, scenario=FALL))[1]


@pytest.mark.parametrize(("channel", "lost"), [("public", 0.01 + 0.5 * 191 / 900), ("private", 0.0)])
def test_who_comes_second_reverts_and_pays_only_on_the_public_channel(channel: str, lost: float) -> None:
    """Profit after the base fee is 200 - 0.01 x 900 = 191 USD; he bids it in half."""
    state = race(channel)
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == 1
    assert state.tally.reverted[0] == 1
    assert purse(state, actor=0) == pytest.approx([200.0, 1 - 0.01 - 0.9 * 191 / 900])
    assert purse(state, actor=1) == pytest.approx([0.0, 1 - lost])


def test_who_bids_more_wins_whoever_looked_first() -> None:
    state = race(fee_share=0.95)
    assert purse(state, actor=1)[0] == pytest.approx(200.0) and purse(state, actor=0)[0] == 0.0


def test_a_group_takes_what_another_takes_only_in_part() -> None:
    """The first has 1000 USD; the second takes the whole call, and has bid more for it."""
    groups = {"poor": keepers(capital={"USD": 1000}), "rich": keepers(capital={"USD": 9000})}
    world = one_market(crowd(1), actors=groups, scenario=FALL)
    _, state, _ = play(world)
    assert purse(state, actor=0)[0] == pytest.approx(1050.0)
    assert purse(state, actor=1)[0] > 9000.0
    assert repaid(state) == pytest.approx(1000.0 + 3500.0, rel=0.02)  # half of what is owed by then


# ---- money on the wrong chain -----------------------------------------------------------------------------------


def bridged(delay: float, money: Mapping, **rival: Any) -> World:
    """A loan on the fast chain, money on the slow one, a bridge between; a rival waits for ETH to fall further at 300 s."""
    actors = {"far": keepers(network="slow", capital=money, elsewhere={"fast": {"POL": 100}}, fee_share=0)}
    if rival:
        actors["near"] = keepers(network="fast", capital={"USD": 50_000, "POL": 100}, **rival)
    return two_chains((), crowd(1), actors=actors,
                      networks={"bridge": {"kind": "bridge", "between": ["slow", "fast"], "delay": delay, "fee": 0.001}},
                      scenario={"horizon": 600, "events": [fall(0.1), *([fall(0.02, 300.0)] if rival else [])]})


def test_money_is_sent_for_and_pays_when_it_has_come() -> None:
    """Seen at 2 s; sent in the slow block of 12 s: 4000 / 0.999 USD; there at 62 s, a fast block, and used in it."""
    _, state, diary = play(bridged(50, {"USD": 5000, "ETH": 1}))
    assert [(t, c) for t, c, *_ in diary.done] == [(12.0, SLOW), (62.0, FAST)]
    assert purse(state, SLOW) == pytest.approx([5000 - 4000 / 0.999, 1 - 0.003], rel=1e-7)
    assert purse(state, FAST)[0] == pytest.approx(4200.0, rel=1e-7)
    assert state.purses.held[FAST, 0, POL, 0] == pytest.approx(100 - 0.001)
    assert state.n_messages == 0


@pytest.mark.parametrize(("delay", "winner"), [(280, 0), (300, 1)])
def test_the_delay_of_the_bridge_decides_who_liquidates(delay: float, winner: int) -> None:
    """The rival asks for 250 USD, which the call earns from 302 s on, when the whole debt may be repaid: 400 USD."""
    _, state, _ = play(bridged(delay, {"USD": 9000, "ETH": 1}, min_profit=250))
    gains = [float(state.ledgers.tokens[HOLDERS + k, USD, 0] + state.purses.coming[:, k, USD, 0].sum()) for k in range(2)]
    assert gains[winner] > 150.0
    assert gains[1 - winner] <= 0.0


def test_nothing_is_sent_without_gas_where_it_lies_and_nothing_for_what_does_not_pay() -> None:
    assert play(bridged(50, {"USD": 5000}))[2].done == []
    assert play(bridged(50, {"USD": 5000, "ETH": 1}).replace("actors.far.min_profit", "201 USD"))[2].done == []


def test_what_is_sent_once_is_not_sent_again_while_it_is_on_its_way() -> None:
    """He has 1000 of 4000: they go at 12 s, and what arrives at 412 s pays block by block with what it earns."""
    _, state, diary = play(bridged(400, {"USD": 1000, "ETH": 1}))
    assert [(t, c) for t, c, *_ in diary.done] == [(12.0, SLOW)] + [(t, FAST) for t in (412.0, 414.0, 416.0, 418.0)]
    assert repaid(state) > 999.0 * (1 + 1.05 + 1.05**2)


def test_gas_money_is_sent_for_too() -> None:
    """Money on the fast chain, the gas for it on the slow one: at least 500,000 x 2 gwei = 0.001 POL."""
    world = two_chains((), crowd(1), networks={"bridge": {"kind": "bridge", "between": ["slow", "fast"], "delay": 50}},
                       actors={"k": keepers(network="slow", capital={"ETH": 1, "POL": 10}, elsewhere={"fast": {"USD": 5000}},
                                            fee_share=0)}, scenario={"horizon": 120, "events": [fall(0.1)]})
    _, state, diary = play(world)
    assert [(t, c) for t, c, *_ in diary.done] == [(12.0, SLOW), (62.0, FAST)]
    assert purse(state, FAST)[0] == pytest.approx(5200.0)
    assert state.purses.held[SLOW, 0, POL, 0] == pytest.approx(10 - 0.001, rel=1e-6)


def test_money_in_flight_over_a_dead_bridge_is_counted_as_his_and_pays_for_nothing() -> None:
    world = bridged(50, {"USD": 5000, "ETH": 1}).replace("networks.bridge.dies", 30)
    run = stress(world, keep=False)
    assert run.paths["liquidations.fast"].to_pylist() == [0]
    assert run.paths["liquidator_profit"].to_pylist() == pytest.approx([-0.003 * 900])


# ---- mistakes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terms", "line"), [
    ({"flash": False}, "actors.k.capital has no money; state capital, or flash: true"),
    ({"flash": False, "capital": {"USD": 0}}, "actors.k.capital has no money; state capital, or flash: true"),
    ({"capital": {"UDS": 5}}, "actors.k.capital.UDS: unknown asset: 'UDS'; did you mean USD?"),
    ({"elsewhere": {"fast": {"PLO": 5}}}, "actors.k.elsewhere.fast.PLO: unknown asset: 'PLO'; did you mean POL?"),
    ({"elsewhere": {"fats": {"POL": 5}}, "network": "slow"},
     "actors.k.elsewhere.fats: unknown network: 'fats'; did you mean fast?"),
    ({"network": "slwo"}, "actors.k.network: unknown network: 'slwo'; did you mean slow?"),
    ({"capital": {"ETH": 1}}, "actors.k.network: says no network; write `network: NAME`, one of slow, fast"),
    ({"network": "fast", "capital": {"ETH": 1}},
     "actors.k.capital has no gas money; whoever bids pays gas in the native asset of the chain: add ETH"),
    ({"into": "EHT"}, "actors.k.into: unknown asset: 'EHT'; did you mean ETH?")])
def test_mistakes_are_told_in_one_line(terms: Mapping, line: str) -> None:
    with pytest.raises(InputError) as error:
        assemble(two_chains(crowd(1), actors={"k": {"kind": "keepers", **terms}}))
    assert str(error.value).removeprefix("world.").startswith(line)  # known names may follow


def test_borrowing_in_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="borrows in a batch"):
        one_market(crowd(1), actors={"k": {"kind": "keepers"}}, execution={"mode": "batched"})
