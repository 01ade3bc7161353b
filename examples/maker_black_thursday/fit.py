"""Keepers as the calm auctions of November 2019 to February 2020 show them: the estimates, with their errors.

    DELEVER_DATA=... python examples/maker_black_thursday/fit.py         # writes keepers.json

    discount, spread    log(market price / price of the last bid): mean and standard deviation, of lots whose last bid fell in
                        February, where there is a market price (of the oracle's alone before)
    fees                gas price of last bids in January and February: shares of those at 101 gwei, at 35, and of others
    delay               from the moment a bid has lapsed (ttl) until the lot is taken
    locked              most DAI that last bids held at a time: the least that keepers had together
    oracle              log(price that Maker's oracle shows / market at its poke before), of pokes before the start of the example
Lots of one day are alike, so errors are those of a bootstrap over days. Of auctions nothing later than February is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import inputs
import numpy as np

FILE = Path(__file__).resolve().parent / "keepers.json"
TTL, SEED, RESAMPLED = 600.0, 20200229, 2000
FEES = (101.0, 35.0)  # gwei: two prices at which most bids were made; the others in one class
RECENT = "2020-01-01T00:00:00Z"


class Lot(NamedTuple):
    """A closed auction."""

    day: int
    bid_at: float  # of the last bid, seconds from the start of March: below 0
    closed_at: float
    units: float  # ETH
    price: float  # of the last bid, DAI a unit
    seen: float  # by the oracle then, USD
    fee: float  # gwei


def calm() -> list[Lot]:
    """All of them."""
    out = []
    for row in inputs.rows(inputs.CALM):
        bid_at = inputs.at(row["last_bid_utc"], inputs.CALM_ENDS)
        if bid_at >= 0.0:
            raise ValueError(f"auction {row['id']} is not of the calm months")
        out.append(Lot(int(bid_at // 86_400), bid_at, inputs.at(row["closed_utc"], inputs.CALM_ENDS), float(row["lot_eth"]),
                       float(row["price_dai_per_eth"]), float(row["osm_usd_at_last_bid"]), float(row["gas_gwei_last_bid"])))
    return out


def discounts(lots: list[Lot]) -> tuple[np.ndarray, np.ndarray]:
    """(day, log(market / bid)) of lots bid for in February, at the market of the five minutes of the last bid, in DAI."""
    market = np.array([[inputs.at(r["datetime"], inputs.CALM_ENDS), float(r["eth_usd"]) / float(r["dai_usd"])]
                       for r in inputs.rows(inputs.MARKET) if r["datetime"] < inputs.CALM_ENDS])
    some = [lot for lot in lots if lot.bid_at >= market[0, 0]]
    at = np.searchsorted(market[:, 0], [lot.bid_at for lot in some], side="right") - 1
    return np.array([lot.day for lot in some]), np.log(market[at, 1] / np.array([lot.price for lot in some]))


def locked(lots: list[Lot]) -> float:
    """Most DAI in last bids at a time."""
    moves = [(lot.bid_at, lot.price * lot.units) for lot in lots] + [(lot.closed_at, -lot.price * lot.units) for lot in lots]
    return float(np.cumsum([units for _, units in sorted(moves)]).max())


def resampled(day: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """[RESAMPLED, ...] a statistic of rows, by days drawn with replacement."""
    rng, days = np.random.default_rng(SEED), np.unique(day)
    rows = {d: np.flatnonzero(day == d) for d in days}
    return np.array([statistic(np.concatenate([rows[d] for d in rng.choice(days, len(days))])) for _ in range(RESAMPLED)])


def estimate(value: float, draws: np.ndarray, of: str, n: int, days: int) -> dict[str, Any]:
    """An estimate as it is written."""
    return {"estimate": round(value, 6), "standard_error": round(float(draws.std(ddof=1)), 6),
            "interval_80": [round(float(q), 6) for q in np.quantile(draws, [0.1, 0.9])], "of": of, "lots": n, "days": days}


def scored(day: np.ndarray, discount: np.ndarray) -> dict[str, Any]:
    """Fitted on lots of the first half of February's days, scored on the others: a normal of that mean and deviation.

    Against it: everybody bids the market price. CRPS of a normal as of Gneiting and Raftery (2007), of a point the distance.
    """
    first = day < np.median(np.unique(day))
    mean, spread, later = float(discount[first].mean()), float(discount[first].std(ddof=1)), discount[~first]
    z, unit = (later - mean) / spread, NormalDist()
    crps = spread * (z * (2.0 * np.array([unit.cdf(x) for x in z]) - 1.0) + 2.0 * np.array([unit.pdf(x) for x in z])
                     - 1.0 / math.sqrt(math.pi))
    return {"of": "log(market / last bid) of the second half of February's days, by a fit on the first", "lots": len(later),
            "fitted_on_lots": int(first.sum()), "mean": round(mean, 6), "spread": round(spread, 6),
            "crps": round(float(crps.mean()), 6), "crps_at_market": round(float(np.abs(later).mean()), 6),
            "in_80_interval": round(float((np.abs(z) <= unit.inv_cdf(0.9)).mean()), 4),
            "bias": round(float(later.mean() - mean), 6)}


def oracle() -> dict[str, Any]:
    """How far an osm feed is from Maker's: what it shows against the market at the poke before; and when pokes come."""
    given = inputs.given()
    pokes = given.osm[given.osm[:, 0] < 0.0]
    before = np.searchsorted(given.market[:, 0], pokes[:-1, 0], side="right") - 1
    error = np.log(pokes[1:, 1] / given.market[before, 1])
    return {"of": "log(price shown / market at the poke before), pokes from 1 February to the start", "pokes": len(error),
            "mean": round(float(error.mean()), 6), "standard_deviation": round(float(error.std(ddof=1)), 6),
            "largest": round(float(np.abs(error).max()), 6),
            "minutes_after_the_hour": round(float(np.median(pokes[:, 0] % 3600.0)) / 60.0)}


