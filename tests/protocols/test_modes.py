"""Efficiency modes as lists of collateral and of what may be borrowed, isolation, siloed debt: by hand, from a book to a loan.

Source of the rules: Aave 3.2 and later (ValidationLogic.validateBorrow; GenericLogic: a category's terms hold for the assets of
its collateral list alone). The executed contract judges calls in a mode (test_aave_vectors.py) and who
may borrow (evm/test_aave_borrowing.py).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from delever.analysis.valuation import health, legs_of
from delever.analysis.walls import wall
from delever.core.tables import DEFICIT
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.worlds import load
from run.small import conserved, last

PRICE = {"ETH": 1000.0, "wstETH": 1200.0, "BTC": 50_000.0, "USDC": 1.0}
ETH_LIKE, STABLE = 1, 2  # categories
TERMS: dict[str, Any] = {
    "ETH": {"liquidation_threshold": 0.8, "incentive": 0.05, "emode": {
        ETH_LIKE: {"liquidation_threshold": 0.95, "incentive": 0.01}}},
    "wstETH": {"liquidation_threshold": 0.75, "incentive": 0.06, "emode": {
        ETH_LIKE: {"liquidation_threshold": 0.93, "incentive": 0.02},
        STABLE: {"liquidation_threshold": 0.85, "incentive": 0.04}}},
    "BTC": {"liquidation_threshold": 0.7, "incentive": 0.07}, "USDC": {"liquidation_threshold": 0.78, "incentive": 0.045}}
BOTH = [("ETH", "collateral", 10.0), ("wstETH", "collateral", 10.0), ("BTC", "collateral", 1.0)]


def book(*accounts: tuple[str, int, list[tuple[str, str, float]]]) -> Book:
    """(name, category, its legs) of each."""
    return Book.from_table(pa.Table.from_pylist([
        {"account": name, "asset": asset, "side": side, "amount": amount, "emode": category}
        for name, category, legs in accounts for asset, side, amount in legs]), protocol="pool")


def world(of: Book, rules: Any = "aave.v3_3", parameters: Any = None, **changes: Any) -> World:
    """Everything is seen as it trades; parameters: laid over TERMS, by asset."""
    terms = {asset: entry | (parameters or {}).get(asset, {}) for asset, entry in TERMS.items()}
    return load({"as_of": "2024-01-01T00:00:00Z", "assets": {asset: {"price": price} for asset, price in PRICE.items()},
                 "protocols": {"pool": {"rules": rules, "parameters": terms, "book": of}},
                 "scenario": {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                              "events": changes.pop("events", [])},
                 "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}} | changes)


def backing(of: World) -> dict[str, float]:
    """What backs each account's debt [USD]."""
    model = assemble(of)
    found = health(legs_of(model), model.seen_price())
    return dict(zip(model.positions.accounts, (found.factor * found.debt).tolist(), strict=True))


def test_a_categorys_threshold_holds_for_the_assets_of_its_list_alone() -> None:
    """An asset may be in the lists of several; who is in none, and what is in no list, keeps the ordinary ones."""
    debt = [("USDC", "debt", 1000.0)]
    held = backing(world(book(("none", 0, BOTH + debt), ("eth", ETH_LIKE, BOTH + debt), ("stable", STABLE, BOTH + debt))))
    assert held == pytest.approx({"none": 8000.0 + 9000.0 + 35_000.0, "eth": 9500.0 + 11_160.0 + 35_000.0,
                                  "stable": 8000.0 + 10_200.0 + 35_000.0}, rel=1e-12)


@pytest.mark.parametrize("rules", ["aave.v3_0", "aave.v3_3"])
def test_a_call_pays_the_incentive_of_the_category_of_what_it_takes(rules: str) -> None:
    """10 wstETH that fall to 1105 against 10,500: 10,276.5 back it, 0.9787. Half is repaid, at 2 % and not at 6 %."""
    who = book(("eth", ETH_LIKE, [("wstETH", "collateral", 10.0), ("USDC", "debt", 10_500.0)]))
    fall = {"at": 60, "kind": "price", "change": {"wstETH": 1105.0 / 1200.0 - 1.0}}
    state = last(world(who, rules, events=[fall]))[1]
    assert state.pool.touched.amount[0] == pytest.approx([10.0 - 5250.0 * 1.02 / 1105.0, 5250.0], rel=1e-12)


