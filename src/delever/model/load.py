"""Worlds from YAML text and from mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from .errors import InputError
from .mechanism import Resolve, lift
from .world import World

NUMBERED = "emode"  # the one table whose keys are numbers


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: the first of two would be lost in silence."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (dict, list)):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key} stands twice", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def mapping_from_yaml(text: str, where: str) -> dict[str, Any]:
    """The mapping at the top of a YAML text; `where` names it in errors."""
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark is not None else where
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        remedy = "check indentation, colons and quotes there"
        raise InputError("is not YAML", place, problem, remedy) from None
    if not isinstance(value, dict):
        raise InputError("is not a world", where, value, "write `as_of:`, `assets:`, `protocols:`, `scenario:` ...")
    return value


def world_from_mapping(mapping: Mapping[str, Any], resolve: Resolve, where: str = "world") -> World:
    """A checked world. `resolve(role, kind)` gives the spec of a mechanism, `where` names the source in errors."""
    try:
        _check_keys(mapping, ())
        return World(**with_liquidators(lift(mapping, (), resolve), resolve)).located(None, resolve)
    except InputError as error:
        raise error.at(where) from None


def with_liquidators(parts: dict[str, Any], resolve: Resolve) -> dict[str, Any]:
    """A file with loans that names nobody who liquidates has the usual liquidators, unless it says `liquidators: null`."""
    actors, protocols = parts.get("actors") or {}, parts.get("protocols") or {}
    if not isinstance(actors, Mapping) or not isinstance(protocols, Mapping):
        return parts  # which World refuses
    lends = any(isinstance(protocol, Mapping) and not getattr(protocol.get("rules"), "margin", False)
                for protocol in protocols.values())
    if lends and "liquidators" not in actors and not any(getattr(actor, "bids", False) for actor in actors.values()):
        actors = {"liquidators": resolve("actors", "liquidators")(), **actors}
    return {**parts, "actors": {name: actor for name, actor in actors.items() if actor is not None}}


def _check_keys(value: Any, path: tuple[str | int, ...]) -> None:
    """Keys are text: YAML reads `on:` as true and `1:` as a number."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) and not (isinstance(key, int) and path and path[-1] == NUMBERED):
                raise InputError("a key is not a name", path=path, value=key, remedy=f'put it in quotes: "{key}"')
            _check_keys(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            _check_keys(inner, (*path, number))
