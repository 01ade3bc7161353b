"""The commands and their options. Anything heavy is imported inside a command, so that `--help` is instant."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from delever import __version__
from delever.cli import import_command, monitor, passage, systemic, twin
from delever.cli.arguments import (
    Base,
    Csv,
    Figure,
    Force,
    Json,
    Outside,
    Owners,
    Parquet,
    Paths,
    Seed,
    Set,
    Strict,
    Threads,
    World,
)
from delever.cli.options import heed_signals
from delever.cli.variants import ORDER, InOrder

app = typer.Typer(
    name="delever",
    help="Stress tests of systemic deleveraging: how much breaks at which price, and does selling feed on itself?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"delever {__version__}")
        raise typer.Exit


@app.callback()
def delever(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """The options of the command itself."""


@app.command()
def stress(
    world: World,
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
    from delever.cli import stress as command

    choice = command.Choice(
        order, find_critical, paths, seed, out, threads, memory, trace, concentration, remainder, outcomes, as_json, strict
    )
    command.run(world, settings or [], choice)


@app.command()
def wall(
    world: World,
    shock: Annotated[
        str,
        typer.Option(help='A price move, "-5%" or "x0.7", or a range of them, "-60%..0%"; without --asset of several at once: '
                     '"ETH -30 %, WBTC -20 %", "all -20 %", "factor ETH -30 %", or a day by date or name, "12 March 2020", "FTX" '
                     '(delever explain days).'),
    ],
    asset: Annotated[str | None, typer.Option(help="The asset that is shocked, e.g. ETH.")] = None,
    step: Annotated[str | None, typer.Option(metavar="SHARE", help='Step of a range, "2 %"; 5 % if not told.')] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Number of shocks of a range, in place of a step.")] = None,
    positions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every position with owner and liquidation price: if only this coin moves, and "
                     "along the shock (.csv or .parquet)."),
    ] = None,
    sort: Annotated[str, typer.Option(metavar="COLUMN", help="Order of the positions.")] = "move",
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the eligible accounts, a row a leg (.csv or .parquet).")
    ] = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the wall of a range of shocks (.svg).")] = None,
    settings: Set = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Show what is liquidatable after a shock to one asset, or to several at once."""
    from delever.cli import wall as command

    targets = command.Targets(accounts, csv, parquet, chart, positions, sort)
    command.run(world, settings or [], command.Shock(asset, shock, step, count), targets, as_json, strict)


@app.command()
def criticality(
    world: World,
    asset: Annotated[str | None, typer.Option(help="The asset that falls, e.g. ETH.")] = None,
    shock: Annotated[
        str,
        typer.Option(help='How far to look, "-30%", or "40%" for rises; without --asset of several: "ETH -30 %, WBTC -20 %", '
                     '"12 March 2020".'),
    ] = "-60%..0%",
    step: Annotated[str | None, typer.Option(metavar="SHARE", help='Between two prices, "2 %"; 1 % if not told.')] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Number of prices, in place of a step.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures by price as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures by price as Parquet.")] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the branching ratio by price (.svg).")] = None,
    settings: Set = None,
    allow_outside: Outside = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Say at which prices selling feeds on itself, how far it then runs, and along which loop."""
    from delever.cli import criticality as command

    targets = command.Targets(csv, parquet, chart)
    command.run(world, settings or [], command.Way(asset, shock, step, count), targets, as_json, strict)


@app.command()
def solvency(
    world: World,
    shock: Annotated[
        str | None,
        typer.Option(help='Also after a shock: "ETH -30 %", "all -20 %", "factor ETH -30 %", "12 March 2020", ranges too; with '
                     '--asset "-30%".'),
    ] = None,
    asset: Annotated[str | None, typer.Option(help="The asset that is shocked, e.g. ETH.")] = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw what is short by protocol (.svg).")] = None,
    settings: Set = None,
    force: Force = False,
    allow_outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Say what protocols are worth at the oracles' prices, the market's, and at what collateral would fetch."""
    from delever.cli import solvency as command

    command.run(world, settings or [], command.Asked(asset, shock, csv, parquet, chart), as_json)


