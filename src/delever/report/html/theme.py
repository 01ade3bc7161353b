"""Colours of the page, and the way from an Altair chart to inline SVG that follows light and dark.

Each chart is drawn twice, for a wide and for a narrow page, so that no text is ever scaled; hexes of the light palette become CSS
variables. A mark's `description` becomes its aria-label: the page shows it as a hint, and a screen reader says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from delever.model.errors import InputError

if TYPE_CHECKING:
    import altair

PALETTE = {  # light, dark; told apart under each kind of colour blindness, at least 3:1 on the ground
    "c1": ("#0b5fa5", "#62aef5"),
    "c2": ("#2a93cc", "#a9ddff"),
    "c3": ("#c87800", "#f2b14c"),
    "c4": ("#6b7280", "#b9c0ca"),
    "loss": ("#b8390b", "#ff8a5c"),  # losses and forced selling
    "calm": ("#00795a", "#45c79f"),  # without feedback
    "alt": ("#84519f", "#cda6e6"),  # a third comparison
    "ink": ("#1c1f23", "#e9e6df"),
    "mute": ("#5d646d", "#a9adb3"),
    "grid": ("#e3e0d9", "#33373d"),
    "band": ("#cfd4da", "#4a5058"),
    "ground": ("#fffefb", "#15181c"),
}
C = {name: light for name, (light, _) in PALETTE.items()}
WIDE, NARROW = 660, 348  # [px]
PALE = 0.36  # opacity of what is eligible besides
ENTITIES = ("c1", "c2", "c3", "alt", "c4")  # of protocols, in their order
AXIS = {
    "aria": False,
    "domainColor": C["mute"],
    "tickColor": C["mute"],
    "gridColor": C["grid"],
    "labelColor": C["mute"],
    "titleColor": C["mute"],
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "tickSize": 4,
    "labelPadding": 4,
    "titlePadding": 6,
    "labelFlush": False,
}
CONFIG = {
    "background": None,
    "font": "Liberation Sans",
    "view": {"stroke": None},
    "legend": {"disable": True},
    "axis": AXIS,
    "axisY": {
        "domain": False,
        "ticks": False,
        "minExtent": 48,
        "maxExtent": 48,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "start",
        "titleBaseline": "bottom",
        "titleX": -48,
        "titleY": -8,
    },
    "axisX": {"grid": False},
    "text": {"fontSize": 12, "color": C["ink"], "aria": False},
    "rule": {"color": C["ink"]},
}
MONEY = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 1e9 ? format(datum.value / 1e9, ',.3~r') + 'B' : abs(datum.value) >= 1e6 ? "
    "format(datum.value / 1e6, ',.3~r') + 'M' : abs(datum.value) >= 1e3 ? format(datum.value / 1e3, ',.3~r') + 'k' : "
    "format(datum.value, ',.3~r')"
)  # of a label of an axis
PERCENT = "replace(replace(format(datum.value, '+.3~p'), '%', '\u00a0%'), '-', '−')"
_SWAP = {light: f"var(--{name})" for name, (light, _) in PALETTE.items()}
_LIGHT = re.compile("|".join(map(re.escape, _SWAP)))

Rows = Sequence[Mapping[str, Any]]
Make = Callable[[bool], Any]  # (narrow) -> chart


def needed() -> Any:
    """Altair. InputError where the extra is not installed."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError:
        raise InputError("is not installed", "report", None, 'pip install "delever[report]"') from None
    return altair


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour a protocol, the same in every chart."""
    return {name: ENTITIES[i % len(ENTITIES)] for i, name in enumerate(names)}


def chart(rows: Rows) -> altair.Chart:
    """A chart of these rows."""
    alt = needed()
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def drawn(make: Make) -> str:
    """A chart as inline SVG, for wide and for narrow pages."""
    return _svg(make(False), "wide", WIDE) + _svg(make(True), "narrow", NARROW)


def _svg(made: Any, kind: str, width: int) -> str:
    import vl_convert

    spec = made.to_dict(validate=False)  # to check the schema costs more than to draw
    spec.update(
        width=width,
        autosize={"type": "fit", "contains": "padding"},
        config=CONFIG,
        padding={"left": 2, "right": 10, "top": 18, "bottom": 2},
    )
    text = vl_convert.vegalite_to_svg(spec)
    text = _LIGHT.sub(lambda match: _SWAP[match.group(0)], text)
    text = re.sub(r' (?:d|transform)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match.group(0)), text)  # of a pixel
    text = re.sub(r' aria-roledescription="[^"]*"| role="graphics-[a-z]+"| pointer-events="none"| font-family="[^"]*"', "", text)
    return text.replace("<svg ", f'<svg class="{kind}" aria-hidden="true" focusable="false" ', 1)