def test_a_wall_sees_categories_apart() -> None:
    """ETH against USDC at 1.1 out of the mode and 1.306 in it: eligible from falls of 9.1 % and 23.4 % on."""
    two = book(("a", 0, [("ETH", "collateral", 10.0), ("USDC", "debt", 8000.0 / 1.1)]),
               ("b", ETH_LIKE, [("ETH", "collateral", 10.0), ("USDC", "debt", 8000.0 / 1.1)]))
    counts = wall(world(two), "ETH", ["-9 %", "-9.2 %", "-23.5 %"]).totals["accounts"].to_pylist()
    assert counts == [0, 1, 2]


def loopers(debt: str, category: int, collateral: list[tuple[str, str, float]], beside: str = "", **parameters: Any) -> World:
    """A looper at health 2 who wants 1.1: he borrows at once, if he may. He owes some of it already, and a little `beside`."""
    worth = sum(units * PRICE[asset] for asset, _, units in collateral)
    legs = [*collateral, (debt, "debt", 0.3 * worth / PRICE[debt]), *[(beside, "debt", 0.01)] * bool(beside)]
    who = {"kind": "loopers", "protocol": "pool", "collateral": collateral[0][0], "debt": debt, "low": 1.01, "target": 1.1,
           "high": 1.2}
    return world(book(("a", category, legs)), parameters=parameters, actors={"loopers": who, "liquidators": None})


def levered(of: World) -> bool:
    return bool(conserved(of)[1]["levered"][0] > 0.0)


@pytest.mark.parametrize(("listed", "category", "borrows"), [
    (None, 0, True), (None, ETH_LIKE, True), ([0], 0, True), ([0], ETH_LIKE, False), ([ETH_LIKE], 0, False),
    ([ETH_LIKE], ETH_LIKE, True), ([0, ETH_LIKE], STABLE, False), ([0, ETH_LIKE, STABLE], STABLE, True), ([], 0, False),
    ([], ETH_LIKE, False)])
def test_who_is_in_a_category_borrows_what_its_list_has(listed: list[int] | None, category: int, borrows: bool) -> None:
    assert levered(loopers("USDC", category, [("wstETH", "collateral", 10.0)], USDC={"borrowable_in": listed})) == borrows


def test_the_list_of_one_debt_says_nothing_of_another() -> None:
    eth = [("wstETH", "collateral", 10.0)]
    assert levered(loopers("ETH", ETH_LIKE, eth, USDC={"borrowable_in": [0]}))
    assert not levered(loopers("USDC", ETH_LIKE, eth, USDC={"borrowable_in": [0]}))


@pytest.mark.parametrize(("ceiling", "may", "collateral", "borrows"), [
    (1e9, True, ["BTC"], True), (1e9, False, ["BTC"], False), (None, False, ["BTC"], True), (1e9, False, ["BTC", "ETH"], True)])
def test_against_isolated_collateral_is_borrowed_what_may_be_in_isolation(ceiling: float | None, may: bool, collateral: list[str],
                                                                         borrows: bool) -> None:
    """Isolated is what has a ceiling and stands alone; beside another collateral it is not."""
    legs = [(asset, "collateral", 1.0) for asset in collateral]
    assert levered(loopers("USDC", 0, legs, BTC={"debt_ceiling": ceiling}, USDC={"borrowable_in_isolation": may})) == borrows


def test_who_owes_already_is_not_thrown_out() -> None:
    """He may owe what he could not borrow now: nobody calls a healthy account."""
    state, columns = conserved(loopers("USDC", ETH_LIKE, [("wstETH", "collateral", 10.0)], USDC={"borrowable_in": []}))
    assert columns["liquidations"][0] == 0
    assert not state.ledgers.booked.any()


def test_a_deficit_is_booked_in_a_category_as_out_of_it() -> None:
    """wstETH falls by half: 6000 against 10,500; all of it goes for 6000 / 1.02, and the rest is written off."""
    who = book(("eth", ETH_LIKE, [("wstETH", "collateral", 10.0), ("USDC", "debt", 10_500.0)]))
    state = conserved(world(who, events=[{"at": 60, "kind": "price", "change": {"wstETH": -0.5}}]))[0]
    assert state.ledgers.booked[DEFICIT].sum() == pytest.approx(10_500.0 - 6000.0 / 1.02, rel=1e-12)


@pytest.mark.parametrize(("listed", "line"), [
    ([3], r"pool\.parameters\.USDC\.borrowable_in is no category: 3; write 0 for accounts in none"),
    ([-1], r"borrowable_in"), (["eth"], r"borrowable_in")])
def test_bad_lists_are_one_line(listed: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as raised:
        loopers("USDC", 0, [("wstETH", "collateral", 10.0)], USDC={"borrowable_in": listed})
    assert "\n" not in str(raised.value)
