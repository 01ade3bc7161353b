"""European options paid in their coin: what a contract on one coin is worth in it, priced once a step and path for everybody.

    call  V = N(d1) - (K / S) N(d2)        put  V = (K / S) N(-d2) - N(-d1)          [coin a contract]
    d1 = (ln(S / K) + s^2 / 2) / s,   d2 = d1 - s,   s = volatility x sqrt(time to expiry),   at least LEAST
S: USD market price of the coin, as the forward: no basis and no interest (assumption). Volatility is that of the strike and stays
what it is (assumption). Time to expiry is that at the end of the step, so that within a step a price moves with the coin alone.
Source: Black (1976), divided by S: Deribit's inverse options. N: Hart (1968), as in West, "Better approximations to cumulative
normal functions" (2005); 1e-15 absolute.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from delever.core.elementary import exp_, log_
from delever.core.jit import helper, kernel, laid_in
from delever.core.market import log_price_at
from delever.core.profile import Profiles
from delever.core.tables import Markets, Tree

LEAST = 1e-6  # of a coin: a price has a log; a hundredth of the smallest step of Deribit's (assumption)
YEAR = 365.0 * 86400.0  # [s]


class Options(NamedTuple):
    """Options of a world. n: how many, P: paths."""

    market: np.ndarray  # [n] of the option, in its coin
    coin: np.ndarray  # [n] asset that it is on
    put: np.ndarray  # [n] 1: a put, 0: a call
    log_strike: np.ndarray  # [n] USD a coin
    volatility: np.ndarray  # [n] of the strike, a square root of a year
    expiry: np.ndarray  # [n] from the start of the run [s]
    spot: np.ndarray  # [n, P] log USD price of the coin at which it was priced last; nan: not in this step


@helper
def normal(x: float) -> float:
    """N(x), the cumulative normal distribution."""
    z = abs(x)
    if z > 37.0:
        tail = 0.0
    elif z < 7.07106781186547:
        top = 0.0352624965998911 * z + 0.700383064443688
        top = ((((top * z + 6.37396220353165) * z + 33.912866078383) * z + 112.079291497871) * z + 221.213596169931) * z
        top += 220.206867912376
        low = (0.0883883476483184 * z + 1.75566716318264) * z + 16.064177579207
        low = ((((low * z + 86.7807322029461) * z + 296.564248779674) * z + 637.333633378831) * z + 793.826512519948) * z
        low += 440.413735824752
        tail = exp_(-0.5 * z * z) * top / low
    else:
        tail = exp_(-0.5 * z * z) / (z + 1.0 / (z + 2.0 / (z + 3.0 / (z + 4.0 / (z + 0.65))))) / 2.506628274631
    return 1.0 - tail if x > 0.0 else tail


@helper
def option_value(put: float, log_moneyness: float, deviation: float) -> float:
    """V of a contract on one coin [coin], from ln(S / K) and s."""
    ratio, first = exp_(-log_moneyness), log_moneyness / deviation + 0.5 * deviation
    second = first - deviation
    if put > 0.0:
        return max(ratio * normal(-second) - normal(-first), LEAST)
    return max(normal(first) - ratio * normal(second), LEAST)


@laid_in
def deviation_of(i: int, time: float, options: Options) -> float:
    """s of an option at a time [s]."""
    left: float = math.sqrt((options.expiry[i] - time) / YEAR)
    return options.volatility[i] * left


@kernel
def value_at(options: Options, time: float, log_spot: np.ndarray, out: np.ndarray) -> None:
    """What each is worth in its coin where that costs e^log_spot. log_spot, out: [n]."""
    for i in range(options.market.shape[0]):
        out[i] = option_value(options.put[i], log_spot[i] - options.log_strike[i], deviation_of(i, time, options))


@kernel
def follow_options(options: Options, time: float, anew: bool, who: np.ndarray, tree: Tree, profiles: Profiles, markets: Markets
                   ) -> None:
    """The outside price of an option is what it is worth: priced anew in a step, and within it where its coin has moved.

    time: at the end of the step [s]; who: [P] paths on which.
    """
    e, u, s, spot = markets.exogenous, markets.price, markets.consumed, options.spot
    for i in range(options.market.shape[0]):
        m, a, deviation = options.market[i], options.coin[i], deviation_of(i, time, options)
        for p in range(u.shape[1]):
            total = tree.log_rate[a]
            for k in range(tree.length[a]):
                total += u[tree.chain[a, k], p]
            if who[p] and (anew or total != spot[i, p]):
                spot[i, p] = total
                e[m, p] = log_(option_value(options.put[i], total - options.log_strike[i], deviation))
                u[m, p] = e[m, p] if s[m, p] == 0.0 else log_price_at(m, p, s[m, p], profiles, markets)
