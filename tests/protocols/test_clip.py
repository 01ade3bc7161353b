"""Maker's auctions in worlds: when they are kicked, taken and started anew, who is paid, and what is left."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from delever import worlds
from delever.analysis.valuation import level_indices
from delever.core.outcomes import DECLINED
from delever.core.tables import COVERED, DEBTS, DEFICIT, DEPOSITS, EXECUTED, HOLDERS, INCLUDED, REVERTED, SLOTS, TREASURY
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.run.assemble import assemble, phases
from delever.run.outcomes import tabulate_paths
from protocols.clip_worlds import KEEPERS, STAIRS, Mapping, auctions, begin, play
from protocols.one_vault import OneVault
from run.small import book, fall, loan, pool

USD, ETH = 0, 1
KICK, TAKE, REDO = range(3)  # kinds of OneVault
CHAIN: Mapping = {"chain": {"block_time": 12, "room": 30, "base_fee": 20}}


def leak(state: Any) -> float:
    return float(residual(state, int(state.watch.counts[SLOTS])).max())


def test_a_vault_becomes_a_lot_and_the_keeper_gets_tip_and_chip() -> None:
    """10 ETH fall to 900 USD with 6500 owed: 9000 / 1.5 < 6500. tab = 6500 x 1.13, top = 900 x 1.2."""
    state, diary = play(auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.1, 300)]}), steps=2)
    (kicked,) = diary.of("kick")
    lots, booked = state.lots, state.ledgers.booked[:, :, 0]
    assert (kicked.time, kicked.give, kicked.get) == (600.0, 0.0, pytest.approx(100 + 0.001 * 6500 * 1.13))
    assert (state.n_lots, lots.open[0], lots.cause[0], lots.started[0]) == (1, 1, 1, 600.0)
    assert [lots.units[0], lots.owed[0], lots.tab[0], lots.top[0]] == pytest.approx([10.0, 6500.0, 7345.0, 1080.0])
    assert state.pool.touched.amount[0].tolist() == [0.0, 0.0]
    assert state.ledgers.scaled[:, :, 0].sum() == -6510.0
    assert booked[[DEPOSITS, DEBTS, DEFICIT]].any() == 0.0, "nothing has been sold"
    assert booked[TREASURY].sum() == -state.ledgers.tokens[HOLDERS, USD, 0] == -kicked.get
    assert leak(state) < 1e-15


def first_take(curve: Mapping, market: float, top: float, profit: float, fee: float = 0.0) -> int:
    """Age [s] at which a lot of 10 ETH with a tab of 7345 first pays, on a market that takes any amount."""
    for age in range(20_000):
        if curve["curve"] == "stairstep":
            price = top * curve["cut"] ** (age // curve["step"])
        elif curve["curve"] == "exponential":
            price = top * curve["cut"] ** age
        else:
            price = top * (curve["tau"] - age) / curve["tau"]
        owe = min(7345.0, 10.0 * price)
        if owe / price * market - owe - fee >= profit:
            return age
    raise AssertionError


CURVES = [{"curve": "stairstep", "cut": 0.99, "step": 90}, {"curve": "linear", "tau": 6001, "cusp": 0.1},
          {"curve": "exponential", "cut": 0.9998}]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: str(curve["curve"]))
@pytest.mark.parametrize(("clock", "tick"), [({"execution": {"rounds": 1}}, 300), ({"execution": {"rounds": 25}}, 12),
                                             ({"networks": CHAIN}, 12)], ids=["1 round", "25 rounds", "chain"])
def test_a_lot_is_taken_in_the_first_block_in_which_it_pays(curve: Mapping, clock: Mapping, tick: int) -> None:
    """Whatever a step is: an auction that falls within it is looked at when a keeper would take."""
    state, diary = play(auctions(loan("a", 10.0, 6500.0), curve, scenario={"events": [fall(0.1, 300)]}, **clock))
    kicked, taken = diary.of("kick")[0], diary.of("take")[0]
    gas = 400_000 * 20e-9 * 900.0 if clock.get("networks") else 0.0
    age = first_take(curve, 900.0, 1080.0, 1.0, gas)
    assert kicked.time == 300 + tick
    assert taken.time == math.ceil((kicked.time + age) / tick) * tick
    assert len(diary.of("take") + diary.of("take", executed=False)) == 1
    assert state.ledgers.tokens[:, :, 0].sum() == pytest.approx(0.0, abs=1e-9)


def test_slippage_delays_a_take_to_the_price_at_which_the_pool_pays_for_it() -> None:
    """A pool of 500 ETH and 450,000 USD: x sold bring 450,000 x / (500 + x)."""
    world = auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.1, 300)]}, execution={"rounds": 25},
                     venues={"pool": pool(500.0, 5e5, half_life="1 s")})
    _, diary = play(world)
    reserve = math.sqrt(500.0 * 5e5 / 900.0), math.sqrt(500.0 * 5e5 * 900.0)
    k = 0
    while True:
        price = 1080.0 * 0.99**k
        owe = min(7345.0, 10.0 * price)
        if reserve[1] * (owe / price) / (reserve[0] + owe / price) - owe >= 1.0:
            break
        k += 1
    taken = diary.of("take")[0]
    assert k > 19, "later than without slippage"
    assert taken.time == math.ceil((312 + 90 * k) / 12) * 12
    assert [taken.give, taken.get] == pytest.approx([owe, owe / price])


def test_what_is_left_of_a_lot_returns_and_debt_and_penalty_are_paid() -> None:
    state, diary = play(auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.1, 300)]}))
    (taken,), booked = diary.of("take"), state.ledgers.booked[:, :, 0].sum(1)
    assert taken.give == pytest.approx(7345.0)
    assert state.pool.touched.amount[0].tolist() == [10.0 - taken.get, 0.0]
    assert booked[DEBTS] == -6500.0
    assert booked[DEPOSITS] == -taken.get
    assert booked[TREASURY] == pytest.approx(845.0 - 107.345)
    assert state.lots.open[0] == 0


def test_an_auction_outlasts_steps_and_wakes_its_path_at_each_new_price_alone() -> None:
    world = auctions(loan("a", 10.0, 6500.0), {"buf": 2, "tip": 100}, scenario={"horizon": 1800, "events": [fall(0.1, 300)]},
                     execution={"rounds": 25}, actors={"keepers": KEEPERS | {"min_profit": 50}})
    state, diary = play(world)
    new_prices = {math.ceil((312 + 90 * k) / 12) * 12 for k in range(17)}
    first_blocks = {300 * n + 12 for n in range(6)}
    assert set(diary.times) == {time for time in new_prices | first_blocks | {324} if time <= 1800}
    assert state.ledgers.totals[DECLINED, 0, 0] > 10


def test_an_auction_that_is_too_old_is_started_anew_once_and_pays_once() -> None:
    """Nobody takes at twice the price; 1000 s later a redo is due, for every keeper, and the first one is paid."""
    two = {"a": KEEPERS | {"min_profit": 50}, "b": KEEPERS | {"min_profit": 50}}
    world = auctions(loan("a", 10.0, 6500.0), {"buf": 2, "tail": 1000}, actors=two, execution={"rounds": 25},
                     scenario={"horizon": 3600, "events": [fall(0.1, 300), fall(0.1, 900)]})
    state, diary = play(world)
    reward, top = 100 + 0.001 * 7345.0, 2 * 1000.0 * 0.9 * 0.9
    started = [event.time for event in diary.of("redo")]
    assert started[0] == math.ceil(1313 / 12) * 12
    assert all(later - before == math.ceil(1001 / 12) * 12 for before, later in pairwise(started))
    assert state.lots.top[0] == pytest.approx(top)
    assert len(diary.of("redo", executed=False)) == len(started), "the second keeper comes too late"
    paid = [state.ledgers.tokens[HOLDERS + i, USD, 0] for i in range(2)]
    assert paid == pytest.approx([reward * (1 + len(started)), 0.0])


def test_a_redo_and_a_kick_pay_gas() -> None:
    world = auctions(loan("a", 10.0, 6500.0), {"buf": 2, "tail": 1000}, networks=CHAIN,
                     scenario={"horizon": 1500, "events": [fall(0.1, 300)]},
                     actors={"keepers": KEEPERS | {"min_profit": 50, "fee_share": 0}})
    state, diary = play(world)
    assert [event.kind for event in diary.events] == ["kick", "redo"]
    assert state.tally.gas[0] == pytest.approx((300_000 + 150_000) * 20e-9)


def test_a_price_below_the_cusp_must_be_started_anew_before_anybody_buys() -> None:
    world = auctions(loan("a", 10.0, 6500.0), {"buf": 2, "cusp": 0.9}, scenario={"horizon": 3600, "events": [fall(0.1, 300)]},
                     execution={"rounds": 25})
    _, diary = play(world)
    first = math.ceil((312 + 90 * 11) / 12) * 12  # 0.99^11 < 0.9
    assert diary.of("redo")[0].time == first
    assert diary.of("take") == []


def test_a_lot_of_dust_that_nobody_is_paid_to_start_anew_stays_open_and_lets_its_path_sleep() -> None:
    """chost = 200 x 1.13 > tab: no reward. Its debt counts as a shortfall, beyond what the lot is worth."""
    world = auctions(loan("a", 0.2, 130.0), {"buf": 2, "tail": 300, "dust": 200},
                     scenario={"horizon": 3600, "events": [fall(0.1, 300), fall(0.8, 1500)]}, execution={"rounds": 25})
    state, diary = play(world)
    assert [event.kind for event in diary.events] == ["kick"]
    assert state.lots.open[0] == 1
    assert len([time for time in diary.times if time > 900]) == 9, "one look a step"
    row = tabulate_paths(diary.model, diary.mechanisms, state).to_pylist()[0]
    assert row["shortfall.pool"] == pytest.approx(130.0 - 0.2 * 180.0)
    assert (row["bad_debt.pool"], row["deficit.pool"]) == (0.0, 0.0)


# ---- limits -----------------------------------------------------------------------------------------------------


def test_holes_limit_what_is_for_sale_at_a_time_and_everybody_has_his_turn() -> None:
    """Vaults of 6500 raise 7345 each; a hole of 11000 has room for one and a half."""
    legs = [leg for i in range(4) for leg in loan(f"a{i}", 10.0, 6500.0)]
    world = auctions(legs, {"hole": 11_000, "dust": 500}, scenario={"horizon": 6 * 3600, "events": [fall(0.1, 300)]})
    state, diary = play(world, steps=2)
    tabs = state.lots.tab[:state.n_lots]
    assert tabs.tolist() == pytest.approx([7345.0, 11_000 - 7345.0])
    assert state.pool.touched.amount[1, 1] == pytest.approx(6500 - 3655 / 1.13)
    chunk, state, diary = begin(world)
    for _ in range(world.scenario.steps):
        step(chunk, state)
        assert (state.lots.tab * state.lots.open).sum() <= 11_000 * (1 + 1e-12)
    held = state.pool.touched.amount[:4]
    assert (held[:, 0] * 900.0 / 1.5 >= held[:, 1]).all(), "whoever was sold in part is safe again"
    assert (held[:, 1] > 0.0).any()
    assert state.lots.open.sum() == 0
    assert state.ledgers.booked[DEBTS].sum() == pytest.approx(held[:, 1].sum() - 4 * 6500.0)
    assert {event.time for event in diary.of("kick")} == {600.0, 2700.0}, "taken at 600 + 19 x 90, in the block at 2400"
    assert diary.of("kick", executed=False) == [], "nobody is sent for whom there is no room"
    assert leak(state) < 1e-12


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_of_two_takes_of_one_lot_in_a_block_the_second_reverts(mode: str) -> None:
    world = auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.1, 300)]}, actors={"a": KEEPERS, "b": KEEPERS},
                     execution={"mode": mode})
    state, diary = play(world)
    for kind in ("kick", "take"):
        assert (len(diary.of(kind)), len(diary.of(kind, executed=False))) == (1, 1)
    assert state.ledgers.tokens[HOLDERS + 1].any() == 0.0
    assert state.ledgers.tokens[HOLDERS, USD, 0] > 107.0
    assert leak(state) < 1e-15


def test_a_vault_drawn_to_its_limit_is_safe_whatever_a_float_makes_of_it() -> None:
    """0.3 x 1.05 / 1.5 is 0.21, to a float less."""
    v = OneVault()
    for owed, state in ((0.21, REVERTED), (0.21 + 1e-15, EXECUTED)):
        v.set({"buf": 1.2, "tail": 500.0}, ink=0.3, art=owed, mat=1.5)
        v.see(0.7 * 1.5)
        assert v.done(KICK)[0] == state


@pytest.mark.parametrize(("room", "state"), [(5649.0, REVERTED), (5650.0, REVERTED), (5651.0, EXECUTED)])
def test_where_there_is_room_for_dust_alone_what_is_put_up_is_rounded_below_it(room: float, state: int) -> None:
    """5000 of dust at a penalty of 13 %."""
    v = OneVault()
    v.set({"buf": 1.2, "tail": 500.0, "dust": 5000.0, "hole": room}, ink=10.0, art=60_000.0, rate=1.1, chop=1.13)
    v.see(1000.0)
    assert v.done(KICK)[0] == state


@pytest.mark.parametrize("kind", [TAKE, REDO])
def test_a_transaction_means_the_lot_that_it_was_offered_not_the_next_in_its_row_of_the_table(kind: int) -> None:
    """In one block a lot is sold out, another is put up and gets its row, and somebody comes late for the first."""
    v = OneVault()
    v.set({"curve": 0.0, "tau": 1000.0, "tail": 500.0, "cusp": 0.1, "buf": 1.2, "tip": 1.0})
    v.see(1000.0)
    age = 600.0 if kind == REDO else 100.0
    k = v.put_up(1.0, 900.0, 1000.0, age=age)
    assert v.done(kind, k)[0] == EXECUTED
    v.put_up(1.0, 900.0, 1000.0, age=age)
    i = v.row(kind, k + 1)
    v.state.lots.cause[k + 1] = 9
    v.state.transactions.state[i] = INCLUDED
    v.rules.kinds()[kind].execute(v.state, np.array([i]))
    assert v.state.transactions.state[i] == REVERTED


# ---- the vow ----------------------------------------------------------------------------------------------------


def crash(**changes: Any) -> Any:
    """One vault pays its penalty; then ETH falls by 60 % in a step and another does not pay its debt."""
    return auctions([*loan("first", 10.0, 6500.0), *loan("second", 10.0, 5000.0)], {"tip": 0, "chip": 0, "tail": 8400},
                    scenario={"horizon": 6 * 3600, "events": [fall(0.1, 300), fall(0.6, 7200)]},
                    actors={"keepers": KEEPERS | {"min_profit": 0}}, **changes)


def test_penalties_pay_what_later_lots_leave_unpaid_before_anybody_else() -> None:
    state, diary = play(crash())
    booked = state.ledgers.booked[:, :, 0].sum(1)
    unpaid = 5000.0 - diary.of("take")[1].give
    assert unpaid > 845.0
    assert [booked[COVERED], booked[DEFICIT], booked[TREASURY]] == pytest.approx([845.0, unpaid - 845.0, 0.0], abs=1e-9)
    row = tabulate_paths(diary.model, diary.mechanisms, state).to_pylist()[0]
    assert row["written_off.pool.USD"] == row["deficit.pool"] == row["bad_debt.pool"] == pytest.approx(unpaid)
    assert row["repaid.pool.USD"] == pytest.approx(11_500.0 - unpaid)


def test_a_surplus_buffer_takes_penalties_in_and_pays_deficits() -> None:
    world = crash()
    fund = worlds.resolve("waterfall", "insurance_fund")(start={"USD": 1e4})
    state, diary = play(world.replace("protocols.pool.waterfall", (fund,)))
    unpaid, r = 5000.0 - diary.of("take")[1].give, state.reserves.asset.tolist().index(USD)
    booked = state.ledgers.booked[:, r, 0]
    assert [booked[DEFICIT], booked[TREASURY], booked[COVERED]] == pytest.approx([0.0, 0.0, unpaid], abs=1e-9)
    assert state.safety.fund[r, 0] == pytest.approx(1e4 + 845.0 - unpaid)
    assert leak(state) < 1e-12


def test_a_vault_that_was_kicked_in_part_gets_its_rest_back_and_is_watched_again() -> None:
    """Half of a vault is sold; what comes back makes it safe, until ETH falls once more."""
    world = auctions(loan("a", 10.0, 6500.0), {"hole": 3600, "dust": 100, "buf": 1.05}, actors={"keepers": KEEPERS},
                     scenario={"horizon": 4 * 3600, "events": [fall(0.1, 300), fall(0.35, 9000)]})
    state, diary = play(world, steps=28)
    kicks = len(diary.of("kick"))
    amount = state.pool.touched.amount[0].copy()
    assert kicks >= 1
    assert amount[1] > 0.0
    assert amount[0] * 900.0 / 1.5 >= amount[1], "safe again"
    assert state.lots.open[:state.n_lots].sum() == 0
    state, diary = play(world)
    assert len(diary.of("kick")) > kicks
    assert leak(state) < 1e-12


def test_nothing_is_sold_while_the_protocol_is_halted_and_the_clock_goes_on() -> None:
    world = auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.1, 300)]}, execution={"rounds": 25})
    chunk, state, diary = begin(world)
    for _ in range(3):
        step(chunk, state)
    state.halts.liquidation[0, 0] = 3000.0
    for _ in range(10):
        step(chunk, state)
    (taken,) = diary.of("take")
    assert taken.time == 3000.0
    assert taken.give / taken.get == pytest.approx(1080.0 * 0.99 ** ((3000 - 312) // 90))


def test_two_houses_with_terms_of_their_own_keep_their_lots_apart_while_debt_grows() -> None:
    """ETH-A and ETH-B of one phase: other curves, tips and holes; a stability fee of 50 %, and collateral that earns."""
    terms = {"ETH": {"liquidation_threshold": 1 / 1.5, "incentive": 0.13, "supply_rate": 0.1},
             "USD": {"liquidation_threshold": 0.0, "incentive": 0.0, "borrow_rate": 0.5}}
    second = STAIRS | {"curve": "linear", "tau": 5000, "tip": 7, "chip": 0, "hole": 4000}
    vaults = [*loan("a", 10.0, 6500.0), *loan("b", 5.0, 3200.0)]
    protocols = {name: {"rules": rules, "parameters": terms, "book": book(vaults, name)}
                 for name, rules in (("A", STAIRS), ("B", second))}
    world = worlds.load({"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}}, "protocols": protocols,
                         "actors": {"keepers": KEEPERS}, "execution": {"rounds": 5}, "scenario": {
                             "horizon": 7200, "step": 300, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                             "events": [fall(0.1, 3600)]}})
    state, diary = play(world, steps=14)
    lots, grown = state.lots, math.exp(0.5 * 3900 / (365 * 86400))
    assert lots.protocol[:state.n_lots].tolist() == [0, 0, 1]
    assert lots.owed[:2].tolist() == pytest.approx([6500.0 * grown, 3200.0 * grown], rel=1e-6)
    assert lots.tab[2] == pytest.approx(4000.0)
    assert [event.get for event in diary.of("kick")][-1] == 7.0
    state, _ = play(world)
    assert leak(state) < 1e-12
    assert state.ledgers.booked[DEPOSITS, :, 0].min() < -4.0


# ---- what a whole book may see ----------------------------------------------------------------------------------


def test_what_may_be_kicked_now_is_what_goes_into_lots() -> None:
    legs = [*loan("safe", 10.0, 6000.0), *loan("unsafe", 10.0, 7000.0), *loan("lender", 10.0, 0.0)[:1]]
    model = assemble(auctions(legs, {"hole": 1130, "dust": 10}))
    (rules,) = phases(model, 1, ()).rules
    found = rules.liquidatable(model.positions.tables, level_indices(model), model.seen_price())
    assert found.repay.tolist() == pytest.approx([0.0, 1000.0, 0.0])
    assert found.seize.tolist() == pytest.approx([0.0, 10.0 / 7.0, 0.0])
    assert [found.collateral_leg.tolist(), found.debt_leg.tolist()] == [[-1, 0, -1], [-1, 1, -1]]
