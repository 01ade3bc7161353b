"""Losses of a path by first cause: parts add up to the run's figures, and chains are followed to their beginning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.attribution import OUTSIDE, Attribution, attribute, attribution, shares
from delever.analysis.contagion import FIGURES
from delever.cli.main import app
from delever.model.errors import InputError
from delever.model.world import World
from delever.report import picture
from delever.run.assemble import assemble
from delever.run.stress import stress
from protocols.clip_worlds import auctions
from run.exchange_small import exchange
from run.small import everything, fall, loan, one_market

MAKERS = {"makers": {"kind": "log_linear", "pair": "ETH/USD", "depth": 100, "half_life": "1 d"}}


def adds_up(found: Attribution) -> None:
    """Both tables add up to the totals, protocol by protocol, to 1e-9 of them."""
    for row in found.totals.to_pylist():
        for figure in FIGURES:
            for table in (found.table, found.causes):
                parts = [part[figure] for part in table.to_pylist() if part["affected"] == row["protocol"]]
                assert sum(parts) == pytest.approx(row[figure], rel=1e-9, abs=1e-9), (figure, row["protocol"])


def firsts(found: Attribution, figure: str = "liquidated") -> dict[tuple[str, str], float]:
    """(kind, about) -> USD."""
    out: dict[tuple[str, str], float] = {}
    for row in found.causes.to_pylist():
        key = row["first cause"], row["about"]
        out[key] = out.get(key, 0.0) + row[figure]
    return out


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_parts_add_up_to_what_the_run_says(mode: str) -> None:
    run = stress(everything(mode, paths=3), keep=False, threads=1)
    for path in range(3):
        found, row = attribution(run, path), run.paths.slice(path, 1).to_pylist()[0]
        adds_up(found)
        for total in found.totals.to_pylist():
            assert total["liquidated"] == row[f"seized_collateral.{total['protocol']}"] > 0.0
            assert total["loss"] == row[f"shortfall.{total['protocol']}"]
        assert sum(total["loss"] for total in found.totals.to_pylist()) > 0.0


def test_over_several_paths_figures_are_means() -> None:
    run = stress(everything("batched", paths=3), keep=False, threads=1)
    found = attribution(run)
    adds_up(found)
    assert found.paths == (0, 1, 2)
    assert set(found.causes["path"].to_pylist()) == {0, 1, 2}
    for row in found.totals.to_pylist():
        assert row["loss"] == pytest.approx(sum(run.paths[f"shortfall.{row['protocol']}"].to_pylist()) / 3.0)
    assert "3 paths" in picture(found) and "3 paths" in repr(found)
    with pytest.raises(InputError, match="one twice"):
        attribution(run, [1, 1])


def chained(**changes: Any) -> World:
    """Two loans: the first falls by what a test brings, the second by what selling the first one's collateral does."""
    return one_market([*loan("first", 10.0, 8000.0), *loan("second", 1.0, 795.0)], venues=MAKERS, execution={"rounds": 4},
                      **changes)


def test_a_chain_that_prices_began_goes_back_to_who_was_reached_first() -> None:
    found = attribute(assemble(chained(scenario={"horizon": 60, "events": [fall(0.06)]})), 0)
    adds_up(found)
    assert {about for _, about in firsts(found)} == {"first"}
    (row,) = found.table.to_pylist()
    assert (row["first cause"], row["of"], row["affected"]) == ("liquidation", "pool", "pool")


def test_a_chain_that_an_order_began_goes_back_to_the_order() -> None:
    world = chained(scenario={"horizon": 60, "events": [{"at": 0, "kind": "order", "order": "sell 8 ETH"}]})
    found = attribute(assemble(world), 0)
    adds_up(found)
    assert found.totals.to_pylist()[0]["liquidated"] > 0.0
    (row,) = found.causes.to_pylist()
    assert (row["first cause"], row["of"], row["number"], row["actor"]) == ("order", "", 1, "order owners")
    assert row["share of liquidated"] == pytest.approx(1.0)


