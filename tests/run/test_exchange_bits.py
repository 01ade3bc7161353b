"""A world with exchanges gives the same bits however its paths are chunked, and whoever runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from delever.run.assemble import Model, assemble
from delever.run.work import run_chunks
from engine.test_margin_boundary import random_world


def outcomes(model: Model, chunk: int, workers: int = 1) -> pa.Table:
    """One row a path, of chunks of that size."""
    paths = model.world.scenario.paths
    return pa.concat_tables([result.paths for result in run_chunks(model, [(0, paths)], workers, chunk=chunk)])


@pytest.mark.parametrize("seed", [0, 1])
def test_outcomes_have_the_same_bits_for_every_chunk_size_and_number_of_workers(seed: int) -> None:
    model = assemble(random_world(seed).replace("scenario.paths", 7).replace("scenario.judged", {}))
    whole = outcomes(model, 7)
    assert float(np.sum(whole["deleveraged.perps"])) > 0.0
    for other in (outcomes(model, 1), outcomes(model, 2), outcomes(model, 3, workers=2)):
        for name in whole.column_names:
            assert np.asarray(other[name]).tobytes() == np.asarray(whole[name]).tobytes(), name


def floats(seed: int) -> list[str]:
    """Every value of one path, exactly."""
    table = outcomes(assemble(random_world(seed).replace("scenario.paths", 1).replace("scenario.judged", {})), 1)
    return [f"{name} {np.asarray(table[name]).tobytes().hex()}" for name in table.column_names]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_compiler_changes_no_bit_of_an_exchange(seed: int) -> None:
    code = f"from run.test_exchange_bits import floats; print('\\n'.join(floats({seed})))"
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    compiled = floats(seed)
    assert len(compiled) > 50 and done.stdout.split("\n")[:-1] == compiled
