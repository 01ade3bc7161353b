"""Constant-product pools: the contract's numbers, and the closed form exactly."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.profile import buy, inverse_root, sell
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.venues.constant_product import ConstantProduct

compiled = settings(deadline=None)  # the first call compiles

VECTORS = Path(os.environ.get("DELEVER_VECTORS", Path(__file__).resolve().parents[3] / "shared" / "vectors"))


def pool(base: float, quote: float, fee: float = 0.0) -> ConstantProduct:
    return ConstantProduct(pair="A/B", reserves={"A": base, "B": quote}, fee=fee)


def swaps() -> list[dict[str, Any]]:
    """Swaps that the pair contract executed; where the file is missing, CI fails and others skip."""
    path = VECTORS / "uniswap_v2.json"
    if not path.exists():
        message = f"no contract vectors at {path}: set DELEVER_VECTORS to their folder"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    cases: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    return cases


def test_swaps_are_those_of_the_uniswap_v2_contract() -> None:
    cases = swaps()
    for case in cases:
        given_, paid = case["in"], case["out"]["amount_out"][1]
        reserve_in, reserve_out, amount = (given_[name][1] for name in ("reserve_in", "reserve_out", "amount_in"))
        unit = 10.0 ** -given_["decimals_out"]  # the contract rounds down to it
        table = pool(reserve_in, reserve_out, 0.003).table(Source(), 1.0)
        _, sold_for = sell(0.0, amount * (1.0 - table.fee_in), *table.rows())
        assert paid - 1e-12 * paid <= sold_for <= paid + unit + 1e-12 * paid, case["id"]
        mirror = pool(reserve_out, reserve_in, 0.003).table(Source(), 1.0)
        _, bought = buy(0.0, amount * (1.0 - mirror.fee_in), *mirror.rows())
        assert bought == pytest.approx(sold_for, rel=1e-13)
    assert len(cases) >= 25


@compiled
@given(st.floats(1.0, 1e9), st.floats(1.0, 1e9), st.floats(1e-9, 1e3))
def test_trades_follow_the_closed_form(base: float, quote: float, share: float) -> None:
    table = pool(base, quote).table(Source(), 1.0)
    assert sell(0.0, share * base, *table.rows())[1] == pytest.approx(quote * share / (1.0 + share), rel=1e-13)
    assert buy(0.0, share * quote, *table.rows())[1] == pytest.approx(base * share / (1.0 + share), rel=1e-13)


@compiled
@given(st.floats(1.0, 1e9), st.floats(1.0, 1e9), st.floats(-0.9, 10.0))
def test_the_price_is_the_ratio_of_what_the_pool_holds(base: float, quote: float, share: float) -> None:
    cells, node_w, sold, _, liquidity = pool(base, quote).table(Source(), 1.0).rows()
    w = inverse_root(share * base, cells, node_w, sold, liquidity)
    held = base * (1.0 + share)
    assert 1.0 / w**2 == pytest.approx(base * quote / held / held, rel=1e-12)


def test_nothing_that_a_pool_trades_is_extrapolated() -> None:
    table = pool(10.0, 20.0).table(Source(), 1.0)
    assert table.quoted == (-float("inf"), float("inf"))
    assert not table.anchored


@pytest.mark.parametrize(("fields", "message"), [
    (dict(reserves={"A": 0.0, "B": 1.0}), "reserves.A is 0; a pool holds more than 0"),
    (dict(reserves={"A": 1.0, "B": -2.0}), "reserves.B is -2"),
    (dict(reserves={"A": 1.0, "B": float("nan")}), "reserves.B is"),
    (dict(reserves={"A": 1.0}), "reserves.B is missing"),
    (dict(reserves={"A": 1.0, "b": 1.0}), "did you mean B"),
    (dict(fee=1.0), "fee"),
    (dict(fee=30), "it is a share, so 0.3"),
    (dict(fee=-0.1), "fee"),
    (dict(pair="AB"), "BASE/QUOTE"),
    (dict(pair="A/A"), "BASE/QUOTE"),
    (dict(half_life="0 s"), "half_life"),
])
def test_bad_input_is_answered_with_name_and_remedy(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ConstantProduct(**{"pair": "A/B", "reserves": {"A": 1.0, "B": 1.0}, "fee": 0.003, **fields})
