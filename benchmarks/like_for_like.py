"""The dense baseline's own model and inputs, as a world: two collaterals seized pro rata, one stable debt.

The baseline prices a step before it lets impact decay, and then adds the step's sales undecayed:

    price_t = exogenous_t (X / (X + S_t))^2        S_{t+1} = keep S_t + q_t

A step here relaxes first: s_{t+1} = keep (s_t + q_t), so s = keep S, and a pool of keep X gives the same price.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from delever.actors.liquidators import Liquidators
from delever.model.book import Book
from delever.model.world import World
from delever.prices.replay import Replay
from delever.protocols.pro_rata import ProRata
from delever.venues.constant_product import ConstantProduct


def make_world(inputs: dict[str, np.ndarray], folder: Path, *, close_factor: float = 0.5, bonus: float = 0.05,
               dust: float = 1.0, recovery: float = 0.01) -> World:
    """A world from the baseline's inputs: coll [2, N], debt [N], lt [2], depth [2], prices [P, T + 1, 2]."""
    coll, debt, lt, depth, prices = (inputs[name] for name in ("coll", "debt", "lt", "depth", "prices"))
    accounts, (paths, rows, _) = len(debt), prices.shape
    names, keep = ("A", "B"), 1.0 - recovery
    who = pa.array([f"a{i:07d}" for i in range(accounts)])
    book = Book.from_table(pa.concat_tables([
        pa.table({"protocol": pa.array(["lending"] * accounts), "account": who, "asset": pa.array([asset] * accounts),
                  "side": pa.array([side] * accounts), "amount": amount})
        for asset, side, amount in (("A", "collateral", coll[0]), ("B", "collateral", coll[1]), ("S", "debt", debt))]))
    table = pa.table({"time": np.tile(np.arange(rows) * 60.0, paths), "path": np.repeat(np.arange(paths), rows),
                      "A": prices[:, :, 0].ravel(), "B": prices[:, :, 1].ravel()})
    file = folder / "prices.parquet"
    pq.write_table(table, file)
    start = prices[0, 0]
    return World.model_validate({
        "name": "like-for-like", "as_of": "2025-01-01T00:00:00Z",
        "assets": {"A": {"price": float(start[0])}, "B": {"price": float(start[1])}, "S": {"price": 1.0}},
        "protocols": {"lending": {
            "rules": ProRata(close_factor=close_factor, dust=dust), "book": book,
            "parameters": {"A": {"liquidation_threshold": float(lt[0]), "incentive": bonus},
                           "B": {"liquidation_threshold": float(lt[1]), "incentive": bonus},
                           "S": {"liquidation_threshold": 0.0, "incentive": 0.0}}}},
        "venues": {asset: ConstantProduct(pair=f"{asset}/USD", follows=True, half_life=-60.0 * math.log(2) / math.log(keep),
                                          reserves={asset: float(depth[i] * keep), "USD": float(depth[i] * keep * start[i])})
                   for i, asset in enumerate(names)},
        "actors": {"liquidators": Liquidators(rule="always")},
        "execution": {"mode": "batched"},
        "scenario": {"horizon": (rows - 1) * 60.0, "step": 60.0, "paths": paths, "seed": 1,
                     "prices": Replay(data=str(file))},
    })
