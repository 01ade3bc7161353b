"""Criticality: closed forms by hand, spirals against the engine, random worlds judged, four tables that say what they are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.analysis import criticality
from delever.analysis.loops import shares, spectral_radius, strongest_loop
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.report import criticality_chart, criticality_report
from delever.report.criticality import headline
from delever.worlds import load

from .conftest import staked

ROOT = Path(__file__).resolve().parents[2]
PRICE, THRESHOLD, INCENTIVE = 2000.0, 0.8, 0.05
SEIZED = THRESHOLD * (1.0 + INCENTIVE)  # of a loan's coins at its liquidation price
LOG_LINEAR = {"kind": "log_linear", "pair": "ETH/USD"}
NODES = 5e-3  # relative: such a venue is within 2e-5 of its law in log price, small sales of about 0.004


def loans(falls: np.ndarray, coins: float = 10.0) -> Book:
    """A loan of USDC on so many ETH at each log fall of its liquidation price."""
    names, owed = [f"a{i}" for i in range(len(falls))], coins * THRESHOLD * PRICE * np.exp(-falls)
    return Book.from_table(pa.table({
        "account": names * 2, "side": ["collateral"] * len(falls) + ["debt"] * len(falls),
        "asset": ["ETH"] * len(falls) + ["USDC"] * len(falls), "amount": [coins] * len(falls) + owed.tolist()}), protocol="pool")


def lending(book: Book, venue: dict[str, Any], rules: Any = "aave.v3_0", shock: float | None = None, **scenario: Any) -> World:
    """Loans on ETH; everybody called at once, whatever it costs."""
    event = {"at": 0, "kind": "price", "change": {"ETH": shock or 0.0}}
    terms = {"liquidation_threshold": THRESHOLD, "incentive": INCENTIVE}
    return load({
        "name": "loans", "as_of": "2024-01-15T12:00:00Z", "assets": {"ETH": {"price": PRICE}, "USDC": {"price": 1}},
        "protocols": {"pool": {"rules": rules, "book": book, "parameters": {"ETH": terms, "USDC": terms}}},
        "venues": {"makers": venue}, "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "execution": {"mode": "batched", "rounds": 1000},
        "scenario": {"horizon": "1 min", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [event] if shock else [], **scenario}})


def column(table: pa.Table, name: str) -> list[Any]:
    found: list[Any] = table[name].to_pylist()
    return found


WHOLE = {"kind": "fixed_spread", "close_factor": 1.0}


def test_n_is_what_falls_due_over_depth_on_a_book_of_even_depth() -> None:
    step, depth = 0.02, 3000.0
    edges = -np.log1p(-step * np.arange(6))
    falls = (edges[:-1] + edges[1:]) / 2.0  # a loan in the middle of each step
    found = criticality(lending(loans(falls), {**LOG_LINEAR, "depth": depth}, WHOLE), "ETH", "-10%", step).levels
    wide = np.diff(edges)
    sold = 10.0 * SEIZED * np.exp(edges[1:] - falls)  # debt x (1 + incentive) at the price of the lower edge
    np.testing.assert_allclose(column(found, "n")[:-1], sold / depth / wide, rtol=NODES)
    np.testing.assert_allclose(column(found, "forced_usd")[:-1], sold * PRICE * np.exp(-edges[:-1]) / wide * 0.01, rtol=1e-9)
    np.testing.assert_allclose(column(found, "depth_usd")[:-1], depth * PRICE * np.exp(-edges[:-1]) * 0.01, rtol=NODES)
    np.testing.assert_allclose(column(found, "spectral_radius")[:-1], column(found, "n")[:-1], rtol=1e-12)  # one market
    # L: what open loans have put up; P: the incentive; D: units that lower the log price by 1, in USD
    np.testing.assert_allclose(column(found, "lpd")[:-1], 10.0 * np.arange(5, 0, -1) * INCENTIVE / depth, rtol=NODES)


def test_n_on_a_constant_product_pool_is_that_of_the_pool_at_that_price() -> None:
    step, eth = 0.02, 1000.0
    edges = -np.log1p(-step * np.arange(4))
    falls = (edges[:-1] + edges[1:]) / 2.0
    pool = {"kind": "constant_product", "pair": "ETH/USD", "fee": 0, "reserves": {"ETH": eth, "USD": eth * PRICE}}
    found = criticality(lending(loans(falls), pool, WHOLE), "ETH", "-6%", step).levels
    sold, held = 10.0 * SEIZED * np.exp(edges[1:] - falls), eth * np.exp(edges[:-1] / 2.0)
    np.testing.assert_allclose(column(found, "n")[:-1], 2.0 * np.log1p(sold / held) / np.diff(edges), rtol=1e-9)


def test_a_spiral_runs_as_far_as_n_says_and_the_stretch_above_one_is_found() -> None:
    step = 0.01
    calm, dense = np.linspace(0.001, 0.1, 100), np.linspace(0.101, 0.2, 300)  # a third as many below 10 % as behind it
    depth = 100 / 0.1 * 10.0 * SEIZED / 0.5  # n = 0.5, then 1.5
    found = criticality(lending(loans(np.append(calm, dense)), {**LOG_LINEAR, "depth": depth}, WHOLE), "ETH", "-30%", step)
    rows = found.levels.to_pylist()
    early = rows[2]  # 2 %: twice that, for 1 / (1 - n) = 2
    assert early["sold_usd"] / early["due_usd"] == pytest.approx(2.0, rel=0.05)
    assert math.log1p(early["ends_at"]) == pytest.approx(2.0 * math.log1p(-0.02), rel=0.05)
    run, = found.runs.to_pylist()
    assert run["from"] == pytest.approx(math.exp(-0.1) - 1.0, abs=step)
    assert run["to"] == pytest.approx(math.exp(-0.2) - 1.0, abs=step)
    assert run["n"] == pytest.approx(1.5, rel=0.1)  # a step counts at the price of its end: up to half a step of 20 too much
    # half of the fall into the dense part is the selling's own: 10 % are reached by a shock of 5 %
    assert math.log1p(run["set_off_by"]) == pytest.approx(-0.05, abs=0.011)
    assert math.log1p(run["runs_to"]) == pytest.approx(-0.05 - 0.1 * 0.5 - 0.1 * 1.5, abs=0.02)


PARTS = {"kind": "fixed_spread", "close_factor": 0.5}
WORLDS = [("whole calls on an even book", WHOLE, {**LOG_LINEAR, "depth": 3000.0}),
          ("half a debt a call, then all", "aave.v3_0", {**LOG_LINEAR, "depth": 4000.0}),
          ("half a debt a call, again and again", PARTS, {**LOG_LINEAR, "depth": 2500.0, "fee": 0.003}),
          ("a share of everything", {"kind": "pro_rata", "close_factor": 0.4}, {**LOG_LINEAR, "depth": 4000.0}),
          ("a pool around the outside price", "aave.v3_3", {"kind": "constant_product", "pair": "ETH/USD", "follows": True,
                                                           "fee": 0.003, "reserves": {"ETH": 4000, "USD": 8e6}})]


@pytest.mark.parametrize(("rules", "venue"), [case[1:] for case in WORLDS], ids=[case[0] for case in WORLDS])
def test_a_spiral_sells_what_the_engine_sells(rules: Any, venue: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    book = loans(rng.uniform(0.0, 0.4, 200), 8.0)
    foretold = criticality(lending(book, venue, rules), "ETH", [-0.12]).levels.to_pylist()[-1]
    run = dl.stress(lending(book, venue, rules, shock=-0.12), keep=False).paths
    sold, lowest = run["forced_sales.ETH"][0].as_py(), run["lowest.ETH/USD"][0].as_py()
    assert sold > 100.0
    assert foretold["sold_usd"] == pytest.approx(sold * PRICE * 0.88, rel=1e-9)
    assert foretold["ends_at"] == pytest.approx(lowest, rel=1e-9)


def test_a_spiral_through_two_markets_sells_what_the_engine_sells() -> None:
    """stETH seized for dollars is sold for ETH, and that for dollars; stETH for ETH moves the peg alone."""
    legs = [leg for i, fall in enumerate(np.linspace(0.01, 0.3, 40)) for leg in (
        (f"a{i}", "collateral", "wstETH" if i % 2 else "stETH", 100.0),
        (f"a{i}", "debt", "USDC" if i % 3 else "ETH",
         100.0 * (1.1 if i % 2 else 1.0) * 0.8 * math.exp(-fall) * (2000.0 if i % 3 else 1.0)))]
    venues = {"curve": {"kind": "constant_product", "pair": "stETH/ETH", "fee": 0.0004, "half_life": "10 min",
                        "reserves": {"stETH": 10_000, "ETH": 10_000}},
              "makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": 8_000}}
    assert_same_as_engine(staked(legs, venues=venues), "ETH", -0.15, "stETH", 2000.0)


def assert_same_as_engine(world: World, asset: str, shock: float, sold: str, price: float) -> None:
    found = criticality(world, asset, [shock]).levels.to_pylist()[-1]
    shocked = world.replace("execution.rounds", 1000).replace("scenario.horizon", "1 min").replace(
        "scenario.events", [{"at": 0, "kind": "price", "change": {asset: shock}}])
    run = dl.stress(shocked, keep=False).paths
    units = run[f"forced_sales.{sold}"][0].as_py()
    assert units > 0.0
    assert found["sold_usd"] == pytest.approx(units * price * (1.0 + shock), rel=1e-9)
    assert found["generations"] > 2


# --- exchanges -------------------------------------------------------------------------------------------------------


def perps(rows: list[tuple[str, float, float]], formula: str = "hyperliquid", **changes: Any) -> World:
    """Traders of ETH-PERP at 2000 USD: (name, size, margin in USD); maintenance 2 % of the notional."""
    table = pa.Table.from_pylist([{"account": name, "instrument": "ETH-PERP", "size": size, "entry_price": PRICE,
                                   "margin_mode": "cross", "collateral": margin} for name, size, margin in rows])
    return load({
        "name": "perps", "as_of": "2025-10-10T20:45:00Z", "assets": {"ETH": {"price": PRICE}, "ETH-PERP": {"perp": "ETH"}},
        "protocols": {"ex": {"rules": {"kind": "exchange", "stages": [{"stage": "market", "fee": 0.01}]},
                             "book": Book.from_table(table, protocol="ex"), "parameters": {"ETH-PERP": {"max_leverage": 25}}}},
        "feeds": {"mark": {"kind": "mark", "of": "ETH-PERP/USD", "formula": formula}},
        "oracles": {"ex": {"ETH-PERP": "mark"}},
        "venues": {"perp": {"kind": "log_linear", "pair": "ETH-PERP/USD", "depth": 1000}},
        "scenario": {"horizon": 60, "step": 60, "paths": 1, "seed": 3, "prices": {"kind": "lognormal"}}, **changes})


def margin(size: float, at: float) -> float:
    """Margin with which a position is liquidated at a price: equity = 2 % of the notional there."""
    return 0.02 * abs(size) * at + size * (PRICE - at)


def test_longs_are_sold_where_the_index_puts_them_and_move_their_own_mark() -> None:
    rows = [(f"long{i}", 5.0, margin(5.0, PRICE * (0.975 - 0.01 * i))) for i in range(5)] + [("short", -25.0, 1e6)]
    found = criticality(perps(rows), "ETH", "-10%", 0.02)
    h = -math.log1p(-0.02)
    assert found.market == "ETH-PERP/USD"
    n = column(found.levels, "n")
    assert n[0] == 0.0
    assert n[1] == pytest.approx(10.0 / 1000.0 / (math.log(0.98) - math.log(0.96)), rel=NODES)  # the two between -2 and -4 %
    assert n[1] == pytest.approx(10.0 / 1000.0 / h, rel=0.05)
    assert column(found.levels, "penalty")[0] == pytest.approx(0.01)
    assert found.loop == ("ex: ETH-PERP longs",)


def test_shorts_are_bought_back_on_the_way_up() -> None:
    rows = [(f"short{i}", -5.0, margin(-5.0, PRICE * (1.025 + 0.01 * i))) for i in range(5)] + [("long", 25.0, 1e6)]
    found = criticality(perps(rows), "ETH", "10%", 0.02)
    n = column(found.levels, "n")
    assert n[1] == pytest.approx(10.0 / 1000.0 / (math.log(1.04) - math.log(1.02)), rel=NODES)
    assert found.loop == ("ex: ETH-PERP shorts",)
    assert headline(found).startswith("Buying back does not feed on itself up to +10 %: n is at most 0.5")
    last = found.levels.to_pylist()[-1]
    assert last["ends_at"] == pytest.approx(1.1 * math.exp(25.0 / 1000.0) - 1.0, abs=5e-5)


def test_a_spiral_of_longs_runs_as_far_as_the_engine_says() -> None:
    rng = np.random.default_rng(2)
    rows = [(f"long{i}", size, margin(size, PRICE * rng.uniform(0.7, 0.97))) for i, size in enumerate(rng.uniform(1.0, 9.0, 60))]
    quiet = perps([*rows, ("short", -sum(size for _, size, _ in rows), 1e7)], feeds={}, oracles={},
                  execution={"mode": "batched", "rounds": 1000})
    found = criticality(quiet, "ETH", [-0.08]).levels.to_pylist()[-1]
    run = dl.stress(quiet.replace("scenario.events", [{"at": 0, "kind": "price", "change": {"ETH": -0.08}}]), keep=False).paths
    assert found["ends_at"] == pytest.approx(run["lowest.ETH-PERP/USD"][0].as_py(), rel=1e-9)
    assert (found["beyond"] < -0.05, found["generations"] > 2) == (True, True)


def test_what_a_vault_takes_over_is_not_sold() -> None:
    """A shock of 4 % puts the account below two thirds of its maintenance margin at once; a slower fall meets the book."""
    rows = [("long", 5.0, margin(5.0, PRICE * 0.975)), ("short", -5.0, 1e6)]
    stages = {"kind": "exchange", "stages": [{"stage": "market"}, {"stage": "backstop", "below": 2 / 3}]}
    book = perps(rows)
    taken = book.replace("protocols.ex.rules", stages).replace("protocols.ex.waterfall", [{"kind": "backstop", "equity": 1e6}])
    assert criticality(taken, "ETH", [-0.04]).levels.to_pylist()[-1]["due_usd"] == 0.0
    walked = criticality(taken, "ETH", "-4%", 0.001).levels
    assert max(column(walked, "forced_usd")[:-1]) == pytest.approx(5.0 * PRICE * 0.975 / (0.001 / 0.975) * 0.01, rel=0.01)
    without = book.replace("protocols.ex.rules", stages)  # no vault: the book is what there is
    assert criticality(without, "ETH", [-0.04]).levels.to_pylist()[-1]["due_usd"] == pytest.approx(5.0 * PRICE * 0.96)


def test_an_exchange_that_marks_at_the_index_is_blind_to_its_own_selling() -> None:
    rows = [(f"long{i}", 5.0, margin(5.0, PRICE * (0.975 - 0.01 * i))) for i in range(5)] + [("short", -25.0, 1e6)]
    found = criticality(perps(rows, "index"), "ETH", "-10%", 0.02)
    assert max(column(found.levels, "n")[:-1]) == 0.0
    assert [row["sold_usd"] for row in found.levels.to_pylist()] == [row["due_usd"] for row in found.levels.to_pylist()]
    assert found.loop == ()


def test_of_an_account_with_two_positions_the_larger_margin_is_closed_first_and_then_enough_is_enough() -> None:
    """BTC's margin is the larger; with it gone the account is healthy, and its ETH is kept."""
    table = pa.Table.from_pylist([
        {"account": "both", "instrument": name, "size": size, "entry_price": price, "margin_mode": "cross", "collateral": held}
        for name, size, price, held in (("BTC-PERP", 1.0, 50_000.0, 2_000.0), ("ETH-PERP", 5.0, PRICE, 0.0))])
    mapping = {"assets": {"ETH": {"price": PRICE}, "ETH-PERP": {"perp": "ETH"}, "BTC": {"price": 50_000},
                          "BTC-PERP": {"perp": "BTC"}},
               "protocols": {"ex": {"rules": {"kind": "exchange", "stages": [{"stage": "market"}]},
                                    "book": Book.from_table(table, protocol="ex"),
                                    "parameters": {"ETH-PERP": {"max_leverage": 25}, "BTC-PERP": {"max_leverage": 25}}}},
               "feeds": {}, "oracles": {}}
    found = criticality(perps([("other", 1.0, 1e6)], **mapping), "BTC", [-0.018])
    # equity 2000 - 900 = 1100 USD < 2 % of 59,100 = 1182; without BTC 1100 > 200
    assert found.levels.to_pylist()[-1]["due_usd"] == pytest.approx(50_000.0 * (1.0 - 0.018), rel=1e-9)


