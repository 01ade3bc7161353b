"""`delever contagion`: how much of each protocol's loss came from the forced selling of the others; or the network of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from delever.cli.options import check_output, end_if_strict, load_world, parse_settings, user_errors
from delever.cli.progress import bar


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
