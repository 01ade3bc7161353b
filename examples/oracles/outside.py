"""A `push` feed of the engine on an outside price, against Chainlink's rounds of stETH/ETH: January 2022 to February 2023.

    DELEVER_DATA=... python examples/oracles/outside.py

The outside price is stETH in USD over ETH in USD, every hour, the latter between its stamps on a straight line. Stamps further
than JUMP from the median of the five around them are left out (assumption: one source's misprints; the feed is itself a median).
Threshold and heartbeat are fitted on odd days, the engine's feed runs over all, even days are scored: hour by hour, what is seen
against what Chainlink's showed, in basis points. Beside it: whoever reads the outside price itself.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rounds import Rounds, Terms, even, fit, folder, rounds, row

import delever as dl
from delever.engine.step import step
from delever.run.assemble import assemble, phases
from delever.run.start import new_state

HOUR, JUMP = 3600.0, 0.02
WORLD = """
as_of: 2022-01-29T00:00:00Z
assets: {{stETH: {{price: {price}}}}}
protocols:
  pool:
    rules: aave.v3_0
    book: book.csv
    parameters: {{stETH: {{liquidation_threshold: 0.8, incentive: 0.05}}, USD: {{liquidation_threshold: 0.8, incentive: 0.05}}}}
feeds: {{steth: {{kind: push, of: stETH/USD, answer: {answer}, heartbeat: {heartbeat}, deviation: {deviation}}}}}
oracles: {{pool: {{stETH: steth}}}}
scenario: {{horizon: {horizon}, step: {step}, paths: 1, seed: 1, prices: {{kind: replay, data: prices.csv}}}}
"""  # stETH a USD as good as an ETH: only the pair's price counts here


class Hours(NamedTuple):
    """Each hour from the first round of Chainlink's on."""

    time: np.ndarray  # [hours] s since 1970
    outside: np.ndarray  # [hours]
    chainlink: np.ndarray  # [hours] what it showed


def stamps(token: str) -> np.ndarray:
    """Seconds since 1970 and USD [rows, 2]."""
    with (folder() / "prices" / f"{token}_usd.csv").open(encoding="utf-8") as file:
        return np.array([[float(line["timestamp"]) / 1e3, float(line["USD_price"])] for line in csv.DictReader(file)])


def outside() -> np.ndarray:
    """Seconds since 1970 and stETH in ETH [rows, 2]."""
    pegged, ether = stamps("stETH"), stamps("WETH")
    ratio = pegged[:, 1] / np.interp(pegged[:, 0], ether[:, 0], ether[:, 1])
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(ratio, 2, mode="edge"), 5), axis=1)
    kept = np.abs(ratio / around - 1.0) <= JUMP
    return np.column_stack([pegged[kept, 0], ratio[kept]])


def in_force(time: np.ndarray, value: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The last at or before."""
    return np.asarray(value[np.searchsorted(time, at, side="right") - 1])


def hours() -> tuple[Rounds, Hours]:
    """Chainlink's rounds of the span, and the hours."""
    found, price = rounds("stETH/ETH"), outside()
    found = Rounds(*(column[found.time <= price[-1, 0]] for column in found))
    time = np.arange(found.time[0], price[-1, 0], HOUR)
    return found, Hours(time, in_force(price[:, 0], price[:, 1], time),
                        in_force(found.time, found.answer / 1e18, time))


def pushed(given: Hours, terms: Terms) -> Rounds:
    """What the engine's feed shows at the end of each hour, and since when it does."""
    with tempfile.TemporaryDirectory() as name:
        within = Path(name)
        (within / "prices.csv").write_text("time,stETH\n" + "".join(
            f"{hour * HOUR},{value}\n" for hour, value in enumerate(given.outside)), encoding="utf-8")
        (within / "book.csv").write_text("account,asset,side,amount\na,stETH,collateral,1\na,USD,debt,0.1\n", encoding="utf-8")
        (within / "world.yaml").write_text(WORLD.format(
            price=given.outside[0], answer=given.chainlink[0], heartbeat=terms.heartbeat, deviation=terms.threshold,
            horizon=HOUR * (len(given.time) - 1), step=HOUR), encoding="utf-8")
        model = assemble(dl.load(within))
        chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    since, shown = [0.0], [given.chainlink[0]]
    for _ in range(model.steps):
        step(chunk, state)
        since.append(float(state.feeds.updated[0, 0]))
        shown.append(float(np.exp(state.feeds.answer[0, 0])))
    return Rounds(given.time[0] + np.array(since), np.array(shown))


def errors(given: Hours, feed: Rounds) -> dict[str, np.ndarray]:
    """Of what is seen against Chainlink's, hours of even days [bp]: the feed's and the outside price's."""
    scored = even(given.time)
    return {name: 1e4 * np.abs(shown / given.chainlink - 1.0)[scored]
            for name, shown in (("push", feed.answer), ("outside", given.outside))}


def tables() -> list[str]:
    """As docs/oracles.md has it."""
    found, given = hours()
    terms = fit(found)
    feed = pushed(given, terms)
    new = np.r_[True, np.diff(feed.time) > 0.0]
    made = Rounds(feed.time[new], feed.answer[new])
    error = {name: [f"{np.quantile(e, q):.1f} bp" for q in (0.5, 0.95)] for name, e in errors(given, feed).items()}
    return [row(f"stETH/ETH, {1e2 * terms.threshold:.2f} %, {terms.heartbeat:,.0f} s", "rounds, all days", "by deviation",
                "median error, even days", "95 %"), row(*["---"] * 5),
            row("Chainlink's", f"{len(found.time):,}", str(moved(found, terms)), "", ""),
            row("push on the outside price", f"{len(made.time):,}", str(moved(made, terms)), *error["push"]),
            row("the outside price itself", "", "", *error["outside"])]


def moved(found: Rounds, terms: Terms) -> int:
    """Rounds by deviation, of whatever age."""
    return int((found.move >= terms.threshold * (1.0 - 1e-9)).sum())


if __name__ == "__main__":
    print("\n".join(tables()))
