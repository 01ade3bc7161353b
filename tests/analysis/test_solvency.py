"""Solvency at three prices: closed forms by hand, a second way to the same shares, what must hold of any world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever.analysis.solvency import Solvency, solvency
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.worlds import load
from reference.worlds_coins import coin_world
from reference.worlds_derived import derived_world
from reference.worlds_llamma import llamma_world
from reference.worlds_venues import venues_world

from .conftest import Leg, staked

PRICE = 2000.0
POOL = {"kind": "constant_product", "pair": "ETH/USD", "fee": 0, "reserves": {"ETH": 1000.0, "USD": 1000.0 * PRICE}}
TERMS = {name: {"liquidation_threshold": 0.9, "incentive": 0.05} for name in ("ETH", "USDC", "rest")}
FIXED = {"par": {"kind": "fixed", "of": "ETH/USD", "answer": PRICE}}


def lending(*loans: tuple[float, float], held: str = "ETH", owed: str = "USDC", name: str = "pool", **more: Any
            ) -> dict[str, Any]:
    """(units held, units owed) of each account."""
    rows = [leg for i, (units, debt) in enumerate(loans) for leg in (
        {"account": f"{name}{i}", "asset": held, "side": "collateral", "amount": units},
        {"account": f"{name}{i}", "asset": owed, "side": "debt", "amount": debt}) if leg["amount"] > 0.0]
    return {"rules": "aave.v3_0", "parameters": TERMS, "book": Book.from_table(pa.Table.from_pylist(rows), protocol=name), **more}


def world(protocols: dict[str, Any], venues: dict[str, Any] | None = None, **changes: Any) -> World:
    return load({
        "name": "exits", "as_of": "2024-01-15T12:00:00Z",
        "assets": {"ETH": {"price": PRICE}, "USDC": {"price": 1}, "rest": {"price": 1, "seizable": False},
                   "PERP": {"perp": "ETH"}},
        "protocols": protocols, "venues": {"eth": POOL} if venues is None else venues,
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}, **changes})


def last(found: Solvency, name: str, protocol: str = "pool") -> float:
    return float([row for row in found.table.to_pylist() if row["protocol"] == protocol][-1][name])


def brought(units: float, eth: float = 1000.0, price: float = PRICE) -> float:
    """USD that x y = k pays for units, no fee."""
    return eth * price * units / (eth + units)


# --- by hand -------------------------------------------------------------------------------------------------------------


def test_what_one_pool_pays_is_the_closed_form() -> None:
    found = solvency(world({"pool": lending((100.0, 185_000.0))}))
    assert brought(100.0) == pytest.approx(181_818.18181818182)
    assert last(found, "equity_oracle_usd") == 0.0
    assert last(found, "equity_exit_usd") == pytest.approx(brought(100.0) - 185_000.0, rel=1e-12)
    assert last(found, "gap_usd") == pytest.approx(185_000.0 - brought(100.0), rel=1e-12)
    assert [last(found, name) for name in ("short_oracle", "short_exit", "hidden", "hidden_debt_usd")] == [0, 1, 1, 185_000.0]
    sold = found.markets.to_pylist()[0]
    assert (sold["market"], sold["way"]) == ("ETH/USD", "sold")
    assert sold["below"] == pytest.approx(1.0 - 1000.0 / 1100.0)
    assert sold["depth_used"] == pytest.approx(brought(100.0) / 2e6)  # of all the dollars of the pool


def test_nobody_sells_more_than_he_must() -> None:
    """100 of 1000 ETH are needed for 181,818.18 USD, whoever has more than that."""
    found = solvency(world({"pool": lending((400.0, brought(100.0)))}))
    assert last(found, "equity_exit_usd") == 0.0
    assert found.markets.to_pylist()[0]["given_usd"] == pytest.approx(100.0 * PRICE, rel=1e-9)
    assert last(found, "collateral_exit_usd") == pytest.approx(400.0 * PRICE / 1.1, rel=1e-9)


@pytest.mark.parametrize(("beyond", "count"), [(-1.0, 0), (1.0, 1)])
def test_an_account_is_short_from_what_its_collateral_fetches_on(beyond: float, count: int) -> None:
    found = solvency(world({"pool": lending((100.0, brought(100.0) + beyond))}))
    assert last(found, "short_exit") == count
    assert found.accounts.num_rows == count
    assert last(found, "equity_exit_usd") == pytest.approx(min(-beyond, 0.0), abs=1e-6)


def test_who_sells_at_once_gets_the_mean_price() -> None:
    """Two who cannot pay sell all: y 160 / 1160 of the pool's dollars, shared by units."""
    found = solvency(world({"pool": lending((100.0, 180_000.0), (60.0, 119_000.0))}))
    each = 1000.0 * PRICE / 1160.0
    rows = {row["account"]: row for row in found.accounts.to_pylist()}
    assert rows["pool0"]["fetched_usd"] == pytest.approx(100.0 * each, rel=1e-12)
    assert rows["pool1"]["short_exit_usd"] == pytest.approx(119_000.0 - 60.0 * each, rel=1e-12)
    assert last(found, "equity_exit_usd") == pytest.approx(160.0 * each - 299_000.0, rel=1e-12)


