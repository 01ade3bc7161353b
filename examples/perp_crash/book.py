"""One draw of the book of the exchange as of 10 October 2025, 20:45 UTC, that adds up to the open interest.

Accounts get sizes from Hyperliquid's leaderboard of May 2025, coins in the shares of the
open interest, a distance to liquidation from the fitted spread of leverage, given that they have survived their path
so far, and entry prices from that path. Longs and shorts of a coin each add up to its one-sided open interest; the equity of all
adds up to the total account value that was published at 20:04:54, less what lies idle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from inputs import Inputs, Known

from delever.analysis.leverage import Spread

EXCHANGE = "hyperliquid"
DIRECTIONAL, HEDGED = 3000, 200  # accounts; assumption, not an estimate: enough that no account of the tail decides
LARGEST = 0.1  # assumption: no account holds more of one side of a coin
SPREAD_OF_HEDGED = 0.5  # assumption: spread of hedged accounts' margin over gross [log]
ALERT = 1.05  # times maintenance: nobody starts closer


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
    account, coin, side, size = _holdings(known, drawn.against, random)
    notional = _to_open_interest(coin, side, size, oi * (1.0 - drawn.hedged), len(oi))
    entry, margin = _leverage(known, drawn.spread, account, coin, side, notional, random)
    hedges = _hedges(known, oi * drawn.hedged, drawn.hedged_margin, random)
    target = known.equity * (1.0 - drawn.idle) * min(oi.sum() / known.all_coins, 1.0) - hedges.margin.sum()
    least = ALERT * _maintenance(known, coin, notional)
    margin = np.maximum(_shrunk(margin / notional, notional, drawn.pivot, max(target, 0.0)) * notional, least)
    entry = _opened_within_tier(known, coin, side, notional, entry, margin)
    legs = Legs(*(np.concatenate(pair) for pair in zip(
        (account, coin, side, notional, entry, margin),
        (hedges.account, hedges.coin, hedges.side, hedges.notional, hedges.entry, hedges.margin), strict=True)))
    return _table(known, legs)


def _holdings(known: Known, against: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Directional accounts: account, coin, side and size of each leg; sizes are brought to the open interest later."""
    equity = random.choice(known.sizes, DIRECTIONAL)
    leaning = random.choice([1.0, -1.0], DIRECTIONAL)
    chosen = np.sqrt(known.open_interest) / np.sqrt(known.open_interest).sum()
    account, coin = [], []
    for a in range(DIRECTIONAL):
        mine = random.choice(len(chosen), min(1 + int(random.poisson(1.0)), len(chosen)), replace=False, p=chosen)
        account += [a] * len(mine)
        coin += mine.tolist()
    account_, coin_ = np.array(account), np.array(coin)
    side = leaning[account_] * np.where(random.uniform(size=len(account)) < against, -1.0, 1.0)
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


def _shrunk(share: np.ndarray, notional: np.ndarray, pivot: float, target: float) -> np.ndarray:
    """Margins over notional; if they add up to more than `target` [USD], what is above the pivot shrinks by one factor."""
    low = np.minimum(share, pivot)
    above = float(((share - low) * notional).sum())
    room = target - float((low * notional).sum())
    return low + (share - low) * min(max(room / above, 0.0), 1.0)


def _hedges(known: Known, oi: np.ndarray, margin_share: float, random: np.random.Generator) -> Legs:
    """Hedged accounts: long in some coins, short in others; their longs and shorts of a coin add up to `oi` [coins]."""
    coins = len(oi)
    account, coin = (grid.ravel() for grid in np.meshgrid(np.arange(HEDGED), np.arange(coins), indexing="ij"))
    held = random.uniform(size=len(account)) < 0.3
    held[: 2 * coins] = True  # two accounts hold every coin, one each way
    side = np.where(random.uniform(size=len(account)) < 0.5, 1.0, -1.0)
    side[:coins], side[coins : 2 * coins] = 1.0, -1.0
    account, coin, side = account[held], coin[held], side[held]
    notional = _to_open_interest(coin, side, random.choice(known.sizes, HEDGED)[account], np.maximum(oi, 1.0), coins)
    ratio = margin_share * np.exp(random.normal(0.0, SPREAD_OF_HEDGED, HEDGED))
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


def _opened_within_tier(known: Known, coin: np.ndarray, side: np.ndarray, notional: np.ndarray, entry: np.ndarray,
                        margin: np.ndarray) -> np.ndarray:
    """Entry prices such that a leg which now stands above its tier's leverage got there by losing, not by opening.

    Paid in is equity less profit, at least the initial margin at entry:  E + q (entry - P) >= initial |q| entry.
    """
    out = entry.copy()
    for c, tiers in enumerate(known.tiers):
        mine = np.nonzero(coin == c)[0]
        initial, share = np.zeros(len(mine)), margin[mine] / notional[mine]
        for floor, leverage in tiers:
            initial[1.3 * notional[mine] >= floor] = 1.0 / leverage  # 1.3: where it was opened it may have been worth more
        bound = known.price[c] * (1.0 - side[mine] * share) / (1.0 - side[mine] * initial)
        short_of = (share < initial) & (side[mine] * (bound - entry[mine]) > 0.0)
        out[mine] = np.where(short_of, bound, entry[mine])
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
