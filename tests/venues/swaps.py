"""Swaps of Uniswap v3's contract, and the same on a market of ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from delever.core.empty import new_markets
from delever.core.market import log_price_at, purchase, purchase_within, sale, sale_within
from delever.ingest.source import Source
from delever.venues.base import stack
from delever.venues.uniswap_v3 import UniswapV3


def pool(case: dict[str, Any], base: str = "token0") -> UniswapV3:
    """The pool of a case."""
    exact = (int(case["sqrt_price_x96"][0]) / 2.0**96) ** 2 * 10.0 ** (case["decimals0"] - case["decimals1"])
    return UniswapV3(pair="A/B", base_token=base, decimals=(case["decimals0"], case["decimals1"]), fee=case["fee_pips"] / 1e6,
                     price=exact if base == "token0" else 1.0 / exact,
                     positions=[(p["lower"], p["upper"], float(p["liquidity"][0])) for p in case["positions"]])


def swap(case: dict[str, Any], base: str) -> tuple[float, float, float]:
    """What token 0 and token 1 the pool gains, and the price of token 0 in token 1 afterwards, as a market trades it."""
    spec = pool(case, base)
    table = spec.table(Source(), 1.0)
    profiles = stack([table])
    fee = np.array([[table.fee_in], [table.fee_out]])
    markets = new_markets(np.zeros(1), np.array([table.start_log_price]), fee, 1)
    amount, selling = abs(float(case["amount"][1])), case["zero_for_one"] is (base == "token0")
    unit = 10.0 ** (case["decimals0"] - case["decimals1"])
    limit = 0.0 if selling else np.inf
    if case.get("sqrt_price_limit_x96"):
        limit = (int(case["sqrt_price_limit_x96"][0]) / 2.0**96) ** 2 * unit
        limit = limit if base == "token0" else 1.0 / limit
    if selling:
        wanted = amount if case["exact_input"] else exact_output_sale(amount, profiles, markets)
        done, quote, after = sale_within(0, 0, wanted, limit, profiles, markets)
        gained = done, -quote
    else:
        most, cost, after = purchase_within(0, 0, np.inf if case["exact_input"] else amount, limit, profiles, markets)
        if case["exact_input"] and amount < cost:
            after, most, cost = purchase(0, 0, amount, profiles, markets)
        gained = -most, cost
    price = math.exp(log_price_at(0, 0, after, profiles, markets))
    return (*gained, price) if base == "token0" else (gained[1], gained[0], 1.0 / price)


def exact_output_sale(amount: float, profiles: Any, markets: Any) -> float:
    """The base whose sale pays so much: by halving, for no venue is asked for it. More than there is: all."""
    low, high = 0.0, sale(0, 0, 1e30, profiles, markets)[2]
    if sale(0, 0, high, profiles, markets)[1] <= amount:
        return high
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if sale(0, 0, middle, profiles, markets)[1] > amount else (middle, high)
    return high


def check(case: dict[str, Any], base: str, crossed: int = 0) -> None:
    """Hold a swap to the contract's, which at each tick that it crosses rounds to whole units, in the pool's favour.

    Tolerances: amounts 1e-11 relative and these units, of one token or what they are worth in the other; price 1e-9 relative
    and what so many units move it. crossed: words of 256 ticks that it went through, at whose ends it rounds as well.
    """
    given, out = case["in"], case["out"]
    amount0, amount1, price = swap(given, base)
    steps = 2.0 + 4.0 * len(given["positions"]) + 2.0 * crossed
    unit0, unit1 = 10.0 ** -given["decimals0"], 10.0 ** -given["decimals1"]
    start = (int(given["sqrt_price_x96"][0]) / 2.0**96) ** 2 * unit1 / unit0
    low, high = min(start, price), max(start, price)
    for mine, theirs, unit, other in ((amount0, "amount0", unit0, unit1 / low), (amount1, "amount1", unit1, unit0 * high)):
        assert mine == pytest.approx(int(out[theirs][0]) * unit, rel=1e-11, abs=steps * max(unit, other)), case["id"]
    liquidity, root = int(out["liquidity_after"][0]), int(out["sqrt_price_x96_after"][0]) / 2.0**96
    if liquidity == 0:
        return  # where nothing is for sale the contract's price runs on to its limit; ours stands at the end
    moved = 2.0 * steps * (root + 1.0 / root) / liquidity  # a unit of token 0 moves the root by root^2 / L, of token 1 by 1 / L
    assert price == pytest.approx(root**2 * unit1 / unit0, rel=1e-9 + moved), case["id"]
