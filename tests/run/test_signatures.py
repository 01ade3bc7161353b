"""Kernels are entered without a look at their arguments, so whatever a world is like, each is given the same types."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from delever.core.jit import Kernel
from delever.model.world import World
from delever.run.chunk import simulate
from run.exchange_small import exchange
from run.small import assemble, everything, fall, loan, one_market


def worlds() -> list[World]:
    """One pair and many, one path and several, one account and many, lending and exchanges."""
    crash = {"events": [fall(0.3, 60.0)]}
    return [one_market(loan("ann", 1.0, 800.0), scenario=crash),
            one_market([*loan("ann", 1.0, 800.0), *loan("bob", 1.0, 700.0), ("eve", "USD", "collateral", 990.0),
                        ("eve", "ETH", "debt", 0.7)], scenario={**crash, "paths": 3}),
            everything("sequential", paths=1), everything("batched", paths=2), exchange(paths=1), exchange(lending=True, paths=2)]


def run_all() -> None:
    """Every world in one process, chunks of all its paths."""
    for world in worlds():
        simulate(assemble(world), 0, world.scenario.paths, [])


def kernels() -> dict[str, Any]:
    """Those of every module that is loaded, by name."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("delever"):
            found.update({f"{value.__module__}.{value.__name__}": value for value in vars(module).values()
                          if isinstance(value, Kernel)})
    return found


def several() -> list[str]:
    """Kernels that were compiled for more than one signature."""
    run_all()
    used = {name: len(kernel.dispatcher.overloads) for name, kernel in kernels().items()}
    assert sum(count > 0 for count in used.values()) > 30
    return sorted(name for name, count in used.items() if count > 1)


def test_every_kernel_has_one_signature_in_whatever_world() -> None:
    """In a process of its own, whose kernels look at what they are given and have been given nothing before."""
    code = "from run.test_signatures import several; print(*several())"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "DELEVER_CHECKED": "1",
                          "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
