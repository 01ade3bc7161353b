"""What is known of 12 March 2020 before it: lots in the order in which they were kicked, prices, the oracle, gas.

Of the folder maker_2020-03 and crash_days of DELEVER_DATA. Of lots kicked in March there is nothing but their size.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

AS_OF, UNTIL = "2020-03-11T23:00:00Z", "2020-03-14T00:00:00Z"
CALM_ENDS = "2020-03-01T00:00:00Z"
LUMP = 50.0  # ETH, most in a lot by the terms of the day
FILES = ("maker_2020-03/eth_dai_usd_5m.csv", "maker_2020-03/flip_auctions_calm_2019-11_2020-02.csv",
         "maker_2020-03/flip_lots_2020-03.csv", "maker_2020-03/osm_eth_usd.csv", "crash_days/eth_gas_uniswap_10m.csv.gz")
MARKET, CALM, LOTS, OSM, GAS = FILES


class Given(NamedTuple):
    """Inputs of the day. Times are seconds from AS_OF."""

    lot: np.ndarray  # [lots] ETH, in the order in which they were kicked in March
    market: np.ndarray  # [rows, 3] time, ETH in USD, DAI in USD
    osm: np.ndarray  # [rows, 2] time, price shown from then on
    gas: np.ndarray  # [rows, 4] time, cheapest 30 %, 60 % and 90 % of transactions [gwei], ends with 12 March


def folder() -> Path:
    """Where the data lie."""
    return Path(os.environ.get("DELEVER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def raw(name: str) -> bytes:
    """A file as it is, unpacked."""
    found = (folder() / name).read_bytes()
    while found[:2] == b"\x1f\x8b":  # the gas file is packed twice
        found = gzip.decompress(found)
    return found


def rows(name: str) -> list[dict[str, str]]:
    """A table."""
    return list(csv.DictReader(io.StringIO(raw(name).decode())))


def hashes() -> dict[str, str]:
    """SHA-256 of each file as it lies there."""
    return {name: hashlib.sha256((folder() / name).read_bytes()).hexdigest() for name in FILES}


def at(moment: str, since: str = AS_OF) -> float:
    """Seconds from a moment to another, ISO strings."""
    return (_read(moment) - _read(since)).total_seconds()


def _read(moment: str) -> datetime:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(UTC)


def given() -> Given:
    """Read. From the first lot on that is larger than the terms of the day allow, lots were kicked under later ones: left out."""
    lots = np.array([float(row["lot_eth"]) for row in sorted(rows(LOTS), key=lambda row: int(row["id"]))])
    lots = lots[:int(np.argmax(lots > LUMP * (1.0 + 1e-9)))] if (lots > LUMP * (1.0 + 1e-9)).any() else lots
    market = np.array([[at(r["datetime"]), float(r["eth_usd"]), float(r["dai_usd"])] for r in rows(MARKET)])
    osm = np.array([[at(r["time_utc_interpolated"]), float(r["osm_eth_usd"])] for r in rows(OSM)])
    gas = np.array([[at(r["t"]), *(float(r[f"gas_{q}_gwei"]) for q in ("p30", "p60", "p90"))] for r in rows(GAS)
                    if r["t"] < UNTIL])
    return Given(lots, market, osm, gas)
