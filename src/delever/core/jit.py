"""The one decorator of every compiled function, and where the compiled code is kept.

numba's disk cache looks at the file of a function only, and serves stale code when a callee in another file changes. So
the kernels of a module are kept in a folder keyed by that module and by every file of ours that it imports, at any
distance: whoever touches one mechanism compiles that mechanism.

A kernel has one signature, and is called by its entry point once that is compiled: numba's dispatcher looks at every
array of every named tuple, in Python, in every call. An entry point looks at the width of numbers only and would read
integers as floats, so the types of arrays are compared with the first call's before it. With DELEVER_CHECKED set so are
their dimensions and layouts, and the types of scalars; the tests run so. Tables are unpacked once, and known again.

The compiler itself is loaded when a kernel is first called: it takes longer than a check or a wall, which call few or none.
Those few run as the Python they are, with the same bits, where `interpreted` says so.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property, update_wrapper
from pathlib import Path
from threading import RLock
from typing import Any, Generic, ParamSpec, TypeVar, cast

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

PACKAGE = Path(__file__).resolve().parent.parent
NO_KERNELS = {"analysis", "catalog", "cli", "examples", "ingest", "model", "report"}  # their files are laid into no kernel
IMPORT = re.compile(r"^[ \t]*(?:from (delever[.\w]*) import (\([^)]*\)|[^\n]*)|import (delever[.\w]*))", re.MULTILINE)
CHECKED = bool(os.environ.get("DELEVER_CHECKED"))
NOTHING_COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
FEW = 30_000  # rows that take less time as Python (10 to 30 us each) than loading the compiler (0.6 s)
INTERPRETED: ContextVar[bool] = ContextVar("interpreted", default=False)


def source_hash() -> str:
    """Hash of the package's source, 16 hexadecimal digits: what version of the program a run was made with.

    Mechanisms from folders beside the package's own count too. Read once a process: what has been imported is what runs.
    """
    packages = (vars(module).get("__path__", ()) for name, module in list(sys.modules.items()) if name.startswith("delever."))
    outside = {Path(folder) for folders in packages for folder in folders if PACKAGE not in Path(folder).parents}
    return hash_of((PACKAGE, *sorted(outside)))


@cache
def hash_of(folders: tuple[Path, ...]) -> str:
    """Of the sources in them."""
    digest = hashlib.sha256()
    for root in folders:
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


@contextmanager
def interpreted(rows: int) -> Iterator[None]:
    """Kernels that have not been compiled yet run as Python, where they are called for few rows."""
    before = INTERPRETED.set(rows <= FEW)
    try:
        with np.errstate(all="ignore" if rows <= FEW else None):  # compiled arithmetic says nothing either
            yield
    finally:
        INTERPRETED.reset(before)


class Helper(Generic[P, R]):
    """A function that kernels call; who calls it from Python all the same has an entry compiled for that."""

    def __init__(self, function: Callable[P, R], **flags: bool) -> None:
        self.py_func, self.flags = function, flags
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.py_func(*args, **kwargs) if INTERPRETED.get() else self.entry(*args)

    @cached_property
    def entry(self) -> Callable[..., R]:
        """The same, as Python calls it."""
        from delever.core.compiler import entered

        return cast(Callable[..., R], entered(self.py_func))

    @cached_property
    def inner(self) -> Any:
        """The same, as kernels call it."""
        from delever.core.compiler import Inner

        return Inner(self.py_func, **self.flags)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks of a name that it finds in a kernel."""
        return self.inner._numba_type_


