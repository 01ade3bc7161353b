"""One path of a run played again, alone: every transaction, with what it gave and got, what it led to, and what led to it.

A path has the same bits whatever stands beside it, so what is replayed is what was run. Rows of on-chain transactions carry a
number in the order of inclusion; `cause` is the number of the transaction that led to one (the last that moved a price or an
answer in the step, the kick of a lot), null: the outside, prices and events. Engines of exchanges act off chain and have no
number: a row a leg that a call changed, a row a position that auto-deleveraging closed, and a row for what a layer of the default
waterfall bore. run/recorder.py says what of every row leads to which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from delever.core.state import State
from delever.engine.probes import Probe
from delever.engine.step import Phases, step
from delever.model.errors import InputError
from delever.run.asked import Asked, came_about, stated
from delever.run.assemble import Model, phases
from delever.run.opened import Opened, opened
from delever.run.recorder import TAKEN, WHATEVER, Recorder
from delever.run.seal import write_table
from delever.run.start import new_state
from delever.waterfall.base import LayerPhase


def replay_model(model: Model, path: int, declined: bool = False) -> pa.Table:
    """Every transaction of one path of a model. declined: also what was offered and nobody took."""
    return replay_watched(model, path, (), WHATEVER if declined else TAKEN)


def replay_watched(model: Model, path: int, probes: Sequence[Probe], outcomes: frozenset[int] = TAKEN) -> pa.Table:
    """The same, before the eyes of probes. outcomes: of transactions that are written down."""
    chunk = phases(model, 1, probes)
    layers = {layer.serves.layer: layer.serves.name for layer in chunk.waterfall
              if isinstance(layer, LayerPhase) and layer.serves is not None}
    recorder = Recorder(model, list(chunk.kinds), outcomes, layers)
    play(model, path, chunk, recorder)
    return recorder.table()


def play(model: Model, path: int, chunk: Phases, recorder: Recorder) -> State:
    """One path to its end, before the eyes of a recorder."""
    if not 0 <= path < model.world.scenario.paths:
        raise InputError(f"path {path} is not run", "path", path, f"paths are numbered 0 to {model.world.scenario.paths - 1}")
    chunk, state = replace(chunk, recorder=recorder), new_state(model, path, 1, chunk)
    for _ in range(model.steps):
        step(chunk, state)
    return state


def replay(run: Any, path: int, declined: bool = False) -> pa.Table:
    """Every transaction of one path of a run, played again. run: the Run, or its folder; declined: also what nobody took.

    InputError where the folder holds no run, or the world's files or the program are no longer what they were.
    """
    return replay_model(model_of(run), path, declined)


def asked_of_path(run: Opened, path: int) -> list[Asked]:
    """What the world states, beside what came about of it on one path of the run."""
    paths = run.tables["paths"]
    return [*stated(run.model), *came_about(run.model.world, paths.filter(pc.equal(paths["path"], path)))]


def model_of(run: Any) -> Model:
    """The model of a run. run: the Run, or its folder; errors as of `replay`."""
    if not isinstance(run, (str, Path)):
        model: Model = run.model
        return model
    return opened(Path(run)).model


def write_replay(table: pa.Table, folder: Path, path: int) -> Path:
    """As Parquet into a folder."""
    target = folder / f"replay-{path}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_table(target, table)
    except OSError as error:
        raise InputError("cannot be written", str(target), error.strerror, "name a file with --out") from None
    return target
