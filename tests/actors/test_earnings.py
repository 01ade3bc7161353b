"""What liquidators earn, and of what it is made: gains, gas, what they bid beyond it, and what reverted."""

from __future__ import annotations

import pytest

from delever.run.stress import Run, stress
from networks.small import crowd, two_chains
from run.small import Mapping, everything, fall, one_market

PARTS = ("liquidator_gains", "liquidator_gas", "liquidator_tips", "liquidator_reverts")
FALL: Mapping = {"horizon": 60, "events": [fall(0.1)]}
CHAIN: Mapping = {"chain": {"block_time": 60, "room": 10, "base_fee": 20}}
BIDS: Mapping = {"eager": {"kind": "liquidators", "fee_share": 0.5},
                 "slow": {"kind": "keepers", "fee_share": 0.0, "capital": {"ETH": 1}}}


def parts(run: Run) -> list[float]:
    """Of the first path."""
    return [run.paths[name].to_pylist()[0] for name in PARTS]


def profit(run: Run) -> float:
    """Of the first path."""
    found: float = run.paths["liquidator_profit"].to_pylist()[0]
    return found


def test_who_comes_second_pays_for_a_call_that_reverts() -> None:
    """A call earns 5 % of 4000 USD. 500,000 gas at 20 gwei, ETH at 900 USD: 9 USD. The first bids half of the other 191 USD."""
    run = stress(one_market(crowd(1), actors=BIDS, networks=CHAIN, scenario=FALL), keep=False)
    assert run.paths["liquidations.pool"].to_pylist() == [1.0]
    assert parts(run) == pytest.approx([200.0, 9.0, 95.5, 9.0])
    assert profit(run) == pytest.approx(200.0 - 9.0 - 95.5 - 9.0)


def test_what_goes_past_the_public_queue_costs_nothing_when_it_reverts() -> None:
    private = BIDS | {"slow": BIDS["slow"] | {"channel": "private"}}
    run = stress(one_market(crowd(1), actors=private, networks=CHAIN, scenario=FALL), keep=False)
    assert run.paths["reverted"].to_pylist() == [1]
    assert parts(run) == pytest.approx([200.0, 9.0, 95.5, 0.0])


def test_each_chain_s_gas_counts_at_the_price_of_its_own_asset() -> None:
    """500,000 gas: 20 gwei of ETH at 900 USD, and 2 gwei of POL at 0.5 USD; `always` bids the least."""
    actors = {"liquidators": {"kind": "liquidators", "rule": "always", "fee_share": 0}}
    run = stress(two_chains(crowd(1), crowd(2, "b"), actors=actors, scenario=FALL), keep=False)
    assert parts(run) == pytest.approx([600.0, 9.0 + 2 * 0.0005, 0.0, 0.0], abs=1e-9)


def test_where_gas_is_free_nothing_is_split() -> None:
    names = stress(one_market(crowd(1), scenario=FALL), keep=False).paths.column_names
    assert "liquidator_profit" in names and not set(PARTS) & set(names)


def test_the_parts_add_up_to_the_profit_and_stand_under_liquidations() -> None:
    run = stress(everything(paths=2), keep=False, threads=1)
    for p in range(2):
        gains, *paid = (run.paths[name].to_pylist()[p] for name in PARTS)
        turnover = run.paths["repaid_debt.first"].to_pylist()[p] + run.paths["repaid_debt.other"].to_pylist()[p]
        assert all(part > 0.0 for part in paid)
        assert gains - sum(paid) == pytest.approx(run.paths["liquidator_profit"].to_pylist()[p], abs=1e-9 * turnover)
        owners = run.paths["gas"].to_pylist()[p] * run.paths["last_price.ETH/USD"].to_pylist()[p] - sum(paid)
        assert owners >= -1e-9 * turnover  # feeds and owners pay gas too
    headed = dict(zip(run.summary["figure"].to_pylist(), run.summary["section"].to_pylist(), strict=True))
    assert {headed[name] for name in PARTS} == {"Liquidations"}
