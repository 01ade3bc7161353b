"""Reserves that are seen alike share a row of prices; no account is called otherwise than where its protocol stands alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.core.outcomes import LIQUIDATIONS, OUTCOMES
from delever.run.assemble import assemble
from delever.run.start import new_state
from run.small import Mapping, book, fall, last, loan, one_market

TERMS = {name: {"liquidation_threshold": 0.85, "incentive": 0.05, "borrow_rate": 0.5} for name in ("ETH", "USD")}
LOANS = [leg for i in range(20) for leg in loan(f"a{i}", 5.0, 5.0 * 850.0 / (1.01 + 0.02 * i))]


def protocol(name: str, rate: float = 0.5, **more: Any) -> Mapping:
    return {name: {"rules": "aave.v3_3", "book": book(LOANS, name), "parameters": {
        asset: {**terms, "borrow_rate": rate} for asset, terms in TERMS.items()}, **more}}


def world(protocols: Mapping, **changes: Any) -> Any:
    return one_market(LOANS, protocols=protocols, feeds={"late": {"kind": "push", "of": "ETH/USD", "heartbeat": 3600,
                                                                  "deviation": 0.05, "delay": 120}},
                      scenario={"paths": 3, "prices": {"kind": "lognormal", "volatility": {"ETH": 5.0}},
                                "events": [fall(0.15, 120.0)]}, **changes)


MIXED = {**protocol("one"), **protocol("two", rate=3.0), **protocol("late"), **protocol("later"),
         **protocol("in_eth", unit="ETH")}
LATE = {"late": {"ETH": "late"}, "later": {"ETH": "late"}}


def test_reserves_are_alike_where_feeds_and_unit_are_the_same_whatever_their_rates() -> None:
    model = assemble(world(MIXED, oracles=LATE))
    like = new_state(model, 0, 1).seen.like
    names = ["/".join(model.positions.reserves[r]) for r in like]
    assert dict(zip(map("/".join, model.positions.reserves), names, strict=True)) == {
        "one/ETH": "one/ETH", "one/USD": "one/USD", "two/ETH": "one/ETH", "two/USD": "one/USD",
        "late/ETH": "late/ETH", "late/USD": "one/USD", "later/ETH": "late/ETH", "later/USD": "one/USD",
        "in_eth/ETH": "in_eth/ETH", "in_eth/USD": "in_eth/USD"}


def test_beside_others_that_see_the_same_a_protocol_fares_as_alone() -> None:
    """Markets are infinitely deep, so protocols do not meet: the same bits."""
    together = last(world(MIXED, oracles=LATE))[1].ledgers.totals
    assert (together[LIQUIDATIONS].sum(1) > 0.0).all()
    for number, name in enumerate(MIXED):
        oracles = {name: LATE[name]} if name in LATE else {}
        alone = last(world({name: MIXED[name]}, oracles=oracles))[1].ledgers.totals
        assert alone.shape == (OUTCOMES, 1, 3)
        assert np.array_equal(together[:, number], alone[:, 0]), name
