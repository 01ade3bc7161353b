"""Uniswap's pools beside the real contracts: random pools, and swaps one after the other in each.

v2: what a pair gives for what comes in, and a unit more is refused; ours keeps the fee and rounds nothing, so each swap may be
off by its unit and by those that the swaps before it left in the pair. v3: ticks crossed, gaps, ends, limits and fees, so much
in or so much out, either token as the base; the tolerances are those of the golden vectors (venues/swaps.py).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from delever.core.empty import new_markets
from delever.core.market import log_price_at, purchase, sale
from delever.core.pool_curves import with_rows
from delever.ingest.source import Source
from delever.venues.base import stack
from delever.venues.constant_product import ConstantProduct
from delever.venues.kept_fees import deepen
from evm.chain import Chain, Refused
from evm.packages import contracts
from evm.pairs import Pairs
from evm.v3_pool import Asked, Pool, Ticks
from venues.swaps import check

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

BATCHES, PAIRS, POOLS, SWAPS = 4, 100, 250, 3
CALLER, UNIT = "0x" + "c1" * 20, 1e18
TICK = np.log(1.0001)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_pairs_of_v2_trade_as_the_contract_does(batch: int) -> None:
    chain, rng = Chain(contracts("uniswap")), np.random.default_rng([20261203, batch])
    pairs, tokens = Pairs(chain), [chain.deploy("Token", 18) for _ in range(2)]
    for token in tokens:
        token("mint", CALLER, 10**40)
    start = chain.evm.snapshot()
    for _ in range(PAIRS):
        chain.evm.revert(start)
        start = chain.evm.snapshot()
        pair = pairs.made(*tokens)
        held = [int(10 ** rng.uniform(12, 26)) for _ in range(2)]
        pair.fill(*held)
        table = ConstantProduct(pair="A/B", reserves={"A": held[0] / UNIT, "B": held[1] / UNIT}, fee=0.003).table(Source(), 1.0)
        profiles, last = with_rows(stack([table]), 1), np.zeros((1, 1))
        markets = new_markets(np.zeros(1), np.array([table.start_log_price]), np.array([[table.fee_in], [0.0]]), 1)
        for k in range(2 * SWAPS):
            buying, fewest = bool(rng.integers(2)), min(pair.holds())
            units = max(int(pair.holds()[buying] * 10 ** rng.uniform(-4, 1)), 1)
            out = pair.most_for(units, buying)
            before = chain.evm.snapshot()
            with pytest.raises(Refused) as why:
                pair.swap(CALLER, units, out + 1, buying)
            assert why.value.reason == "UniswapV2: K"
            chain.evm.revert(before)
            pair.swap(CALLER, units, out, buying)
            after, got, _ = (purchase if buying else sale)(0, 0, units / UNIT, profiles, markets)
            markets.consumed[0, 0] = after
            deepen(1, np.zeros(1, np.int64), last, profiles, markets)
            room = 1e-12 + 4.0 * (k + 1) / fewest  # every swap before left up to a unit in the pair
            assert got == pytest.approx(out / UNIT, rel=room, abs=2.0 / UNIT), (held, k, units)
            base, quote = pair.holds()
            room += 4.0 / min(base, quote)
            assert np.exp(log_price_at(0, 0, after, profiles, markets)) == pytest.approx(quote / base, rel=room)


def drawn(rng: np.random.Generator) -> tuple[Pool, list[Asked]]:
    """Positions around the price, beside it, with gaps between; swaps from crumbs to more than there is."""
    fee, spacing = [(100, 1), (500, 10), (3000, 60), (10_000, 200)][rng.integers(4)]
    zero, one = (int(d) for d in rng.choice([6, 8, 18], 2))
    here = int((np.log(10 ** rng.uniform(-3, 4)) + (one - zero) * np.log(10.0)) / TICK)
    positions = []
    for number in range(int(rng.integers(1, 7))):
        width = int(rng.integers(1, 60 if fee > 100 else 600))
        middle = here // spacing + (0 if number == 0 else int(rng.integers(-120, 121)))
        low, high = (middle - int(rng.integers(0, width)) - (number == 0)) * spacing, (middle + width) * spacing
        size = int(10 ** (0.5 * (zero + one) + rng.uniform(2, 7)))
        positions.append((low, high, size))
    pool = Pool(fee, (zero, one), int(np.exp(0.5 * TICK * (here + rng.uniform(0.0, 0.9))) * 2**96), tuple(positions))
    swaps = []
    for _ in range(SWAPS):
        way, exact_input = (bool(x) for x in rng.integers(2, size=2))
        total = sum(size for *_, size in positions) * (0.001 + 0.03 * rng.random()) * 10 ** rng.uniform(-4, 1)
        root = pool.root / 2**96
        amount = max(int(total / root if way is exact_input else total * root), 1000)
        limit = int(pool.root * np.exp((-1 if way else 1) * 10 ** rng.uniform(-4, -1))) if rng.random() < 0.2 else None
        swaps.append(Asked(way, amount, exact_input, limit))
    return pool, swaps


@pytest.mark.parametrize("batch", range(BATCHES))
def test_pools_of_v3_trade_as_the_contract_does(batch: int) -> None:
    ticks, rng, seen = Ticks(contracts("uniswap")), np.random.default_rng([20261204, batch]), Counter[str]()
    for _ in range(POOLS):
        pool, swaps = drawn(rng)
        for case in ticks.swapped(pool, swaps):
            if "revert" in case["out"]:
                assert case["out"]["revert"] == "SPL" and case["in"]["sqrt_price_limit_x96"], case  # the limit is behind
                seen["limit is behind"] += 1
                continue
            for base in ("token0", "token1"):
                check(case, base, case["words"])
            given, left = case["in"], int(case["out"]["liquidity_after"][0])
            seen += Counter(("swaps", "in" if given["exact_input"] else "out", "ends" if left == 0 else
                             "crosses" if left != case["liquidity_before"] else "stays"))
    assert seen["swaps"] >= 2 * POOLS and min(seen["in"], seen["out"], seen["stays"]) >= POOLS // 2, seen
    assert min(seen["ends"], seen["crosses"]) >= POOLS // 6 and seen["limit is behind"], seen
