"""The network of a world: what is held in which market, how deep it is, and the measures on it, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.network import depths_of, holdings, network
from delever.cli.main import app
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble

TERMS = {name: {"liquidation_threshold": 0.8, "incentive": 0.05} for name in ("ETH", "stETH", "USDC")}
DEEP = 1.0 / np.sqrt(0.99) - 1.0  # of the base that x y = k takes for the first 1 % of the price


def lending(name: str, *loans: tuple[str, float, str, float]) -> dict[str, Any]:
    rows = [leg for i, (held, units, owed, debt) in enumerate(loans) for leg in (
        {"account": f"{name}{i}", "asset": held, "side": "collateral", "amount": units},
        {"account": f"{name}{i}", "asset": owed, "side": "debt", "amount": debt})]
    return {"rules": "aave.v2", "book": Book.from_table(pa.Table.from_pylist(rows), protocol=name), "parameters": TERMS}


def world(**changes: Any) -> World:
    """a: 100 ETH against 120,000 USDC. b: 50 stETH against 30 ETH. perps: 40 long, 40 short, 30,000 of cash each."""
    traders = [{"account": f"p{i}", "instrument": "PERP", "size": size, "entry_price": 2000.0, "margin_mode": "cross",
                "collateral": 30_000.0} for i, size in enumerate((40.0, -40.0))]
    mapping: dict[str, Any] = {
        "name": "three", "as_of": "2024-01-15T12:00:00Z",
        "assets": {"ETH": {"price": 2000.0}, "stETH": {"peg": "ETH", "ratio": 1.0}, "USDC": {"price": 1.0},
                   "PERP": {"perp": "ETH"}},
        "protocols": {
            "a": lending("a", ("ETH", 100.0, "USDC", 120_000.0)), "b": lending("b", ("stETH", 50.0, "ETH", 30.0)),
            "perps": {"rules": "binance", "book": Book.from_table(pa.Table.from_pylist(traders), protocol="perps"),
                      "parameters": {"PERP": {"max_leverage": 20}}}},
        "feeds": {"mark": {"kind": "mark", "of": "PERP/USD", "formula": "index"}}, "oracles": {"perps": {"PERP": "mark"}},
        "venues": {"eth": {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 5000.0, "USD": 10_000_000.0}},
                   "steth": {"kind": "constant_product", "pair": "stETH/ETH", "reserves": {"stETH": 1000.0, "ETH": 1000.0}},
                   "perp": {"kind": "log_linear", "pair": "PERP/USD", "depth": 500.0}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": 1, "seed": 1, "prices": {"kind": "lognormal", "volatility": {}}}}
    return dl.load({**mapping, **changes})


def test_what_is_held_is_net_of_what_is_owed_in_the_same_market() -> None:
    model = assemble(world())
    have, at = holdings(model), model.layout.pairs.index
    # b: a fall of stETH/ETH takes from 50 ETH, one of ETH/USD from the 20 that are its own. perps: the long alone.
    assert have.held[:, at("ETH/USD")].tolist() == pytest.approx([200_000.0, 40_000.0, 80_000.0])
    assert have.held[:, at("stETH/ETH")].tolist() == pytest.approx([0.0, 100_000.0, 0.0])
    assert have.gross.tolist() == pytest.approx([200_000.0, 100_000.0, 80_000.0])
    assert have.equity.tolist() == pytest.approx([80_000.0, 40_000.0, 30_000.0])  # the short's is not at stake


def test_depth_is_what_the_first_hundredth_takes_and_a_perps_is_added() -> None:
    model = assemble(world())
    deep, at = depths_of(model), model.layout.pairs.index
    without = dict(world().venues)
    del without["perp"]
    alone = depths_of(assemble(world(venues=without)))
    assert alone[at("ETH/USD")] == pytest.approx(5000.0 * DEEP * 2000.0 / 0.01)
    assert deep[at("stETH/ETH")] == pytest.approx(1000.0 * DEEP * 2000.0 / 0.01)
    assert deep[at("ETH/USD")] > alone[at("ETH/USD")]
    assert deep[at("USDC/USD")] == np.inf


def test_the_measures_by_hand() -> None:
    found = network(world(), "ETH -10 %")
    deep = {row["market"]: row["depth"] for row in found.markets.to_pylist()}
    pairs = {(row["one"], row["other"]): row for row in found.pairs.to_pylist()}
    assert pairs["a", "perps"]["overlap"] == pytest.approx(200_000.0 * 80_000.0 / deep["ETH/USD"])
    assert pairs["a", "b"]["through"] == "ETH/USD"
    rows = {row["protocol"]: row for row in found.table.to_pylist()}
    # a: leverage 120 / 80, loses 20,000, sells 30,000. b: 60 / 40, loses a tenth of 40,000. perps: 50 / 30, loses 8,000.
    assert [rows[name]["sells"] for name in ("a", "b", "perps")] == pytest.approx([30_000.0, 6_000.0, 8_000.0 * 50.0 / 30.0])
    assert rows["a"]["direct"] == pytest.approx(0.25)
    # Of b's 6,000 of stETH, 40 % go on to ETH/USD: the rest is what it owes.
    sold = 30_000.0 + 6_000.0 * 0.4 + 8_000.0 * 50.0 / 30.0
    market = {row["market"]: row for row in found.markets.to_pylist()}
    assert market["ETH/USD"]["sold"] == pytest.approx(sold)
    hurt = 320_000.0 * sold / deep["ETH/USD"] + 100_000.0 * 6_000.0 / deep["stETH/ETH"]
    assert found.aggregate == pytest.approx(hurt / 150_000.0)


def test_debtrank_is_that_of_overlaps_over_equity() -> None:
    found = network(world())
    pairs = {(row["one"], row["other"]): row["overlap"] for row in found.pairs.to_pylist()}
    lost = np.zeros((3, 3))
    for (one, other), value in pairs.items():
        i, j = (("a", "b", "perps").index(name) for name in (one, other))
        lost[i, j] = lost[j, i] = value
    own = np.array([80_000.0, 40_000.0, 30_000.0])
    # Nobody is wiped out: a's failure ends at the inverse of what is left of the network without it.
    rest = np.linalg.solve(np.eye(2) - lost[1:, 1:] / own[1:, None], lost[1:, 0] / own[1:])
    assert rest.max() < 1.0
    assert found.table["DebtRank"].to_pylist()[0] == pytest.approx((rest @ own[1:]) / own.sum(), rel=1e-9)


def test_the_first_world_stands_alone_and_meets_nobody() -> None:
    found = network(dl.load(dl.example("first")))
    assert found.pairs.num_rows == 0 and found.eigenvalue == 0.0
    assert found.aggregate == pytest.approx(sum(found.table["systemicness"].to_pylist()))


def test_after_a_day_of_the_past_it_says_what_that_takes_together() -> None:
    first = dl.load(dl.example("first"))
    day, same = network(first, "12 March 2020"), network(first, "ETH -48 %, WBTC -44.4 %")
    assert day.aggregate == same.aggregate > 0.0
    assert same.said == () and "2020-03-12 (Black Thursday)" in day.said[0]


@pytest.mark.parametrize(("shock", "says"), [("ETH +10 %", "is no fall"), ("ETH -60%..0%", "has several steps"),
                                             ("EHT -10 %", "did you mean ETH")])
def test_a_shock_that_is_no_fall_is_refused(shock: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        network(world(), shock)


def test_the_command_prints_draws_and_says_it_for_machines(tmp_path: Path) -> None:
    chart = tmp_path / "net.svg"
    result = CliRunner().invoke(app, ["contagion", "first", "--network", "--shock", "ETH -20 %", "--chart", str(chart)])
    assert result.exit_code == 0, result.output
    for text in ("Network of", "aggregate vulnerability", "after ETH -20 %", "Markets", "one market of the depth of both"):
        assert text in " ".join(result.output.split())
    assert "DebtRank" in chart.read_text()
    found = json.loads(CliRunner().invoke(app, ["contagion", "first", "--network", "--json"]).output)
    assert found["shock"] == "all -10 %" and found["protocols"][0]["direct"] > 0.0
    bad = CliRunner().invoke(app, ["contagion", "first", "--network", "--shock", "gold -10 %"])
    assert bad.exit_code == 2 and len(bad.stderr.strip().splitlines()) == 1
