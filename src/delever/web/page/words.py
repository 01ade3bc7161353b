"""Templates, and numbers in the unit that is chosen: USD, or shares of all debt and open positions at the start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from delever.report.comparison import signed
from delever.report.html.answer import between, said
from delever.report.html.figure import pct, plain, short, usd
from delever.report.html.figure import signed as signed_pct
from delever.report.numbers import price
from delever.web.session import Session
from delever.web.view import SHARE

NONE = "–"


@cache
def environment() -> jinja2.Environment:
    """Templates of the page; what they are given is escaped."""
    found = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
                               loader=jinja2.PackageLoader("delever.web", "files"))
    found.filters.update(pct=pct, move=signed_pct, short=short, price=price, plain=plain)
    return found


def markup(template: str, **given: Any) -> str:
    """A template filled."""
    return environment().get_template(f"{template}.html.j2").render(**given)


def safe(text: str) -> Markup:
    """Markup that a report made, in which names are escaped already."""
    return Markup(text)


def file(name: str) -> str:
    """A text beside the templates."""
    return resources.files("delever.web").joinpath("files", name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Unit:
    """How amounts of money are said."""

    share: bool
    whole: float  # all debt and open positions at the start [USD]

    @property
    def name(self) -> str:
        """For headings."""
        return "share of debt" if self.share else "USD"

    def _is(self, unit: str) -> bool:
        return self.share and unit == "USD" and self.whole > 0.0

    def value(self, value: float | None, unit: str = "USD") -> str:
        """One number."""
        if value is None:
            return NONE
        return said(value / self.whole, "share") if self._is(unit) else said(value, unit)

    def bare(self, value: float) -> str:
        """One amount under a heading that names the unit."""
        return said(value / self.whole, "share") if self._is("USD") else usd(value, False)

    def interval(self, low: float | None, high: float | None, unit: str = "USD") -> str:
        """From, to."""
        nan = float("nan")
        ends = [nan if end is None else end / self.whole if self._is(unit) else end for end in (low, high)]
        return between(ends[0], ends[1], "share" if self._is(unit) else unit)

    def difference(self, value: float | None, unit: str = "USD") -> str:
        """With its sign; of shares in points."""
        if value is None:
            return NONE
        return plain(signed(value / self.whole, "share") if self._is(unit) else signed(value, unit))


def unit_of(session: Session, whole: float | None = None) -> Unit:
    """As the browser has chosen. whole: of what shares are; by default of the wall's book."""
    return Unit(session.view.unit == SHARE, float(session.wall.get("exposure", 0.0)) if whole is None else whole)
