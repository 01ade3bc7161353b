"""What a parameter set is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One asset's risk parameters, shares of 1, and the keys of the sources they are from."""

    values: dict[str, Any]
    cited: tuple[str, ...]


@dataclass(frozen=True)
class ParameterSet:
    """Parameters of one protocol at one time."""

    note: str  # what holds for every entry
    sources: dict[str, str]  # key -> citation
    reserves: dict[str, Entry]  # by asset
