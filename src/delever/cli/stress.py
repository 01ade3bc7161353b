"""`delever stress`: run, summarise, and leave the summary beside the results."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delever.cli.arguments import Json, Outside, Paths, Seed, Set, Strict, Threads, WorldArgument
from delever.cli.options import (
    end_if_strict,
    interrupted,
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
    from delever.report.sections import Extras
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
    outcomes: bool = False
    as_json: bool = False
    strict: bool = False

    @property
    def sized(self) -> str | None:
        """The order that joins the world's own; none where its size is searched."""
        return None if self.order is None or ANY_SIZE.match(self.order) else self.order


def stress(
    world: WorldArgument,
    order: Annotated[
        str | None,
        typer.Option(help='Add a large order at the start: "sell 50,000 stETH [for ETH]". With N for a size: search it.'),
    ] = None,
    find_critical: Annotated[
        bool, typer.Option("--find-critical", help="Search how large the order may be before the forced selling it sets off "
                           "exceeds it, and before there is bad debt.")
    ] = False,
    paths: Paths = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the run; the same command resumes there.")
    ] = None,
    threads: Threads = None,
    memory: Annotated[str | None, typer.Option(help='Memory budget, e.g. "2 GiB"; no figure depends on it.')] = None,
    trace: Annotated[str | None, typer.Option(metavar="PATHS", help='Keep full traces of these paths: "0,17".')] = None,
    concentration: Annotated[
        bool, typer.Option("--concentration/--no-concentration", help="Show the figures without each large account.")
    ] = True,
    remainder: Annotated[
        bool, typer.Option("--remainder/--no-remainder", help="Show the figures with remainder collateral constant, and moving.")
    ] = True,
    outcomes: Annotated[
        bool, typer.Option("--outcomes", help="Keep what people are judged by: time unhealthy, regret, markouts, recovery; the "
                           "run takes longer (scenario.judged).")
    ] = False,
    settings: Set = None,
    allow_outside: Outside = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Run a Monte Carlo stress test; print what breaks."""
    choice = Choice(
        order, find_critical, paths, seed, out, threads, memory, trace, concentration, remainder, outcomes, as_json, strict
    )
    run(world, settings or [], choice)


def run(text: str, settings: list[str], choice: Choice) -> None:
    """The command."""
    with user_errors():
        try:
            with bar() as tell:
                world, result, order = _work(text, settings, choice, tell)
        except KeyboardInterrupt:
            raise interrupted("interrupted; the same command goes on where it stopped") from None
        _print(result, choice)
        extras, stopped = _extras(world, result, order, choice)
        _print_extras(result, extras, choice)
        if stopped:
            raise interrupted("interrupted beside the figures, which are complete; the same command makes the rest")
        end_if_strict(result.findings.to_pylist(), choice.strict)


def _work(text: str, settings: list[str], choice: Choice, tell: Tell) -> tuple[World, Run, Order | str | None]:
    """The run itself."""
    tell("reading", 0, 1)
    world = _world(text, settings, choice)
    order = _order_of(world, choice)
    from delever.run.stress import stress

    memory = None if choice.memory is None else parse_memory(choice.memory)
    trace = None if choice.trace is None else parse_paths(choice.trace)
    return world, stress(world, choice.out, choice.threads, memory, tell, trace), order


def _extras(world: World, result: Run, order: Order | str | None, choice: Choice) -> tuple[Extras, bool]:
    """What stands beside the figures, what was asked for by name first; whether Ctrl-C ended it."""
    from delever.cli.sections import concentration_beside, critical_order, is_partial, remainder_beside
    from delever.report.sections import Extras

    found = Extras()
    try:
        with bar() as tell:
            if order is not None:
                tell("searching", 0, 1)
                found = replace(found, critical=critical_order(world, order, result))
            if choice.concentration:
                tell("comparing", 0, 1)
                found = replace(found, concentration=concentration_beside(result))
                if is_partial(found.concentration):
                    return found, True
            if choice.remainder:
                tell("comparing", 0, 1)
                found = replace(found, remainder=remainder_beside(result))
    except KeyboardInterrupt:
        return found, True
    return found, False


def _world(text: str, settings: list[str], choice: Choice) -> World:
    """The world with every override of the command line."""
    chosen = parse_settings(settings)
    if choice.paths is not None:
        chosen["scenario.paths"] = str(choice.paths)
    if choice.seed is not None:
        chosen["scenario.seed"] = str(choice.seed)
    world = load_world(text, chosen)
    if choice.outcomes and world.scenario.judged is None:  # else its own windows and bands stand
        world = world.replace("scenario.judged", {})
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


def _print(result: Run, choice: Choice) -> None:
    """The figures, as soon as they stand."""
    from delever.report.stress import stress_report, write_summary

    report = stress_report(result.world.name, result)
    if result.folder is not None:
        write_summary(report, result.folder)
    if not choice.as_json:
        report.print()
        sys.stdout.flush()


def _print_extras(result: Run, extras: Extras, choice: Choice) -> None:
    """What came beside them; with it the summary in the folder is whole. JSON is one text, so it comes here."""
    from delever.report.document import Report
    from delever.report.files import json_document
    from delever.report.sections import extra_sections
    from delever.report.stress import stress_json, stress_report, write_summary

    name, sections = result.world.name, extra_sections(extras)
    if sections and result.folder is not None:
        write_summary(stress_report(name, result, extras), result.folder)
    if choice.as_json:
        typer.echo(json_document("stress", stress_json(name, result, extras)))
    elif sections:
        Report("", tuple(sections)).print()
