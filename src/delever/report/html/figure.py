"""What a page is made of: figures, cards, and what a figure may ask of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from delever.analysis.bearers import Losses, bearers
from delever.report.document import cells, heading, is_right
from delever.report.html.theme import colours
from delever.report.numbers import duration, magnitude, percent

if TYPE_CHECKING:
    from delever.analysis import Comparison, Criticality, Solvency, Wall
    from delever.analysis.change import Change
    from delever.analysis.reverse import Reverse
    from delever.analysis.tails import Tails
    from delever.analysis.worst import Worst
    from delever.run.stress import Run

MOST_ROWS = 400  # of the table below a chart
NEAREST = 240  # positions that are shown


@dataclass(frozen=True)
class Figure:
    """A chart or table with what must be said about it. Texts are plain; `svg` and `table` are markup."""

    key: str
    title: str  # a finding
    sub: str  # what is drawn, with its unit
    svg: str
    notes: Sequence[tuple[str, str]]  # (term, text)
    table: str = ""
    legend: Sequence[tuple[str, str, str]] = ()  # (colour, text, style: solid, pale, line, dot)
    steps: Sequence[str] = ()  # sentences, in their order


@dataclass(frozen=True)
class Card:
    """A figure of the answer."""

    label: str
    value: str
    interval: str
    definition: str
    unit: str
    bad: bool = False


@dataclass(frozen=True)
class Given:
    """What figures are drawn from. walls: of each asset that is shown; positions: liquidation prices, or why there are none."""

    run: Run
    _: KW_ONLY
    walls: Mapping[str, Wall] = field(default_factory=dict)
    criticality: Mapping[str, Criticality] = field(default_factory=dict)
    solvency: Mapping[str, Solvency] = field(default_factory=dict)
    positions: pa.Table | None = None
    concentration: pa.Table | None = None
    comparison: Comparison | None = None
    others: Sequence[Run] = ()  # that it compares with the run
    twin: Run | None = None  # the same paths with nobody liquidated, where they are kept beside the run
    tails: Tails | None = None  # the far tail of its losses
    worst: Worst | None = None  # the worst path, played again
    reverse: Reverse | None = None  # the least that breaks a limit, where it is kept beside the run
    changes: Mapping[str, Change] = field(default_factory=dict)  # by label of the run that differs in several ways
    differing: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by label: groups of inputs that differ
    contagion: pa.Table | None = None  # as analysis/contagion.py, where it is kept beside the run
    missing: Mapping[str, str] = field(default_factory=dict)  # figure -> why it is not there

    @cached_property
    def losses(self) -> Losses:
        """Who bears what."""
        return bearers(self.run)

    @cached_property
    def colour(self) -> dict[str, str]:
        """Of each protocol."""
        return colours(list(self.run.world.protocols))

    @cached_property
    def near(self) -> tuple[list[dict[str, Any]], int]:
        """The positions nearest to liquidation, and of how many they are."""
        if self.positions is None or not self.positions.num_rows:
            return [], 0
        return nearest(self.positions, NEAREST).to_pylist(), self.positions.num_rows - self.positions["move"].null_count

    @property
    def sample(self) -> str:
        """Which paths the figures without an owner are of."""
        said = (self.concentration.schema.metadata or {}) if self.concentration is not None else {}
        count = int(said.get(b"paths", b"0"))
        return f"first {count:,} of {self.run.paths.num_rows:,} paths" if 0 < count < self.run.paths.num_rows else ""

    @property
    def horizon(self) -> str:
        """In words."""
        return plain(duration(self.run.world.scenario.horizon))


def nearest(positions: pa.Table, most: int) -> pa.Table:
    """So many of those that the move of one price can bring to liquidation, the nearest first."""
    far = np.abs(positions["move"].to_numpy())  # [positions] nan: none can
    return positions.take(pa.array(np.argsort(far, kind="stable")[: min(most, int((~np.isnan(far)).sum()))]))


def plain(text: str) -> str:
    """Non-breaking spaces and a true minus."""
    return text.replace("-", "−") if text[:1] == "-" else text.replace(" ", "\u00a0")


def usd(value: float, unit: bool = True) -> str:
    """759M USD."""
    return plain(magnitude(value)) + ("\u00a0USD" if unit else "")


def pct(share: float) -> str:
    """4.6 %."""
    return plain(percent(share))


def signed(share: float) -> str:
    """−4.6 %, +4.6 %."""
    return ("+" if share > 0 else "") + pct(share)


def short(account: str) -> str:
    """An address as people compare them."""
    return f"{account[:6]}…{account[-4:]}" if len(account) > 20 else account


def html_table(table: pa.Table, caption: str, most: int = MOST_ROWS) -> str:
    """A plain data table; numbers flush right, units in the headings."""
    fields = list(table.schema)
    side = ['class="n"' if is_right(one) else "" for one in fields]
    head = "".join(f'<th scope="col" {kind}>{escape(heading(one))}</th>' for one, kind in zip(fields, side, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td {kind}>{escape(text)}</td>" for text, kind in zip(row, side, strict=True)) + "</tr>"
        for row in cells(table.slice(0, most))
    )
    more = f"; the first {most} of {table.num_rows:,} rows" if table.num_rows > most else ""
    return f"<table><caption>{escape(caption)}{more}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
