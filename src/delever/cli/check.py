"""`delever check`: is this world sound, who sees which price, how old is every input?"""

from __future__ import annotations

import typer

from delever.cli.arguments import Json, Outside, Set, Strict, WorldArgument
from delever.cli.options import USER_ERROR, end_if_strict, load_world, parse_settings, user_errors


def check(
    world: WorldArgument, settings: Set = None, allow_outside: Outside = False, as_json: Json = False, strict: Strict = False
) -> None:
    """Validate a world; show who sees which price."""
    run(world, settings or [], as_json, strict)


def run(text: str, settings: list[str], as_json: bool, strict: bool = False) -> None:
    """The command."""
    with user_errors():
        world = load_world(text, parse_settings(settings))
        from delever.analysis.soundness import check
        from delever.report.check import check_json, check_report, has_errors
        from delever.report.files import json_document

        result = check(world)
        if as_json:
            typer.echo(json_document("check", check_json(world.name, result, world.as_of)))
        else:
            check_report(world.name, world.as_of, result).print()
        if has_errors(result):
            raise typer.Exit(USER_ERROR)
        end_if_strict(result.findings.to_pylist(), strict)
