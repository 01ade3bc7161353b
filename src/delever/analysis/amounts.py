"""Numbers that formulas are given, checked once: amounts, shares, square tables, names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from delever.model.errors import InputError

Floats = NDArray[np.float64]


def amounts(name: str, values: ArrayLike, count: int, remedy: str = "give 0 or more") -> Floats:
    """[count] finite numbers, none negative; one number stands for all."""
    array = _finite(name, values, remedy)
    if array.ndim > 1 or (array.ndim == 1 and len(array) != count):
        raise InputError("has another shape", name, "x".join(map(str, array.shape)), f"give {count}, one each")
    return np.broadcast_to(array, count).astype(np.float64)


def matrix(name: str, values: ArrayLike, rows: int | None = None) -> Floats:
    """[rows, columns] finite numbers, none negative."""
    array = _finite(name, values, "give 0 or more")
    if array.ndim != 2 or (rows is not None and len(array) != rows):
        wanted = "a table of rows and columns" if rows is None else f"{rows} rows"
        raise InputError("has another shape", name, "x".join(map(str, array.shape)) or "one number", f"give {wanted}")
    return array


def square(name: str, values: ArrayLike) -> Floats:
    """[N, N] finite numbers, none negative, nothing on the diagonal."""
    array = matrix(name, values)
    if array.shape[0] != array.shape[1]:
        raise InputError("has another shape", name, "x".join(map(str, array.shape)), "give as many rows as columns")
    if array.diagonal().any():
        at = int(np.flatnonzero(array.diagonal())[0])
        raise InputError(f"has something on its diagonal, in row {at}", name, float(array[at, at]), "nobody owes himself: give 0")
    return array


def part(name: str, value: float) -> float:
    """A share of 1."""
    if not 0.0 <= value <= 1.0:
        raise InputError("is no share", name, value, "give a number from 0 to 1")
    return float(value)


def names_of(names: Sequence[str] | None, count: int, kind: str = "") -> list[str]:
    """Those given, or numbers from 0, each behind its kind."""
    if names is None:
        return [f"{kind}{i}" for i in range(count)]
    if len(names) != count or len(set(names)) != count:
        raise InputError(f"must be {count} different ones", "names", ", ".join(names))
    return [str(name) for name in names]


def _finite(name: str, values: ArrayLike, remedy: str) -> Floats:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("must hold numbers alone, in rows of one length", name, None, remedy) from None
    wrong = array[~(np.isfinite(array) & (array >= 0.0))]
    if wrong.size:
        raise InputError("is negative" if wrong[0] < 0.0 else "is not finite", name, float(wrong[0]), remedy)
    return array
