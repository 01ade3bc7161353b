"""Small worlds to analyse, and the real one where its data are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from delever.examples import example
from delever.model.book import Book
from delever.model.world import World
from delever.worlds import load

ROOT = Path(__file__).resolve().parents[2]
Leg = tuple[str, str, str, float]  # account, side, asset, amount


def book(legs: list[Leg], labels: dict[str, str] | None = None) -> Book:
    """A book of a few legs; labels by asset."""
    account, side, asset, amount = zip(*legs, strict=True)
    label = [(labels or {}).get(name, "") for name in asset]
    legs_table = pa.table({"account": account, "side": side, "asset": asset, "amount": amount, "label": label})
    return Book.from_table(legs_table, protocol="pool")


def staked(legs: list[Leg], labels: dict[str, str] | None = None, **changes: Any) -> World:
    """ETH at 2000 USD, stETH at par, wstETH of 1.1 stETH, a pool of stETH against ETH that is the oracle too."""
    mapping: dict[str, Any] = {
        "name": "staked", "as_of": "2024-01-15T12:00:00Z",
        "assets": {"ETH": {"price": 2000}, "stETH": {"peg": "ETH", "ratio": 1.0}, "USDC": {"price": 1},
                   "wstETH": {"wraps": "stETH", "rate": 1.1}, "rest": {"price": 1, "seizable": False}},
        "protocols": {"pool": {"rules": "aave.v2", "book": book(legs, labels), "parameters": {
            name: {"liquidation_threshold": 0.8, "incentive": 0.05}
            for name in ("ETH", "stETH", "wstETH", "USDC", "rest")}}},
        "feeds": {"par": {"kind": "fixed", "of": "USDC/USD", "answer": 1.0}},
        "oracles": {"pool": {"USDC": "par"}},
        "venues": {"curve": {"kind": "constant_product", "pair": "stETH/ETH", "fee": 0,
                             "reserves": {"stETH": 10_000, "ETH": 10_000}}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}}, "networks": {},
        "execution": {"mode": "batched"},
        "scenario": {"horizon": "1 h", "step": "1 min", "paths": 2, "seed": 1, "prices": {"kind": "lognormal"}},
    }
    return load({**mapping, **changes})


@pytest.fixture
def first() -> World:
    """The embedded example."""
    return load(example("first"))


@pytest.fixture
def real() -> Callable[[str], World]:
    """The world of real positions; skipped without its data, but not where CI runs."""
    data = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
    if not (data / "aave_steth_2023-06").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no data in {data}: set DELEVER_DATA")
        pytest.skip("set DELEVER_DATA to the folder with aave_steth_2023-06")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELEVER_DATA", str(data))
        yield lambda name: load(ROOT / "examples" / "aave_steth" / name)
