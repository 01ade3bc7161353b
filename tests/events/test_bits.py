"""Everything of this folder at once: the same bits with the compiler off and however paths are cut, and value is conserved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from delever import worlds
from delever.model.dump import plain
from delever.model.world import World
from delever.run.stress import stress
from run.small import bits, everything, unlike

TESTS = Path(__file__).resolve().parents[1]
PATHS = 4


def world(mode: str) -> World:
    """The world in which everything happens, with all kinds of events, resting orders and joint liquidators."""
    it = everything(mode, paths=PATHS)
    events = [
        {"at": 600, "kind": "feed", "feed": "eth_usd", "does": "stops", "lasting": 900},
        {"at": 1500, "kind": "feed", "feed": "eth_usd", "does": "lies", "factor": 0.95, "lasting": 600},
        {"at": 900, "kind": "feed", "feed": "steth_eth", "does": "sticks", "lasting": 1200},
        {"at": 1200, "kind": "pause", "protocol": "first", "lasting": 900},
        {"at": 900, "kind": "governance", "protocol": "other", "change": {"close_factor": 0.3}, "delay": 600},
        {"at": 300, "kind": "exploit", "asset": "wstETH", "amount": 30, "over": 900},
        {"at": 600, "kind": "exploit", "asset": "USDC", "amount": 1e4, "protocol": "first", "sold": 0.5, "over": 600},
        {"at": 600, "kind": "outage", "venue": "t0", "lasting": 600}]
    if mode == "sequential":
        events += [{"at": 900, "kind": "congestion", "base_fee": 2, "room": 0.5, "lasting": 900},
                   {"at": 2400, "kind": "outage", "network": "chain", "lasting": 150}]
    add = worlds.resolve
    made = [add("events", event["kind"])(**{k: v for k, v in event.items() if k != "kind"}) for event in events]
    it = it.replace("scenario.events", [*it.scenario.events, *made])
    actors = {"stop": {"asset": "ETH", "when": "stop", "level": 1700.0, "amount": 40.0, "per_block": 5.0, "fee": 50},
              "limit": {"asset": "stETH", "when": "limit", "level": 0.95, "amount": 20.0, "per_block": 4.0}}
    for name, order in actors.items():
        it = it.replace(f"actors.{name}", add("actors", "orders")(**order))
    return it.replace("actors.both", add("actors", "joint")())


def floats(mode: str) -> list[str]:
    """Every value of every table of the run, exactly."""
    run = stress(world(mode), keep=False, trace=[0, 1], threads=1)
    return [f"{table} {name} {content.hex()}" for table in ("paths", "history", "trace", "summary")
            for name, content in bits(getattr(run, table)).items()]


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_the_compiler_changes_no_bit(mode: str) -> None:
    code = f"from events.test_bits import floats; print('\\n'.join(floats({mode!r})))"
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    interpreted, compiled = done.stdout.split("\n")[:-1], floats(mode)
    assert len(interpreted) > 100
    assert [line for line in interpreted if line not in compiled] == []


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_no_bit_depends_on_the_chunk_size(mode: str) -> None:
    whole = stress(world(mode), keep=False, trace=[0, 3])
    for chunk in (1, 3):
        cut = stress(world(mode), keep=False, trace=[0, 3], chunk=chunk, threads=2)
        assert [unlike(getattr(whole, table), getattr(cut, table)) for table in ("paths", "trace")] == [[], []]


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_value_is_conserved_and_all_of_it_matters(mode: str) -> None:
    """A run raises where value is made or lost; and without these events its results are others."""
    paths = stress(world(mode), keep=False).paths
    worst = max(float(np.max(paths[name])) for name in paths.column_names if name.startswith("residual."))
    assert 0.0 < worst < 1e-9
    assert unlike(paths, stress(everything(mode, paths=PATHS), keep=False).paths) != []


def test_events_and_actors_are_part_of_what_a_world_states() -> None:
    stated = plain(world("sequential"))
    assert {event["kind"] for event in stated["scenario"]["events"]} >= {"feed", "pause", "governance", "exploit", "outage"}
    assert {actor["kind"] for actor in stated["actors"].values()} >= {"orders", "joint"}
