"""The wall as a picture: well-formed, in dollars, one stack a shock, today's price marked."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import delever as dl
from delever.model.errors import InputError
from delever.report import wall_chart
from delever.report.chart import COLOURS

SVG = "{http://www.w3.org/2000/svg}"


def chart(shocks: str) -> ET.Element:
    wall = dl.wall(dl.load(dl.example("first")), "ETH", shocks)
    return ET.fromstring(wall_chart("first <&>", "ETH", wall, 2500.0))


def test_bars_are_as_high_as_the_debt_they_stand_for() -> None:
    root = chart("-60%..0% by 20%")
    wall = dl.wall(dl.load(dl.example("first")), "ETH", "-60%..0% by 20%")
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.get("fill") == COLOURS[0] and bar.get("y") != "60"]
    heights: dict[str, float] = {}
    for bar in bars:
        heights[bar.attrib["x"]] = heights.get(bar.attrib["x"], 0.0) + float(bar.attrib["height"])
    debts = [debt for debt in wall.totals["eligible_debt_usd"].to_pylist() if debt > 0.0]
    drawn = [heights[x] for x in sorted(heights, key=float)]
    assert len(drawn) == len(debts)
    for height, debt in zip(drawn, debts, strict=True):
        assert height / drawn[0] == pytest.approx(debt / debts[0], abs=1e-3)


def test_todays_price_is_marked_and_names_are_escaped() -> None:
    texts = [element.text for element in chart("-40%..0%").iter(f"{SVG}text")]
    assert "now 2,500.00 USD" in texts
    assert "Liquidation wall of first <&>: ETH" in texts


def test_a_picture_needs_a_range() -> None:
    with pytest.raises(InputError, match="needs a range"):
        chart("-40%")