@app.command()
def limits(
    world: World,
    share: Annotated[str, typer.Option(help="Of a cap, and of what is supplied: liquidated at once.")] = "25 %",
    slippage: Annotated[
        str | None, typer.Option(help="That this may lose; what the asset's incentive pays for, if not told.")
    ] = None,
    shock: Annotated[
        str | None, typer.Option(help='Before it, for collateral factors: "ETH -20 %", "12 March 2020"; all -20 % if not told.')
    ] = None,
    asset: Annotated[str | None, typer.Option(help="The only collateral whose factors are shown.")] = None,
    caps: Annotated[str | None, typer.Option(metavar="UNITS", help='Caps to try, of --asset: "10k, 20k, 50k".')] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the factors by cap as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the factors by cap as Parquet.")] = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the factors by cap (.svg).")] = None,
    settings: Set = None,
    force: Force = False,
    allow_outside: Outside = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Hold loan terms and caps against oracles, spirals and depth; show which collateral backs which debt."""
    from delever.cli import limits as command

    asked = command.Asked(share, slippage, shock, asset, caps, csv, parquet, chart)
    command.run(world, settings or [], asked, as_json, strict)


@app.command()
def reverse(
    world: World,
    limit: Annotated[
        str, typer.Option(help='What must not happen: "any bad debt", "bad debt > 1 % of debt", "liquidated > 20 %", "fund runs '
                          'dry", "price of stETH < 0.9", or a figure or column of a run, "lar > 5m".')
    ],
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="WAYS", help='Of shock, order, oracle, outage, congestion, alone or with a name: "order stETH", '
                     '"shock all", "shock ETH -30 %, WBTC -20 %"; all but congestion if not told.'),
    ] = None,
    share: Annotated[str, typer.Option(help="Share of paths on which the limit must break; 50 %: the median.")] = "50 %",
    at: Annotated[str, typer.Option(metavar="TIME", help="When it happens, from the start.")] = "0 s",
    lasting: Annotated[str, typer.Option(metavar="TIME", help="How long a push of a feed or a crowd lasts.")] = "10 min",
    paths: Annotated[int | None, typer.Option(min=1, help="Number of price paths, instead of 20 of the world's.")] = None,
    seed: Seed = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the sizes with their intervals (.svg).")] = None,
    settings: Set = None,
    force: Force = False,
    allow_outside: Outside = False,
    as_json: Json = False,
) -> None:
    """Search the smallest and the cheapest shock, order, push of a feed or outage that breaks a limit."""
    from delever.cli import reverse as command

    command.run(world, settings or [], command.Asked(limit, by or [], share, paths, seed, at, lasting),
                command.Targets(csv, parquet, chart), as_json)


@app.command()
def check(
    world: World, settings: Set = None, allow_outside: Outside = False, as_json: Json = False, strict: Strict = False
) -> None:
    """Validate a world; show who sees which price."""
    from delever.cli import check as command

    command.run(world, settings or [], as_json, strict)


@app.command()
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as stress made it.")],
    path: Annotated[int, typer.Option(help="The path that is played again.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where its transactions are written (.parquet), instead of into RUN.")
    ] = None,
    declined: Annotated[bool, typer.Option("--declined", help="Also what was offered and nobody took.")] = False,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Play one path of a run again, alone; print and write every transaction."""
    from delever.cli import replay as command

    command.run(run, path, out, declined, as_json, strict)


