"""Every command that takes `--set` says what of it came to nothing, and ends with 3 under `--strict`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from delever.cli.main import app

CHEAP = "scenario.events=[{kind: order, order: sell 5 ETH, fee: 0.01 gwei}]"  # below the base fee
SALE = "scenario.events=[{kind: order, order: sell 5 ETH, fee: 40 gwei}]"
SHORT = ("--set", "scenario.horizon=20 min", "--set", "scenario.paths=2")  # behind the events, which would lie beyond it
RUNS = [
    ("stress", "both", "--no-concentration", "--no-remainder", "--threads", "1"), ("contagion", "both"),
    ("compare", "both", "--what", "ETH threshold -2 points"), ("sweep", "both", "--over", "scenario.prices.volatility.ETH=x1,x2"),
]
LOOKS = [("check", "idle"), ("wall", "idle", "--asset", "ETH", "--shock", "-10%"), ("contagion", "idle", "--network"),
         ("criticality", "idle", "--asset", "ETH", "--shock", "-10%", "--step", "5%")]


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("both", "idle"):
            assert typed("init", name, "--lending", "--perps").exit_code == 0
        world = folder / "idle" / "world.yaml"
        world.write_text(world.read_text().replace("assets: ", "assets:\n  NEW: {price: 1 USD}\n#", 1))  # nobody has it


@pytest.fixture(autouse=True)
def there(place: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sorted(tmp_path_factory.getbasetemp().glob("asked*"))[-1])


def settings_of(words: tuple[str, ...], *settings: str) -> list[str]:
    """In compare `--set` behind a variant is the variant's; the world's own is --base."""
    as_typed = ["--base" if word == "--set" and words[0] == "compare" else word for word in settings]
    return [*words[:2], *as_typed, *words[2:]]


@pytest.mark.parametrize("words", RUNS, ids=lambda words: words[0])
def test_an_order_that_never_runs_is_said_by_whatever_runs(words: tuple[str, ...]) -> None:
    done = typed(*settings_of(words, "--set", CHEAP, *SHORT), "--strict", "--json")
    assert done.exit_code == 3
    assert "order.never_ran (scenario.events.0)" in done.stderr
    found = json.loads(done.stdout)
    assert any(row["code"] == "order.never_ran" for row in found["findings"])
    assert any(row["where"] == "scenario.events.0" and row["ran"] == 0.0 for row in found["asked"])


@pytest.mark.parametrize("words", LOOKS, ids=lambda words: " ".join(words[:1] + words[2:3]))
def test_an_asset_that_nobody_has_is_said_by_whatever_looks(words: tuple[str, ...]) -> None:
    done = typed(*words, "--strict", "--json")
    assert done.exit_code == 3 and "asset.unused (assets)" in done.stderr
    found = json.loads(done.stdout)
    assert [row["left"] for row in found["asked"] if row["kind"] == "assets"] == ["NEW"]
    assert any(row["code"] == "asset.unused" and row["value"] == "NEW" for row in found["findings"])


def test_what_is_used_and_runs_is_no_warning_of_contagion_and_its_network() -> None:
    done = typed("contagion", "both", "--set", SALE, *SHORT, "--json", "--strict")
    assert done.exit_code == 0, done.stderr
    row = next(row for row in json.loads(done.stdout)["asked"] if row["where"] == "scenario.events.0")
    assert (row["asked"], row["done"], row["ran"]) == (5.0, 5.0, 1.0)
    assert typed("contagion", "both", "--network", "--strict").exit_code == 0


def test_people_are_shown_what_was_asked_beside_what_was_done() -> None:
    said = typed("contagion", "both", "--set", CHEAP, *SHORT).stdout
    assert "Asked and done" in said and "scenario.events.0" in said and "[order.never_ran]" in said


def test_a_replay_says_what_came_about_on_its_path(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    assert typed("stress", "both", "--set", CHEAP, *SHORT, "--out", run, "--no-concentration", "--no-remainder").exit_code == 0
    done = typed("replay", run, "--path", "1", "--strict")
    assert done.exit_code == 3 and "order.never_ran (scenario.events.0)" in done.stderr
    assert "Asked and done" in done.stdout and "of this path alone" in done.stdout
    found = json.loads(typed("replay", run, "--path", "1", "--json").stdout)
    assert next(row["done"] for row in found["asked"] if row["where"] == "scenario.events.0") == 0.0
