"""Aave v4 in worlds: calls, votes, what-ifs."""

from __future__ import annotations

import pytest

import delever as dl
from delever.core.outcomes import LIQUIDATIONS
from delever.protocols.aave import Aave
from run.small import conserved, fall, last, loan, one_market


def test_a_world_calls_by_it_and_conserves_value() -> None:
    """ETH falls by 8 %: 10 x 920 x 0.85 / 8000 = 0.9775; one call brings it to 1.24, and nobody calls again."""
    world = one_market(loan("a", 10.0, 8000.0), rules="aave.v4", scenario={"events": [fall(0.08, 60.0)]})
    row = conserved(world)[1]
    state = last(world)[1]
    eth, usd = state.pool.touched.amount[0]
    assert state.ledgers.totals[LIQUIDATIONS, 0, 0] == 1.0
    assert eth * 920.0 * 0.85 / usd == pytest.approx(1.24, rel=1e-12)
    paid = 0.05 * (0.9 + 0.1 * (1.0 - 0.9775) / 0.1)
    assert (10.0 - eth) * 920.0 == pytest.approx((8000.0 - usd) * (1.0 + paid), rel=1e-12)
    assert row["seized"][0] > 0.0


def test_a_vote_turns_version_3_into_version_4() -> None:
    vote = {"at": 60.0, "kind": "governance", "protocol": "pool", "change": {"version": "v4"}}
    world = one_market(loan("a", 10.0, 8000.0), rules="aave.v3_3", scenario={"events": [vote, fall(0.08, 240.0)]})
    eth, usd = last(world)[1].pool.touched.amount[0]
    assert eth * 920.0 * 0.85 / usd == pytest.approx(1.24, rel=1e-12)


def test_the_embedded_world_can_be_asked_what_version_4_would_do() -> None:
    world = dl.load(dl.example("first"))
    v4 = world.replace("protocols.aave.rules.version", "v4")
    assert v4.protocols["aave"].rules == Aave(version="v4")
    both = [dl.wall(one, asset="ETH", shocks="-30%").totals.to_pylist()[-1] for one in (world, v4)]
    assert both[0]["accounts"] == both[1]["accounts"] > 0  # who is eligible does not depend on how much is taken
    assert both[0]["liquidatable_debt_usd"] < both[1]["liquidatable_debt_usd"]
