"""A report: titled tables with their definitions and lists of remarks, for the terminal and as Markdown.

A table says what its columns are in the schema: field metadata `unit` formats the cells and stands in the
heading, `meaning` becomes a line below the table. In a table with a column `unit`, numbers that have none have the row's.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from delever.report.layout import rich_tables
from delever.report.numbers import SHARES, TIMES, human

FILE_WIDTH = 140  # columns of text where the output is no terminal and COLUMNS says nothing


@dataclass(frozen=True)
class Section:
    """One table under a heading, and what must be said about it."""

    heading: str
    table: pa.Table
    notes: tuple[str, ...] = ()
    keys: int = 1  # leading columns that are repeated where a terminal is too narrow for the whole table
    under: str = ""  # the text column that goes below the first one there
    totals: frozenset[int] = frozenset()  # rows that are sums of others


@dataclass(frozen=True)
class Remark:
    """One thing to know, and what to do about it."""

    label: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Remarks:
    """Remarks under a heading."""

    heading: str
    items: tuple[Remark, ...]


@dataclass(frozen=True)
class Report:
    """Sections in reading order, a line above them and closing lines."""

    title: str
    sections: tuple[Section | Remarks, ...]
    notes: tuple[str, ...] = ()
    lead: str = ""

    def print(self, console: Console | None = None) -> None:
        """To the terminal."""
        out = console or _console()
        _say(out, self.title, style="bold")
        _say(out, self.lead)
        for section in self.sections:
            out.print()
            _say(out, section.heading, style="bold italic")
            if isinstance(section, Remarks):
                _list(out, section)
                continue
            for part, table in enumerate(rich_tables(grid(section), out.width)):
                if part:
                    out.print()
                out.print(table)
            for line in _below(section):
                _say(out, line, indent=2, style="dim")
        if self.notes:
            out.print()
        for line in self.notes:
            _say(out, line, hang=2)

    def markdown(self) -> str:
        """As a text file that reads well unrendered."""
        parts = [f"# {self.title}", "", *([self.lead, ""] if self.lead else [])]
        for section in self.sections:
            parts += [f"## {section.heading}", ""]
            if isinstance(section, Remarks):
                parts += [_item(item) for item in section.items]
                parts += [""]
                continue
            parts += [*_markdown(section.table), ""]
            parts += [f"- {line}" for line in _below(section)]
            parts += [""] if _below(section) else []
        parts += [*(f"- {note}" for note in self.notes), ""] if self.notes else []
        return "\n".join(parts)


@dataclass(frozen=True)
class Grid:
    """A table as text, for a layout."""

    headings: list[str]
    units: list[str]  # of the headings; empty: none
    right: list[bool]  # columns set flush right
    rows: list[list[str]]
    keys: int
    under: int | None
    totals: frozenset[int]


def grid(section: Section) -> Grid:
    """What a layout needs of a section."""
    fields = list(section.table.schema)
    names = section.table.column_names
    return Grid(
        [label(field) for field in fields],
        [shown_unit(field) for field in fields],
        [is_right(field) for field in fields],
        cells(section.table),
        section.keys,
        names.index(section.under) if section.under in names else None,
        section.totals,
    )


def column(name: str, values: Sequence[object], unit: str = "", right: bool | None = None) -> tuple[pa.Field, pa.Array]:
    """A column for `table_of`; right: of text that is set flush right, as numbers are."""
    array = pa.array(values)
    if pa.types.is_null(array.type):
        array = array.cast(pa.string())
    metadata = {"unit": unit} if unit else {}
    if right is not None:
        metadata["right"] = "yes" if right else ""
    return pa.field(name, array.type, metadata=metadata or None), array


def table_of(*columns: tuple[pa.Field, pa.Array]) -> pa.Table:
    """The columns as a table."""
    return pa.Table.from_arrays([array for _, array in columns], schema=pa.schema([field for field, _ in columns]))


def metadata(field: pa.Field, key: str) -> str:
    """A field's metadata as text, empty where there is none."""
    found: bytes = (field.metadata or {}).get(key.encode(), b"")
    return str(found, "utf-8")


