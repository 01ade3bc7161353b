"""`delever import`: a book of whatever columns, or an exchange's answers, as a book that a world reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from delever.cli.options import end_if_strict, user_errors

if TYPE_CHECKING:
    from delever.ingest.own_import import OwnBook


LEFT_OUT, UNSAID = "row.left_out", "book.unsaid"  # codes of model/finding.py


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
    as_json: bool
    strict: bool = False


def run(files: Sequence[str], choice: Choice) -> None:
    """The command."""
    with user_errors():
        from delever.ingest.own_cells import number
        from delever.ingest.own_import import import_book
        from delever.ingest.own_totals import reconcile, totals_of
        from delever.model.book import Book, write_table
        from delever.report import json_document

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
        )
        where = f"{', '.join(files)} as read"  # rows are counted without what was dropped
        Book.from_table(found.table, where=where, protocol=choice.protocol or "own")  # every row is checked as a world does
        tolerance = number(choice.tolerance, "--tolerance") or 0.0
        totals = reconcile(found.table, pairs(choice.totals, "--total"), tolerance)
        if choice.out is not None:
            _may_be_written(choice.out, files)
            write_table(found.table, choice.out)
        findings = findings_of(found, ", ".join(files))
        if choice.as_json:
            typer.echo(
                json_document(
                    "import",
                    {
                        "files": list(files),
                        "as": choice.kind,
                        "out": str(choice.out) if choice.out else None,
                        "read": found.read,
                        "columns": found.columns,
                        "dropped": found.dropped,
                        "unknown": found.unknown,
                        "findings": findings,
                        "totals": totals_of(found.table),
                        "reconciled": [{"total": one.name, "given": one.given, "found": one.found} for one in totals],
                    },
                )
            )
        else:
            _print(found, totals_of(found.table), totals, choice.out)
        end_if_strict(findings, choice.strict)


def findings_of(found: OwnBook, where: str) -> list[dict[str, str]]:
    """What was dropped is a warning, what the files do not say a note: rows as those of a check."""
    from delever.model.finding import OK, WARN, Finding
    from delever.run.asked import findings_table

    dropped = [Finding(WARN, LEFT_OUT, where, line, "see that it is not wanted") for line in found.dropped]
    unknown = [Finding(OK, UNSAID, where, line, "say it in a column, or with --fill") for line in found.unknown]
    rows: list[dict[str, str]] = findings_table([*dropped, *unknown]).to_pylist()
    return rows


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


def _may_be_written(out: Path, files: Sequence[str]) -> None:
    from delever.model.errors import InputError

    if any(out.resolve() == Path(file).resolve() for file in files):
        raise InputError("is what is read", "--out", str(out), "name another file")
    if not out.parent.is_dir():
        raise InputError("is in a folder that is not there", "--out", str(out), f"make {out.parent}")


def _print(found: OwnBook, totals: Mapping[str, float], reconciled: Sequence[Any], out: Path | None) -> None:
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
    given = {one.name: one for one in reconciled}
    for name, value in totals.items():
        beside = f", given {given[name].given:,.10g}: reconciled" if name in given else ""
        typer.echo(f"total     {name} {value:,.10g}{beside}")
    typer.echo(f"written   {out}" if out is not None else "written   nothing: name a file with --out book.parquet")
