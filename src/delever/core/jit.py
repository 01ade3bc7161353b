"""The one decorator of every compiled function, and where the compiled code is kept.

numba's disk cache looks at the file of a function only, and serves stale code when a callee in another file changes. So
the kernels of a module are kept in a folder keyed by that module and by every file of ours that it imports, at any
distance: whoever touches one mechanism compiles that mechanism.

A kernel has one signature, and is called by its entry point once that is compiled: numba's dispatcher looks at every
array of every named tuple, in Python, in every call, which is four fifths of what a call costs. An entry point looks at
the width of numbers only and would read integers as floats, so the types of arrays are compared with the first call's
before it. With DELEVER_CHECKED set so are their dimensions and layouts, and the types of scalars; the tests run so.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from functools import cache, cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

PACKAGE = Path(__file__).resolve().parent.parent
NO_KERNELS = {"analysis", "catalog", "cli", "examples", "ingest", "model", "report"}  # their files are laid into no kernel
IMPORT = re.compile(r"^[ \t]*(?:from (delever[.\w]*) import (\([^)]*\)|[^\n]*)|import (delever[.\w]*))", re.MULTILINE)
CHECKED = bool(os.environ.get("DELEVER_CHECKED"))


def source_hash() -> str:
    """Hash of the package's source, 16 hexadecimal digits: what version of the program a run was made with.

    Mechanisms from folders beside the package's own count too.
    """
    digest = hashlib.sha256()
    packages = (vars(module).get("__path__", ()) for name, module in list(sys.modules.items()) if name.startswith("delever."))
    outside = {Path(folder) for folders in packages for folder in folders if PACKAGE not in Path(folder).parents}
    for root in (PACKAGE, *sorted(outside)):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Where compiled code is kept: DELEVER_CACHE, or the user's cache directory."""
    chosen = os.environ.get("DELEVER_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "delever"


@cache
def imports_of(path: Path) -> frozenset[Path]:
    """The files of ours that a file names in its imports."""
    found = set()
    for module, names, plain in IMPORT.findall(path.read_text(encoding="utf-8")):
        base = PACKAGE.parent / (module or plain).replace(".", "/")
        for place in (base, *(base / name for name in re.findall(r"\w+", names))):
            found |= {file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()}
    return frozenset(found)


@cache
def cache_dir(path: Path) -> Path:
    """Where the kernels of a file are kept."""
    found, todo = set(), [path]
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += imports_of(at)
    digest = hashlib.sha256(str(path).encode())
    for file in sorted(found):
        if file == path or file.relative_to(PACKAGE).parts[0] not in NO_KERNELS:
            digest.update(file.name.encode() + file.read_bytes())
    return cache_root() / digest.hexdigest()[:16]


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numba  # noqa: E402  (reads the variable above when it is imported)
import numpy as np  # noqa: E402
from numba.core.registry import CPUDispatcher  # noqa: E402

# error_model: the zero check of Python's division is a branch that keeps loops from vectorising. Nothing of ours is called
# from C, and nobody in Python calls what only kernels call: unpacking forty arrays is a third of what is compiled.
FLAGS: Any = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_njit = numba.njit(cache=True, **FLAGS)


class Helper(CPUDispatcher):
    """A function that kernels call; who calls it from Python all the same has an entry compiled for that."""

    def __init__(self, function: Callable[..., Any], **flags: Any) -> None:
        super().__init__(function, targetoptions={**FLAGS, "nopython": True, "no_cpython_wrapper": True, **flags})

    def __call__(self, *args: Any) -> Any:
        return self.entry(*args)

    @cached_property
    def entry(self) -> Any:
        """The same, as Python calls it."""
        return numba.njit(**FLAGS)(self.py_func)


class Kernel(Generic[P, R]):
    """A compiled kernel, called without looking at the types of its arguments once it has been compiled for them."""

    def __init__(self, dispatcher: Any) -> None:
        self.dispatcher, self.enter = dispatcher, self.first
        self.__wrapped__, self.__name__, self.__doc__ = dispatcher.py_func, dispatcher.__name__, dispatcher.__doc__
        self.__module__ = dispatcher.py_func.__module__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, self.enter(*args))

    def first(self, *args: Any) -> Any:
        """The first call compiles, or loads what was compiled, and finds out how the others enter."""
        result = self.dispatcher(*args)
        compiled = self.dispatcher.overloads[tuple(map(numba.typeof, args))]
        self.enter = guarded(f"{self.__module__}.{self.__name__}", compiled.entry_point, args)
        return result

    @property
    def py_func(self) -> Any:
        """As plain Python."""
        return self.dispatcher.py_func


