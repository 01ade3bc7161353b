"""The one decorator of every compiled function, and where the compiled code is kept.

numba's disk cache looks at the file of a function only, and serves stale code when a callee in another file changes. So
the kernels of a module are kept in a folder keyed by that module and by every file of ours that it imports, at any
distance: whoever touches one mechanism compiles that mechanism.

A kernel has one signature, and is called by its entry point once that is compiled: numba's dispatcher looks at every
array of every named tuple, in Python, in every call. An entry point looks at the width of numbers only and would read
integers as floats, so the types of arrays are compared with the first call's before it. With DELEVER_CHECKED set so are
their dimensions and layouts, and the types of scalars; the tests run so. Tables are unpacked once, and known again.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from threading import RLock
from types import FunctionType
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
from numba.core import types  # noqa: E402
from numba.core.registry import CPUDispatcher  # noqa: E402
from numba.experimental import structref  # noqa: E402

# error_model: the zero check of Python's division is a branch that keeps loops from vectorising. Nothing of ours is called
# from C, and nobody in Python calls what only kernels call: unpacking forty arrays is a third of what is compiled.
FLAGS: Any = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


class Helper(CPUDispatcher):
    """A function that kernels call; who calls it from Python all the same has an entry compiled for that.

    It allocates nothing unless it says so, so that numba need not count who uses the arrays of the tables that it is
    given: with forty of them that is most of what a call costs.
    """

    def __init__(self, function: Callable[..., Any], **flags: Any) -> None:
        super().__init__(function, targetoptions={**FLAGS, "nopython": True, "no_cpython_wrapper": True,
                                                  "_nrt": hasattr(function, "allocates"), **flags})

    def __call__(self, *args: Any) -> Any:
        return self.entry(*args)

    @cached_property
    def entry(self) -> Any:
        """The same, as Python calls it."""
        return numba.njit(**FLAGS)(self.py_func)

    def compile(self, sig: Any) -> Any:
        """See numba. An array that goes out uncounted would be freed under its owner."""
        entry = super().compile(sig)
        done: list[Any] = list(self.overloads.values())
        if not self.targetoptions["_nrt"] and any(has_arrays(one.signature.return_type) for one in done):
            raise TypeError(f"{self.py_func.__name__} returns an array: mark it as one that allocates")
        return entry


def has_arrays(kind: Any) -> bool:
    """Whether values of a numba type hold arrays."""
    return isinstance(kind, types.Array) or (isinstance(kind, types.BaseTuple) and any(map(has_arrays, cast(Any, kind).types)))


def allocates(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a kernel or helper, below its decorator, that makes arrays or sorts; who calls such a helper is one too."""
    function.allocates = True  # type: ignore[attr-defined]
    return function


@structref.register
class HeldType(types.StructRef):
    """The type of a held table: its one field is the table."""


class Held(structref.StructRefProxy):
    """A table unpacked once, and passed to kernels by its address; it holds the table's arrays."""


structref.define_boxing(HeldType, Held)  # type: ignore[no-untyped-call]
structref.define_attributes(HeldType)  # type: ignore[no-untyped-call]
structref.define_constructor(Held, HeldType, ["table"])  # type: ignore[no-untyped-call]


def hold(table: Any) -> Any:
    """Compiled once for every type of table, on first use."""
    return Held(table)  # type: ignore[no-untyped-call]


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
        with COMPILING:
            tables = [i for i, given in enumerate(args) if is_table(given)]
            ready = [holder(given.__class__)(given) if i in tables else given for i, given in enumerate(args)]
            if self.dispatcher is None:
                self.dispatcher = kept(self.door(tables), self.file)
            result = self.dispatcher(*ready)
            compiled = self.dispatcher.overloads[tuple(map(numba.typeof, ready))]
            self.enter = self.way_in(compiled.entry_point, args, tables)
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
    """`hold` for tables of one class, compiled and kept beside the kernels of its file."""
    function = FunctionType(hold.__code__, globals(), "hold")
    function.__qualname__ = f"hold.{kind.__module__}.{kind.__qualname__}"
    return kept(function, getattr(sys.modules.get(kind.__module__), "__file__", None) or __file__)


def kept(function: Any, file: str) -> Any:
    """Compiled and kept on disk, among the kernels of a file."""
    numba.config.CACHE_DIR = str(cache_dir(Path(file).resolve()))  # type: ignore[attr-defined]  # read as numba looks for a place
    return numba.njit(cache=True, **FLAGS)(function)


def types_in(given: Any) -> Any:
    """All that makes up the type of an argument; NumPy's numbers count as Python's."""
    if isinstance(given, np.ndarray):
        return given.dtype, given.ndim, given.flags.c_contiguous, given.flags.writeable
    if isinstance(given, tuple):
        return type(given), *map(types_in, given)
    return type(given.item()) if isinstance(given, np.float64 | np.int64 | np.bool_) else type(given)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a serial kernel that releases the GIL and is kept on disk; it is called with positional arguments."""
    return function if numba.config.DISABLE_JIT else cast(Callable[P, R], Kernel(function))  # type: ignore[attr-defined]


def helper(function: Callable[P, R], **flags: bool) -> Callable[P, R]:
    """Compile a small function that only kernels call: it is kept on disk inside of them."""
    compiled: Any = function if numba.config.DISABLE_JIT else Helper(function, **flags)  # type: ignore[attr-defined]
    return cast(Callable[P, R], compiled)


def laid_in(function: Callable[P, R]) -> Callable[P, R]:
    """A helper whose code is laid into its caller: a call would cost more than what it does."""
    return helper(function, forceinline=True)
