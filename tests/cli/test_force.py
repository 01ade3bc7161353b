"""A file that is there already is written over with `--force` alone, whichever command writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.test_systemic import BALANCES, DEBTS, MEANS
from delever import templates
from delever.cli.main import app

WALL = ["wall", "first", "--asset", "ETH", "--shock", "-40%..0% by 20%"]
BRIEF = ["--paths", "2", "--threads", "1"]
LOANS = "wallet,token,kind,qty\na,ETH,collateral,5\na,USDC,debt,6000\n"
CRASH = "scenario.events=[{kind: price, change: {ETH: -30 %}}]"
RUN = ["stress", "first", *BRIEF, "--no-concentration", "--no-remainder", "--set", CRASH, "--set", "scenario.horizon=20 min",
       "--outcomes", "--out", "run"]
WRITES = [
    (WALL, "--csv", "w.csv"), (WALL, "--parquet", "w.parquet"), (WALL, "--accounts", "a.csv"), (WALL, "--chart", "w.svg"),
    (WALL, "--positions", "p.csv"),
    (["criticality", "first", "--asset", "ETH", "--shock", "-10%", "--step", "5%"], "--chart", "n.svg"),
    (["compare", "first", *BRIEF, "--what", "ETH threshold -2 points"], "--csv", "c.csv"),
    (["sweep", "first", *BRIEF, "--over", "scenario.prices.volatility.ETH=x1,x2"], "--parquet", "s.parquet"),
    (["deleverage", "balances.csv", "--shock", "bond=-3 %", "--fall", "0 %, 5 %"], "--chart", "d.svg"),
    (["clear", "debts.csv", "means.csv"], "--chart", "c.svg"), (["contagion", "both", "--network"], "--chart", "n.svg"),
    (["replay", "run", "--path", "0"], "--out", "r.parquet"), (["report", "run"], "--out", "r.html"),
    (["loop", "first", "--collateral", "ETH", "--debt", "USDC", "--equity", "10", "--ltv", "70 %"], "--out", "loops.csv"),
    (["solvency", "first"], "--csv", "e.csv"), (["limits", "first"], "--csv", "l.csv"),
    (["heatmap", "both", "--asset", "BTC"], "--chart", "h.svg"),
    (["attribute", "run"], "--chart", "a.svg"), (["outcomes", "run"], "--csv", "o.csv"),
    (["change", "run", "run"], "--chart", "why.svg"), (["import", "loans.csv", "--as", "lending"], "--out", "book.csv"),
]


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("force")
    for name, text in (("balances.csv", BALANCES), ("debts.csv", DEBTS), ("means.csv", MEANS), ("loans.csv", LOANS)):
        (place / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert typed(*RUN)[0] == 0
        assert typed("init", "both", "--lending", "--perps")[0] == 0
    return place


@pytest.mark.parametrize(("words", "option", "name"), WRITES, ids=lambda value: value[0] if isinstance(value, list) else value)
def test_what_is_there_is_kept_unless_forced(words: list[str], option: str, name: str, folder: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    target = folder / name
    target.write_text("mine")
    code, said = typed(*words, option, name)
    assert (code, target.read_text()) == (2, "mine")
    assert f"is there already: '{name}'; name another file, or write over it with --force" in said and said.count("\n") == 1
    assert typed(*words, option, name, "--force")[0] == 0
    assert target.read_bytes() != b"mine"
    target.unlink()


def test_a_link_that_leads_nowhere_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "to.csv").symlink_to("nowhere.csv")
    assert typed("import", "loans.csv", "--as", "lending", "--out", "to.csv")[0] == 2
    assert not (folder / "nowhere.csv").exists()


def test_what_init_left_is_there_for_being_written_over_until_somebody_changes_it(folder: Path,
                                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = ("import", "loans.csv", "--as", "lending", "--out", "mine/book.csv")
    assert typed("init", "mine", "--lending")[0] == 0
    assert typed(*words)[0] == 0
    own = (folder / "mine" / "book.csv").read_text()
    assert "001" not in own and typed(*words)[0] == 2  # now it is a book of one's own
    assert (folder / "mine" / "book.csv").read_text() == own != templates.files("lending")["book.csv"]


def test_a_shell_keeps_what_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "w.yaml").write_text("mine")
    kept = CliRunner().invoke(app, ["shell", "first"], input="save w.yaml\n")
    assert "is there already" in kept.stderr and (folder / "w.yaml").read_text() == "mine"
    CliRunner().invoke(app, ["shell", "first"], input="save w.yaml --force\n")
    assert "assets" in (folder / "w.yaml").read_text()


def test_what_is_fetched_is_not_fetched_where_it_cannot_be_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "kept.json").write_text("mine")
    monkeypatch.setattr("delever.ingest.ccxt_fetch.fetch", lambda *_: pytest.fail("was asked"))
    assert "--save is there already" in typed("import", "--exchange", "okx", "--as", "perps", "--save", "kept.json")[1]


def test_every_command_that_writes_files_can_be_forced() -> None:
    for name, command in get_command(app).commands.items():
        of_files = [one.name for one in command.params if getattr(one, "metavar", None) == "FILE"]
        assert not of_files or "--force" in {text for one in command.params for text in one.opts}, name
