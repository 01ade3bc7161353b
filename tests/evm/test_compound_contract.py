"""Compound v2's rules beside the real contracts (Venus 0.7.0): random accounts and calls, many of them within units of an edge.

The tolerances are those of the golden vectors (protocols/compound_cases.py). What the contracts answer is first recomputed in
integers, to the last unit; a case in which ours is another must be shown by these to lie within one smallest unit of one number,
or of the ratio of prices, or within what float64s tell apart: of a shortfall of 0, or of what is left of the collateral.
"""

from __future__ import annotations

import numpy as np
import pytest

from evm.compound_market import DECIMALS, WAD, Market, Pool, Stated
from evm.packages import contracts
from protocols.compound_cases import Case, called, check_call, decided, outcome, raw_markets, raw_numbers
from protocols.edges import FLOAT, ON, Edges
from reference.contracts import compound_seized, compound_shortfall

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

BATCHES, CALLS = 4, 250
TOLD = FLOAT // 8  # a leg is worth a product of four numbers; each of them and each product of them is rounded
ANSWERS = ("accepted", "INSUFFICIENT_SHORTFALL", "TOO_MUCH_REPAY", "LIQUIDATE_SEIZE_TOO_MUCH")


def wad(share: float) -> int:
    """A share as the contracts have it, to 1e-6."""
    return round(share * 1e6) * (WAD // 10**6)


def market(rng: np.random.Generator, supplied: float, owed: float) -> Market:
    """A market of which the account has so much [USD]."""
    decimals = int(rng.choice(DECIMALS))
    price = float(np.exp(rng.normal(3.0, 3.0)))  # [USD]
    held, debt = (int(worth / price * 10.0**decimals) for worth in (supplied, owed))
    return Market(decimals, int(price * 10.0 ** (36 - decimals)), wad(rng.uniform(0.1, 0.9)), max(held, 10**4) if supplied else 0,
                  int(held * rng.uniform(0.0, 2.0)), max(debt, 10**3) if owed else 0)


def stated(rng: np.random.Generator) -> Stated:
    """An account with two collaterals and one debt or two, of a health of its own or at the edge; and an offer."""
    worth = 10 ** rng.uniform(2, 8)
    other = worth * rng.uniform(0.01, 0.1) if rng.random() < 0.3 else 0.0
    markets = (market(rng, worth * rng.uniform(0.05, 1.0), 0.0), market(rng, worth, other), market(rng, 0.0, worth))
    near = int(rng.integers(-2, 3)) if rng.random() < 0.2 else int(worth * rng.choice([-1, 1]) * 10 ** rng.uniform(-15, -9) * WAD)
    share = float(rng.choice([1.0, 0.0, rng.uniform(0.0, 1.2)], p=[0.6, 0.05, 0.35]))
    return Stated(
        wad(rng.uniform(0.06, 0.9)) if rng.random() < 0.5 else WAD // 2, wad(1.0 + rng.choice([0.05, 0.08, 0.1, 0.5])), markets,
        0 if rng.random() < 0.3 else int(rng.integers(1, 10**7)), 1.0 if rng.random() < 0.3 else rng.uniform(0.3, 1.1), near,
        share, int(rng.choice([-1, 0, 0, 1])), bool(rng.random() < 0.4))


def check_integers(case: Case) -> None:
    """The recomputation is the contracts': answer, shortfall, and of a call that was made what is seized and left."""
    g, out = raw_numbers(case), case["out"]
    markets = raw_markets(g)
    assert decided(case, g).replace("all of the collateral", "accepted") == outcome(case), case["id"]
    assert compound_shortfall(markets) == int(out["shortfall"][0]) - int(out["liquidity"][0]), case["id"]
    if outcome(case) != "accepted":
        return
    seized, (taken, _, repaid) = compound_seized(markets[0], markets[-1], g), markets
    left = [taken | {"vtokens": taken["vtokens"] - seized}, markets[1], repaid | {"borrow": repaid["borrow"] - g["repay"]}]
    came = [int(out[name][0]) for name in ("seized_vtokens", "repaid", "borrow_after", "vtokens_after")]
    assert came == [seized, g["repay"], left[-1]["borrow"], left[0]["vtokens"]], case["id"]
    assert compound_shortfall(left) == int(out["shortfall_after"][0]) - int(out["liquidity_after"][0]), case["id"]


def in_shortfall(g: dict[str, int]) -> str:
    """Whether there is a shortfall."""
    return str(compound_shortfall(raw_markets(g)) > 0)


def used_up(g: dict[str, int]) -> str:
    """Whether less is seized than there is, or all of it, or more."""
    taken, _, repaid = raw_markets(g)
    left = taken["vtokens"] - compound_seized(taken, repaid, g)
    return "all" if left == 0 else str(left > 0)


def on_an_edge(case: Case) -> bool:
    """Whether one unit, or what float64s leave open of a leg, decides that there is a call, or where both seize, what is left."""
    both_seize = called(case).settled and outcome(case) in ("accepted", "LIQUIDATE_SEIZE_TOO_MUCH")
    edge = Edges(check_call, lambda case: (used_up if both_seize else in_shortfall, raw_numbers(case)))
    return edge.within(case) or edge.within(case, TOLD)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_calls_do_what_the_contracts_do_on_both_sides_of_every_edge(batch: int) -> None:
    pool, rng = Pool(contracts("compound_v2")), np.random.default_rng([20261203, batch])
    seen = dict.fromkeys((*ANSWERS, "a unit away"), 0)
    for _ in range(CALLS):
        case = pool.called(stated(rng))
        check_integers(case)
        alike = ON["compound_v2"].alike(case)
        assert alike or on_an_edge(case), (case["id"], outcome(case))
        seen[outcome(case) if alike else "a unit away"] += 1
    assert min(seen[answer] for answer in ANSWERS) >= 20, seen
    assert seen["a unit away"] <= 0.06 * CALLS, seen
