"""Borrowers of crvUSD from day to day, out of a file of anonymous states: who stays, what he changes, and how near he was.

The file (crvusd_2023-11) says debt, collateral and bands of every borrower, snapshot after snapshot, without dates or names.
1. Snapshots: a borrower who does nothing comes back with the same collateral and bands, and a little more debt. The first who
   does says how long the snapshot was.
2. Identities: debts grow by one factor a day for all. Between two snapshots the alignment is taken that keeps the order and
   explains most: unchanged 3, collateral or debt unchanged 2, both changed at most 1, the less the more they did. Bands are
   fixed for a loan's life. Who finds no place is gone: closed, or sold out of his collateral.
3. Distance: x = ln(price / upper edge of his bands), which debt, collateral and bands fix up to a band; price the day's lowest of
   Chainlink's rounds. Bands rise with the debts of all, so that interest leaves x where it is.
4. Days on which bands were touched are not at risk: there collateral moves by itself. Whether they were is told by the state in
   the morning and the price alone, so that leaving them out picks no acts.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from delever.protocols.llamma_formulas import effective

MARKETS = {"weth": ("ETH", 1.0), "wbtc": ("BTC", 1.0), "wsteth": ("ETH", 1.1465)}  # feed, units of it in one: assumption
START, DAY = datetime(2023, 10, 1, tzinfo=UTC).timestamp(), 86400.0  # of the first snapshot: assumption, see owners.py
DISCOUNT, AMPLIFICATION = 0.09, 100.0  # of all three markets
ROUNDED = 0.005  # a first band is rounded up by half a band on average
GROWTH, SAME = 1e-3, 5e-6  # most that debts grow in a day; what counts as the same amount, as logs
LEAST_DEBT = 1000.0  # crvUSD; smaller loans are not worth an act


@dataclass(frozen=True)
class Panel:
    """Borrower-days, a row each; every field [rows]. debt: crvUSD; x, now: log distances, the day's nearest and its first;
    more, less: by how much collateral and debt changed [log], nan: gone."""

    market: np.ndarray
    day: np.ndarray
    owner: np.ndarray
    debt: np.ndarray
    x: np.ndarray
    now: np.ndarray
    more: np.ndarray
    less: np.ndarray

    def at(self, chosen: np.ndarray) -> Panel:
        """These rows."""
        return Panel(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @property
    def gain(self) -> np.ndarray:
        """What was added to the distance [log]; nan: gone."""
        return self.more + self.less


def data(*names: str) -> Path:
    """A file of the data sets."""
    return Path(os.environ["DELEVER_DATA"]).joinpath(*names)


def states(file: Path) -> dict[str, np.ndarray]:
    """(debt, collateral, bands) of every row in the order of the file, by market. [rows, 3]"""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in MARKETS}
    with file.open() as lines:
        for row in csv.DictReader(lines):
            if row["market"] in found:
                found[row["market"]].append(tuple(float(row[name]) for name in ("debt_crvusd", "collateral_units", "n_bands")))
    return {name: np.array(rows) for name, rows in found.items() if rows}


def snapshots(rows: np.ndarray, window: int = 10) -> list[np.ndarray]:
    """Rows cut where a snapshot ends: where most of the next rows are those that it began with, a little more in debt.

    Rows before these that nobody of the snapshot before could be belong to the new one, as far as it lacks as many.
    """
    seen: dict[tuple[float, float], list[int]] = {}
    last = np.full(len(rows), -1)  # the last row of the same collateral and bands
    for i, (debt, held, bands) in enumerate(rows):
        before = seen.setdefault((held, bands), [])
        last[i] = next((j for j in reversed(before) if 0.0 <= debt / rows[j, 0] - 1.0 < GROWTH), -1)
        before.append(i)
    starts, old = [0], -1  # old: where the snapshot before the last began
    for i in range(1, len(rows)):
        ahead = last[i:i + window] - starts[-1]
        if ahead[0] >= 0 and ((ahead >= 0) & (ahead < 2 * window)).sum() > window / 2:
            new = int(ahead[0])  # at most so many that acted or came stand before him
            while new and old >= 0 and (last[i - new:i] >= old).any():
                new -= 1
            starts, old = [*starts, i - new], starts[-1]
    return np.split(rows, starts[1:])


def growth(before: np.ndarray, after: np.ndarray) -> float:
    """The factor by which debts grew: the median over pairs of the same collateral and bands."""
    a, b = np.nonzero((before[:, None, 1] == after[None, :, 1]) & (before[:, None, 2] == after[None, :, 2]))
    ratio = after[b, 0] / before[a, 0]
    return float(np.median(ratio[(ratio >= 1.0) & (ratio < 1.0 + GROWTH)]))


def follow(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, float]:
    """(where each row of `before` stands in `after`, or -1; factor by which debts grew): the best alignment in order. [before, 3]

    best[i, j] = max(best[i-1, j], best[i, j-1], best[i-1, j-1] + worth of the pair), of the first i and j rows.
    """
    factor = growth(before, after)
    less = np.abs(np.log(after[None, :, 0] / before[:, None, 0] / factor))
    more = np.abs(np.log(after[None, :, 1] / before[:, None, 1]))
    same = (less < SAME).astype(float) + (more < SAME)
    worth = np.where(same > 0.0, 1.0 + same, 1.0 / (1.0 + less + more)) * (before[:, None, 2] == after[None, :, 2])
    best = np.zeros((len(before) + 1, len(after) + 1))
    for i in range(len(before)):
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], best[i, :-1] + worth[i]))
    place, i, j = np.full(len(before), -1), len(before), len(after)
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            place[i] = j
    return place, factor


def feed(asset: str) -> tuple[np.ndarray, np.ndarray]:
    """Chainlink's rounds: (time [s since 1970], USD), in order."""
    with data("oracles", f"chainlink_{asset}USD_2023-04_2024-01.csv").open() as file:
        found = sorted((float(row["update"]), float(row["answer"]) / 1e8) for row in csv.DictReader(file))
    time, usd = np.array(found).T
    return time[usd > 0.0], usd[usd > 0.0]


