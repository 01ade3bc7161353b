"""4 to 10 November 2025: utilisation and rate of the two markets by the hour, what leaves the vaults a day, bad debt by market.

    DELEVER_DATA=... python examples/morpho_2025/predict.py --dated 2026-12-01 --registered COMMIT

Writes predictions-DATE.json beside this file. docs/november_2025.md says by what method, and was committed before the run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import inputs
import numpy as np
import simulate
from simulate import DRAWS, QUANTILES, SEED, WEEK

import delever

HERE = Path(__file__).resolve().parent
METHOD = HERE.parents[1] / "docs" / "november_2025.md"
DIGITS = {"share of 1": 6, "share of 1 a year": 6, "USD": 0}


def row(quantity: str, of: str, unit: str, values: np.ndarray) -> dict[str, Any]:
    """One of the file."""
    return {"quantity": quantity, "of": of, "unit": unit,
            "values": [round(float(v), DIGITS[unit]) + 0.0 for v in np.quantile(values, QUANTILES)]}


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
    told = simulate.simulated(WEEK, arguments.draws, arguments.workers)
    head = {
        "made": arguments.dated, "as_of": WEEK.first, "until": WEEK.until, "seed": SEED, "draws": arguments.draws,
        "method": f"docs/november_2025.md (registered before the run, commit {arguments.registered})",
        "method_sha256": hashlib.sha256(METHOD.read_bytes()).hexdigest(),  # of the page as it stood at the run
        "fitted_on": ["morpho_2025-11: states and transactions of 15 October to 3 November 2025, vaults of 2 September to "
                      "3 November 2025"],
        "given_of_the_event": ["sdeUSD in USD, hour by hour: the shock, whose prices the data set goes on with"],
        "inputs_sha256": inputs.hashes(),
        "versions": {"delever": delever.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("numpy", "numba", "pyarrow")},
        "quantiles": list(QUANTILES), "rows": [row(*one) for one in simulate.quantities(WEEK, told)]}
    file.write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
    print(f"{arguments.draws} draws; written: {file.name}")


if __name__ == "__main__":
    main()