def test_others_selling_costs_a_protocol_what_it_could_have_had() -> None:
    two = world({"pool": lending((100.0, 185_000.0)), "other": lending((60.0, 119_000.0), name="other")})
    found = solvency(two)
    assert last(found, "equity_alone_usd") == pytest.approx(brought(100.0) - 185_000.0, rel=1e-12)
    assert last(found, "equity_alone_usd", "other") == pytest.approx(brought(60.0) - 119_000.0, rel=1e-12)
    together = [last(found, "equity_exit_usd", name) for name in ("pool", "other")]
    assert sum(together) == pytest.approx(brought(160.0) - 304_000.0, rel=1e-12)


def test_a_pool_with_an_end_buys_no_more_and_what_is_left_is_named() -> None:
    lower, units = 75_500, 5_000.0
    position = {"kind": "uniswap_v3", "pair": "ETH/USD", "fee": 0, "positions": [[lower, 76_500, units * 1e18]]}
    found = solvency(world({"pool": lending((100.0, 185_000.0))}, {"eth": position}))
    low, now = 1.0001 ** (lower / 2.0), PRICE**0.5
    sold, paid = units * (1.0 / low - 1.0 / now), units * (now - low)
    assert sold < 100.0
    assert last(found, "equity_exit_usd") == pytest.approx(paid - 185_000.0, rel=1e-9)
    row, = found.unsold.to_pylist()
    assert (row["protocol"], row["asset"], row["why"]) == ("pool", "ETH", "its venues bid for no more")
    assert row["usd"] == pytest.approx((100.0 - sold) * PRICE, rel=1e-9)
    assert found.markets.to_pylist()[0]["depth_used"] == pytest.approx(1.0)


def test_a_pool_that_bids_nothing_uses_all_of_nothing() -> None:
    """Its only position stands above the price."""
    above = {"kind": "uniswap_v3", "pair": "ETH/USD", "fee": 0, "positions": [[76_100, 76_500, 5e21]]}
    found = solvency(world({"pool": lending((100.0, 185_000.0))}, {"eth": above}))
    assert last(found, "equity_exit_usd") == -185_000.0
    assert (found.markets.to_pylist()[0]["depth_used"], found.unsold.to_pylist()[0]["why"]) == (1.0, "its venues bid for no more")


def test_a_book_of_bids_has_a_gap_that_is_a_number() -> None:
    """50 ETH lower the price to 0.81: sqrt(1 x 0.81) = 0.9 on average, so 90,000 USD."""
    bids = {"kind": "depth_table", "pair": "ETH/USD", "bids": [[50, 0.81], [500, 0.25]], "asks": [[50, 1.1]]}
    found = solvency(world({"pool": lending((50.0, 91_234.0))}, {"book": bids}))
    assert last(found, "gap_usd") == pytest.approx(1_234.0, rel=1e-9)


