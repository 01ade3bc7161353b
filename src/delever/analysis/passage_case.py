"""Every account's first passage: in closed form where it hangs on one log price that diffuses, else on the price paths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from delever.analysis.boundaries import (
    BASKET,
    NOW,
    PRICE,
    RATIO,
    UNKNOWN,
    Amounts,
    Boundaries,
    amounts_of,
    boundaries,
    moving_markets,
)
from delever.analysis.hitting import Hitting, beyond, hitting
from delever.analysis.outside_paths import Law, different_paths, law_of, louder, moves_by_events
from delever.analysis.passage_paths import Followed, Rows, follow, groups_of
from delever.analysis.valuation import market_of, sensitivity
from delever.run.assemble import Model

NEAR = 0.25  # standard deviations of the horizon by which a start price is shifted for differences
PLAIN = 0.01  # log price: the same where no volatility is stated
LOUDER = 0.05  # share by which volatilities are changed
FEWEST = 100  # paths from which differences are told
MARKS = 12  # moments until the horizon at which the book is told
Z = 1.959963984540054
AMOUNTS = (("accounts", "1"), ("debt_usd", "USD"), ("collateral_usd", "USD"), ("positions_usd", "USD"))


@dataclass(frozen=True)
class Asked:
    """What is asked of a first passage."""

    asset: str | None = None
    paths: int | None = None  # None: the scenario's
    simulate: bool = False  # all accounts, also those with a closed form
    continuous: bool = False  # closed forms as if somebody looked all the time
    events: bool = True  # the scenario's price events happen


@dataclass
class Told:
    """What is found of each account [A]; nan: not told."""

    probability: np.ndarray
    time: np.ndarray  # E[T; T <= tau] [s]
    low: np.ndarray
    high: np.ndarray
    delta: np.ndarray
    gamma: np.ndarray
    vega: np.ndarray


@dataclass(frozen=True)
class Case:
    """A model and all that does not depend on how it is asked."""

    model: Model
    asked: Asked
    jumps: np.ndarray  # [steps, M]
    moves: np.ndarray  # [R, M] of reserves, by markets that move
    amounts: Amounts
    found: Boundaries
    law: Law | None
    market: np.ndarray  # [A] whose price the Greeks are by; -1: none moves it
    closed: np.ndarray  # [A] bool
    counted: np.ndarray  # [A] bool
    paths: int

    @property
    def known(self) -> np.ndarray:
        """[A] bool: counted, and told."""
        return np.asarray(self.counted & (self.found.kind != UNKNOWN))

    @property
    def open(self) -> np.ndarray:
        """[A] bool: counted, and simulated."""
        return np.asarray(self.counted & ~self.closed & np.isin(self.found.kind, (PRICE, RATIO, BASKET)))

    @property
    def horizon(self) -> float:
        """[s]."""
        return self.model.steps * self.model.step_length


def case_of(model: Model, asked: Asked) -> Case:
    """What the accounts hang on."""
    jumps = moves_by_events(model)
    moving = moving_markets(model, jumps)
    moves = sensitivity(model) * moving
    amounts, law = amounts_of(model, moves), law_of(model, jumps)
    found = boundaries(model, moves, amounts)
    size = np.ones(len(moving)) if law is None else law.scale(np.eye(len(moving))) + 1e-9
    follows = np.abs(found.pull)  # of accounts with a driver what that follows: what moves both sides alike is nothing to them
    follows[found.one] = np.abs(found.vectors[found.driver[found.one]])
    weigh = follows * size * moving
    market = np.where(weigh.max(axis=1, initial=0.0) > 0.0, weigh.argmax(axis=1), -1)
    counted = np.ones(len(found.kind), np.bool_)
    if asked.asset is not None:
        m = market_of(model, asked.asset, "asset")
        counted = follows[:, m] > 0.0
        market = np.where(counted, m, -1)
    closed = np.zeros(len(counted), np.bool_)
    if law is not None and not asked.simulate and len(found.vectors):
        smooth = ~(np.abs(found.vectors) @ law.lumpy > 0.0)
        closed = found.one & smooth[found.driver]
    return Case(model, asked, jumps, moves, amounts, found, law, market, closed, counted,
                different_paths(model.prices, asked.paths or model.world.scenario.paths))


def passages(case: Case, at: np.ndarray, steps: float) -> tuple[Hitting, np.ndarray]:
    """Closed forms of accounts [n] within so many steps, which are the unit of time; and their vega.

    Who looks once a step sees it half a step later, on average: sum over looks against integral over time.
    """
    law, found = case.law, case.found
    assert law is not None
    vector = found.vectors[found.driver[at]]
    sigma = law.scale(found.vectors)[found.driver[at]]
    drift = vector @ law.drift + found.growth[at] * case.model.step_length
    there = found.distance[at] if case.asked.continuous else beyond(found.distance[at], sigma, 1.0)
    hit = hitting(there, -drift, sigma, steps)
    vega = sigma * hit.by_volatility + 2.0 * (vector @ law.convexity) * hit.by_drift
    if case.asked.continuous:
        return hit, vega
    seen = np.minimum(hit.time + 0.5 * hit.probability, steps * hit.probability)
    return hit._replace(time=seen), vega + (there - found.distance[at]) * hit.by_distance


def tell(case: Case) -> tuple[Told, Followed, list[int]]:
    """Of all accounts; and the paths, with the steps at which the book was added up."""
    found, model = case.found, case.model
    told = Told(*(np.full(len(found.kind), np.nan) for _ in range(7)))
    sure = ~np.isin(found.kind, (UNKNOWN, PRICE, RATIO, BASKET))
    told.probability[sure], told.time[sure] = found.kind[sure] == NOW, 0.0
    for column in (told.delta, told.gamma, told.vega):
        column[sure] = 0.0
    at = np.flatnonzero(case.closed)
    if len(at):
        hit, vega = passages(case, at, float(model.steps))
        follows = found.vectors[found.driver[at], case.market[at]]
        told.probability[at], told.time[at] = hit.probability, hit.time * model.step_length
        told.delta[at], told.vega[at] = hit.by_distance * follows, vega
        told.gamma[at] = hit.by_distance_twice * follows**2 - told.delta[at]
    marks = sorted({max(1, round(model.steps * k / MARKS)) for k in range(1, MARKS + 1)})
    return told, simulated(case, told, marks), marks


def simulated(case: Case, told: Told, marks: list[int]) -> Followed:
    """On the price paths: the book, and into `told` the accounts without a closed form."""
    found, model, paths = case.found, case.model, case.paths
    all_of = np.flatnonzero(case.counted & np.isin(found.kind, (PRICE, RATIO, BASKET)))
    open_ones = np.flatnonzero(case.open)
    amount = book_amounts(case)
    shift = np.zeros((len(open_ones), len(model.layout.markets)))
    near = np.full(shift.shape[1], PLAIN) if case.law is None else NEAR * np.sqrt(model.steps) * case.law.scale(
        np.eye(shift.shape[1]))
    near[near == 0.0] = PLAIN
    by = near[case.market[open_ones]]
    shift[np.arange(len(open_ones)), case.market[open_ones]] = np.where(case.market[open_ones] >= 0, by, 0.0)
    greeks = paths >= FEWEST and len(open_ones) > 0
    rows = Rows(all_of, np.zeros((len(all_of), shift.shape[1])), amount[all_of])
    if greeks:
        none = np.zeros((2 * len(open_ones), amount.shape[1]))
        rows = Rows(np.concatenate([all_of, open_ones, open_ones]), np.vstack([rows.shift, shift, -shift]),
                    np.vstack([rows.amount, none]))
    followed = run(case, rows, marks)
    place = np.flatnonzero(~case.closed[all_of])
    count = followed.reached[place]
    share = count / paths
    told.probability[open_ones], told.time[open_ones] = share, followed.time[place] / paths
    told.low[open_ones], told.high[open_ones] = wilson(count, paths)
    if greeks:
        up, down = followed.reached[len(all_of):].reshape(2, -1) / paths
        told.delta[open_ones] = (up - down) / (2.0 * by)
        told.gamma[open_ones] = (up - 2.0 * share + down) / by**2 - told.delta[open_ones]
        told.vega[open_ones] = vega_of(case, open_ones)
    return followed


def run(case: Case, rows: Rows, marks: list[int], by: float = 0.0) -> Followed:
    """Rows on the paths, all volatilities times 1 + by."""
    process = louder(case.model.prices, by) if by else case.model.prices
    assert process is not None
    groups = groups_of(case.model, rows, case.found, case.amounts, case.moves)
    return follow(case.model, process, case.jumps, case.paths, rows, groups, marks)


def vega_of(case: Case, accounts: np.ndarray) -> np.ndarray:
    """By differences [n]; nan where no volatility is stated."""
    if case.law is None:
        return np.full(len(accounts), np.nan)
    rows = Rows(accounts, np.zeros((len(accounts), case.moves.shape[1])), np.zeros((len(accounts), 0)))
    more, less = (run(case, rows, [], by).reached for by in (LOUDER, -LOUDER))
    return np.asarray((more - less) / (2.0 * LOUDER * case.paths))


def wilson(count: np.ndarray, paths: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share [n]; Wilson 1927."""
    share, spread = count / paths, Z**2 / paths
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = np.sqrt(share * (1.0 - share) * spread + spread**2 / 4.0) / (1.0 + spread)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def book_amounts(case: Case) -> np.ndarray:
    """[A, 2 x protocols x AMOUNTS]: each account's under its protocol; the second half without closed forms."""
    found, count = case.found, len(case.model.world.protocols)
    own = np.stack([np.ones(len(found.kind)), found.debt, found.collateral, found.positions], axis=1)
    here = case.model.positions.protocol[:, None] == np.arange(count)
    whole = (here[:, :, None] * own[:, None]).reshape(len(own), -1)
    return np.hstack([whole, whole * ~case.closed[:, None]])
