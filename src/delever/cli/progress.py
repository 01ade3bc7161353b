"""Progress on stderr that names its stage, compiling among them: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from time import monotonic

Tell = Callable[[str, int, int], None]  # (stage, done, of how many; 0: unknown)
EVERY = 5.0  # between two lines [s]: work that takes less says nothing


@contextmanager
def bar() -> Iterator[Tell]:
    """A live bar on a terminal, gone when the work is done; where stderr is a file, lines."""
    with _bar() if sys.stderr.isatty() else lines() as tell:
        yield tell


@contextmanager
def lines(every: float = EVERY) -> Iterator[Tell]:
    """A line at a time, by a timer of the process: the work reports only when a part is done, which may take long.

    No thread writes them, because workers are forked. Where there is no such timer, lines come with the reports alone.
    """
    start, last, said = monotonic(), ("starting", 0, 0), monotonic()

    def say(*_: object) -> None:
        nonlocal said
        stage, done, of = last
        part = f" {done:,} of {of:,}" if of > 1 else ""
        said = monotonic()
        with suppress(RuntimeError):  # the timer may go off within a write
            print(f"delever: {stage}{part}, {said - start:.0f} s", file=sys.stderr, flush=True)

    def tell(stage: str, done: int, of: int) -> None:
        nonlocal last
        last = (stage, done, of)
        if not timed and monotonic() - said >= every:
            say()

    timed = hasattr(signal, "setitimer") and current_thread() is main_thread()
    before = signal.signal(signal.SIGALRM, say) if timed else None
    if timed:
        signal.setitimer(signal.ITIMER_REAL, every, every)
    try:
        yield tell
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)


@contextmanager
def _bar() -> Iterator[Tell]:
    """On a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    progress = Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task("starting", total=None)

    def tell(stage: str, done: int, of: int) -> None:
        # A stage of one part shows no sign of life by its count, so its bar pulses.
        progress.update(task, description=stage, completed=done, total=of if of > 1 else None)

    with progress:
        yield tell
