"""Every JSON document has the keys that docs/json.md lists, no other ones, and each of them somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.test_systemic import BALANCES, DEBTS, MEANS
from delever import templates
from delever.analysis import check
from delever.cli.main import app
from delever.model.book import ACCOUNTS
from delever.model.world import World
from delever.report import check_json, json_document
from ingest.test_lending_answers import subgraph
from run.small import loan, one_market

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text()
Key = tuple[str, ...]
BRIEF = ("--no-concentration", "--no-remainder", "--paths", "2")
THIN = ("--set", "venues.eth_pool.reserves={ETH: 1000, USD: 2.5m}",  # one sale leads to another
        "--set", "scenario.events=[{kind: price, change: {ETH: -15 %}}]", "--set", "scenario.horizon=20 min")
IDLE = "scenario.events=[{kind: order, order: sell 1 ETH, fee: 0.01 gwei}]"  # it never runs
LOANS = "Wallet,Token,Type,Balance,Value USD\n007,ETH,supply,5,1\n007,USDC,borrow,6000,1\n"


def documented(section: str) -> set[Key]:
    """Keys of the table under a heading; NAME stands for any."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    keys = [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ") and not row.startswith("| key ")]
    return {tuple(key.replace("[]", ".[]").split(".")) for key in keys}


@cache
def keys_of(command: str) -> frozenset[Key]:
    """All that a document of a command may have."""
    own = documented(f"delever {command}")
    shared = set().union(*(documented(name) for name in ("findings", "asked") if (name,) in own))
    return frozenset(own | shared | documented("All commands"))


