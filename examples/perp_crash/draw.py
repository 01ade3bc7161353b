"""One draw of the exchange as of 10 October 2025, 20:45 UTC: what is uncertain, and a book that adds up to the open interest.

Draw i is a function of (seed, i). Accounts get sizes from Hyperliquid's leaderboard of May 2025, coins in the shares of the
open interest, a distance to liquidation from the fitted spread of leverage, given that they have survived their path
so far, and entry prices from that path. Longs and shorts of a coin each add up to its one-sided open interest; the equity of all
adds up to the total account value that was published at 20:04:54, less what lies idle.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import evening as observed
import history
import numpy as np
import pyarrow as pa

from delever.analysis.leverage import Spread
from delever.ingest import perp_markets as pm
from delever.ingest.source import Source

HERE = Path(__file__).resolve().parent
EXCHANGE = "hyperliquid"
COINS = 40  # largest by open interest
DIRECTIONAL, HEDGED = 3000, 200  # accounts; assumption, not an estimate: enough that no account of the tail decides
LARGEST = 0.1  # assumption: no account holds more of one side of a coin
SMALLEST = 1000.0  # USD of account value on the leaderboard below which a row is dust
PIVOT = 0.08  # margin over notional up to which calm days identify leverage; above, the total account value decides
HEDGED_MARGIN = (0.12, 0.5)  # assumption: median margin over gross of hedged accounts, and its spread [log]
ALERT = 1.05  # times maintenance: nobody starts closer


@dataclass(frozen=True)
class Known:
    """What stood before the forecast, read once."""

    coins: tuple[str, ...]
    open_interest: np.ndarray  # [coins] one-sided, USD, at 20:05
    measured: np.ndarray  # [coins] bool: of 20:05, else a 30-day mean
    price: np.ndarray  # [coins] USD at 20:45; 1 for coins without a price
    tiers: list[list[tuple[float, float]]]  # [coins] (from this notional [USD], maximum leverage)
    depth: np.ndarray  # [coins] USD within 1 % of the mid, one side
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
    depth_level: float  # factor on depth before the crash
    depth_kept: float  # factor on depth in the crash
    refill: float  # half-life of a displaced book [s]
    vault: float  # equity of the backstop [USD]
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
            "depth before the crash [factor]": self.depth_level,
            "depth kept in the crash [share]": self.depth_kept,
            "half-life of a displaced book [s]": self.refill,
            "equity of the backstop [USD]": self.vault,
            "reserve of the backstop [x maintenance]": self.reserve,
            "median largest fall of the index [log]": float(np.median(self.index.min(axis=0))),
        }


def generator(seed: int, draw: int) -> np.random.Generator:
    """The random numbers of one draw, whatever was drawn before it."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, draw]))


def inputs(known: Known, random: np.random.Generator) -> Inputs:
    """One draw of what is uncertain; see README.md for where each range comes from."""
    return Inputs(
        spread=known.spreads[int(random.integers(len(known.spreads)))],
        oi_level=math.exp(random.normal(0.05, 0.10)),
        idle=random.uniform(0.0, 0.4),
        hedged=random.uniform(0.0, 0.4),
        depth_level=math.exp(random.normal(0.0, 0.7)),
        depth_kept=math.exp(random.uniform(math.log(0.07), math.log(0.8))),
        refill=math.exp(random.uniform(math.log(5.0), math.log(120.0))),
        vault=known.vault * math.exp(random.normal(0.0, 0.25)) * random.uniform(0.25, 1.0),
        reserve=random.uniform(0.5, 1.5),
        index=known.evening.paths(random),
    )


# --- the book --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Legs:
    """Positions before they become a table; all arrays [legs]."""

    account: np.ndarray
    coin: np.ndarray
    side: np.ndarray  # +1 long, -1 short
    notional: np.ndarray  # USD at 20:45
    entry: np.ndarray  # USD
    margin: np.ndarray  # USD of equity


