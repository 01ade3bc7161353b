"""Tables that fit a terminal: no number is ever cut; a table that is too wide is split into parts with the same keys."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.table import Table
from rich.text import Text

GAP = 2  # columns of text between two columns of a table
READABLE = 40  # columns of text that a long text wants beside numbers; with less it goes below
HEADING = 9  # columns of text that a heading may always take
TEXT = 26  # columns of text that a short text may be folded to


class Grid(Protocol):
    """A table as text."""

    @property
    def headings(self) -> list[str]: ...
    @property
    def units(self) -> list[str]: ...
    @property
    def right(self) -> list[bool]: ...
    @property
    def rows(self) -> list[list[str]]: ...
    @property
    def keys(self) -> int: ...
    @property
    def under(self) -> int | None: ...
    @property
    def totals(self) -> frozenset[int]: ...


def rich_tables(grid: Grid, width: int) -> list[Table]:
    """The table in as many parts as the width needs."""
    columns = list(range(len(grid.headings)))
    if grid.under is not None:
        columns.remove(grid.under)
        beside = width - needed(grid, columns) - GAP
        if beside >= READABLE:
            return [_table(grid, [*columns, grid.under], None, beside)]
    found = parts(grid, columns, width)
    room = width - needed(grid, found[0][1:]) - GAP
    return [_table(grid, part, grid.under if part is found[0] else None, room) for part in found]


def parts(grid: Grid, columns: Sequence[int], width: int) -> list[list[int]]:
    """Columns by part: the keys, then as many others as fit, at least one."""
    keys, rest = list(columns[: grid.keys]), list(columns[grid.keys :])
    out: list[list[int]] = []
    while rest:
        count = 1
        while count < len(rest) and needed(grid, [*keys, *rest[: count + 1]]) <= width:
            count += 1
        out.append([*keys, *rest[:count]])
        rest = rest[count:]
    return out or [keys]


def needed(grid: Grid, columns: Sequence[int]) -> int:
    """Columns of text that these columns take at least, when texts are folded."""
    return sum(_least(grid, c) + GAP for c in columns) - GAP


def _least(grid: Grid, c: int) -> int:
    own = max((len(row[c]) for row in grid.rows), default=0)
    if not grid.right[c] and c >= grid.keys:
        own = min(own, TEXT)
    return max(own, *(len(line) for line in _heading(grid, c)))


def _heading(grid: Grid, c: int) -> list[str]:
    """A heading's lines: words are put on one line while they are not wider than the cells; the unit stands last."""
    own = max((len(row[c]) for row in grid.rows), default=0)
    words = grid.headings[c].split() or [""]
    width = max(own, HEADING, *(len(word) for word in words))
    lines = textwrap.wrap(grid.headings[c], width, break_on_hyphens=False) or [""]
    unit = f"[{grid.units[c]}]" if grid.units[c] else ""
    if unit and len(lines[-1]) + 1 + len(unit) <= own:
        return [*lines[:-1], f"{lines[-1]} {unit}"]
    return [*lines, unit] if unit else lines


def _table(grid: Grid, columns: Sequence[int], under: int | None, room: int) -> Table:
    """One part. under: the text column that goes below the first column, folded to `room`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, show_edge=False)
    for c in columns:
        right = grid.right[c]
        table.add_column(
            Text("\n".join(_heading(grid, c))),
            justify="right" if right else "left",
            no_wrap=right or c < grid.keys,
            overflow="fold",
            vertical="top",
        )
    for number, row in enumerate(grid.rows):
        style = "bold" if number in grid.totals else ""
        texts = [Text(row[c], style=style) for c in columns]
        if under is not None:
            below = textwrap.wrap(row[under], max(20, room - 2), break_on_hyphens=False)
            texts[0].append("".join(f"\n  {line}" for line in below), style="dim")
        table.add_row(*texts)
    return table
