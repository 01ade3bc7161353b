"""A page that is served, and a browser that looks at it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import delever as dl

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
NAME = "<img src=x onerror=alert(1)>"
# What is looked at here is no arithmetic; and a page is one, whoever has started it.
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {"NUMBA_DISABLE_JIT": "1"}


class Served:
    """A page in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], link: str) -> None:
        self.process, self.link = process, link

    def stop(self) -> str:
        """As Ctrl-C does; what it says then."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=20)[1]


@contextmanager
def served(*words: str) -> Iterator[Served]:
    """`delever serve` on a free port, until the block ends."""
    command = [sys.executable, "-m", "delever", "serve", *words, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=PLAIN)
    try:
        assert process.stderr is not None
        yield Served(process, process.stderr.readline().split()[-1])
    finally:
        process.send_signal(signal.SIGINT)  # so that what it has written for its browsers goes, too
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def workers_of(pid: int) -> Sequence[int]:
    """Processes that compute for a page."""
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(text) for text in found.stdout.split()]


def other_world(folder: Path) -> Path:
    """The first world under another name, with an owner whose name is markup."""
    folder.mkdir()
    first = dl.example("first")
    (folder / "world.yaml").write_text((first / "world.yaml").read_text().replace("name: first", f'name: "{NAME}"'))
    (folder / "book.csv").write_text((first / "book.csv").read_text().replace("a30", NAME))
    return folder