def test_what_nobody_may_seize_fetches_nothing_and_is_named() -> None:
    found = solvency(world({"pool": lending((5_000.0, 3_000.0), held="rest")}))
    assert last(found, "equity_exit_usd") == pytest.approx(-3_000.0)
    assert last(found, "locked_usd") == 5_000.0
    row, = found.unsold.to_pylist()
    assert (row["protocol"], row["asset"], row["usd"], row["why"]) == ("pool", "rest", 5_000.0, "nobody may seize it")


def test_an_oracle_that_stands_still_hides_a_fall_that_the_market_shows() -> None:
    still = world({"pool": lending((100.0, 150_000.0))}, feeds=FIXED, oracles={"pool": {"ETH": "par"}})
    found = solvency(still, "ETH -40 %")
    assert found.table["shock"].to_pylist() == [0.0, -0.4]
    assert last(found, "equity_oracle_usd") == 0.0
    assert last(found, "equity_market_usd") == pytest.approx(100.0 * 1200.0 - 150_000.0)
    eth = 1000.0 / np.sqrt(0.6)  # the pool has been traded to the new price
    assert last(found, "equity_exit_usd") == pytest.approx(brought(100.0, eth, 1200.0) - 150_000.0, rel=1e-12)


def test_makers_quote_around_the_new_price() -> None:
    found = solvency(world({"pool": lending((100.0, 150_000.0))}, {"eth": {**POOL, "follows": True}}), "-40%", "ETH")
    assert last(found, "equity_exit_usd") == pytest.approx(0.6 * brought(100.0) - 150_000.0, rel=1e-12)


def test_staked_coins_go_through_two_markets_and_coins_for_coins_through_one() -> None:
    legs: list[Leg] = [("a", "collateral", "wstETH", 1_000.0), ("a", "debt", "ETH", 1_050.0)]
    found = solvency(staked(legs))
    fetched = 10_000.0 * 1_100.0 / 11_100.0  # wstETH is 1.1 stETH; the pool has 10,000 of each
    assert last(found, "equity_exit_usd") == pytest.approx((fetched - 1_050.0) * 2_000.0, rel=1e-12)
    assert [row["market"] for row in found.markets.to_pylist()] == ["stETH/ETH"]
    dollars: list[Leg] = [("a", "collateral", "stETH", 1_000.0), ("a", "debt", "USDC", 1_900_000.0)]
    eth = {"kind": "constant_product", "pair": "ETH/USD", "fee": 0, "reserves": {"ETH": 5_000.0, "USD": 1e7}}
    both = solvency(staked(dollars, venues={**_curve(), "eth": eth}))
    got = brought(10_000.0 * 1_000.0 / 11_000.0, 5_000.0)
    assert last(both, "equity_exit_usd") == pytest.approx(got - 1_900_000.0, rel=1e-12)


def _curve() -> dict[str, Any]:
    return {"curve": {"kind": "constant_product", "pair": "stETH/ETH", "fee": 0, "reserves": {"stETH": 10_000, "ETH": 10_000}}}


@pytest.mark.parametrize("owed", ["USDC", "ETH"])
def test_venues_apart_are_sold_on_as_one_where_they_stand_at_one_price(owed: str) -> None:
    """Pools of 300 and 700 ETH are one of 1000: sales of ETH, and purchases for a debt in ETH."""
    parts = {name: {**POOL, "reserves": {"ETH": share * 1000.0, "USD": share * 2e6}} for name, share in (("a", 0.3), ("b", 0.7))}
    loan = (100.0, 185_000.0) if owed == "USDC" else (200_000.0, 95.0)
    pool = {"pool": lending(loan, held="ETH" if owed == "USDC" else "USDC", owed=owed)}
    one, apart = solvency(world(pool)), solvency(world(pool, parts, liquidity="fragmented"))
    assert last(one, "equity_exit_usd") < 0.0
    assert last(apart, "equity_exit_usd") == pytest.approx(last(one, "equity_exit_usd"), rel=1e-9)


