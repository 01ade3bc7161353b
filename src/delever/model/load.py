"""Worlds from YAML text and from mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import InputError
from .market import with_markets
from .mechanism import Resolve, check_texts, lift
from .world import World
from .yaml_text import parse


def mapping_from_yaml(text: str, where: str) -> dict[str, Any]:
    """The mapping at the top of a YAML text; `where` names it in errors."""
    value = parse(text, where)
    if not isinstance(value, dict):
        raise InputError("is not a world", where, value, "write `as_of:`, `assets:`, `protocols:`, `scenario:` ...")
    return value


def world_from_mapping(mapping: Mapping[str, Any], resolve: Resolve, where: str = "world") -> World:
    """A checked world. `resolve(role, kind)` gives the spec of a mechanism, `where` names the source in errors."""
    try:
        check_texts(mapping, ())
        return World(**with_liquidators(with_markets(lift(mapping, (), resolve), resolve), resolve)).located(None, resolve)
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
