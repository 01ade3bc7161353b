"""What borrowers of crvUSD pay: less while the coin is dear and its peg keepers have coins out, more while it is cheap.

    r = rate0 x min(e^((1 - p) / sigma - fraction / target), 1000) + extra           p: price of the coin
    fraction = coins that peg keepers have out / all that borrowers owe;   with `averaged` its average over that time
    with a ceiling of the market:  x (0.9 + 0.1 / (1 - f)), at most 300 % a year,   f = owed / ceiling, at most 0.9999
Nobody lends such a coin: it is minted for loans, so utilisation says nothing and suppliers earn nothing.
Source: curvefi/curve-stablecoin, AggMonetaryPolicy (rate0, sigma, target), AggMonetaryPolicy3 (ceiling), AggMonetaryPolicy4
(extra, averaged; 012bebf). Over a year a rate r makes e^r - 1 there and here. What the later ones do with the least debt of the
last day is left out, and the average begins at what it is (there at the target).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from delever.core.columns import Column, Value, mean_of
from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.reserves import owed_of
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import Ledgers, Reserves
from delever.model.errors import InputError
from delever.model.quantity import Amount, PerYear, Seconds, Share, Text
from delever.model.references import known_name
from delever.rates.base import HIGHEST, YEAR, RateCurve, RatesPhase, Reserve, grow

MOST = 43959106799e-18  # [1/s] 300 % a year, compounded
LOWEST_POWER, HIGHEST_POWER, TIMES = -41.446531673892821, 6.907755278982137, 1000.0  # below: 0; ln 1000; the most that e^x counts
REMAINDER, FULL = 0.1, 0.9999  # the rate is x 1.9 when a tenth is left below the ceiling
RATE0, SIGMA, TARGET, EXTRA, CEILING, ELSEWHERE = range(6)  # columns of terms


class MonetaryPolicy(RateCurve):
    """The rate of one stablecoin, by its price and its peg keepers."""

    kind = "monetary_policy"
    of_minted = True

    rate0: PerYear = Field(ge=0, le=1.4, examples=["10 %"], description="rate at the peg with no coin out of peg keepers")
    sigma: Share = Field(0.02, ge=1e-4, le=1, description="how far below the peg the rate is e times as high")
    target: Share = Field(0.1, gt=0, le=1, description="part of the debt that peg keepers have out at which the rate is rate0/e")
    keepers: list[Text] = Field([], description="actors that are its peg keepers")
    feed: Text | None = Field(None, description="feed of the coin's price; null: its market price in USD")
    elsewhere: Amount = Field(0.0, ge=0, description="units owed by whom the book lacks, all along")
    ceiling: Amount | None = Field(None, gt=0, examples=["200m"], description="units that may be owed; null: of no account")
    extra: PerYear = Field(0.0, ge=0, description="what is added to the rate")
    averaged: Seconds | None = Field(None, gt=0, description="averaging time of the peg keepers' part; null: as it is")

    @model_validator(mode="after")
    def _nobody_supplies(self) -> MonetaryPolicy:
        if self.reserve_factor:
            raise InputError("has no part in it", path=("reserve_factor",), value=self.reserve_factor,
                             remedy="the coin is minted for loans and nobody supplies it: leave it out")
        return self

    def check(self, world: Any, path: tuple[str | int, ...]) -> None:
        """A feed, and peg keepers of this coin."""
        asset = str(path[-1])
        if self.feed is not None:
            known_name(self.feed, world.feeds, "feed", (*path, "feed"))
            if not str(getattr(world.feeds[self.feed], "of", "")).startswith(f"{asset}/"):
                raise InputError("is of another asset", path=(*path, "feed"), value=self.feed, remedy=f"name a feed of {asset}")
        for name in self.keepers:
            known_name(name, world.actors, "actor", (*path, "keepers"))
            pool = world.venues.get(getattr(world.actors[name], "venue", None) or "")
            if world.actors[name].kind != "peg_keepers" or pool is None or pool.base != asset:
                raise InputError(f"is no peg keeper of {asset}", path=(*path, "keepers"), value=name,
                                 remedy=f"name actors of `kind: peg_keepers` whose pool is {asset}'s")

    @classmethod
    def phase(cls, specs: Mapping[Reserve, MonetaryPolicy], setting: Setting) -> Policies:
        """See RateCurve."""
        return Policies(specs, setting)


@helper
def rate_by_peg(price: float, fraction: float, filled: float, rate0: float, sigma: float, target: float, extra: float) -> float:
    """[1/s], as rate0 and extra. fraction: that peg keepers have out; filled: of the ceiling, below 0: there is none."""
    power, many = (1.0 - price) / sigma - fraction / target, 0.0
    if power > LOWEST_POWER:
        many = exp_(power) if power < HIGHEST_POWER else TIMES
    rate = rate0 * many + extra
    if filled < 0.0:
        return rate
    return min(rate * (1.0 - REMAINDER + REMAINDER / (1.0 - min(filled, FULL))), MOST)


@kernel
def rates_of(terms: np.ndarray, log_price: np.ndarray, fraction: np.ndarray, used: np.ndarray, rate: np.ndarray) -> None:
    """terms: [n, 6], a second; log_price, fraction, used: [n, P]; rate: [n, P], written."""
    for i in range(terms.shape[0]):
        for p in range(rate.shape[1]):
            filled = used[i, p] if terms[i, CEILING] < np.inf else -1.0
            rate[i, p] = rate_by_peg(exp_(log_price[i, p]), fraction[i, p], filled, terms[i, RATE0], terms[i, SIGMA],
                                     terms[i, TARGET], terms[i, EXTRA])


@kernel
def look(number: np.ndarray, out: np.ndarray, keep: np.ndarray, terms: np.ndarray, reserves: Reserves, ledgers: Ledgers,
         fraction: np.ndarray, used: np.ndarray) -> None:
    """Peg keepers' part of the debt, and the part of the ceiling that is owed.

    number: [n] reserves; out: [n, P] units that peg keepers have out; keep: [n] share of the average so far; terms: [n, 6];
    fraction, used: [n, P], written.
    """
    for i in range(number.shape[0]):
        for p in range(used.shape[1]):
            owed = owed_of(number[i], p, reserves, ledgers)
            debt = owed + terms[i, ELSEWHERE]
            now = max(out[i, p], 0.0) / debt if debt > 0.0 else 0.0
            fraction[i, p] = now + (fraction[i, p] - now) * keep[i]
            used[i, p] = owed / terms[i, CEILING]


KEPT = Column("keepers_part", "share", "what peg keepers have out, as a part of what is owed", mean_of(
    "keepers_part", "what peg keepers have out as a part of what is owed, at the end", under="keepers' part"), section="Rates",
    stock=True)
NOW = Column("borrow_rate", "1/year", "borrow rate of the last step", mean_of(
    "borrow_rate", "the borrow rate of the last step", under="rate at the end"), section="Rates", stock=True)


class Policies(RatesPhase):
    """All such rates. n: how many."""

    def __init__(self, specs: Mapping[Reserve, MonetaryPolicy], setting: Setting) -> None:
        super().__init__(specs, setting)
        made, actors = list(specs.values()), setting.world.actors
        self.terms = np.array([[one.rate0 / YEAR, one.sigma, one.target, one.extra / YEAR, one.ceiling or math.inf, one.elsewhere]
                               for one in made])
        self.coin, layout = [setting.layout.asset(asset) for _, asset in specs], setting.layout.tree
        self.chain = [layout.chain[coin, :layout.length[coin]] for coin in self.coin]
        self.feed = [-1 if one.feed is None else setting.feed(one.feed) for one in made]
        self.holders = [[setting.holder(name) for name in one.keepers] for one in made]
        self.begun = [sum(getattr(actors[name], "debt", 0.0) for name in one.keepers) for one in made]  # units out at the start
        self.decay = np.array([math.exp(-setting.step_length / one.averaged) if one.averaged else 0.0 for one in made])
        self.keep = np.zeros(len(made))  # the average begins at what it is
        self.log_price, self.fraction = np.zeros((2, *self.rate.shape))

    def use(self, state: State, least: np.ndarray) -> None:
        """Prices and peg keepers as they stand: what a keeper has out his row of the ledger lacks."""
        tokens, out = state.ledgers.tokens, np.zeros(self.rate.shape)
        for i, coin in enumerate(self.coin):
            if self.feed[i] >= 0:
                self.log_price[i] = state.feeds.answer[self.feed[i]]
            else:
                self.log_price[i] = state.tree.log_rate[coin]
                for m in self.chain[i]:
                    self.log_price[i] += state.markets.price[m]
            out[i] = self.begun[i]
            for holder in self.holders[i]:
                out[i] -= tokens[holder, coin]
        look(self.number, out, self.keep, self.terms, state.reserves, state.ledgers, self.fraction, self.used)
        self.keep = self.decay

    def rates(self, step_length: float) -> None:
        """See RatesPhase."""
        rates_of(self.terms, self.log_price, self.fraction, self.used, self.rate)

    def grow(self, state: State) -> None:
        """Debts alone: nobody supplies."""
        grow(self.number, state.step_length, self.kept, np.zeros(self.rate.shape), self.rate, state.reserves)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(column, values[i].copy(), int(state.reserves.protocol[r]), int(state.reserves.asset[r]))
                for i, r in enumerate(self.number)
                for column, values in ((KEPT, self.fraction), (NOW, self.rate * YEAR), (HIGHEST, self.highest * YEAR))]
