"""A run folder that was damaged ends, when resumed, with the same bits as one that was not, or is refused in one line."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from delever.model.errors import InputError, RunWarning
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import simulate
from delever.run.parts import DIGITS, read_part, write_part
from delever.run.seal import digest
from delever.run.store import MADE, Store, fingerprint, read_manifest, write_manifest
from delever.run.stress import stress
from run.damages import ENDS_ALIKE, IDENTITY, REFUSED, WHEN_COMPLETE, WORLD, Damage, parts
from run.small import bits

TABLES = ("paths", "history", "prices", "trace", "summary")


class Folders(NamedTuple):
    """What is damaged, in copies: a run of paths 0-8 that is complete, and one that has the parts of 0-2 and 3-5."""

    complete: Path
    half: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    place = tmp_path_factory.mktemp("runs")
    manifest = stress(WORLD, place / "complete", threads=1, chunk=3).manifest
    model = assemble(WORLD)
    with Store(place / "half", {key: manifest[key] for key in IDENTITY}) as store:
        store.open()
        for first in (0, 3):
            store.add(simulate(model, first, 3, []))
    return Folders(place / "complete", place / "half")


def contents(folder: Path) -> dict[str, object]:
    """Everything in a folder: bytes of files, where links lead, what is something else."""
    def content(path: Path) -> object:
        return path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else path.stat().st_mode
    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*")}


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}


@pytest.mark.parametrize("kind", ENDS_ALIKE)
def test_a_damaged_run_ends_with_the_same_bits(kind: str, runs: Folders, tmp_path: Path,
                                               recwarn: pytest.WarningsRecorder) -> None:
    damage, said = ENDS_ALIKE[kind]
    folder = shutil.copytree(runs.half, tmp_path / "run")
    damage(folder)
    recwarn.clear()
    assert stress(WORLD, folder, threads=1, chunk=3).paths.num_rows == 9
    assert tables(folder) == tables(runs.complete)
    lines = [str(warning.message) for warning in recwarn if warning.category is RunWarning]
    assert bool(lines) == bool(said)
    assert all(re.search(said, line) for line in lines)
    found, whole = ({**read_manifest(one), MADE: None} for one in (folder, runs.complete))
    assert found == whole


@pytest.mark.parametrize("kind", REFUSED)
def test_a_damaged_run_is_refused_and_left_alone(kind: str, runs: Folders, tmp_path: Path) -> None:
    refused(shutil.copytree(runs.half, tmp_path / "run"), *REFUSED[kind])


@pytest.mark.parametrize("kind", WHEN_COMPLETE)
def test_a_damaged_result_is_refused_and_left_alone(kind: str, runs: Folders, tmp_path: Path) -> None:
    refused(shutil.copytree(runs.complete, tmp_path / "run"), *WHEN_COMPLETE[kind])


def refused(folder: Path, damage: Damage, said: str) -> None:
    """In one line, and nothing in the folder or beside it is changed."""
    damage(folder)
    before = contents(folder.parent)
    with pytest.raises(InputError, match=said) as caught:
        stress(WORLD, folder, threads=1, chunk=3)
    assert "\n" not in str(caught.value)
    assert contents(folder.parent) == before


# ---- what is no damage of one file ------------------------------------------------------------------------------


def test_what_is_not_believed_is_left_where_it_lies(runs: Folders, tmp_path: Path) -> None:
    folder = shutil.copytree(runs.half, tmp_path / "run")
    (folder / "parts" / "thesis.tex").write_text("the only copy")
    (folder / "download.part").write_text("half a film")
    with pytest.warns(RunWarning, match=r"thesis\.tex is no part of a run; it is left alone, and paths that are missing"):
        stress(WORLD, folder, threads=1)
    stress(WORLD, folder)  # it is complete, and does not speak of it again
    assert [path.name for path in parts(folder)] == ["thesis.tex"]
    assert (folder / "download.part").read_text() == "half a film"


def test_a_folder_behind_a_link_is_refused(runs: Folders, tmp_path: Path) -> None:
    shutil.copytree(runs.half, tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="link is a symbolic link, and none is followed; name another with --out"):
        stress(WORLD, tmp_path / "link")
    assert contents(tmp_path) == before


def test_a_link_in_the_place_of_a_file_that_is_written_is_not_written_through(runs: Folders, tmp_path: Path) -> None:
    """A name that a process could guess: that of the manifest while it is being written."""
    victim = tmp_path / "victim"
    victim.write_text("the only copy")
    folder = shutil.copytree(runs.half, tmp_path / "run")
    (folder / f"manifest.json.{os.getpid()}.part").symlink_to(victim)
    stress(WORLD, folder, threads=1)
    assert victim.read_text() == "the only copy" and tables(folder) == tables(runs.complete)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be written: 'it has a NUL in its name'"):
        stress(WORLD, "run\0")


def test_a_part_is_named_by_its_content(runs: Folders) -> None:
    for path in parts(runs.half):
        assert path.stem.rpartition("-")[2] == digest(path.read_bytes())[:DIGITS]


def test_a_part_reads_back_as_it_was_written(runs: Folders, tmp_path: Path) -> None:
    """All that a chunk may hold, also what this world has none of."""
    more = {"timeline": pa.table({"path": [3, 4], "used": [0.1, float("nan")]}),
            "adl": pa.table({"account": pa.array([], pa.string())})}
    key = fingerprint({name: read_manifest(runs.half)[name] for name in IDENTITY})
    result = replace(read_part(parts(runs.half)[1], key), trace=[(3.0, 0.0, 1e-300), (4.0, 1.0, float("inf"))], safety=more)
    write_part(tmp_path, "a run", result)
    path, = tmp_path.iterdir()
    again = read_part(path, "a run")
    assert (again.first_path, again.end, again.trace) == (3, 6, result.trace)
    assert again.paths.equals(result.paths, check_metadata=True)
    assert (again.history == result.history).all() and again.history.dtype == result.history.dtype
    assert {name: bits(table) for name, table in again.safety.items()} == {name: bits(table) for name, table in more.items()}


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = {"status": "running", "world": {"name": "Zürich", "prices": [1e-300, 0.1, float("inf")]}}
    write_manifest(tmp_path, written)
    assert read_manifest(tmp_path) == written


def test_a_world_of_another_seed_is_another_run(runs: Folders, tmp_path: Path) -> None:
    other: World = WORLD.replace("scenario.seed", "12")
    refused_by = shutil.copytree(runs.half, tmp_path / "run")
    with pytest.raises(InputError, match="is the run of another world"):
        stress(other, refused_by)
