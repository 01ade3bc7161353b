"""What would change it: variants beside the baseline, paired on the same paths."""

from __future__ import annotations

from html import escape
from typing import Any

from delever.analysis.hybrids import group_of
from delever.report.comparison import chosen_figures, in_points, label_of, signed, surely
from delever.report.html.answer import between, said
from delever.report.html.figure import Given, plain

HALF, PLACE = 60, 56  # of the drawing of a difference: middle, reach [px]


def table(given: Given) -> tuple[str, str]:
    """(title, markup) of the table; empty where nothing is compared."""
    result = given.comparison
    if result is None:
        return "", ""
    shown = chosen_figures(result)
    rows = {(row["variant"], row["figure"]): row for row in result.differences.to_pylist()}
    head = "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name in result.labels)
    body = []
    for figure in shown:
        mine = [rows[name, figure] for name in result.labels]
        span = max((abs(value) for row in mine for value in (row["low"], row["high"]) if value == value), default=0.0) or 1.0
        base = escape(said(mine[0]["baseline"], mine[0]["unit"]))
        cells = "".join(cell(row, span) for row in mine)
        body.append(f'<tr><th scope="row">{escape(label_of(mine[0]))}</th><td class="n b">{base}</td>{cells}</tr>')
    caption = (
        "Below each value: the difference to the baseline and its 95 % interval; bold where the interval leaves out 0. "
        f"{result.paths:,} paths, the same for every column."
    )
    markup = (
        f'<table class="what"><caption>{caption}</caption><thead><tr><th scope="col">figure</th>'
        f'<th scope="col" class="n">baseline</th>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
    return title([rows[name, figure] for name in result.labels for figure in shown]), markup


def settings(given: Given) -> list[dict[str, Any]]:
    """What is not as in this run, and to which group of inputs it belongs."""
    if given.comparison is None:
        return []
    worlds = dict(zip(given.comparison.labels, given.others, strict=True))
    return [row | {"group": group_of(row["field"], given.run.world, worlds[row["variant"]].world)}
            for row in given.comparison.settings.to_pylist()]


def cell(row: dict[str, Any], span: float) -> str:
    """A variant's value of one figure, with its difference drawn."""
    unit, sure = str(row["unit"]), surely(row)
    interval, colour = "", "mute"
    if row["low"] == row["low"]:
        colour = ("loss" if row["difference"] > 0 else "calm") if sure else "mute"
        a, b, x = (HALF + PLACE * float(row[name]) / span for name in ("low", "high", "difference"))
        interval = (
            f'<span class="ci">{escape(in_points(between(row["low"], row["high"], unit), unit))}</span>'
            f'<svg viewBox="0 0 120 14" aria-hidden="true">'
            f'<line x1="60" x2="60" y1="0" y2="14" stroke="var(--mute)"/><line x1="{a:.1f}" x2="{b:.1f}" y1="7" y2="7" '
            f'stroke="var(--{colour})" stroke-width="2"/><circle cx="{x:.1f}" cy="7" r="4" fill="var(--{colour})"/></svg>'
        )
    difference = plain(signed(row["difference"], unit))
    return (
        f'<td class="n"><span class="b">{escape(said(row["value"], unit))}</span><span class="d{" sure" if sure else ""}">'
        f"{escape(difference)}</span>{interval}</td>"
    )


def title(rows: list[dict[str, Any]]) -> str:
    """How many differences their intervals carry."""
    sure = sum(surely(row) for row in rows)
    return (
        f"{sure} of {len(rows)} differences are more than sampling: their 95 % interval leaves out 0"
        if rows
        else "Nothing differs"
    )
