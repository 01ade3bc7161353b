"""Who infects whom in a report: what the table says, on the paths that it is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from delever.analysis.contagion import contagion, contagion_of
from delever.report.html.figure import Given
from delever.report.html.infects import infects
from delever.report.html.page import html_report
from delever.run.stress import stress
from run.exchange_small import exchange
from run.small import everything, loan, one_market


def test_it_is_of_the_first_paths_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stress(everything(paths=4), keep=False, threads=1)
    found = contagion_of(run, 2, threads=1)
    assert found.equals(contagion(run.world.replace("scenario.paths", 2)).table.replace_schema_metadata(found.schema.metadata))
    assert found.schema.metadata == {b"paths": b"2"}
    kept: dict[str, pa.Table] = {}
    beside = "delever.analysis.contagion.{}_beside"
    monkeypatch.setattr(beside.format("keep"), lambda folder, manifest, name, table: kept.update({name: table}))
    monkeypatch.setattr(beside.format("kept"), lambda folder, manifest, name: kept.get(name))
    folder = replace(run, folder=tmp_path)
    assert contagion_of(folder, 2, threads=1) is kept["contagion.parquet"] is contagion_of(folder)


def rows(*found: tuple[str, str, float, float, float, float]) -> pa.Table:
    names = ("affected", "source", "in all", "from there", "low", "high")
    return pa.Table.from_pylist([{"figure": "loss", **dict(zip(names, one, strict=True))} for one in found])


def test_the_title_says_the_largest_that_is_surely_there() -> None:
    run = stress(exchange(lending=True, paths=1), keep=False, threads=1)
    table = rows(("perps", "pool", 9e6, 5e6, -1e6, 11e6), ("pool", "perps", 4e6, 3e6, 1e6, 5e6),
                 ("perps", "the others", 9e6, 9e6, 8e6, 1e7))
    found = infects(Given(run, contagion=table))
    assert found is not None and found.title == (
        "3M\u00a0USD of the 4M\u00a0USD that pool loses on average comes from the forced selling of perps")
    assert found.svg.count("<circle") == 4 and found.svg.count("stroke-dasharray") == 2 and "not significant" in found.svg
    none = infects(Given(run, contagion=rows(("perps", "pool", 9e6, 5e6, -1e6, 11e6))))
    assert none is not None and none.title.startswith("No protocol")
    assert infects(Given(run, contagion=rows(("perps", "pool", 0.0, 0.0, 0.0, 0.0)))) is None


def test_where_there_is_one_protocol_or_it_was_not_run_the_page_says_so() -> None:
    alone = stress(one_market(loan("a", 1.0, 1.0)), keep=False, threads=1)
    assert "There is one protocol: nobody to infect." in html_report(alone)
    assert "Not there: who infects whom; it takes further runs" in html_report(
        stress(exchange(lending=True, paths=1), keep=False, threads=1))
