"""Every account's liquidation boundary as a price that must fall so far, where it is one.

What an account has to spare is a sum of amounts that move with vectors of log prices x, and grow with interest:

    backing - debt = sum_u W_u exp(s_u x + r_u t)        liquidated when below 0

Legs that move alike are one amount. Of one that is above 0 and one below the account hangs on the ratio of both, so on one log
price v x + g t, v = s_above - s_below, and its distance is ln(W_above / -W_below): exactly one price (ETH against dollars), or of
two (stETH against ETH), each as log-normal as they are. With more amounts it is a basket. Margin accounts are the same in the
exchange's unit, but for tiers: along their one price the first multiple at which equity is maintenance margin is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from delever.analysis.margins import MarginBook
from delever.analysis.position_prices import FALLS, RISES, nearest
from delever.analysis.valuation import Legs, health, legs_of
from delever.run.assemble import Model

NOTHING = 1e-12  # share of an account's amounts that is nothing
OWES_NOTHING, NOW, NEVER, PRICE, RATIO, BASKET, UNKNOWN = range(7)
WORDS = ("owes nothing", "liquidatable now", "no price reaches it", "one price", "ratio of prices", "basket", "not known")


@dataclass(frozen=True)
class Boundaries:
    """Where each account is liquidated. Axes: A accounts, D drivers, M markets."""

    kind: np.ndarray  # [A] of WORDS
    distance: np.ndarray  # [A] log price that its driver must fall; nan: no driver
    driver: np.ndarray  # [A] -1: none
    growth: np.ndarray  # [A] of the driver by interest [1/s]
    vectors: np.ndarray  # [D, M] how each driver follows the markets
    pull: np.ndarray  # [A, M] USD that a unit of log price adds to what the account has to spare
    collateral: np.ndarray  # [A] USD; of margin accounts equity
    debt: np.ndarray  # [A] USD; of margin accounts 0
    positions: np.ndarray  # [A] size of positions of margin accounts, USD
    leverage: np.ndarray  # [A] times; inf: nothing is its own

    @property
    def one(self) -> np.ndarray:
        """[A] bool: has a driver."""
        return self.driver >= 0


class Amounts:
    """Lending accounts as amounts that move alike. Axes: A accounts, U amounts, M markets."""

    def __init__(self, legs: Legs, price: np.ndarray, moves: np.ndarray, supply: np.ndarray, borrow: np.ndarray) -> None:
        """moves: [R, M] of reserves by markets that move; supply, borrow: [R] interest [1/s]."""
        self.legs, self.now = legs, health(legs, price)
        self.vectors, number = np.unique(np.round(moves, 12), axis=0, return_inverse=True)
        self.alike = number.ravel()[legs.reserve]  # [K]
        value = np.where(legs.debt, -1.0, legs.threshold) * self.now.value  # [K] USD
        rate = np.where(legs.debt, borrow[legs.reserve], supply[legs.reserve])
        self.weight = self._sum(value)  # [A, U] USD
        size = self._sum(np.abs(value))
        self.weight[np.abs(self.weight) <= NOTHING * size.sum(axis=1, keepdims=True)] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            self.growth = np.where(self.weight != 0.0, self._sum(value * rate) / self.weight, 0.0)  # [A, U] 1/s, at the start

    def _sum(self, values: np.ndarray) -> np.ndarray:
        count, kinds = self.legs.accounts, len(self.vectors)
        return np.bincount(self.legs.account * kinds + self.alike, values, count * kinds).reshape(count, kinds)


def moving_markets(model: Model, jumps: np.ndarray) -> np.ndarray:
    """[M] bool: markets whose outside price may move by itself or by an event. jumps: [steps, M] what events bring."""
    out = (jumps != 0.0).any(axis=0)
    number, load = getattr(model.prices, "number", None), getattr(model.prices, "load", None)
    if number is None:
        out[:] = True  # a process that says nothing of itself
    elif load is None:
        out[number] = True
    else:
        out[number] = (load != 0.0).any(axis=1)
        out |= np.asarray(getattr(model.prices, "drift", 0.0)) != 0.0
    return out


def boundaries(model: Model, moves: np.ndarray, amounts: Amounts) -> Boundaries:
    """Of all accounts. moves: [R, M] of reserves, by markets that move; amounts: of the lending accounts."""
    return _with_margin(model, moves, _of_lending(model, moves, amounts))


def amounts_of(model: Model, moves: np.ndarray) -> Amounts:
    """What lending accounts have to spare, by what moves it; constant rates let it grow. moves: [R, M]."""
    constant = np.array([asset not in model.world.protocols[name].rates for name, asset in model.positions.reserves])
    supply, borrow = (np.where(constant, rate, 0.0) for rate in (model.positions.supply_rate, model.positions.borrow_rate))
    return Amounts(legs_of(model), model.seen_price(), moves, supply, borrow)


def _of_lending(model: Model, moves: np.ndarray, amounts: Amounts) -> Boundaries:
    legs, now, weight = amounts.legs, amounts.now, amounts.weight
    count = legs.accounts
    above, below = weight > 0.0, weight < 0.0
    single = (above.sum(axis=1) == 1) & (below.sum(axis=1) == 1)
    rows, up, down = np.arange(count), above.argmax(axis=1), below.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.log(weight[rows, up]) - np.log(-weight[rows, down])
    growth = amounts.growth[rows, up] - amounts.growth[rows, down]
    watched = np.array([getattr(protocol.rules, "watches", False) for protocol in model.world.protocols.values()], np.bool_)
    owes = now.debt > 0.0
    kind = np.select([~owes, watched[model.positions.protocol], now.eligible, ~below.any(axis=1), single],
                     [OWES_NOTHING, UNKNOWN, NOW, NEVER, PRICE], BASKET)
    has = kind == PRICE
    vectors, driver = _drivers(amounts.vectors[up] - amounts.vectors[down], has, moves.shape[1])
    kind[_follows_several(vectors, driver)] = RATIO
    value = legs.total(now.value, ~legs.debt)
    with np.errstate(divide="ignore", invalid="ignore"):
        leverage = np.where(value > now.debt, value / (value - now.debt), np.inf)
    return Boundaries(kind, np.where(has, distance, np.nan), driver, np.where(has, growth, 0.0), vectors,
                      weight @ amounts.vectors, value, now.debt, np.zeros(count), leverage)


def _drivers(vectors: np.ndarray, has: np.ndarray, markets: int) -> tuple[np.ndarray, np.ndarray]:
    """Different ones of [A, M], and the number of each account's [A]; -1 where it has none."""
    driver = np.full(len(has), -1)
    if not has.any():
        return np.zeros((0, markets)), driver
    found, number = np.unique(vectors[has], axis=0, return_inverse=True)
    driver[has] = number.ravel()
    return found, driver


