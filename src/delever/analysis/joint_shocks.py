"""Shocks to several assets at once: "ETH -30 %, WBTC -20 %", "all -20 %", "factor ETH -30 %", "12 March 2020".

    ETH -30 %          an asset with a market of its own; what is pegged to it or wraps it follows, one to stETH moves its peg
    all -20 %          every asset with a price of its own, but those within 5 % of a dollar
    factor ETH -30 %   ETH, and every other asset by its beta to it: log move = beta x log(1 - 30 %),
                       beta = correlation x volatility / volatility of ETH, of the scenario's prices
    12 March 2020      a day of catalog/days.py, by date or name ("Black Thursday"): each asset to its low of that day; what it
                       does not name stays, and is said
What names an asset goes before what means it among others. Ranges ("ETH -60%..0%, WBTC -40%..0%") are walked side by side.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.analysis.shocks import FIVES, Shocks, Walk, parse_shocks
from delever.analysis.valuation import market_of
from delever.catalog.days import DAYS, IN, STANDS_FOR, Day, date_of, find
from delever.model.errors import InputError
from delever.model.finding import WARN, Finding
from delever.run.asked import Asked, asked_table, findings_of, findings_table, notes_found, stated
from delever.run.assemble import Model

ALL, FACTOR = "all", "factor"
DOLLAR = 0.05  # share: what is nearer to a dollar than this counts as one
PART = re.compile(r"(?:(?P<factor>factor)\s+)?(?P<asset>[^\s%]+)\s+(?P<change>[-+x×*\d.].*)", re.IGNORECASE)
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
BETWEEN = re.compile(rf"[;,]\s*(?=[^\s\d+-]|\d{{1,2}}\s+(?:{MONTHS})|\d{{4}}-\d)", re.IGNORECASE)
NUMBER = re.compile(r"[\d%]")
KNOWN = f"days are {', '.join(map(str, DAYS))}"
REMEDY = 'write "ETH -30 %, WBTC -20 %", "all -20 %", "factor ETH -30 %" or a day, "12 March 2020"'


@dataclass(frozen=True)
class Joint:
    """Moves of several assets, step by step."""

    assets: tuple[str, ...]
    moves: np.ndarray  # [steps, assets] shares
    said: tuple[str, ...] = ()  # what a reader must know of how they came about

    @property
    def lead(self) -> int:
        """The first asset that moves from step to step; the first of all where none does."""
        varies = np.flatnonzero(np.ptp(self.moves, axis=0) > 0.0)
        return int(varies[0]) if len(varies) else 0


def parse_joint(shocks: str | Mapping[str, Shocks], model: Model, walk: Walk = FIVES, where: str = "shock") -> Joint:
    """The moves that a text means, or those by asset."""
    named: dict[str, list[float]] = {}
    others: dict[str, list[float]] = {}
    said: list[str] = []
    days: list[Day] = []
    for part in _parts(shocks, where):
        if isinstance(part, Day):
            others = _joined(others, of_day(model, part, where), where)
            days.append(part)
            continue
        asset, factor, change = part
        moves = parse_shocks(change, where, walk)
        if factor:
            found = by_beta(model, asset, moves, where)
            said.append(f"factor {asset}: others move by their beta to it, of the scenario's prices")
        elif asset.casefold() == ALL and asset not in model.layout.assets:
            found = dict.fromkeys(moving(model), moves)
            left = [name for name in bases(model) if name not in found]
            said.append("all: " + ", ".join(found) + (f"; not {', '.join(left)}, worth a dollar" if left else ""))
        else:
            market_of(model, asset, where)
            if asset in named:
                raise InputError("is shocked twice", where, asset, "name each asset once")
            named[asset] = moves
            continue
        others = _joined(others, found, where)
    found = {**{name: moves for name, moves in others.items() if name not in named}, **named}
    if not found:
        raise InputError("names no shock", where, shocks, REMEDY)
    said += [said_of_day(model, day, named, others) for day in days]
    order = [*named, *(name for name in found if name not in named)]
    steps = max(len(moves) for moves in found.values())
    return Joint(tuple(order), np.array([_stretched(found[name], steps) for name in order]).T, tuple(said))


def _joined(others: dict[str, list[float]], found: dict[str, list[float]], where: str) -> dict[str, list[float]]:
    twice = [name for name in found if name in others]
    if twice:
        raise InputError("is shocked twice", where, twice[0], "write one of `all`, a factor and a day")
    return others | found


def _parts(shocks: str | Mapping[str, Shocks], where: str) -> list[tuple[str, bool, Shocks] | Day]:
    """Each an asset, whether it is a factor, and its change; or a day."""
    if not isinstance(shocks, str):
        return [(asset, False, change) for asset, change in shocks.items()]
    out: list[tuple[str, bool, Shocks] | Day] = []
    for text in BETWEEN.split(shocks.strip()):
        day, found = find(text), PART.fullmatch(text.strip())
        if day is not None:
            out.append(day)
            continue
        if date_of(text) is not None or text.casefold().startswith("day "):
            raise InputError("no such day", where, text, KNOWN)
        if found is None:
            raise InputError("names no asset and its move", where, text, REMEDY if NUMBER.search(text) else f"{REMEDY}; {KNOWN}")
        out.append((found["asset"], bool(found["factor"]), found["change"]))
    return out


def _stretched(moves: list[float], steps: int) -> np.ndarray:
    """So many steps: one move stays, another range is walked anew from its first end to its last."""
    if len(moves) == steps:
        return np.array(moves)
    return np.full(steps, moves[0]) if len(moves) == 1 else np.linspace(moves[0], moves[-1], steps)


def bases(model: Model) -> list[str]:
    """Assets with a price of their own."""
    return [name for name, asset in model.world.assets.items() if asset.price is not None and name in model.layout.markets]


def moving(model: Model) -> list[str]:
    """Those that are no dollar."""
    return [name for name in bases(model) if abs((model.world.assets[name].price or 0.0) - 1.0) >= DOLLAR]


def of_day(model: Model, day: Day, where: str) -> dict[str, list[float]]:
    """Moves to the day's lows of what has a market and is named: in dollars of what has a price, in its peg of what is pegged."""
    found: dict[str, list[float]] = {}
    for name, asset in model.world.assets.items():
        coin = name if name in day.moves else STANDS_FOR.get(name, name)
        priced = asset.price is not None or (asset.peg is not None and asset.peg == IN.get(coin))
        if coin not in day.moves or not priced or name not in model.layout.markets:
            continue
        kept = 1.0 + day.moves[coin].low
        if coin in IN and asset.peg is None:
            kept *= 1.0 + day.moves[IN[coin]].low
        found[name] = [round(kept - 1.0, 12)]
    if not found:
        raise InputError("names nothing that has a market here", where, str(day), f"it names {', '.join(day.moves)}")
    return found


