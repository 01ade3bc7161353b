"""Terms of another version or of another protocol: one line each, that says whose they are; or a warning, with the number."""

from __future__ import annotations

from typing import Any

import pytest

from delever.analysis import check
from delever.model.errors import InputError
from delever.model.world import World
from delever.worlds import with_settings
from protocols.liquity_worlds import some_troves, totals
from protocols.liquity_worlds import world as liquity
from run.small import last, loan, one_market

ONE = loan("ann", 1.0, 100.0)


@pytest.mark.parametrize(("rules", "line"), [
    ({"kind": "aave.v3_3", "target_health": 1.1}, r"rules\.target_health has no meaning in aave\.v3_3: 1\.1; it is read by v4"),
    ({"kind": "aave.v2", "least_bonus": "80 %"}, r"rules\.least_bonus has no meaning in aave\.v2: 0\.8; it is read by v4"),
    ({"kind": "aave.v3_0", "full_bonus_at": "90 %"}, r"rules\.full_bonus_at has no meaning in aave\.v3_0"),
    ({"kind": "compound.v2", "store_front": "50 %"}, r"rules: unknown field: 'store_front'; it is read by comet: leave it out"),
    ({"kind": "comet.usdc", "close_factor": "50 %"}, r"rules: unknown field: 'close_factor'; it is read by aave, compound"),
    ({"kind": "morpho.v1", "close_factor": "50 %"}, r"rules: unknown field: 'close_factor'; it is read by aave, .*known: ve"),
    ({"kind": "euler.v2", "close_factor": "50 %"}, r"rules: unknown field: 'close_factor'; it is read by aave, .*known: mo"),
    ({"kind": "euler.v2", "target_health": 1.2}, r"rules: unknown field: 'target_health'; it is read by aave, fixed_spread"),
    ({"kind": "pro_rata", "stability_pool": {}}, r"rules: unknown field: 'stability_pool'; it is read by liquity"),
    ({"kind": "compound.venus", "seize_share": "5 %"}, r"rules\.seize_share has no meaning in compound\.venus: 0\.05"),
    ({"kind": "compound.v3"}, r"rules\.version is 'v3'; Compound v3 has rules of its own: `comet\.usdc`"),
    ({"kind": "aave.v3"}, r"rules\.version is 'v3'; did you mean v3_"),
    ({"kind": "aave.v4", "close_factor": "50 %"}, r"rules\.close_factor has no meaning in aave\.v4: 0\.5; it is read by v2"),
    ({"kind": "aave.v4", "target_health": 0.95}, r"rules\.target_health is 0\.95; it must be greater than or equal to 1"),
    ({"kind": "aave.v4", "full_bonus_at": 1.0}, r"rules\.full_bonus_at is 1\.0; it must be less than 1"),
    ({"kind": "aave.v4", "target_health": None}, r"rules\.target_health is null; .*write `target_health: 1\.24`"),
])
def test_terms_of_another_version_are_one_line(rules: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as raised:
        one_market(ONE, rules=rules)
    assert "\n" not in str(raised.value)


def test_a_setting_says_whose_a_field_is_too() -> None:
    line = r"--set protocols\.pool\.rules\.store_front: .*unknown field: 'store_front'; it is read by comet"
    with pytest.raises(InputError, match=line) as raised:
        with_settings(one_market(ONE), {"protocols.pool.rules.store_front": "50 %"})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("rules", ["morpho.v1", "euler.v2", "pro_rata", "compound.v2"])
def test_a_fee_on_the_incentive_where_there_is_none_is_one_line(rules: str) -> None:
    line = r"pool\.parameters\.ETH\.protocol_fee has no meaning here: 0\.1; .*(keep|give)"
    with pytest.raises(InputError, match=line) as raised:
        one_market(ONE, rules=rules, parameters={"ETH": {"protocol_fee": 0.1}})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("rules", ["aave.v4", "morpho.v1", "euler.v2"])
def test_a_close_factor_that_is_not_there_cannot_follow_anything(rules: str) -> None:
    follows = {"kind": "dynamic_terms", "protocol": "pool", "term": "close_factor", "follows": "implied_volatility", "usual": 0.5,
               "implied": {"0 h": "60 %"}, "elasticity": 1.0}
    with pytest.raises(InputError, match=rf"has no close factor: 'pool'; {rules.split('.')[0]} sizes calls by other terms"):
        last(one_market(ONE, rules=rules, policies={"p": follows}))


# --- what a check warns of --------------------------------------------------------------------------------------------------


def warned(world: World, code: str) -> list[tuple[str, str]]:
    """(where, value) of the warnings of a check with this code."""
    return [(row["where"], row["value"]) for row in check(world).findings.to_pylist()
            if row["code"] == code and row["level"] == "warn"]


@pytest.mark.parametrize(("rules", "terms", "said"), [
    ("aave.v2", {"emode": {1: {"liquidation_threshold": 0.9, "incentive": 0.01}}}, "emode of ETH under aave.v2"),
    ("aave.v2", {"supply_cap": 1000}, "supply_cap of ETH under aave.v2"),
    ("aave.v2", {"siloed": True}, "siloed of ETH under aave.v2"),
    ("aave.v4", {"debt_ceiling": 1e6}, "debt_ceiling of ETH under aave.v4"),
    ("morpho.v1", {"borrow_cap": 10}, "borrow_cap of ETH under morpho.v1"),
    ("euler.v2", {"borrowable_in": []}, "borrowable_in of ETH under euler.v2"),
    ("compound.v2", {"siloed": True}, "siloed of ETH under compound.v2"),
    ("euler.v2", {"debt_ceiling": 1e6}, "debt_ceiling of ETH under euler.v2"),
])
def test_terms_that_the_contracts_do_not_have_are_a_warning(rules: str, terms: Any, said: str) -> None:
    (field,) = terms
    (one,) = warned(one_market(ONE, rules=rules, parameters={"ETH": terms}), "parameters.of_others")
    assert one[0] == f"protocols.pool.parameters.ETH.{field}"
    assert one[1].startswith(said)


@pytest.mark.parametrize("rules", ["aave.v2", "aave.v3_0", "aave.v3_3", "aave.v4", "compound.v2", "compound.venus", "morpho.v1"])
def test_a_world_of_its_own_terms_has_none(rules: str) -> None:
    assert warned(one_market(ONE, rules=rules), "parameters.of_others") == []


@pytest.mark.parametrize(("threshold", "spirals"), [(0.9525, True), (0.9523, False)])
def test_a_threshold_beyond_the_toxic_frontier_is_a_warning_with_the_number(threshold: float, spirals: bool) -> None:
    """1 / 1.05 = 95.24 %."""
    found = warned(one_market(ONE, parameters={"ETH": {"liquidation_threshold": threshold}}), "limit.spiral")
    assert found == [("protocols.pool.parameters.ETH", f"threshold {threshold:.2%}, frontier 95.24%")] * spirals


@pytest.mark.parametrize(("ltv", "free"), [(0.9951, True), (0.9949, False)])
def test_a_loan_to_value_above_what_the_feeds_deviation_allows_is_a_warning_with_the_number(ltv: float, free: bool) -> None:
    """Seen at 1000 the market may stand at 995."""
    feeds = {"eth": {"kind": "push", "of": "ETH/USD", "heartbeat": "1 h", "deviation": "0.5 %"}}
    world = one_market(ONE, parameters={"ETH": {"liquidation_threshold": 0.996, "loan_to_value": ltv, "incentive": 0.001}},
                       feeds=feeds, oracles={"pool": {"ETH": "eth"}})
    found = warned(world, "limit.free_option")
    assert len(found) == free
    assert not free or f"{ltv:.2%} borrowed in USD at seen prices may be {ltv / 0.995:.2%} of the collateral" in found[0][1]


@pytest.mark.parametrize(("threshold", "splits"), [(0.86, True), (0.857, False)])
def test_a_bonus_that_grows_while_a_part_of_a_call_lowers_health_is_a_warning(threshold: float, splits: bool) -> None:
    """0.9 / 1.05 = 0.857: above it a first part makes the next one dearer. A bonus that does not grow has no such edge."""
    terms = {"ETH": {"liquidation_threshold": threshold}}
    found = warned(one_market(ONE, rules="aave.v4", parameters=terms), "limit.split")
    assert found == [("protocols.pool.parameters.ETH", f"health {threshold * 1.05:.4g}, full bonus at 0.9")] * splits
    flat = {"kind": "aave.v4", "least_bonus": "100 %"}
    assert warned(one_market(ONE, rules=flat, parameters=terms), "limit.split") == []


def test_a_stability_pool_larger_than_its_supply_ends_a_check_with_the_line_of_a_run() -> None:
    owed = totals(5)[1]
    with pytest.raises(InputError, match=rf"stability_pool: more than the {owed:g} LUSD that its troves owe, which is all"):
        check(liquity(some_troves(5), rules={"stability_pool": {"ETH": 1.001 * owed}}))
    assert check(liquity(some_troves(5), rules={"stability_pool": {"ETH": owed}})).findings.num_rows