def _follows_several(vectors: np.ndarray, driver: np.ndarray) -> np.ndarray:
    """[A] bool: has a driver of more than one market."""
    return np.asarray(np.append(np.count_nonzero(vectors, axis=1), 0)[driver] > 1)


def _with_margin(model: Model, moves: np.ndarray, found: Boundaries) -> Boundaries:
    """The accounts of exchanges, written over their places."""
    book = MarginBook(model)
    if not book.exchanges or not len(book.accounts):
        return found
    price, count, at = model.seen_price(), len(book.accounts), book.accounts
    standing = book.at(price)
    cash = moves[model.positions.margins.cash[book.protocol]]  # [N, M] how the unit that margins are stated in moves
    own = np.concatenate([book.owner, book.trader])
    reserve = np.concatenate([book.held, book.perp])
    value = np.concatenate([book.units * price[book.held] * book.weight, book.size * book.sense * price[book.perp]])
    beside = moves[reserve] - cash[own]  # [legs, M] in that unit
    counts = (value != 0.0) & (beside != 0.0).any(axis=1)
    vector, several = np.zeros((count, moves.shape[1])), np.zeros(count, np.bool_)
    vector[own[counts]] = beside[counts]
    several[own[counts & (np.abs(beside - vector[own]) > NOTHING).any(axis=1)]] = True
    moved = np.bincount(own, counts, count) > 0.0
    trades = np.bincount(book.trader, minlength=count) > 0
    optional = np.bincount(book.trader, model.positions.margins.option[book.perp, 0] > 0.0, count) > 0.0
    alone = trades & ~optional & ~standing.unhealthy & moved & ~several

    unit = moves[np.maximum(model.positions.margins.cash, 0)]  # [protocols, M]
    with_it = (np.abs(moves[None] - unit[:, None]) > NOTHING).any(axis=2)[book.protocol]  # [N, R]

    def gap(multiple: np.ndarray) -> np.ndarray:
        at_it = book.at(price, np.where(with_it, multiple[:, None], 1.0))
        return np.where(alone, at_it.equity - at_it.maintenance, 1.0)

    fall, rise = nearest(gap, FALLS, count), nearest(gap, RISES, count)
    both, neither = ~np.isnan(fall) & ~np.isnan(rise), np.isnan(fall) & np.isnan(rise)
    kind = np.select([~trades, optional, standing.unhealthy, ~moved, several | both, neither],
                     [OWES_NOTHING, UNKNOWN, NOW, NEVER, BASKET, NEVER], PRICE)
    has = kind == PRICE
    down = has & ~np.isnan(fall)
    with np.errstate(invalid="ignore"):
        distance = np.where(has, np.abs(np.log(np.where(down, fall, rise))), np.nan)
    vectors, driver = _drivers(np.where(down[:, None], vector, -vector), has, moves.shape[1])
    kind[_follows_several(vectors, driver)] = RATIO
    pull = np.stack([np.bincount(own, value * moves[reserve, m], count) for m in range(moves.shape[1])], axis=1)
    size = book.size_of(standing)
    with np.errstate(divide="ignore", invalid="ignore"):
        leverage = np.where(standing.equity > 0.0, size / standing.equity, np.inf)
    driver = np.where(driver >= 0, driver + len(found.vectors), -1)
    mine = (kind, distance, driver, np.zeros(count), None, pull, standing.equity, np.zeros(count), size, leverage)
    for whole, part in zip(vars(found).values(), mine, strict=True):
        if part is not None:
            whole[at] = part
    return Boundaries(**{**vars(found), "vectors": np.vstack([found.vectors, vectors])})