def test_an_order_goes_first_where_it_brings_more() -> None:
    """Of two pools, one 1 % dearer to trade: a small sale goes to the other alone."""
    parts = {"a": {**POOL, "fee": 0.01}, "b": {**POOL, "fee": 0.001}}
    found = solvency(world({"pool": lending((1.0, 1_999.0))}, parts, liquidity="fragmented"))
    alone = solvency(world({"pool": lending((1.0, 1_999.0))}, {"b": parts["b"]}))
    assert last(found, "equity_exit_usd") == pytest.approx(last(alone, "equity_exit_usd"), rel=1e-12)


# --- exchanges -----------------------------------------------------------------------------------------------------------


def perps(*positions: tuple[float, float], **more: Any) -> dict[str, Any]:
    """(size, margin) opened at the price."""
    rows = [{"account": f"p{i}", "instrument": "PERP", "size": size, "entry_price": PRICE, "margin_mode": "cross",
             "collateral": margin} for i, (size, margin) in enumerate(positions)]
    return {"rules": "binance", "parameters": {"PERP": {"max_leverage": 20}},
            "book": Book.from_table(pa.Table.from_pylist(rows), protocol="perps"), **more}


def perp_world(venue: dict[str, Any], *positions: tuple[float, float], **more: Any) -> World:
    return world({"perps": perps(*positions, **more)}, {"perp": venue},
                 feeds={"mark": {"kind": "mark", "of": "PERP/USD", "formula": "index"}}, oracles={"perps": {"PERP": "mark"}})


BOOK = {"kind": "constant_product", "pair": "PERP/USD", "fee": 0, "follows": True, "reserves": {"PERP": 1000.0, "USD": 2e6}}


def test_a_position_is_closed_on_its_book_once_it_is_below_maintenance() -> None:
    """100 long at 20,000 of margin: after -9 % 2,000 are left, less than 2.5 % of 182,000; closing it takes 16,545 more."""
    found = solvency(perp_world(BOOK, (100.0, 20_000.0), (-100.0, 1e6)), "ETH -9 %")
    closed = 0.91 * brought(100.0)
    assert last(found, "equity_market_usd", "perps") == 0.0
    assert last(found, "equity_exit_usd", "perps") == pytest.approx(20_000.0 + closed - 200_000.0, rel=1e-9)
    assert [row["account"] for row in found.accounts.to_pylist()] == ["p0"]


def test_a_position_with_margin_enough_stays() -> None:
    found = solvency(perp_world(BOOK, (100.0, 20_000.0), (-100.0, 1e6)), "ETH -5 %")
    assert last(found, "equity_exit_usd", "perps") == 0.0
    assert found.markets.num_rows == 0


def test_a_short_buys_back() -> None:
    found = solvency(perp_world(BOOK, (-100.0, 20_000.0), (100.0, 1e6)), "ETH 9%")
    cost = 2e6 * 1.09 * 100.0 / 900.0  # x y = k: to take 100 of 1000
    assert last(found, "equity_exit_usd", "perps") == pytest.approx(20_000.0 + 200_000.0 - cost, rel=1e-9)


def test_a_loss_beyond_margin_is_short_at_every_price_and_funds_stand_beside() -> None:
    layers = [{"kind": "insurance_fund", "start": {"USD": 7_000.0}}]
    found = solvency(perp_world(BOOK, (100.0, 20_000.0), (-100.0, 1e6), waterfall=layers), "ETH -15 %")
    assert last(found, "equity_oracle_usd", "perps") == pytest.approx(-10_000.0)
    assert last(found, "equity_exit_usd", "perps") == pytest.approx(20_000.0 + 0.85 * brought(100.0) - 200_000.0, rel=1e-9)
    assert last(found, "funds_usd", "perps") == 7_000.0


# --- of any world --------------------------------------------------------------------------------------------------------