def fit() -> dict[str, Any]:
    """keepers.json."""
    lots = calm()
    day, discount = discounts(lots)
    moments = resampled(day, lambda rows: np.array([discount[rows].mean(), discount[rows].std(ddof=1)]))
    february = "lots with their last bid in February 2020, against the market price of those five minutes in DAI"
    recent = [lot for lot in lots if lot.bid_at >= inputs.at(RECENT, inputs.CALM_ENDS)]
    fee, recent_day = np.array([lot.fee for lot in recent]), np.array([lot.day for lot in recent])
    classes = np.array([fee == FEES[0], fee == FEES[1], ~np.isin(fee, FEES)])
    shares = resampled(recent_day, lambda rows: classes[:, rows].mean(1))
    delay = np.array([lot.closed_at - lot.bid_at - TTL for lot in lots])
    names = (*(f"{value:g} gwei" for value in FEES), "others")
    said = "last bids of January and February 2020"
    return {
        "fitted_on": "maker_2020-03: auctions of 2019-11 to 2020-02",
        "discount": estimate(float(discount.mean()), moments[:, 0], february, len(day), len(np.unique(day))),
        "spread": estimate(float(discount.std(ddof=1)), moments[:, 1], february, len(day), len(np.unique(day))),
        "fee_shares": {name: estimate(float(classes[i].mean()), shares[:, i], said, len(recent), len(np.unique(recent_day)))
                       for i, name in enumerate(names)},
        "fee_of_others": {"estimate": float(np.median(fee[classes[2]])), "of": f"median of {said} at neither 101 nor 35 gwei",
                          "lots": int(classes[2].sum())},
        "delay": {"estimate": float(np.median(delay)), "of": "seconds from ttl after the last bid to the deal, median of all",
                  "lots": len(lots), "shortest": float(delay.min())},
        "locked": {"estimate": round(locked(lots), 2), "of": "most DAI that last bids held at a time, all lots: what keepers had "
                   "at least", "lots": len(lots)},
        "scored": scored(day, discount), "oracle": oracle()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(fit(), indent=1) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"))
