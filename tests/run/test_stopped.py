"""A run that is ended from outside says so in one line, leaves nothing half-written, and goes on where it stopped."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import delever as dl
from delever.cli.main import app
from delever.model.errors import InputError, RunWarning, StoppedError
from delever.run import chunk
from delever.run import stress as runs
from delever.run.assemble import assemble
from delever.run.parts import DIGITS, NAME
from delever.run.seal import digest
from delever.run.stress import stress
from delever.run.work import run_chunks
from run.forks import Forks
from run.small import everything

WORLD = everything(paths=9)
TABLES = ("paths", "history", "prices", "trace", "summary")


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    stress(WORLD, folder, threads=1, chunk=3)
    return tables(folder)


# ---- signals, to `delever stress` in a process of its own --------------------------------------------------------


@pytest.fixture(scope="module")
def delever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as started:
        yield started


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def typed(out: str, paths: int, threads: int, *more: str) -> list[str]:
    return ["stress", "first", "--out", out, "--paths", str(paths), "--threads", str(threads), "--no-concentration",
            "--no-remainder", *more]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_at_once_and_tidily(number: int, code: int, threads: int, delever: Forks) -> None:
    """Chunks that are being simulated are not waited for; one that was finished before is kept whole."""
    out = delever.folder / f"signal{number}-{threads}"
    process = delever.start(*typed(out.name, 3000, threads))
    assert delever.wait((out / "manifest.json").exists)
    time.sleep(0.5)
    workers, start = children(process), time.monotonic()
    os.kill(process, number)
    assert delever.end() == (code, "delever: interrupted; the same command goes on where it stopped\n")
    assert time.monotonic() - start < 20.0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert {path.name for path in out.iterdir()} - {"parts"} == {"manifest.json"}
    for part in out.glob("parts/*"):
        named = NAME.fullmatch(part.name)
        assert named and digest(part.read_bytes())[:DIGITS] == named[3]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_a_signal_between_the_halves_of_a_fork_is_not_lost() -> None:
    """What a handler raises there the interpreter prints and forgets."""
    model = assemble(dl.load(dl.example("first"), set={"scenario.paths": 16, "scenario.horizon": "7 h"}))
    once = [signal.SIGINT]
    os.register_at_fork(after_in_parent=lambda: once and signal.raise_signal(once.pop()))
    with pytest.raises(KeyboardInterrupt):
        run_chunks(model, [(0, 16)], workers=2)
    assert not once


def test_a_killed_worker_is_one_line_and_the_same_command_goes_on(delever: Forks) -> None:
    words = typed("killed", 16, 2, "--memory", "0.05 MB", "--set", "scenario.horizon=7 h")
    out = delever.folder / "killed"
    process = delever.start(*words)
    assert delever.wait(lambda: any(out.glob("parts/*.parquet")))
    os.kill(children(process)[0], signal.SIGKILL)
    assert delever.end() == (75, "delever: the run has stopped: a worker was killed from outside; the same command goes on where "
                                 "it stopped, if memory ran out with less --memory or fewer --threads\n")
    delever.start(*words)
    assert delever.end() == (0, "")
    delever.start(*[word.replace("killed", "alone") for word in words])
    assert delever.end() == (0, "")
    assert tables(out) == tables(delever.folder / "alone")


def test_every_command_says_in_one_line_that_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("delever.run.opened.opened", interrupt)
    done = CliRunner().invoke(app, ["replay", str(tmp_path), "--path", "0"])
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "delever: interrupted\n")


def test_a_result_that_finds_no_room_is_one_line(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    done = CliRunner().invoke(app, ["wall", "first", "--asset", "ETH", "--shock", "-5%", "--csv", "wall.csv"])
    assert (done.exit_code, list(elsewhere.iterdir())) == (75, [])
    assert done.stderr == ("delever: wall.csv cannot be written: No space left on device; put that right and start the same "
                           "command again\n")


# ---- disks, folders, memory --------------------------------------------------------------------------------------


def after(calls: int, act: Callable[[], object]) -> Callable[[str, int, int], None]:
    """Acts once so many paths are done."""
    def tell(stage: str, done: int, of: int) -> None:
        if stage == "simulating" and done == calls:
            act()
    return tell


def stopped(folder: Path, said: str, act: Callable[[], object] = lambda: None) -> None:
    """The run stops in one line, and leaves nothing that is half-written."""
    with pytest.raises(StoppedError, match=f"^the run has stopped: {said}$"):
        stress(WORLD, folder, threads=1, chunk=3, progress=after(3, act))
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("files", [0, 2, 4, 6])
def test_a_full_disk_stops_the_run_wherever_it_is(files: int, whole: dict[str, bytes], tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """files: that still found room, behind the manifest: parts first, then tables."""
    room, fsync = [files + 1], os.fsync

    def full(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_file():  # not a folder's names
            room[0] -= 1
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        stopped(tmp_path / "run", f"{tmp_path}/run: No space left on device; put that right, and the same command goes on where "
                "it stopped")
    assert len(list((tmp_path / "run" / "parts").iterdir())) == min(files, 3)
    stress(WORLD, tmp_path / "run", threads=1, chunk=3)
    assert tables(tmp_path / "run") == whole


def test_a_folder_that_vanishes_stops_the_run(tmp_path: Path) -> None:
    stopped(tmp_path / "run", rf"{tmp_path}/run: No such file or directory; put that right, and the same command starts anew",
            lambda: shutil.rmtree(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_takes_the_place_of_the_run_s_is_left_alone(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def replace() -> None:
        folder.rename(tmp_path / "moved")
        folder.mkdir()

    stopped(folder, rf"{folder}: it was replaced while the run went on; .*", replace)
    assert list(folder.iterdir()) == []
    stress(WORLD, tmp_path / "moved", threads=1, chunk=3)
    assert tables(tmp_path / "moved") == whole


def test_parts_that_become_a_link_are_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()

    def replace() -> None:
        shutil.rmtree(tmp_path / "run" / "parts")
        (tmp_path / "run" / "parts").symlink_to(tmp_path / "victim")

    with pytest.raises(InputError, match="parts is a symbolic link"):
        stress(WORLD, tmp_path / "run", threads=1, chunk=3, progress=after(3, replace))
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_part_that_is_damaged_while_the_run_goes_on_is_not_merged(whole: dict[str, bytes], tmp_path: Path) -> None:
    def damage() -> None:
        part, = (tmp_path / "run" / "parts").iterdir()
        part.write_bytes(b"PAR1")

    with pytest.warns(RunWarning, match="is damaged"):
        stopped(tmp_path / "run", r".*parts: parts were lost or damaged while the run went on; .*", damage)
    with pytest.warns(RunWarning, match="is damaged"):
        stress(WORLD, tmp_path / "run", threads=1, chunk=3)
    assert tables(tmp_path / "run") == whole


def test_memory_that_runs_out_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(chunk, "step", too_large)
    stopped(tmp_path / "run", "not enough memory; the same command goes on where it stopped, with less --memory .*")


def test_without_a_folder_there_is_nothing_to_go_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(runs, "run_chunks", too_large)
    with pytest.raises(StoppedError, match="not enough memory; the same command starts anew, with less"):
        stress(WORLD, keep=False)


def test_a_place_that_cannot_be_written_is_a_mistake_and_said_at_once() -> None:
    with pytest.raises(InputError, match=r"^/proc/run cannot be written: 'No such file or directory'; name another with --out$"):
        stress(WORLD, "/proc/run")
