"""A perp exchange for the benchmark: cross-margined accounts over thirty instruments, invented but plausible."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from delever.events.price import Price
from delever.model.book import Book
from delever.model.world import World
from delever.prices.lognormal import LogNormal
from delever.protocols.exchange import Exchange, Stage
from delever.venues.log_linear import LogLinear
from delever.waterfall.adl import Adl
from delever.waterfall.insurance_fund import InsuranceFund

# Assumptions, not estimates: number of instruments, daily volatility, beta to the market, tiers, sizes, leverage.
INSTRUMENTS = 30
VOLATILITY = np.linspace(.025, .055, INSTRUMENTS)  # a day
BETA = np.linspace(.9, 1.4, INSTRUMENTS)
TIERS = [{"floor": 0, "maintenance": .01}, {"floor": 250_000, "maintenance": .02}, {"floor": 2_000_000, "maintenance": .05}]
FALLS = {"quiet": 0.0, "crash": 0.15}


def make_book(accounts: int, seed: int) -> tuple[Book, np.ndarray]:
    """A book priced at 1 USD an instrument, and its one-sided open interest [instruments].

    One to eight positions an account (mean 3.5), 55 % long, notional log-normal around 10,000 USD, margin = notional /
    leverage, leverage log-normal around 4, at most 20.
    """
    rng = np.random.default_rng([seed, 2])
    count = rng.choice(np.arange(1, 9), accounts, p=[.2, .2, .18, .14, .1, .08, .06, .04])
    row = np.repeat(np.arange(accounts), count)
    order = np.argsort(rng.random((accounts, INSTRUMENTS)) ** (1.0 / np.linspace(4.0, .5, INSTRUMENTS)), axis=1)[:, ::-1]
    instrument = order[np.arange(INSTRUMENTS) < count[:, None]]
    size = rng.lognormal(math.log(10_000), 1.3, len(row)) * np.where(rng.random(len(row)) < .55, 1.0, -1.0)
    entry = rng.uniform(.97, 1.03, len(row))
    gross = np.bincount(row, np.abs(size), accounts)
    leverage = np.minimum(rng.lognormal(math.log(4.0), .6, accounts), 20.0)
    profit = np.bincount(row, size * (1.0 - entry), accounts)
    collateral = gross / leverage + .02 * gross - profit
    names = pa.array([f"a{i:07d}" for i in range(accounts)])
    perps = pa.array([f"C{k:02d}-PERP" for k in range(INSTRUMENTS)])
    both = np.concatenate([row, np.arange(accounts)])
    table = pa.table({
        "protocol": pa.array(["perps"] * len(both)), "account": names.take(pa.array(both)),
        "asset": pa.concat_arrays([perps.take(pa.array(instrument)), pa.array(["USD"] * accounts)]),
        "side": pa.array(["position"] * len(row) + ["collateral"] * accounts),
        "amount": np.concatenate([size, np.maximum(collateral, 1.0)]),
        "entry_price": pa.array(np.concatenate([entry, np.full(accounts, np.nan)]), from_pandas=True),
    })
    return Book.from_table(table), np.bincount(instrument, np.abs(size), INSTRUMENTS) / 2.0


def make_world(book: Book, interest: np.ndarray, scenario: str, paths: int, seed: int = 7) -> World:
    """One day of minutes: books with depth, an engine with partial orders, a fund, auto-deleveraging."""
    coins = [f"C{k:02d}" for k in range(INSTRUMENTS)]
    fall = {a: math.expm1(math.log1p(-FALLS[scenario]) * b) for a, b in zip(coins, BETA, strict=True)}
    yearly = VOLATILITY * math.sqrt(365.0)
    return World.model_validate({
        "name": f"perps-{scenario}", "as_of": "2025-01-01T00:00:00Z",
        "assets": {**{a: {"price": 1.0} for a in coins}, **{f"{a}-PERP": {"perp": a} for a in coins}},
        "protocols": {"perps": {
            "rules": Exchange(stages=(Stage(stage="market", partial_above=100e3),)), "book": book,
            "parameters": {f"{a}-PERP": {"tiers": TIERS} for a in coins},
            "waterfall": (InsuranceFund(start={"USD": 5e6}), Adl(rule="binance"))}},
        "venues": {a: LogLinear(pair=f"{a}-PERP/USD", depth=4.0 * float(units), half_life=600.0)
                   for a, units in zip(coins, interest, strict=True)},
        "scenario": {"horizon": "24 h", "step": "1 min", "paths": paths, "seed": seed,
                     "events": [Price(at=8 * 3600.0, over=4 * 3600.0, change=fall)] if FALLS[scenario] else [],
                     "prices": LogNormal(volatility=dict(zip(coins, yearly.tolist(), strict=True)),
                                         correlation={f"{a}/{b}": .7 for i, a in enumerate(coins) for b in coins[i + 1:]})},
    })
