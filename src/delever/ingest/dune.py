"""Results of a query on Dune, as its API answers: `GET /api/v1/query/{id}/results` or `/execution/{id}/results`.

`{"execution_id": ..., "state": "QUERY_STATE_COMPLETED", "next_offset": ..., "result": {"rows": [{column: value}], "metadata":
{"column_names": [...], "total_row_count": ...}}}`. Columns are those of the query, read as any table's; numbers of 256 bits come
as text. Its CSV is a table like any other.
Source: docs.dune.com, API reference, "Get query result"; by that, no live answer was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delever.ingest.envelopes import Envelope, as_records, whole_result
from delever.model.errors import InputError

DONE = "QUERY_STATE_COMPLETED"


def told(value: Any) -> bool:
    """An execution, whether or not it has a result."""
    return isinstance(value, Mapping) and "execution_id" in value and ("result" in value or "state" in value)


def rows(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Rows of an execution that is complete, all of them."""
    if value.get("state", DONE) != DONE:
        raise InputError("is not finished", "", value["state"], f"ask again until it is {DONE}")
    result = value.get("result")
    if not isinstance(result, Mapping):
        raise InputError("has no result", remedy="ask for the results of the execution")
    said = result.get("metadata")
    metadata = said if isinstance(said, Mapping) else {}
    found = as_records(result.get("rows"), metadata.get("column_names"), DUNE.title)
    remedy = "ask for all of them: limit and offset page, and the CSV has all"
    whole_result(len(found), metadata.get("total_row_count"), remedy)
    if value.get("next_offset") is not None:
        raise InputError("is a page, and more follow", value=f"next_offset {value['next_offset']}", remedy=remedy)
    return found


DUNE = Envelope("Dune", told, rows)
