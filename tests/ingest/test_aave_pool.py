"""A market of Aave v3 from recorded answers of UiPoolDataProvider: indices as the contracts', totals, efficiency modes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from delever.ingest.aave_pool import compounded, linear
from delever.ingest.lending import read_lending
from delever.model.book import Book
from delever.model.errors import InputError
from ingest.aave_market import BLOCK, DOLLAR, ETHER, NOW, RAY, A, B, held, market
from protocols.vectors import cases


def legs(answer: Any) -> list[tuple[Any, ...]]:
    names = ["account", "asset", "side", "amount", "liquidation_threshold"]
    return [tuple(row.values()) for row in read_lending({"a": answer}).table.select(names).to_pylist()]


def refusal(*answers: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_lending({f"{i}.json": answer for i, answer in enumerate(answers)})
    return str(caught.value)


def test_scaled_balances_are_units_at_the_index_and_what_is_no_collateral_is_left_out() -> None:
    found = read_lending({"a": market()})
    assert legs(market()) == [(A, "WETH", "collateral", 11.0, 0.83), (A, "USDC", "debt", 2100.0, None)]
    assert found.dropped == ("supplies that are no collateral of 1 accounts: 102 USDC", "2 accounts that neither pledge nor owe")
    assert found.block == BLOCK and found.time is not None and found.time.isoformat() == "2024-01-13T19:17:23+00:00"


def test_totals_are_the_pool_s_own_less_the_treasury_s() -> None:
    """WETH 12.1 - 1 x 1.1 = 11; USDC 0 + 2000 x 1.05 - 1958.823529 x 1.02 = 102.0000004 beside 100 x 1.02."""
    stated = {one.name: one for one in read_lending({"a": market()}).stated}
    assert list(stated) == ["supplied.WETH", "debt.WETH", "supplied.USDC", "debt.USDC"]
    assert (stated["supplied.WETH"].given, stated["supplied.WETH"].found) == (11.0, 11.0)
    assert (stated["supplied.USDC"].given, stated["supplied.USDC"].found) == (102.0, 102.0)
    assert (stated["debt.USDC"].given, stated["debt.USDC"].found) == (2100.0, 2100.0)
    part = market()
    del part["getUserReservesData"][A]
    part["getUserReservesData"][B][0][1]["usageAsCollateralEnabledOnUser"] = True
    assert {one.name: one.apart for one in read_lending({"a": part}).stated}["debt.USDC"] == 1.0


def test_what_is_minted_to_be_lent_has_no_total_of_supplies() -> None:
    answer = market()
    answer["getReservesData"][0][1]["liquidityRate"] = 0
    found = read_lending({"a": answer})
    assert [one.name for one in found.stated] == ["supplied.WETH", "debt.WETH", "debt.USDC"]
    assert "the total supply of USDC: its suppliers earn nothing, as where it is minted to be lent" in found.unknown


def test_indices_run_on_as_the_contracts_run_them() -> None:
    """Results of executing the contracts of 3.6; its last multiplication rounds to the other side by a unit of 1e-27."""
    found = 0
    for case in (case for case in cases("aave_interest") if case["kind"] == "index_accrual"):
        given, out = case["in"], case["out"]
        index, rate = (int(given[name][0]) for name in ("liquidity_index", "liquidity_rate"))
        assert linear(index, rate, given["elapsed"]) == int(out["liquidity_index_now"][0]), case["id"]
        index, rate = (int(given[name][0]) for name in ("variable_borrow_index", "variable_borrow_rate"))
        assert abs(compounded(index, rate, given["elapsed"]) - int(out["variable_borrow_index_now"][0])) <= 2, case["id"]
        found += 1
    assert found > 12


def test_interest_runs_until_the_block() -> None:
    """A year at 10 % by the series to the third power: 1 + 0.1 + 0.005 + 0.000166...; supplies 1 + 0.05."""
    answer = market()
    for row in answer["getReservesData"][0]:
        row |= {"lastUpdateTimestamp": NOW - 365 * 86_400, "liquidityRate": RAY // 20, "variableBorrowRate": RAY // 10}
    assert [row[3] for row in legs(answer)] == pytest.approx([11.0 * 1.05, 2100.0 * (1.105 + 0.001 / 6)], rel=1e-8)
    assert [one.apart for one in read_lending({"a": answer}).stated] == [0.0] * 4  # totals are held at the indices that stand
    answer["timestamp"] = NOW - 366 * 86_400
    assert "reserve WETH: was updated after the block: '86400 s'; give the time of the block that was read" in refusal(answer)


def test_an_account_in_an_efficiency_mode_has_its_category_s_threshold() -> None:
    answer = market()
    answer["getUserReservesData"][A][1] = 2
    line = "thresholds of 1 accounts in an efficiency mode: those of the world's parameters (getEModes would say)"
    assert line in read_lending({"a": answer}).unknown
    assert [row[4] for row in legs(answer)] == [None, None]
    answer["getEModes"] = [{"id": 2, "eMode": {"liquidationThreshold": 9500, "collateralBitmap": 0b01}}]
    assert [row[4] for row in legs(answer)] == [0.95, None]
    answer["getEModes"][0]["eMode"]["collateralBitmap"] = 0b10  # USDC's bit: WETH counts as it does outside
    assert [row[4] for row in legs(answer)] == [0.83, None]
    old = market()  # 3.0 and 3.1: reserves name their category
    old["getUserReservesData"][A][1] = 1
    old["getReservesData"][0][0] |= {"eModeCategoryId": 1, "eModeLiquidationThreshold": 9300}
    assert [row[4] for row in legs(old)] == [0.93, None]
    found = read_lending({"a": old}).table
    assert found["emode"].to_pylist() == [1, 1]
    assert Book.from_table(found, protocol="aave").legs["liquidation_threshold"].to_pylist() == [0.93, None]


def test_stable_debts_run_on_at_their_own_rate() -> None:
    """1000 USDC a year at 10 %, beside 2100 at variable rates."""
    answer = market()
    answer["getUserReservesData"][A][0][1] |= {
        "principalStableDebt": 1000 * DOLLAR,
        "stableBorrowRate": RAY // 10,
        "stableBorrowLastUpdateTimestamp": NOW - 365 * 86_400,
    }
    answer["getReservesData"][0][1] |= {
        "totalPrincipalStableDebt": 1000 * DOLLAR,
        "averageStableRate": RAY // 10,
        "stableDebtLastUpdateTimestamp": NOW,
    }
    assert legs(answer)[1][3] == pytest.approx(2100.0 + 1000.0 * (1.105 + 0.001 / 6), abs=1e-5)
    assert {one.name: one.apart for one in read_lending({"a": answer}).stated}["stable principal.USDC"] == 0.0


def test_the_names_of_aave_s_own_tools_and_numbers_as_text_are_the_same_answer() -> None:
    answer = market()
    texts = json.loads(json.dumps(answer), parse_int=str)
    texts["reservesData"] = texts.pop("getReservesData")[0]
    texts["userReserves"] = {
        user: {"userReserves": rows, "userEmodeCategoryId": mode}
        for user, (rows, mode) in texts.pop("getUserReservesData").items()
    }
    texts["reservesData"][0]["liquidityIndex"] = {"type": "BigNumber", "hex": hex(RAY * 11 // 10)}
    assert legs(texts) == legs(answer)


def test_users_on_several_pages_are_one_book() -> None:
    first, second = market(), market()
    del first["getUserReservesData"][B]
    second["getUserReservesData"] = {B: second["getUserReservesData"][B]}
    assert read_lending({"1": first, "2": second}).stated == read_lending({"a": market()}).stated
    assert f"user {A} is there twice; pages overlap" in refusal(market(), market())
    second["block"] += 1
    assert "has pages of several blocks" in refusal(first, second)


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("timestamp",), None, "answer has no timestamp; ask for timestamp too"),
        (("getReservesData",), [[["0x1", "WETH"]]], "has reserves without names"),
        (("getReservesData", 0, 0, "liquidityIndex"), None, "reserve WETH has no liquidityIndex"),
        (("getReservesData", 0, 0, "decimals"), "many", "reserve WETH: decimals is no whole number: 'many'"),
        (("getReservesData", 0, 0, "decimals"), 10**70, "reserve WETH: decimals are out of reach"),
        (("getReservesData", 0, 0, "liquidityIndex"), "9" * 400, "reserve WETH: liquidityIndex is no whole number"),
        (("getUserReservesData", A), "0x", "is no answer of getUserReservesData"),
        (("getUserReservesData", A, 0, 0, "scaledATokenBalance"), None, "WETH has no scaledATokenBalance"),
        (("getUserReservesData", A, 0, 0, "usageAsCollateralEnabledOnUser"), "yes", "is neither true nor false: 'yes'"),
        (("getUserReservesData", A, 0, 0), held("0x9", ETHER), "has a reserve that is not among the reserves: '0x9'"),
    ],
)
def test_what_the_answer_lacks_is_named(path: tuple[Any, ...], value: Any, line: str) -> None:
    answer: Any = market()
    where = answer
    for key in path[:-1]:
        where = where[key]
    where[path[-1]] = value
    assert line in refusal(answer)


def test_a_reserve_that_counts_for_nothing_is_no_collateral() -> None:
    answer = market()
    answer["getReservesData"][0][0]["reserveLiquidationThreshold"] = 0
    assert legs(answer) == [(A, "USDC", "debt", 2100.0, None)]
