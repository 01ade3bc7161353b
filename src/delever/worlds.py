"""Worlds from files: where specs meet the mechanisms of the roles' folders.

A role's folder is that of the package, and beside it FOLDER/ROLE for every FOLDER that DELEVER_MECHANISMS names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from delever.ingest.files import exists, text
from delever.model.errors import InputError, nearest
from delever.model.load import mapping_from_yaml, world_from_mapping
from delever.model.mechanism import role_at
from delever.model.spec import Spec
from delever.model.world import World

ROLES = ("protocols", "venues", "oracles", "networks", "actors", "policies", "prices", "events", "waterfall",
         "rates")
FILE = "world.yaml"  # what a folder's world is called
OWN = "DELEVER_MECHANISMS"  # names folders with mechanisms of one's own


def load(source: str | Path | Mapping[str, Any], set: Mapping[str, Any] | None = None, *, allow_outside: bool = False) -> World:
    """A world from a file, from a folder's world.yaml or from a mapping; `set` changes fields, path -> value.

    What a file names is read below its folder and below $DELEVER_DATA alone, unless `set` names it or allow_outside.

    >>> load("examples/aave_steth", set={"actors.liquidators.rule": "always"})  # doctest: +SKIP
    """
    if isinstance(source, Mapping):
        world = _built(source, "world")
    else:
        path = file_of(Path(source))
        stated = mapping_from_yaml(text(path, remedy=f"name a .yaml file or a folder with a {FILE}"), str(path))
        world = _built(stated, str(path))
        world = world.located(path.parent.resolve(), resolve, None if allow_outside else frozenset())
    return with_settings(world, set or {})


def with_settings(world: World, settings: Mapping[str, Any]) -> World:
    """The world with fields changed, path -> value."""
    for name, value in settings.items():
        try:
            world = world.replace(name, value)
        except InputError as error:
            raise _of_setting(_with_owner(error), name) from None
    return world


def _built(stated: Mapping[str, Any], where: str) -> World:
    try:
        return world_from_mapping(stated, resolve, where)
    except InputError as error:
        raise _with_owner(error) from None


def _with_owner(error: InputError) -> InputError:
    """An error on a field that a mechanism has not, and another of its role has: it says which."""
    role = role_at(error.path) if error.what == "unknown field" else None
    owners = [kind for kind, spec in kinds(role).items() if error.value in spec.model_fields] if role is not None else []
    if not owners:
        return error
    remedy = f"it is read by {', '.join(owners)}: leave it out, or take one of those; {error.remedy}"
    return InputError(error.what, error.root, error.value, remedy, path=error.path)


def _of_setting(error: InputError, name: str) -> InputError:
    """The error as one of a setting; where it lies at the very field, or below, the way there is not said twice."""
    way, place = name.strip().split("."), [str(key) for key in error.path]
    if place[: len(way)] != way:
        return error.at(f"--set {name}")
    return InputError(error.what, f"--set {name}", error.value, error.remedy, path=error.path[len(way) :])


def file_of(path: Path) -> Path:
    """The file of a world: the path, or the world.yaml in a folder."""
    return path / FILE if exists(path) and path.is_dir() else path


def kinds(role: str) -> dict[str, type[Spec]]:
    """Every mechanism of a role by kind; imports them all."""
    found = {}
    for name in _modules(role):
        spec = _spec(role, name)
        if spec is not None:
            found[name] = spec
    return found


def resolve(role: str, kind: str) -> type[Spec]:
    """The spec of a mechanism: the class whose `kind` is the name of its file in the role's folder."""
    spec = _spec(role, kind) if kind in _modules(role) else None
    if spec is None:
        raise InputError(f"unknown kind of {role}", value=kind, remedy=nearest(kind, kinds(role)))
    return spec


def _modules(role: str) -> list[str]:
    folders = import_module(f"delever.{role}").__path__
    known = {module.name for module in iter_modules(folders)}
    for own in filter(None, os.environ.get(OWN, "").split(os.pathsep)):
        folder = str(Path(own).resolve() / role)
        if not Path(own).is_dir():
            raise InputError("is no folder", OWN, own, "name one that holds folders such as actors/ or policies/")
        if not Path(folder).is_dir() or folder in folders:
            continue
        here = {module.name for module in iter_modules([folder])}
        for taken in sorted(here & known):
            raise InputError("is the name of a mechanism already", f"{folder}/{taken}.py", taken, "give the file another name")
        folders.append(folder)
        known |= here
    return sorted(known - {"base"})


def _spec(role: str, kind: str) -> type[Spec] | None:
    module = import_module(f"delever.{role}.{kind}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Spec) and value.kind == kind:
            return value
    return None
