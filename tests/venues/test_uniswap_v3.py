"""Concentrated liquidity: the contract's swaps across ticks, gaps and ends, and what bad positions are answered."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delever.core.empty import new_markets
from delever.core.market import log_price_at, purchase, purchase_within, sale, sale_within
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.venues.base import combine, stack
from delever.venues.constant_product import ConstantProduct
from delever.venues.uniswap_v3 import UniswapV3
from protocols.vectors import cases


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


@pytest.mark.parametrize("base", ["token0", "token1"])
def test_swaps_are_those_of_the_uniswap_v3_contract(base: str) -> None:
    found = cases("uniswap_v3")
    for case in found:
        given, out = case["in"], case["out"]
        amount0, amount1, price = swap(given, base)
        steps = 2.0 + 4.0 * len(given["positions"])  # each tick crossed rounds to whole units in the pool's favour
        unit0, unit1 = 10.0 ** -given["decimals0"], 10.0 ** -given["decimals1"]
        for mine, theirs, unit, other in ((amount0, "amount0", unit0, unit1 / price), (amount1, "amount1", unit1, unit0 * price)):
            assert mine == pytest.approx(int(out[theirs][0]) * unit, rel=1e-11, abs=steps * max(unit, other)), case["id"]
        if int(out["liquidity_after"][0]) == 0:
            continue  # where nothing is for sale the contract's price runs on to its limit; ours stands at the end
        root = int(out["sqrt_price_x96_after"][0]) / 2.0**96
        assert price == pytest.approx(root**2 * 10.0 ** (given["decimals0"] - given["decimals1"]), rel=1e-9), case["id"]
    assert len(found) >= 100


GAP = UniswapV3(pair="A/B", fee=0.0, price=1.0, positions=[(-200, -100, 1e21), (-50, 50, 2e21)])


def traded(spec: UniswapV3, q: float) -> tuple[float, float, float]:
    """Sell so much: (base taken, quote received, price afterwards)."""
    table = spec.table(Source(), 1.0)
    markets = new_markets(np.zeros(1), np.zeros(1), np.zeros((2, 1)), 1)
    after, got, done = sale(0, 0, q, stack([table]), markets)
    return done, got, math.exp(log_price_at(0, 0, after, stack([table]), markets))


def test_a_sale_goes_on_behind_a_gap_and_ends_where_the_liquidity_does() -> None:
    def root(tick: int) -> float:
        return 1.0001 ** (tick / 2)

    upper, lower = 2e3 * (1.0 / root(-50) - 1.0), 1e3 * (1.0 / root(-200) - 1.0 / root(-100))
    paid = 2e3 * (1.0 - root(-50)) + 1e3 * (root(-100) - root(-200))
    done, got, price = traded(GAP, 1e9)
    assert (done, got, price) == pytest.approx((upper + lower, paid, 1.0001**-200), rel=1e-12)
    assert traded(GAP, upper * (1.0 + 1e-9))[2] == pytest.approx(1.0001**-100, rel=1e-8)  # through the gap
    assert traded(GAP, upper * 0.5)[0] == upper * 0.5


def test_beside_another_pool_positions_that_end_add_nothing_beyond() -> None:
    v2 = ConstantProduct(pair="A/B", reserves={"A": 1000.0, "B": 1000.0})
    joint = combine([GAP.table(Source(), 1.0), v2.table(Source(), 1.0)])
    assert not joint.bounded
    beyond = joint.liquidity[joint.node_w[:-1] >= 1.0001 ** (200 / 2) * (1 - 1e-12)]
    assert (beyond == 1000.0).all()
    tick = joint.log_price / math.log(1.0001)
    gap = joint.liquidity[(tick[:-1] <= -50 + 1e-8) & (tick[1:] >= -100 - 1e-8)]
    assert (gap == 1000.0).all()
    assert len(gap)


def test_a_table_of_ticks_says_the_same_as_positions(tmp_path: Path) -> None:
    (tmp_path / "ticks.csv").write_text("tick,liquidity_net\n50,-2e21\n-200,1e21\n-100,-1e21\n-50,2e21\n")
    ours, theirs = GAP.table(Source(), 1.0), UniswapV3(
        pair="A/B", fee=0.0, price=1.0, data="ticks.csv").table(Source(tmp_path), 1.0)
    assert (ours.node_w == theirs.node_w).all()
    assert (ours.liquidity == theirs.liquidity).all()


@pytest.mark.parametrize(("fields", "message"), [
    (dict(positions=[(10, -10, 1e18)]), r"positions\.0:? goes from tick 10 to -10; the lower tick comes first"),
    (dict(positions=[(-10, 10, 0.0)]), r"positions\.0:? has liquidity 0"),
    (dict(positions=[]), "has neither data nor positions"),
    (dict(data="ticks.csv"), "has data and positions"),
])
def test_positions_that_are_none_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        UniswapV3(**{"pair": "A/B", "positions": [(-10, 10, 1e18)], **fields})


def test_a_price_far_from_every_position_is_refused() -> None:
    with pytest.raises(InputError, match=r"no position is near the price 2000; positions go from 0\.98"):
        UniswapV3(pair="A/B", positions=[(-200, 200, 1e18)]).table(Source(), 2000.0)