@app.command()
def change(
    first: Annotated[str, typer.Argument(metavar="FIRST", help="Folder of a run, or a world: where it stood.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="Folder of a run, or a world: where it stands.")],
    figure: Figure = None,
    method: Annotated[
        str, typer.Option(metavar="sequential|shapley", help="Group by group in an order, or the mean over all orders: 2^n "
                                                             "worlds.")
    ] = "sequential",
    order: Annotated[
        str | None, typer.Option(metavar="GROUPS", help="Of sequential: prices,positions,parameters,scenario if not told.")
    ] = None,
    threads: Threads = None,
    csv: Csv = None,
    parquet: Parquet = None,
    chart: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the waterfalls (.svg).")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say why figures changed: by prices, positions, parameters, scenario, and the program's version; parts add up exactly."""
    from delever.cli import change as command

    way = command.Way(figure or [], method, order, threads)
    command.run(first, second, way, command.Targets(csv, parquet, chart), as_json)


@app.command()
def outcomes(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, as stress --outcomes made it.")],
    csv: Csv = None,
    parquet: Parquet = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say by what people are judged: time unhealthy, regret, markouts, who lost what, recovery, buffers left unused."""
    from delever.cli import outcomes as command

    command.run(run, csv, parquet, as_json)


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of a run; further ones are compared with the first.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it goes (.html), instead of report.html in RUN.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="NAME", help="What each further run is called.")] = None,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="The same on paper (.pdf), by an installed browser.")] = None,
    twin: Annotated[bool, typer.Option("--twin", help="Run it again with nobody liquidated; draw the difference.")] = False,
    contagion: Annotated[
        bool, typer.Option("--contagion", help="Run its first 100 paths with each protocol spared, and draw who infects whom.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write what a run says as one HTML file: the answer first, every figure defined."""
    from delever.cli import report as command

    command.run(runs, out, label or [], pdf, command.More(twin, contagion), as_json)


@app.command()
def serve(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORLD|RUN]", help="Worlds and folders of runs to choose from; of several runs the first is "
                       "compared with the others. Embedded worlds are there always."),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where it listens. Anything but this machine alone (0.0.0.0: every network) is "
                          "entered with the random token of the link that is printed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 takes a free one.")] = 8050,
    show: Annotated[bool, typer.Option("--show", help="Open it in the browser.")] = False,
    threads: Threads = None,
) -> None:
    """Open a page on this machine: walls that follow a slider, what-ifs, runs, and whom they reach. Ctrl-C stops it."""
    from delever.cli import serve as command

    command.run(names or [], host, port, show, threads)


@app.command()
def contagion(
    world: World,
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
    from delever.cli import contagion as command

    if network:
        command.run_network(world, settings or [], shock, chart, as_json, strict)
    else:
        command.run(world, settings or [], group or [], paths, seed, as_json, strict)

app.command("import", epilog=import_command.EXAMPLES)(import_command.import_book)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    lending: Annotated[bool, typer.Option("--lending", help="A lending protocol.")] = False,
    perps: Annotated[bool, typer.Option("--perps", help="A perpetual exchange; with --lending, both.")] = False,
) -> None:
    """Leave a commented world, a template of a book and a README, which run as they are."""
    from delever.cli import init as command

    command.run(folder, lending, perps)


@app.command(cls=InOrder)
def compare(
    context: typer.Context,
    world: World,
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
    owners: Owners = "stay",
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
    from delever.cli import compare as command

    output = command.Output(base or [], paths, seed, owners, threads, csv, parquet, chart, figure or [], as_json, strict)
    command.run(world, context.meta.get(ORDER, []), output)


@app.command()
def sweep(
    world: World,
    over: Annotated[
        list[str], typer.Option(metavar="FIELD=A,B,C", help="A field and its values, or volatility, depth, leverage or latency "
                                'and factors, "depth=x0.5,x1,x2"; may be given several times.')
    ],
    owners: Owners = "stay",
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
    from delever.cli import compare as command

    output = command.Output(settings or [], paths, seed, owners, threads, csv, parquet, chart, figure or [], as_json, strict)
    command.run_sweep(world, over, output)


@app.command()
def explain(
    name: Annotated[
        str, typer.Argument(metavar="[KIND|FIELD|FIGURE|CODE]", help="Of anything in a world or a result; `days` of the past.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what a kind, a field, a figure or a code of findings is: unit, default, range, example, definition."""
    from delever.cli import explain as command

    command.run(name, as_json)


@app.command()
def shell(
    context: typer.Context, world: World, settings: Set = None, allow_outside: Outside = False, as_json: Json = False
) -> None:
    """Keep a world loaded and answer a line at a time: what-ifs, walls, changes and their undoing."""
    from delever.cli import shell as command

    command.run(context.parent.command if context.parent else None, world, settings or [], as_json)


passage.add_to(app)
systemic.add_to(app)
app.command()(twin.twin)
monitor.add_to(app)


def main() -> None:
    """Entry point of the installed command; what a terminal has no sign for is written as its number."""
    heed_signals()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
