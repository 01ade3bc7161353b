"""The one decorator of every compiled function, and where the compiled code is kept.

numba's disk cache looks at the file of a function only, and serves stale code when a callee in another file
changes. So the cache directory carries a hash of every source file that can hold a kernel: any change there starts afresh.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Set
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

PACKAGE = Path(__file__).resolve().parent.parent


NO_KERNELS = {"analysis", "catalog", "cli", "examples", "ingest", "model", "report"}


def source_hash(leave_out: Set[str] = frozenset()) -> str:
    """Hash of the package's source but for some folders, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in leave_out:
            continue
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Where compiled code is kept: DELEVER_CACHE, or the user's cache directory."""
    chosen = os.environ.get("DELEVER_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "delever"


CACHE_DIR = cache_root() / source_hash(NO_KERNELS)
os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE_DIR))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numba  # noqa: E402  (reads the variables above when it is imported)

# error_model: the zero check of Python's division is a branch that keeps loops from vectorising.
_njit = numba.njit(nogil=True, cache=True, error_model="numpy")
_inlined = numba.njit(nogil=True, error_model="numpy")
_laid_in = numba.njit(nogil=True, error_model="numpy", forceinline=True)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a serial kernel that releases the GIL and is kept on disk."""
    compiled: Callable[P, R] = _njit(function)
    return compiled


def helper(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a small function that only kernels call: it is kept on disk inside of them."""
    compiled: Callable[P, R] = _inlined(function)
    return compiled


def laid_in(function: Callable[P, R]) -> Callable[P, R]:
    """A helper whose code is laid into its caller: handing twenty arrays on costs more than what it does with them."""
    compiled: Callable[P, R] = _laid_in(function)
    return compiled
