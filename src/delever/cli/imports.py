"""`delever import`: a book of whatever columns, or answers of exchanges and protocols, as a book that a world reads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from delever import templates
from delever.cli.init import KINDS
from delever.cli.options import end_if_strict, not_there, user_errors

if TYPE_CHECKING:
    from delever.ingest.own_import import OwnBook
    from delever.ingest.own_totals import Reconciled

NODE = "DELEVER_RPC"  # environment variable: the address of a node, which may hold a key
GIVEN = "see what was dropped and which column was read, or allow it with --tolerance"
PART = "see what was dropped; if these are some of its accounts alone, write --part"


LEFT_OUT, UNSAID = "row.left_out", "book.unsaid"  # codes of model/finding.py
DONE = {"row.summed": "summed", "address.joined": "joined", "account.alike": "alike"}


@dataclass(frozen=True)
class Choice:
    """The options of the command."""

    kind: str
    out: Path | None
    mapping: Sequence[str]  # theirs=ours, columns
    fill: Sequence[str]  # ours=value
    names: Sequence[str]  # theirs=ours, assets and instruments
    totals: Sequence[str]  # name=number
    tolerance: str
    protocol: str | None
    account: str
    coin: str | None
    sheet: str | None
    collateral: str | None
    part: bool  # the book has some of the protocol's accounts
    exchange: str | None  # ccxt's name
    keys: Path | None
    rpc: str | None
    block: int | None
    accounts: Path | None
    provider: str | None
    pool: str | None
    save: Path | None
    as_json: bool
    strict: bool = False


def run(files: Sequence[str], choice: Choice) -> None:
    """The command."""
    with user_errors():
        from delever.ingest.own_cells import number
        from delever.ingest.own_import import import_book
        from delever.ingest.own_totals import beside, hold, totals_of
        from delever.model.book import Book, write_table
        from delever.model.errors import InputError
        from delever.report import json_document

        for target, option in ((choice.out, "--out"), (choice.save, "--save")):  # before the work
            if target is not None:
                _may_be_written(target, files, option)
        fetched, unsaid = _fetched(choice)
        found = import_book(
            files,
            choice.kind,
            mapping=pairs(choice.mapping, "--map"),
            fill=pairs(choice.fill, "--fill"),
            names=pairs(choice.names, "--name"),
            protocol=choice.protocol,
            account=choice.account,
            coin=choice.coin,
            sheet=choice.sheet,
            collateral=choice.collateral,
            fetched=fetched,
        )
        found.unknown += unsaid
        names = [*fetched, *files]
        where = f"{', '.join(names)} as read"  # rows are counted without what was dropped
        Book.from_table(found.table, where=where, protocol=choice.protocol or "own")  # every row is checked as a world does
        tolerance = number(choice.tolerance, "--tolerance") or 0.0
        totals = beside(found.table, pairs(choice.totals, "--total"))
        try:
            hold(totals, tolerance, "--total", "was given", GIVEN)
            if not choice.part:
                hold(found.stated, tolerance, ", ".join(names), "is the protocol's own", PART)
        except InputError:
            if not choice.as_json:  # what the totals are made of, beside what they should be
                _print(found, totals_of(found.table), totals, "nothing: a total does not add up", tolerance)
            raise
        if choice.out is not None:
            write_table(found.table, choice.out)
        findings = findings_of(found, ", ".join(files))
        if choice.as_json:
            typer.echo(
                json_document(
                    "import",
                    {
                        "files": names,
                        "as": choice.kind,
                        "out": str(choice.out) if choice.out else None,
                        "read": found.read,
                        "columns": found.columns,
                        "dropped": found.dropped,
                        "unknown": found.unknown,
                        "findings": findings,
                        "totals": totals_of(found.table),
                        "reconciled": [{"total": one.name, "given": one.given, "found": one.found} for one in totals],
                        "protocol": [
                            {"total": one.name, "given": one.given, "found": one.found, "apart": one.apart}
                            for one in found.stated
                        ],
                        "as_of": found.as_of,
                    },
                )
            )
        else:
            written = str(choice.out) if choice.out is not None else "nothing: name a file with --out book.parquet"
            _print(found, totals_of(found.table), totals, written, tolerance)
        end_if_strict(findings, choice.strict)


def findings_of(found: OwnBook, where: str) -> list[dict[str, str]]:
    """What was dropped is a warning, what the files do not say a note: rows as those of a check."""
    from delever.model.finding import OK, WARN, Finding, as_finding
    from delever.run.asked import findings_table

    made = [as_finding(note) for note in found.notes]
    dropped = [Finding(WARN, LEFT_OUT, where, line, "see that it is not wanted") for line in found.dropped]
    unknown = [Finding(OK, UNSAID, where, line, "say it in a column, or with --fill") for line in found.unknown]
    rows: list[dict[str, str]] = findings_table([*made, *dropped, *unknown]).to_pylist()
    return rows


def _fetched(choice: Choice) -> tuple[dict[str, Any], list[str]]:
    """Answers of an exchange or a node by what they are called, and what they cannot say."""
    from delever.model.errors import InputError

    address = _node(choice)
    unknown: list[str] = []
    found: dict[str, Any] = {}
    if choice.exchange is not None:
        from delever.ingest.ccxt_fetch import fetch

        value, unknown = fetch(choice.exchange, choice.keys, choice.account)
        found = {choice.exchange: value}
    elif address is not None:
        from delever.ingest import aave_rpc
        from delever.ingest.json_rpc import Node

        accounts, node = aave_rpc.read_accounts(choice.accounts or ""), Node(address)
        value = aave_rpc.fetch(node, choice.provider or "", choice.pool or "", choice.block or 0, accounts)
        found = {f"{node.shown}, block {choice.block}": value}
    if choice.save is not None:
        import json

        if not found:
            raise InputError("needs --exchange or --rpc", "--save", remedy="it keeps what is fetched; a file is there already")
        choice.save.write_text(json.dumps(next(iter(found.values())), indent=1), encoding="utf-8")
    return found, unknown


def _node(choice: Choice) -> str | None:
    """The node that is asked, if one is; options that go with it, and with an exchange, are there."""
    from delever.model.errors import InputError

    goes_with = {
        "--block": choice.block,
        "--accounts": choice.accounts,
        "--provider": choice.provider,
        "--pool": choice.pool,
    }
    missing = [option for option, value in goes_with.items() if value is None]
    asked = choice.rpc is not None or len(missing) < len(goes_with)
    address = (choice.rpc or os.environ.get(NODE)) if asked else None
    if asked and not address:
        raise InputError("is not said", "--rpc", remedy=f"name the node, or set {NODE}")
    if asked and missing:
        remedy = "a book is pinned to a block, of accounts that are listed, through the contracts that are named"
        raise InputError(f"needs {', '.join(missing)}", "--rpc", remedy=remedy)
    if asked and choice.exchange is not None:
        raise InputError("cannot stand beside --exchange", "--rpc", remedy="import them one by one: they are two books")
    if choice.exchange is None and choice.keys is not None:
        raise InputError("needs --exchange", "--keys", remedy="name the exchange")
    return address


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`a=b` texts as a mapping; b may be empty. The last `=` parts them: names of columns may have one."""
    from delever.model.errors import InputError

    out: dict[str, str] = {}
    for text in texts:
        left, equals, right = text.rpartition("=")
        if not equals or not left.strip():
            raise InputError("is not NAME=VALUE", option, text, "write for example --map wallet=account")
        if left.strip() in out:
            raise InputError("says it twice", option, left.strip(), "keep one")
        out[left.strip()] = right.strip()
    return out


