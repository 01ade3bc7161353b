"""`delever stress`: run, summarise, and leave the summary beside the results."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from delever.cli.options import (
    INTERRUPTED,
    load_world,
    parse_memory,
    parse_paths,
    parse_settings,
    user_errors,
)

if TYPE_CHECKING:
    from delever.model.scenario import Order
    from delever.model.world import World
    from delever.run.stress import Run


@dataclass(frozen=True)
class Choice:
    """The options of the command, as typed."""

    order: str | None
    find_critical: bool
    paths: int | None
    seed: int | None
    out: Path | None
    threads: int | None
    memory: str | None
    trace: str | None
    as_json: bool


def run(text: str, settings: list[str], choice: Choice) -> None:
    """The command."""
    with user_errors():
        world = _world(text, settings, choice)
        order = _order_of(world) if choice.find_critical else None
        result = _stress(world, choice)
        critical = _critical(world, order) if order is not None else None
        _print(world, result, critical, choice)


def _world(text: str, settings: list[str], choice: Choice) -> World:
    """The world with every override of the command line."""
    chosen = parse_settings(settings)
    if choice.paths is not None:
        chosen["scenario.paths"] = str(choice.paths)
    if choice.seed is not None:
        chosen["scenario.seed"] = str(choice.seed)
    world = load_world(text, chosen)
    if choice.order is None:
        return world
    return world.replace("scenario.shocks", [*world.scenario.shocks, {"at": 0, "order": choice.order}])


def _stress(world: World, choice: Choice) -> Run:
    from delever.cli.progress import bar
    from delever.run.stress import stress

    memory = None if choice.memory is None else parse_memory(choice.memory)
    trace = None if choice.trace is None else parse_paths(choice.trace)
    try:
        with bar() as progress:
            return stress(world, choice.out, choice.threads, memory, progress, trace)
    except KeyboardInterrupt:
        print("delever: interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def _order_of(world: World) -> Order:
    """The order whose critical size is searched: the one given, or the last of the world's own."""
    from delever.model.errors import InputError

    orders = [shock.order for shock in world.scenario.shocks if shock.order is not None]
    if not orders:
        raise InputError(
            "needs an order", "--find-critical", remedy='add --order "sell 50,000 stETH", or an order to the shocks'
        )
    return orders[-1]


def _critical(world: World, order: Order) -> dict[str, Any]:
    from delever.analysis import find_critical

    return find_critical(world, order)


def _print(world: World, result: Run, critical: dict[str, Any] | None, choice: Choice) -> None:
    from delever.report import json_text, stress_json, stress_report, write_summary

    report = stress_report(world.name, result, critical)
    if result.folder is not None:
        write_summary(report, result.folder)
    if choice.as_json:
        typer.echo(json_text(stress_json(world.name, result, critical)))
        return
    report.print()
