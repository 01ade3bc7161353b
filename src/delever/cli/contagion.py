"""`delever contagion`: how much of each protocol's loss came from the forced selling of the others; or the network of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json, Outside, Paths, Seed, Set, Strict, WorldArgument
from delever.cli.options import check_output, end_if_strict, load_world, parse_settings, user_errors
from delever.cli.progress import bar


def contagion(
    world: WorldArgument,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="NAME=A,B", help="Protocols that count as one, e.g. aave=aave_v2,aave_v3."),
    ] = None,
    paths: Paths = None,
    seed: Seed = None,
    network: Annotated[
        bool, typer.Option("--network", help="Without a run: overlaps weighted by depth, DebtRank, vulnerability to a shock.")
    ] = False,
    shock: Annotated[str, typer.Option(help='Of --network: "ETH -10 %", "12 March 2020".')] = "all -10 %",
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Of --network: its picture (.svg).")] = None,
    settings: Set = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Say how much of each protocol's loss came from the others' forced selling."""
    if network:
        run_network(world, settings or [], shock, chart, as_json, strict)
    else:
        run(world, settings or [], group or [], paths, seed, as_json, strict)


def run(text: str, settings: list[str], groups: list[str], paths: int | None, seed: int | None, as_json: bool,
        strict: bool = False) -> None:
    """The command."""
    with user_errors():
        chosen = parse_settings(settings)
        chosen |= {f"scenario.{name}": str(value) for name, value in (("paths", paths), ("seed", seed)) if value is not None}
        world = load_world(text, chosen)
        from delever.analysis.contagion import contagion, notes
        from delever.report.asked import asked_section, findings_remarks
        from delever.report.document import Report, Section
        from delever.report.files import json_document

        with bar() as tell:
            found = contagion(world, parse_groups(groups), tell)
        if as_json:
            typer.echo(json_document("contagion", {"world": world.name, "paths": world.scenario.paths, "contagion": [
                {key.replace(" ", "_"): value for key, value in row.items()} for row in found.table.to_pylist()],
                "asked": found.asked.to_pylist(), "findings": found.findings.to_pylist()}))
        else:
            section = Section("What came from whom", found.table, notes(world.scenario.paths), keys=3)
            Report(f"Contagion in {world.name}", (*findings_remarks("Warnings", found.findings, "warn"), section,
                                                  asked_section(found.asked))).print()
        end_if_strict(found.findings.to_pylist(), strict)


def run_network(text: str, settings: list[str], shock: str, chart: Path | None, as_json: bool, strict: bool = False) -> None:
    """The command with --network: no run, but what is held where."""
    with user_errors():
        from delever.analysis.network import network
        from delever.report.files import json_document, write_text
        from delever.report.network import network_json, network_report
        from delever.report.pictures import picture

        check_output(chart, {".svg"})
        world = load_world(text, parse_settings(settings))
        found = network(world, shock)
        if chart is not None:
            write_text(picture(found), chart)
        if as_json:
            typer.echo(json_document("network", network_json(world.name, found)))
        else:
            network_report(world.name, found).print()
        end_if_strict(found.findings.to_pylist(), strict)


def parse_groups(texts: Sequence[str]) -> dict[str, list[str]]:
    """`aave=aave_v2,aave_v3` texts as groups."""
    from delever.model.errors import InputError

    groups: dict[str, list[str]] = {}
    for text in texts:
        name, _, members = text.partition("=")
        names = [member.strip() for member in members.split(",") if member.strip()]
        if not name.strip() or not names:
            raise InputError("is no group", "--group", text, "write its name and protocols: aave=aave_v2,aave_v3")
        if name.strip() in groups:
            raise InputError("a group stands twice", "--group", name.strip(), "name all its protocols at once")
        groups[name.strip()] = names
    return groups