# --- the matrix ------------------------------------------------------------------------------------------------------


def two_coins() -> World:
    """Two protocols, each with an account on A and B; calls take A on the first, B on the second, where incentives are higher."""
    def book(name: str) -> Book:
        return Book.from_table(pa.Table.from_pylist([
            {"account": name, "side": side, "asset": asset, "amount": amount}
            for side, asset, amount in (("collateral", "A", 100.0), ("collateral", "B", 100.0), ("debt", "USD", 15_990.0))
        ]), protocol=name)

    def terms(high: str) -> dict[str, Any]:
        return {asset: {"liquidation_threshold": 0.8, "incentive": 0.1 if asset == high else 0.01} for asset in ("A", "B", "USD")}

    return load({
        "name": "two coins", "as_of": "2024-01-15T12:00:00Z", "assets": {"A": {"price": 100}, "B": {"price": 100}},
        "protocols": {"one": {"rules": PARTS, "book": book("one"), "parameters": terms("A")},
                      "two": {"rules": PARTS, "book": book("two"), "parameters": terms("B")}},
        "venues": {"a": {"kind": "log_linear", "pair": "A/USD", "depth": 5_000},
                   "b": {"kind": "log_linear", "pair": "B/USD", "depth": 20_000}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {}, "execution": {"mode": "batched"},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}})


