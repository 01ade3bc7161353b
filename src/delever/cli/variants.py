"""Variants of a world from the command line: `--what LABEL` begins one, the `--set` and `--with` behind it are its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from typer import Context
from typer.core import TyperCommand

from delever.cli.options import load_world, parse_settings

if TYPE_CHECKING:
    from delever.model.world import World

ORDER = "delever.order"  # in a context's `meta`: options in the order typed
KINDS = ("what", "settings", "files")


class InOrder(TyperCommand):
    """A command that remembers in which order its repeated options came."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """See click."""
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        left = {name: list(values[name]) for name in KINDS if values.get(name)}
        ctx.meta[ORDER] = [(param.name, left[param.name].pop(0)) for param in order if left.get(param.name or "")]
        return super().parse_args(ctx, args)


class Variant(NamedTuple):
    """What is typed of one."""

    label: str | None
    settings: list[str]
    files: list[str]


def variants_of(order: Sequence[tuple[str, str]]) -> list[Variant]:
    """`--what` begins one; a `--set` or `--with` before the first of them is one by itself."""
    found: list[Variant] = []
    for name, text in order:
        if name == "what":
            found.append(Variant(text, [], []))
            continue
        if not found or found[-1].label is None:
            found.append(Variant(None, [], []))
        (found[-1].settings if name == "settings" else found[-1].files).append(text)
    return found


def world_of(base: World, variant: Variant, common: Mapping[str, str]) -> tuple[str, World]:
    """Its label and world. common: settings of all, which a world of its own file gets too."""
    from delever.analysis.words import settings_of

    world = base
    for file in variant.files:
        world = with_file(world, Path(file), common)
    settings = list(parse_settings(variant.settings).items())
    if not variant.files and not settings:
        assert variant.label is not None
        settings = settings_of(world, variant.label)
    for path, value in settings:
        world = _set(world, path, value, f"--set {path}")
    return variant.label or ", ".join([*(Path(file).stem for file in variant.files), *variant.settings]), world


def with_file(world: World, file: Path, common: Mapping[str, str]) -> World:
    """The world of a file, or this one with the fields that a file states laid over."""
    from delever.ingest.files import exists, text
    from delever.model.load import mapping_from_yaml
    from delever.worlds import resolve

    if exists(file) and file.is_dir():
        return load_world(str(file), common)
    remedy = "name a world, or a file of `field: value` lines that are laid over this one"
    stated = mapping_from_yaml(text(file, f"--with {file}", remedy), str(file))
    if {"as_of", "scenario", "protocols"} <= set(stated):
        return load_world(str(file), common)
    own = world.own_files
    for path, value in _leaves(stated, world, "").items():
        world = _set(world, path, value, str(file))
    return world.located(world.folder, resolve, own)  # what a file names is not what the user named


def _leaves(stated: Mapping[str, Any], node: Any, path: str) -> dict[str, Any]:
    """Path -> value; blocks are entered where the world has a block of that name that is no mechanism of another kind."""
    found: dict[str, Any] = {}
    for key, value in stated.items():
        inner = node.get(key) if isinstance(node, Mapping) else getattr(node, str(key), None)
        way = f"{path}.{key}" if path else str(key)
        enters = isinstance(value, Mapping) and "kind" not in value and inner is not None and not isinstance(inner, (str, tuple))
        found |= _leaves(value, inner, way) if enters else {way: value}
    return found


def _set(world: World, path: str, value: Any, where: str) -> World:
    from delever.model.errors import InputError

    try:
        return world.replace(path, value)
    except InputError as error:
        raise error.at(where) from None
