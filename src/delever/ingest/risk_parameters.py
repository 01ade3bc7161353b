"""Margin tiers of perpetuals from what exchanges publish about all their instruments.

Sources (folder risk_parameters): Binance's leverage brackets as freqtrade @c9ae5e1 keeps them, October 2024; Hyperliquid's answer
to metaAndAssetCtxs, March 2026 (Agentic-Sciences/crypto-research @cb7f68d); the genesis of dYdX v4
(dydxprotocol/v4-chain @84d4664). `read` opens a file of the folder.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from delever.ingest.files import json_of
from delever.model.errors import InputError

BINANCE = "risk_parameters/binance_leverage_tiers_2024-10.json"
HYPERLIQUID = "risk_parameters/hyperliquid_metaAndAssetCtxs_2026-03.json"
DYDX = "risk_parameters/dydx_v4_mainnet_genesis_perps.json"
SINGLE_TIER_BELOW = 50  # Hyperliquid: a margin table of a lower number is one tier with that maximum leverage
MILLION = 1e6  # dYdX counts shares in parts per million


class MarginTier(NamedTuple):
    """The terms of a position from a size on."""

    floor: float  # size from which it holds [USD]
    maintenance: float  # maintenance margin of what is above the floor [share]
    max_leverage: float  # size by equity at which a position may be opened [ratio]
    amount: float | None = None  # maintenance amount that the exchange itself states [USD]; None: it states none


Tiers = dict[str, tuple[MarginTier, ...]]  # by the exchange's name of the instrument
Read = Callable[[str], bytes]


def binance(read: Read) -> Tiers:
    """By symbol (BTC/USDT:USDT), with the exchange's own maintenance amounts ("cum")."""
    return _load(read, BINANCE, _binance)


def hyperliquid(read: Read) -> Tiers:
    """By coin, delisted ones included; maintenance margin = half of the initial margin at maximum leverage."""
    return _load(read, HYPERLIQUID, _hyperliquid)


def dydx(read: Read) -> Tiers:
    """By ticker (BTC-USD): one tier, maintenance = initial margin x maintenance fraction of the liquidity tier.

    The sizes from which the genesis' initial margin rises are left out: the documentation has a fixed maintenance margin.
    """
    return _load(read, DYDX, _dydx)


def parameters(tiers: tuple[MarginTier, ...]) -> dict[str, Any]:
    """Tiers as the catalog and worlds write them."""
    return {"tiers": [{"floor": t.floor, "maintenance": t.maintenance, "max_leverage": t.max_leverage} for t in tiers]}


def _binance(top: Any) -> Tiers:
    return {symbol: tuple(_bracket(tier["info"]) for tier in tiers) for symbol, tiers in top.items()}


def _bracket(info: dict[str, Any]) -> MarginTier:
    return MarginTier(
        float(info["notionalFloor"]), float(info["maintMarginRatio"]), float(info["initialLeverage"]), float(info["cum"])
    )


def _hyperliquid(top: Any) -> Tiers:
    meta = top[0]
    tables = {int(number): table["marginTiers"] for number, table in meta["marginTables"]}
    return {coin["name"]: _margin_table(coin, tables) for coin in meta["universe"]}


def _margin_table(coin: dict[str, Any], tables: dict[int, list[dict[str, Any]]]) -> tuple[MarginTier, ...]:
    number = int(coin["marginTableId"])
    single = [{"lowerBound": 0.0, "maxLeverage": number}]
    tiers = tables.get(number, single if number < SINGLE_TIER_BELOW else None)
    if tiers is None:
        raise InputError("no such margin table", HYPERLIQUID, f"{coin['name']}: {number}", "fetch the file again")
    return tuple(MarginTier(float(t["lowerBound"]), 0.5 / t["maxLeverage"], float(t["maxLeverage"])) for t in tiers)


def _dydx(top: Any) -> Tiers:
    liquidity = {tier["id"]: tier for tier in top["perpetuals"]["liquidity_tiers"]}
    found: Tiers = {}
    for perpetual in top["perpetuals"]["perpetuals"]:
        tier = liquidity[perpetual["params"]["liquidity_tier"]]
        initial, fraction = tier["initial_margin_ppm"], tier["maintenance_fraction_ppm"]
        found[perpetual["params"]["ticker"]] = (MarginTier(0.0, initial * fraction / MILLION**2, MILLION / initial),)
    return found


def _load(read: Read, name: str, build: Callable[[Any], Tiers]) -> Tiers:
    """What is built of a JSON file, once it is sure that tiers start at 0 and rise."""
    try:
        found = build(json_of(read(name), name, "fetch the data set risk_parameters again"))
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError("is not the file it was", name, reason, "fetch the data set risk_parameters again") from error
    for instrument, tiers in found.items():
        ordered = all(a.floor < b.floor and a.maintenance <= b.maintenance for a, b in pairwise(tiers))
        if not tiers or tiers[0].floor != 0.0 or not ordered:
            raise InputError("tiers out of order", name, instrument, "floors rise from 0 and margins do not fall")
    return found
