"""A protocol that reads the rate does not see the discount, and sees slashing at once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from delever import worlds
from delever.model.errors import InputError
from delever.model.world import World
from run.small import book, steps

FEEDS: dict[str, Any] = {"rate": {"kind": "rate", "of": "stETH/ETH"}, "market": {"kind": "market", "of": "stETH/ETH"},
                         "eth": {"kind": "market", "of": "ETH/USD"}}


def staked(sees: str, events: list[dict[str, Any]], **more: Any) -> World:
    """A loan against stETH of health 1.05 at its rate of 1.1 ETH, of which the market pays 1.08."""
    legs = [("a", "stETH", "collateral", 10.0), ("a", "USD", "debt", 10.0 * 1100.0 * 0.8 / 1.05)]
    terms = {name: {"liquidation_threshold": 0.8, "incentive": 0.05} for name in ("stETH", "USD")}
    scenario = {"horizon": 300, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}, "events": events}
    return worlds.load({
        "as_of": "2024-01-01T00:00:00Z",
        "assets": {"ETH": {"price": 1000.0}, "stETH": {"peg": "ETH", "ratio": 1.08, "rate": 1.1}},
        "protocols": {"pool": {"rules": "aave.v3_0", "book": book(legs), "parameters": terms}},
        "feeds": FEEDS, "oracles": {"pool": {"stETH": f"{sees} * eth"}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "scenario": scenario} | more)


def seized(world: World) -> float:
    """Units of stETH that were taken."""
    state = list(steps(world))[-1][1]
    reserve = state.reserves.asset.tolist().index(2)
    return -float(state.ledgers.scaled[0, reserve, 0])


def test_it_starts_at_the_rate() -> None:
    state = next(iter(steps(staked("rate", []))))[1]
    assert state.feeds.answer[0, 0] == pytest.approx(math.log(1.1), abs=1e-15)
    assert state.seen.log_price[state.reserves.asset.tolist().index(2), 0] == pytest.approx(math.log(1100.0), abs=1e-12)


def test_who_reads_the_rate_is_blind_to_a_discount_that_sells_others() -> None:
    depeg = [{"kind": "peg", "at": 60, "change": {"stETH": -0.06}}]
    assert seized(staked("rate", depeg)) == 0.0
    assert seized(staked("market", depeg)) > 0.0


def test_slashing_is_seen_by_both() -> None:
    slashed = [{"kind": "default", "asset": "stETH", "at": 60, "cut": -0.06, "freezes": False}]
    assert seized(staked("rate", slashed)) > 0.0
    assert seized(staked("market", slashed)) > 0.0


def test_a_halted_one_answers_what_it_did() -> None:
    events = [{"kind": "feed", "feed": "rate", "does": "stops", "at": 0},
              {"kind": "default", "asset": "stETH", "at": 60, "cut": -0.06, "freezes": False}]
    assert seized(staked("rate", events)) == 0.0


def test_the_word_rate_is_refused_where_the_rate_may_change() -> None:
    line = r"stETH has a rate that may change: 'stETH'; write a feed for it, `\{kind: rate, of: stETH/ETH\}`"
    with pytest.raises(InputError, match=line):
        staked("rate", [], feeds={"eth": FEEDS["eth"]})


def test_it_is_of_an_asset_and_its_peg() -> None:
    with pytest.raises(InputError, match=r"feeds\.rate\.of is not what it is redeemed for: 'stETH/USD'; write stETH/ETH"):
        staked("rate", [], feeds=FEEDS | {"rate": {"kind": "rate", "of": "stETH/USD"}})
