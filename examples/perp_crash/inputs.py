"""What stood before 20:45 UTC on 10 October 2025, and one draw of what is uncertain about it.

Where each range comes from: README.md, "What is uncertain".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TypeVar

import evening as observed
import history
import numpy as np

from delever.analysis.leverage import Spread
from delever.ingest import perp_markets as pm
from delever.ingest.source import Source

HERE = Path(__file__).resolve().parent
COINS = 40  # largest by open interest
FLOOR = 0.5 / 20  # least distance to liquidation where 20x is the most [log price]
T = TypeVar("T")
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
    """What is uncertain, as drawn; every field a row of the sensitivity table (`spread` two: leverage, turnover)."""

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
    vault_level: float  # equity of the vault over what the press gave
    vault_usable: float  # share of it that may stand behind liquidations
    unwinding: float  # half-life of what the vault has taken over [s]
    reserve: float  # maintenance of what the vault holds that its equity must cover
    index: np.ndarray  # [steps + 1, coins] log moves since 20:45

    def values(self) -> dict[str, float]:
        """Key of UNCERTAIN -> value, in its unit."""
        return {
            "leverage": _close(self.spread),
            "turnover": self.spread.turnover,
            **{name: float(getattr(self, name)) for name in RANGES},
            "index": float(np.median(self.index.min(axis=0))),
        }


def _close(spread: Spread) -> float:
    """Share of longs opened closer than a move of 10 %."""
    return float(spread.share_within(np.array([0.1]), FLOOR)[0])


def _between(low: float, high: float) -> Callable[[float], float]:
    """Log-uniform, by its quantile."""
    return lambda quantile: low * (high / low) ** quantile


def _uniform(low: float, high: float) -> Callable[[float], float]:
    return lambda quantile: low + (high - low) * quantile


def _log_normal(mean: float, deviation: float) -> Callable[[float], float]:
    return lambda quantile: math.exp(NormalDist(mean, deviation).inv_cdf(min(max(quantile, 1e-12), 1.0 - 1e-12)))


RANGES: dict[str, Callable[[float], float]] = {  # field -> its value at a quantile
    "oi_level": _log_normal(0.05, 0.10),
    "idle": _uniform(0.0, 0.4),
    "hedged": _uniform(0.0, 0.4),
    "hedged_margin": _between(0.06, 0.25),
    "pivot": _between(0.04, 0.16),
    "against": _uniform(0.0, 0.4),
    "depth_level": _log_normal(0.0, 0.7),
    "depth_kept": _between(0.07, 0.8),
    "refill": _between(5.0, 120.0),
    "vault_level": _log_normal(0.0, 0.25),
    "vault_usable": _uniform(0.25, 1.0),
    "unwinding": _between(1800.0, 43200.0),
    "reserve": _uniform(0.5, 1.5),
}
UNCERTAIN = {  # rows of the sensitivity table: what each is, with its unit
    "leverage": "longs within a move of 10 % when opened [share]",
    "turnover": "turnover [share a day]",
    "oi_level": "open interest over 30-day mean [factor]",
    "idle": "account value without position [share]",
    "hedged": "open interest of hedged accounts [share]",
    "hedged_margin": "margin of hedged accounts [share of gross]",
    "pivot": "margin up to which calm days identify leverage [share]",
    "against": "legs against their account's leaning [share]",
    "depth_level": "depth before the crash [factor]",
    "depth_kept": "depth kept in the crash [share]",
    "refill": "half-life of a displaced book [s]",
    "vault_level": "equity of the vault over the press's figure [factor]",
    "vault_usable": "share of it behind liquidations [share]",
    "unwinding": "half-life of what the vault holds [s]",
    "reserve": "margin the vault must hold [x maintenance]",
    "index": "median largest fall of the index over coins [log]",
}


def generator(seed: int, draw: int) -> np.random.Generator:
    """The random numbers of one draw, whatever was drawn before it."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, draw]))


def draw(known: Known, random: np.random.Generator) -> Inputs:
    """One draw of what is uncertain."""
    quantile = {name: float(random.uniform()) for name in UNCERTAIN}
    return at(known, quantile, known.evening.paths(random))


def at(known: Known, quantile: Mapping[str, float], index: np.ndarray) -> Inputs:
    """Every input at its own quantile; inputs that are not named at their median. index: as in Inputs."""
    place = {name: quantile.get(name, 0.5) for name in UNCERTAIN}
    turnover = _pick(sorted({spread.turnover for spread in known.spreads}), place["turnover"])
    fits = sorted((spread for spread in known.spreads if spread.turnover == turnover),
                  key=lambda spread: (_close(spread), spread.mu, spread.sigma, spread.shift))
    values = {name: value(place[name]) for name, value in RANGES.items()}
    return Inputs(spread=_pick(fits, place["leverage"]), index=index, **values)


def index_at(known: Known, quantile: float, seed: int, number: int = 101) -> np.ndarray:
    """Of that many draws of the index the one at this quantile, by the median coin's largest fall, the deepest first."""
    paths = [known.evening.paths(generator(seed, k)) for k in range(number)]
    return _pick(sorted(paths, key=lambda path: float(np.median(path.min(axis=0)))), quantile)


def _pick(ranked: Sequence[T], quantile: float) -> T:
    return ranked[min(int(quantile * len(ranked)), len(ranked) - 1)]


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
