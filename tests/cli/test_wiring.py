"""What is typed reaches the simulator, and what it returns reaches the reader: the layers below are played here."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from delever.cli.main import app
from delever.model.errors import InputError

SUMMARY = pa.table(
    {"figure": ["bad debt"], "value": [1.5e6], "unit": ["USD"], "definition": ["owed, not backed"], "horizon": ["24 h"]}
)


@dataclass(frozen=True)
class FakeWorld:
    name: str = "played"
    as_of: datetime = datetime(2024, 1, 15, tzinfo=UTC)
    scenario: Any = field(default_factory=lambda: SimpleNamespace(shocks=()))

    def replace(self, path: str, value: list[dict[str, Any]]) -> FakeWorld:
        assert path == "scenario.shocks"
        shocks = tuple(SimpleNamespace(order=shock["order"]) for shock in value)
        return replace(self, scenario=SimpleNamespace(shocks=shocks))


class Below:
    """The layers below the command, which remember how they were called."""

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}
        self.level = "warning"
        self.interrupt = False

    def load(self, path: Path, set: dict[str, str]) -> FakeWorld:
        self.calls["load"] = (path, dict(set))
        return FakeWorld()

    def stress(
        self,
        world: FakeWorld,
        out: Path | None = None,
        threads: int | None = None,
        memory: float | None = None,
        progress: Any = None,
        trace: list[int] | None = None,
    ) -> Any:
        self.calls["stress"] = (world, {"out": out, "threads": threads, "memory": memory, "trace": trace})
        progress("compiling", 0, 1)
        progress("simulating", 0, 0)
        folder = out or Path("runs/played")
        if self.interrupt:
            raise KeyboardInterrupt
        folder.mkdir(parents=True)
        return SimpleNamespace(summary=SUMMARY, paths=pa.table({"bad_debt": [1.0, 2.0]}), folder=folder)

    def find_critical(self, world: FakeWorld, order: object) -> dict[str, Any]:
        self.calls["find_critical"] = (world, order)
        return {"asset": "stETH", "runaway": 61_000.0, "bad_debt": 90_500.0}

    def wall(self, world: FakeWorld, asset: str, shocks: str) -> Any:
        self.calls["wall"] = (asset, shocks)
        if asset != "ETH":
            raise InputError("unknown asset", "wall", asset, "did you mean ETH?")
        table = pa.table({"protocol": ["aave"], "eligible_debt_usd": [2.0e6]})
        return SimpleNamespace(table=table, accounts=pa.table({"account": ["a01", "a02"]}))

    def check(self, world: FakeWorld) -> Any:
        findings = pa.table({"level": [self.level], "where": ["book"], "remedy": ["look"]})
        return SimpleNamespace(
            findings=findings, prices=pa.table({"asset": ["ETH"]}), inputs=pa.table({"input": ["b"]})
        )


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Below:
    played = Below()
    for module, names in {
        "delever.worlds": ("load",),
        "delever.run.stress": ("stress",),
        "delever.analysis": ("wall", "check", "find_critical"),
    }.items():
        stand_in = ModuleType(module)
        for name in names:
            setattr(stand_in, name, getattr(played, name))
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.chdir(tmp_path)
    return played


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_paths_seed_and_settings_are_overrides_of_the_world(below: Below) -> None:
    invoke("stress", "first", "--paths", "12", "--seed", "3", "--set", "liquidators.rule=always")
    assert below.calls["load"][1] == {"liquidators.rule": "always", "scenario.paths": "12", "scenario.seed": "3"}


def test_an_order_joins_the_shocks_and_its_critical_size_is_in_the_json(below: Below) -> None:
    result = invoke("stress", "first", "--order", "sell 50,000 stETH", "--find-critical", "--json")
    world = below.calls["stress"][0]
    assert [shock.order for shock in world.scenario.shocks] == ["sell 50,000 stETH"]
    assert below.calls["find_critical"] == (world, "sell 50,000 stETH")
    critical = json.loads(result.stdout)["critical_order"]
    assert critical == {"asset": "stETH", "runaway": 61_000.0, "bad_debt": 90_500.0}


def test_find_critical_without_an_order_is_a_mistake_before_the_run(below: Below) -> None:
    result = invoke("stress", "first", "--find-critical")
    assert result.exit_code == 2
    assert "--order" in result.stderr
    assert "stress" not in below.calls


def test_run_options_reach_the_run_in_its_units(below: Below) -> None:
    invoke("stress", "first", "--threads", "2", "--memory", "2 GiB", "--trace", "5,1", "--out", "here")
    assert below.calls["stress"][1] == {"out": Path("here"), "threads": 2, "memory": 2.0, "trace": [1, 5]}


def test_stress_prints_the_summary_and_leaves_it_in_the_folder(below: Below) -> None:
    result = invoke("stress", "first", "--out", "here")
    assert result.exit_code == 0
    for text in (result.stdout, Path("here/summary.md").read_text(encoding="utf-8")):
        assert "owed, not backed" in text
        assert "1.5M" in text


def test_without_out_the_run_chooses_its_folder_and_the_summary_goes_there(below: Below) -> None:
    result = invoke("stress", "first")
    assert below.calls["stress"][1]["out"] is None
    assert "runs/played" in result.stdout
    assert Path("runs/played/summary.md").exists()


def test_an_interrupted_run_says_how_to_go_on(below: Below) -> None:
    below.interrupt = True
    result = invoke("stress", "first", "--out", "here")
    assert result.exit_code == 130
    assert "same command" in result.stderr


def test_wall_passes_a_range_through_and_writes_what_was_asked_for(below: Below) -> None:
    files = ["--accounts", "a.csv", "--csv", "t.csv", "--parquet", "t.parquet"]
    result = invoke("wall", "first", "--asset", "ETH", "--shock", "-60%..0%", *files)
    assert result.exit_code == 0
    assert below.calls["wall"] == ("ETH", "-60%..0%")
    assert Path("a.csv").read_text().splitlines() == ['"account"', '"a01"', '"a02"']
    assert Path("t.csv").exists()
    assert Path("t.parquet").exists()


def test_a_mistake_below_is_one_line_and_writes_nothing(below: Below) -> None:
    result = invoke("wall", "first", "--asset", "ETHH", "--shock", "-5%", "--csv", "t.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "delever: wall: unknown asset: 'ETHH'; did you mean ETH?\n"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(("level", "code"), [("warning", 0), ("error", 2)])
def test_check_fails_on_errors_after_printing_all(below: Below, level: str, code: int) -> None:
    below.level = level
    result = invoke("check", "first")
    assert result.exit_code == code
    assert "look" in result.stdout