def book(known: Known, drawn: Inputs, random: np.random.Generator) -> pa.Table:
    """The book as a long table: one collateral leg and one or more positions an account."""
    oi = known.open_interest * np.where(known.measured, 1.0, drawn.oi_level)
    account, coin, side, size = _holdings(known, random)
    notional = _to_open_interest(coin, side, size, oi * (1.0 - drawn.hedged), len(oi))
    entry, margin = _leverage(known, drawn.spread, account, coin, side, notional, random)
    hedges = _hedges(known, oi * drawn.hedged, random)
    target = known.equity * (1.0 - drawn.idle) * min(oi.sum() / known.all_coins, 1.0) - hedges.margin.sum()
    least = ALERT * _maintenance(known, coin, notional)
    margin = np.maximum(_shrunk(margin / notional, notional, max(target, 0.0)) * notional, least)
    legs = Legs(*(np.concatenate(pair) for pair in zip(
        (account, coin, side, notional, entry, margin),
        (hedges.account, hedges.coin, hedges.side, hedges.notional, hedges.entry, hedges.margin), strict=True)))
    return _table(known, legs)


def _holdings(known: Known, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Directional accounts: account, coin, side and size of each leg; sizes are brought to the open interest later."""
    equity = random.choice(known.sizes, DIRECTIONAL)
    leaning = random.choice([1.0, -1.0], DIRECTIONAL)  # assumption: one in five legs goes against its account's leaning
    chosen = np.sqrt(known.open_interest) / np.sqrt(known.open_interest).sum()
    account, coin = [], []
    for a in range(DIRECTIONAL):
        mine = random.choice(len(chosen), min(1 + int(random.poisson(1.0)), len(chosen)), replace=False, p=chosen)
        account += [a] * len(mine)
        coin += mine.tolist()
    account_, coin_ = np.array(account), np.array(coin)
    side = leaning[account_] * np.where(random.uniform(size=len(account)) < 0.2, -1.0, 1.0)
    weight = known.open_interest[coin_] * np.exp(random.normal(0.0, 1.0, len(account)))
    return account_, coin_, side, equity[account_] * weight / np.bincount(account_, weight)[account_]


def _to_open_interest(coin: np.ndarray, side: np.ndarray, size: np.ndarray, oi: np.ndarray, coins: int) -> np.ndarray:
    """Sizes scaled so that each side of each coin adds up to `oi` [coins], the largest limited."""
    out = size.copy()
    for c in range(coins):
        for sign in (1.0, -1.0):
            mine = (coin == c) & (side == sign)
            limit = max(LARGEST, 1.5 / max(int(mine.sum()), 1))
            share = out[mine] / out[mine].sum()
            for _ in range(50):
                share = np.minimum(share, limit)
                share /= share.sum()
            out[mine] = share * oi[c]
    return out


def _leverage(known: Known, spread: Spread, account: np.ndarray, coin: np.ndarray, side: np.ndarray, notional: np.ndarray,
              random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Entry price and equity of each leg: opened some days ago, not liquidated since, by the fitted spread."""
    quantile = random.uniform(size=int(account.max()) + 1)  # of the account: its legs are equally daring
    entry, margin = np.empty((2, len(account)))
    for c in range(len(known.coins)):
        floor, rate = 0.5 / known.tiers[c][0][1], 0.5 / known.tiers[c][0][1]
        for sign in (1.0, -1.0):
            mine = np.nonzero((coin == c) & (side == sign))[0]
            opened, worst = known.history.opened(c, sign, spread.turnover, len(mine), random)
            grid = np.exp(np.linspace(math.log(floor) + 1e-9, 3.0, 800))
            share = spread.share_within(grid, floor, sign < 0)
            survived = np.interp(worst, grid, share, left=0.0)
            distance = np.interp(survived + quantile[account[mine]] * (1.0 - survived), share, grid)
            distance = np.maximum(distance, worst * (1.0 + 1e-6))
            falls_at = np.exp(opened - sign * np.minimum(distance, 3.0))  # liquidation price over that of 20:45
            margin[mine] = np.clip(sign * (1.0 - falls_at) + rate * falls_at, rate, 1.0) * notional[mine]
            entry[mine] = known.price[c] * np.exp(opened)
    return entry, margin


def _shrunk(share: np.ndarray, notional: np.ndarray, target: float) -> np.ndarray:
    """Margins over notional, what is above PIVOT shrunk by one factor so that they add up to `target` [USD], if they exceed it."""
    low = np.minimum(share, PIVOT)
    above = float(((share - low) * notional).sum())
    room = target - float((low * notional).sum())
    return low + (share - low) * min(max(room / above, 0.0), 1.0)


def _hedges(known: Known, oi: np.ndarray, random: np.random.Generator) -> Legs:
    """Hedged accounts: long in some coins, short in others; their longs and shorts of a coin add up to `oi` [coins]."""
    coins = len(oi)
    account, coin = (grid.ravel() for grid in np.meshgrid(np.arange(HEDGED), np.arange(coins), indexing="ij"))
    held = random.uniform(size=len(account)) < 0.3
    held[: 2 * coins] = True  # two accounts hold every coin, one each way
    side = np.where(random.uniform(size=len(account)) < 0.5, 1.0, -1.0)
    side[:coins], side[coins : 2 * coins] = 1.0, -1.0
    account, coin, side = account[held], coin[held], side[held]
    notional = _to_open_interest(coin, side, random.choice(known.sizes, HEDGED)[account], np.maximum(oi, 1.0), coins)
    ratio = HEDGED_MARGIN[0] * np.exp(random.normal(0.0, HEDGED_MARGIN[1], HEDGED))
    margin = np.maximum(ratio[account] * notional, 2.0 * _maintenance(known, coin, notional))
    return Legs(account + DIRECTIONAL, coin, side, notional, known.price[coin], margin)


def _maintenance(known: Known, coin: np.ndarray, notional: np.ndarray) -> np.ndarray:
    """Maintenance margin [USD] by the tiers: half the initial margin at each tier's maximum leverage."""
    out = np.zeros(len(coin))
    for c, tiers in enumerate(known.tiers):
        mine, rate_before = coin == c, 0.0
        for floor, leverage in tiers:
            out[mine] += np.maximum(notional[mine] - floor, 0.0) * (0.5 / leverage - rate_before)
            rate_before = 0.5 / leverage
    return out


def _table(known: Known, legs: Legs) -> pa.Table:
    """The long table; a wallet that profits would make negative is 0 and its entry prices are nearer to the market."""
    units = legs.side * legs.notional / known.price[legs.coin]
    profit = units * (known.price[legs.coin] - legs.entry)
    accounts = int(legs.account.max()) + 1
    equity, gain = np.bincount(legs.account, legs.margin, accounts), np.bincount(legs.account, profit, accounts)
    kept = np.where(gain > equity, equity / np.maximum(gain, 1e-9), 1.0)
    entry = known.price[legs.coin] - (known.price[legs.coin] - legs.entry) * kept[legs.account]
    wallet = np.maximum(equity - gain * kept, 0.0)
    holders = np.unique(legs.account)
    name = [f"{'hedged' if a >= DIRECTIONAL else 'trader'}-{a:04d}" for a in range(accounts)]
    account = [name[a] for a in holders] + [name[a] for a in legs.account]
    return pa.table({
        "protocol": [EXCHANGE] * len(account),
        "account": account,
        "owner": account,
        "asset": ["USD"] * len(holders) + [f"{known.coins[c]}-PERP" for c in legs.coin],
        "side": ["collateral"] * len(holders) + ["position"] * len(units),
        "amount": np.concatenate([wallet[holders], units]),
        "entry_price": pa.array([None] * len(holders) + entry.tolist(), pa.float64()),
    })


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
    return later if later and later[0][1] == leverage else [(0.0, leverage)]
