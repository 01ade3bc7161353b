"""Draws of a week, each a world of one path: what the two markets and the vaults look like hour by hour and day by day."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import fit
import inputs
import numpy as np
import pyarrow.compute as pc
import pyarrow.csv
import week
from inputs import DAY, HOUR, MARKETS, YEAR

from delever.actors.vaults import Vaulting
from delever.core.allocation import worths
from delever.core.outcomes import DEFICITS
from delever.core.reserves import cash_of, owed_of
from delever.core.route import usd_price
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import Phases, step
from delever.model.book import Book
from delever.rates.adaptive import Adapting
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state
from delever.worlds import load

DUST = 1.0  # units: a market that is owed no more is empty
SEED, DRAWS = 20251104, 240
ALL = "all vaults"  # of a row: those that have rows, together
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


class Told(NamedTuple):
    """Of a draw, or of what came: as things stand at each hour, from the first that is foretold to the last moment."""

    used: np.ndarray  # [hours + 1, markets] share lent out
    rate: np.ndarray  # [hours + 1, markets] borrow rate a year, as the contract states it then
    bad: np.ndarray  # [hours + 1, markets] units owed beyond the collateral at its market price, and what is written off
    booked: np.ndarray  # [hours + 1, markets] units written off
    assets: np.ndarray  # [hours + 1, vaults] USD that each has


class Span(NamedTuple):
    """What is run, and of which hours is spoken."""

    fit: str  # name of the fit in estimates.json
    as_of: str  # the last state that is known
    first: str  # the first hour that is foretold
    until: str
    calm: bool  # no stablecoin has fallen before as_of


WEEK = Span("2025-11-04", "2025-11-03T23:00:00Z", "2025-11-04T00:00:00Z", "2025-11-11T00:00:00Z", False)
KNOWN = Span("2025-11-01", "2025-11-01T00:00:00Z", "2025-11-01T00:00:00Z", "2025-11-03T23:00:00Z", True)  # scored, as it has come


def simulate(span: Span, draw: int, hours: int | None = None) -> Told:
    """One draw; -1: everything at its middle."""
    found = week.estimates(span.fit)
    drawn = week.unknown(found, np.random.default_rng([SEED, draw]) if draw >= 0 else None, span.calm)
    start, end = inputs.moment(span.as_of), inputs.moment(span.until)
    with TemporaryDirectory() as folder:
        pyarrow.csv.write_csv(week.prices(start, end), Path(folder) / "prices.csv")
        book = week.book(start, drawn, found)
        files: dict[str, Any] = {name: Book.from_table(book.filter(pc.equal(book["protocol"], name)), protocol=name)
                                 for name in ("morpho", "elsewhere")}
        files["prices"] = str(Path(folder) / "prices.csv")
        model = assemble(load(week.world(span.as_of, span.until, drawn, found, files, draw + 1)))
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    skip = round((inputs.moment(span.first) - start) / HOUR)
    collateral = [float(inputs.states(market, start).collateral[-1]) for market in MARKETS]
    out = []
    for hour in range((round(model.steps * model.step_length / HOUR) if hours is None else hours) + 1):
        if hour >= skip:
            out.append(told(model, chunk, state, collateral))
        for _ in range(round(HOUR / model.step_length) if hour * HOUR < model.steps * model.step_length else 0):
            step(chunk, state)
    assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT, "value is conserved"
    return Told(*(np.array(column) for column in zip(*out, strict=True)))


def told(model: Model, chunk: Phases, state: State, collateral: Sequence[float]) -> tuple[list[float], ...]:
    """As things stand now: see Told. collateral: units in each market at the start."""
    curve = next(phase for phase in chunk.accruals if isinstance(phase, Adapting))
    vaults = next(phase for phase in chunk.everybody if isinstance(phase, Vaulting))
    reserves, ledgers = state.reserves, state.ledgers
    used, rate, bad, booked = [], [], [], []
    backing = dict(zip(week.PLACES, collateral, strict=True))
    for place in week.PLACES:
        loan, held = (model.positions.reserves.index((place, name)) for name in (week.loan_of(place), week.COLLATERAL))
        owed, cash = owed_of(loan, 0, reserves, ledgers), cash_of(loan, 0, reserves, ledgers)
        share = owed / (owed + max(cash, 0.0)) if owed > DUST else 0.0
        target = float(curve.target[list(curve.number).index(loan), 0])
        units = backing[place] + float(ledgers.scaled[0, held, 0])
        price = usd_price(int(reserves.asset[held]), 0, state.tree, state.markets.price)
        lost = float(ledgers.totals[DEFICITS, int(reserves.protocol[loan]), 0])
        used.append(share)
        rate.append(target * YEAR * fit.curve_of(share))
        bad.append(max(owed - units * price, 0.0) + lost)
        booked.append(lost)
    worth = np.zeros((2, len(vaults.names), 1))
    worths(vaults.held, reserves, ledgers, worth)
    return used, rate, bad, booked, [float(usd) for name, usd in zip(vaults.names, worth[0, :, 0], strict=True)
                                     if not name.startswith("others_")]


def simulated(span: Span, draws: int, workers: int) -> Told:
    """All draws: arrays of Told with an axis of draws in front."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        found = list(pool.map(simulate, [span] * draws, range(draws), chunksize=4))
    return Told(*(np.array(column) for column in zip(*found, strict=True)))


def hours(span: Span) -> list[str]:
    """The hours of a span, each told as it stands when it begins."""
    start, end = inputs.moment(span.first), inputs.moment(span.until)
    return [inputs.told(start + HOUR * k) for k in range(round((end - start) / HOUR))]


def days(span: Span) -> list[tuple[str, int, int]]:
    """(Day, hour at which it begins, hour at which it ends) of the whole days of a span."""
    start, end = inputs.moment(span.first), inputs.moment(span.until)
    return [(inputs.told(start + DAY * k, "%Y-%m-%d"), 24 * k, 24 * k + 24) for k in range(int((end - start) // DAY))]


def vault_names(span: Span) -> list[str]:
    """As rows call them: name and address."""
    return [f"{one['name']} {who}" for who, one in week.estimates(span.fit)["vaults"]["each"].items()]


def quantities(span: Span, told: Told) -> list[tuple[str, str, str, np.ndarray]]:
    """(Quantity, of what, unit, values [draws]) of all rows. told: with an axis of draws."""
    out: list[tuple[str, str, str, np.ndarray]] = []
    for m, market in enumerate(MARKETS):
        out += [(name, f"{market.name} {hour}", unit, values[:, k, m]) for name, unit, values in (
            ("utilisation", "share of 1", told.used), ("rate", "share of 1 a year", told.rate))
            for k, hour in enumerate(hours(span))]
    for v, vault in enumerate(vault_names(span)):
        out += [("assets leaving the vault", f"{vault} {day}", "USD", told.assets[:, first, v] - told.assets[:, last, v])
                for day, first, last in days(span)]
    out += [("assets leaving the vault", f"{ALL} {day}", "USD", (told.assets[:, first] - told.assets[:, last]).sum(1))
            for day, first, last in days(span)]
    for m, market in enumerate(MARKETS):
        out += [(name, f"{market.name} {day}", "USD", values[:, last, m]) for name, values in (
            ("bad debt", told.bad), ("bad debt written off", told.booked)) for day, _, last in days(span)]
    return out