def test_what_is_owed_in_the_end_goes_to_the_accounts_own_first_causes_or_outside() -> None:
    # Nobody liquidates: the one is under water by prices alone.
    calm = one_market(loan("a", 10.0, 8000.0), actors={"liquidators": None}, scenario={"events": [fall(0.5, 120.0)]})
    found = attribute(assemble(calm), 0)
    assert firsts(found, "loss") == {("outside", ""): pytest.approx(3000.0)}
    adds_up(found)
    # With liquidators the collateral goes, and what is left is written off or owed by whom they called.
    found = attribute(assemble(one_market(loan("a", 10.0, 8000.0), scenario={"events": [fall(0.5, 120.0)]})), 0)
    assert [key for key, usd in firsts(found, "loss").items() if usd > 0.0] == [("liquidation", "a")]
    adds_up(found)


def test_a_lot_goes_back_to_its_auction() -> None:
    found = attribute(assemble(auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.3, 300)]})), 0)
    assert firsts(found) == {("kick", "a"): pytest.approx(found.totals.to_pylist()[0]["liquidated"])}
    adds_up(found)


def test_an_exchanges_losses_are_its_engines_and_a_pools_beside_it_are_its_callers() -> None:
    run = stress(exchange(lending=True, paths=2), keep=False, threads=1)
    found, row = attribution(run, 1), run.paths.slice(1, 1).to_pylist()[0]
    adds_up(found)
    of = {(part["first cause"], part["affected"]): part for part in found.table.to_pylist()}
    assert {affected for kind, affected in of if kind == "engine"} == {"perps"}
    assert {kind for kind, affected in of if affected == "perps"} == {"engine"}
    closed = sum(row[f"{name}.perps"] for name in ("liquidated", "taken_over", "deleveraged"))
    assert of["engine", "perps"]["liquidated"] == pytest.approx(closed, rel=1e-12)
    assert of["liquidation", "pool"]["liquidated"] == pytest.approx(row["seized_collateral.pool"], rel=1e-12)


def test_shares_add_up_whatever_the_weights() -> None:
    assert shares([], []) == {OUTSIDE: 1.0}
    assert shares([3, 5, 3], [1.0, 2.0, 1.0]) == {3: 0.5, 5: 0.5}
    assert shares([3, 5], [0.0, 0.0]) == {3: 0.5, 5: 0.5}


def test_the_command_prints_draws_and_says_it_for_machines(tmp_path: Path) -> None:
    stress(chained(scenario={"horizon": 60, "events": [fall(0.06)]}), out=tmp_path / "run")
    with pytest.raises(InputError, match="in memory"):
        attribution(tmp_path / "run", 0)
    (tmp_path / "book.csv").write_text("account,asset,side,amount\nfirst,ETH,collateral,10\nfirst,USD,debt,8000\n")
    (tmp_path / "world.yaml").write_text("""
as_of: 2024-01-01T00:00:00Z
assets: {ETH: {price: 1000}}
protocols:
  pool: {rules: aave.v3_0, book: book.csv, parameters: {ETH: {liquidation_threshold: 85 %, incentive: 5 %},
                                                        USD: {liquidation_threshold: 80 %, incentive: 5 %}}}
actors: {liquidators: {kind: liquidators, rule: always}}
scenario: {horizon: 10 min, step: 1 min, paths: 1, seed: 1, prices: {kind: lognormal},
           events: [{at: 2 min, kind: price, change: {ETH: -30 %}}]}
""")
    stress(dl.load(tmp_path / "world.yaml"), out=tmp_path / "kept")
    chart = tmp_path / "out.svg"
    result = CliRunner().invoke(app, ["attribute", str(tmp_path / "kept"), "--path", "0", "--json", "--chart", str(chart)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["by_kind"][0]["first_cause"] == "liquidation" and found["totals"][0]["liquidated"] > 0.0
    assert "liquidation pool → pool" in chart.read_text()
    shown = CliRunner().invoke(app, ["attribute", str(tmp_path / "kept"), "--path", "0"])
    assert "First causes of losses in kept" in shown.output and "Path 0." in shown.output
    every = json.loads(CliRunner().invoke(app, ["attribute", str(tmp_path / "kept"), "--json"]).output)
    assert every["paths"] == [0] and every["totals"] == found["totals"]
    wrong = CliRunner().invoke(app, ["attribute", str(tmp_path / "kept"), "--path", "7"])
    assert wrong.exit_code == 2 and "path 7 is not run" in wrong.stderr