def allocates(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a kernel or helper, below its decorator, that makes arrays or sorts; who calls such a helper is one too."""
    function.allocates = True  # type: ignore[attr-defined]
    return function


def is_table(given: Any) -> bool:
    """Whether an argument is a named tuple of nothing but arrays and tables: it is handed on as it is, call after call."""
    return isinstance(given, tuple) and hasattr(given, "_fields") and all(
        isinstance(column, np.ndarray) or is_table(column) for column in given)


class Kernel(Generic[P, R]):
    """A compiled kernel, entered without looking at the types of its arguments once it has been compiled for them."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.py_func, self.enter, self.dispatcher = function, self.first, cast(Any, None)
        self.__wrapped__, self.__name__, self.__doc__, self.__module__ = (
            function, function.__name__, function.__doc__, function.__module__)
        self.file, self.names = function.__code__.co_filename, [f"given{i}" for i in range(function.__code__.co_argcount)]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.enter(*args)

    def first(self, *args: Any) -> Any:
        """The first call compiles, or loads what was compiled, and finds out how the others enter."""
        if INTERPRETED.get():
            return cast(Any, self.py_func)(*args)
        from delever.core.compiler import entry_of, kept

        with COMPILING:
            tables = [i for i, given in enumerate(args) if is_table(given)]
            ready = [holder(given.__class__)(given) if i in tables else given for i, given in enumerate(args)]
            if self.dispatcher is None:
                self.dispatcher = kept(self.door(tables), cache_dir(Path(self.file).resolve()))
            result = self.dispatcher(*ready)
            self.enter = self.way_in(entry_of(self.dispatcher, ready), args, tables)
        return result

    def door(self, tables: Sequence[int]) -> Callable[..., Any]:
        """The function, which takes these of its arguments as held tables; it is what numba compiles."""
        opened = [f"{name}.table" if i in tables else name for i, name in enumerate(self.names)]
        return self.written([f"return _inner({', '.join(opened)})"], {"_inner": Helper(self.py_func)})

    def way_in(self, entry: Callable[..., Any], first: Sequence[Any], tables: Sequence[int]) -> Callable[..., Any]:
        """The entry point, for arguments like those of the first call: it would read others as if they were.

        A table that is handed on once more is not looked at again; it is held until `forget`. Of an array the type of
        its numbers is looked at; in checked mode all of everything.
        """
        expected, known = list(map(types_in, first)), [NOTHING_KNOWN] * len(first)
        KNOWN.append(known)

        def check(i: int, given: Any) -> None:
            if types_in(given) != expected[i]:
                raise TypeError(f"argument {i} of {self.__module__}.{self.__name__} is {types_in(given)}, and was "
                                f"{expected[i]} when the kernel was compiled")

        def hold_it(i: int, given: Any) -> Any:
            check(i, given)
            known[i] = given, holder(given.__class__)(given)
            return known[i][1]

        lines, place = [], {"_entry": entry, "_known": known, "_check": check, "_hold": hold_it}
        for i, (name, given) in enumerate(zip(self.names, first, strict=True)):
            if CHECKED or (isinstance(given, tuple) and i not in tables):
                lines.append(f"_check({i}, {name})")
            elif isinstance(given, np.ndarray):
                lines.append(f"if {name}.dtype is not _dtype{i}: _check({i}, {name})")
                place[f"_dtype{i}"] = given.dtype
            if i in tables:
                lines += [f"table, held{i} = _known[{i}]", f"if table is not {name}: held{i} = _hold({i}, {name})"]
        passed = [f"held{i}" if i in tables else name for i, name in enumerate(self.names)]
        return self.written([*lines, f"return _entry({', '.join(passed)})"], place)

    def written(self, lines: Sequence[str], place: dict[str, Any]) -> Callable[..., Any]:
        """A function of the same name and arguments."""
        text = "\n    ".join([f"def {self.__name__}({', '.join(self.names)}):", *lines])
        place["__name__"] = self.__module__
        exec(compile(text, self.file, "exec"), place)
        return cast(Callable[..., Any], place[self.__name__])


COMPILING = RLock()
NOTHING_KNOWN: tuple[Any, Any] = (object(), None)
KNOWN: list[list[tuple[Any, Any]]] = []  # by kernel and argument: the table seen last, and as it is held


def forget() -> None:
    """Let go of the tables that kernels hold: a chunk is over."""
    for known in KNOWN:
        known[:] = [NOTHING_KNOWN] * len(known)


@cache
def holder(kind: Any) -> Any:
    """What holds tables of one class, compiled and kept beside the kernels of its file."""
    from delever.core.compiler import holds

    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or __file__
    return holds(kind, cache_dir(Path(file).resolve()))


def types_in(given: Any) -> Any:
    """All that makes up the type of an argument; NumPy's numbers count as Python's."""
    if isinstance(given, np.ndarray):
        return given.dtype, given.ndim, given.flags.c_contiguous, given.flags.writeable
    if isinstance(given, tuple):
        return type(given), *map(types_in, given)
    return type(given.item()) if isinstance(given, np.float64 | np.int64 | np.bool_) else type(given)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a serial kernel that releases the GIL and is kept on disk; it is called with positional arguments."""
    return function if NOTHING_COMPILED else cast(Callable[P, R], Kernel(function))


def helper(function: Callable[P, R], **flags: bool) -> Callable[P, R]:
    """Compile a small function that only kernels call: it is kept on disk inside of them."""
    return function if NOTHING_COMPILED else cast(Callable[P, R], Helper(function, **flags))


def laid_in(function: Callable[P, R]) -> Callable[P, R]:
    """A helper whose code is laid into its caller: a call would cost more than what it does."""
    return helper(function, forceinline=True)
