"""The wall: bars by price, the price that is chosen, and what it reaches. It follows every change; nothing needs to be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from delever.report.html.figure import signed
from delever.report.html.theme import colours
from delever.report.html.walls import bad_debt, parts, reached
from delever.report.numbers import price
from delever.report.svg import nice
from delever.web.page.words import markup, unit_of
from delever.web.session import Session
from delever.web.view import USD

HEIGHT, TICKS = 190.0, 4  # of the drawing [px]; grid lines, about
BAR = 0.84  # of its place


def head(session: Session) -> str:
    """Which asset, which way, which unit."""
    return markup("wallhead", view=session.view, assets=session.world.get("assets", []), usd=session.view.unit == USD)


def chart(session: Session) -> str:
    """The bars."""
    drawn = drawing(session) if session.wall else None
    return markup("wall", drawn=drawn, view=session.view, world=session.world, wall=session.wall, wrong=session.error,
                  unit=unit_of(session).name)


def more(session: Session) -> str:
    """The same as a table, with what its words mean."""
    drawn = drawing(session) if session.wall else None
    return markup("wallmore", drawn=drawn, wall=session.wall, unit=unit_of(session).name)


def drawing(session: Session) -> dict[str, Any]:
    """Bars, grid, line and mark: across in percent of the width, down in pixels."""
    rows, unit = session.wall["rows"], unit_of(session)
    shocks = sorted({float(row["shock"]) for row in rows})
    step = min((b - a for a, b in pairwise(shocks)), default=0.05)
    low, span = shocks[0] - step / 2, step * len(shocks)
    by_shock = {shock: [row for row in rows if row["shock"] == shock] for shock in shocks}
    top = max(sum(map(reached, mine)) for mine in by_shock.values())
    grid = nice(top / TICKS) if top > 0.0 else 1.0
    ceiling = grid * max(1, -(-top // grid))
    colour = colours(session.world["protocols"])

    def x(shock: float) -> float:
        return 100.0 * (shock - low) / span

    def y(value: float) -> float:
        return HEIGHT * (1.0 - value / ceiling)

    bars = [{**bar(session, mine, y, colour), "shock": shock, "x": x(shock - BAR * step / 2), "middle": x(shock),
             "name": "now" if abs(shock) < 1e-9 else signed(shock), "labelled": round(shock / step) % 2 == 0}
            for shock, mine in by_shock.items()]
    inside = shocks[0] <= session.view.shock <= shocks[-1]
    return {
        "bars": bars, "height": HEIGHT, "width": 100.0 * BAR * step / span, "mark_width": 100.0 * step / span,
        "ticks": [{"y": y(grid * i), "name": unit.bare(grid * i)} for i in range(round(ceiling / grid) + 1)],
        "line": " ".join(f"{x(shock):.2f},{y(sum(map(bad_debt, mine))):.2f}" for shock, mine in by_shock.items()),
        "mark": x(session.view.shock) if inside else None,
        "legend": [(colour[name], name) for name in dict.fromkeys(row["protocol"] for row in rows)],
    }


def bar(session: Session, rows: list[dict[str, Any]], y: Callable[[float], float], colour: Mapping[str, str]) -> dict[str, Any]:
    """One shock: protocols one above the other, what is liquidatable now below what is eligible besides."""
    unit, below, stack = unit_of(session), 0.0, []
    for row in rows:
        for value, opacity, what in parts(row):
            if value > 0.0:
                stack.append({"y": y(below + value), "height": y(below) - y(below + value), "opacity": opacity,
                              "colour": colour[row["protocol"]], "says": f"{row['protocol']}, {what}: {unit.value(value)}"})
                below += value
    return {"stack": stack, "total": unit.bare(below), "bad": unit.bare(sum(map(bad_debt, rows))),
            "says": f"{session.wall['asset']} {signed(rows[0]['shock'])}: {unit.value(below)} within reach"}


def slider(session: Session) -> str:
    """Of the asset's price."""
    return markup("slider", view=session.view)


def others(session: Session) -> str:
    """Of the prices of other assets."""
    moves = dict(session.view.others)
    names = [name for name in session.world.get("assets", []) if name != session.view.asset]
    return markup("others", others=[(name, moves.get(name, 0.0)) for name in names], moved=any(moves.values()))


def says(session: Session) -> str:
    """What the chosen price reaches."""
    found, unit, view = session.at, unit_of(session), session.view
    if not found:
        return markup("wallsay", text="")
    rows = found["rows"]
    now = sum(value for row in rows for value, opacity, _ in parts(row) if opacity == 1.0)
    whole, bad = sum(map(reached, rows)), sum(map(bad_debt, rows))
    others = "".join(f", {name} {signed(move)}" for name, move in view.others if move and name != view.asset)
    text = (f"{view.asset} at {price(found['price'])} USD ({'now' if view.shock == 0 else signed(view.shock)}{others}): "
            f"{unit.value(whole)} within reach, {unit.value(now)} liquidatable now, {unit.value(bad)} bad debt")
    return markup("wallsay", text=text)


