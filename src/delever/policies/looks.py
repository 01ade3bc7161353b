"""What policies look at to set terms, path by path: volatility as realised or quoted, depth, open interest.

    realised volatility   var <- keep var + (1 - keep) r^2 / dt, keep = 2^(-dt / half_life), r: log-move of its price in USD
    implied volatility    as quoted
    depth                 units that can be sold before the price has fallen by `within`
    open interest         long and short positions added up, of accounts and of the vault [units]
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.market import sale_within
from delever.core.route import log_usd_price
from delever.core.setting import Setting
from delever.core.tables import Ledgers, Liquidity

YEAR = 365.0 * 86400.0  # [s]
LOOKS = ("realised_volatility", "implied_volatility", "depth", "open_interest")
REALISED, IMPLIED, DEPTH, OPEN = range(4)
SOURCE, ASSET, MARKET, RESERVE = range(4)  # columns of whole numbers
KEEP, WITHIN = range(2)  # columns of looks


def can_be_looked_at(source: str, asset: int, setting: Setting) -> bool:
    """An implied volatility is of all; the others need a market, depth one with a venue. asset: number."""
    tree = setting.layout.tree
    if source == "implied_volatility" or not tree.length[asset]:
        return source == "implied_volatility"
    return source != "depth" or bool(setting.profiles.has_venue[tree.chain[asset, 0]])


@helper
def faded(variance: float, move: float, keep: float, a_year: float) -> float:
    """The variance after a log-move of one step. a_year: steps."""
    return keep * variance + (1.0 - keep) * (move * move * a_year)


@kernel
def sample(whole: np.ndarray, looks: np.ndarray, step_length: float, last: np.ndarray, variance: np.ndarray,
           liquidity: Liquidity) -> None:
    """Once a step: what the last move has done to realised volatility. whole: [n, 4]; looks: [n, 2]; written: last
    [log USD], variance [1 / year], both [n, P]."""
    tree, markets = liquidity.tree, liquidity.markets
    for i in range(whole.shape[0]):
        if whole[i, SOURCE] != REALISED:
            continue
        asset, before, known, keep, a_year = whole[i, ASSET], last[i], variance[i], looks[i, KEEP], YEAR / step_length
        if tree.length[asset] == 1:  # most are: a row of prices, which is quick
            rate, price = tree.log_rate[asset], markets.price[tree.chain[asset, 0]]
            for p in range(before.shape[0]):
                now = rate + price[p]
                known[p] = faded(known[p], now - before[p], keep, a_year)
                before[p] = now
            continue
        for p in range(before.shape[0]):
            now = log_usd_price(asset, p, tree, markets.price)
            known[p] = faded(known[p], now - before[p], keep, a_year)
            before[p] = now


@kernel
def look(whole: np.ndarray, looks: np.ndarray, implied: np.ndarray, size: np.ndarray, variance: np.ndarray, liquidity: Liquidity,
         ledgers: Ledgers, x: np.ndarray) -> None:
    """What is looked at now. whole: [n, 4]; looks: [n, 2]; implied, size (open interest at the start): [n];
    variance [1 / year], x (written): [n, P]."""
    profiles, markets = liquidity.profiles, liquidity.markets
    for i in range(whole.shape[0]):
        source, m, r = whole[i, SOURCE], whole[i, MARKET], whole[i, RESERVE]
        for p in range(x.shape[1]):
            if source == REALISED:
                x[i, p] = math.sqrt(variance[i, p])
            elif source == IMPLIED:
                x[i, p] = implied[i]
            elif source == DEPTH:
                limit = exp_(markets.price[m, p]) * (1.0 - looks[i, WITHIN])
                x[i, p] = sale_within(m, p, np.inf, limit, profiles, markets)[0]
            else:
                x[i, p] = size[i] + ledgers.size[r, p]
