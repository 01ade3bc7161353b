"""What is known of Morpho around the fall of deUSD, to a moment: states, transactions, vaults, prices.

Of the folder morpho_2025-11 of DELEVER_DATA. All of it ends with 3 November 2025 but the prices, which go on: they are the shock.
Of those nothing later than the moment asked for is read here, except by `prices`, which says so.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = "morpho_2025-11"
HOUR, DAY, YEAR = 3600.0, 86400.0, 365.0 * 86400.0
LARGE = 10_000.0  # units: what is less is dust, which no estimate counts


class Market(NamedTuple):
    """One of the two markets, as markets.csv has them: both LLTV 91.5 %, adaptive rate, oracle a vault's rate times a feed."""

    name: str
    files: str  # first part of the names of its files
    key: str  # first digits of its id
    chain: str
    loan: str


MARKETS = (Market("sdeUSD/USDC Ethereum", "eth_sdeUSD_USDC", "0x0f95634", "1", "USDC"),
           Market("sdeUSD/pUSD Plume", "plume_sdeUSD_pUSD", "0x8d00938", "98866", "pUSD"))
LLTV = 0.915
FILES = tuple(f"{FOLDER}/{name}" for name in (
    *(f"{one.files}_{what}.csv.gz" for one in MARKETS for what in ("state_hourly", "transactions")), "prices.csv.gz",
    "vault_allocation_daily.csv.gz", "vault_tvl_daily.csv.gz", "market_state_hourly.csv.gz", "markets.csv"))


class States(NamedTuple):
    """Hourly, each as it stands at that moment. [hours]"""

    at: np.ndarray  # [s, Unix]
    supplied: np.ndarray  # units of the loan asset
    borrowed: np.ndarray
    collateral: np.ndarray  # units of sdeUSD


class Deal(NamedTuple):
    """A transaction of a market."""

    at: float  # [s, Unix]
    kind: str  # Supply, Withdraw, Borrow, Repay, Liquidation, SupplyCollateral, WithdrawCollateral
    who: str
    units: float


def folder() -> Path:
    """Where the data lie."""
    return Path(os.environ.get("DELEVER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """A table."""
    raw = (folder() / FOLDER / name).read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    return tuple(csv.DictReader(io.StringIO(text)))


def hashes() -> dict[str, str]:
    """SHA-256 of each file as it lies there."""
    return {name: hashlib.sha256((folder() / name).read_bytes()).hexdigest() for name in FILES}


def moment(text: str) -> float:
    """Unix seconds of an ISO string."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).timestamp()


def told(at: float, form: str = "%Y-%m-%dT%H") -> str:
    """A moment in words; an hour, unless another form is asked for."""
    return datetime.fromtimestamp(at, UTC).strftime(form)


def states(market: Market, until: float) -> States:
    """To a moment, which may be the last row."""
    some = [row for row in rows(f"{market.files}_state_hourly.csv.gz") if float(row["timestamp"]) <= until]
    columns = ("timestamp", "supply_assets", "borrow_assets", "collateral_assets")
    return States(*(np.array([float(row[name]) for row in some]) for name in columns))


def deals(market: Market, until: float) -> list[Deal]:
    """Before a moment, in their order. Loan assets have six decimals, collateral eighteen."""
    return [Deal(float(row["timestamp"]), row["type"].removeprefix("Market"), row["user_address"],
                 float(row["assets"]) / (1e18 if "Collateral" in row["type"] else 1e6))
            for row in rows(f"{market.files}_transactions.csv.gz") if float(row["timestamp"]) < until]


def vaults(until: float) -> dict[str, tuple[str, np.ndarray]]:
    """Address: (name, [days, 2] moment and assets in USD as they stand then), to a moment."""
    out: dict[str, tuple[str, list[tuple[float, float]]]] = {}
    for row in rows("vault_tvl_daily.csv.gz"):
        if float(row["timestamp"]) <= until:
            named = out.setdefault(row["vault_address"], (row["vault_name"], []))
            named[1].append((float(row["timestamp"]), float(row["total_assets_usd"])))
    return {who: (name, np.array(sorted(found))) for who, (name, found) in out.items()}


def allocations(until: float) -> dict[tuple[str, str, float], float]:
    """(Vault, market id, moment): USD that the vault has in the market then; one row a day, to a moment."""
    return {(row["vault_address"], row["market_unique_key"], float(row["timestamp"])): float(row["supply_assets_usd"])
            for row in rows("vault_allocation_daily.csv.gz") if float(row["timestamp"]) <= until}


def prices(symbol: str, start: float, end: float) -> np.ndarray:
    """[rows, 2] seconds from the start and USD a unit on Ethereum: the row in force at the start, then those to the end."""
    found = sorted((float(row["timestamp"]), float(row["price_usd"])) for row in rows("prices.csv.gz")
                   if row["symbol"] == symbol and row["chain_id"] == "1" and float(row["timestamp"]) <= end)
    table = np.array(found)
    first = max(int(np.searchsorted(table[:, 0], start, side="right")) - 1, 0)
    return np.column_stack([np.maximum(table[first:, 0] - start, 0.0), table[first:, 1]])
