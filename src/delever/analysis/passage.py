"""Who reaches his liquidation boundary within a horizon: how probable, how soon, what moves that; and the book as a whole.

Closed form (hitting.py) for accounts that hang on one log price which diffuses (boundaries.py), with the boundary set back by
what happens between two looks: the engine looks once a step. All others on the scenario's own price paths, without anybody who
acts (passage_paths.py). What a book loses to selling that feeds on itself comes on top: `stress` plays it.

    delta     change of the probability by a relative rise of the asset's price, S dP/dS; gamma: S^2 d2P/dS2
    vega      change by a relative rise of all volatilities, expected prices as they are
Of simulated accounts they are central differences on the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.boundaries import NOW, UNKNOWN, WORDS
from delever.analysis.passage_case import AMOUNTS, FEWEST, Asked, Case, Told, Z, book_amounts, case_of, passages, tell
from delever.analysis.passage_paths import Followed
from delever.analysis.price_alone import moves_alone
from delever.analysis.ruin import curves, leverage_bands
from delever.analysis.samples import plainly
from delever.analysis.tables import Column, named, table
from delever.model.errors import InputError
from delever.model.quantity import SECONDS
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.plots import by_leverage
from delever.run.result import Result

METHODS = ("closed form", "simulated", "none needed", "not told")
LEVELS = (0.5, 0.95, 0.99)  # of quantiles


@dataclass(frozen=True, repr=False)
class FirstPassage(Result):
    """First passage of a world's accounts.

    accounts: a row an account. book: a row a protocol and amount (the last rows: all of them), what of it belongs to accounts
    that reach their boundary. times: a row a moment. leverage: a row a protocol and band of leverage. curve: probability and
    distance against leverage at the scenario's volatility, a row a kind of position and leverage.
    """

    accounts: pa.Table
    book: pa.Table
    times: pa.Table
    leverage: pa.Table
    curve: pa.Table
    horizon: float  # [s]
    step: float  # [s]
    paths: int  # different ones that were run
    asset: str | None  # of the Greeks; None: of each account the one that moves it most
    said: tuple[str, ...] = ()

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.accounts

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: probability against leverage."""
        return by_leverage(alt, self.accounts, self.curve)

    def __repr__(self) -> str:
        whole = self.book.slice(self.book.num_rows - len(AMOUNTS)).to_pylist()[0]
        return (f"First passage within {self.horizon:g} s: {whole['expected']:.4g} of {whole['whole']:,.0f} accounts are "
                "expected to reach their boundary")


def first_passage(world: World, horizon: float | str | None = None, asset: str | None = None, paths: int | None = None,
                  simulate: bool = False, continuous: bool = False, events: bool = True) -> FirstPassage:
    """Probability and time of reaching the liquidation boundary, with delta, gamma and vega.

    horizon: "12 h" or seconds, the scenario's if not told. asset: accounts that move with its price alone, and Greeks by it;
    else each by what moves it most. paths: of the simulated part, the scenario's number if not told. simulate: closed forms
    are left out. continuous: boundaries as they are, as if somebody looked all the time. events: those of the scenario that
    move outside prices; an account that they touch has no closed form. InputError: unknown asset, no whole number of steps.
    """
    if paths is not None and paths < 1:
        raise InputError("is less than one", "paths", paths, "price paths to simulate, e.g. 10,000")
    return first_passage_of(assemble(until(world, horizon, events)), Asked(asset, paths, simulate, continuous, events))


def until(world: World, horizon: float | str | None, events: bool) -> World:
    """The world run so far, with or without its events, with all paths drawn as it states: shares of paths are counted."""
    world = plainly(world)
    scenario = world.scenario
    end = scenario.horizon
    if horizon is not None:
        try:
            end = float(SECONDS.read(horizon))
        except InputError as error:
            raise error.at("horizon") from None
    kept = tuple(event for event in scenario.events if events and getattr(event, "at", 0.0) < end)
    if kept != scenario.events:
        world = world.replace("scenario.events", kept)
    return world if end == scenario.horizon else world.replace("scenario.horizon", end)


