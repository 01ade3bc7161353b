"""A report: titled tables with their definitions, for the terminal and as Markdown.

A table says what its columns are in the schema: field metadata `unit` formats the cells and stands in the
heading, `meaning` becomes a line below the table. A table with the columns `value` and `unit` has a unit per row.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table

from delever.report.numbers import SHARES, TIMES, human

FILE_WIDTH = 140  # columns of text where the output is no terminal


@dataclass(frozen=True)
class Section:
    """One table under a heading, and what must be said about it."""

    heading: str
    table: pa.Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Sections in reading order, and closing lines."""

    title: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def print(self, console: Console | None = None) -> None:
        """To the terminal."""
        out = console or _console()
        out.print(self.title, style="bold", markup=False, highlight=False)
        for section in self.sections:
            out.print()
            out.print(_rich(section))
            for line in _below(section):
                out.print(f"  {line}", style="dim", markup=False, highlight=False)
        if self.notes:
            out.print()
        for line in self.notes:
            out.print(line, markup=False, highlight=False)

    def markdown(self) -> str:
        """As a text file that reads well unrendered."""
        parts = [f"# {self.title}", ""]
        for section in self.sections:
            parts += [f"## {section.heading}", "", *_markdown(section.table), ""]
            parts += [f"- {line}" for line in _below(section)]
            parts += [""] if _below(section) else []
        parts += [*self.notes, ""] if self.notes else []
        return "\n".join(parts)


def metadata(field: pa.Field, key: str) -> str:
    """A field's metadata as text, empty where there is none."""
    found: bytes = (field.metadata or {}).get(key.encode(), b"")
    return found.decode()


def heading(field: pa.Field) -> str:
    """`eligible_debt_usd` in USD reads "eligible debt [USD]"."""
    unit = metadata(field, "unit")
    if not unit and field.name.endswith("_usd"):
        unit = "USD"
    name = field.name.removesuffix(f"_{unit.lower()}") if unit else field.name
    name = name.replace("_", " ")
    # Percentages and durations carry their unit in every cell; what is no number or has no unit needs none.
    silent = not is_number(field) or unit in SHARES or unit in TIMES or unit in ("", "1", "ratio")
    return name if silent else f"{name} [{unit}]"


def cells(table: pa.Table) -> list[list[str]]:
    """The rows as text."""
    names = table.column_names
    units = [metadata(field, "unit") for field in table.schema]
    row_unit = names.index("unit") if {"value", "unit"} <= set(names) else None
    rows: list[list[str]] = []
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        own = str(row[row_unit] or "") if row_unit is not None else ""
        cell = {
            name: human(value, own if name == "value" else unit)
            for name, unit, value in zip(names, units, row, strict=True)
        }
        if own in SHARES | TIMES:
            cell["unit"] = ""  # the value says it
        rows.append(list(cell.values()))
    return rows


def is_number(field: pa.Field) -> bool:
    """Whether a column is set flush right."""
    return bool(pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_duration(field.type))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)


def _below(section: Section) -> list[str]:
    meanings = [
        f"{field.name.replace('_', ' ')}: {metadata(field, 'meaning')}"
        for field in section.table.schema
        if metadata(field, "meaning")
    ]
    return [*meanings, *section.notes]


def _rich(section: Section) -> Table:
    table = Table(title=section.heading, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for field in section.table.schema:
        right = is_number(field)
        table.add_column(
            heading(field).replace("[", "\\["), justify="right" if right else "left", no_wrap=right, overflow="fold"
        )
    for row in cells(section.table):
        table.add_row(*(text.replace("[", "\\[") for text in row))
    return table


def _markdown(table: pa.Table) -> list[str]:
    rows = [[heading(field) for field in table.schema], *cells(table)]
    rows = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(table.num_columns)]
    right = [is_number(field) for field in table.schema]
    lines = [
        "| " + " | ".join(t.rjust(w) if r else t.ljust(w) for t, w, r in zip(row, widths, right, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)) + "|"
    return [lines[0], rule, *lines[1:]]
