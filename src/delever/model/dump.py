"""A world as plain dicts, lists, texts and numbers: for manifests, hashes and YAML; reads back as the same world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from .book import Book
from .spec import Spec


def plain(value: Any) -> Any:
    """Specs as mappings with their kind, instants as text; a book in memory as the hash of its rows."""
    if isinstance(value, Spec):
        kind = {"kind": value.kind} if value.kind else {}
        return kind | {name: plain(inner) for name, inner in value.fields().items()}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return {"sha256": value.fingerprint()} if isinstance(value, Book) else value


def texts(value: Any) -> Iterator[str]:
    """Every text in plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
