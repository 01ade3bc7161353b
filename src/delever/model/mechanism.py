"""Mechanisms in text: `{kind: NAME, fields...}` or just `NAME`, built by the spec that a resolver knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from delever.ingest.files import is_unicode

from .errors import InputError
from .spec import Spec

Resolve = Callable[[str, str], type[Spec]]  # (role, kind) -> spec; an unknown kind raises InputError
ANY = "*"
NUMBERED = "emode"  # the one table whose keys are numbers

# Where mechanisms stand in a world -> (role, kind where none is written).
PLACES: dict[tuple[str, ...], tuple[str, str | None]] = {
    ("protocols", ANY, "rules"): ("protocols", None),
    ("protocols", ANY, "waterfall", ANY): ("waterfall", None),
    ("protocols", ANY, "rates", ANY): ("rates", None),
    ("protocols", ANY, "markets", ANY, "rate"): ("rates", None),
    ("feeds", ANY): ("oracles", None),
    ("venues", ANY): ("venues", None),
    ("networks", ANY): ("networks", "blocks"),
    ("actors", ANY): ("actors", None),
    ("policies", ANY): ("policies", None),
    ("scenario", "prices"): ("prices", None),
    ("scenario", "events", ANY): ("events", None),
}
# Places whose mechanisms stand in a list, not under names.
LISTS = {("protocols", ANY, "waterfall"): "layer", ("scenario", "events"): "event"}


def check_texts(value: Any, path: tuple[str | int, ...]) -> None:
    """Keys are text (YAML reads `on:` as true and `1:` as a number), and all text is Unicode."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) and not (isinstance(key, int) and path and path[-1] == NUMBERED):
                raise InputError("a key is not a name", path=path, value=key, remedy=f'put it in quotes: "{key}"')
            check_texts(key, path)
            check_texts(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            check_texts(inner, (*path, number))
    elif isinstance(value, str) and not is_unicode(value):
        raise InputError("has a sign that is no character", path=path, value=ascii(value), remedy="write it in UTF-8")


def lift(value: Any, path: tuple[str, ...], resolve: Resolve | None) -> Any:
    """The value at `path` of a world, with every mechanism in it built."""
    for place, (role, default) in PLACES.items():
        if _leads(path, place) and len(path) == len(place):
            return value if value is None or isinstance(value, Spec) else _build(value, role, default, path, resolve)
    listed = next((what for place, what in LISTS.items() if len(path) == len(place) and _leads(path, place)), None)
    if value is not None and listed is not None:
        if not isinstance(value, (list, tuple)):
            remedy = f"write each {listed} as `- NAME` or `- {{kind: NAME, field: value, ...}}`"
            raise InputError("must be a list", path=path, value=value, remedy=remedy)
        return [lift(inner, (*path, str(number)), resolve) for number, inner in enumerate(value)]
    if isinstance(value, Mapping) and any(_leads(path, place) for place in PLACES):
        return {key: lift(inner, (*path, key), resolve) for key, inner in value.items()}
    return value


def role_at(path: tuple[str | int, ...]) -> str | None:
    """The role of the mechanism that stands at a path of a world; None where none does."""
    keys = tuple(map(str, path))
    return next((role for place, (role, _) in PLACES.items() if len(keys) == len(place) and _leads(keys, place)), None)


def _leads(path: tuple[str, ...], place: tuple[str, ...]) -> bool:
    """Whether `path` is on the way to `place`."""
    pairs = zip(path, place, strict=False)
    return len(path) <= len(place) and all(theirs in (mine, ANY) for mine, theirs in pairs)


def _build(value: Any, role: str, default: str | None, path: tuple[str, ...], resolve: Resolve | None) -> Spec:
    """`aave.v2` is the kind aave in its version v2."""
    fields = {"kind": value} if isinstance(value, str) else value
    if not isinstance(fields, Mapping):
        raise InputError("must be a mechanism", path=path, value=value, remedy="write {kind: NAME, field: value, ...}")
    kind = fields.get("kind", default)
    if not isinstance(kind, str):
        raise InputError("is missing", path=(*path, "kind"), remedy=f"say which of {role} it is: {{kind: NAME, ...}}")
    if resolve is None:
        remedy = "this world was built in Python: give its spec"
        raise InputError("names a mechanism", path=path, value=kind, remedy=remedy)
    name, _, version = kind.partition(".")
    fields = {key: inner for key, inner in fields.items() if key != "kind"}
    if version:
        fields = {"version": version, **fields}
    try:
        spec = resolve(role, name)
    except InputError as error:
        raise error.at("", *path, "kind") from None
    try:
        return spec(**fields)
    except InputError as error:
        raise error.at("", *path) from None
