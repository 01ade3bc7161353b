"""A world in which Aave and Compound liquidate the same loans, each by its own row of rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.core.outcomes import DEFICITS, PROTOCOL_FEE
from delever.core.tables import SLOTS
from delever.engine.conservation import residual
from run.small import book, fall, last, loan, one_market, pool


def loans() -> list[Any]:
    """Thirty, at healths from 1.01 to 1.3."""
    return [leg for i in range(30) for leg in loan(f"a{i}", 5.0, 5.0 * 850.0 / np.linspace(1.01, 1.3, 30)[i])]


def test_a_world_of_both_conserves_value_and_treats_each_by_its_row() -> None:
    """The same loans twice, in Aave v3_3 and in Compound, through one pool."""
    terms = {name: {"liquidation_threshold": 0.85, "incentive": 0.05} for name in ("ETH", "USD")}
    both = {name: {"rules": rules, "parameters": terms, "book": book(loans(), name)} for name, rules in (
        ("first", "aave.v3_3"), ("second", {"kind": "compound.v2", "seize_share": 0.028}))}
    _, state = last(one_market(loans(), protocols=both, venues={"amm": pool(500.0, 5e5, follows=True)},
                               scenario={"events": [fall(0.25, 60.0)]}))
    totals = state.ledgers.totals[:, :, 0]
    assert (totals[PROTOCOL_FEE] > 0.0).tolist() == [False, True]
    assert (totals[DEFICITS] > 0.0).tolist() == [True, False]
    assert residual(state, int(state.watch.counts[SLOTS])).max() < 1e-9
