"""An exchange's symbol as the perp of a world."""

from __future__ import annotations

import re
from collections.abc import Mapping

from delever.model.errors import InputError, nearest

MANY = re.compile(r"(?P<many>1000000|100000|10000|1000|1M|k(?=[A-Z]))(?P<rest>.+)")  # 1000PEPEUSDT, kPEPE


def perp_of(symbol: str, instruments: Mapping[str, str]) -> tuple[str, float]:
    """The perp of a symbol, and how many of its units one of the symbol's is."""
    if symbol in instruments:
        return instruments[symbol], 1.0
    many = MANY.fullmatch(symbol)
    if many and many["rest"] in instruments:
        return instruments[many["rest"]], float({"k": "1000", "1M": "1000000"}.get(many["many"], many["many"]))
    inverse = re.fullmatch(r"(?P<coin>[0-9A-Z]+?)(USD|USD_PERP|USD_\d{6}|-USD-SWAP|/USD:(?P=coin))", symbol)
    if inverse:
        coin = inverse["coin"].replace("XBT", "BTC")
        remedy = f"an exchange with `unit: {coin}` lists its inverse perps: `{{perp: {coin}, inverse: true}}`"
        raise InputError(f"has contracts that are paid in {coin}", value=symbol, remedy=remedy)
    raise InputError("unknown instrument", value=symbol, remedy=nearest(symbol, instruments))