def test_the_matrix_of_two_coins_and_two_protocols_is_the_one_by_hand() -> None:
    """Either coin's fall of 1 % calls both accounts; half of each debt is repaid, and 110 % of that is seized."""
    found = criticality(two_coins(), "A", "-1%", 0.01)
    h = -math.log(0.99)
    taken = 0.5 * 15_990.0 * 1.1  # USD, at the price after the fall
    b = taken / h  # forced a unit of log fall, where another coin's fall does it; its own: at a price lower by h
    to_a, to_b = 1.0 / (5_000 * 100.0), 1.0 / (20_000 * 100.0)  # fall per USD sold
    own = b / 0.99
    by_hand = np.array([[own * to_a, b * to_b], [b * to_a, own * to_b]])
    ratio = {(row["forces"], row["sold"]): row["ratio"] for row in found.matrix.to_pylist()}
    names = ["one: A for USD", "two: B for USD"]
    np.testing.assert_allclose([[ratio[i, j] for j in names] for i in names], by_hand, rtol=NODES)
    trace, determinant = np.trace(by_hand), by_hand[0, 0] * by_hand[1, 1] - by_hand[0, 1] * by_hand[1, 0]
    assert found.radius == pytest.approx((trace + math.sqrt(trace**2 - 4.0 * determinant)) / 2.0, rel=NODES)
    first = np.array([own, b])  # forced by A's fall
    assert column(found.levels, "n")[0] == pytest.approx(by_hand.sum(axis=0) @ first / first.sum(), rel=NODES)
    assert found.loop == ("one: A for USD",)
    assert found.loop_ratio == pytest.approx(by_hand[0, 0], rel=NODES)
    assert sum(column(found.matrix, "share")) == pytest.approx(1.0)


