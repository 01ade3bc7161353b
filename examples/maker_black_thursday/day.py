"""The world of 12 and 13 March 2020, at given values of what is not known.

Vaults: each lot of March is a vault of its own that falls due, in the order of the lots, as the oracle falls. The lots that lie
between the oracle's price at the start of March and its lowest are taken to be spread over the logs of that fall by a power,

    share of lots that have fallen due = ((log first - log price) / (log first - log lowest))^steepness     assumption

and each owes threshold x lot x price at which it falls due, which is what a vault owes that is just unsafe. Those that the
oracle had passed before the start are left out: they were auctioned before.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import inputs
import numpy as np
import pyarrow as pa

HERE = Path(__file__).resolve().parent
THRESHOLD, PENALTY = 1 / 1.5, 0.13  # makerdao/dss-deploy-scripts, config/main.json: mat 150 %, chop 13 %
STEP, BLOCK = 300.0, 60.0  # [s] prices are of five minutes; transactions are included once a minute (assumption)
MINUTE_OF_POKE = 600.0  # median of the oracle's pokes of February and to 11 March, seconds after the hour
GAS_KEPT = 100.0  # ETH that every group has for gas: assumption


class Unknown(NamedTuple):
    """What a draw draws: a uniform number each, and what is made of it."""

    discount: float  # estimate: what keepers take off the market price
    spread: float  # estimate: of what a lot is worth to one of them, log price
    at_101: float  # estimate: share of keepers' money that bids 101 gwei
    at_35: float  # estimate: share at 35; the rest bids what the others' median was
    money: float  # assumption: of all keepers together [DAI]
    follows: float  # assumption: times their gas price up to which they follow the base fee
    bots: float  # assumption: transactions that a group sends a minute
    demand: float  # assumption: where between the cheapest 30 % and 60 % of the day's transactions the base fee lies, 0 to 1
    tomorrow: float  # assumption: base fee of 13 March, of the mean of the last three hours of the 12th
    zero_fee: float  # assumption: gas price up to which those who bid next to nothing follow [gwei]
    zero_after: float  # assumption: age of a lot from which they bid [s]
    steepness: float  # assumption: of how lots are spread over the fall


def log_uniform(low: float, high: float, u: float) -> float:
    """Between the two, in logs."""
    return float(low * (high / low) ** u)


def unknown(u: np.ndarray, keepers: dict[str, Any]) -> Unknown:
    """Twelve uniform numbers made into a draw; 0.5 each: the medians."""
    def normal(found: dict[str, Any], at: float) -> float:
        return float(found["estimate"] + found["standard_error"] * NormalDist().inv_cdf(at))

    shares = keepers["fee_shares"]
    at_101 = min(max(normal(shares["101 gwei"], u[2]), 0.0), 1.0)
    at_35 = min(max(normal(shares["35 gwei"], u[3]), 0.0), 1.0 - at_101)
    return Unknown(
        max(normal(keepers["discount"], u[0]), 0.0), max(normal(keepers["spread"], u[1]), 0.0), at_101, at_35,
        log_uniform(keepers["locked"]["estimate"], 76.0 * keepers["locked"]["estimate"], u[4]), log_uniform(1.0, 4.0, u[5]),
        log_uniform(2.0, 50.0, u[6]), float(u[7]), log_uniform(0.4, 1.6, u[8]), log_uniform(100.0, 1000.0, u[9]),
        log_uniform(60.0, 3600.0, u[10]), log_uniform(1.0, 3.0, u[11]))


def triggers(given: inputs.Given, steepness: float) -> np.ndarray:
    """[lots] price of the oracle below which each falls due."""
    march = given.osm[given.osm[:, 0] >= inputs.at(inputs.CALM_ENDS)]
    first, lowest = float(march[0, 1]), float(march[:, 1].min())
    share = (np.cumsum(given.lot) - 0.5 * given.lot) / given.lot.sum()
    price: np.ndarray = first * np.exp(-math.log(first / lowest) * share ** (1.0 / steepness))
    return price


def book(given: inputs.Given, steepness: float) -> pa.Table:
    """Vaults that have not fallen due before the start."""
    due = triggers(given, steepness)
    before = given.osm[(given.osm[:, 0] >= inputs.at(inputs.CALM_ENDS)) & (given.osm[:, 0] <= 0.0), 1].min()
    rows = []
    for number in np.flatnonzero(due <= before):
        name = f"lot{number:04d}"
        rows += [{"account": name, "asset": "ETH", "side": "collateral", "amount": float(given.lot[number])},
                 {"account": name, "asset": "DAI", "side": "debt", "amount": float(THRESHOLD * given.lot[number] * due[number])}]
    return pa.Table.from_pylist(rows)


def prices(given: inputs.Given) -> pa.Table:
    """The market, replayed."""
    rows = given.market[(given.market[:, 0] >= 0.0) & (given.market[:, 0] <= inputs.at(inputs.UNTIL))]
    return pa.table({"time": rows[:, 0], "ETH": rows[:, 1], "DAI": rows[:, 2]})


def base_fee(given: inputs.Given, drawn: Unknown) -> np.ndarray:
    """[half hours] gwei: means of three rows of ten minutes; before the first row that row, behind the last as drawn."""
    cheap, dear = np.log(given.gas[:, 1]), np.log(given.gas[:, 2])
    fee = np.exp(cheap + drawn.demand * (dear - cheap))
    last = float(fee[given.gas[:, 0] >= given.gas[-1, 0] - 3 * 3600].mean()) * drawn.tomorrow
    out = []
    for begin in np.arange(0.0, inputs.at(inputs.UNTIL), 1800.0):
        mine = (given.gas[:, 0] >= begin) & (given.gas[:, 0] < begin + 1800.0)
        out.append(float(fee[mine].mean()) if mine.any() else float(fee[0]) if begin < given.gas[0, 0] else last)
    return np.array(out)


def at_start(table: np.ndarray, time: float) -> float:
    """Second column of the row in force."""
    return float(table[np.searchsorted(table[:, 0], time, side="right") - 1, 1])


def groups(drawn: Unknown, keepers: dict[str, Any]) -> dict[str, Any]:
    """Keepers by gas price, each with his share of the money, and those who bid next to nothing."""
    shares = {"at_101": (drawn.at_101, 101.0), "at_35": (drawn.at_35, 35.0),
              "others": (1.0 - drawn.at_101 - drawn.at_35, keepers["fee_of_others"]["estimate"])}
    bots = max(1, round(drawn.bots))
    out: dict[str, Any] = {
        name: {"kind": "auction_keepers", "capital": {"DAI": share * drawn.money, "ETH": GAS_KEPT}, "discount": drawn.discount,
               "spread": drawn.spread, "fee": fee, "most_fee": fee * drawn.follows, "per_block": bots, "into": "DAI",
               "pace": 500_000.0}
        for name, (share, fee) in shares.items() if share > 0.0}
    out["nothing"] = {"kind": "auction_keepers", "capital": {"DAI": 1.0, "ETH": GAS_KEPT}, "nothing": True, "fee": 10.0,
                      "most_fee": drawn.zero_fee, "after": drawn.zero_after, "per_block": bots}
    return out


def world(given: inputs.Given, drawn: Unknown, keepers: dict[str, Any], files: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `delever.load` reads. files: names of book and prices where they are files; else the tables."""
    fees = base_fee(given, drawn)
    usual = float(fees.min())
    files = files or {"book": book(given, drawn.steepness), "prices": prices(given)}
    crowds = [{"kind": "congestion", "at": 1800.0 * i, "lasting": 1800.0, "base_fee": round(float(fee / usual), 4)}
              for i, fee in enumerate(fees) if fee / usual > 1.0001]
    parameters = {"ETH": {"liquidation_threshold": THRESHOLD, "incentive": PENALTY},
                  "DAI": {"liquidation_threshold": 0.0, "incentive": 0.0}}
    return {
        "name": "maker_black_thursday", "as_of": inputs.AS_OF,
        "assets": {"ETH": {"price": at_start(given.market[:, :2], 0.0)},
                   "DAI": {"peg": "USD", "ratio": at_start(given.market[:, [0, 2]], 0.0)}},
        "protocols": {"maker": {"rules": {"kind": "flip", "version": "eth_a_2020_03"}, "parameters": parameters,
                                "book": files["book"]}},
        "feeds": {"osm": {"kind": "osm", "of": "ETH/USD", "first": MINUTE_OF_POKE, "answer": at_start(given.osm, 0.0),
                          "queued": at_start(given.market[:, :2], MINUTE_OF_POKE - 3600.0)}},
        "oracles": {"maker": {"ETH": "osm", "DAI": "1"}},
        "networks": {"ethereum": {"kind": "blocks", "block_time": BLOCK, "room": 500, "base_fee": usual}},
        "actors": groups(drawn, keepers),
        "scenario": {"horizon": inputs.at(inputs.UNTIL), "step": STEP, "paths": 1, "seed": 20200312,
                     "prices": {"kind": "replay", "data": files["prices"]}, "events": crowds}}


def known_keepers() -> dict[str, Any]:
    """keepers.json."""
    found: dict[str, Any] = json.loads((HERE / "keepers.json").read_text(encoding="utf-8"))
    return found