def found_in(value: Any, path: Key = ()) -> Iterator[Key]:
    """Paths to what is no object and no list that has something in it."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from found_in(inner, (*path, key))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from found_in(inner, (*path, "[]"))
    else:
        yield path


def fits(path: Key, key: Key) -> bool:
    """Whether a path is the one that a key means, or, of what is empty or null, leads to it; rows of any kind end one."""
    empty = len(path) < len(key) or key[-1] in ("findings", "asked") or key == ("remainder", "NAME")
    return all(want in (there, "NAME") for there, want in zip(path, key, strict=False)) and (len(path) == len(key) or empty)


def held(command: str, *documents: Any) -> None:
    """All documents of a command have only documented keys, and together all of them."""
    known = keys_of(command)
    paths = {path for document in documents for path in found_in(document)}
    assert [".".join(path) for path in paths if not any(fits(path, key) for key in known)] == []
    whole = {key for key in known for path in paths if len(path) >= len(key) and fits(path, key)}
    assert [".".join(key) for key in known - whole] == []
    for document in documents:
        assert document["schema"] == f"delever.{command}/1"
        assert re.fullmatch(r"\d+\.\d+\.\d+", document["version"])


def typed(*words: str) -> Any:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def both(elsewhere: Path) -> str:
    """Lending and perps; part of a collateral is not known; whoever falls short is shared at once."""
    folder = elsewhere / "both"
    folder.mkdir()
    for name, content in templates.files("both").items():
        (folder / name).write_text(content)
    book = (folder / "book.csv").read_text().splitlines()
    rows = [f"{book[0]},label,liquidation_threshold", *(f"{row},," for row in book[1:])]
    rows.append("001,alice,REST,collateral,1,remainder,0.5")
    (folder / "book.csv").write_text("\n".join(rows) + "\n")
    world = (folder / "world.yaml").read_text().replace("start: {USD: 100_000}", "start: {USD: 1}")
    world = world.replace("assets: ", "assets:\n  REST: {price: 100 USD, seizable: false}  ")
    (folder / "world.yaml").write_text(world.replace("BTC: -15 %, ETH: -20 %", "BTC: -60 %, ETH: -60 %"))
    return str(folder)


def test_check(both: str) -> None:
    world = one_market(loan("a", 10.0, 1_000.0))
    book: Any = world.protocols["pool"].book
    totals = {"protocol": "pool", "account": "a", "emode": 0, "reported_collateral": 10_000.0, "reported_debt": 1_000.0,
              "reported_threshold": 0.85, "reported_health": 8.5, "unit": "USD"}
    reported: World = world.replace("protocols.pool.book", type(book)(book.legs, ACCOUNTS.empty_table().from_pylist(
        [totals], schema=ACCOUNTS)))
    held("check", typed("check", "first"), typed("check", both),
         json.loads(json_document("check", check_json("it", check(reported), reported.as_of))))


def test_stress(both: str) -> None:
    held("stress", typed("stress", both, "--paths", "2", "--outcomes"),
         typed("stress", "first", *BRIEF, "--order", "sell N ETH", "--find-critical", *THIN))


def test_wall(both: str) -> None:
    held("wall", typed("wall", both, "--asset", "ETH", "--shock", "-60%"),
         typed("wall", "first", "--asset", "USDC", "--shock", "-5%"), typed("wall", "first", "--shock", "FTX"))


def test_what_ifs(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delever.analysis.comparison.RESAMPLES", 2)
    field = "protocols.aave.parameters.ETH.liquidation_threshold"
    held("compare", typed("compare", "first", "--paths", "2", "--set", f"{field}=-3 points"))
    held("sweep", typed("sweep", "first", "--paths", "2", "--over", f"{field}=-3 points,+3 points"))


def test_contagion(both: str) -> None:
    held("contagion", typed("contagion", both, "--paths", "2", "--set", IDLE))
    held("network", typed("contagion", both, "--network"), typed("contagion", both, "--network", "--shock", "USDC -5 %"))


def test_import(elsewhere: Path) -> None:
    Path("loans.csv").write_text(LOANS)
    Path("answer.json").write_text(json.dumps(subgraph()))
    held("import", typed("import", "loans.csv", "--as", "lending", "--total", "debt=6000"),
         typed("import", "answer.json", "--as", "lending"))


def test_replay(elsewhere: Path) -> None:
    typed("stress", "first", *BRIEF, "--out", "run")
    typed("stress", "first", *BRIEF, "--set", IDLE, "--out", "idle")
    held("replay", typed("replay", "run", "--path", "0"), typed("replay", "idle", "--path", "0"))


def test_what_a_run_says_beside_its_figures(both: str) -> None:
    typed("stress", both, "--paths", "2", "--no-concentration", "--no-remainder", "--out", "run")
    held("attribute", typed("attribute", "run"))
    held("report", typed("report", "run"))
    held("twin", typed("twin", "run"))


def test_outcomes_and_why_they_changed(both: str) -> None:
    quick = ("--paths", "2", "--no-concentration", "--no-remainder")
    typed("stress", both, *quick, "--outcomes", "--out", "run")
    typed("stress", both, *quick, "--outcomes", "--out", "run2", "--set", "assets.ETH.price=-10 %")
    held("outcomes", typed("outcomes", "run"))
    found = typed("change", "run", "run2")
    assert found["notes"] == []
    held("change", {**found, "notes": ["somewhat"]})


def test_where_selling_feeds_on_itself(both: str) -> None:
    thin = ("--set", "venues.eth_pool.reserves={ETH: 10_000, USD: 25m}")
    held("criticality", typed("criticality", both, "--asset", "ETH", "--step", "10%"),
         typed("criticality", "first", *thin, "--asset", "ETH", "--shock", "-20%", "--step", "2%"),
         typed("criticality", "first", "--shock", "factor ETH -20 %", "--step", "10%"),
         typed("criticality", "first", "--shock", "ETH -10 %, USDC -1 %"))


def test_what_collateral_would_fetch(both: str) -> None:
    held("solvency", typed("solvency", both, "--shock", "all -60 %"))


def test_a_recursive_position(elsewhere: Path) -> None:
    words = ("--collateral", "ETH", "--debt", "USDC", "--equity", "100", "--ltv", "70 %")
    held("loop", typed("loop", "first", *words, "--rounds", "3"))


def test_a_heat_map(both: str) -> None:
    held("heatmap", typed("heatmap", both, "--asset", "BTC", "--levels", "6", "--times", "2"))


def test_limits(both: str) -> None:
    held("limits", typed("limits", both))


def test_what_breaks_a_limit(elsewhere: Path) -> None:
    calm = ("--set", "scenario.events=[]", "--set", "scenario.horizon=20 min", "--paths", "2")
    held("reverse", typed("reverse", "first", *calm, "--limit", "liquidations > 0.5", "--by", "order ETH, oracle eth_usd"),
         typed("reverse", "first", *calm, "--limit", "seized.aave.USDC < 1", "--by", "order ETH"),
         typed("reverse", "first", *calm, "--limit", "repaid.aave.USDC > 20m", "--by", "shock ETH"))


def test_far_tails(elsewhere: Path) -> None:
    """Every path of a crash loses, so that 500 have a tail."""
    crash = ("--set", "scenario.events=[{kind: price, change: {ETH: -50 %}}]", "--set", "scenario.horizon=20 min")
    typed("stress", "first", "--no-concentration", "--no-remainder", "--paths", "500", *crash, "--out", "run")
    held("tails", typed("tails", "run"))


def test_first_passage(both: str) -> None:
    held("passage", typed("passage", both, "--no-events", "--paths", "4"),
         typed("passage", "first", "--paths", "4", "--asset", "ETH", "--horizon", "8 h"))


def test_balance_sheets(elsewhere: Path) -> None:
    for name, text in (("balances.csv", BALANCES), ("debts.csv", DEBTS), ("means.csv", MEANS)):
        Path(name).write_text(text)
    held("deleverage", typed("deleverage", "balances.csv", "--shock", "bond=-3 %"))
    held("clear", typed("clear", "debts.csv", "means.csv"))


def test_monitor(elsewhere: Path) -> None:
    held("monitor", typed("monitor", "first", "--once"))


def test_explain(elsewhere: Path) -> None:
    held("explain", typed("explain", "evar"), typed("explain", "liquidators"))


def test_every_command_that_prints_json_is_documented() -> None:
    headings = set(re.findall(r"^## delever (\w+)$", PAGE, re.MULTILINE))
    names = {str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback}
    assert headings == names - {"init", "serve"} | {"network"}
