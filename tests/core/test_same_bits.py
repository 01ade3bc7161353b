"""Compiled or interpreted, the numeric floor gives the same bits."""

from __future__ import annotations

import os
import subprocess
import sys

SAMPLE = """
import numpy as np
from delever.core.elementary import exp_, log_
from delever.core.philox import PRICES, draw_normals
from delever.core.profile import buy, inverse_root, sell, sold_at
from delever.venues.base import table_from_liquidity

random = np.random.default_rng(5)
out = []
for x in random.uniform(-20.0, 20.0, 200):
    out += [exp_(x), log_(np.exp(x))]
normal = np.empty((8, 20))
draw_normals(3, 11, np.array([7, 9], dtype=np.uint64), PRICES, np.empty((4, 20), dtype=np.uint64), normal)
out += normal.ravel().tolist()
table = table_from_liquidity(np.exp(np.linspace(-1.0, 1.0, 41)), random.uniform(1.0, 50.0, 40), 20)
cells, node_w, sold, paid, liquidity = table.rows()
for s, q in zip(random.uniform(-20.0, 60.0, 200), random.uniform(0.0, 80.0, 200)):
    out += [*sell(s, q, *table.rows()), *buy(s, q, *table.rows())]
    out += [inverse_root(s, cells, node_w, sold, liquidity), sold_at(0.1 + q, cells, node_w, sold, liquidity)]
print("\\n".join(float(x).hex() for x in out))
"""


def sample(**environment: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SAMPLE], env={**os.environ, **environment}, capture_output=True,
                          text=True, check=True)
    return done.stdout.split()


def test_compiled_and_interpreted_give_the_same_bits() -> None:
    compiled, interpreted = sample(NUMBA_DISABLE_JIT="0"), sample(NUMBA_DISABLE_JIT="1")
    assert len(compiled) == 200 * 2 + 160 + 200 * 6
    assert compiled == interpreted
