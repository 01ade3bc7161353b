"""`delever shell`: the command line's words about a world that stays, kept runs, mistakes in a line, a file that reads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import delever as dl
from delever import templates
from delever.cli import shell as module
from delever.cli.main import app
from delever.model.errors import InputError
from delever.model.save import yaml_of
from delever.model.world import World
from delever.run import stress as running
from delever.run.store import describe

ROOT = Path(__file__).resolve().parents[2]
FEW = ["--set", "scenario.paths=4"]
THRESHOLD = "protocols.aave.parameters.WBTC.liquidation_threshold"


def session(*lines: str, code: int = 0) -> list[dict[str, Any]]:
    """Answers to lines, as JSON."""
    result = CliRunner().invoke(app, ["shell", "first", *FEW, "--json"], input="\n".join(lines))
    assert result.exit_code == code, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """The worlds that are run, in order."""
    made: list[World] = []

    def counted(model: Any, *rest: Any) -> Any:
        made.append(model.world)
        return chunks(model, *rest)

    chunks = running.run_chunks
    monkeypatch.setattr(running, "run_chunks", counted)
    return made


def test_a_what_if_is_what_the_command_line_says_of_it() -> None:
    (found,) = session("what WBTC threshold +3 points --threads 1")
    typed = CliRunner().invoke(app, ["compare", "first", *("--base", "scenario.paths=4"), "--what", "WBTC threshold +3 points",
                                     "--threads", "1", "--json"])
    assert found == {"line": "what WBTC threshold +3 points --threads 1", "answer": json.loads(typed.stdout)}


def test_a_run_of_the_world_is_kept_until_the_world_changes(runs: list[World]) -> None:
    session("what WBTC threshold +3 points --threads 1", "what ETH threshold -2 points --threads 1",
            "set actors.borrowers.attentive 50 %", "what WBTC threshold +3 points --threads 1")
    attentive = [world.actors["borrowers"].attentive for world in runs]  # type: ignore[attr-defined]
    assert attentive == [0.3, 0.3, 0.3, 0.5, 0.5]  # baseline and two what-ifs; a new baseline and one


def test_a_wall_is_spoken() -> None:
    spoken, typed = session("wall ETH -30%", "wall --asset ETH --shock -30%")
    assert spoken["answer"]["totals"] == typed["answer"]["totals"]
    assert spoken["answer"]["totals"][0]["accounts"] > 0


def test_changes_are_shown_and_taken_back_one_by_one() -> None:
    one = {"field": "actors.borrowers.attentive", "before": "30 %", "after": "50 %"}
    two = {"field": THRESHOLD, "before": "78 %", "after": "81 %"}
    said = [found["answer"] for found in session("set actors.borrowers.attentive 50 %", f"set {THRESHOLD}=+3 points", "show",
                                                 "undo", f"show {THRESHOLD}", "undo", "show")]
    assert said == [[one], [two], [two, one], [one], [{"field": THRESHOLD, "value": "78 %"}], [], []]


@pytest.mark.parametrize(("line", "error"), [
    ("chekc", "delever: shell: unknown command: 'chekc'; did you mean check?"),
    ("undo", "delever: undo: there is no change to take back; set FIELD VALUE makes one"),
    ("set actors.borrowers.attentive 150 %", "delever: --set actors.borrowers.attentive is 150 %; it is a share, from 0 to 1"),
    ("set scenario.paths", "delever: set: names no value: 'scenario.paths'; write set actors.borrowers.attentive 50 %"),
    ("show scenario.pahts", "delever: show: unknown field: 'scenario.pahts'; did you mean scenario.paths?"),
    ("wall ETH", "delever: shock: names no asset and its move: 'ETH'; write \"ETH -30 %, WBTC -20 %\""),
    ("check --banana", "delever: No such option: --banana"),
    ("what \"WBTC threshold", "delever: what cannot be read: '\"WBTC threshold'; no closing quotation: close the quotes"),
    ("save world.txt", "delever: output file cannot be written: 'world.txt'; end its name in .yaml or .yml"),
    ("save", "delever: save: names no file; write save other.yaml"),
    ("save 'other.yaml", "delever: save cannot be read: \"'other.yaml\"; no closing quotation: close the quotes"),
    ("shell first", "delever: shell: unknown command: 'shell'; ")])
def test_a_mistake_is_a_line_and_the_session_goes_on(line: str, error: str) -> None:
    found = session(line, "", "# a remark", "show", "quit", "show", code=2)
    assert found[0]["error"].startswith(error)
    assert found[1:] == [{"line": "show", "answer": []}]


def test_tables_are_for_people_and_help_knows_every_word() -> None:
    lines = "wall ETH -30%\nhelp\nhelp compare\nset scenario.paths 5\nundo\n"
    result = CliRunner().invoke(app, ["shell", "first", *FEW], input=lines)
    assert result.exit_code == 0
    for said in ("Liquidation wall of first: ETH -30%", "undo ", "sweep ", "--owners", "scenario.paths: 4 -> 5", "no change"):
        assert said in result.stdout


def test_words_and_fields_are_completed() -> None:
    shell = module.Shell(module.typer.main.get_command(app), module.Warm("first", dl.load(dl.example("first"))), False,
                         module.sys.stdin)
    assert shell.completenames("s") == ["save", "set", "show", "solvency", "stress", "sweep"]
    assert shell.completedefault("protocols.aave.parameters.WBTC.liq") == [THRESHOLD]


# --- what reads back, and runs that stand ---------------------------------------------------------------------


@pytest.mark.parametrize("source", ["first", "lending", "perps", "both", "sound", "spiral"])
def test_a_world_that_is_saved_reads_back_as_the_same(source: str, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    if source in ("lending", "perps", "both"):
        for name, content in templates.files(source).items():
            (here / name).write_text(content)
        world = dl.load(here)
    else:
        world = dl.load(dl.example("first") if source == "first" else ROOT / "examples" / "stablecoins" / f"{source}.yaml")
    (elsewhere / "world.yaml").write_text(yaml_of(world, elsewhere))
    (tmp_path / "again.yaml").write_text(yaml_of(dl.load(elsewhere), tmp_path))
    again = dl.load(tmp_path / "again.yaml")
    books = {name: str((world.folder or here) / str(protocol.book)) for name, protocol in world.protocols.items()}
    assert {name: str(protocol.book) for name, protocol in again.protocols.items()} == books
    for name in books:
        again = again.replace(f"protocols.{name}.book", world.protocols[name].book)
    assert describe(again) == describe(world)


def test_who_names_nobody_who_liquidates_saves_nobody(tmp_path: Path) -> None:
    world = dl.load(dl.example("first")).replace("actors", {})
    (tmp_path / "world.yaml").write_text(yaml_of(world, tmp_path))
    assert dl.load(tmp_path).actors == {}


def test_a_book_in_memory_is_not_saved(tmp_path: Path) -> None:
    world = dl.load(dl.example("first"))
    book = dl.Book.from_table(dl.import_book([str((world.folder or tmp_path) / "book.csv")], "lending").table)
    with pytest.raises(InputError, match=r"protocols.aave.book is a book in memory; name the file"):
        yaml_of(world.replace("protocols.aave.book", book), tmp_path)


def test_a_run_that_stands_is_compared_without_another(runs: list[World]) -> None:
    world = dl.load(dl.example("first"), set={"scenario.paths": 4})
    other = world.replace("actors.borrowers.attentive", 0.9)
    run = dl.stress(world, keep=False, threads=1)
    assert dl.compare(run, other, threads=1).differences.equals(dl.compare(world, other, threads=1).differences)
    over = {"actors.borrowers.attentive": ["10 %", "90 %"]}
    assert dl.sweep(run, over, threads=1).table.equals(dl.sweep(world, over, threads=1).table)
    assert len(runs) == 1 + 1 + 2 + 2 + 3
