"""Every account of Inverse Frontier on 9 April 2024, as legs.

Source: InverseFinance/inverse-web @87732e9 (folder inverse_frontier_2024-04): supplied and borrowed in units by account and
number of market. The source numbers markets and does not name them; here they are m00 to m22, but for the two that stand at the
price of ether and of bitcoin: ASSETS. Only markets that an account has entered back its debts.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from delever.model.errors import InputError

FOLDER, PART, FILE = "inverse_frontier_2024-04", "book", "positions.csv.gz"
ASSETS = {1: "ETH", 2: "WBTC"}


def read(table: Callable[[str], pa.Table], part: str) -> tuple[pa.Table, pa.Table]:
    """Legs (account, asset, side, amount [units]); of the accounts nothing is reported. part: "book"."""
    if part != PART:
        raise InputError("is no part of the data set", FOLDER, part, f"write {FOLDER}/{PART}")
    positions = table(FILE)
    for column in ("account", "market", "supplied", "borrowed", "entered"):
        if column not in positions.column_names:
            raise InputError("has no column", FILE, column, f"fetch the data set {FOLDER} again")
    legs = []
    for row in positions.to_pylist():
        asset = ASSETS.get(int(row["market"]), f"m{int(row['market']):02d}")
        held, owed = float(row["supplied"]) * (int(row["entered"]) == 1), float(row["borrowed"])
        legs += [{"account": row["account"], "asset": asset, "side": side, "amount": amount}
                 for side, amount in (("collateral", held), ("debt", owed)) if amount > 0.0]
    return pa.Table.from_pylist(legs), pa.table({})
