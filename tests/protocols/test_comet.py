"""Compound v3 in worlds: who is absorbed, who pays for it, what is sold at which price, what reserves and suppliers bear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever import worlds
from delever.analysis.valuation import level_indices
from delever.core.outcomes import DEFICITS, LIQUIDATIONS, PROTOCOL_FEE, REPAID, SEIZED
from delever.core.tables import COVERED, DEBTS, DEPOSITS, EXECUTED, HOLDERS, OWN_DEPOSITS, REVERTED, SLOTS, TREASURY
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from delever.protocols.comet import CometPhase
from delever.run.assemble import assemble
from delever.run.replay import replay_model
from delever.run.stress import stress
from protocols.clip_worlds import play
from protocols.one_comet import ABSORB, BUY, Held, OneComet
from run.small import Mapping, bits, book, conserved, fall, loan, one_market, pool

RULES: Mapping = {"kind": "comet", "base": "USD", "store_front": 0.5, "target": 1e6}
CHAIN: Mapping = {"chain": {"block_time": 12, "room": 30, "base_fee": 20}}
BUYERS: Mapping = {"kind": "liquidators", "rule": "profitable"}
USD, ETH = 0, 1
FACTOR = 0.95


def comet(legs: Any, rules: Mapping | None = None, **changes: Any) -> World:
    """ETH at 1000 USD: liquidate collateral factor 85 %, liquidation factor 95 %, half of the penalty for buyers."""
    parameters = {"ETH": {"liquidation_threshold": 0.85, "incentive": 1 / FACTOR - 1},
                  "USD": {"liquidation_threshold": 0.0, "incentive": 0.0}} | changes.pop("parameters", {})
    actors = changes.pop("actors", {"buyers": BUYERS})
    return one_market(legs, rules=RULES | (rules or {}), parameters=parameters, actors=actors, **changes)


def once(share: float, **more: Any) -> Mapping:
    """A fall in the first step."""
    return {"scenario": {"events": [fall(share)], **more}}


def leak(state: Any) -> float:
    return float(residual(state, int(state.watch.counts[SLOTS])).max())


def test_an_account_is_absorbed_its_surplus_is_its_own_and_its_collateral_is_sold_at_half_the_penalty() -> None:
    """9000 USD back 7650 of the 8000 owed. Credit 8550, so 550 are left to the account; 10 ETH sell at 900 x 0.975."""
    state, diary = play(comet(loan("a", 10.0, 8000.0), {"reserves": 1000}, **once(0.1)))
    (absorbed,), (bought,) = diary.of("absorb"), diary.of("buy_collateral")
    booked, totals = state.ledgers.booked[:, :, 0].sum(1), state.ledgers.totals[:, 0, 0]
    assert (absorbed.give, absorbed.get) == (0.0, 0.0), "nobody is paid to absorb"
    assert bought.time == absorbed.time + 60.0, "what is seized is offered from the next block on"
    assert [bought.give, bought.get] == pytest.approx([8775.0, 10.0])
    assert booked[DEBTS] == -8000.0
    assert booked[DEPOSITS] == pytest.approx(550.0 - 10.0)
    assert booked[TREASURY] == pytest.approx(8775.0 - 8550.0)
    assert booked[COVERED] == 0.0
    assert booked[OWN_DEPOSITS] == pytest.approx(550.0), "what was seized is counted without it"
    assert not state.pool.touched.amount[0].any()
    assert state.ledgers.tokens[HOLDERS, USD, 0] == pytest.approx(9000.0 - 8775.0)
    assert totals[[LIQUIDATIONS, SEIZED, REPAID, DEFICITS, PROTOCOL_FEE]] == pytest.approx([1.0, 9000.0, 8000.0, 0.0, 225.0])
    assert leak(state) < 1e-15


def test_what_the_credit_leaves_of_a_debt_is_bad_debt_that_reserves_bear_and_then_suppliers() -> None:
    """7500 USD are credited as 7125: 875 are written off. Sold at 731.25 the reserves end 687.50 below where they began."""
    for start, lack in ((1000.0, 0.0), (500.0, 187.5)):
        state, said = conserved(comet(loan("a", 10.0, 8000.0), {"reserves": start}, **once(0.25)))
        assert state.ledgers.booked[COVERED].sum() == pytest.approx(875.0)
        assert [said[name][0] for name in ("bad_debt", "shortfall", "deficit")] == pytest.approx([875.0] * 3)
        assert [said[name][0] for name in ("overdrawn", "suppliers_lack")] == pytest.approx([lack, lack])
        assert said["storefront_discounts"][0] == pytest.approx(187.5)
        assert said["collateral_purchases"][0] == 1.0


def test_what_nobody_buys_stays_for_sale_and_counts_against_what_suppliers_lack() -> None:
    """Makers pay less for 10 ETH than the storefront asks: reserves end at -8550 and hold 9000 USD of ETH."""
    world = comet(loan("a", 10.0, 8000.0), venues={"makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": 50}}, **once(0.1))
    state, diary = play(world)
    rules = next(one for one in diary.mechanisms if isinstance(one, CometPhase))
    said = {value.column.name: value.values for value in (*rules.amounts(state), *rules.columns(state))}
    assert state.ledgers.booked[TREASURY].sum() == pytest.approx(10.0 - 8550.0)
    assert [said[name][0] for name in ("base_reserves", "collateral_for_sale")] == pytest.approx([-8550.0, 9000.0])
    assert said["overdrawn"][0] == pytest.approx(8550.0)
    assert said["suppliers_lack"][0] == 0.0


def test_collateral_is_for_sale_only_while_reserves_are_below_the_target() -> None:
    """An absorption costs 8550: it leaves reserves at the target, or a dollar below it."""
    for start, sold in ((10_000.0 + 8550.0 + 1e-6, False), (10_000.0 + 8549.0, True)):
        world = comet(loan("a", 10.0, 8000.0), {"target": 10_000, "reserves": start}, **once(0.1))
        state, diary = play(world)
        assert len(diary.of("absorb")) == 1
        assert bool(diary.of("buy_collateral")) == sold
        assert leak(state) < 1e-15


def test_whoever_pays_gas_to_absorb_counts_on_the_discount_and_nobody_does_where_there_is_none() -> None:
    """225 USD of discount against 300,000 units of gas at 20 gwei and 900 USD: 5.40 USD."""
    cases: list[tuple[Mapping, bool]] = [
        ({}, True), ({"counted_on": 0.025}, True), ({"counted_on": 0.023}, False), ({"counted_on": 0.0}, False),
        ({"store_front": 0.0}, False), ({"reserves": 2e6}, False), ({"target": 10_000, "reserves": 12_000}, True)]
    for rules, done in cases:
        state, diary = play(comet(loan("a", 10.0, 8000.0), rules, networks=CHAIN, **once(0.1)))
        assert bool(diary.of("absorb")) == done, rules
        assert (state.ledgers.booked[DEBTS].sum() == 0.0) != done, rules


def test_nobody_is_absorbed_at_the_threshold_and_nothing_sold_at_the_target() -> None:
    """8 x 128 x 0.5 = 512, exactly; whole units of 1e-6 are owed, so that the next of them is past it."""
    one = house()
    for owed, done in ((512.0, REVERTED), (512.0000009, REVERTED), (512.000001, EXECUTED)):
        one.set([Held(8.0, 128.0, 0.5, 0.75)], owed)
        assert one.done(ABSORB)[0] == done
    for target, done in ((64.0, REVERTED), (np.nextafter(64.0, np.inf), EXECUTED), (0.0, REVERTED)):
        one.set([Held(0.0, 128.0, 0.5, 0.75)], 0.0, target=float(target), reserves=64.0)
        one.stock(0, 2.0)
        assert one.done(BUY, one.reserve[0])[0] == done
    one.set([Held(0.0, 128.0, 0.5, 0.75)], 0.0, target=0.0, reserves=-1e-9)
    one.stock(0, 2.0)
    assert one.done(BUY, one.reserve[0])[1] == 2.0 * 128.0 * 0.875, "below nothing it sells though it aims at nothing"


def test_values_count_in_whole_units_of_a_price_rounded_down() -> None:
    """1.9 units of 1e-8 count one, of which 90 % is none; in a float 0.1 x 7e-7 is short of the seven units that it is."""
    one = house()
    for price, units, threshold, owed, done in ((1.9e-8, 1.0, 0.9, 1e-8, EXECUTED), (2e-8, 1.0, 0.9, 1e-8, REVERTED),
                                                (7e-7, 0.1, 1.0, 7e-8, REVERTED), (7e-7, 0.1, 1.0, 8e-8, EXECUTED)):
        one.set([Held(units, price, threshold, 0.75)], owed, decimals=8)
        assert one.done(ABSORB)[0] == done, (units, price, owed)


def test_a_discounted_price_is_rounded_down_to_what_prices_are_stated_in() -> None:
    """0.00001999 x (1 - 0.5 x 0.25) = 0.0000174912...: 1749 units of 1e-8."""
    one = house()
    one.set([Held(0.0, 1.999e-5, 0.5, 0.75)], 0.0)
    one.stock(0, 1e6)
    assert one.done(BUY, one.reserve[0])[1] == pytest.approx(17.49, rel=1e-15)


def test_on_a_chain_what_is_seized_is_bought_in_the_next_block_of_it() -> None:
    _, diary = play(comet(loan("a", 10.0, 8000.0), networks=CHAIN, **once(0.1)))
    assert [(event.kind, event.time) for event in diary.events] == [("absorb", 12.0), ("buy_collateral", 24.0)]


def test_of_two_who_absorb_or_buy_the_same_the_second_comes_too_late() -> None:
    world = comet(loan("a", 10.0, 8000.0), actors={"a": BUYERS, "b": BUYERS}, networks=CHAIN, **once(0.1))
    state, diary = play(world)
    for kind in ("absorb", "buy_collateral"):
        assert (len(diary.of(kind)), len(diary.of(kind, executed=False))) == (1, 1)
    assert leak(state) < 1e-15


def test_every_collateral_is_seized_and_each_is_a_lot_of_its_own() -> None:
    """10 ETH and 100 BTC at 10 USD."""
    assets = {"ETH": {"price": 1000.0}, "BTC": {"price": 10.0}}
    legs = [("a", "ETH", "collateral", 10.0), ("a", "BTC", "collateral", 100.0), ("a", "USD", "debt", 8500.0),
            ("b", "BTC", "collateral", 50.0), ("b", "USD", "debt", 390.0)]
    world = comet(legs, assets=assets, parameters={"BTC": {"liquidation_threshold": 0.8, "incentive": 1 / 0.9 - 1}},
                  scenario={"events": [fall(0.1), fall(0.1, asset="BTC")]})
    state, diary = play(world)
    bought = {event.get: event.give for event in diary.of("buy_collateral")}
    assert len(diary.of("absorb")) == 2
    assert bought == {10.0: pytest.approx(8775.0), 150.0: pytest.approx(150 * 9.0 * 0.95)}, "what two have lost is one lot"
    credit = [9000 * 0.95 + 900 * 0.9, 450 * 0.9]
    assert state.ledgers.booked[TREASURY, :, 0].sum() == pytest.approx(
        8775.0 + 1282.5 - sum(max(c, d) for c, d in zip(credit, (8500.0, 390.0), strict=True)))


VOTES: list[tuple[Mapping, float, float]] = [
    ({"change": {"store_front": 1.0}}, 8550.0, 855.0),
    ({"change": {"target": 0.0}, "parameters": {"ETH": {"incentive": 0.25}}}, 8000.0, 810.0),  # below 0 it sells all the same
    ({"parameters": {"ETH": {"incentive": 0.25}}}, 8000.0, 810.0),
    ({"parameters": {"ETH": {"incentive": 0.05}}}, 9000.0 / 1.05, 900.0 * (1.0 - 0.5 * (1.0 - 1.0 / 1.05)))]


@pytest.mark.parametrize(("vote", "paid_out", "asked"), VOTES, ids=lambda case: str(case)[:50])
def test_votes_move_the_liquidation_factor_and_the_storefront(vote: Mapping, paid_out: float, asked: float) -> None:
    """From the second step on, at 900 USD from the third: a factor of 0.8 credits 7200 of the 8000 owed."""
    voted = {"at": 60.0, "kind": "governance", "protocol": "pool", **vote}
    state, diary = play(comet(loan("a", 10.0, 8000.0), scenario={"events": [voted, fall(0.1, 120)]}))
    (bought,) = diary.of("buy_collateral")
    assert bought.give == pytest.approx(10.0 * asked)
    assert state.ledgers.booked[TREASURY].sum() == pytest.approx(10.0 * asked - paid_out, abs=1e-6)
    assert state.ledgers.booked[COVERED].sum() == pytest.approx(8000.0 - 7200.0 if paid_out == 8000.0 else 0.0)


def test_a_purchase_is_put_down_to_the_last_absorption_that_filled_the_stock() -> None:
    legs = [*loan("a", 10.0, 8000.0), *loan("b", 10.0, 7000.0)]
    world = comet(legs, scenario={"events": [fall(0.1), fall(1 / 9, 300)], "horizon": 600})
    trace = replay_model(assemble(world), 0).to_pylist()
    number = {row["number"]: row["kind"] for row in trace}
    causes = [number[row["cause"]] for row in trace if row["kind"] == "buy_collateral"]
    assert causes == ["absorb", "absorb"]
    assert {row["protocol"] for row in trace} == {"pool"}


def test_a_keeper_with_little_money_buys_in_parts_at_one_price() -> None:
    keeper = {"kind": "keepers", "capital": {"USD": 2000.0}, "flash": False}
    state, diary = play(comet(loan("a", 10.0, 8000.0), actors={"keeper": keeper}, **once(0.1, horizon=1200)))
    bought = diary.of("buy_collateral")
    assert len(bought) > 3
    assert {round(event.give / event.get, 9) for event in bought} == {877.5}
    assert bought[0].give == pytest.approx(2000.0)
    assert sum(event.get for event in bought) == pytest.approx(10.0)
    assert leak(state) < 1e-12


def test_the_storefront_follows_the_price_that_the_protocol_sees() -> None:
    """Seized at 900, sold after the target has let it, at 800: nothing is for sale before the second account is absorbed."""
    legs = [*loan("a", 10.0, 8000.0), *loan("b", 10.0, 7000.0)]
    world = comet(legs, {"target": 10_000, "reserves": 19_000}, scenario={"events": [fall(0.1), fall(1 / 9, 300)]})
    _, diary = play(world)
    (bought,) = diary.of("buy_collateral")
    assert [event.time for event in diary.of("absorb")] == [60.0, 360.0]
    assert [bought.time, bought.get, bought.give / bought.get] == pytest.approx([420.0, 20.0, 780.0])


def test_nothing_is_absorbed_or_sold_in_a_halt_and_both_go_on_when_it_ends() -> None:
    pause = {"at": 20.0, "kind": "pause", "protocol": "pool", "lasting": 300.0}
    _, diary = play(comet(loan("a", 10.0, 8000.0), networks=CHAIN, scenario={"events": [fall(0.1), pause]}))
    assert [(event.kind, event.time) for event in diary.events if event.executed][-1][0] == "buy_collateral"
    times = [event.time for event in diary.events if event.executed]
    assert not any(24.0 < time < 300.0 for time in times)


def test_the_same_bits_for_any_chunk(tmp_path: Any) -> None:
    legs = [leg for i in range(12) for leg in loan(f"a{i}", 10.0, 8450.0 / (1.0 + 0.02 * i))]
    world = comet(legs, {"target": 30_000, "reserves": 20_000}, networks=CHAIN, venues={"pool": pool(500.0, 5e5, half_life=300)},
                  scenario={"paths": 6, "horizon": 1800, "prices": {"kind": "lognormal", "volatility": {"ETH": 5.0}}})
    runs = [stress(world, tmp_path / str(chunk), threads=1, chunk=chunk) for chunk in (1, 6)]
    assert bits(runs[0].paths) == bits(runs[1].paths)


HELD = st.builds(Held, st.floats(0.01, 1e4), st.floats(1e-3, 1e5), st.floats(0.3, 0.93), st.floats(0.5, 0.99))


@given(st.lists(HELD, min_size=1, max_size=3), st.floats(0.5, 1.5), st.floats(0.9, 1.1), st.floats(1.0, 1.3), st.floats(0.0, 1.0))
def test_who_owes_more_than_what_counts_loses_everything_and_nobody_else_anything(
        held: list[Held], share: float, base: float, index: float, front: float) -> None:
    """share: debt by what counts, on both sides of 1."""
    one = house()
    counts = sum(h.units * h.price * h.threshold for h in held)
    one.set(held, share * counts / base / index, base_price=base, index=index, store_front=front)
    before = one.state.pool.touched.amount[0].copy()
    state, *_ = one.done(ABSORB)
    debt, credit = share * counts / base, sum(h.units * h.price * h.factor for h in held) / base
    assert one.leak() < 1e-12
    unit, counted = 1e-8 / base, share * counts / base - counts / base  # of prices, in units of the base; what is owed beyond
    if state == REVERTED:
        assert counted <= 1e-6 + unit + 1e-12 * debt and (one.state.pool.touched.amount[0] == before).all()
        return
    assert counted > -2 * len(held) * unit - 1e-12 * debt and not one.state.pool.touched.amount[0].any()
    assert -one.booked(TREASURY) == pytest.approx(max(debt, credit), rel=1e-12)
    assert one.booked(DEPOSITS) == pytest.approx(max(credit - debt, 0.0), rel=1e-9, abs=1e-12 * debt)
    for k, h in enumerate(held):
        done, gave, got = one.done(BUY, one.reserve[k])
        assert (done, got, one.booked(TREASURY, k)) == (EXECUTED, h.units, 0.0)
        asked = h.units * h.price / base * (1.0 - front * (1.0 - h.factor))
        assert asked - h.units * unit - 1e-12 * asked <= gave <= asked * (1.0 + 1e-12)
    short = sum(h.units for h in held) * unit
    assert one.booked(TREASURY) >= min(credit - debt, 0.0) - short - 1e-9 * debt, "reserves lose no more than bad debt"
    assert one.leak() < 1e-12


COMET: list[OneComet] = []


def house() -> OneComet:
    if not COMET:
        COMET.append(OneComet())
    return COMET[0]


def test_analyses_sell_everything_for_what_the_credit_covers() -> None:
    model = assemble(comet([*loan("a", 10.0, 8600.0), *loan("b", 10.0, 9800.0), *loan("c", 10.0, 8000.0)]))
    rules = model.world.protocols["pool"].rules
    found = rules.phase({"pool": rules}, model.setting(1)).liquidatable(  # type: ignore[union-attr]
        model.positions.tables, level_indices(model), model.seen_price())
    by_name = {name: i for i, name in enumerate(model.positions.accounts)}
    order = [by_name[name] for name in "abc"]
    assert found.seize[order].tolist() == [1.0, 1.0, 0.0]
    assert found.repay[order] == pytest.approx([1.0, 9500.0 / 9800.0, 0.0])
    assert (found.collateral_leg == -1).all()


def test_a_deployed_market_is_named_and_what_is_stated_beside_goes_before() -> None:
    usdc = worlds.kinds("protocols")["comet"](version="usdc")
    assert (usdc.base, usdc.store_front, usdc.target) == ("USDC", 0.5, 5e6)  # type: ignore[attr-defined]
    assert worlds.kinds("protocols")["comet"](version="usdt", target=1.0).target == 1.0  # type: ignore[attr-defined]


BAD: list[tuple[Mapping, str]] = [
    ({"rules": {"base": "DAI"}}, "protocols.pool.rules.base: unknown asset: 'DAI'"),
    ({"rules": {"store_front": 1.5}}, "protocols.pool.rules.store_front"),
    ({"rules": {"target": -1}}, "protocols.pool.rules.target"),
    ({"parameters": {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05, "protocol_fee": 0.1}}},
     r"parameters.ETH.protocol_fee has no meaning here: 0.1; comet keeps what `rules.store_front` leaves of the penalty"),
    ({"parameters": {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05,
                             "emode": {1: {"liquidation_threshold": 0.9, "incentive": 0.01}}}}}, "no efficiency modes"),
]


@pytest.mark.parametrize(("stated", "said"), BAD, ids=lambda case: str(case)[:40])
def test_bad_input_is_one_line(stated: Mapping, said: str) -> None:
    with pytest.raises(InputError, match=said):
        assemble(comet(loan("a", 10.0, 8000.0), **stated))


def test_books_that_no_comet_can_have_are_refused() -> None:
    other = [*loan("a", 10.0, 100.0), ("b", "USD", "collateral", 100.0), ("b", "ETH", "debt", 0.01)]
    both = [*loan("a", 10.0, 100.0), ("a", "USD", "collateral", 50.0)]
    lone = [("a", "ETH", "collateral", 10.0), ("a", "ETH", "debt", 1.0)]
    for legs, said in ((other, "owes ETH: 'b'; accounts of comet owe USD alone"), (both, "supplies USD and owes it: 'a'"),
                       (lone, "rules.base: nobody holds or owes it on pool: 'USD'")):
        with pytest.raises(InputError, match=said):
            assemble(comet(legs))


def test_a_fund_that_would_take_the_stock_is_refused() -> None:
    stated = {"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
              "protocols": {"pool": {"rules": RULES, "waterfall": ["insurance_fund"], "book": book(loan("a", 10.0, 100.0)),
                                     "parameters": {"ETH": {"liquidation_threshold": 0.8, "incentive": 0.05}}}},
              "scenario": {"horizon": 60, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}}
    with pytest.raises(InputError, match="would take the collateral that is for sale"):
        worlds.load(stated)


def test_a_supplier_of_the_base_is_nobody_to_absorb() -> None:
    state, diary = play(comet([*loan("a", 10.0, 8000.0), ("s", "USD", "collateral", 5000.0)], **once(0.1)))
    assert len(diary.of("absorb")) == 1
    assert np.isclose(state.ledgers.booked[TREASURY].sum(), 225.0)


def test_the_world_of_the_page_runs_and_its_comet_sells_in_parts_what_it_has_seized(tmp_path: Any) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "comet.md").read_text()
    (tmp_path / "world.yaml").write_text(page.split("```yaml")[1].split("```")[0])
    legs = [f"a{i},ETH,collateral,200\na{i},USDC,debt,{800_000 * 0.895 / (1.02 + 0.02 * i):.0f}\n" for i in range(8)]
    (tmp_path / "book.csv").write_text("account,asset,side,amount\n" + "".join(legs) + "s,USDC,collateral,5000000\n")
    run = stress(worlds.load(tmp_path / "world.yaml"), keep=False, threads=1)
    figures = {row["figure"]: row["value"] for row in run.summary.to_pylist()}
    assert figures["accounts_liquidated"] > 4.0
    assert figures["collateral_purchases.comet"] > figures["accounts_liquidated"], "in parts"
    assert figures["collateral_for_sale.comet"] == 0.0
    assert figures["base_reserves.comet"] < 2e6
