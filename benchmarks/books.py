"""Books and worlds of the benchmarks: twelve assets, about a thousand signatures, invented but plausible accounts."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from delever.actors.liquidators import Liquidators
from delever.events.price import Price
from delever.model.book import Book
from delever.model.world import World
from delever.oracles.push import Push
from delever.policies.dynamic_terms import DynamicTerms
from delever.prices.lognormal import LogNormal
from delever.protocols.base import Rules
from delever.rates.kinked import Kinked
from delever.venues.log_linear import LogLinear

# Assumptions, not estimates: popularity as collateral and as debt, daily volatility, and beta to the market.
ASSETS = ["WETH", "wstETH", "weETH", "WBTC", "cbBTC", "SOL", "LINK", "AAVE", "UNI", "USDC", "USDT", "DAI"]
THRESHOLD = np.array([.83, .81, .80, .78, .78, .72, .70, .70, .65, .80, .78, .78])
AS_COLLATERAL = np.array([.24, .16, .12, .16, .05, .04, .05, .04, .02, .06, .03, .03])
AS_DEBT = np.array([.22, .01, .01, .04, .01, .01, .01, .005, .005, .36, .24, .08])
DAILY_VOLATILITY = np.array([.030, .030, .030, .024, .024, .045, .045, .045, .050, .0006, .0006, .0006])
BETA = np.array([1, 1, 1, .8, .8, 1.3, 1.3, 1.3, 1.3, 0, 0, 0])
FALLS = {"quiet": 0.0, "crash": 0.18, "severe": 0.32}
"""Fall of the market, spread over a sixth of the day."""


def make_book(accounts: int, seed: int, signatures: int = 1075) -> tuple[Book, np.ndarray]:
    """A book priced at 1 USD an asset, and the units of collateral by asset [assets].

    Debts log-normal around 20,000 USD; health 1.01 + log-normal, median 1.51, loops of staked ETH 1.06.
    """
    rng, drawn = np.random.default_rng([seed, 1]), {}
    for _ in range(30_000):
        held = np.sort(rng.choice(12, rng.choice([1, 2, 3], p=[.55, .30, .15]), replace=False, p=AS_COLLATERAL)).tolist()
        owed = np.sort(rng.choice(12, rng.choice([1, 2], p=[.75, .25]), replace=False, p=AS_DEBT)).tolist()
        if not set(held) & set(owed):
            drawn[tuple(held), tuple(owed)] = drawn.get((tuple(held), tuple(owed)), 0) + 1
    common = sorted(drawn, key=lambda s: (-drawn[s], s))[:signatures]
    weight = np.array([drawn[s] for s in common], float)
    chosen = np.sort(rng.choice(len(common), accounts, p=weight / weight.sum()))
    asset = np.array([[*(c + c[-1:] * 2)[:3], *(d + d[-1:])[:2]] for c, d in common])[chosen]
    used = np.array([[k < len(c) for k in range(3)] + [k < len(d) for k in range(2)] for c, d in common])[chosen]
    loop = np.array([max(c) <= 2 and max(d) <= 2 for c, d in common])[chosen]
    debt = rng.lognormal(math.log(20_000), 1.5, accounts)
    health = 1.01 + np.where(loop, rng.lognormal(math.log(.05), .6, accounts), rng.lognormal(math.log(.5), .8, accounts))
    split = rng.gamma(1.0, 1.0, (accounts, 5)) * used
    owed_units = split[:, 3:] / split[:, 3:].sum(1, keepdims=True) * debt[:, None]
    held_units = split[:, :3] * (health * debt / (split[:, :3] * THRESHOLD[asset[:, :3]]).sum(1))[:, None]
    amount = np.hstack((held_units, owed_units))
    row, leg = np.nonzero(used)
    names = pa.array(ASSETS)
    table = pa.table({
        "protocol": pa.array(["lending"] * len(row)), "account": pa.array([f"a{i:07d}" for i in row]),
        "asset": names.take(pa.array(asset[row, leg])),
        "side": pa.array(["collateral", "debt"]).take(pa.array((leg >= 3).astype(int))),
        "amount": amount[row, leg],
    })
    units = np.bincount(asset[:, :3].ravel(), (held_units * used[:, :3]).ravel(), 12)
    return Book.from_table(table), units


def make_world(book: Book, units: np.ndarray, rules: Rules, scenario: str, paths: int, mode: str, seed: int = 7,
               curves: bool = False, terms: bool = False) -> World:
    """One day of minutes: push oracles, a venue for every asset, liquidators; no chain, one round a step.

    curves: every reserve has cash, a quarter of what is supplied, and a rate that answers what is lent out; terms: thresholds
    and incentives of every asset follow its volatility, set anew every hour.
    """
    correlation = {f"{a}/{b}": .9995 if i < 3 and j < 3 else .9999 if 3 <= i < 5 and 3 <= j < 5
                   else .5 if i >= 9 and j >= 9 else .1 if i >= 9 or j >= 9 else .75
                   for i, a in enumerate(ASSETS) for j, b in enumerate(ASSETS) if i < j}
    yearly = DAILY_VOLATILITY * math.sqrt(365.0)
    fall = {a: math.expm1(math.log1p(-FALLS[scenario]) * b) for a, b in zip(ASSETS, BETA, strict=True) if b}
    events = [Price(at=8 * 3600.0, over=4 * 3600.0, change=fall)] if FALLS[scenario] else []
    rates = {a: .06 if i >= 9 else .025 for i, a in enumerate(ASSETS)}
    answering = {"cash": {a: .25 * float(max(units[i], units.mean())) for i, a in enumerate(ASSETS)},
                 "rates": {a: Kinked(slope=rates[a], steep=.6, kink=.9) for a in ASSETS}} if curves else {}
    moving = {f"{term} of {a}": DynamicTerms(
        protocol="lending", term=term, assets=(a,), follows="realised_volatility", usual=float(yearly[i]), elasticity=by,
        least=.8, most=1.5) for term, by in (("threshold", -.1), ("incentive", .5)) for i, a in enumerate(ASSETS[:9]) if terms}
    return World.model_validate({
        "name": f"benchmark-{scenario}", "as_of": "2025-01-01T00:00:00Z",
        "assets": {a: {"price": 1.0} for a in ASSETS},
        "protocols": {"lending": {"rules": rules, "book": book, **answering, "parameters": {
            a: {"liquidation_threshold": t, "incentive": .05, "borrow_rate": rates[a]}
            for a, t in zip(ASSETS, THRESHOLD.tolist(), strict=True)}}},
        "feeds": {a: Push(of=f"{a}/USD", heartbeat=86400.0 if i >= 9 else 3600.0, deviation=.0025 if i >= 9 else .005)
                  for i, a in enumerate(ASSETS)},
        "oracles": {"lending": {a: a for a in ASSETS}},
        "venues": {a: LogLinear(pair=f"{a}/USD", depth=2.0 * float(units[i]), half_life=68.97 * 60)
                   for i, a in enumerate(ASSETS) if i < 9},  # stable coins trade at their price
        "actors": {"liquidators": Liquidators(rule="always")}, "policies": moving,
        "execution": {"mode": mode},
        "scenario": {"horizon": "24 h", "step": "1 min", "paths": paths, "seed": seed, "events": events,
                     "prices": LogNormal(volatility=dict(zip(ASSETS, yearly.tolist(), strict=True)), correlation=correlation)},
    })
