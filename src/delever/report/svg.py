"""What pictures share: a page, a text, colours that anybody can tell apart, round numbers."""

from __future__ import annotations

import math
from html import escape

# Told apart by people with any colour vision, on white (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
INK, FAINT, GREY = "#222222", "#dddddd", "#666666"


def page(width: float, height: float, body: str) -> str:
    """A self-contained picture on white."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="{INK}">\n'
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, words: str, anchor: str = "start", size: float = 13, weight: str = "normal",
         fill: str = INK) -> str:  # fmt: skip
    """Words at a place."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" font-weight="{weight}" '
            f'fill="{fill}">{escape(words)}</text>')  # fmt: skip


def nice(step: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten.

    >>> nice(31e6)
    50000000.0
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if step <= factor * power * (1 + 1e-9))
