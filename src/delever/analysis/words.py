"""A change in words: "WBTC threshold +3 points" is the field whose path has all the words, changed by that much; "WBTC threshold
75 %" is its value.

A word is a key of the path, a part of one between underscores, or a piece of one; what has the closest keys is meant. Some have
other names (OTHERS). The depth of a pool is all that it holds. Fields that are not stated can be given a value in words too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from delever.model.errors import InputError, near
from delever.model.relative import is_relative, quantity_at
from delever.model.spec import Spec
from delever.model.world import World

CHANGE = re.compile(r"(?P<words>.+?)\s+(?P<change>(?:(?:[+-]|[x×*]|=|to\s)\s*)?[\d.][\d.,_]*(?:e[+-]?\d+)?(?!\d)[^\d]*)",
                    re.IGNORECASE | re.DOTALL)
POOLED = ("reserves", "balances")  # of a pool: all of them together are its depth
PHRASES = {"liquidation bonus": "bonus", "liquidation penalty": "penalty", "liquidation incentive": "incentive"}
OTHERS = {"bonus": ("incentive",), "penalty": ("incentive",), "lt": ("liquidation_threshold",),
          "lltv": ("liquidation_threshold",), "ltv": ("loan_to_value",), "vol": ("volatility",), "depth": ("depth", *POOLED)}
SILENT = ("the", "of", "a")
WHOLE, PART, PIECE = 0, 1, 2  # how close a word is to a key
LEAST = 3  # letters of a piece
SHOWN = 6  # fields that an ambiguous text may mean, which are listed
REMEDY = 'write "WBTC threshold +3 points", or the change itself behind it: --what LABEL --set FIELD=VALUE'


class Number(NamedTuple):
    """A number of a world."""

    path: str
    keys: tuple[tuple[str, ...], ...]  # what each key of the path is called, a place in a list also by its kind
    stated: bool


def settings_of(world: World, text: str) -> list[tuple[str, str]]:
    """(path, value) of a text such as "WBTC threshold +3 points" or "ETH volatility 80 %"; of the depth of a pool several."""
    found = CHANGE.fullmatch(text.strip())
    if found is None:
        raise InputError("says no change", "--what", text, REMEDY)
    change = re.sub(r"^(?:to\s+|=\s*)", "", found["change"].strip(), flags=re.IGNORECASE)
    words = words_of(found["words"])
    meant = closest(every_number(world), words, is_relative(change))
    paths = [one.path for one in meant]
    if not paths:
        raise unknown(world, words, found["words"])
    pools = {path.rpartition(".")[0] for path in paths}
    if len(pools) == 1 and pools.pop().rpartition(".")[2] in POOLED and "depth" in words:
        if not is_relative(change) or (change[0] in "+-" and not change.endswith("%")):
            raise InputError(f"is all that the pool holds: {', '.join(paths)}", "--what", text, 'say "x0.5" or "-50 %"')
        return [(path, change) for path in paths]
    if len(paths) > 1:
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        raise InputError(f"may mean {', '.join(paths[:SHOWN])}{more}", "--what", found["words"],
                         "add a word, or write --what LABEL --set FIELD=VALUE")
    return [(paths[0], change)]


def words_of(text: str) -> list[str]:
    """Words that count, in small letters."""
    text = " ".join(text.casefold().split())
    for phrase, word in PHRASES.items():
        text = re.sub(rf"\b{phrase}\b", word, text)
    return [word for word in re.split(r"[\s.]+", text) if word and word not in SILENT]


def closest(known: Sequence[Number], words: Sequence[str], relative: bool) -> list[Number]:
    """Numbers that have all the words, those whose keys are closest to them; what is not stated where nothing else is meant.

    relative: the change is of a value, so that one has to be there.
    """
    found = []
    for one in known:
        near_by = [distance(word, one.keys) for word in words]
        if None not in near_by:
            found.append((one, sorted((step for step in near_by if step is not None), reverse=True)))
    for stated in (True, False):
        mine = [(one, steps) for one, steps in found if one.stated == stated]
        if mine and (stated or not relative):
            least = min(steps for _, steps in mine)
            return [one for one, steps in mine if steps == least]
    return []


def distance(word: str, keys: Sequence[Sequence[str]]) -> int | None:
    """How close a word is to the closest of the keys; None: it is in none."""
    names = [name.casefold() for key in keys for name in key]
    if any(name == word or name in OTHERS.get(word, ()) for name in names):
        return WHOLE
    if any(word in re.split(r"[_\-@/]", name) for name in names):
        return PART
    return PIECE if len(word) >= LEAST and any(word in name for name in names) else None


def unknown(world: World, words: Sequence[str], text: str) -> InputError:
    """No number has all of these words: which nobody has, and what there is."""
    known = every_number(world)
    lost = [word for word in words if all(distance(word, one.keys) is None for one in known)]
    if not lost:
        few = [one.path for one in known if one.stated and distance(words[-1], one.keys) in (WHOLE, PART)]
        beside = f"{words[-1]} stands in {', '.join(few[:SHOWN])}" if few else REMEDY
        return InputError("means no number of this world", "--what", text, beside)
    fields = sorted({key for one in known if one.stated for key in [field_of(one)] if key})
    blocks = (world.assets, world.protocols, world.feeds, world.venues, world.networks, world.actors, world.policies)
    names = sorted({name for block in blocks for name in block}, key=str.casefold)
    other = ", ".join(f"{word} ({' or '.join(meant)})" for word, meant in OTHERS.items())
    like = near(lost[0], [*(part for field in fields for part in field.split("_")), *fields, *names, *OTHERS])
    said = f"did you mean {like}? " if like else ""
    return InputError(f"means no number of this world: nothing is called {', '.join(lost)}", "--what", text,
                      f"{said}known fields: {', '.join(fields)}; other words for them: {other}; names: {', '.join(names)}")


def field_of(one: Number) -> str:
    """The last key of a path that is a field's and not an asset's or a place: of `volatility.ETH` volatility."""
    keys = one.path.split(".")
    return next((key for key in reversed(keys) if key.islower() and key.isidentifier()), "")


def numbers(world: World) -> list[str]:
    """Paths of all numbers of a world, parameter sets of the catalog written out."""
    return [one.path for one in every_number(world) if one.stated]


def every_number(world: World) -> list[Number]:
    """All numbers, and those that could be stated."""
    for name in world.protocols:
        world = world.spelled_out(["protocols", name, "parameters", ""])
    return list(_walk(world, world, "", ()))


def _walk(world: World, node: Any, path: str, keys: tuple[tuple[str, ...], ...]) -> Iterator[Number]:
    kinds: dict[str, str] = {}
    if isinstance(node, Spec):
        node = node.fields()
    if isinstance(node, tuple):
        kinds = {str(place): str(getattr(inner, "kind", "")) for place, inner in enumerate(node)}
        node = {str(place): inner for place, inner in enumerate(node)}
    if isinstance(node, dict):
        for key, inner in node.items():
            called = (str(key), *filter(None, [kinds.get(str(key))]))
            yield from _walk(world, inner, f"{path}.{key}" if path else str(key), (*keys, called))
    elif isinstance(node, (int, float)) and not isinstance(node, bool):
        yield Number(path, keys, True)
    elif node is None and (found := quantity_at(world, path.split("."))) is not None and found.unit is not None:
        yield Number(path, keys, False)