def said_of_day(model: Model, day: Day, named: Collection[str], moved: Collection[str]) -> str:
    """What a reader must know of it. named: what is shocked by itself; moved: what the day moves."""
    like = [f"{name} as {STANDS_FOR[name]}" for name in moved if name not in day.moves and name not in named]
    stay = [name for name, asset in model.world.assets.items() if asset.price is not None and name not in {*named, *moved}]
    return "; ".join([f"{day}: from the day's start to its lows (UTC), taken together though they came at different times",
                      *([", ".join(like)] if like else []), *([f"not named, so unmoved: {', '.join(stay)}"] if stay else [])])


def by_beta(model: Model, factor: str, moves: list[float], where: str) -> dict[str, list[float]]:
    """Moves of everything whose price the scenario lets move, from those of one."""
    prices = model.world.scenario.prices
    volatility, matrix = getattr(prices, "volatility", None), getattr(prices, "matrix", None)
    if not volatility or matrix is None:
        raise InputError("prices state no volatility and correlation", where, f"factor {factor}", REMEDY)
    names = [name for name in model.layout.markets if name in volatility]
    if factor not in names or volatility[factor] <= 0.0:
        raise InputError("has no volatility", where, factor, f"a factor is one of {', '.join(names)}")
    row = matrix(names)[names.index(factor)]
    beta = {name: float(row[i] * volatility[name] / volatility[factor]) for i, name in enumerate(names)}
    steps = np.log1p(np.array(moves))
    return {name: np.round(np.expm1(beta[name] * steps), 12).tolist() for name in [factor, *names]
            if name == factor or beta[name] != 0.0}


def effects(model: Model, joint: Joint, seen_moves: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """What is stated beside what is used, and the findings. seen_moves: [R, assets] of seen prices, for one of each asset."""
    rows = [Asked("shock", "--shock", f"prices that follow {name}", math.nan, float((move != 0.0).sum()), "count")
            for name, move in zip(joint.assets, seen_moves.T, strict=True)]
    idle = [Finding(WARN, "shock.no_effect", row.where, row.what, "shock what somebody holds or owes, and sees by a feed that "
                    "is not fixed") for row in rows if row.done == 0.0]
    used = stated(model)
    found = [*idle, *findings_of(model.world, used), *notes_found(model.source.notes)]
    return asked_table([*used, *rows]), findings_table(found)