def _may_be_written(out: Path, files: Sequence[str], option: str) -> None:
    from delever.model.errors import InputError

    if any(out.resolve() == Path(file).resolve() for file in files):
        raise InputError("is what is read", option, str(out), "name another file")
    if not out.parent.is_dir():
        raise InputError("is in a folder that is not there", option, str(out), f"make {out.parent}")
    if not _is_template(out):
        not_there(out, option)


def _is_template(out: Path) -> bool:
    """Whether it is a book that `delever init` left and nobody has changed: there for being written over."""
    kinds = [files for files in map(templates.files, KINDS) if out.name in files]
    return out.is_file() and any(out.read_bytes() == files[out.name].encode() for files in kinds)


def _print(
    found: OwnBook, totals: Mapping[str, float], reconciled: Sequence[Reconciled], written: str, tolerance: float
) -> None:
    for line in found.read:
        typer.echo(f"read      {line}")
    for file, columns in found.columns.items():
        for theirs, own in columns.items():
            if own:
                typer.echo(f"column    {theirs} is {own}" + (f" ({file})" if len(found.columns) > 1 else ""))
    for label, lines, code in (("dropped", found.dropped, LEFT_OUT), ("unknown", found.unknown, UNSAID)):
        for line in lines:
            typer.echo(f"{label:9s} {line} [{code}]")
        if not lines:
            typer.echo(f"{label:9s} nothing")
    for one in found.notes:
        typer.echo(f"{DONE[one.code]:9s} {one.where}: {one.value} [{one.code}]")
    given = {total.name: total for total in reconciled}
    for name, value in totals.items():
        typer.echo(f"total     {name} {value:,.10g}{_beside(given.get(name), tolerance)}")
    for line in _own_totals(found.stated, tolerance):
        typer.echo(f"protocol  {line}")
    if found.as_of:
        as_of = found.as_of.get("as_of")
        block = f"block {found.as_of['block']}" if "block" in found.as_of else ""
        moment = f"{as_of}: the world's as_of" if as_of else ""
        typer.echo(f"as of     {', '.join(part for part in (block, moment) if part)}")
    typer.echo(f"written   {written}")


def _beside(total: Reconciled | None, tolerance: float) -> str:
    """What was given beside a total of the book."""
    if total is None:
        return ""
    return f", given {total.given:,.10g}: " + ("reconciled" if total.apart <= tolerance else f"{total.apart:.3%} apart")


def _own_totals(stated: Sequence[Any], tolerance: float) -> list[str]:
    """How the accounts read stand beside the protocol's own totals: those that are apart, and how many are not."""
    apart = [one for one in stated if one.apart > tolerance]
    lines = [f"{one.name} {one.found:,.10g} of its {one.given:,.10g}: {one.apart:.3%} apart" for one in apart]
    close = [one for one in stated if one.apart <= tolerance]
    if close:
        worst = max(close, key=lambda one: float(one.apart))
        beyond = f", at most {100.0 * worst.apart:.3g} % apart ({worst.name})" if worst.apart else ""
        lines.append(f"{len(close)} of its totals reconciled{beyond}")
    return lines
