"""A run that is killed, at any moment, is finished by the same command, and nobody can tell."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from delever.model.errors import InputError, RunWarning
from delever.model.world import World
from delever.run.store import Store
from delever.run.stress import Run, stress
from run.forks import Forks
from run.small import bits, everything, loan, one_market, unlike

KILLS = 10
TABLES = ("paths", "history", "prices", "trace", "summary")


def folder_bits(folder: Path) -> dict[str, dict[str, bytes]]:
    """Every table of a run folder."""
    return {name: bits(pq.read_table(folder / f"{name}.parquet")) for name in TABLES}


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


# ---- kill -9 ----------------------------------------------------------------------------------------------------

PATHS = 16
SETTINGS = {"scenario.paths": str(PATHS), "scenario.seed": "3", "scenario.horizon": "8 h"}  # two hours after the fall


def typed(out: Path) -> list[str]:
    """`delever stress first`, cut into chunks of a path, as a user runs it: calls of kernels are not checked."""
    settings = [word for setting in SETTINGS.items() for word in ("--set", "=".join(setting))]
    return ["stress", "first", "--out", str(out), "--memory", "0.05 MB", "--trace", "0,10", "--threads", "2",
            "--no-concentration", "--no-remainder", *settings]


def has(paths: int, out: Path) -> bool:
    """Whether so many paths are kept, none: whether the manifest stands, all: whether the first table does."""
    if paths == PATHS:
        return (out / "paths.parquet").exists()
    return (out / "manifest.json").exists() and len(list(out.glob("parts/*.parquet"))) >= paths


def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(10**9)))
    print(f"KILL_SEED={seed}")
    rng, killed = random.Random(seed), 0
    with Forks(tmp_path) as delever:
        delever.start(*typed(tmp_path / "whole"))
        assert delever.end()[0] == 0
        expected = folder_bits(tmp_path / "whole")
        for trial in range(2 * KILLS):
            out = tmp_path / f"killed{trial}"
            process = delever.start(*typed(out))
            # a moment in terms of what is done, so that it is somewhere in the run on any machine, and some time after that
            moment = rng.randrange(PATHS + 1)
            if delever.wait(lambda out=out, moment=moment: has(moment, out)):
                time.sleep(rng.uniform(0.0, 0.03))
                os.kill(process, signal.SIGKILL)
            if delever.end()[0] == 0:
                continue  # it was quicker
            killed += 1
            left = len(list((out / "parts").glob("*.parquet")))
            delever.start(*typed(out))
            assert delever.end() == (0, ""), f"KILL_SEED={seed}"
            assert folder_bits(out) == expected, f"KILL_SEED={seed}, killed after {left} parts"
            assert not [name for name in names(out) if name.endswith(".part") or name == "parts"]
            if killed == KILLS:
                return
    pytest.fail(f"only {killed} of {2 * KILLS} runs could be killed in time")


# ---- what a kill leaves behind, one by one ----------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    return everything(paths=9)


@pytest.fixture
def half(world: World, tmp_path: Path) -> Path:
    """A run folder with the parts of paths 0-2 and 6-8."""
    whole = stress(world, tmp_path / "whole", chunk=3, threads=1)
    identity = {key: whole.manifest[key] for key in ("world_hash", "inputs", "program", "trace")}
    from delever.run.assemble import assemble
    from delever.run.chunk import simulate

    with Store(tmp_path / "half", identity) as store:
        store.open()
        for first in (0, 6):
            store.add(simulate(assemble(world), first, 3, []))
    return tmp_path / "half"


def finished_like_the_whole(world: World, folder: Path, **options: Any) -> Run:
    """Run what is missing; it must end as the run beside it."""
    run = stress(world, folder, **options)
    assert folder_bits(folder) == folder_bits(folder.parent / "whole")
    return run


def test_only_the_missing_paths_are_run(world: World, half: Path) -> None:
    told = []
    stress(world, half, threads=1, progress=lambda stage, done, of: told.append((stage, done, of)))
    assert [t for t in told if t[0] == "simulating"] == [("simulating", 6, 9), ("simulating", 9, 9)]
    assert folder_bits(half) == folder_bits(half.parent / "whole")


def test_gaps_are_filled_whatever_the_chunks(world: World, half: Path) -> None:
    finished_like_the_whole(world, half, chunk=2, threads=3)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_a_truncated_part_is_run_again(world: World, half: Path, keep: float) -> None:
    part = next((half / "parts").glob("000000006-000000009-*.parquet"))
    content = part.read_bytes()
    part.write_bytes(content[:int(keep * len(content))])
    with pytest.warns(RunWarning, match=rf"{part.name} is damaged: it does not hold what was written"):
        finished_like_the_whole(world, half)


def test_half_written_files_do_not_matter_and_go(world: World, half: Path) -> None:
    for name in ("manifest.json.77.part", "paths.parquet.77.part", "parts/000000003-000000006.parquet.77.part"):
        (half / name).write_bytes(b"half")
    finished_like_the_whole(world, half)
    assert names(half) == sorted(["manifest.json", *(f"{name}.parquet" for name in TABLES)])


def test_a_run_killed_before_its_manifest_stood_is_started_anew(world: World, half: Path) -> None:
    early = half.parent / "early"
    early.mkdir()
    (early / "manifest.json.77.part").write_bytes(b'{"wor')
    finished_like_the_whole(world, early)


def test_a_run_killed_after_its_last_table_is_closed(world: World, half: Path) -> None:
    """All tables stand, the manifest does not say so yet."""
    for name in TABLES:
        (half / f"{name}.parquet").write_bytes(b"of an attempt before")
    finished_like_the_whole(world, half)


def test_parts_left_beside_a_complete_run_go(world: World, half: Path) -> None:
    parts = (half / "parts").rename(half.parent / "whole" / "parts")
    (parts / "000000003-000000006.parquet.77.part").write_bytes(b"")
    stress(world, parts.parent)
    assert not parts.exists()


def test_a_complete_run_is_read_and_not_run_again(world: World, tmp_path: Path) -> None:
    first = stress(world, tmp_path / "run", trace=[1])
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    told = []
    again = stress(world, tmp_path / "run", trace=[1], progress=lambda *stage: told.append(stage[0]))
    assert "compiling" not in told
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == stamps
    for name in TABLES:
        assert unlike(getattr(first, name), getattr(again, name)) == []
        assert getattr(first, name).schema.equals(getattr(again, name).schema, check_metadata=True)


@pytest.mark.parametrize(("path", "value"), [("scenario.seed", "8"), ("scenario.paths", "10"),
                                             ("actors.liquidators.rule", "always"),
                                             ("protocols.first.rules.close_factor", "0.4")])
def test_the_folder_of_another_world_is_refused_and_left_alone(world: World, half: Path, path: str, value: str) -> None:
    before = {file: file.read_bytes() for file in half.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="half is the run of another world; name another folder with --out"):
        stress(world.replace(path, value), half)
    assert {file: file.read_bytes() for file in half.rglob("*") if file.is_file()} == before


def test_the_run_of_another_book_is_refused(tmp_path: Path) -> None:
    stress(one_market(loan("a", 1.0, 500.0)), tmp_path / "run")
    with pytest.raises(InputError, match="run is the run of another world"):
        stress(one_market(loan("a", 1.0, 501.0)), tmp_path / "run")


def test_without_a_folder_nothing_is_written(world: World, elsewhere: Path) -> None:
    run = stress(world, keep=False)
    assert run.folder is None
    assert names(elsewhere) == []


def test_by_default_two_worlds_never_share_a_folder(world: World, elsewhere: Path) -> None:
    one, two = stress(world), stress(world.replace("scenario.seed", "8"))
    assert one.folder != two.folder
    assert stress(world).folder == one.folder


def test_a_folder_that_is_being_written_is_refused(world: World, tmp_path: Path) -> None:
    from delever.run.store import Store, describe, fingerprint

    identity = {"world_hash": fingerprint(describe(world))}
    with Store(tmp_path / "busy", identity) as first:
        assert not first.open()
        with Store(tmp_path / "busy", identity) as second, pytest.raises(InputError, match="is being written by another process"):
            second.open()
    with Store(tmp_path / "busy", identity) as third:
        assert not third.open()
