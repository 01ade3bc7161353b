"""One path played again: the same figures, transaction by transaction, and what led to what."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import delever as dl
from delever import templates, worlds
from delever.cli.main import app
from delever.model.errors import InputError
from delever.model.schema import MODEL
from delever.model.spec import Spec
from delever.run import outcomes
from delever.run.replay import replay
from delever.run.store import describe
from delever.run.stress import open_run, stress
from delever.worlds import load
from run.exchange_small import exchange
from run.small import everything, fall, loan, one_market, unlike


def rows_of(table: object, **wanted: str) -> list[dict[str, object]]:
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in wanted.items())]  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_a_replayed_path_counts_what_the_run_counted(mode: str) -> None:
    run = stress(everything(mode, paths=3), keep=False, threads=1)
    for path in range(3):
        found, row = replay(run, path), run.paths.slice(path, 1).to_pylist()[0]
        done = rows_of(found, outcome="executed")
        for protocol in run.world.protocols:
            assert sum(r["kind"] == "liquidation" and r["protocol"] == protocol for r in done) == row[f"liquidations.{protocol}"]
            assert sum(r["kind"] == "top_up" and r["protocol"] == protocol for r in done) == row[f"top_ups.{protocol}"]
        assert sum(r["kind"] == "oracle" for r in done) == row["oracle_answers"] > 0
        assert len(rows_of(found, outcome="reverted")) == row["reverted"]
        numbers = [r["number"] for r in found.to_pylist() if r["number"] is not None]
        assert numbers == list(range(1, len(numbers) + 1))  # in the order included, none left out
        assert all(r["cause"] is None or r["cause"] < r["number"] for r in found.to_pylist() if r["number"] is not None)


def test_a_liquidation_in_the_block_after_a_sale_was_caused_by_it() -> None:
    """The first fall is the outside's; the second loan falls by what selling the first one's collateral did to the price."""
    makers = {"kind": "log_linear", "pair": "ETH/USD", "depth": 100, "half_life": "1 d"}
    world = one_market([*loan("first", 10.0, 8000.0), *loan("second", 1.0, 795.0)], venues={"makers": makers},
                       execution={"rounds": 4}, scenario={"horizon": 60, "events": [fall(0.06)]})
    found = rows_of(dl.replay(stress(world, keep=False), 0), kind="liquidation", outcome="executed")
    second = next(r for r in found if r["about"] == "second")
    assert (found[0]["about"], found[0]["cause"], second["cause"]) == ("first", None, found[0]["number"])
    assert found[0]["gives"] == "USD" and found[0]["gets"] == "ETH" and found[0]["actor"] == "liquidators"


def test_what_nobody_took_is_shown_where_it_is_asked_for() -> None:
    world = one_market(loan("dust", 1e-6, 8.6e-4), networks={"chain": {"block_time": 60, "room": 3, "base_fee": 50}},
                       liquidators={"rule": "profitable"}, scenario={"horizon": 120})
    run = stress(world, keep=False)
    assert replay(run, 0).num_rows == 0
    assert {row["outcome"] for row in replay(run, 0, declined=True).to_pylist()} == {"declined"}


def test_calls_of_an_exchange_and_deleveraged_positions_are_rows() -> None:
    run = stress(exchange(), keep=False, threads=1)
    path = int(run.adl["path"][0].as_py()) if run.adl.num_rows else 0
    found = replay(run, path)
    deleveraged = rows_of(found, kind="adl")
    assert len(deleveraged) == pc.sum(pc.equal(run.adl["path"], path)).as_py()
    assert sum(r["kept"] for r in deleveraged) == pytest.approx(  # type: ignore[misc]
        sum(h for h, p in zip(run.adl["haircut"].to_pylist(), run.adl["path"].to_pylist(), strict=True) if p == path))
    assert rows_of(found, kind="call")


def test_calls_of_an_exchange_say_their_mark_and_what_led_to_them() -> None:
    """Every `because` is an earlier event of the same step; winners are closed because of a call of their perp in the block."""
    run = stress(exchange(), keep=False, threads=1)
    chained = 0
    for path in range(run.paths.num_rows):
        rows = replay(run, path).to_pylist()
        assert [row["event"] for row in rows] == list(range(1, len(rows) + 1))
        for row in rows:
            before = rows[row["because"] - 1] if row["because"] else None
            if before is not None:
                assert before["event"] < row["event"] and before["step"] == row["step"]
                chained += row["kind"] == "call"
            if row["kind"] in ("call", "adl"):
                assert row["price"] > 0.0 and row["usd"] >= 0.0 and row["actor"] == "engine"
            if row["kind"] == "adl":
                assert before is not None and before["kind"] == "call" and row["gives"] in (before["gives"], before["gets"])
                assert before["block"] == row["block"]
    assert chained > 0


def test_what_layers_bore_on_a_path_stands_in_its_rows() -> None:
    run = stress(exchange(), keep=False, threads=1)
    layers = [one.removesuffix(".perps") for one in run.paths.column_names
              if one in ("insurance_fund.perps", "backstop.perps", "socialised_loss.perps")]
    assert layers
    bore = 0.0
    for path in range(run.paths.num_rows):
        rows, told = replay(run, path).to_pylist(), run.paths.slice(path, 1).to_pylist()[0]
        for layer in layers:
            mine = [row for row in rows if row["kind"] == layer]
            assert sum(row["usd"] for row in mine) == pytest.approx(told[f"{layer}.perps"], abs=1e-6)
            dry = [row["time"] for row in mine if row["outcome"] == "ran dry"]
            assert dry == ([] if math.isnan(told[f"{layer}_dry.perps"]) else [told[f"{layer}_dry.perps"]])
            bore += told[f"{layer}.perps"]
    assert bore > 0.0


def test_an_answer_says_its_price_and_a_liquidation_its_worth() -> None:
    run = stress(everything(paths=2), keep=False, threads=1)
    for row in replay(run, 0).to_pylist():
        if row["kind"] == "oracle":
            assert 0.5 < row["price"] / (2000.0 if row["about"] == "eth_usd" else 0.99) < 2.0
        if row["kind"] == "liquidation" and row["outcome"] == "executed":
            assert row["price"] > 0.0 and row["usd"] > 0.0


def test_the_command_replays_a_folder_and_writes_all_of_it(elsewhere: Path) -> None:
    stress(dl.load(dl.example("first"), set={"scenario.paths": 3, "scenario.horizon": "7 h"}), out="run", threads=1)
    done = CliRunner().invoke(app, ["replay", "run", "--path", "1"], catch_exceptions=False)
    assert done.exit_code == 0 and "Path 1 of run" in done.output
    written = pq.read_table("run/replay-1.parquet")
    assert written.num_rows > 0 and written.schema.field("bid").metadata == {b"unit": b"gwei"}
    again = CliRunner().invoke(app, ["replay", "run", "--path", "1", "--json", "--out", "all.parquet"], catch_exceptions=False)
    assert again.exit_code == 0 and pq.read_table("all.parquet") == written
    wrong = CliRunner().invoke(app, ["replay", "run", "--path", "3"])
    assert wrong.exit_code != 0 and "paths are numbered 0 to 2" in wrong.output


def test_what_is_no_run_or_has_changed_is_one_line(elsewhere: Path) -> None:
    with pytest.raises(InputError, match="is no run"):
        replay("nowhere", 0)
    world = one_market(loan("a", 1.0, 800.0))
    stress(world, out="memory")
    with pytest.raises(InputError, match="has a book that was in memory"):
        replay("memory", 0)


def test_a_run_with_a_table_that_has_changed_is_not_replayed(elsewhere: Path) -> None:
    run = stress(dl.load(dl.example("first"), set={"scenario.paths": 1, "scenario.horizon": "7 h"}), out="run")
    pq.write_table(run.paths.slice(1), "run/paths.parquet")
    with pytest.raises(InputError, match=r"run/paths\.parquet has changed since the run"):
        replay("run", 0)
    Path("link").symlink_to("run")
    with pytest.raises(InputError, match="link is a symbolic link, and none is followed; name the folder of a run"):
        replay("link", 0)


def test_a_replay_that_cannot_be_written_is_one_line(elsewhere: Path) -> None:
    run = stress(dl.load(dl.example("first"), set={"scenario.paths": 1, "scenario.horizon": "7 h"}), out="run")
    (Path("run") / "replay-0.parquet").mkdir()
    for words, said in ((["replay", "run", "--path", "0"], "replay-0.parquet cannot be written: 'Is a directory'"),
                        (["replay", "run", "--path", "0", "--out", "no/such.parquet"], "make the folder no first"),
                        (["replay", "run", "--path", "0", "--out", "all.csv"], "end its name in .parquet")):
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, done.stdout) == (2, "") and said in done.stderr and done.stderr.count("\n") == 1
    assert run.folder is not None and sorted(path.name for path in run.folder.iterdir()) == [
        "history.parquet", "manifest.json", "paths.parquet", "prices.parquet", "replay-0.parquet", "summary.parquet",
        "trace.parquet"]


def test_a_path_that_makes_value_is_written_down(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "LIMIT", -1.0)  # so that every path breaks it
    world = one_market(loan("a", 10.0, 8000.0), scenario={"horizon": 120, "events": [fall(0.1)]})
    with pytest.raises(outcomes.ConservationError, match=r"every transaction of the path stands in run/replay-0\.parquet"):
        stress(world, out="run", threads=1)
    assert pq.read_table("run/replay-0.parquet")["kind"].to_pylist() == ["liquidation"]


def test_a_run_of_exchanges_is_opened_from_its_folder(tmp_path: Path) -> None:
    """All that a world states by default can be written and read again: no number without end stands in it."""
    shutil.copytree(Path(templates.__path__[0]) / "both", tmp_path / "world")
    world = load(tmp_path / "world").replace("scenario.paths", 2)
    run = stress(world, tmp_path / "run")
    again = open_run(tmp_path / "run")
    assert unlike(again.paths, run.paths) == [] and unlike(again.summary, run.summary) == []
    assert describe(again.world) == describe(world)


def test_no_default_is_infinite_so_that_a_manifest_can_be_read_again() -> None:
    """A quantity is finite where it is stated: what a folder says of its world must be such that it may be stated."""
    specs = {*MODEL, *(spec for role in worlds.ROLES for spec in worlds.kinds(role).values())}
    held = [value for spec in specs for info in spec.model_fields.values() if isinstance(info.default, tuple)
            for value in info.default]
    specs |= {type(value) for value in held if isinstance(value, Spec)}
    assert [f"{spec.__name__}.{name}" for spec in specs for name, info in spec.model_fields.items()
            if isinstance(info.default, float) and not math.isfinite(info.default)] == []


def test_a_run_of_an_exchange_is_replayed_from_its_folder(elsewhere: Path) -> None:
    for name, content in templates.files("perps").items():
        Path(name).write_text(content.replace("horizon: 24 h", "horizon: 10 min").replace("at: 6 h", "at: 5 min"))
    run = stress(worlds.load(Path("world.yaml"), {"scenario.paths": "1"}), "run", threads=1)
    assert replay("run", 0).equals(replay(run, 0))
