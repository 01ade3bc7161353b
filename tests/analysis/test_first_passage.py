"""First passage of accounts: against the engine path by path, closed forms against simulation, Greeks against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.worlds import load
from run.small import Leg, book, fall, loan, one_market

from .conftest import staked

DAY = {"horizon": "24 h", "step": "2 h", "paths": 2000, "seed": 7,
       "prices": {"kind": "lognormal", "volatility": {"ETH": 0.8, "BTC": 0.6}, "drift": {"ETH": 0.5},
                  "correlation": {"BTC/ETH": 0.6}}}
LEGS: list[Leg] = [
    ("near", "ETH", "collateral", 10.0), ("near", "USD", "debt", 8200.0),
    ("far", "ETH", "collateral", 10.0), ("far", "USD", "debt", 7500.0),
    ("mixed", "ETH", "collateral", 10.0), ("mixed", "USD", "collateral", 2000.0), ("mixed", "USD", "debt", 9850.0),
    ("short", "USD", "collateral", 10_000.0), ("short", "ETH", "debt", 7.7),
    ("ratio", "BTC", "collateral", 1.0), ("ratio", "ETH", "debt", 15.4),
    ("basket", "ETH", "collateral", 10.0), ("basket", "BTC", "collateral", 0.5), ("basket", "USD", "debt", 16_000.0),
    ("lender", "ETH", "collateral", 3.0),
    ("dollars", "USD", "collateral", 100.0), ("dollars", "USD", "debt", 10.0),
    ("late", "ETH", "collateral", 1.0), ("late", "USD", "debt", 870.0)]
POSITIONS = [("long", 10.0, 600.0), ("bear", -10.0, 600.0)]  # account, units of ETH-PERP, wallet


def mixed_world(**scenario: Any) -> World:
    """Every kind of boundary, seen as it trades. USD is lent too."""
    held = Book.from_table(pa.table({
        "account": [p[0] for p in POSITIONS] + ["pair"] * 2, "instrument": ["ETH-PERP"] * 3 + ["BTC-PERP"],
        "size": [p[1] for p in POSITIONS] + [8.0, -0.4], "entry_price": [1000.0] * 3 + [20_000.0],
        "collateral": [p[2] for p in POSITIONS] + [900.0] * 2, "margin_mode": ["cross"] * 4}), protocol="perps")
    terms = {"liquidation_threshold": 0.85, "incentive": 0.05}
    return load({
        "name": "mixed", "as_of": "2024-01-01T00:00:00Z",
        "assets": {"ETH": {"price": 1000.0}, "BTC": {"price": 20_000.0}, "ETH-PERP": {"perp": "ETH"},
                   "BTC-PERP": {"perp": "BTC"}},
        "protocols": {"pool": {"rules": "aave.v3_0", "book": book(LEGS), "parameters": {
            "ETH": {**terms, "borrow_rate": 0.03}, "BTC": terms, "USD": {**terms, "borrow_rate": 0.08, "supply_rate": 0.02}}},
            "perps": {"rules": "hyperliquid", "book": held, "parameters": {"ETH-PERP": {"max_leverage": 25},
                                                                         "BTC-PERP": {"max_leverage": 40}}}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "scenario": {**DAY, **scenario}})


def rows(world: World, **asked: Any) -> dict[str, dict[str, Any]]:
    return {row["account"]: row for row in dl.first_passage(world, **asked).accounts.to_pylist()}


@pytest.fixture(scope="module")
def closed() -> dict[str, dict[str, Any]]:
    return rows(mixed_world(), paths=200)


@pytest.fixture(scope="module")
def played() -> dict[str, dict[str, Any]]:
    return rows(mixed_world(), simulate=True)


def test_every_account_says_what_it_hangs_on_and_how_it_was_told(closed: dict[str, dict[str, Any]]) -> None:
    said = {name: (row["boundary"], row["method"]) for name, row in closed.items()}
    one = ("one price", "closed form")
    assert said == {
        "near": one, "far": one, "mixed": one, "short": one, "ratio": ("ratio of prices", "closed form"),
        "basket": ("basket", "simulated"), "lender": ("owes nothing", "none needed"),
        "dollars": ("no price reaches it", "none needed"), "late": ("liquidatable now", "none needed"),
        "long": one, "bear": one, "pair": ("basket", "simulated")}


def test_who_is_liquidatable_now_is_so_at_once_and_who_owes_nothing_never(closed: dict[str, dict[str, Any]]) -> None:
    late = closed["late"]
    assert (late["probability"], late["time_if_reached"], late["time_in_horizon"], late["move"]) == (1.0, 0.0, 0.0, None)
    for name in ("lender", "dollars"):
        row = closed[name]
        assert (row["probability"], row["time_if_reached"], row["time_in_horizon"]) == (0.0, None, 86_400.0)
    assert all(row[greek] == 0.0 for name in ("late", "lender") for row in [closed[name]] for greek in ("delta", "gamma", "vega"))


@pytest.mark.parametrize("name", ["near", "far", "mixed", "short", "ratio", "long", "bear"])
def test_closed_forms_lie_within_the_interval_of_the_paths(name: str, closed: Any, played: Any) -> None:
    """2,000 paths of twelve looks."""
    assert played[name]["low"] < closed[name]["probability"] < played[name]["high"]
    sd = 0.5 * 86_400.0 / np.sqrt(2000.0 * closed[name]["probability"])  # of a time in the horizon: at most half of it
    assert closed[name]["time_if_reached"] == pytest.approx(played[name]["time_if_reached"], abs=2.5 * sd)


def test_as_if_somebody_looked_all_the_time_they_do_not(played: Any) -> None:
    always = rows(mixed_world(), paths=10, continuous=True)
    for name in ("near", "mixed", "long", "bear"):
        assert always[name]["probability"] > played[name]["high"], name


def test_greeks_are_differences_of_worlds(closed: dict[str, dict[str, Any]]) -> None:
    world, h = mixed_world(), 1e-4
    up, down = (rows(world.replace("assets.ETH.price", 1000.0 * (1.0 + x)), paths=1, asset="ETH") for x in (h, -h))
    here = rows(world, paths=1, asset="ETH")
    for name in ("near", "far", "mixed", "short", "ratio"):  # positions were opened at the price of before: see below
        p, plus, minus = (one[name]["probability"] for one in (here, up, down))
        assert here[name]["delta"] == pytest.approx((plus - minus) / (2.0 * h), rel=1e-3), name
        assert here[name]["gamma"] == pytest.approx((plus - 2.0 * p + minus) / h**2, rel=2e-2, abs=1e-3), name
    more, less = (rows(world.replace("scenario.prices.volatility", {"ETH": 0.8 * (1.0 + x), "BTC": 0.6 * (1.0 + x)}), paths=1)
                  for x in (h, -h))
    for name in ("near", "far", "mixed", "short", "ratio", "long", "bear"):
        change = (more[name]["probability"] - less[name]["probability"]) / (2.0 * h)
        assert closed[name]["vega"] == pytest.approx(change, rel=1e-4), name


def test_greeks_are_those_of_the_same_draws_from_shifted_starts(closed: Any, played: Any) -> None:
    """Central differences over half a standard deviation of the horizon; their error is of 2,000 paths and of that width."""
    for name in ("near", "mixed", "long", "bear"):
        assert played[name]["asset"] == closed[name]["asset"]
        assert played[name]["delta"] == pytest.approx(closed[name]["delta"], rel=0.15), name
        assert played[name]["vega"] == pytest.approx(closed[name]["vega"], rel=0.35, abs=0.05), name
    assert played["basket"]["delta"] < 0.0 < played["basket"]["vega"]


@pytest.mark.parametrize("events", [[], [fall(0.04, at=36_000.0)]])
def test_the_paths_are_those_on_which_the_engine_liquidates(events: list[dict[str, Any]]) -> None:
    scenario = {**DAY, "prices": {"kind": "lognormal", "volatility": {"ETH": 0.8}}, "paths": 120, "events": events}
    world = one_market(loan("a", 10.0, 8200.0), scenario=scenario, parameters={"USD": {"borrow_rate": 0.5}})
    engine = np.array(dl.stress(world).paths["liquidations.pool"].to_pylist())
    found = rows(world, simulate=True)["a"]
    assert 0.1 < found["probability"] < 0.9
    assert found["probability"] == (engine > 0.0).mean()


def test_margin_accounts_too_are_liquidated_on_these_paths() -> None:
    world = mixed_world(paths=60)
    engine = dl.stress(world, keep=False, threads=1).paths["accounts_liquidated.perps"].to_pylist()
    found = [row["probability"] for row in rows(world, simulate=True).values() if row["protocol"] == "perps"]
    assert 0.0 < sum(found) == pytest.approx(sum(engine) / 60.0, abs=1e-12)


def test_events_are_played_or_left_out() -> None:
    world = mixed_world(events=[fall(0.05, at=36_000.0)], paths=200)
    found = dl.first_passage(world)
    hit = {row["account"]: row for row in found.accounts.to_pylist()}
    assert hit["near"]["method"] == "simulated"
    assert found.said[0].startswith("7 accounts have a closed form but for the scenario's price events")
    assert hit["near"]["probability"] > 0.75  # the event alone takes it there, but for paths that have risen before
    without = rows(world, events=False, paths=1)
    assert without["near"] == rows(mixed_world(), paths=1)["near"]
    assert rows(world, horizon="10 h", paths=1)["near"]["method"] == "closed form"  # the event comes later


def test_a_shorter_horizon_is_a_world_that_ends_earlier() -> None:
    early = rows(mixed_world(), horizon="12 h", paths=1)
    assert early["near"] == rows(mixed_world(horizon="12 h"), paths=1)["near"]
    assert early["near"]["probability"] < rows(mixed_world(), paths=1)["near"]["probability"]


def test_the_book_is_the_sum_of_its_accounts(closed: dict[str, dict[str, Any]]) -> None:
    found = dl.first_passage(mixed_world(), paths=500)
    table = {(row["protocol"], row["what"]): row for row in found.book.to_pylist()}
    accounts = found.accounts.to_pylist()
    for protocol in ("pool", "perps"):
        mine = [row for row in accounts if row["protocol"] == protocol]
        assert table[protocol, "accounts"]["whole"] == len(mine)
        assert table[protocol, "debt"]["expected"] == pytest.approx(sum(row["probability"] * row["debt_usd"] for row in mine))
    every = [table[name, "positions"] for name in ("pool", "perps", "all")]
    assert every[0]["expected"] + every[1]["expected"] == pytest.approx(every[2]["expected"])
    now = table["pool", "debt"]["now"]
    assert now == pytest.approx(870.0)
    assert now <= table["pool", "debt"]["q50"] <= table["pool", "debt"]["q95"] <= table["pool", "debt"]["whole"]
    times = found.times.to_pylist()
    assert len(times) == 12
    assert (np.diff([row["debt_usd"] for row in times]) >= 0.0).all()
    assert times[-1]["debt_usd"] == pytest.approx(table["all", "debt"]["expected"], rel=1e-9)
    assert times[-1]["accounts"] == pytest.approx(table["all", "accounts"]["expected"], rel=1e-9)
    simulated = dl.first_passage(mixed_world(), simulate=True, paths=500).book.to_pylist()[-3]  # debt of all
    assert simulated["low"] < table["all", "debt"]["expected"] < simulated["high"]
    assert table["all", "debt"]["high"] - table["all", "debt"]["low"] < 0.5 * (simulated["high"] - simulated["low"])


def test_a_small_rise_of_leverage_multiplies_the_probability() -> None:
    found = dl.first_passage(mixed_world(), paths=1)
    curve = [row for row in found.curve.to_pylist() if (row["protocol"], row["side"]) == ("pool", "loan against it")]
    assert {row["price"] for row in curve} == {"ETH/USD"}
    leverage, share = (np.array([row[name] for row in curve]) for name in ("leverage", "probability"))
    assert (np.diff(share) > 0.0).all()
    slope = np.gradient(np.log(share), np.log(leverage))
    np.testing.assert_allclose([row["elasticity"] for row in curve][3:-3], slope[3:-3], rtol=0.02)
    for row in [row for row in curve if row["doubles_with"] is not None][::8]:
        twice = np.interp(np.log(row["leverage"] * (1.0 + row["doubles_with"])), np.log(leverage), np.log(share))
        assert np.exp(twice) == pytest.approx(2.0 * row["probability"], rel=1e-6)
    near = next(row for row in found.accounts.to_pylist() if row["account"] == "near")  # the account lies on the curve, but for
    at = np.interp(near["leverage"], leverage, share)  # interest, and for the one with dollars beside that k is a median of
    assert at == pytest.approx(near["probability"], rel=0.1)
    bands = [row for row in found.leverage.to_pylist() if row["protocol"] == "pool"]
    assert sum(row["accounts"] for row in bands) == 6
    assert bands[-1]["multiple"] == pytest.approx(bands[-1]["probability"] / bands[-2]["probability"])


def test_prices_that_are_replayed_have_no_closed_form(tmp_path: Any) -> None:
    table = tmp_path / "prices.csv"
    table.write_text("time,ETH\n0,1000\n7200,990\n14400,900\n")
    world = mixed_world(prices={"kind": "replay", "data": str(table)})
    found = dl.first_passage(world)
    hit = {row["account"]: row for row in found.accounts.to_pylist()}
    assert (hit["near"]["probability"], hit["near"]["time_if_reached"], hit["near"]["method"]) == (1.0, 14_400.0, "simulated")
    assert hit["bear"]["probability"] == 0.0
    assert (found.paths, found.curve.num_rows, hit["near"]["delta"]) == (1, 0, None)
    assert "prices are of kind replay: no closed form, no vega, no curve" in found.said


def test_two_prices_that_are_one_for_the_account_are_one(closed: dict[str, dict[str, Any]]) -> None:
    legs = [("a", "collateral", "wstETH", 10.0), ("a", "debt", "ETH", 8.5), ("b", "collateral", "stETH", 10.0),
            ("b", "collateral", "wstETH", 1.0), ("b", "debt", "USDC", 16_000.0)]
    prices = {"kind": "lognormal", "volatility": {"ETH": 0.8, "stETH": 0.05}}
    world = staked(legs, scenario={"horizon": "24 h", "step": "1 h", "paths": 100, "seed": 1, "prices": prices})
    found = rows(world)
    assert (found["a"]["boundary"], found["a"]["asset"]) == ("one price", "stETH")  # ETH moves both sides
    assert (found["b"]["boundary"], found["b"]["asset"]) == ("ratio of prices", "ETH")
    assert found["b"]["method"] == "closed form"
    assert rows(world, asset="stETH")["b"]["asset"] == "stETH"
    assert list(rows(world, asset="ETH")) == ["b"]


@pytest.mark.parametrize(("asked", "said"), [
    ({"asset": "ETHH"}, "did you mean ETH?"), ({"horizon": "soon"}, "is not a number"), ({"horizon": "3 h"}, "steps"),
    ({"paths": 0}, "less than one"), ({"asset": "ETH-PERP"}, "is a perp")])
def test_mistakes_are_named(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        dl.first_passage(mixed_world(), **asked)


def three_coins(paths: int) -> World:
    """120 loans on two coins that move by themselves, some near and some far, one of which grows fast."""
    rng = np.random.default_rng(4)
    legs: list[Leg] = []
    for i in range(120):
        held = rng.uniform(2.0, 12.0, 2)
        legs += [(f"a{i}", "ETH", "collateral", held[0]), (f"a{i}", "BTC", "collateral", held[1] / 20.0),
                 (f"a{i}", "USD", "debt", float(held @ [1000.0, 1000.0] * 0.8 / rng.uniform(0.9, 2.5)))]
    terms = {"liquidation_threshold": 0.8, "incentive": 0.05}
    return one_market(legs, assets={"ETH": {"price": 1000.0}, "BTC": {"price": 20_000.0}},
                      parameters={"BTC": terms, "USD": terms | {"borrow_rate": 3.0}},
                      scenario={"horizon": 7200, "paths": paths, "events": [fall(0.1, 3600.0)],
                                "prices": {"kind": "lognormal", "volatility": {"ETH": 3.0, "BTC": 2.0}}})


@pytest.mark.parametrize("paths", [1, 7])
def test_who_is_far_from_his_boundary_need_not_be_valued(paths: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = dl.first_passage(three_coins(paths), simulate=True)
    monkeypatch.setattr("delever.analysis.passage_paths.MANY", -1.0)  # everybody, in every step
    slow = dl.first_passage(three_coins(paths), simulate=True)
    assert {row["boundary"] for row in fast.accounts.to_pylist()} >= {"basket"}
    reached = fast.accounts["probability"].to_numpy()
    assert 0.0 < reached.mean() < 1.0 and fast.accounts.equals(slow.accounts) and fast.times.equals(slow.times)


def test_of_amounts_that_follow_one_to_one_the_move_alone_is_found_without_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    from delever.analysis import price_alone

    found = dl.first_passage(three_coins(1)).accounts["move"].to_numpy()
    monkeypatch.setattr(price_alone.np, "isin", lambda array, values: np.zeros(array.shape, np.bool_))
    looked_for = dl.first_passage(three_coins(1)).accounts["move"].to_numpy()
    assert np.isfinite(found).sum() > 60 and found == pytest.approx(looked_for, abs=1e-12, nan_ok=True)