def test_all_that_two_coins_come_to_is_what_the_matrix_says() -> None:
    """Accounts spread evenly over falls of the mean of A and B: due in all generations (I - K)^-1 times what the shock forces."""
    def book(name: str) -> Book:
        falls = np.linspace(0.0005, 0.3, 600)
        return Book.from_table(pa.Table.from_pylist([
            {"account": f"{name}{i}", "side": side, "asset": asset, "amount": amount} for i, fall in enumerate(falls)
            for side, asset, amount in (("collateral", "A", 10.0), ("collateral", "B", 10.0),
                                        ("debt", "USD", 0.6 * 2000.0 * math.exp(-fall)))]), protocol=name)

    def terms(high: str) -> dict[str, Any]:
        return {asset: {"liquidation_threshold": 0.6, "incentive": 0.1 if asset == high else 0.01} for asset in ("A", "B", "USD")}

    calls = {"kind": "fixed_spread", "close_factor": 0.5}
    world = two_coins().replace("protocols", {"one": {"rules": calls, "book": book("one"), "parameters": terms("A")},
                                              "two": {"rules": calls, "book": book("two"), "parameters": terms("B")}})
    world = world.replace("venues.a.depth", 30_000).replace("venues.b.depth", 15_000)
    found = criticality(world, "A", "-3%", 0.03)
    names = ["one: A for USD", "two: B for USD"]
    ratio = {(row["forces"], row["sold"]): row["ratio"] for row in found.matrix.to_pylist()}
    k = np.array([[ratio[i, j] for j in names] for i in names])
    assert 0.3 < found.radius < 0.8
    last = found.levels.to_pylist()[-1]
    halves = np.array([0.5, 0.5]) * last["due_usd"]  # a fall of A calls as many on either protocol
    assert last["sold_usd"] == pytest.approx(np.linalg.solve(np.eye(2) - k, halves).sum(), rel=0.05)
    assert len(found.loop) in (1, 2)


