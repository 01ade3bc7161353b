"""The options of `delever import`; what it does stands in `imports`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from delever.cli.arguments import Force, Json, Strict

EXAMPLES = """Several accounts: of a table a column says whose each row is. Of an exchange one file of {"NAME": its answer, ...},
where an answer of parts is {"positions": ..., "balance": ...}; or a file each of one kind of answer, accounts called by the
files' names; or a folder each, where the files of one account lie together. Of a lending protocol pages of one book.

Examples:

delever import loans.csv --as lending --out book.parquet --total debt.USDC=2,100,000

delever import accounts.json --as perps --out positions.csv

delever import desk1/*.json desk2/*.json --as perps --out positions.csv

delever import page1.json page2.json --as lending --out book.parquet

delever import --exchange okx --keys keys.json --as perps --out positions.csv

delever import --rpc http://localhost:8545 --block 19000000 --accounts accounts.txt --provider 0x... --pool 0x... --as lending"""


def import_book(
    kind: Annotated[str, typer.Option("--as", metavar="lending|perps", help="What the book is of.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Tables (.csv, .parquet, .xlsx, .jsonl); answers of an exchange, a subgraph, "
            "Dune, Flipside, Morpho or Aave (.json).",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the book is written (.parquet or .csv).")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="THEIRS=OURS", help="Which column is which; THEIRS= leaves one out.")
    ] = None,
    fill: Annotated[
        list[str] | None, typer.Option(metavar="OURS=VALUE", help="A column that the file lacks, the same in every row.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="THEIRS=OURS", help="An asset (or its address) or instrument under the world's name."),
    ] = None,
    total: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", help="A total that must come out: collateral=..., debt.USDC=..., accounts=...."),
    ] = None,
    tolerance: Annotated[str, typer.Option(help="How far a total may be apart.")] = "0.01 %",
    part: Annotated[
        bool, typer.Option("--part", help="Some of the protocol's accounts: say how far its totals are apart, refuse nothing.")
    ] = False,
    protocol: Annotated[str | None, typer.Option(help="Only rows of this protocol, or what all rows are of.")] = None,
    account: Annotated[str, typer.Option(help="Who the one account of an exchange's answer is.")] = "own",
    coin: Annotated[str | None, typer.Option(help="Of contracts margined in coins: which coin's account, or USD.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a spreadsheet, instead of the first.")] = None,
    collateral: Annotated[
        str | None, typer.Option(metavar="once|each", help="How a balance counts that stands in each cross row of an account.")
    ] = None,
    exchange: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Fetch positions through ccxt, by its name: okx, bybit, binanceusdm, ..."),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON file with keys that only read; without it OKX_APIKEY, OKX_SECRET, ... are read."),
    ] = None,
    rpc: Annotated[
        str | None, typer.Option(metavar="URL", help="Read a market of Aave v3 from a node; without it $DELEVER_RPC.")
    ] = None,
    block: Annotated[int | None, typer.Option(min=0, metavar="N", help="Of a node: the block.")] = None,
    accounts: Annotated[Path | None, typer.Option(metavar="FILE", help="Of a node: addresses, one a line.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="0x...", help="Of a node: the contract UiPoolDataProvider.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="0x...", help="Of a node: the market's PoolAddressesProvider.")] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what is fetched as a JSON file that import reads again.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Read a book of any columns, or answers of exchanges and protocols; say what was read, dropped and cannot be known."""
    from delever.cli import imports as command

    command.run(
        files or [],
        command.Choice(
            kind,
            out,
            mapping or [],
            fill or [],
            name or [],
            total or [],
            tolerance,
            protocol,
            account,
            coin,
            sheet,
            collateral,
            part,
            exchange,
            keys,
            rpc,
            block,
            accounts,
            provider,
            pool,
            save,
            as_json,
            strict,
        ),
    )