def first_passage_of(model: Model, asked: Asked) -> FirstPassage:
    """The same for a world that is assembled already, up to its own horizon."""
    case = case_of(model, asked)
    told, followed, marks = tell(case)
    accounts = accounts_table(case, told)
    return FirstPassage(
        accounts, book_table(case, told, followed), times_table(case, followed, marks), leverage_bands(accounts),
        curves(model, case.found, case.law, case.market, case.counted, not asked.continuous), case.horizon, model.step_length,
        case.paths, asked.asset, tuple(to_know(case)))


def accounts_table(case: Case, told: Told) -> pa.Table:
    """A row an account."""
    found, positions, model = case.found, case.model.positions, case.model
    at = np.flatnonzero(case.counted)
    ways = np.select([case.closed, case.open, found.kind != UNKNOWN], [0, 1, 2], 3)
    alone = moves_alone(model, found, case.amounts, case.moves, case.market)
    with np.errstate(divide="ignore", invalid="ignore"):
        when = np.where(told.probability > 0.0, told.time / told.probability, np.nan)
    interval = "95 % interval of simulated accounts"
    return table(
        Column("protocol", "", named(list(model.world.protocols), positions.protocol[at])),
        Column("owner", "", named(positions.owners, positions.owner[at])),
        Column("account", "", named(positions.accounts, at)),
        Column("boundary", "", named(WORDS, found.kind[at]), "what it hangs on"),
        Column("method", "", named(METHODS, ways[at]), "how it was told"),
        Column("asset", "", named(["", *model.layout.markets], case.market[at] + 1), "whose price delta, gamma and move are of"),
        Column("leverage", "x", optional(found.leverage[at]), "collateral over what of it is the owner's; of margin accounts "
               "positions over equity"),
        Column("move", "share", optional(alone[at]), "of this price alone, until the account is liquidated"),
        Column("debt_usd", "USD", found.debt[at]),
        Column("collateral_usd", "USD", found.collateral[at], "of margin accounts equity"),
        Column("positions_usd", "USD", found.positions[at]),
        Column("probability", "share", optional(told.probability[at]), "of reaching the boundary within the horizon"),
        Column("low", "share", optional(told.low[at]), f"and high: {interval}"),
        Column("high", "share", optional(told.high[at])),
        Column("time_if_reached", "s", optional(when[at]), "expected time until then, if it is reached"),
        Column("time_in_horizon", "s", optional((told.time + case.horizon * (1.0 - told.probability))[at]),
               "expected time until then or until the horizon"),
        Column("delta", "1", optional(told.delta[at]), "change of the probability by a relative rise of the price"),
        Column("gamma", "1", optional(told.gamma[at]), "change of that, S^2 d2P/dS2"),
        Column("vega", "1", optional(told.vega[at]), "change of the probability by a relative rise of all volatilities"),
    )


def optional(values: np.ndarray) -> pa.Array:
    """Numbers; null for what is not known or without end."""
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


# --- the book ---------------------------------------------------------------------------------------------------------


