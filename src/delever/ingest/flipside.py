"""Results of a query on Flipside: what its SDKs hold, and what its API answers.

The SDK: `{"queryId": ..., "status": "FINISHED", "columns": [...], "rows": [[...]], "records": [{...}], "page":
{"currentPageNumber", "totalPages", "totalRows"}}`; the API (getQueryRunResults): `{"jsonrpc": "2.0", "result": {"columnNames":
[...], "rows": [...], "page": {...}}}`. Columns are in upper case and are read as any table's; `__row_index` is the service's own.
Its CSV, and its JSON as a bare list of records, are tables like any other.
Source: docs.flipsidecrypto.xyz, "Query results"; CRAN, shroomDK, get_query_from_token; by these, no live answer was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delever.ingest.envelopes import Envelope, as_records, whole_result
from delever.model.errors import InputError

INDEX = "__row_index"
DONE = ("FINISHED", "QUERY_STATE_SUCCESS")


def _result(value: Any) -> Mapping[str, Any] | None:
    inner = value.get("result") if isinstance(value, Mapping) and "jsonrpc" in value else value
    is_result = isinstance(inner, Mapping) and "rows" in inner and ("columns" in inner or "columnNames" in inner)
    return inner if is_result else None


def told(value: Any) -> bool:
    """Columns and rows beside each other."""
    return _result(value) is not None


def rows(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Rows of a result that is complete, all of them."""
    result = _result(value) or {}
    status = result.get("status") or DONE[0]
    if status not in DONE:
        raise InputError("is not finished", value=str(status), remedy=f"ask again until it is {DONE[0]}")
    columns = result.get("columns") or result.get("columnNames")
    found = as_records(result.get("rows"), columns, FLIPSIDE.title)
    page = result.get("page")
    total = page.get("totalRows") if isinstance(page, Mapping) else None
    whole_result(len(found), total, "ask for all pages, or a larger page_size, and give one file")
    return [{name: cell for name, cell in row.items() if name != INDEX} for row in found]


FLIPSIDE = Envelope("Flipside", told, rows)