def random_world(seed: int, deep: float = 1.0) -> World:
    rng = np.random.default_rng(seed)
    held = ["ETH", "stETH", "wstETH", "USDC"]
    legs: list[Leg] = []
    for i in range(12):
        c, d = rng.choice(held), rng.choice(["ETH", "USDC"])
        worth = {"ETH": 2000.0, "stETH": 2000.0, "wstETH": 2200.0, "USDC": 1.0}
        usd = float(rng.lognormal(14.0, 1.5))
        legs += [(f"a{i}", "collateral", c, usd / worth[c]), (f"a{i}", "debt", d, usd * rng.uniform(0.1, 1.05) / worth[d])]
        if rng.random() < 0.3 and c != "USDC":
            legs.append((f"a{i}", "collateral", "USDC", usd * 0.2))
    size = float(rng.lognormal(9.0, 1.0)) * deep
    fee = float(rng.choice([0.0, 0.003]))
    venues = {"curve": {"kind": "stableswap", "pair": "stETH/ETH", "A": 50, "fee": fee, "balances": {"stETH": size, "ETH": size}},
              "eth": {"kind": "constant_product", "pair": "ETH/USD", "fee": fee, "reserves": {"ETH": size, "USD": size * 2000.0}}}
    return staked(legs, venues=venues)


SHOCKS = [None, "ETH -20 %", "stETH -5 %", "ETH 15%"]


@pytest.mark.parametrize("seed", range(16))
def test_exit_prices_are_never_better_than_the_markets_and_depth_never_worse(seed: int) -> None:
    shock = SHOCKS[seed % len(SHOCKS)]
    found, deeper = solvency(random_world(seed), shock), solvency(random_world(seed, deep=2.0), shock)
    for row, other in zip(found.table.to_pylist(), deeper.table.to_pylist(), strict=True):
        slack = 1e-9 * row["debt_usd"]
        assert row["equity_exit_usd"] <= row["equity_market_usd"] + slack
        assert row["collateral_exit_usd"] <= row["collateral_market_usd"] + slack
        assert other["equity_exit_usd"] >= row["equity_exit_usd"] - slack


def test_both_sides_of_short_are_drawn() -> None:
    drawn = [last(solvency(random_world(seed)), "short_exit") for seed in range(16)]
    assert min(drawn) == 0.0 or sum(value > 0.0 for value in drawn) < 16
    assert max(drawn) > 0.0


def test_without_debts_there_is_no_gap() -> None:
    two = world({"pool": lending((1e6, 0.0), (1.0, 0.01)), "other": lending((1.0, 1_900.0), name="other")})
    found = solvency(two, "ETH -50 %")
    assert [last(found, name) for name in ("gap_usd", "equity_exit_usd", "short_exit")] == [0.0, 0.0, 0.0]
    assert last(found, "gap_usd", "other") > 0.0


@pytest.mark.parametrize("seed", range(8))
def test_shares_are_the_least_that_pay(seed: int) -> None:
    """A second way: the total sold Q solves Q = sum min(C_i, D_i (x + Q) / y), found by halving."""
    rng = np.random.default_rng(seed)
    held = rng.lognormal(2.0, 1.0, 20)
    owed = held * PRICE * rng.uniform(0.3, 1.1, 20)
    x, y = 1000.0, 1000.0 * PRICE
    low, high = 0.0, float(held.sum())
    for _ in range(200):
        q = 0.5 * (low + high)
        if np.minimum(held, owed * (x + q) / y).sum() > q:
            low = q
        else:
            high = q
    expected = -np.maximum(owed - held * y / (x + high), 0.0).sum()
    found = solvency(world({"pool": lending(*zip(held.tolist(), owed.tolist(), strict=True))}))
    assert expected < 0.0
    assert last(found, "equity_exit_usd") == pytest.approx(expected, rel=1e-9)


