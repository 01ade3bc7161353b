"""Changes of trees, texts and bytes: small ones that stay near what is right, and extreme ones that do not."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (0, -1, 1, 2, 0.5, 100, -0.0, 0.1, 1e16, 1e-12, 1e29, 1e30, 1e31, 1e-59, 1e-61, 1e100, 1e308, 5e-324,
                            2**31, 2**53 + 1, 2**63, 2**64, 10**400, math.nan, math.inf, -math.inf, True)
TEXTS = (
    # of no meaning, or of too much
    "", " ", "x" * 300, "x" * 5000, "\0", "²", "٣", "é", "\ud800", "\u202e", "\U0001f4a5", "\n", "\t", ",", ";", "'", '"', "+",
    "%", "=", "==", "--", ".", "..", "a..b", "a/b", "/etc", "/dev/zero", "../../etc/passwd",
    # numbers, nearly
    "nan", "inf", "-inf", "1e308", "1e400", "1e-400", "5e-324", "9" * 5000, "0", "-1", "07", "1e", "83", "1,234.5",
    "1.234,5", "(12)",
    # quantities, and changes of them
    "183 %", "-120 %", "1e300 %", "3 USD", "10 furlongs", "24 h", "1e300 h", "1e9 d", "20 gwei", "x0.5", "x1e300", "x0",
    "+3 points", "-10 %", "+5 min", "+1e308 %",
    # YAML
    "null", "~", "true", "{", "[", "{}", "[]", "{null: 1}", "{1: 2}", "[[[[1]]]]", "[" * 3000, "!!float x", "*a", "&a [*a]",
    # instants
    "2024-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-13-01",
    # names, orders, shocks
    "USD", "ETH", "BTC", "ETH/USD", "USD/ETH", "ETH/ETH", "always", "sell 5 ETH", "sell 1e300 ETH", "-5%", "-60%..0%",
    "-60%..0% by 1e-9", "0%..1e30%", "-60%..0% in ²", "all -20 %", "factor ETH -30 %")
NUMBER = re.compile(rb"\d+(?:\.\d+)?")
Tree = Any


def tree(value: Tree, rng: Random) -> Tree:
    """A copy with one change at one place."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return leaf(value, rng)
    holder, key = rng.choice(places)
    old = holder[key]
    kind = rng.randrange(10)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, name = rng.choice(places)
        holder[key] = copy.deepcopy(other[name])
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice([*TEXTS, *(one for _, one in places), None, 1, 1.5, True])] = old
    elif kind == 3 and isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(old))
    elif kind == 4:
        for _ in range(rng.choice((1, 2, 60, 300))):
            old = [old] if rng.random() < 0.5 else {str(key): old}
        holder[key] = old
    elif kind == 5:
        holder[key] = rng.choice(([], {}, None, [None], {"kind": "x"}, {None: 1}, True, date(1, 1, 1), b"x"))
    else:
        holder[key] = leaf(old, rng)
    return value


def _places(value: Tree) -> Any:
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def leaf(value: Any, rng: Random) -> Any:
    """Another value in place of one: the same kind nearly, or none."""
    kind = rng.randrange(6)
    if kind == 0 or value is None:
        return rng.choice(NUMBERS)
    if kind == 1 and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value * rng.choice((-1, 0, 1e-3, 1e3, 1e-20, 1e20, 1e-300, 10.0**rng.uniform(-2, 2)))
    if kind == 2 and isinstance(value, str):
        return re.sub(r"\d+(?:\.\d+)?", lambda _: str(rng.choice(NUMBERS)), value, count=1)
    if kind == 3 and isinstance(value, str):
        return text(value, rng)
    return rng.choice(TEXTS) if kind != 4 else str(value)


def text(value: str, rng: Random) -> str:
    """A text with one change: of a sign, a line, an end."""
    at, lines = rng.randrange(len(value) + 1), value.split("\n")
    line = rng.randrange(len(lines))
    changes: tuple[Callable[[], str], ...] = (
        lambda: value[:at] + value[at + rng.choice((1, 2, 10)):],
        lambda: value[:at] + rng.choice(TEXTS) + value[at:],
        lambda: value[:at] + chr(rng.choice((rng.randrange(128), rng.randrange(0x2000), 0xFEFF, 0x85))) + value[at + 1:],
        lambda: value[:at],
        lambda: "\n".join(lines[:line] + lines[line + 1:]),
        lambda: "\n".join([*lines[:line], lines[line], *lines[line:]]),
        lambda: "\n".join([*lines[:line], rng.choice((" ", "  ", "- ", "\t", "#")) + lines[line], *lines[line + 1:]]),
        lambda: "\n".join([*lines[:line], lines[line].lstrip(), *lines[line + 1:]]),
        lambda: "\n".join([*lines[:line], rng.choice(lines), *lines[line + 1:]]),
        lambda: numbers(value, rng),
        lambda: value + value[:at],
        lambda: value[:at] + rng.choice("[{") * rng.choice((1, 60, 3000)) + value[at:],
    )
    return rng.choice(changes)()


def numbers(value: str, rng: Random) -> str:
    """A text with one of its numbers changed."""
    found = list(re.finditer(r"\d+(?:\.\d+)?", value))
    if not found:
        return value + rng.choice(TEXTS)
    one = rng.choice(found)
    new = str(rng.choice(NUMBERS)) if rng.random() < 0.7 else repr(float(one[0]) * 10.0 ** rng.uniform(-30, 30))
    return value[: one.start()] + new + value[one.end():]


def raw(value: bytes, rng: Random) -> bytes:
    """Bytes with one change."""
    at = rng.randrange(len(value) + 1)
    size = rng.choice((1, 2, 8, 100))
    return rng.choice((
        value[:at] + bytes(rng.randrange(256) for _ in range(size)) + value[at + size:],
        value[:at] + bytes([value[at] ^ (1 << rng.randrange(8))]) + value[at + 1:] if at < len(value) else value,
        value[:at], value[at:], value[:at] + value[at + size:], value[:at] + b"\0" * size + value[at + size:],
        value[:at] + value[max(0, at - size):at] + value[at:], b"", b"\x1f\x8b" + value, value[: len(value) // 2],
        NUMBER.sub(lambda _: str(rng.choice(NUMBERS)).encode(), value, count=1)))
