"""Closers by hand: how often and how much they repay, what they take out, and that they leave what is worth less than it owes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import stress
from run.small import conserved, fall, loan, one_market

STEPS, DAY = 10, 86400.0
SURE = 1e9  # times a day: in every step
TERMS: dict[str, Any] = {"kind": "closers", "protocol": "pool", "collateral": "ETH", "debt": "USD", "often": SURE, "size": 10.0}


def world(legs: Any = (), events: Any = (), paths: int = 1, **terms: Any) -> World:
    return one_market(legs or loan("a", 1.0, 500.0), actors={"owners": TERMS | terms},
                      scenario={"paths": paths, "events": list(events)})


def repaid(of: World) -> np.ndarray:
    found = conserved(of)[1]
    return next(values for name, values in found.items() if name.startswith("paid_back"))


def test_a_part_is_repaid_and_the_same_part_of_the_collateral_taken_out() -> None:
    state, _ = conserved(world())
    debts, held = (state.ledgers.scaled[side].sum() for side in (1, 0))
    assert debts == pytest.approx(-STEPS * 10.0, rel=1e-12)
    assert held == pytest.approx(-STEPS * 10.0 / 500.0, rel=1e-12), "20 of 500 is what 0.04 of 1 ETH is"


def test_nobody_repays_more_than_he_owes() -> None:
    state, found = conserved(world(size=180.0))
    assert next(v for k, v in found.items() if k.startswith("paid_back"))[0] == pytest.approx(500.0, rel=1e-12)
    assert state.ledgers.scaled[0].sum() == pytest.approx(-1.0, rel=1e-12), "all of the collateral is his again"


def test_a_loan_that_is_worth_more_than_its_collateral_is_left() -> None:
    """ETH falls by 60 % at once, unseen where the oracle is fixed: 400 USD back 500."""
    blind = {"feeds": {"eth": {"kind": "fixed", "of": "ETH/USD"}}, "oracles": {"pool": {"ETH": "eth", "USD": "1"}}}
    sunk = one_market(loan("a", 1.0, 500.0), actors={"owners": TERMS}, scenario={"events": [fall(0.6)]}, **blind)
    deep = one_market(loan("a", 1.0, 500.0), actors={"owners": TERMS}, scenario={"events": [fall(0.4)]}, **blind)
    assert repaid(deep)[0] == pytest.approx(STEPS * 10.0) and repaid(sunk)[0] == 0.0


def test_times_and_sizes_are_those_stated() -> None:
    """50,000 tries at 1 - e^-h: within four standard errors; the mean of 10 e^(0.5 z) is 10 e^0.125."""
    many = [leg for i in range(50) for leg in loan(f"a{i}", 100.0, 50_000.0)]
    h, paths = 0.1, 100
    units = repaid(world(many, paths=paths, often=h * DAY / 60.0, spread=0.5)).sum()
    tries, chance, mean = 50 * paths * STEPS, 1.0 - np.exp(-h), 10.0 * np.exp(0.125)
    error = mean * np.sqrt(tries * chance * (np.exp(0.25) - chance))
    assert abs(units - tries * chance * mean) < 4.0 * error


def test_paths_are_the_same_in_any_chunk() -> None:
    of = world(paths=8, often=DAY / 60.0, spread=1.0)
    whole, parts = (stress(of, keep=False, threads=1, chunk=chunk).paths for chunk in (8, 3))
    assert whole.equals(parts)
    units = next(whole[name].to_pylist() for name in whole.column_names if name.startswith("paid_back"))
    assert len(set(units)) == 8, "every path has times of its own"


def test_mistakes_are_one_line() -> None:
    with pytest.raises(InputError) as error:
        world(collateral="BTC")
    assert "actors.owners.collateral" in str(error.value) and "\n" not in str(error.value)
