"""Worlds of coin-margined exchanges and of options: the same bits however their paths are chunked, and whoever runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from delever.model.world import World
from delever.run.assemble import assemble
from engine.test_inverse_boundary import coin_world
from engine.test_option_boundary import option_world
from run.test_exchange_bits import outcomes

WORLDS: dict[str, Callable[[int], World]] = {"coin": coin_world, "options": option_world}


@pytest.mark.parametrize("name", WORLDS)
def test_outcomes_have_the_same_bits_for_every_chunk_size_and_number_of_workers(name: str) -> None:
    model = assemble(WORLDS[name](1).replace("scenario.paths", 7))
    whole = outcomes(model, 7)
    assert float(np.sum(whole["liquidated.coin.BTC-COIN"])) > 0.0
    for other in (outcomes(model, 1), outcomes(model, 2), outcomes(model, 3, workers=2)):
        for column in whole.column_names:
            assert np.asarray(other[column]).tobytes() == np.asarray(whole[column]).tobytes(), column


def floats(name: str) -> list[str]:
    """Every value of one path, exactly."""
    table = outcomes(assemble(WORLDS[name](1).replace("scenario.paths", 1)), 1)
    return [f"{column} {np.asarray(table[column]).tobytes().hex()}" for column in table.column_names]


@pytest.mark.parametrize("name", WORLDS)
def test_the_compiler_changes_no_bit(name: str) -> None:
    code = f"from run.test_inverse_bits import floats; print('\\n'.join(floats({name!r})))"
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    compiled = floats(name)
    assert len(compiled) > 50 and done.stdout.split("\n")[:-1] == compiled