def test_radius_shares_and_the_strongest_loop_by_hand() -> None:
    matrix = np.array([[0.2, 0.5], [0.8, 0.1]])  # r^2 - 0.3 r - 0.38 = 0
    assert spectral_radius(matrix) == pytest.approx((0.3 + math.sqrt(1.61)) / 2.0)
    assert shares(matrix).sum() == pytest.approx(1.0)
    loop, ratio = strongest_loop(matrix)
    assert sorted(loop) == [0, 1]
    assert ratio == pytest.approx(math.sqrt(0.4))
    chain = np.array([[0.0, 0.0], [3.0, 0.0]])  # leads on, never back
    assert (spectral_radius(chain), strongest_loop(chain), shares(chain).sum()) == (0.0, ([], 0.0), 0.0)
    ring = np.zeros((4, 4))
    ring[1, 0], ring[2, 1], ring[0, 2], ring[3, 3] = 2.0, 4.0, 1.0, 1.9
    loop, ratio = strongest_loop(ring)
    assert sorted(loop) == [0, 1, 2]
    assert ratio == pytest.approx(2.0)
    assert all(ring[b, a] > 0.0 for a, b in zip(loop, [*loop[1:], loop[0]], strict=True))
    assert strongest_loop(np.zeros((0, 0))) == ([], 0.0)


