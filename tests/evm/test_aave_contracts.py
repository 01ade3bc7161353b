"""Aave's rules beside the real contracts: random accounts, prices and calls, most of them within units of an edge.

Half of the accounts have owed for a while: indices have grown. A third are in efficiency mode. The tolerances are those of the
golden vectors (protocols/aave_cases.py). A case that does not match must lie, by the contract's own integers (aave_edges.py),
within one smallest unit of an edge (of amounts beyond 2**53 within what float64 tells apart), and the contract itself must do
what ours did with one or two such units more or less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from evm.aave_edges import distances
from evm.aave_pool import ALL, DECIMALS, RATES, Asked, Mode, Pool, Reserve
from evm.packages import contracts
from protocols import aave_cases
from protocols.vectors import account, number

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

BATCHES, CASES = 3, 500
YEAR = 31_536_000  # [s]
PRICE = {"WETH": 2000.0, "WBTC": 40_000.0, "USDC": 1.0, "DAI": 1.0}


def drawn(rng: np.random.Generator) -> Asked:
    """An account and a call on it; half of all draws lie within a unit of an edge."""
    names = [str(name) for name in rng.permutation(list(DECIMALS))]
    held, owed = names[:rng.integers(1, 3)], names[2:2 + rng.integers(1, 3)]
    price = {name: int(PRICE[name] * np.exp(rng.normal(0.0, 0.2)) * 1e8) for name in names}
    terms = {name: Reserve(name, price[name], int(rng.integers(6000, 8900)), int(rng.integers(10200, 11200)),
                           int(rng.choice([0, 1000, 2500]))) for name in names}
    inside = tuple(name for name in held if rng.random() < 0.7)
    mode = Mode(int(rng.integers(9000, 9750)), int(rng.integers(10050, 10300)), inside) if inside and rng.random() < 0.5 else None
    grown = (int(rng.integers(1, 2 * YEAR)), int(rng.integers(1, YEAR))) if rng.random() < 0.5 else (0, 0)
    asked = Asked(tuple(terms[name] for name in held + owed), held[0], owed[0], ALL, mode, grown)

    def units(name: str, worth: float) -> int:  # 1e-8 USD: the fewest units worth at least that, or one fewer or more
        return max(int(-(-int(worth) * 10 ** DECIMALS[name] // price[name])) + int(rng.integers(-1, 2)), 1)

    def size() -> float:
        return float(rng.choice([2000e8, 10 ** rng.uniform(9, 14)], p=[0.3, 0.7]))

    supplied = {name: units(name, size()) for name in held}
    backing = sum(supplied[n] * price[n] * asked.terms(terms[n])[0] / 10 ** (DECIMALS[n] + 4) for n in held)
    health = float(rng.choice([1.0, 0.95, rng.uniform(0.3, 1.05)], p=[0.15, 0.2, 0.65]))
    share = rng.dirichlet(np.ones(len(owed)))
    debts = {name: units(name, max(backing / health * part, price[name] / 10 ** DECIMALS[name] * 2))
             for name, part in zip(owed, share, strict=True)}
    taken, repaid = held[0], owed[0]
    bonus = asked.terms(terms[taken])[1]
    least = 1000 * 10 ** (DECIMALS[repaid] + 8) // price[repaid]
    all_of_it = supplied[taken] * price[taken] / 10 ** DECIMALS[taken]
    exhausts = units(repaid, all_of_it * 1e4 / bonus)
    leaves = units(repaid, max(all_of_it - 1000e8, 0.0) * 1e4 / bonus)
    most = int(rng.choice(np.array([ALL, debts[repaid], debts[repaid] - 1, debts[repaid] - least + int(rng.integers(-1, 2)),
                                    exhausts, leaves, int(debts[repaid] * rng.uniform(0.05, 1.0))], dtype=object)))
    earns, costs = (rate * grown[1] / YEAR / 1e27 for rate in RATES)  # of these amounts, from when it is opened until the call
    return replace(asked, most=max(most, 1), reserves=tuple(replace(
        r, supplied=int(supplied.get(r.asset, 0) / (1.0 + earns)) if grown[1] else supplied.get(r.asset, 0),
        owed=int(debts.get(r.asset, 0) / np.exp(costs)) if grown[1] else debts.get(r.asset, 0)) for r in asked.reserves))


def a_unit_away(asked: Asked) -> Iterator[Asked]:
    """The same with one or two units more or less somewhere: of the token, of the contract's account, of what float64 tells."""
    def around(units: int, r: Reserve) -> Iterator[int]:
        for step in (1, 10**r.decimals // r.price + 1, units >> 52) if units > 2 else ():
            yield from (units - 2 * step, units - step, units + step, units + 2 * step)

    for most in around(asked.most, asked.reserve(asked.repaid)) if asked.most != ALL else ():
        yield replace(asked, most=max(most, 1))
    for one, side in product(asked.reserves, ("owed", "supplied")):
        for units in around(getattr(one, side), one):
            other = replace(one, **{side: max(units, 1)})
            yield replace(asked, reserves=tuple(other if r is one else r for r in asked.reserves))


def refusal(compiled: dict[str, Any], reason: str) -> str:
    """The name of a refusal, or the number that 3.0 gives."""
    return {code: name[:-2] for name, code in compiled["Refusals"]["selectors"].items()}.get(reason, reason)


def who_of(case: dict[str, Any]) -> Any:
    """The account, of which the pair that is called may be."""
    return account(case["in"], (case["in"]["collateral_asset"], case["in"]["debt_asset"]))


def check(version: str, compiled: dict[str, Any], case: dict[str, Any]) -> str:
    """Hold one case; what came of it."""
    given, out, who = case["in"], case["out"], who_of(case)
    if "revert" not in out:
        aave_cases.check_call(version, case, aave_cases.called(version, given, who))
        return "deficit" if any(number(d["amount"]) for d in out["deficit"]) else "called"
    reason = refusal(compiled, out["revert"])
    if reason in ("InvalidBurnAmount", "25"):  # less than one scaled unit
        return "nothing"
    if reason == "MustNotLeaveDust":
        assert aave_cases.mended_or_none(version, given, who), case["id"]
        return "dust"
    assert reason in ("HealthFactorNotBelowThreshold", "45"), (reason, case["id"])
    assert aave_cases.called(version, given, who).repay == 0.0, case["id"]
    return "refused"


def outcome(version: str, compiled: dict[str, Any], case: dict[str, Any]) -> str:
    """What came of a case; "missed" where ours is another."""
    try:
        return check(version, compiled, case)
    except AssertionError:
        return "missed"


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("version", ["v3_6", "v3_0"])
def test_calls_do_what_the_contracts_do_on_both_sides_of_every_edge(version: str, batch: int) -> None:
    compiled = contracts(f"aave_{version}")
    pool, rng, seen = Pool(compiled, version), np.random.default_rng([20261201, batch]), Counter[str]()
    for _ in range(CASES):
        asked = drawn(rng)
        case, now = pool.called(asked)
        if aave_cases.seen_from_the_other_side(version, who_of(case), case["out"]["before"]):
            seen["crossed"] += 1
            continue
        near = min(map(abs, distances(version, now))) <= 1.0
        seen += Counter({"near": near, "grown": asked.grown != (0, 0), "in a mode": asked.mode is not None})
        came = outcome(version, compiled, case)
        seen[came] += 1
        if came == "missed":
            assert near, case["id"]
            assert any(outcome(version, compiled, pool.called(other)[0]) != "missed" for other in a_unit_away(asked)), case["id"]
    assert seen["missed"] <= 0.06 * CASES and seen["crossed"] <= 0.12 * CASES, seen
    assert min(seen["grown"], seen["in a mode"]) >= 0.3 * CASES and seen["near"] >= 2 * seen["missed"], seen
    wanted = ("called", "refused", "dust", "deficit") if version == "v3_6" else ("called", "refused")
    assert min(seen[came] for came in wanted) >= 0.05 * CASES, seen
