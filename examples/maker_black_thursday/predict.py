"""Hour by hour, 12 and 13 March 2020: lots closed, the share of them won for nothing, and the debt that they did not raise.

    DELEVER_DATA=... python examples/maker_black_thursday/predict.py --dated 2026-12-01 --registered COMMIT

Writes predictions-DATE.json beside this file. docs/black_thursday.md says by what method, and was committed before the run.
Each draw is a world of one path: what is not known is drawn (day.Unknown), by a Latin hypercube.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import day
import inputs
import numpy as np
import pyarrow.csv

import delever
from delever.core.bids import DEALT, FOR_NOTHING
from delever.core.english import COUNTED_AT
from delever.core.outcomes import DEFICITS
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.book import Book
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from delever.worlds import load

HERE = Path(__file__).resolve().parent
SEED, DRAWS = 20200312, 240
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
LEAST_DRAWS = 0.1  # share of draws that must have closed a lot in an hour for its share of them to be told
CLOSED, NOTHING, SHORT = range(3)
QUANTITIES = {CLOSED: ("lots closed", "count"), SHORT: ("DAI shortfall", "USD")}
SHARE = "share of lots won for nothing"


@cache
def given() -> inputs.Given:
    """Read once a process."""
    return inputs.given()


def draws(n: int, seed: int = SEED) -> np.ndarray:
    """[n, unknowns] uniform numbers: a Latin hypercube."""
    rng = np.random.default_rng(seed)
    columns = len(day.Unknown._fields)
    order = np.argsort(rng.random((columns, n)), axis=1).T
    table: np.ndarray = (order + rng.random((n, columns))) / n
    return table


def simulate(u: np.ndarray, hours: int | None = None) -> np.ndarray:
    """[hours, 3] lots closed, of them won for nothing, and debt that closed lots did not raise, in each hour."""
    known, keepers = given(), day.known_keepers()
    drawn = day.unknown(u, keepers)
    with TemporaryDirectory() as folder:
        pyarrow.csv.write_csv(day.prices(known), Path(folder) / "prices.csv")
        files = {"book": Book.from_table(day.book(known, drawn.steepness), protocol="maker"),
                 "prices": str(Path(folder) / "prices.csv")}
        model = assemble(load(day.world(known, drawn, keepers, files)))
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    an_hour = round(3600.0 / model.step_length)
    out = [np.zeros(3)]
    for _ in range(model.steps // an_hour if hours is None else hours):
        for _ in range(an_hour):
            step(chunk, state)
        out.append(told(state))
    assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT, "value is conserved"
    return np.diff(np.array(out), axis=0)


def told(state: State) -> np.ndarray:
    """The three, up to now."""
    totals, row = state.ledgers.totals, int(state.english[0, COUNTED_AT])
    return np.array([totals[row + DEALT, 0, 0], totals[row + FOR_NOTHING, 0, 0], totals[DEFICITS, 0, 0]])


def periods() -> list[tuple[str, slice]]:
    """What rows are of: the whole, the two days, each hour."""
    start = datetime.fromisoformat(inputs.AS_OF.replace("Z", "+00:00"))
    hours = round(inputs.at(inputs.UNTIL) / 3600.0)
    names = [(start + timedelta(hours=h)).strftime("%Y-%m-%dT%H") for h in range(hours)]
    return [("total", slice(0, hours)), ("2020-03-12", slice(1, 25)), ("2020-03-13", slice(25, 49)),
            *((name, slice(h, h + 1)) for h, name in enumerate(names))]


def rows(results: np.ndarray) -> list[dict[str, Any]]:
    """Rows of the file. results: [draws, hours, 3]."""
    out = []
    for of, hours in periods():
        sums = results[:, hours].sum(1)  # [draws, 3]
        out += [row(name, of, unit, sums[:, column]) for column, (name, unit) in QUANTITIES.items()]
        some = sums[:, CLOSED] > 0.0
        if some.mean() >= LEAST_DRAWS:
            share = sums[some, NOTHING] / sums[some, CLOSED]
            out.append(row(SHARE, of, "share of 1", share) | {"draws": int(some.sum())})
    return out


def row(quantity: str, of: str, unit: str, values: np.ndarray) -> dict[str, Any]:
    """One of them."""
    return {"quantity": quantity, "of": of, "unit": unit, "values": [round(float(v), 4) for v in np.quantile(values, QUANTILES)]}


def main() -> None:
    """Draw, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--dated", required=True, help="date on which it is made, YYYY-MM-DD")
    parser.add_argument("--registered", required=True, help="commit in which the method was written down")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--to", type=Path, default=HERE, help="folder for the file")
    parser.add_argument("--name", default="", help="of a later method of the same day, behind the date")
    arguments = parser.parse_args()
    file: Path = arguments.to / f"predictions-{arguments.dated}{arguments.name and '-' + arguments.name}.json"
    if file.exists():
        raise SystemExit(f"{file} stands: a file once written is never changed; give another date")
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        results = np.array(list(pool.map(simulate, draws(arguments.draws), chunksize=2)))
    head = {
        "made": arguments.dated, "as_of": inputs.AS_OF, "until": inputs.UNTIL, "seed": SEED, "draws": arguments.draws,
        "method": f"docs/black_thursday.md (registered before the run, commit {arguments.registered})",
        "fitted_on": ["maker_2020-03: auctions of 2019-11 to 2020-02"],
        "given_of_the_event": ["lots of March in the order in which they were kicked (sizes alone)", "ETH/USD and DAI/USD every "
                               "5 minutes", "the oracle's lowest price of March", "gas prices of 12 March every 10 minutes"],
        "inputs_sha256": inputs.hashes(),
        "versions": {"delever": delever.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("numpy", "numba", "pyarrow")},
        "quantiles": list(QUANTILES), "rows": rows(results)}
    file.write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    print(f"{arguments.draws} draws; written: {file.name}")


if __name__ == "__main__":
    main()
