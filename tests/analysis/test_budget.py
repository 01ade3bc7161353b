"""What is worked out beside a run is as much as the run's own work allows: no clock decides it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from delever import example, load
from delever.analysis import budget as module
from delever.analysis import samples
from delever.analysis.budget import CHUNK, Budget, path_work, spans
from delever.analysis.largest import NO_MORE, concentration
from delever.run.chunk import ChunkResult, Played
from delever.run.stress import Run, stress


@pytest.fixture(scope="module")
def run() -> Run:
    return stress(load(example("first")).replace("scenario.paths", 24), keep=False, threads=1)


def played(run: Run, patch: pytest.MonkeyPatch, allowed: float) -> tuple[pa.Table, float]:
    """The table where so much is allowed, and the work that was really done for it."""
    done, patched = [0.0], samples.run_state

    def counted(*args: object, **more: object) -> Played:
        found = patched(*args, **more)  # type: ignore[arg-type]
        done[0] += CHUNK * run.model.steps + run.model.steps * found.state.paths + module.CHECK * found.state.tally.looked.sum()
        return found

    def simulated(model: object, first: int, count: int, traced: list[int]) -> ChunkResult:
        result = simulate(model, first, count, traced)  # type: ignore[arg-type]
        done[0] += CHUNK * run.model.steps + float(path_work(run.model, result.paths).sum())
        return result

    simulate = samples.simulate
    patch.setattr(module, "LEAST", allowed)
    patch.setattr(module, "SHARE", 0.0)
    patch.setattr(samples, "run_state", counted)
    patch.setattr(samples, "simulate", simulated)
    return concentration(run), done[0]


@pytest.mark.parametrize("chunks", [12.0, 5.0])
def test_the_work_done_is_what_is_allowed_and_less_of_it_is_a_smaller_table(run: Run, chunks: float,
                                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = chunks * CHUNK * run.model.steps
    found, done = played(run, monkeypatch, allowed)
    assert 0.0 < done <= 1.02 * allowed  # without an owner a path may need a few checks more
    said = {key.decode(): value.decode() for key, value in found.schema.metadata.items()}
    owners = found.num_rows - 1
    assert (owners == int(said["owners"])) == (said["stopped"] == "")
    if chunks == 5.0:
        assert (said["paths"], said["stopped"]) == ("1", NO_MORE) and 1 <= owners < 10
    else:
        assert owners == 10 and 1 < int(said["paths"]) <= 24


def test_a_smaller_table_is_the_larger_one_on_fewer_paths(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = played(run, monkeypatch, 8.0 * CHUNK * run.model.steps)
    monkeypatch.undo()
    paths = int(found.schema.metadata[b"paths"])
    assert found.to_pylist() == concentration(run, paths=paths).to_pylist()


def test_one_owner_on_one_path_there_always_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = played(run, monkeypatch, 0.0)
    assert found.num_rows == 2 and found.schema.metadata[b"paths"] == b"1"


def test_paths_between_are_played_with_them_where_that_costs_less_than_a_chunk(run: Run) -> None:
    model, work = run.model, path_work(run.model, run.paths)
    assert spans(model, work, np.array([], int)) == []
    assert spans(model, work, np.array([2, 20])) == [(2, 21)]  # 17 quiet paths cost less than 128
    dear = np.full(24, CHUNK * model.steps + 1.0)
    assert spans(model, dear, np.array([2, 3, 5, 6])) == [(2, 4), (5, 7)]


def test_what_a_run_allows_follows_from_its_rows_alone(run: Run) -> None:
    budget = Budget(run)
    checks = run.paths["health_checks"].to_numpy()
    steps = run.model.steps
    assert budget.whole == pytest.approx(24 * steps + 0.2 * checks.sum() + CHUNK * steps)
    assert budget.first() == 24 and budget.most == 24
