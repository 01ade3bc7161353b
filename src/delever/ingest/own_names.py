"""Names in a stranger's table: an address is one in whatever letter case, other names are what they are; what is said of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

HEX = re.compile(r"\b0[xX][0-9a-fA-F]+\b")
LISTED = 6  # of a list that is printed


class Note(NamedTuple):
    """What was made of a table that its owner should know; model/finding.py has it as a finding."""

    warns: bool
    code: str  # of model/finding.py
    where: str
    value: str
    remedy: str


def folded(name: str) -> str:
    """A name with its addresses in small letters.

    >>> folded("0xABcd/ETH"), folded("Alice")
    ('0xabcd/ETH', 'Alice')
    """
    return HEX.sub(lambda found: found[0].lower(), name) if "0x" in name or "0X" in name else name


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of different names that differ in letter case or blanks alone.

    >>> alike(["Alice", "bob", "alice"])
    [('Alice', 'alice')]
    """
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        groups.setdefault("".join(name.casefold().split()), {})[name] = None
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def listed(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more:,} more" if more > 0 else "")


def names_found(spellings: Collection[str], where: str) -> list[Note]:
    """Addresses that were written in several ways and count as one. spellings: as the file has them."""
    groups: dict[str, set[str]] = {}
    for name in spellings:
        groups.setdefault(folded(name), set()).add(name)
    one = [name for name, written in groups.items() if len(written) > 1]
    if not one:
        return []
    value = f"{len(one):,} written in more than one letter case, each counted as one: {listed(one)}"
    return [Note(False, "address.joined", where, value, "addresses mean the same in any letter case")]


def alike_found(names: Iterable[str], where: str) -> list[Note]:
    """Names that may be one, and count as several."""
    pairs = [" and ".join(group) for group in alike(names)]
    if not pairs:
        return []
    return [Note(True, "account.alike", where, f"{listed(pairs)}: each counts as one of its own",
                    "write them alike if they are one")]


def summed_found(at: Sequence[tuple[str, list[int]]], same: int, where: str, row: Callable[[int], int]) -> list[Note]:
    """Rows that were added to others. at: what was summed, and the rows it stands in; same: rows that repeat an amount."""
    if not at:
        return []
    rows = sum(len(places) - 1 for _, places in at)
    which = listed([f"{name} (rows {', '.join(str(row(one)) for one in places[:LISTED])}{' ...' * (len(places) > LISTED)})"
                    for name, places in at])
    twice = f"; {same:,} of them repeat{'s' * (same == 1)} an amount: written twice?" if same else ""
    of = f"{rows:,} row{'s' * (rows > 1)} of an account, asset and side that stood there before"
    value = f"{of}, the amounts added up: {which}{twice}"
    return [Note(True, "row.summed", where, value, "take them out if they are one row twice")]
