"""Aave v4 in worlds: calls, votes, what-ifs, and terms of another version as one line each."""

from __future__ import annotations

from typing import Any

import pytest

import delever as dl
from delever.core.outcomes import LIQUIDATIONS
from delever.model.errors import InputError
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


@pytest.mark.parametrize(("rules", "line"), [
    ({"kind": "aave.v3_3", "target_health": 1.1}, r"rules\.target_health has no meaning in aave\.v3_3: 1\.1; it is read by v4"),
    ({"kind": "aave.v2", "least_bonus": "80 %"}, r"rules\.least_bonus has no meaning in aave\.v2: 0\.8; it is read by v4"),
    ({"kind": "aave.v3_0", "full_bonus_at": "90 %"}, r"rules\.full_bonus_at has no meaning in aave\.v3_0"),
    ({"kind": "aave.v4", "close_factor": "50 %"}, r"rules\.close_factor has no meaning in aave\.v4: 0\.5; it is read by v2"),
    ({"kind": "aave.v4", "target_health": 0.95}, r"rules\.target_health is 0\.95; it must be greater than or equal to 1"),
    ({"kind": "aave.v4", "full_bonus_at": 1.0}, r"rules\.full_bonus_at is 1\.0; it must be less than 1"),
    ({"kind": "aave.v4", "target_health": None}, r"rules\.target_health is null; .*write `target_health: 1\.24`"),
])
def test_terms_of_another_version_are_one_line(rules: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as raised:
        one_market(loan("ann", 1.0, 100.0), rules=rules)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("rules", ["aave.v4", "morpho.v1", "euler.v2"])
def test_a_close_factor_that_is_not_there_cannot_follow_anything(rules: str) -> None:
    follows = {"kind": "dynamic_terms", "protocol": "pool", "term": "close_factor", "follows": "implied_volatility", "usual": 0.5,
               "implied": {"0 h": "60 %"}, "elasticity": 1.0}
    with pytest.raises(InputError, match=rf"has no close factor: 'pool'; {rules.split('.')[0]} sizes calls by other terms"):
        last(one_market(loan("ann", 1.0, 100.0), rules=rules, policies={"p": follows}))
