"""The same bits, however a run is cut into chunks and handed to threads; the same world under every policy."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from delever.model.world import World
from delever.run.stress import Run, stress
from reference.worlds import random_world
from run.small import everything, unlike

PATHS = 9
NAMES = ["sequential", "batched", "3", "17", "23", "42", "58", "101"]  # a number: the random world of that number


def world_of(name: str) -> World:
    """A world with PATHS paths; random ones keep the outcomes that people are judged by."""
    return everything(name, paths=PATHS) if not name.isdigit() else random_world(int(name)).replace(
        "scenario.paths", PATHS).replace("scenario.judged", {})


@cache
def by_default(name: str) -> Run:
    """The run as anybody would start it, with two paths traced."""
    return stress(world_of(name), keep=False, trace=[2, 8])


def differences(one: Run, other: Run) -> dict[str, list[str]]:
    """Columns of each table that differ."""
    found = {table: unlike(getattr(one, table), getattr(other, table)) for table in ("paths", "history", "prices", "trace",
                                                                                     "summary")}
    return {table: columns for table, columns in found.items() if columns}


@pytest.mark.parametrize("name", NAMES)
def test_no_bit_depends_on_the_chunk_size(name: str) -> None:
    for chunk in (1, 2, 7):
        again = stress(world_of(name), keep=False, trace=[2, 8], chunk=chunk, threads=2)
        assert differences(by_default(name), again) == {}, f"chunks of {chunk}"


@pytest.mark.parametrize("name", NAMES[:2])
def test_no_bit_depends_on_the_number_of_threads(name: str) -> None:
    for threads in (1, 2, 3):
        again = stress(world_of(name), keep=False, trace=[2, 8], chunk=2, threads=threads)
        assert differences(by_default(name), again) == {}, f"{threads} threads"


@pytest.mark.parametrize("name", NAMES[:2])
def test_no_bit_depends_on_the_memory_budget(name: str) -> None:
    assert differences(by_default(name), stress(world_of(name), keep=False, trace=[2, 8], memory=1e-5)) == {}


def test_the_worlds_of_these_tests_are_eventful() -> None:
    sequential, batched = by_default("sequential").paths, by_default("batched").paths
    for column in ("liquidations.first", "liquidations.other", "top_ups.first", "oracle_answers", "declined.first",
                   "reverted", "found_no_room", "deficit.first", "forced_sales.ETH", "forced_sales.BTC",
                   "forced_sales.stETH"):
        assert np.sum(sequential[column]) > 0, column
    for column in ("liquidations.first", "liquidations.other", "oracle_answers", "forced_sales.stETH", "bad_debt.other"):
        assert np.sum(batched[column]) > 0, column


def test_a_path_is_the_same_however_many_there_are() -> None:
    many = stress(everything(paths=13), keep=False).paths
    assert unlike(by_default("sequential").paths, many.slice(0, PATHS)) == []


def test_two_policies_see_the_same_outside_prices() -> None:
    """Common random numbers: what differs between two runs is what the policy did, and nothing else."""
    ours, theirs = by_default("sequential"), stress(world_of("sequential").replace(
        "protocols.other.rules.close_factor", 0.2).replace("actors.borrowers.attentive", 0.1), keep=False, trace=[2, 8])
    outside = [name for name in ours.trace.column_names if name.startswith("outside.")]
    assert len(outside) == 9
    assert unlike(ours.trace.select(outside), theirs.trace.select(outside)) == []
    lowest = [name for name in ours.paths.column_names if name.startswith("lowest_outside.")]
    assert unlike(ours.paths.select(lowest), theirs.paths.select(lowest)) == []
    assert "liquidations.other" in unlike(ours.paths, theirs.paths)


def test_another_seed_is_another_world() -> None:
    again = stress(everything(paths=PATHS, seed=12), keep=False).paths
    assert "lowest_outside.ETH/USD" in unlike(by_default("sequential").paths, again)
