"""The forecast of 10 October 2025 from what stood before 20:45 UTC, with that evening's observed spot as the index.

    DELEVER_DATA=... python examples/perp_crash/fit.py         # leverage.json, once
    DELEVER_DATA=... python examples/perp_crash/forecast.py --draws 240 --dated 2025-11-21

Writes predictions-DATE.json and sensitivity-DATE.json beside this file and prints both. Two ways (exchange.py): `index` is the
observed spot, which forced selling here does not move; `impact on spot`, an upper bound, lets it fall further.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import book
import exchange
import history
import inputs
import numpy as np
import pyarrow.parquet

from delever.core.state import State
from delever.ingest.source import Source
from delever.run.assemble import Model, assemble
from delever.run.chunk import run_state
from delever.worlds import load

HERE = Path(__file__).resolve().parent
SEED = 20251010
MAIN = ("liquidated", "deleveraged", "vault loss")


# --- a draw ----------------------------------------------------------------------------------------------------------


def simulate_draw(known: inputs.Known, number: int, shape: np.ndarray, way: str, folder: Path
                  ) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Quantities of one draw, (coin or "all", quantity) -> number, and its inputs."""
    random = inputs.generator(SEED, number)
    drawn = inputs.draw(known, random)
    legs = book.book(known, drawn, random)
    prices = folder / "index.parquet"
    pyarrow.parquet.write_table(exchange.index_table(known, drawn), prices)
    model = assemble(load(exchange.world_of(known, drawn, legs, str(prices), shape, way)))
    return quantities(known, drawn, model), drawn.values()


def quantities(known: inputs.Known, drawn: inputs.Inputs, model: Model) -> dict[tuple[str, str], float]:
    """Run the path and read what is asked.

    Liquidated: closed on the books by the engine, taken over by the vault, or closed against deleveraged accounts.
    Deleveraged: what winners lost of their positions, against fallen accounts and against a fallen vault.
    """
    state = run_state(model, 0, 1, [])[0]
    row = {asset: r for r, (_, asset) in enumerate(model.positions.reserves)}
    flows, oi = state.flows, known.open_interest * np.where(known.measured, 1.0, drawn.oi_level)
    matched = closed_against_fallen(state, len(row))
    out: dict[tuple[str, str], float] = {}
    totals = np.zeros(3)
    for c, coin in enumerate(known.coins):
        r = row[f"{coin}-PERP"]
        sums = np.array([flows.liquidated[r, 0] + flows.taken[r, 0] + matched[r], flows.deleveraged[r, 0], flows.taken[r, 0]])
        totals += sums
        out[coin, "liquidated share of open interest"] = sums[0] / oi[c]
        out[coin, "deleveraged share of open interest"] = sums[1] / oi[c]
    first = state.safety.first[:, 0, 0]
    answer = np.exp(state.feeds.answer[:, 0])
    names = list(model.world.feeds)
    cash = float(state.safety.vault[row["USD"], 0])
    held = sum(float(state.safety.vault[row[perp], 0]) * answer[k] for k, perp in enumerate(names))
    out |= {("all", "liquidated"): totals[0], ("all", "deleveraged"): totals[1], ("all", "taken over by the vault"): totals[2],
            ("all", "liquidated share of open interest"): totals[0] / oi.sum(),
            ("all", "deleveraged share of open interest"): totals[1] / oi.sum(),
            ("all", "delay from first liquidation to first deleveraging"): float(first[1] - first[0]),
            ("all", "vault loss"): drawn.vault - cash - held,
            ("all", "haircut of deleveraged accounts"): float(flows.haircut.sum()),
            ("all", "fund loss"): 0.0}
    return out


def closed_against_fallen(state: State, reserves: int) -> np.ndarray:
    """Notional [reserves, USD] of fallen accounts that was closed against winners; a fallen vault's closes at the mark itself."""
    closings = [column[: state.n_closings] for column in (state.closings.reserve, state.closings.units, state.closings.price,
                                                          state.closings.haircut)]
    reserve, units, price, haircut = closings
    of_account = haircut != 0.0
    mark = price[of_account] + haircut[of_account] / units[of_account]
    return np.bincount(reserve[of_account].astype(int), np.abs(units[of_account]) * mark, reserves)


# --- the forecast ----------------------------------------------------------------------------------------------------


