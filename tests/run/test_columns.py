"""Columns of results: a mechanism declares them in its own file, and tables, figures and reports follow."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from delever.core.columns import Column, Figure, Value, mean_of, read, written
from delever.core.outcomes import OUTCOMES
from delever.core.phase import Phase
from delever.core.state import State
from delever.engine import step as engine
from delever.report import stress_report
from delever.run import chunk
from delever.run.assemble import assemble
from delever.run.collect import declared, together
from delever.run.figures import reduced
from delever.run.start import new_state
from delever.run.stress import Run, stress
from run.small import everything, loan, one_market


class Watcher(Phase):
    """A mechanism of a stranger: it counts the steps, notes the time, and says so in this file alone."""

    counters = (Column("steps_seen", "count", "steps that {of} has seen", mean_of("steps_seen", "steps seen"),
                       section="What the watcher saw"),)

    def adapt(self, state: State) -> None:
        row = self.row(state)
        state.ledgers.totals[row] += 1.0

    def amounts(self, state: State) -> list[Value]:
        waited = Column("waited", "s", "time waited", label="time waited")
        return [Value(waited, np.full(state.paths, state.time), 0)]

    def columns(self, state: State) -> list[Value]:
        late = Column("late", "s", "when it was late", (
            Figure("ever_late", "share_where", "paths on which it was late", "share"),
            Figure("late", "median_where", "median time at which it was late")), section="What the watcher saw")
        return [Value(late, np.where(state.first_path + np.arange(state.paths) == 0, 60.0, np.nan))]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Run:
    build = chunk.phases

    def with_watcher(*args: Any) -> engine.Phases:
        built, watcher = build(*args), Watcher()
        return replace(built, everybody=[*built.everybody, watcher], adapting=[watcher])

    monkeypatch.setattr(chunk, "phases", with_watcher)
    world = one_market(loan("a", 1.0, 500.0), scenario={"paths": 4})
    return stress(world, keep=False, threads=1, chunk=2)


def test_a_stranger_brings_columns_a_counter_a_timeline_and_a_section(watched: Run) -> None:
    paths, steps = watched.paths, watched.world.scenario.steps
    assert paths["steps_seen.pool"].to_pylist() == [float(steps)] * 4
    assert paths["waited.pool"].to_pylist() == [watched.world.scenario.horizon] * 4
    assert watched.timeline.column_names == ["path", "time", "protocol", "waited"]
    figures = dict(zip(watched.summary["figure"].to_pylist(), watched.summary["value"].to_pylist(), strict=True))
    assert (figures["steps_seen.pool"], figures["ever_late"], figures["late"]) == (steps, 0.25, 60.0)
    out = io.StringIO()
    stress_report("small", watched).print(Console(file=out, width=140))
    assert "What the watcher saw" in out.getvalue() and "steps seen" in out.getvalue() and "pool over time" in out.getvalue()


def test_unit_and_meaning_stand_in_the_schema_of_every_column(watched: Run) -> None:
    for field in watched.paths.schema:
        assert field.metadata[b"unit"] and field.metadata[b"meaning"], field.name
        assert b"{" not in field.metadata[b"unit"] + field.metadata[b"meaning"], field.name
    field = watched.paths.schema.field("steps_seen.pool")
    assert field.metadata[b"meaning"] == b"steps that pool has seen"


def test_rows_of_counters_stand_behind_those_that_all_share() -> None:
    class Two(Phase):
        counters = (Column("a", "count", "a"), Column("b", "count", "b"))

    model = assemble(one_market(loan("a", 1.0, 500.0)))
    state, one, other = new_state(model, 0, 3), Two(), Two()
    assert [other.row(state), one.row(state, 1), other.row(state, 1)] == [OUTCOMES, OUTCOMES + 3, OUTCOMES + 1]
    assert state.ledgers.totals.shape == (OUTCOMES + 4, 1, 3)
    one.numbers = (0,)
    assert [value.column.name for value in one.counted(state)] == ["a", "b"]


def test_a_column_is_the_same_after_it_was_written() -> None:
    column = Column("x", "s", "when", (Figure("y", "quantile", "95th", level=0.95, under="bore"), *mean_of("x", "when")),
                    "sum", "Losses", stock=True)
    assert read(written(column)) == column
    assert json.loads(written(column))[0] == "x"


def test_what_adds_up_is_summed_over_those_that_declare_it_so() -> None:
    run = stress(everything(paths=2), keep=False, threads=1)
    mine = [one.field for one in declared(run.paths) if one.column.name == "shortfall"]
    assert len(mine) == len(run.world.protocols) > 1
    assert together(run.paths, "shortfall").tolist() == np.sum([np.asarray(run.paths[name]) for name in mine], axis=0).tolist()
    leaks = [np.asarray(run.paths[name]).max() for name in run.paths.column_names if name.startswith("residual.")]
    found = dict(zip(run.summary["figure"].to_pylist(), run.summary["value"].to_pylist(), strict=True))
    assert found["conservation_residual"] == max(leaks)
    assert isinstance(run.summary, pa.Table)


def test_a_figure_of_what_did_not_happen_is_unknown() -> None:
    nothing = np.full(3, np.nan)
    for how in ("mean_where", "median_where", "mean_positive"):
        assert np.isnan(reduced(nothing, Figure("x", how, ""), "s")).all(), how  # type: ignore[arg-type]
    assert reduced(nothing, Figure("x", "share_where", ""), "share")[0] == 0.0
