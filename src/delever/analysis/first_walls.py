"""Whose fall puts most within reach: debt and positions below their threshold, asset by asset, without a wall of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.analysis.margins import MarginBook
from delever.analysis.valuation import health, legs_of, market_of, sensitivity
from delever.run.assemble import Model


def within_reach(model: Model, assets: Sequence[str], shock: float) -> dict[str, float]:
    """Debt and positions below their threshold if one asset alone moves so far, by asset [USD]."""
    legs, book, moves, out = legs_of(model), MarginBook(model), sensitivity(model), dict[str, float]()
    for name in assets:
        price = model.seen_price(moves[:, market_of(model, name, "shock")] * np.log1p(shock))
        found = health(legs, price)
        out[name] = float(found.debt[found.eligible].sum())
        if book.exchanges:
            standing = book.at(price)
            out[name] += float(standing.notional[standing.unhealthy[book.trader]].sum())
    return out
