"""The transactions of one path, as people read them: what happened when, by whom, and what it led to."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from delever.report.asked import asked_section, findings_remarks
from delever.report.document import Remarks, Report, Section

TOLD = ("time", "network", "event", "kind", "about", "price", "actor", "gives", "give", "gets", "get", "usd", "bid", "outcome",
        "because")


def replay_report(run: str, path: int, table: pa.Table, written: str, most: int, asked: pa.Table, findings: pa.Table) -> Report:
    """A digest by kind and outcome, then the first `most` transactions. written: the file that has them all.

    asked, findings: what the world states beside what came about on this path.
    """
    counts = table.group_by(["protocol", "kind", "outcome"], use_threads=False).aggregate([([], "count_all")])
    counts = counts.rename_columns([name.replace("count_all", "count") for name in counts.column_names])
    shown = table.select([name for name in TOLD if name == "time" or pc.any(used(table[name])).as_py()]).slice(0, most)
    notes = [f"All {table.num_rows:,} with every column: {written}"]
    if table.num_rows > most:
        notes.insert(0, f"The first {most} of {table.num_rows:,}.")
    notes.append("about: the account, or the feed that answers. because: the event that led to it; none: the outside, prices and "
                 "events. usd: worth of what it gets or closes; of a layer of a waterfall what it bore. price: what "
                 "the feed answers, else what the protocol sees of what is got, in its unit.")
    sections: tuple[Section | Remarks, ...] = (
        *findings_remarks("Warnings, of this path alone", findings, "warn"), Section("What happened", counts, keys=3),
        Section("Transactions", shown, tuple(notes), keys=2), asked_section(asked))
    return Report(f"Path {path} of {run}", sections)


def used(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where a column says something."""
    if pa.types.is_string(column.type):
        return pc.not_equal(column, "")
    return pc.is_valid(column) if pa.types.is_integer(column.type) else pc.not_equal(column, 0.0)