def forecast(source: Source, draws: int, way: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, float]]:
    """Rows of the predictions file, rows of the sensitivity table, and the seconds it took."""
    known, shape, start = inputs.read(source), history.depth_shape(source), time.time()
    with TemporaryDirectory() as folder:
        results = [simulate_draw(known, number, shape, way, Path(folder)) for number in range(draws)]
    answers = [answer for answer, _ in results]
    rows = [_row(coin, quantity, np.array([answer[coin, quantity] for answer in answers])) for coin, quantity in answers[0]]
    return rows, sensitivity(answers, [values for _, values in results]), {"draws": draws, "seconds": time.time() - start}


def _row(coin: str, quantity: str, values: np.ndarray) -> dict[str, Any]:
    """One prediction: median and 80 % interval. A delay that never ends counts as infinite and is written null."""
    unit = "share of 1" if "share" in quantity else "s" if "delay" in quantity else "USD"
    low, mid, high = np.quantile(np.nan_to_num(values, nan=np.inf), [0.1, 0.5, 0.9], method="nearest")
    row = {"coin": coin, "quantity": quantity, "unit": unit, "median": mid, "low": low, "high": high}
    row = {key: (None if isinstance(value, float) and not np.isfinite(value) else value) for key, value in row.items()}
    if unit == "s":
        row["share of draws in which it happens"] = float(np.isfinite(values).mean())
    return row


def sensitivity(answers: list[dict[tuple[str, str], float]], drawn: list[dict[str, float]]) -> list[dict[str, Any]]:
    """How far the median of each main answer moves from the draws with the lowest third of an input to the highest."""
    rows = []
    for name in drawn[0]:
        value = np.array([values[name] for values in drawn])
        order = np.argsort(value, kind="stable")
        third = max(len(order) // 3, 1)
        low, high = order[:third], order[-third:]
        row: dict[str, Any] = {"input": name, "low": float(np.median(value[low])), "high": float(np.median(value[high]))}
        for quantity in MAIN:
            told = np.array([answer["all", quantity] for answer in answers])
            row[quantity] = [float(np.median(told[low])), float(np.median(told[high]))]
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]], table: list[dict[str, Any]]) -> None:
    """The totals and the sensitivity table, in Markdown."""
    print("| quantity | unit | median | 10 % | 90 % |\n|---|---|---|---|---|")
    for row in rows:
        if row["coin"] == "all":
            print("| {quantity} | {unit} | {median} | {low} | {high} |".format(**{k: _short(v) for k, v in row.items()}))
    print("\n| input | low third | high third | " + " | ".join(f"{name} [m USD]" for name in MAIN) + " |")
    print("|---|---|---" + "|---" * len(MAIN) + "|")
    for row in table:
        moves = " | ".join(f"{row[name][0] / 1e6:,.0f} → {row[name][1] / 1e6:,.0f}" for name in MAIN)
        print(f"| {row['input']} | {row['low']:.4g} | {row['high']:.4g} | {moves} |")


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def main() -> None:
    """Both ways, written and shown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=240)
    parser.add_argument("--dated", required=True, help="date in the names of the files, YYYY-MM-DD")
    arguments = parser.parse_args()
    source = Source(None)
    out: dict[str, Any] = {"as_of": "2025-10-10T20:45:00Z", "made": arguments.dated, "seed": SEED, "draws": arguments.draws,
                           "interval": "10 % to 90 % of draws"}
    for way in exchange.WAYS:
        rows, table, cost = forecast(source, arguments.draws, way)
        out[way] = {"predictions": rows, "sensitivity": table}
        print(f"\n## {way}: {cost['draws']} draws in {cost['seconds']:.0f} s\n")
        show(rows, table)
    predictions = HERE / f"predictions-{arguments.dated}.json"
    predictions.write_text(json.dumps({**{k: v for k, v in out.items() if k not in exchange.WAYS}, "files": source.hashes,
                                       "rows": out[exchange.WAYS[0]]["predictions"],
                                       "upper_bound_rows": out[exchange.WAYS[1]]["predictions"]}, indent=1) + "\n")
    (HERE / f"sensitivity-{arguments.dated}.json").write_text(
        json.dumps({way: out[way]["sensitivity"] for way in exchange.WAYS}, indent=1) + "\n")


if __name__ == "__main__":
    main()
