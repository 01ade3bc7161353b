"""Every Compound v2 account with debt on 8 May 2023, as legs.

Source: rtuchman/compound-risk-optimization @f7b808a (folder compound_v2_2023-05): positions in units of the underlying. A debt
per asset is the balance stored times one factor of interest per account: exact in total, approximate between the assets of one
account. All cTokens count as collateral, entered or not, as they do in the totals of the source.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from delever.model.errors import InputError

FOLDER, PART, FILE = "compound_v2_2023-05", "book", "positions.csv.gz"


def read(table: Callable[[str], pa.Table], part: str) -> tuple[pa.Table, pa.Table]:
    """Legs (account, asset, side, amount [units]); of the accounts nothing is reported. part: "book"."""
    if part != PART:
        raise InputError("is no part of the data set", FOLDER, part, f"write {FOLDER}/{PART}")
    positions = table(FILE)
    for column in ("account", "asset", "collateral", "debt"):
        if column not in positions.column_names:
            raise InputError("has no column", FILE, column, f"fetch the data set {FOLDER} again")
    legs = pa.concat_tables([
        pa.table({"account": positions["account"], "asset": positions["asset"], "side": [side] * len(positions),
                  "amount": positions[side].cast(pa.float64())}) for side in ("collateral", "debt")])
    return legs.filter(pc.greater(legs["amount"], 0.0)), pa.table({})
