"""A world as the text of a file, which reads back as the same world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .book import Book
from .dump import plain
from .errors import InputError
from .spec import Spec
from .world import World


def yaml_of(world: World, folder: Path) -> str:
    """A world as the text of a file in a folder; fields that are as by default are left out.

    Names of files beside the world stand in full where the folder is another one. A book in memory raises InputError.
    """
    for name, protocol in world.protocols.items():
        if isinstance(protocol.book, Book):
            raise InputError("is a book in memory", path=("protocols", name, "book"), remedy="name the file that it is in")
    stated = _stated(world, None if folder == world.folder else world.folder)
    stated["actors"] = {"liquidators": None, **stated.get("actors", {})}  # who is not named would be there by default
    return yaml.safe_dump(stated, sort_keys=False, allow_unicode=True, width=130)


def _stated(value: Any, beside: Path | None) -> Any:
    """As `plain`, without what is as by default. beside: where the files are that are named."""
    if isinstance(value, Spec):
        kind = {"kind": value.kind} if value.kind else {}
        fields, known = value.fields(), type(value).model_fields
        return kind | {name: _stated(inner, beside) for name, inner in fields.items()
                       if inner != known[name].get_default(call_default_factory=True, validated_data=fields)}
    if isinstance(value, Mapping):
        return {str(key): _stated(inner, beside) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_stated(inner, beside) for inner in value]
    if isinstance(value, str) and beside is not None and (beside / value).is_file():
        return str(beside / value)
    return plain(value)
