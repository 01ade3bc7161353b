"""Results of Dune and Flipside in the envelopes of their APIs, read as tables; what is not all of a result is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import delever as dl
from delever.ingest.own_import import OwnBook, import_book
from delever.model.errors import InputError

ROWS = [
    {"user": "0xa", "symbol": "WETH", "side": "supply", "amount": "1234567890123456789.5", "block_number": 19},
    {"user": "0xa", "symbol": "USDC", "side": "borrow", "amount": 1500.25, "block_number": 19},
]
LEGS = [("0xa", "WETH", "collateral", 1234567890123456789.5), ("0xa", "USDC", "debt", 1500.25)]


def dune(**more: Any) -> dict[str, Any]:
    metadata = {"column_names": list(ROWS[0]), "row_count": 2, "total_row_count": 2}
    return {
        "execution_id": "01HK", "query_id": 7, "state": "QUERY_STATE_COMPLETED", "result": {"rows": ROWS, "metadata": metadata},
        **more,
    }  # fmt: skip


def flipside(**more: Any) -> dict[str, Any]:
    columns = [name.upper() for name in ROWS[0]]
    return {
        "queryId": "q", "status": "FINISHED", "columns": [*columns, "__row_index"],
        "rows": [[*row.values(), i] for i, row in enumerate(ROWS)],
        "page": {"currentPageNumber": 1, "totalPages": 1, "totalRows": 2}, **more,
    }  # fmt: skip


def imported(value: Any, folder: Path, **more: Any) -> OwnBook:
    file = folder / "result.json"
    file.write_text(json.dumps(value))
    return import_book([file], "lending", **more)


def refusal(value: Any, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        imported(value, folder)
    return str(caught.value).replace(f"{folder}/", "")


def legs(book: OwnBook) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in book.table.select(["account", "asset", "side", "amount"]).to_pylist()]


@pytest.mark.parametrize(
    "value",
    [
        dune(),
        flipside(),
        flipside(rows=[{name.upper(): value for name, value in row.items()} for row in ROWS]),
        {"jsonrpc": "2.0", "id": 1, "result": {"columnNames": list(ROWS[0]), "rows": [list(row.values()) for row in ROWS]}},
        [{name.upper(): value for name, value in row.items()} for row in ROWS],  # a download of Flipside's
    ],
    ids=["dune", "flipside", "flipside's records", "flipside's api", "bare records"],
)
def test_a_result_is_the_table_that_it_holds(tmp_path: Path, value: Any) -> None:
    found = imported(value, tmp_path)
    assert legs(found) == LEGS
    assert found.block == 19 and found.as_of == {"block": "19"}
    assert found.table.schema.metadata == {b"block": b"19"}
    assert dl.Book.from_table(found.table, protocol="p").number_of_accounts == 1


def test_columns_are_mapped_as_any_table_s(tmp_path: Path) -> None:
    value = dune()
    value["result"]["rows"] = [{"who": row.pop("user"), **row} for row in (dict(row) for row in ROWS)]
    assert legs(imported(value, tmp_path, mapping={"who": "account"})) == LEGS


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (dune(state="QUERY_STATE_EXECUTING"), "result.json is not finished: 'QUERY_STATE_EXECUTING'; ask again until it is"),
        (dune(result=None), "result.json has no result; ask for the results"),
        (dune(result={"rows": ROWS, "metadata": {"total_row_count": 300}}), "result.json has 2 of 300 rows; ask for all of them"),
        (dune(next_offset=2), "result.json is a page, and more follow: 'next_offset 2'"),
        (dune(result={"rows": "x"}), "result.json has no rows that can be read"),
        (flipside(page={"totalPages": 5, "totalRows": 9}), "result.json has 2 of 9 rows; ask for all pages"),
        (flipside(status="PENDING"), "result.json is not finished: 'PENDING'; ask again until it is FINISHED"),
        (flipside(columns=["USER"]), "row 1 has 6 cells and there are 1 columns; export it anew"),
    ],
)
def test_what_is_not_all_of_a_result_is_refused(tmp_path: Path, value: Any, line: str) -> None:
    assert line in refusal(value, tmp_path)


@pytest.mark.parametrize("column", ["tx_hash", "EVENT_NAME", "evt_index", "transaction_type"])
def test_a_table_of_transactions_is_no_book(tmp_path: Path, column: str) -> None:
    """Sums of what went in and out lack interest and liquidations."""
    value = dune()
    value["result"]["rows"] = [row | {column: "x"} for row in ROWS]
    assert f"is a table of transactions, not of balances: '{column}'; query balances" in refusal(value, tmp_path)
    assert legs(imported(value, tmp_path, mapping={column: ""})) == LEGS


def test_rows_of_several_blocks_are_told(tmp_path: Path) -> None:
    value = dune()
    value["result"]["rows"] = [ROWS[0], ROWS[1] | {"block_number": 21}]
    found = imported(value, tmp_path)
    assert found.block is None and "one block of all rows: they are of 19 to 21" in found.unknown
    assert not found.table.schema.metadata
