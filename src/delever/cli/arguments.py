"""Arguments and options that several commands have, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.options import heed_force, heed_outside

WorldArgument = Annotated[
    str, typer.Argument(metavar="WORLD", help="A world's folder or YAML file, or an embedded one: first.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a field of the world, e.g. actors.liquidators.rule=always; or change "
                 'it by "+3 points", "x0.5", "-10 %".'),
]
Outside = Annotated[
    bool,
    typer.Option("--allow-outside", callback=heed_outside, expose_value=False, help="Read files that the world names wherever "
                 "they lie, not only below its folder and DELEVER_DATA: for a world that you trust."),
]
Force = Annotated[
    bool, typer.Option("--force", callback=heed_force, expose_value=False, help="Write over files that are there already.")
]
Json = Annotated[bool, typer.Option("--json", help="Print machine-readable figures instead of tables.")]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 3 where there is any warning, and list them.")]
Paths = Annotated[int | None, typer.Option(help="Number of price paths, instead of the world's.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all randomness, instead of the world's.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; no figure depends on it.")]
Base = Annotated[
    list[str] | None, typer.Option("--base", metavar="PATH=VALUE", help="Set a field of the baseline and of all variants.")
]
OwnersOption = Annotated[
    str, typer.Option(metavar="stay|keep-distance", help="Where thresholds change: accounts stay as they are, or owners re-lever "
                      "to the health factor they had.")
]
Figure = Annotated[list[str] | None, typer.Option(metavar="NAME", help="A figure to show, instead of the main ones.")]
Csv = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as CSV.")]
Parquet = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Parquet.")]
