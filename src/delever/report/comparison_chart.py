"""Paired differences as a picture: a panel a figure, a line a variant with its 95 % interval, 0 marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from delever.report.comparison import chosen_figures, label_of, signed, surely
from delever.report.mechanisms import known, with_unit
from delever.report.svg import COLOURS, FAINT, GREY, INK, page, text

if TYPE_CHECKING:
    from delever.analysis.comparison import Comparison

WIDTH, LEFT, RIGHT, TOP = 960.0, 250.0, 190.0, 70.0
LINE, HEAD, GAP = 22.0, 26.0, 16.0  # of a variant, of a panel's heading, between panels
MOST = 8  # panels


def comparison_chart(result: Comparison, figures: Sequence[str] = ()) -> str:
    """The figures named, else the main ones that differ."""
    names = chosen_figures(result, figures)[:MOST]
    rows = [[row for row in result.differences.to_pylist() if row["figure"] == name] for name in names]
    height = TOP + sum(HEAD + LINE * len(panel) + GAP for panel in rows) + 24.0 + 16.0 * len(_assumed(result))
    return page(WIDTH, height, "\n".join(_body(result, rows, height)))


def _assumed(result: Comparison) -> list[str]:
    """What it assumes, in lines that fit."""
    import textwrap

    return [line for said in result.assumptions for line in textwrap.wrap(said, 140, break_on_hyphens=False)]


def _body(result: Comparison, rows: Sequence[Sequence[dict[str, Any]]], height: float) -> Iterator[str]:
    yield text(24, 28, f"What-ifs on {result.name}", size=18, weight="bold")
    yield text(24, 48, f"Difference to the baseline with its 95 % interval; {result.paths:,} paths, the same for all")
    y = TOP
    for panel in rows:
        yield from _panel(panel, y)
        y += HEAD + LINE * len(panel) + GAP
    for number, line in enumerate(_assumed(result)):
        yield text(24, y + 8 + 16 * number, line, size=12, fill=GREY)


def _panel(rows: Sequence[dict[str, Any]], y: float) -> Iterator[str]:
    """One figure. The axis reaches from the least to the greatest end of an interval, 0 included."""
    unit = rows[0]["unit"]
    ends = [value for row in rows for value in (row["low"], row["high"], row["difference"]) if known(value)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    spread = (high - low) or 1.0

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / spread

    yield text(24, y + 16, f"{label_of(rows[0])}, baseline {with_unit(rows[0]['baseline'], unit)}", weight="bold")
    bottom = y + HEAD + LINE * len(rows)
    yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{bottom:.1f}" y2="{bottom:.1f}" stroke="{FAINT}"/>'
    zero = f'x1="{x(0.0):.1f}" x2="{x(0.0):.1f}" y1="{y + HEAD:.1f}" y2="{bottom:.1f}"'
    yield f'<line {zero} stroke="{INK}" stroke-dasharray="4 3"/>'
    for number, row in enumerate(rows):
        at, colour = y + HEAD + LINE * (number + 0.5), COLOURS[number % len(COLOURS)]
        name = row["variant"] if len(row["variant"]) <= 34 else row["variant"][:33] + "…"
        yield text(LEFT - 10, at + 4, name, anchor="end")
        if not known(row["difference"]):
            continue
        if known(row["low"]) and known(row["high"]):
            yield (f'<line x1="{x(row["low"]):.1f}" x2="{x(row["high"]):.1f}" y1="{at:.1f}" y2="{at:.1f}" stroke="{colour}" '
                   f'stroke-width="3"/>')
        yield f'<circle cx="{x(row["difference"]):.1f}" cy="{at:.1f}" r="5" fill="{colour}"/>'
        yield text(WIDTH - RIGHT + 10, at + 4, signed(row["difference"], unit), weight="bold" if surely(row) else "normal")