# --- against the engine, at random and in time -----------------------------------------------------------------------


def test_random_worlds_do_what_their_ratios_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """See benchmarks/random_books.py, which judges two hundred."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.random_books import BAND, judged, summary

    found = summary([judged(seed) for seed in range(20)])
    calm, wild = found["subcritical"], found["supercritical"]
    assert calm["worlds"] >= 5
    assert abs(calm["difference"]) < calm["interval"] < 0.25
    assert wild["worlds"] >= 10
    assert wild["median_fall"] > BAND


def test_forced_selling_holds_the_price_as_far_down_as_replenishment_lets_it() -> None:
    """The outside falls at v; displaced by n v dt a step, of which keep is left after each: n v dt / (1 - keep) in the end."""
    n, life, dt, fall, hours = 0.5, 600.0, 10.0, 0.2, 1.0
    falls = np.linspace(0.0001, 0.6, 6000)
    venue = {**LOG_LINEAR, "depth": 6000 / 0.6 * SEIZED / n, "half_life": life}
    world = lending(loans(falls, 1.0), venue, WHOLE, horizon="1 h", step=f"{dt:g} s", events=[
        {"at": 0, "over": "1 h", "kind": "price", "change": {"ETH": math.exp(-fall) - 1.0}}])
    paths = dl.stress(world, keep=False).paths
    displaced = fall + math.log(paths["last_price.ETH/USD"][0].as_py() / PRICE)
    keep = 2.0 ** (-dt / life)
    assert -displaced == pytest.approx(n * fall * dt / (hours * 3600.0) / (1.0 - keep), rel=0.03)
    found = criticality(world.replace("scenario.events", []), "ETH", "-20%", 0.02)
    fastest = column(found.pace, "fastest_fall")[3]  # an hour, for a displacement of 1 %; with steps that are short
    assert -displaced == pytest.approx(0.01 * (fall / hours) / fastest, rel=0.05)
    assert column(found.pace, "replenished_usd")[0] == pytest.approx(
        0.01 * PRICE * venue["depth"] * math.log(2.0) * 3600.0 / life, rel=NODES)


# --- what is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asset", "shocks", "step", "said"), [
    ("ETH", "-20%..20%", None, "goes both ways"), ("ETH", "0%", None, "moves nothing"), ("ETH", "-50%", "0.05 %", "levels"),
    ("ETHH", "-20%", None, "unknown asset"), (None, -0.2, None, "names no asset"), ("USDC", "-110%", None, "-110%")])
def test_a_way_that_cannot_be_walked_is_one_clear_line(asset: str | None, shocks: Any, step: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        criticality(dl.load(dl.example("first")), asset, shocks, step)


def test_levels_start_now_whatever_the_range_is_written_like() -> None:
    world = dl.load(dl.example("first"))
    wanted = [0.0, -0.1, -0.2, -0.3]
    for shocks, step in (("-30%", "10 %"), ("-30%..0%", "10 %"), ("0%..-30%", "10 %"), ([-0.1, -0.3, -0.2], None)):
        assert column(criticality(world, "ETH", shocks, step).levels, "shock") == pytest.approx(wanted)
    both = criticality(world, None, "ETH -30 %, WBTC -20 %", "10 %")
    assert (column(both.levels, "shock"), both.asset) == (pytest.approx(wanted), "ETH")


def test_a_pool_that_ends_has_no_depth_there() -> None:
    """All its liquidity lies down to tick 75,500, 5 % below the start; there the price stays, and there is nobody to sell to."""
    pool = {"kind": "uniswap_v3", "pair": "ETH/USD", "fee": 0, "positions": [[75_500, 77_000, 1e24]]}
    found = criticality(lending(loans(np.linspace(0.005, 0.2, 40)), pool, WHOLE), "ETH", "-12%", 0.03)
    end = 1.0001**75_500 / PRICE - 1.0
    depth, rule = column(found.levels, "depth_usd"), column(found.levels, "lpd")
    assert depth[0] > 0.0 == depth[2] == depth[3]
    assert rule[0] < 1.0 < rule[2] == math.inf
    assert column(found.levels, "ends_at")[2:] == pytest.approx([end] * 3)
    assert "∞" in criticality_report("ends", found).markdown()
    assert criticality_chart("ends", found).startswith("<svg")


def test_a_world_without_venues_has_no_feedback() -> None:
    found = criticality(dl.load(dl.example("first")).replace("inputs", {}).replace("venues", {}), "ETH", "-40%", 0.1)
    assert max(column(found.levels, "n")[:-1]) == 0.0
    assert found.matrix.num_rows == 0 or max(column(found.matrix, "ratio")) == 0.0
    last = found.levels.to_pylist()[-1]
    assert last["ends_at"] == pytest.approx(-0.4)
    assert last["sold_usd"] == pytest.approx(last["due_usd"])


def test_what_n_rests_on_is_whom_the_step_takes_from_and_the_largest_one_s_share() -> None:
    """Of a fall of 10 % in steps of 5 %: three loans in the first step, the middle one of four times the coins; none later."""
    parts = loans(np.array([0.01, 0.02, 0.03, 0.5]))
    amounts = np.array(parts.legs["amount"].to_pylist())
    amounts[[1, 5]] *= 4.0
    legs = parts.legs.set_column(parts.legs.column_names.index("amount"), "amount", pa.array(amounts))
    found = criticality(lending(Book.from_table(legs), {**LOG_LINEAR, "depth": 3000.0}, WHOLE), "ETH", "-10%", 0.05)
    owed = np.array([1.0, 4.0, 1.0]) * np.exp(-np.array([0.01, 0.02, 0.03]))  # each seizes in proportion to it
    assert column(found.levels, "accounts") == [3, 0, None]
    np.testing.assert_allclose(column(found.levels, "largest")[0], owed[1] / owed.sum(), rtol=1e-9)
    assert column(found.levels, "largest")[1:] == [None, None]
    assert (found.top["shock"], found.top["accounts"], found.top["step"]) == (0.0, 3, pytest.approx(0.05))
    said = str(criticality_report("loans", found).sections[0])
    assert "n is counted over steps of 5 % of the price: at its highest, 0 %, it rests on 3 accounts, the largest 66" in said
    assert "so few jump into a step or out of it" in said


def test_of_an_exchange_n_rests_on_the_positions_that_are_closed() -> None:
    rows = [(f"t{i}", 3.0 if i else 9.0, margin(3.0 if i else 9.0, 0.965 * PRICE)) for i in range(12)]
    found = criticality(perps(rows), "ETH", "-6%", "3 %")
    level = next(row for row in found.levels.to_pylist() if row["accounts"])
    assert level["accounts"] == 12
    assert level["largest"] == pytest.approx(9.0 / (9.0 + 11 * 3.0), rel=1e-9)
    assert "so few" not in str(criticality_report("perps", found).sections[0])


def test_who_is_far_from_a_call_need_not_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits as where everybody is looked at for every price."""
    falls = np.random.default_rng(2).uniform(0.02, 0.7, 400)
    reserves = {"ETH": 4000.0, "USD": 4000.0 * PRICE}
    world = lending(loans(falls), {"kind": "constant_product", "pair": "ETH/USD", "reserves": reserves})
    found = criticality(world, "ETH", "-50%", "2%")
    for many in (-1.0, 2.0):  # everybody always; nobody who is far, after the first time
        monkeypatch.setattr("delever.analysis.forced_sales.MANY", many)
        other = criticality(world, "ETH", "-50%", "2%")
        assert found.levels.equals(other.levels) and found.matrix.equals(other.matrix) and found.pace.equals(other.pace)
    assert max(n for n in found.levels["n"].to_pylist() if n is not None) > 0.1
