"""Change one value of a nested spec by its dotted path, and check everything above it again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from delever.ingest.numbers import whole

from .errors import InputError, near, nearest
from .yaml_text import parse

NOTHING = ("null", "none", "~")


def put(node: Any, path: str, value: Any, new_keys: Iterable[str] = ()) -> Any:
    """A copy of `node` with `value` at `path`; `new_keys` are names that a table of numbers may gain."""
    try:
        return _put(node, keys_of(path), value, frozenset(new_keys))
    except InputError as error:
        raise error.at("") from None


def fields_of(node: BaseModel) -> dict[str, Any]:
    """Field name -> value, specs left as they are."""
    return {name: getattr(node, name) for name in type(node).model_fields}


def keys_of(path: str) -> list[str]:
    """The keys of a dotted path."""
    keys = path.strip().split(".")
    if not all(keys):
        raise InputError("is no path", value=path, remedy="write names with dots, as in actors.liquidators.rule=always")
    return keys


def from_text(text: str) -> Any:
    """What a text on the command line stands for: nothing, a block or list in braces, or itself."""
    if text.strip().lower() in NOTHING:
        return None
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return parse(text)
    except InputError as error:
        remedy = f"{error.value}: write {{field: value, ...}} or [item, ...]"
        raise InputError("is not a block", value=text, remedy=remedy) from None


def _put(node: Any, keys: list[str], value: Any, new_keys: frozenset[str]) -> Any:
    key, rest = keys[0], keys[1:]
    if isinstance(node, BaseModel):
        values = fields_of(node)
        if key not in values:
            raise InputError("unknown field", value=key, remedy=_remedy(key, node))
        given = {name: values[name] for name in node.model_fields_set}  # a default stays one
        return type(node)(**given | {key: _below(values[key], key, rest, value, new_keys)})
    if isinstance(node, dict):
        name = _key_of(node, key)
        if name not in node and (rest or not (isinstance(value, BaseModel) or _may_gain(node, key, new_keys))):
            raise InputError("unknown name", value=key, remedy=nearest(key, map(str, node)))
        inner = _below(node.get(name), key, rest, value, new_keys)
        if inner is None and isinstance(node.get(name), BaseModel):
            return {other: kept for other, kept in node.items() if other != name}  # null takes it away
        return {**node, name: inner}
    if isinstance(node, tuple):
        place = _place_of(node, key)
        inner = _below(node[place], key, rest, value, new_keys)
        return (*node[:place], *([] if inner is None else [inner]), *node[place + 1 :])  # null takes it off the list
    remedy = "it is null: give the whole block first" if node is None else "it has no parts"
    raise InputError("cannot be entered", value=key, remedy=remedy)


def _below(old: Any, key: str, rest: list[str], value: Any, new_keys: frozenset[str]) -> Any:
    """The new value behind `key`; an error below carries the path from here."""
    if not rest:
        return value
    try:
        return _put(old, rest, value, new_keys)
    except InputError as error:
        raise error.at("", key) from None


def _key_of(node: dict[Any, Any], key: str) -> Any:
    """Keys in a path are text; some tables (e-modes) are numbered."""
    number = whole(key)
    return number if number is not None and key not in node else key


def _place_of(node: tuple[Any, ...], key: str) -> int:
    """Number of the place that a key means: the number itself, or the kind of the mechanism that stands there."""
    kinds = [getattr(inner, "kind", "") for inner in node]
    if key in kinds:
        return kinds.index(key)
    number = whole(key)
    if number is not None and number < len(node):
        return number
    named = [kind for kind in kinds if kind]
    if not node:
        remedy = "the list is empty: give the whole of it first"
    else:
        remedy = nearest(key, named) if named and number is None else f"count from 0 to {len(node) - 1}"
    raise InputError("has no such place", value=key, remedy=remedy)


def _may_gain(node: dict[Any, Any], key: str, new_keys: frozenset[str]) -> bool:
    """A table of plain values may gain a row named after known things, `ETH` or `ETH/USD`; blocks may not."""
    return not any(isinstance(value, BaseModel | dict) for value in node.values()) and all(
        part in new_keys for part in key.split("/")
    )


def _remedy(key: str, node: BaseModel) -> str:
    """The nearest field; failing that, the same name one level down."""
    values = fields_of(node)
    if near(key, values) is None:
        for name, inner in values.items():
            if isinstance(inner, BaseModel) and key in type(inner).model_fields:
                return f"did you mean {name}.{key}?"
    return nearest(key, values)
