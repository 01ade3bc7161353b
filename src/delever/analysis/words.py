"""A change in words: "WBTC threshold +3 points" is the field whose path has all the words, changed by that much."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from delever.model.errors import InputError
from delever.model.relative import is_relative
from delever.model.spec import Spec
from delever.model.world import World

CHANGE = re.compile(r"(?P<words>.+?)\s+(?P<change>(?:[+-]\s*|[x×*]\s*|to\s+|=\s*)[\d.].*)", re.IGNORECASE | re.DOTALL)
SHOWN = 6  # fields that an ambiguous text may mean, which are listed


def setting_of(world: World, text: str) -> tuple[str, str]:
    """(path, value) of a text such as "WBTC threshold +3 points", "ETH volatility x1.5" or "close_factor to 25 %"."""
    found = CHANGE.fullmatch(text.strip())
    remedy = 'write "WBTC threshold +3 points", or the change itself behind it: --what LABEL --set FIELD=VALUE'
    if found is None:
        raise InputError("says no change", "--what", text, remedy)
    change = re.sub(r"^(?:to\s+|=\s*)", "", found["change"], flags=re.IGNORECASE)
    if change == found["change"] and not is_relative(change):
        raise InputError("says no change", "--what", text, remedy)
    words = [word.casefold() for word in re.split(r"[\s.]+", found["words"]) if word.casefold() not in ("the", "of", "of the")]
    paths = [path for path in numbers(world) if _means(path, words)]
    exact = [path for path in paths if all(word in path.casefold().split(".") for word in words)]
    paths = exact or paths
    if not paths:
        raise InputError("means no number of this world", "--what", found["words"], remedy)
    if len(paths) > 1:
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        raise InputError(f"may mean {', '.join(paths[:SHOWN])}{more}", "--what", found["words"],
                         "add a word, or write --what LABEL --set FIELD=VALUE")
    return paths[0], change


def _means(path: str, words: list[str]) -> bool:
    """Every word is part of a key of its own; those of an asset or a name count whole."""
    keys = path.casefold().split(".")
    for word in words:
        place = next((key for key in keys if key == word), None) or next((key for key in keys if word in key), None)
        if place is None:
            return False
        keys = [key for key in keys if key != place]
    return True


def numbers(world: World) -> list[str]:
    """Paths of all numbers of a world, parameter sets of the catalog written out."""
    for name in world.protocols:
        world = world.spelled_out(["protocols", name, "parameters", ""])
    return list(_walk(world, ""))


def _walk(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, Spec):
        node = node.fields()
    if isinstance(node, tuple):
        node = {str(place): inner for place, inner in enumerate(node)}
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from _walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield path
