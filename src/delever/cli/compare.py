"""`delever compare` and `delever sweep`: what-ifs, on the same random numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delever.cli.arguments import (
    Base,
    Csv,
    Figure,
    Force,
    Json,
    Outside,
    OwnersOption,
    Parquet,
    Paths,
    Seed,
    Set,
    Strict,
    Threads,
    WorldArgument,
)
from delever.cli.options import baseline_of, check_output, end_if_strict, interrupted, load_world, parse_settings, user_errors
from delever.cli.progress import bar
from delever.cli.variants import ORDER, variants_of, world_of

if TYPE_CHECKING:
    import pyarrow as pa

    from delever.analysis.comparison import Owners


JOINS = "\0"  # in place of a comma that is part of a number


@dataclass(frozen=True)
class Output:
    """Options of both commands."""

    base: list[str]
    paths: int | None
    seed: int | None
    owners: str
    threads: int | None
    csv: Path | None
    parquet: Path | None
    chart: Path | None
    figures: list[str]
    as_json: bool
    strict: bool = False

    def common(self) -> dict[str, str]:
        """Settings of all worlds."""
        chosen = parse_settings(self.base, "--base")
        return chosen | {f"scenario.{name}": str(value) for name, value in (("paths", self.paths), ("seed", self.seed))
                         if value is not None}

    def check(self) -> None:
        """Before the work, so that a mistyped file name costs nothing."""

        for path, suffixes in ((self.csv, {".csv"}), (self.parquet, {".parquet"}), (self.chart, {".svg"})):
            check_output(path, suffixes)

    def owners_are(self) -> Owners:
        """As `compare` names them."""
        return self.owners.replace("-", " ")  # type: ignore[return-value]

    def write(self, table: pa.Table, chart: str) -> None:
        """The files asked for."""
        from delever.report.files import write_table, write_text

        for path in (self.csv, self.parquet):
            if path is not None:
                write_table(table, path)
        if self.chart is not None:
            write_text(chart, self.chart)


def compare(
    context: typer.Context,
    world: WorldArgument,
    what: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help='Begin a variant: "WBTC threshold +3 points", "WBTC LT 75 %", "eth_pool depth x0.5", '
                     "or a label for the --set and --with behind it."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help='A field of the variant: a value, or "+3 points", "x0.5", "-10 %".'),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="FILE", help="Another world, or a YAML file of fields that are laid over this one."),
    ] = None,
    owners: OwnersOption = "stay",
    base: Base = None,
    paths: Paths = None,
    seed: Seed = None,
    threads: Threads = None,
    figure: Figure = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the differences with their intervals (.svg).")] = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Run variants on the same paths; print paired differences to the baseline with 95 % intervals."""
    output = Output(base or [], paths, seed, owners, threads, csv, parquet, chart, figure or [], as_json, strict)
    run(world, context.meta.get(ORDER, []), output)


def run(text: str, order: Sequence[tuple[str, str]], output: Output) -> None:
    """`compare`."""
    with user_errors():
        from delever.model.errors import InputError

        output.check()
        base = load_world(text, output.common())
        typed = variants_of(order)
        if not typed:
            raise InputError("names no variant", "compare", None,
                             'write --what "WBTC threshold +3 points", or --what LABEL --set FIELD=VALUE, or --with FILE')
        made = [world_of(base, variant, output.common()) for variant in typed]
        from delever.analysis.comparison import compare
        from delever.report.comparison import check_figures, comparison_json, comparison_report
        from delever.report.comparison_chart import comparison_chart
        from delever.report.files import json_document

        result = _interruptible(lambda tell: compare(
            baseline_of(base, output.threads, tell), *(world for _, world in made), names=[label for label, _ in made],
            owners=output.owners_are(), progress=tell, threads=output.threads))
        check_figures(result, output.figures)
        output.write(result.differences, comparison_chart(result, output.figures) if output.chart is not None else "")
        if output.as_json:
            typer.echo(json_document("compare", comparison_json(result)))
        else:
            comparison_report(result, output.figures).print()
        end_if_strict(result.findings.to_pylist(), output.strict)


def sweep(
    world: WorldArgument,
    over: Annotated[
        list[str], typer.Option(metavar="FIELD=A,B,C", help="A field and its values, or volatility, depth, leverage or latency "
                                'and factors, "depth=x0.5,x1,x2"; may be given several times.')
    ],
    owners: OwnersOption = "stay",
    settings: Set = None,
    paths: Paths = None,
    seed: Seed = None,
    threads: Threads = None,
    figure: Figure = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a heat map over two fields (.svg).")] = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Run every combination of values on the same paths: a table, with two fields a map, and the steepest steps."""
    output = Output(settings or [], paths, seed, owners, threads, csv, parquet, chart, figure or [], as_json, strict)
    run_sweep(world, over, output)


def run_sweep(text: str, over: Sequence[str], output: Output) -> None:
    """`sweep`."""
    with user_errors():
        output.check()
        base, fields = load_world(text, output.common()), parse_over(over)
        from delever.analysis.sweeps import sweep
        from delever.report.comparison import check_figures
        from delever.report.files import json_document
        from delever.report.sweep import sweep_chart, sweep_json, sweep_report

        result = _interruptible(lambda tell: sweep(baseline_of(base, output.threads, tell), fields, output.owners_are(),
                                                   tell, output.threads))
        check_figures(result.comparison, output.figures)
        output.write(result.table, sweep_chart(result, output.figures) if output.chart is not None else "")
        if output.as_json:
            typer.echo(json_document("sweep", sweep_json(result)))
        else:
            sweep_report(result, output.figures).print()
        end_if_strict(result.findings.to_pylist(), output.strict)


def parse_over(texts: Sequence[str]) -> dict[str, list[str]]:
    """`FIELD=a,b,c` texts; a comma inside of brackets, or of a number such as 1,000, is no separator."""
    from delever.model.errors import InputError

    found: dict[str, list[str]] = {}
    for text in texts:
        field, equals, values = text.partition("=")
        parts = values_of(values)
        if not equals or not field.strip() or not parts:
            raise InputError("is not FIELD=a,b,c", "--over", text, "write for example scenario.prices.volatility.ETH=60 %,x1.5")
        if field.strip() in found:
            raise InputError("a field stands twice", "--over", field.strip(), "give all its values at once")
        found[field.strip()] = parts
    return found


def values_of(text: str) -> list[str]:
    """Values between commas: `100,200,300` are three, `1,000,2,000` two.

    Three digits behind a comma that begin with 0 belong to what stands before; that begin otherwise they may or may not, and
    are refused, but where all numbers have three.
    """
    def kept(run: re.Match[str]) -> str:
        first, *groups = run[0].split(",")
        of_three = [len(group) == 3 for group in groups]
        joins = [three and group[0] == "0" for three, group in zip(of_three, groups, strict=True)]
        if of_three != joins and not (all(of_three) and len(first) == 3 and not any(joins)):
            from delever.model.errors import InputError

            raise InputError("may be one number or several", "--over", run[0],
                             f"write {', '.join([first, *groups])} with spaces for several, {''.join([first, *groups])} for one")
        return first + "".join(f"{JOINS if join else ','}{group}" for join, group in zip(joins, groups, strict=True))

    marked = re.sub(r"(?<![\d.])\d+(?:,\d+)+", kept, text)
    return [part.strip().replace(JOINS, ",") for part in re.split(r",(?![^{\[]*[}\]])", marked) if part.strip()]


def _interruptible(work: Any) -> Any:
    try:
        with bar() as tell:
            return work(tell)
    except KeyboardInterrupt:
        raise interrupted("interrupted; nothing was written") from None