def guarded(name: str, entry: Callable[..., Any], first: tuple[Any, ...]) -> Callable[..., Any]:
    """The entry point of a kernel, for arguments like those of its first call: it would read others as if they were.

    A table that is handed on once more is not looked at again; it is held until `forget`, so that no other comes to
    stand where it was. In checked mode everything is looked at in every call.
    """
    looks: list[Look] = []
    for i, given in enumerate(first):
        nodes = [(itself, types_in)] if CHECKED else nodes_of(given)
        if nodes:
            HELD.append([None] * len(nodes))
            looks.append((i, [(k, node, types, types(node(given))) for k, (node, types) in enumerate(nodes)], HELD[-1]))
    known: list[Any] = [None] * len(first)
    HELD.append(known)

    def enter(*args: Any) -> Any:
        for i, nodes, held in looks:
            given = args[i]
            if given is known[i]:
                continue
            for k, node, types, expected in nodes:
                table = node(given)
                if table is held[k]:
                    continue
                if types(table) != expected:
                    raise TypeError(f"argument {i} of {name} is {types(table)}, and was {expected} when the kernel was compiled")
                if not CHECKED:
                    held[k] = table
            if not CHECKED:
                known[i] = given
        return entry(*args)

    return enter


Way = Callable[[Any], Any]
Look = tuple[int, list[tuple[int, Way, Way, Any]], list[Any]]  # argument, its tables: their types as they were; those seen last
HELD: list[list[Any]] = []  # what guards know to be right, by kernel and argument


def forget() -> None:
    """Let go of the tables that guards hold: a chunk is over."""
    for held in HELD:
        held[:] = [None] * len(held)


def itself(given: Any) -> Any:
    """The argument."""
    return given


def nodes_of(given: Any, way: str = "") -> list[tuple[Way, Way]]:
    """Arrays, and tables with arrays of their own, in an argument: (how to get there, what the types of the arrays are)."""
    node = attrgetter(way) if way else itself
    if isinstance(given, np.ndarray):
        return [(node, attrgetter("dtype"))]
    fields = getattr(given, "_fields", ())
    own = [field for field in fields if isinstance(getattr(given, field), np.ndarray)]
    below = [found for field in fields if field not in own
             for found in nodes_of(getattr(given, field), f"{way}.{field}" if way else field)]
    return [*([(node, attrgetter(*(f"{field}.dtype" for field in own)))] if own else []), *below]


def types_in(given: Any) -> Any:
    """All that makes up the type of an argument; NumPy's numbers count as Python's."""
    if isinstance(given, np.ndarray):
        return given.dtype, given.ndim, given.flags.c_contiguous, given.flags.writeable
    if isinstance(given, tuple):
        return type(given), *map(types_in, given)
    return type(given.item()) if isinstance(given, np.float64 | np.int64 | np.bool_) else type(given)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a serial kernel that releases the GIL and is kept on disk; it is called with positional arguments."""
    folder = cache_dir(Path(function.__code__.co_filename).resolve())
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # read as the decorator looks for a place
    compiled: Any = _njit(function)
    return Kernel(compiled) if hasattr(compiled, "overloads") else compiled  # plain Python where the compiler is off


def helper(function: Callable[P, R], **flags: bool) -> Callable[P, R]:
    """Compile a small function that only kernels call: it is kept on disk inside of them."""
    compiled: Any = function if numba.config.DISABLE_JIT else Helper(function, **flags)  # type: ignore[attr-defined]
    return cast(Callable[P, R], compiled)


def laid_in(function: Callable[P, R]) -> Callable[P, R]:
    """A helper whose code is laid into its caller: a call would cost more than what it does."""
    return helper(function, forceinline=True)
