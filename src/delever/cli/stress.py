"""`delever stress`: run, summarise, and leave the summary beside the results."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from delever.cli.options import (
    INTERRUPTED,
    load_world,
    parse_memory,
    parse_paths,
    parse_settings,
    user_errors,
)
from delever.cli.progress import Tell, bar

if TYPE_CHECKING:
    from delever.model.scenario import Order
    from delever.model.world import World
    from delever.report import Extras
    from delever.run.stress import Run

ANY_SIZE = re.compile(r"\s*sell\s+N\s")  # "sell N stETH": the size is what is searched


@dataclass(frozen=True)
class Choice:
    """The options of the command, as typed."""

    order: str | None = None
    find_critical: bool = False
    paths: int | None = None
    seed: int | None = None
    out: Path | None = None
    threads: int | None = None
    memory: str | None = None
    trace: str | None = None
    concentration: bool = True
    remainder: bool = True
    as_json: bool = False

    @property
    def sized(self) -> str | None:
        """The order that joins the world's own; none where its size is searched."""
        return None if self.order is None or ANY_SIZE.match(self.order) else self.order


def run(text: str, settings: list[str], choice: Choice) -> None:
    """The command."""
    with user_errors():
        try:
            with bar() as tell:
                name, result, extras = _work(text, settings, choice, tell)
        except KeyboardInterrupt:
            print("delever: interrupted; the same command goes on where it stopped", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        _print(name, result, extras, choice)


def _work(text: str, settings: list[str], choice: Choice, tell: Tell) -> tuple[str, Run, Extras]:
    """Everything that takes time."""
    tell("reading", 0, 1)
    world = _world(text, settings, choice)
    order = _order_of(world, choice)
    from delever.cli.sections import beside, critical_order
    from delever.run.stress import stress

    memory = None if choice.memory is None else parse_memory(choice.memory)
    trace = None if choice.trace is None else parse_paths(choice.trace)
    result = stress(world, choice.out, choice.threads, memory, tell, trace)
    tell("comparing", 0, 1)
    extras = beside(result, choice.concentration, choice.remainder)
    if order is not None:
        tell("searching", 0, 1)
        extras = replace(extras, critical=critical_order(world, order, result))
    return world.name, result, extras


def _world(text: str, settings: list[str], choice: Choice) -> World:
    """The world with every override of the command line."""
    chosen = parse_settings(settings)
    if choice.paths is not None:
        chosen["scenario.paths"] = str(choice.paths)
    if choice.seed is not None:
        chosen["scenario.seed"] = str(choice.seed)
    world = load_world(text, chosen)
    if choice.sized is None:
        return world
    from delever.model.errors import InputError, nearest
    from delever.model.scenario import Order

    try:
        order = Order.parse(choice.sized)
    except InputError as error:
        raise error.at("--order") from None
    for asset in (order.asset, order.into):
        if asset not in (None, "USD", *world.assets):
            raise InputError("unknown asset", "--order", asset, nearest(str(asset), world.assets))
    return world.replace("scenario.events", [*world.scenario.events, {"kind": "order", "order": order}])


def _order_of(world: World, choice: Choice) -> Order | str | None:
    """The order whose critical size is searched, if any: the one given, or the last of the world's own."""
    from delever.model.errors import InputError

    if not choice.find_critical:
        if choice.order is not None and choice.sized is None:
            remedy = "add --find-critical to search the size, or write one: sell 50,000 stETH"
            raise InputError("has no size", "--order", choice.order, remedy)
        return None
    if choice.order is not None and choice.sized is None:
        return choice.order
    orders: list[Order] = [order for event in world.scenario.events if (order := getattr(event, "order", None)) is not None]
    if not orders:
        remedy = 'add --order "sell N stETH", or an order to the events'
        raise InputError("needs an order", "--find-critical", remedy=remedy)
    return orders[-1]


def _print(name: str, result: Run, extras: Extras, choice: Choice) -> None:
    from delever.report import json_text, stress_json, stress_report, write_summary

    report = stress_report(name, result, extras)
    if result.folder is not None:
        write_summary(report, result.folder)
    if choice.as_json:
        typer.echo(json_text(stress_json(name, result, extras)))
        return
    report.print()
