"""Why Chainlink's feeds answered: each round of ETH/USD, BTC/USD and stETH/ETH by cause, fitted on odd days, scored on even.

    DELEVER_DATA=... python examples/oracles/rounds.py

    deviation   |answer / last answer - 1| >= threshold;  both: and one of these, to within TOLERANCE:
    age         the last answer is at least a heartbeat old
    clock       a whole number of heartbeats after the last answer by age or clock: no answer between them set the clock back
    daily       at one second of the day
    unexplained none of them
Fitted on odd days (since 1 January 1970): the threshold is where the moves of answers that are younger than a heartbeat step up
the most, from the tenth below to the tenth above it; the heartbeat is the most frequent age, to the minute; the time of the day
the minute at which most of the others came. What an outside price says: outside.py.
"""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

FILES = {"ETH/USD": "chainlink_ETHUSD_2023-04_2024-01.csv", "BTC/USD": "chainlink_BTCUSD_2023-04_2024-01.csv",
         "stETH/ETH": "chainlink_stETHETH_2022-01_2024-01.csv"}
CAUSES = ("deviation", "both", "age", "clock", "daily", "unexplained")
DEVIATION, BOTH, AGE, CLOCK, DAILY, UNEXPLAINED = range(len(CAUSES))
TOLERANCE = 60.0  # [s] five blocks for an answer to land, or to come early; assumption
MINUTE, DAY = 60.0, 86400.0  # [s]
THRESHOLDS = np.arange(10.0, 301.0) * 1e-4  # tried
HEARTBEATS = np.arange(10.0, 1501.0) * MINUTE  # [s] tried


class Rounds(NamedTuple):
    """Answers in their order."""

    time: np.ndarray  # [n] s since 1970
    answer: np.ndarray  # [n]

    @property
    def move(self) -> np.ndarray:
        """Of each but the first against the one before [n - 1]."""
        return np.abs(self.answer[1:] / self.answer[:-1] - 1.0)

    @property
    def age(self) -> np.ndarray:
        """Of the answer before, when the next came [n - 1] s."""
        return np.diff(self.time)


class Terms(NamedTuple):
    """Fitted."""

    threshold: float
    heartbeat: float  # [s]
    daily: float  # second of the day; nan: none, the heartbeat is as long


def folder() -> Path:
    """Where the data lie."""
    return Path(os.environ.get("DELEVER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


def rounds(name: str) -> Rounds:
    """Of a feed. Rounds that were never answered are left out: one of ETH/USD and one of BTC/USD, before the first."""
    with (folder() / "oracles" / FILES[name]).open(encoding="utf-8") as file:
        rows = sorted((int(row["round"]), int(row["update"]), float(row["answer"])) for row in csv.DictReader(file))
    return Rounds(np.array([float(time) for _, time, _ in rows if time]), np.array([answer for _, time, answer in rows if time]))


def even(time: np.ndarray) -> np.ndarray:
    """Whether these are seconds of even days."""
    return np.asarray(time // DAY % 2 == 0)


def apart(time: np.ndarray | float, period: float) -> np.ndarray:
    """Seconds to the nearest multiple of a period."""
    return np.abs((np.asarray(time) + period / 2.0) % period - period / 2.0)


def fit(found: Rounds) -> Terms:
    """On odd days."""
    odd = ~even(found.time[1:])
    near = np.abs(found.age[odd] - HEARTBEATS[:, None]) <= TOLERANCE
    heartbeat = MINUTE * round(float(np.median(found.age[odd][near[np.argmax(near.sum(1))]])) / MINUTE)
    move = found.move[odd & (found.age < heartbeat - TOLERANCE)]
    step = [((move >= d) & (move < 1.1 * d)).sum() - ((move >= 0.9 * d) & (move < d)).sum() for d in THRESHOLDS * (1.0 - 1e-9)]
    terms = Terms(float(THRESHOLDS[np.argmax(step)]), heartbeat, math.nan)
    rest = found.time[1:][odd & (causes(found, terms) == UNEXPLAINED)]
    at = [(apart(rest - second, DAY) <= TOLERANCE).sum() for second in np.arange(0.0, DAY, MINUTE)]
    return terms if heartbeat >= DAY else terms._replace(daily=float(np.argmax(at)) * MINUTE)


def causes(found: Rounds, terms: Terms, clock: bool = True, daily: bool = True) -> np.ndarray:
    """Of each round but the first, a number of CAUSES [n - 1]. clock, daily: whether there are such causes."""
    moved = found.move >= terms.threshold * (1.0 - 1e-9)
    aged = found.age >= terms.heartbeat - TOLERANCE
    at_second = apart(found.time[1:] - terms.daily, DAY) <= TOLERANCE if daily else np.zeros(len(moved), bool)
    out, beat = np.full(len(moved), UNEXPLAINED), np.nan
    for k, time in enumerate(found.time[1:]):
        beats = clock and bool(apart(time - beat, terms.heartbeat) <= TOLERANCE)
        if moved[k]:
            out[k] = BOTH if aged[k] or beats or at_second[k] else DEVIATION
        elif aged[k] or beats:
            out[k] = AGE if aged[k] else CLOCK
        elif at_second[k]:
            out[k] = DAILY
        beat = time if aged[k] or beats else beat
    return out


def shares(found: Rounds, cause: np.ndarray) -> np.ndarray:
    """Of even days' rounds by cause [causes]."""
    scored = cause[even(found.time[1:])]
    return np.bincount(scored, minlength=len(CAUSES)) / len(scored)


def row(*cells: str) -> str:
    """Of a table."""
    return "| " + " | ".join(cells) + " |"


def tables() -> list[str]:
    """As docs/oracles.md has them."""
    fitted = [row("feed", "rounds", "threshold", "heartbeat", "daily at, UTC", "oldest answer", "overshoot, median", "95 %"),
              row(*["---"] * 8)]
    scored = [row("even days", "rounds", *CAUSES), row(*["---"] * (2 + len(CAUSES)))]
    without = [row("unexplained, even days", "age and deviation", "and clock", "and daily", "these: median age", "median move"),
               row(*["---"] * 6)]
    for name in FILES:
        found = rounds(name)
        terms = fit(found)
        cause = causes(found, terms)
        over = found.move[cause == DEVIATION] - terms.threshold
        daily = "" if math.isnan(terms.daily) else f"{terms.daily // 3600:02.0f}:{terms.daily % 3600 / MINUTE:02.0f}"
        fitted.append(row(name, f"{len(found.time):,}", f"{1e2 * terms.threshold:.2f} %", f"{terms.heartbeat:,.0f} s",
                          daily, f"{found.age.max():,.0f} s",
                          *(f"{1e4 * np.quantile(over, q):.1f} bp" for q in (0.5, 0.95))))
        scored.append(row(name, f"{even(found.time[1:]).sum():,}", *(f"{share:.1%}" for share in shares(found, cause))))
        less = [causes(found, terms, clock, daily) for clock, daily in ((False, False), (True, False), (True, True))]
        rest = even(found.time[1:]) & (cause == UNEXPLAINED)
        without.append(row(name, *(f"{shares(found, c)[UNEXPLAINED]:.1%}" for c in less),
                           f"{np.median(found.age[rest]):,.0f} s", f"{1e4 * np.median(found.move[rest]):.1f} bp"))
    return [*fitted, "", *scored, "", *without]


if __name__ == "__main__":
    print("\n".join(tables()))
