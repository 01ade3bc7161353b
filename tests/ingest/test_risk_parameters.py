"""Tiers as the exchanges publish them: their own maintenance amounts are those of the design's recursion."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from delever.catalog import get
from delever.ingest.risk_parameters import BINANCE, DYDX, HYPERLIQUID, Read, Tiers, binance, dydx, hyperliquid, parameters
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.model.parameters import PerpParameters


def binance_symbol(coin: str) -> str:
    return f"{'1000' + coin[1:] if coin.startswith('k') else coin}/USDT:USDT"


def test_every_maintenance_amount_of_binance_is_that_of_the_recursion(source: Source) -> None:
    """amount_k = amount_(k-1) + floor_k (rate_k - rate_(k-1)), for all 349 symbols, without a mismatch."""
    symbols = binance(source.read)
    assert len(symbols) == 349
    different = []
    for symbol, tiers in symbols.items():
        expected = 0.0
        assert tiers[0].amount == 0.0
        for before, tier in pairwise(tiers):
            expected += tier.floor * (tier.maintenance - before.maintenance)
            if tier.amount != pytest.approx(expected, rel=1e-9):
                different.append((symbol, tier.floor, tier.amount, expected))
    assert different == []


def test_binances_tiers_are_those_of_its_own_api_fields(source: Source) -> None:
    """The file says everything twice: the reader's tiers, from the API's text, are the numbers beside it."""
    raw = json.loads(source.read(BINANCE))
    for symbol, tiers in binance(source.read).items():
        given = [(tier["minNotional"], tier["maintenanceMarginRate"], tier["maxLeverage"]) for tier in raw[symbol]]
        assert [tuple(tier[:3]) for tier in tiers] == given


def test_hyperliquids_maintenance_is_half_of_the_initial_margin(source: Source) -> None:
    coins = hyperliquid(source.read)
    assert len(coins) == 229
    assert [tuple(tier[:3]) for tier in coins["BTC"]] == [(0.0, 0.0125, 40.0), (150e6, 0.025, 20.0)]
    assert [tuple(tier[:3]) for tier in coins["GMX"]] == [(0.0, pytest.approx(1 / 6), 3.0)]
    universe = {coin["name"]: coin["maxLeverage"] for coin in json.loads(source.read(HYPERLIQUID))[0]["universe"]}
    assert {coin: tiers[0].max_leverage for coin, tiers in coins.items()} == universe


def test_dydx_has_one_tier_a_market(source: Source) -> None:
    """Genesis: large caps 5 % initial margin, 3 % maintenance; mid caps 10 % and 5 %."""
    markets = dydx(source.read)
    assert len(markets) == 33
    assert tuple(markets["BTC-USD"][0][:3]) == (0.0, pytest.approx(0.03), pytest.approx(20.0))
    assert tuple(markets["SOL-USD"][0][:3]) == (0.0, pytest.approx(0.05), pytest.approx(10.0))


def test_every_instrument_is_a_valid_parameter_set(source: Source) -> None:
    for exchange in (binance, hyperliquid, dydx):
        for tiers in exchange(source.read).values():
            assert len(PerpParameters(**parameters(tiers)).tiers) == len(tiers)


def test_the_catalog_of_march_2026_is_the_exchanges_file(source: Source) -> None:
    coins = hyperliquid(source.read)
    for perp, values in get("hyperliquid-2026-03").items():
        assert values == parameters(coins[perp.removesuffix("-PERP")]), perp


def test_the_catalog_of_october_2024_is_binances_file(source: Source) -> None:
    symbols = binance(source.read)
    for perp, values in get("binance-2024-10").items():
        assert values == parameters(symbols[binance_symbol(perp.removesuffix("-PERP"))]), perp


def test_the_catalog_of_october_2025_has_its_leverage_and_its_largest_coins(source: Source) -> None:
    rows = source.table("crash_2025-10-10/hyperliquid_coins_30d_mean.csv").to_pylist()
    rows.sort(key=lambda row: -(row["oi_30d_mean_usd_m"] or 0.0))
    names = {"PEPE": "kPEPE", "BONK": "kBONK", "SHIB": "kSHIB"}  # the file leaves the exchange's k out
    leverage = {f"{names.get(row['coin'], row['coin'])}-PERP": row["max_leverage"] for row in rows}
    perps = get("hyperliquid-2025-10")
    assert set(list(leverage)[:60]) <= set(perps)
    assert {perp: values["tiers"][0]["max_leverage"] for perp, values in perps.items()} == {
        perp: leverage[perp] for perp in perps
    }


@pytest.mark.parametrize(
    ("reader", "name", "content"),
    [
        (binance, BINANCE, b"[]"),
        (binance, BINANCE, b'{"A": [{"info": {"notionalFloor": "0"}}]}'),
        (hyperliquid, HYPERLIQUID, b'[{"marginTables": []}]'),
        (dydx, DYDX, b"[]"),
    ],
)
def test_a_file_that_changed_is_named(reader: Callable[[Read], Tiers], name: str, content: bytes) -> None:
    with pytest.raises(InputError, match=f"{name} is not the file it was"):
        reader(lambda asked: content)


def test_tiers_out_of_order_are_refused() -> None:
    info = {"maintMarginRatio": "0.01", "initialLeverage": "50", "cum": "0"}
    tiers = {"A/USDT:USDT": [{"info": {**info, "notionalFloor": floor}} for floor in ("0", "5000", "5000")]}
    with pytest.raises(InputError, match=r"tiers out of order.*A/USDT:USDT"):
        binance(lambda asked: json.dumps(tiers).encode())


def test_a_margin_table_that_is_missing_is_named() -> None:
    meta = [{"marginTables": [], "universe": [{"name": "BTC", "marginTableId": 56}]}]
    with pytest.raises(InputError, match="no such margin table"):
        hyperliquid(lambda asked: json.dumps(meta).encode())
