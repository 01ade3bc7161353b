"""A sentinel: after an outage of its chain a protocol's accounts cannot be called for a time, unless they are far below."""

from __future__ import annotations

import pytest

from delever.core.outcomes import LIQUIDATIONS
from delever.model.errors import InputError
from delever.model.world import World
from run.small import Mapping, fall, loan, one_market, steps

CHAIN: Mapping = {"chain": {"kind": "blocks", "block_time": 20.0, "room": 10, "base_fee": 1.0}}


def world(*debts: float, **sentinel: float) -> World:
    """Loans against 1 ETH, threshold 0.85; ETH falls from 1000 to 800 USD while the chain stands still, from 120 to 300 s."""
    legs = [leg for n, debt in enumerate(debts) for leg in loan(f"l{n}", 1.0, debt)]
    outage = {"at": 120.0, "lasting": 180.0, "kind": "outage", "network": "chain"}
    policies = {"spares": {"kind": "sentinel", "protocols": "pool", **sentinel}} if sentinel else {}
    return one_market(legs, networks=CHAIN, policies=policies, scenario={"horizon": 1200, "events": [outage, fall(0.2, 180.0)]})


def called(made: World) -> list[float]:
    """Accounts that were called by the end of each minute."""
    return [float(state.ledgers.totals[LIQUIDATIONS, 0, 0]) for _, state in steps(made)]


def test_without_one_they_are_called_when_the_chain_is_back() -> None:
    assert called(world(690.0, 700.0)) == [0.0] * 5 + [2.0] * 15


@pytest.mark.parametrize(("grace", "minutes"), [(299.0, 9), (300.0, 9), (301.0, 10)])
def test_the_grace_runs_from_the_end_of_the_outage_and_ends_on_a_block(grace: float, minutes: int) -> None:
    """With five minutes the block at 600 s is the first in which they may be called."""
    assert called(world(690.0, 700.0, grace=grace)) == [0.0] * minutes + [2.0] * (20 - minutes)


@pytest.mark.parametrize(("debt", "first"), [(680.0 / 0.95 - 1e-9, 9), (680.0 / 0.95 + 1e-9, 5)])
def test_who_is_below_095_is_called_at_once(debt: float, first: int) -> None:
    assert called(world(debt, grace=300.0)) == [0.0] * first + [1.0] * (20 - first)


def test_what_it_cannot_spare_is_said() -> None:
    with pytest.raises(InputError, match="has two sentinels"):
        one_market(loan("a", 1.0, 1.0), policies={name: {"kind": "sentinel", "protocols": "pool"} for name in "ab"})
    with pytest.raises(InputError, match="unknown protocol"):
        one_market(loan("a", 1.0, 1.0), policies={"a": {"kind": "sentinel", "protocols": "bank"}})
