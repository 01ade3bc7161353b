"""Morpho Blue's rules beside the real contract: random markets, positions and calls, many of them within units of an edge.

The tolerances are those of the golden vectors (protocols/morpho_cases.py). A case in which ours is another than the contract's
must be shown, in the contract's integers, to lie within one smallest unit, or within what float64 tells apart: of health, or of
collateral that is left. What the contract answers with a panic, more than the position has, is an offer that ours cuts to what
there is. The rate is told: the contract of the adaptive curve is not on npm, and stays with its golden vectors.
"""

from __future__ import annotations

import numpy as np
import pytest

from evm.morpho_market import SCALE, WAD, Blue, Stated
from evm.packages import contracts
from protocols.morpho_cases import Case, accrues_alike, agrees, called, cut_to_what_there_is, raw, refused, room_to_borrow

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

BATCHES, CALLS, ACCRUALS = 4, 750, 250
LAST_DIGIT = 1.0 + 2.0**-50  # times an offer that is meant to be for all
LLTVS = (0.385, 0.625, 0.77, 0.86, 0.915, 0.945, 0.965, 0.98)


def market(rng: np.random.Generator) -> Stated:
    """A market with a position in it: healthy, unhealthy, or within a unit of the edge."""
    loan, held = (int(rng.choice([6, 8, 18])) for _ in range(2))
    lltv = int(rng.choice(LLTVS) * 1e4) * 10**14 if rng.random() < 0.7 else int(rng.uniform(0.1, 0.99) * WAD)
    price = int(np.exp(rng.normal(3.0, 3.0)) * 1e15) * SCALE // 10**15 * 10**loan // 10**held
    collateral = max(int(10 ** rng.uniform(2, 8) * 10.0**loan * SCALE / price), 10**4)
    allowed = collateral * price // SCALE * lltv // WAD
    health = 1.0 if rng.random() < 0.3 else rng.uniform(0.3, 1.2)
    owed = max(int(allowed / health) if health != 1.0 else allowed + int(rng.integers(-2, 3)), 1)
    other = int(10 ** rng.uniform(3, 9) * 10**loan)
    rate, fee = int(rng.uniform(0.0, 2.0) / 31_536_000 * WAD), int(rng.choice([0, 0.1, 0.25]) * WAD)
    later = 0 if rng.random() < 0.4 else int(rng.integers(1, 10**6))
    return Stated(loan, held, lltv, max(price, 1), rate, fee, int(rng.integers(1, 10**7)), later,
                  int((other + owed) * rng.uniform(1.0, 2.0)) + 1, other, collateral, owed)


def offer(rng: np.random.Generator, s: Stated) -> dict[str, float]:
    """What is asked of a position: all of what it has least of, a unit less or more, or part of it; of debt or collateral."""
    factor = min(1.15, 1.0 / (1.0 - 0.3 * (1.0 - s.lltv / WAD)))
    share = s.collateral * s.price // SCALE / factor / s.owed  # of the debt, that exhausts the collateral
    most, near = min(share, 1.0), int(rng.choice([-1, 0, 0, 1]))
    all_of_it = s.collateral if share < 1.0 else int(s.owed * factor * SCALE / s.price)
    kinds: list[dict[str, float]] = [
        {"shares": most, "more": near}, {"shares": most * rng.uniform(0.0, 1.1)}, {"seized": max(all_of_it + near, 1)},
        {"seized": max(int(all_of_it * rng.uniform(0.0, 1.1)), 1)}]
    return kinds[rng.choice(len(kinds), p=[0.2, 0.2, 0.4, 0.2])]


def on_an_edge(case: Case) -> bool:
    """Whether health, or what is left of the collateral, lies within a unit of either token, or within what float64 tells."""
    finest = raw(case, "total_borrow_assets") * raw(case, "borrow_shares") // raw(case, "total_borrow_shares") >> 51
    if -1 - finest <= room_to_borrow(case) <= finest:
        return True
    left = int(case["out"]["collateral_after"][0])
    unit = max(1, -(-SCALE // raw(case, "price")))  # what one of the loan is worth, if that is more than one
    return left <= unit + (raw(case, "collateral") >> 51) and (left > 0 or agrees(case, LAST_DIGIT))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_calls_do_what_the_contract_does_on_both_sides_of_every_edge(batch: int) -> None:
    blue, rng = Blue(contracts("morpho_blue")), np.random.default_rng([20261201, batch])
    seen: dict[str, int] = {}
    for _ in range(CALLS):
        stated = market(rng)
        case = blue.called(stated, **offer(rng, stated))
        reason = refused(case)
        alike = (agrees(case) if not reason else cut_to_what_there_is(case) if reason == "Panic" else not called(case).settled)
        came = (reason or ("bad debt" if float(case["out"]["bad_debt_assets"][0]) else "called")) if alike else "a unit away"
        assert reason in ("", "Panic", "position is healthy"), case["id"]
        assert alike or on_an_edge(case), (case["id"], reason)
        seen[came] = seen.get(came, 0) + 1
    assert min(seen[came] for came in ("called", "bad debt", "Panic", "position is healthy")) >= 40, seen
    assert seen.get("a unit away", 0) <= 0.06 * CALLS, seen


@pytest.mark.parametrize("batch", range(BATCHES))
def test_interest_and_fee_are_the_contracts(batch: int) -> None:
    blue, rng = Blue(contracts("morpho_blue")), np.random.default_rng([20261202, batch])
    with_fee = 0
    for _ in range(ACCRUALS):
        case = blue.accrued(market(rng))
        assert accrues_alike(case), case
        with_fee += float(case["out"]["fee_shares"][0]) > 0
    assert with_fee >= 50
