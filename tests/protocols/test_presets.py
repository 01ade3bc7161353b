"""Engines of two exchanges, as their documentation has them."""

from __future__ import annotations

import numpy as np
import pytest

from delever.model.errors import InputError
from delever.protocols.binance import Binance
from delever.protocols.exchange import (
    ABOVE,
    BACKSTOP,
    BANKRUPTCY,
    BELOW,
    COOLDOWN,
    FEE,
    KIND,
    LIMIT,
    MARKET,
    NO_LIMIT,
    SHARE,
    Exchange,
    Stage,
)
from delever.protocols.hyperliquid import Hyperliquid
from delever.worlds import resolve


def test_hyperliquid_sends_orders_in_parts_and_then_has_its_vault() -> None:
    # "larger than 100k USDC [...] only 20%", "a cooldown period of 30 seconds", "drops below 2/3", "no clearance fee"
    market, vault = Hyperliquid().compile(0).stages
    assert market[[KIND, BELOW, ABOVE, SHARE, COOLDOWN, LIMIT, FEE]].tolist() == [MARKET, 1.0, 1e5, 0.2, 30.0, NO_LIMIT, 0.0]
    assert vault[[KIND, BELOW, FEE]].tolist() == [BACKSTOP, 2 / 3, 0.0]


def test_binance_sends_one_order_down_to_the_bankruptcy_price() -> None:
    # "Immediate or Cancel orders", "issued at the bankruptcy price", "a liquidation fee [...] on the amount liquidated only"
    (market,) = Binance().compile(0).stages
    assert market[[KIND, BELOW, LIMIT, FEE]].tolist() == [MARKET, 1.0, BANKRUPTCY, 0.01]
    assert market[ABOVE] == np.inf  # never in parts


@pytest.mark.parametrize("preset", [Hyperliquid, Binance])
def test_stages_that_are_given_win(preset: type[Exchange]) -> None:
    stages = (Stage(stage="flat", slippage=0.01),)
    assert preset(stages=stages).stages == stages
    assert preset(stages=stages).compile(0).stages.shape[0] == 1


@pytest.mark.parametrize(("kind", "preset"), [("hyperliquid", Hyperliquid), ("binance", Binance)])
def test_presets_are_found_by_their_name(kind: str, preset: type[Exchange]) -> None:
    assert resolve("protocols", kind) is preset


def test_what_is_no_engine_is_not_found_among_the_protocols() -> None:
    with pytest.raises(InputError, match="unknown kind"):
        resolve("protocols", "funding")
