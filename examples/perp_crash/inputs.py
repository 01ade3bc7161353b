"""What stood before 20:45 UTC on 10 October 2025, and one draw of what is uncertain about it.

Where each range comes from: README.md, "What is uncertain".
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import evening as observed
import history
import numpy as np

from delever.analysis.leverage import Spread
from delever.ingest import perp_markets as pm
from delever.ingest.source import Source

HERE = Path(__file__).resolve().parent
COINS = 40  # largest by open interest
SMALLEST = 1000.0  # USD of account value on the leaderboard below which a row is dust


@dataclass(frozen=True)
class Known:
    """What stood before the forecast, read once."""

    coins: tuple[str, ...]
    open_interest: np.ndarray  # [coins] one-sided, USD, at 20:05
    measured: np.ndarray  # [coins] bool: of 20:05, else a 30-day mean
    price: np.ndarray  # [coins] USD at 20:45; 1 for coins without a price
    tiers: list[list[tuple[float, float]]]  # [coins] (from this notional [USD], maximum leverage)
    depth: np.ndarray  # [coins] USD within 1 % of the mid, one side
    spot_volume: np.ndarray  # [coins] spot volume of the coin on exchanges over Hyperliquid's volume in its perp
    sizes: np.ndarray  # [rows] account values, USD
    equity: float  # of all accounts, USD
    all_coins: float  # open interest of all coins, one-sided, USD
    vault: float  # USD
    spreads: list[Spread]
    evening: observed.Evening
    history: history.History


@dataclass(frozen=True)
class Inputs:
    """What is uncertain, as drawn; every field a row of the sensitivity table."""

    spread: Spread
    oi_level: float  # open interest over 30-day mean
    idle: float  # share of account value without position
    hedged: float  # share of each side held by hedged accounts
    hedged_margin: float  # median margin over gross of hedged accounts
    pivot: float  # margin over notional up to which calm days identify leverage; above, the total account value decides
    against: float  # share of legs that go against their account's leaning
    depth_level: float  # factor on depth before the crash
    depth_kept: float  # factor on depth in the crash
    refill: float  # half-life of a displaced book [s]
    vault: float  # equity of the backstop [USD]
    unwinding: float  # half-life of what the vault has taken over [s]
    reserve: float  # maintenance of what the vault holds that its equity must cover
    index: np.ndarray  # [steps + 1, coins] log moves since 20:45

    def values(self) -> dict[str, float]:
        """Name with unit -> value."""
        return {
            "longs within a move of 10 % when opened [share]": float(self.spread.share_within(np.array([0.1]), 0.025)[0]),
            "turnover [share a day]": self.spread.turnover,
            "open interest over 30-day mean": self.oi_level,
            "account value without position [share]": self.idle,
            "open interest of hedged accounts [share]": self.hedged,
            "margin of hedged accounts [share of gross]": self.hedged_margin,
            "margin up to which calm days identify leverage [share]": self.pivot,
            "legs against their account's leaning [share]": self.against,
            "depth before the crash [factor]": self.depth_level,
            "depth kept in the crash [share]": self.depth_kept,
            "half-life of a displaced book [s]": self.refill,
            "equity of the backstop [USD]": self.vault,
            "half-life of what the backstop holds [s]": self.unwinding,
            "reserve of the backstop [x maintenance]": self.reserve,
            "median largest fall of the index [log]": float(np.median(self.index.min(axis=0))),
        }


def generator(seed: int, draw: int) -> np.random.Generator:
    """The random numbers of one draw, whatever was drawn before it."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, draw]))


def draw(known: Known, random: np.random.Generator) -> Inputs:
    """One draw of what is uncertain."""
    return Inputs(
        spread=known.spreads[int(random.integers(len(known.spreads)))],
        oi_level=math.exp(random.normal(0.05, 0.10)),
        idle=random.uniform(0.0, 0.4),
        hedged=random.uniform(0.0, 0.4),
        hedged_margin=_between(random, 0.06, 0.25),
        pivot=_between(random, 0.04, 0.16),
        against=random.uniform(0.0, 0.4),
        depth_level=math.exp(random.normal(0.0, 0.7)),
        depth_kept=_between(random, 0.07, 0.8),
        refill=_between(random, 5.0, 120.0),
        vault=known.vault * math.exp(random.normal(0.0, 0.25)) * random.uniform(0.25, 1.0),
        unwinding=_between(random, 1800.0, 43200.0),
        reserve=random.uniform(0.5, 1.5),
        index=known.evening.paths(random),
    )


def _between(random: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


# --- what stood before -----------------------------------------------------------------------------------------------


def read(source: Source) -> Known:
    """Everything a draw needs."""
    means = pm.read(source, "coins_30d")
    order = np.argsort(-pm.column_of(means, "open_interest_usd_m"), kind="stable")[:COINS]
    coins = tuple(means["coin"].to_pylist()[k] for k in order)
    at_2005 = pm.of(pm.read(source, "open_interest"), venue="Hyperliquid")
    exact = dict(zip(at_2005["coin"].to_pylist(), pm.column_of(at_2005, "open_interest_usd").tolist(), strict=True))
    mean = pm.column_of(means, "open_interest_usd_m")[order] * 1e6
    leverage, tiers = pm.column_of(means, "max_leverage")[order], pm.hyperliquid_tiers(source)
    facts = pm.facts(source, "crash_2025-10-10")
    board = pm.read(source, "leaderboard")
    value = pm.column_of(board, "account_value_usd")
    past = history.read(source, coins)
    saved = json.loads((HERE / "leverage.json").read_text())
    return Known(
        coins=coins,
        open_interest=np.array([exact.get(coin, mean[c]) for c, coin in enumerate(coins)]),
        measured=np.array([coin in exact for coin in coins]),
        price=past.price,
        tiers=[_tiers(tiers.get(coin, []), leverage[c]) for c, coin in enumerate(coins)],
        depth=history.depth(source, means, order),
        spot_volume=pm.column_of(means, "spot_volume_usd_m_per_day")[order] / pm.column_of(means, "volume_usd_m_per_day")[order],
        sizes=value[(value >= SMALLEST) & (pm.column_of(board, "month_volume_usd") > 0.0)],
        equity=facts["hyperliquid_total_account_value"],
        all_coins=facts["hyperliquid_open_interest_all_coins"],
        vault=facts["hlp_vault_value"],
        spreads=[Spread(reporting=(), **draw) for draw in saved["draws"]],
        evening=observed.read(source, coins),
        history=past,
    )


def _tiers(later: list[tuple[float, float]], leverage: float) -> list[tuple[float, float]]:
    """Tiers of March 2026 where they start from the maximum leverage of October 2025; else one tier of that leverage."""
    return later if later and later[0][1] == leverage else [(0.0, float(leverage))]