def unit_of(field: pa.Field) -> str:
    """The unit that the schema states, or that the name ends in."""
    unit = metadata(field, "unit")
    return "USD" if not unit and field.name.endswith("_usd") else unit


def label(field: pa.Field) -> str:
    """A column's name without its unit, in words."""
    unit = unit_of(field)
    name = str(field.name).removesuffix(f"_{unit.lower()}") if unit else str(field.name)
    return name.replace("_", " ")


def shown_unit(field: pa.Field) -> str:
    """A heading's unit. Percentages and durations carry theirs in every cell; what is no number needs none."""
    unit = unit_of(field)
    silent = not is_number(field) or unit in SHARES or unit in TIMES or unit in ("", "1", "ratio")
    return "" if silent else unit


def heading(field: pa.Field) -> str:
    """`eligible_debt_usd` in USD reads "eligible debt [USD]"."""
    unit = shown_unit(field)
    return f"{label(field)} [{unit}]" if unit else label(field)


def cells(table: pa.Table) -> list[list[str]]:
    """The rows as text."""
    names = table.column_names
    units = [metadata(field, "unit") for field in table.schema]
    row_unit = names.index("unit") if "unit" in names else None
    rows: list[list[str]] = []
    for row in zip(*(values.to_pylist() for values in table.columns), strict=True):
        own = str(row[row_unit] or "") if row_unit is not None else ""
        cell = {
            name: human(value, unit or own)
            for name, unit, value in zip(names, units, row, strict=True)
        }
        if own in SHARES | TIMES:
            cell["unit"] = ""  # the value says it
        rows.append(list(cell.values()))
    return rows


def is_number(field: pa.Field) -> bool:
    """Whether a column holds numbers."""
    return bool(pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_duration(field.type))


def is_right(field: pa.Field) -> bool:
    """Whether a column is set flush right: numbers, and text that says so."""
    if field.metadata and b"right" in field.metadata:
        return metadata(field, "right") == "yes"
    return is_number(field)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=FILE_WIDTH)


def _say(out: Console, line: str, style: str = "", indent: int = 0, hang: int = 0) -> None:
    """A line, folded between words; nothing for an empty one."""
    if line:
        first, later = " " * indent, " " * (indent + hang)
        wrapped = textwrap.wrap(line, out.width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
        out.print(Text("\n".join(wrapped), style=style), soft_wrap=True)


def _list(out: Console, remarks: Remarks) -> None:
    width = max((len(item.label) for item in remarks.items), default=0) + 2  # of labels, or of the indent without any
    for item in remarks.items:
        lines = [*_folded(item.text, out.width - width), *_folded(f"→ {item.remedy}" if item.remedy else "",
                                                                 out.width - width)]
        for at, line in enumerate(lines):
            lead = f"{item.label if at == 0 else '':<{width}}"
            out.print(Text.assemble((lead, "bold"), (line, "dim" if line.startswith("→") else "")), soft_wrap=True)


def _item(remark: Remark) -> str:
    said = f"{remark.label}: {remark.text}" if remark.label else remark.text
    return f"- {said}" + (f" → {remark.remedy}" if remark.remedy else "")


def _folded(text: str, width: int) -> Iterable[str]:
    return textwrap.wrap(text, max(20, width), break_on_hyphens=False)


def _below(section: Section) -> list[str]:
    meanings = [
        f"{field.name.replace('_', ' ')}: {metadata(field, 'meaning')}"
        for field in section.table.schema
        if metadata(field, "meaning")
    ]
    return [*meanings, *section.notes]


def _markdown(table: pa.Table) -> list[str]:
    rows = [[heading(field) for field in table.schema], *cells(table)]
    rows = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(table.num_columns)]
    right = [is_right(field) for field in table.schema]
    lines = [
        "| " + " | ".join(t.rjust(w) if r else t.ljust(w) for t, w, r in zip(row, widths, right, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)) + "|"
    return [lines[0], rule, *lines[1:]]
