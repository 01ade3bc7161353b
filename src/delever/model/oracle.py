"""How a protocol's price of an asset is composed: a product of feeds, rates and numbers."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from .asset import Assets
from .errors import InputError, nearest

TERM = re.compile(r"\s*([*/])?\s*([^*/\s]+)\s*")
RATE = "rate"  # the rate of the wrapped asset whose price it is


class OraclePath(NamedTuple):
    """Seen price = constant x product of feed ** sign."""

    constant: float  # factor, not its log
    feeds: tuple[tuple[str, int], ...]  # (name of the feed, +1 multiplied or -1 divided)


def compose(expression: str, asset: str, assets: Assets, feeds: Collection[str]) -> OraclePath:
    """Read `rate * steth_eth * eth_usd`, `steth_eth / usdc_usd` or `1`."""
    constant, path, place = 1.0, [], 0
    text = expression.strip()
    while place < len(text) or not place:
        found = TERM.match(text, place)
        if found is None or (place == 0) != (found[1] is None):
            remedy = "write feeds, `rate` and numbers with * and / between them: rate * steth_eth * eth_usd"
            raise InputError("is not a product of feeds", value=expression, remedy=remedy)
        sign, term, place = -1 if found[1] == "/" else 1, found[2], found.end()
        if term in feeds:
            path.append((term, sign))
        else:
            factor = _factor(term, asset, assets, feeds)
            constant *= factor if sign > 0 else 1.0 / factor
    return OraclePath(constant, tuple(path))


def _factor(term: str, asset: str, assets: Assets, feeds: Collection[str]) -> float:
    """A number, or the rate of what the asset wraps."""
    if term == RATE:
        spec = assets.get(asset)
        if spec is not None and spec.derived:
            remedy = f"write a feed for it, `{{kind: rate, of: {asset}/{spec.peg}}}`, and name that"
            raise InputError("has a rate that may change", value=asset, remedy=remedy)
        rate = spec.rate if spec is not None else None
        if rate is None:
            raise InputError("has no rate", value=asset, remedy="only an asset that `wraps` another has one")
        return rate
    try:
        number = float(term)
    except ValueError:
        raise InputError("unknown feed", value=term, remedy=nearest(term, {*feeds, RATE})) from None
    if not 0 < number < float("inf"):
        raise InputError(f"is {term}", value=term, remedy="a price is above 0")
    return number
