"""Amounts by name as a picture: a self-contained SVG, a row a name, its bars one upon the other, from 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from delever.model.errors import InputError
from delever.report.numbers import human
from delever.report.svg import COLOURS, FAINT, page, text

WIDTH, LEFT, RIGHT, TOP, ROW = 960.0, 190.0, 110.0, 82.0, 26.0
MOST = 40  # rows, the largest first
LONGEST = 24  # letters of a name


def bar_chart(title: str, names: Sequence[str], bars: Mapping[str, Sequence[float]], unit: str = "USD") -> str:
    """Bars by what they are, each a number a name, the longest kind first: shorter ones are drawn over longer ones."""
    if not names:
        raise InputError("has no row", "chart", title, "there is nothing to draw")
    first = next(iter(bars.values()))
    order = sorted(range(len(names)), key=lambda i: -first[i])[:MOST]
    return page(WIDTH, TOP + ROW * len(order) + 24.0, "\n".join(_body(title, names, bars, unit, order)))


def _body(title: str, names: Sequence[str], bars: Mapping[str, Sequence[float]], unit: str, order: Sequence[int]
          ) -> Iterator[str]:
    longest = max((values[i] for values in bars.values() for i in order), default=0.0) or 1.0
    yield text(24, 28, title, size=18, weight="bold")
    at = 24.0
    for number, name in enumerate(bars):
        yield f'<rect x="{at:.1f}" y="44" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield text(at + 18, 55, name)
        at += 36 + 7.2 * len(name)
    for place, i in enumerate(order):
        y = TOP + ROW * place
        yield text(LEFT - 10, y + 15, names[i] if len(names[i]) <= LONGEST else names[i][:LONGEST - 1] + "…", anchor="end")
        yield f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y + ROW:.1f}" y2="{y + ROW:.1f}" stroke="{FAINT}"/>'
        for number, values in enumerate(bars.values()):
            high = ROW - 8 - 5 * number  # shorter ones are lower too, so that equal ones are seen
            wide = (WIDTH - LEFT - RIGHT) * max(values[i], 0.0) / longest
            yield (f'<rect x="{LEFT:g}" y="{y + (ROW - high) / 2:.1f}" width="{wide:.1f}" height="{high:.1f}" '
                   f'fill="{COLOURS[number % len(COLOURS)]}"/>')
        yield text(WIDTH - RIGHT + 10, y + 15, human(float(next(iter(bars.values()))[i]), unit))