def test_protocols_add_up_to_the_total() -> None:
    two = {"pool": lending((100.0, 185_000.0), (50.0, 40_000.0)), "other": lending((60.0, 119_000.0), name="other")}
    found = solvency(world(two), "ETH -40%..0%")
    totals = found.totals.to_pylist()
    assert [row["shock"] for row in totals] == [0.0, -0.4, -0.35, -0.3, -0.25, -0.2, -0.15, -0.1, -0.05]
    for total in totals:
        mine = [row for row in found.table.to_pylist() if row["shock"] == total["shock"]]
        assert len(mine) == 2
        for name in total:
            if name != "shock":
                assert total[name] == pytest.approx(sum(row[name] for row in mine), rel=1e-9)


@pytest.mark.parametrize("draw", [venues_world, derived_world, coin_world, llamma_world], ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("seed", [2])
def test_worlds_of_every_kind_have_figures(draw: Callable[[int], World], seed: int) -> None:
    """Venues apart, derived assets, inverse perps and options, bands: finite, depth not used twice, totals of all protocols."""
    drawn = draw(seed)
    base = next(name for name, one in drawn.assets.items() if one.price is not None and abs(one.price - 1.0) > 0.05)
    found = solvency(drawn, f"{base} -25 %")
    for row in found.table.to_pylist():
        assert all(np.isfinite(value) for value in row.values() if isinstance(value, float))
        assert row["equity_exit_usd"] <= 0.0
    assert all(row["depth_used"] <= 1.0 + 1e-9 for row in found.markets.to_pylist())
    assert found.totals["equity_exit_usd"][-1].as_py() == pytest.approx(
        sum(row["equity_exit_usd"] for row in found.table.to_pylist() if row["shock"] != 0.0), rel=1e-9)


def test_lenders_are_owed_loans_and_cash_also_by_accounts_that_the_book_lacks() -> None:
    stated = lending((100.0, 150_000.0), cash={"USDC": 20_000.0}, borrowed={"USDC": 400_000.0})
    found = solvency(world({"pool": stated}))
    assert last(found, "liabilities_usd") == pytest.approx(420_000.0)
    assert last(found, "debt_usd") == pytest.approx(150_000.0)


def test_columns_say_their_unit() -> None:
    found = solvency(world({"pool": lending((100.0, 185_000.0))}), "ETH -10 %")
    for one in (found.table, found.totals, found.accounts, found.markets, found.unsold):
        for field in one.schema:
            assert b"unit" in (field.metadata or {}) or pa.types.is_string(field.type), field.name
    assert repr(found).startswith("Solvency of 1 protocol after ETH -10 %: equity ")
    assert solvency(world({"pool": lending((100.0, 185_000.0))}), -0.1, "ETH").shock == "ETH -10 %"


@pytest.mark.parametrize(("shock", "asset", "said"), [("ETHH -5 %", None, "did you mean ETH"), ("-5%", "USD", "has no market"),
                                                      (None, "ETH", "is shocked by nothing"), ("-5%", None, "names no asset"),
                                                      ("ETH -5 %, ETH -6 %", None, "is shocked twice")])
def test_mistakes_are_one_clear_line(shock: str | None, asset: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        solvency(world({"pool": lending((100.0, 1.0))}), shock, asset)


def test_real_books_add_up_and_exit_prices_are_below(real: Any) -> None:
    found = dl.solvency(real("world.yaml"), "ETH -20 %")
    for row in found.table.to_pylist():
        assert row["equity_exit_usd"] < row["equity_market_usd"] <= 0.0
        assert row["locked_usd"] > 0.0


def test_the_plot_has_a_bar_a_protocol_price_and_shock() -> None:
    pytest.importorskip("altair")
    found = solvency(world({"pool": lending((100.0, 185_000.0))}), "ETH -10 %")
    rows: Any = found.plot().to_dict()["data"]["values"]
    assert [(row["shock"], row["prices"]) for row in rows] == [
        (shock, prices) for shock in (0.0, -0.1) for prices in ("oracle", "market", "exit")]
    assert rows[-1]["short"] == -last(found, "equity_exit_usd")
