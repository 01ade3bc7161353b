"""What a worker answers, asked in this process: the same as the library's own calls."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

import delever as dl
from delever.analysis import wall as wall_of
from delever.model.errors import InputError
from delever.web.desk import __main__ as loop
from delever.web.desk import books, replays, runs, state, walls
from delever.web.sources import sources_of

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def desk(tmp_path: Path) -> state.Desk:
    found = state.Desk()
    state.look(found, "world", (str(dl.example("first")),), str(tmp_path), 1)
    return found


def test_a_world_is_told_with_its_parameters(desk: state.Desk, tmp_path: Path) -> None:
    told = state.look(desk, "world", (str(dl.example("first")),), str(tmp_path), 1)
    fields = {one["path"]: one for group in told["groups"] for one in group["fields"]}
    assert told["name"] == "first" and told["assets"][0] == "ETH" and told["accounts"] == 40
    assert fields["scenario.prices.volatility.ETH"]["now"] == "80\u00a0%"
    assert fields["venues.eth_pool.half_life"]["now"] == "30\u00a0min"
    assert "profitable" in fields["actors.liquidators.rule"]["options"]
    assert all(one["meaning"] for path, one in fields.items() if path.startswith("actors."))


def test_every_listed_word_can_be_chosen(desk: state.Desk) -> None:
    words = [one for group in state.parameters(desk.loaded) for one in group["fields"] if one["options"]]
    assert words
    for one in words:
        for word in one["options"]:
            changed = [row["field"] for row in state.changes(desk, ((one["path"], word),))]
            assert changed[:1] == [one["path"]] * (word != one["now"])
            assert len(changed) <= 1 or one["path"].endswith("rules.version")  # which brings the terms that it reads


def test_a_change_is_said_and_a_mistake_refused(desk: state.Desk) -> None:
    said = state.changes(desk, (("actors.liquidators.rule", "always"),))
    assert said == [{"field": "actors.liquidators.rule", "before": "profitable", "after": "always"}]
    with pytest.raises(InputError, match="horizon"):
        state.changes(desk, (("scenario.horizon", "1 hr"),))


def test_the_wall_is_the_librarys(desk: state.Desk) -> None:
    settings = (("protocols.aave.parameters.ETH.liquidation_threshold", "-3 points"),)
    world = dl.load(dl.example("first"), set=dict(settings))
    assert walls.wall(desk, settings, "ETH", "-60%..0%", {})["rows"] == wall_of(world, "ETH", "-60%..0%").totals.to_pylist()
    both = wall_of(world, None, {"ETH": -0.3, "WBTC": -0.2})
    told = walls.at(desk, settings, "ETH", -0.3, {"WBTC": -0.2})
    assert told["rows"] == both.totals.to_pylist()
    assert sum(one["usd"] for one in told["accounts"]) == pytest.approx(sum(both.totals["eligible_debt_usd"].to_pylist()))


def test_what_an_account_owes_is_all_of_its_debts(desk: state.Desk) -> None:
    told = walls.at(desk, (), "ETH", -0.4, {})["accounts"]
    assert told == sorted(told, key=lambda one: -one["usd"]) and len({one["account"] for one in told}) == len(told)
    legs = walls.account(desk, (), "aave", told[0]["account"])
    assert sum(leg["value_usd"] for leg in legs if leg["side"] == "debt") == pytest.approx(told[0]["usd"])


def test_few_paths_come_first_and_then_all(desk: state.Desk) -> None:
    parts: list[dict[str, Any]] = []
    desk.part = parts.append
    rule = {"label": "always", "settings": (("actors.liquidators.rule", "always"), ("scenario.paths", "6")), "without": None}
    runs.run(desk, [rule], coarse=4)
    assert [part["paths"] for part in parts] == [4, 6] and parts[1]["labels"] == ["world", "always"]
    world = dl.load(dl.example("first"), set={"scenario.paths": 6})
    both = dl.compare(dl.stress(world, keep=False), world.replace("actors.liquidators.rule", "always"), names=["always"])
    told = {row["figure"]: row["variants"][0] for row in parts[1]["rows"]}
    for row in both.differences.to_pylist():
        assert told[row["figure"]]["difference"] == pytest.approx(row["difference"], nan_ok=True)
        assert told[row["figure"]]["low"] == pytest.approx(row["low"], nan_ok=True)
    rows = replays.transactions(desk, 1, parts[1]["worst"])
    assert rows["of"] and replays.transactions(desk, 1, parts[1]["worst"], rows["kinds"][0])["of"] <= rows["of"]


def test_an_account_that_is_left_out_does_nothing(desk: state.Desk) -> None:
    parts: list[dict[str, Any]] = []
    desk.part = parts.append
    largest = walls.at(desk, (), "ETH", -0.3, {})["accounts"][0]["account"]
    runs.run(desk, [{"label": "yours", "settings": (("scenario.paths", "3"),), "without": ("aave", largest)}], coarse=3)
    row = next(row for row in parts[0]["rows"] if row["figure"].startswith("liquidations"))
    assert row["variants"][0]["value"] < row["base"]
    assert replays.transactions(desk, 1, 0, about=largest)["of"] == 0 < replays.transactions(desk, 0, 0, about=largest)["of"]
    with pytest.raises(InputError, match="not in the book"):
        runs.run(desk, [{"label": "yours", "settings": (("scenario.paths", "3"),), "without": ("aave", "nobody")}], coarse=3)


def test_figures_without_a_run_are_refused(desk: state.Desk) -> None:
    with pytest.raises(InputError, match="run"):
        replays.transactions(desk, 0, 0)


def test_a_book_is_read_with_a_guess_that_can_be_changed(desk: state.Desk, tmp_path: Path) -> None:
    file, out = tmp_path / "loans.csv", tmp_path / "book.parquet"
    file.write_text(f"wallet,token,kind,balance,note\n{SCRIPT},ETH,supply,10,a\n{SCRIPT},USDC,borrow,15000,b\n")
    told = books.read(desk, [str(file)], "lending", "aave", {}, {}, str(out))
    assert dict(told["columns"])["wallet"] == "account" and dict(told["columns"])["note"] == ""
    assert told["totals"]["debt.USDC"] == 15000 and any("note" in line for line in told["dropped"])
    assert str(tmp_path) not in "".join(told["read"] + told["dropped"])
    settings = (("protocols.aave.book", str(out)),)
    state.changes(desk, settings)
    assert [one["account"] for one in walls.at(desk, settings, "ETH", -0.5, {})["accounts"]] == [SCRIPT]


def test_runs_are_shown_as_they_were_and_compared(tmp_path: Path) -> None:
    first = dl.load(dl.example("first"), set={"scenario.paths": 4})
    made = dl.stress(first, tmp_path / "a")
    dl.stress(first.replace("actors.liquidators.rule", "always"), tmp_path / "b")
    found = state.Desk()
    source = sources_of([str(tmp_path / "a"), str(tmp_path / "b")])["a"]
    told = state.look(found, source.kind, source.paths, str(tmp_path), 1)
    parts: list[dict[str, Any]] = []
    found.part = parts.append
    runs.run(found, [])
    assert source.kind == "run" and told["runs"] == ["a", "b"] == parts[0]["labels"] and parts[0]["paths"] == 4
    values = dict(zip(made.summary["figure"].to_pylist(), made.summary["value"].to_pylist(), strict=True))
    assert all(row["base"] == pytest.approx(values[row["figure"]], nan_ok=True) for row in parts[0]["rows"])
    assert "The position nearest to liquidation is" in parts[0]["decides"]


def test_a_world_among_dropped_files_is_found(desk: state.Desk, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 worlds"):
        books.draft(desk, str(tmp_path))
    (tmp_path / "mine.yaml").write_text("name: mine")
    assert books.draft(desk, str(tmp_path)) == str(tmp_path / "mine.yaml")


def test_what_may_be_opened_is_named_and_never_a_path(tmp_path: Path) -> None:
    world = tmp_path / "mine"
    world.mkdir()
    (world / "world.yaml").write_text((dl.example("first") / "world.yaml").read_text())
    found = sources_of([str(world), "first"])
    assert list(found) == ["mine", "first"] and found["mine"].kind == "world"
    with pytest.raises(InputError, match="not there"):
        sources_of([str(tmp_path / "nothing")])
    with pytest.raises(InputError, match="no world and no run"):
        sources_of([str(tmp_path)])


def test_an_interrupt_that_is_swallowed_is_raised_again_with_the_next_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    source, out = os.pipe()
    seen: list[str] = []

    def slow(desk: state.Desk) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        seen.append("went on")
        desk.tell("simulating", 1, 2)
        seen.append("and on")

    monkeypatch.setitem(loop.JOBS, "slow", slow)  # type: ignore[arg-type]
    monkeypatch.setitem(loop.JOBS, "quick", lambda desk: "done")  # type: ignore[arg-type]
    try:
        line = loop.Line(out)
        for name in ("slow", "quick"):
            loop.answer(line, state.Desk(), name, {})
            signal.raise_signal(signal.SIGINT)  # nothing is being answered
    finally:
        signal.signal(signal.SIGINT, before)
    os.close(out)
    with os.fdopen(source, "rb") as frames:
        kinds = [pickle.loads(frames.read(*loop.HEAD.unpack(head))) for head in iter(lambda: frames.read(loop.HEAD.size), b"")]
    assert seen == ["went on"] and kinds == [("progress", ("simulating", 1, 2)), ("cancelled", None), ("done", "done")]