def book_table(case: Case, told: Told, followed: Followed) -> pa.Table:
    """A row a protocol and amount, and of all protocols."""
    found, names = case.found, list(case.model.world.protocols)
    amount = np.split(book_amounts(case), 2, axis=1)[0] * case.known[:, None]  # [A, protocols x AMOUNTS]
    now = (found.kind == NOW) @ amount
    expected = np.nan_to_num(told.probability) @ amount
    every, simulated = np.split(followed.totals[-1], 2)  # [protocols x AMOUNTS, P]
    by_path = every + now[:, None]
    whole = amount.sum(axis=0)
    size = len(AMOUNTS)

    def with_all(values: np.ndarray) -> np.ndarray:
        parts = values.reshape(len(names), size, *values.shape[1:])
        return np.concatenate([parts, parts.sum(axis=0)[None]]).reshape(-1, *values.shape[1:])

    quantiles, by_chance = np.quantile(with_all(by_path), LEVELS, axis=1), with_all(simulated)
    half = np.where(case.open.any(), np.nan, np.zeros(len(by_chance)))  # one path says nothing of chance
    if case.paths > 1:
        half = Z * by_chance.std(axis=1, ddof=1) / np.sqrt(case.paths)
    mean = with_all(expected)
    return table(
        Column("protocol", "", [name for name in (*names, "all") for _ in AMOUNTS], kind=pa.string()),
        Column("what", "", [name.removesuffix("_usd") for name, _ in AMOUNTS] * (len(names) + 1), kind=pa.string()),
        Column("unit", "", [unit for _, unit in AMOUNTS] * (len(names) + 1), kind=pa.string()),
        Column("whole", "", with_all(whole), "of accounts that are told"),
        Column("now", "", with_all(now), "of accounts that are liquidatable now"),
        Column("expected", "", mean, "of accounts that reach their boundary within the horizon, mean"),
        Column("low", "", optional(mean - half), "and high: its 95 % interval, of what is simulated"),
        Column("high", "", optional(mean + half)),
        *(Column(f"q{round(level * 100)}", "", values, "its quantile over the price paths") for level, values in
          zip(LEVELS, quantiles, strict=True)),
    )


def times_table(case: Case, followed: Followed, marks: list[int]) -> pa.Table:
    """A row a moment: what is expected of the book by then."""
    found, count, size = case.found, len(case.model.world.protocols), len(AMOUNTS)
    every, open_ones = followed.totals[:, :count * size], followed.totals[:, count * size:]  # [K, ., P]
    own = np.stack([np.ones(len(found.kind)), found.debt, found.collateral, found.positions], axis=1)  # [A, 4]
    now = (case.counted & (found.kind == NOW)) @ own
    at = np.flatnonzero(case.closed & case.counted)
    means, spread = [], []
    for k, mark in enumerate(marks):
        closed = passages(case, at, float(mark))[0].probability @ own[at] if len(at) else np.zeros(size)
        means.append(now + closed + open_ones[k].reshape(count, size, -1).sum(axis=0).mean(axis=1))
        total = every[k].reshape(count, size, -1).sum(axis=0)
        spread.append(np.quantile(total[1] + total[3] + now[1] + now[3], (0.05, *LEVELS[:2])))
    expected, quantiles = np.array(means), np.array(spread)
    return table(
        Column("time", "s", np.array(marks) * case.model.step_length),
        *(Column(name, unit, expected[:, i], "" if i else "expected, of accounts that have reached their boundary by then")
          for i, (name, unit) in enumerate(AMOUNTS)),
        Column("low_usd", "USD", quantiles[:, 0], "and median, high: 5 %, 50 %, 95 % quantile of debt and positions over paths"),
        Column("median_usd", "USD", quantiles[:, 1]), Column("high_usd", "USD", quantiles[:, 2]))


def to_know(case: Case) -> Iterator[str]:
    """What a reader must know of this world."""
    found, model = case.found, case.model
    left = int((case.counted & ~case.known).sum())
    if left:
        yield f"{left:,} accounts are left out: with options, or of protocols that watch them themselves"
    if (case.open & found.one).any() and case.law is not None and not case.asked.simulate:
        yield (f"{(case.open & found.one).sum():,} accounts have a closed form but for the scenario's price events, and are "
               "simulated; without events: --no-events, events=False")
    if case.law is None:
        yield f"prices are of kind {model.world.scenario.prices.kind}: no closed form, no vega, no curve"
    if case.paths < FEWEST and case.open.any():
        yield f"{case.paths:,} different price paths: simulated accounts have no Greeks"
    others = sorted({event.kind for event in model.world.scenario.events} - {"price", "peg", "default"})
    if others:
        yield f"events of kind {', '.join(others)} move no outside price by themselves and play no part here"
    answers = sorted(name for name, protocol in model.world.protocols.items() if protocol.rates)
    if answers:
        yield f"{', '.join(answers)}: rates that follow utilisation are left out; constant ones count"
