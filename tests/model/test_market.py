"""Isolated markets as they are stated: what each becomes, and what is refused in one line."""

from __future__ import annotations

import copy
from typing import Any

import pyarrow as pa
import pytest

from delever import worlds
from delever.model.book import Book
from delever.model.dump import plain
from delever.model.errors import InputError
from delever.model.market import by_market, home_of

ROWS = [("steth", "a", "ETH", "collateral", 10.0), ("steth", "a", "USD", "debt", 8000.0),
        ("high", "a", "ETH", "collateral", 10.0), ("high", "a", "USD", "debt", 9000.0)]
MARKETS: dict[str, dict[str, Any]] = {
    "steth": {"collateral": "ETH", "loan": "USD", "liquidation_threshold": "86 %", "cash": 5000.0, "rate": "adaptive"},
    "high": {"collateral": "ETH", "loan": "USD", "liquidation_threshold": 0.915, "oracle": "eth", "borrow_rate": 0.04}}


def table() -> pa.Table:
    return pa.Table.from_pylist([dict(zip(("market", "account", "asset", "side", "amount"), row, strict=True)) for row in ROWS])


def stated(**protocol: Any) -> dict[str, Any]:
    """Two markets; fields of the protocol are changed."""
    return {"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
            "protocols": {"morpho": {"rules": "morpho.v1", "book": Book.from_table(table(), protocol="morpho"),
                                     "markets": copy.deepcopy(MARKETS)} | protocol},
            "feeds": {"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": 3600, "deviation": 0.005}},
            "scenario": {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}}


def changed(market: str, **fields: Any) -> dict[str, Any]:
    world = stated()
    world["protocols"]["morpho"]["markets"][market] |= fields
    return world


def refused(world: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        worlds.load(world)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_each_market_is_a_protocol_with_reserves_terms_and_an_oracle_of_its_own() -> None:
    world = worlds.load(stated())
    assert list(world.protocols) == ["morpho/steth", "morpho/high"]
    steth, high = world.protocols.values()
    assert (steth.unit, steth.cash, list(steth.rates)) == ("USD", {"USD": 5000.0}, ["USD"])
    assert (high.cash, high.rates, high.parameters["USD"].borrow_rate) == ({}, {}, 0.04)
    assert steth.parameters["ETH"].incentive == pytest.approx(1.0 / 0.958 - 1.0, rel=1e-14)
    assert high.parameters["ETH"].incentive == pytest.approx(1.0 / 0.9745 - 1.0, rel=1e-14)
    assert world.oracles == {"morpho/high": {"ETH": "eth"}}
    assert [layer.kind for protocol in (steth, high) for layer in protocol.waterfall] == ["socialised_loss"] * 2
    assert {home_of(name) for name in world.protocols} == {"morpho"} and home_of("morpho") == ""


def test_a_world_of_markets_reads_back_as_it_was() -> None:
    world = worlds.load(stated(book="book.csv"))
    assert worlds.load(plain(world)) == world


def test_settings_reach_one_market() -> None:
    world = worlds.load(stated(), {"protocols.morpho/steth.parameters.ETH.liquidation_threshold": "80 %"})
    assert [protocol.parameters["ETH"].liquidation_threshold for protocol in world.protocols.values()] == [0.8, 0.915]


def test_rules_that_work_no_incentive_out_need_it_stated() -> None:
    assert "incentive is missing" in refused(stated(rules="compound.v2"))
    markets = {name: {**market, "incentive": "5 %"} for name, market in MARKETS.items()}
    assert worlds.load(stated(rules="compound.v2", markets=markets)).protocols["morpho/high"].parameters["ETH"].incentive == 0.05


def test_rows_say_their_market_and_may_name_the_protocol_too() -> None:
    both = table().append_column("protocol", pa.array(["morpho", "", "other", None]))
    named = by_market(both, "morpho")["protocol"].to_pylist()
    assert named == ["morpho/steth", "morpho/steth", "other/high", "morpho/high"]
    assert by_market(table().drop_columns("market"), "aave").column_names == ["account", "asset", "side", "amount"]


@pytest.mark.parametrize(("world", "said"), [
    (stated(parameters={}), "protocols.morpho.parameters has no meaning beside markets"),
    (stated(unit="USD"), "protocols.morpho.unit has no meaning beside markets"),
    (stated(markets={}), "protocols.morpho.markets must be a block of markets"),
    (stated(markets={"a": 5}), "protocols.morpho.markets.a must be a block"),
    (stated(markets={"a/b": MARKETS["high"]}), "is no name of a market"),
    (changed("high", loan="ETH"), "protocols.morpho.markets.high.loan is the collateral too"),
    (changed("high", lltv=0.9), "protocols.morpho.markets.high: unknown field"),
    (changed("high", liquidation_threshold=91.5), "protocols.morpho.markets.high.liquidation_threshold"),
    (changed("high", oracle="btc"), "oracles.morpho/high.ETH"),
    (changed("high", rate="adaptive"), "protocols.morpho/high.cash.USD is missing"),
])
def test_mistakes_are_told_where_they_are(world: dict[str, Any], said: str) -> None:
    assert said in refused(world)
