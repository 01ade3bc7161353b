"""What turns functions into machine code: the one file that imports numba. Who first calls a kernel loads it; see core/jit.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import numba
from numba.core import types
from numba.core.registry import CPUDispatcher
from numba.experimental import structref

# error_model: the zero check of Python's division is a branch that keeps loops from vectorising. Nothing of ours is called
# from C, and nobody in Python calls what only kernels call: unpacking forty arrays is a third of what is compiled.
FLAGS: Any = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


class Inner(CPUDispatcher):
    """A function that only kernels call.

    It allocates nothing unless it says so, so that numba need not count who uses the arrays of the tables that it is
    given: with forty of them that is most of what a call costs.
    """

    def __init__(self, function: Callable[..., Any], **flags: Any) -> None:
        super().__init__(function, targetoptions={**FLAGS, "nopython": True, "no_cpython_wrapper": True,
                                                  "_nrt": hasattr(function, "allocates"), **flags})

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


def holds(kind: Any, folder: Path) -> Any:
    """`hold` for tables of one class, compiled and kept in a folder."""
    function = FunctionType(hold.__code__, globals(), "hold")
    function.__qualname__ = f"hold.{kind.__module__}.{kind.__qualname__}"
    return kept(function, folder)


def kept(function: Any, folder: Path) -> Any:
    """Compiled, and kept on disk in a folder."""
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # read as numba looks for a place
    return numba.njit(cache=True, **FLAGS)(function)


def entered(function: Any) -> Any:
    """Compiled for calls from Python, and kept nowhere."""
    return numba.njit(**FLAGS)(function)


def entry_of(dispatcher: Any, args: list[Any]) -> Any:
    """The entry point of what has been compiled for such arguments."""
    return dispatcher.overloads[tuple(map(numba.typeof, args))].entry_point
