"""The command line: options reach the world, mistakes are one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from delever import examples
from delever.cli import options
from delever.cli.main import app
from delever.model.errors import InputError


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", [[], ["stress"], ["wall"], ["criticality"], ["passage"], ["check"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_version_is_the_packages() -> None:
    from delever import __version__

    assert invoke("--version").output == f"delever {__version__}\n"


def test_settings_are_split_at_the_first_equals_sign() -> None:
    assert options.parse_settings(["actors.liquidators.rule=always", "a.b = x=y"]) == {
        "actors.liquidators.rule": "always",
        "a.b": "x=y",
    }


@pytest.mark.parametrize(("text", "size"), [("2 GiB", 2.0), ("512MiB", 0.5), ("1,024 MiB", 1.0), ("0.5 TiB", 512.0)])
def test_memory_is_read_with_its_unit(text: str, size: float) -> None:
    assert options.parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "-1 GiB", "2 GiBi", "lots", "0 GiB", "2"])
def test_memory_without_a_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="2 GiB"):
        options.parse_memory(text)


def test_traced_paths_are_sorted_and_unique() -> None:
    assert options.parse_paths("17, 0,17") == [0, 17]


@pytest.mark.parametrize("text", ["", "-1", "1;2", "x"])
def test_traced_paths_must_be_numbers(text: str) -> None:
    with pytest.raises(InputError, match="path numbers"):
        options.parse_paths(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["stress", "first", "--set", "actors.liquidators.rule"],
        ["stress", "first", "--set", "=always"],
        ["check", "first", "--set", "actors.liquidators.rule="],
        ["wall", "first", "--asset", "ETH", "--shock", "-5%", "--accounts", "accounts.xlsx"],
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("delever: ")
    assert result.stderr.count("\n") == 1


def test_a_mistake_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), options.user_errors():
        raise ZeroDivisionError


def test_an_embedded_world_is_found_by_name_and_a_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert options.world_file("first") == examples.example("first")
    (tmp_path / "first").mkdir()
    assert options.world_file("first") == Path("first")


def test_an_unknown_embedded_world_is_answered_with_the_known() -> None:
    with pytest.raises(KeyError, match="first"):
        examples.example("second")


def test_check_of_the_embedded_world_has_no_error() -> None:
    result = invoke("check", "first", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {row["asset"] for row in found["prices"]} >= {"ETH", "WBTC", "USDC"}


def test_wall_of_the_embedded_world_grows_with_the_shock(tmp_path: Path) -> None:
    rows = {}
    for shock in ("-5%", "-40%"):
        file = tmp_path / f"accounts{shock}.csv"
        result = invoke("wall", "first", "--asset", "ETH", "--shock", shock, "--accounts", str(file), "--json")
        assert result.exit_code == 0, result.output
        rows[shock] = len(file.read_text().splitlines())
    assert rows["-40%"] > rows["-5%"]


def test_stress_leaves_a_summary_and_resumes(tmp_path: Path) -> None:
    command = ["stress", "first", "--paths", "4", "--out", str(tmp_path / "run"), "--json"]
    first = invoke(*command)
    assert first.exit_code == 0, first.output
    assert (tmp_path / "run" / "summary.md").read_text().startswith("# Stress test of first")
    assert json.loads(first.stdout)["paths"] == 4
    assert json.loads(invoke(*command).stdout)["figures"] == json.loads(first.stdout)["figures"]


@pytest.mark.parametrize(
    "setting", ["scenario.paths=0", "scenario.pathz=3", "protocols.aave.parameters.ETH.incentive=5"]
)
def test_a_bad_setting_writes_nothing(tmp_path: Path, setting: str) -> None:
    result = invoke("stress", "first", "--set", setting, "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


SMALL = ("--paths", "2", "--no-concentration", "--no-remainder")


def test_strict_ends_a_run_with_its_own_code_and_the_list(elsewhere: Path) -> None:
    low = ("stress", "first", *SMALL, "--set", "scenario.events=[{kind: order, order: sell 5 ETH, fee: 1}]", "--json")
    loose, strict = invoke(*low), invoke(*low, "--strict")
    assert (loose.exit_code, strict.exit_code) == (0, 3)
    said = json.loads(strict.stdout)
    assert [one["code"] for one in said["findings"] if one["level"] != "ok"] == ["order.never_ran"]
    assert [row["done"] for row in said["asked"] if row["where"] == "scenario.events.0"] == [0.0]
    assert "delever: --strict: 1 warning: order.never_ran (scenario.events.0)\n" in strict.stderr
    assert "order.never_ran" in (Path(said["folder"]) / "summary.md").read_text()


def test_an_order_of_the_command_line_runs_where_the_base_fee_is_above_the_usual_bid(elsewhere: Path) -> None:
    """The embedded world's base fee is 25 gwei, above the 20 that an order bids elsewhere."""
    result = invoke("stress", "first", *SMALL, "--order", "sell 5 ETH", "--json", "--strict")
    assert result.exit_code == 0, result.stderr
    rows = [row for row in json.loads(result.stdout)["asked"] if row["kind"] == "order"]
    assert [(row["asked"], row["done"], row["unit"]) for row in rows] == [(5.0, 5.0, "ETH")]


def test_strict_checks_and_walls_say_which_warnings(elsewhere: Path) -> None:
    check = invoke("check", "first", "--strict")
    assert (check.exit_code, check.stderr) == (3, "delever: --strict: 1 warning: market.no_venue (USDC/USD)\n")
    assert invoke("wall", "first", "--asset", "ETH", "--shock", "-5%", "--strict").exit_code == 0
    blind = invoke("wall", "first", "--asset", "USDC", "--shock", "-5%", "--strict")
    assert (blind.exit_code, blind.stderr) == (3, "delever: --strict: 1 warning: shock.no_effect (--shock)\n")
    assert "prices that follow USDC [shock.no_effect]" in blind.stdout


def test_a_variant_without_effect_is_a_warning_and_a_value_of_a_sweep_that_is_the_worlds_own_is_not(elsewhere: Path) -> None:
    fast = ("first", "--paths", "2", "--strict")
    same = invoke("compare", *fast, "--what", "idle", "--set", "protocols.aave.parameters.USDC.supply_cap=1bn")
    assert same.exit_code == 3
    assert "variant.no_effect (idle)" in same.stderr
    assert invoke("sweep", *fast, "--over", "scenario.prices.volatility.ETH=80 %,120 %").exit_code == 0
    idle = invoke("sweep", *fast, "--over", "protocols.aave.parameters.USDC.supply_cap=1bn,2bn")
    assert idle.exit_code == 3
    assert idle.stderr.count("variant.no_effect") == 2


@pytest.mark.parametrize("command", [("check", "first", "--set"), ("stress", "first", "--set"), ("compare", "first", "--base")])
def test_what_is_set_twice_is_refused(command: tuple[str, ...]) -> None:
    result = invoke(*command, "scenario.seed=1", command[-1], " scenario.seed =2")
    assert result.exit_code == 2
    assert result.stderr == f"delever: {command[-1]} is set twice: 'scenario.seed'; keep one\n"
