"""A progress bar on stderr that names its stage; compiling is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Tell = Callable[[str, int, int], None]  # (stage, done, of how many; 0: unknown)


@contextmanager
def bar() -> Iterator[Tell]:
    """A live bar on a terminal, gone when the work is done; nothing where stderr is a file, which is for errors."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task("starting", total=None)

    def tell(stage: str, done: int, of: int) -> None:
        # A stage of one part shows no sign of life by its count, so its bar pulses.
        progress.update(task, description=stage, completed=done, total=of if of > 1 else None)

    with progress:
        yield tell
