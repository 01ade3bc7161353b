"""What all tests share: how hypothesis draws, and where the program keeps what it writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("DELEVER_CHECKED", "1")  # every call of a kernel looks at what it is given
os.environ.pop("COLUMNS", None)  # workers are told one: output is as wide as where nobody says how wide

import pytest
from hypothesis import settings

from delever.core.jit import Kernel, cache_dir

# The same examples every time, so that a failure belongs to the change that made it; `explore` draws new ones.
# No deadline: the first example of a property may have to compile.
settings.register_profile("repeat", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def compiled_once(first: Callable[..., Any]) -> Callable[..., Any]:
    """The first call of a kernel, behind a lock: of two workers that need it at once, one compiles and one waits for it."""
    def wait_for_a_turn(self: Kernel[Any, Any], *args: Any) -> Any:
        folder = cache_dir(Path(self.py_func.__code__.co_filename).resolve())
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self.__name__}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # gone with the process, however it ends
            return first(self, *args)
    return wait_for_a_turn


if "PYTEST_XDIST_WORKER" in os.environ:
    import fcntl

    Kernel.first = compiled_once(Kernel.first)  # type: ignore[method-assign]  # before any kernel is made


@pytest.fixture(scope="module")
def tables_of_their_own() -> Iterator[None]:
    """For a module that makes its tables by hand, with other widths of whole numbers: its kernels are entered anew."""
    kernels = {id(held): held for name, module in list(sys.modules.items()) if name.startswith("delever.")
               for held in vars(module).values() if isinstance(held, Kernel)}
    with pytest.MonkeyPatch.context() as patch:
        for held in kernels.values():
            patch.setattr(held, "enter", held.first)
        yield


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: what a command writes by default lands there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