def day_prices(time: np.ndarray, usd: np.ndarray, days: int) -> tuple[np.ndarray, np.ndarray]:
    """(price in force as each day begins, the day's lowest). [days]"""
    edge = np.searchsorted(time, START + DAY * np.arange(days + 1), side="right")
    return usd[edge[:-1] - 1], np.array([usd[a - 1:b].min() for a, b in pairwise(edge)])


def market_panel(rows: np.ndarray, number: int, prices: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> Panel:
    """The borrower-days of one market. prices: of a number of days, (begin, lowest) of its collateral."""
    cut = snapshots(rows)
    begin, lowest = prices(len(cut) - 1)
    worth = np.array([0.0] + [effective(1.0, n, DISCOUNT, AMPLIFICATION) for n in range(1, 51)])
    owner, owners, found = np.arange(len(cut[0])), len(cut[0]), []
    for day, (before, after) in enumerate(pairwise(cut)):
        place, factor = follow(before, after)
        stays = place >= 0
        more, less = np.full(len(before), np.nan), np.full(len(before), np.nan)
        more[stays] = np.log(after[place[stays], 1] / before[stays, 1])
        less[stays] = -np.log(after[place[stays], 0] / before[stays, 0] / factor)
        edge = np.log(before[:, 0] / (before[:, 1] * worth[before[:, 2].astype(int)])) + ROUNDED
        found.append((np.full(len(before), number), np.full(len(before), day), owner + (number << 32), before[:, 0],
                      np.log(lowest[day]) - edge, np.log(begin[day]) - edge, more, less))
        came = np.full(len(after), -1)
        came[place[stays]] = owner[stays]
        new = came < 0
        came[new] = owners + np.arange(new.sum())
        owner, owners = came, owners + int(new.sum())
    return Panel(*(np.concatenate(column) for column in zip(*found, strict=True)))


def panel() -> Panel:
    """Every market of the file."""

    def prices(name: str) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
        asset, units = MARKETS[name]
        time, usd = feed(asset)

        def of(days: int) -> tuple[np.ndarray, np.ndarray]:
            begin, lowest = day_prices(time, usd, days)
            return begin * units, lowest * units
        return of

    rows = states(data("crvusd_2023-11", "crvusd_borrower_states_DERIVED.csv"))
    return join(*(market_panel(one, k, prices(name)) for k, (name, one) in enumerate(rows.items())))


def join(*panels: Panel) -> Panel:
    """One below the other."""
    return Panel(*(np.concatenate([getattr(one, name) for one in panels]) for name in Panel.__dataclass_fields__))


def at_risk(every: Panel) -> Panel:
    """Those who could act outside their bands: above them all day, and owing something."""
    return every.at((every.x > 0.0) & (every.now > 0.0) & (every.debt >= LEAST_DEBT))

