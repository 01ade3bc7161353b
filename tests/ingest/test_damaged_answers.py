"""Whatever is wrong in an answer, what comes of it is a book or one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.ingest.own_files import records
from delever.ingest.own_import import import_book
from delever.ingest.query_results import rows_of
from delever.model.book import Book
from delever.model.errors import InputError
from ingest.aave_market import market
from ingest.test_lending_answers import morpho, subgraph
from ingest.test_query_results import dune, flipside

JUNK: tuple[Any, ...] = (
    None, "", 0, -1, 1.5, "x", "1e400", "0x", "0xzz", [], {}, [[]], [{}], {"hex": "q"}, True, False, 10**80, "9" * 400,
    float("nan"), "\ud800", {"errors": [1]},
)  # fmt: skip
GONE = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to all that is in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


@pytest.mark.parametrize("answer", [market, subgraph, morpho, dune, flipside])
@settings(max_examples=120)
@given(st.data())
def test_a_damaged_answer_is_a_book_or_one_line(answer: Callable[[], Any], data: st.DataObject) -> None:
    value = json.loads(json.dumps(answer()))
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(value)) or [("data",)]))
        where = value
        for key in path[:-1]:
            where = where[key]
        junk = data.draw(st.sampled_from([*JUNK, GONE]))
        if junk is not GONE:
            where[path[-1]] = copy.deepcopy(junk)
        elif isinstance(where, dict):
            del where[path[-1]]
    said = ""
    try:
        rows = rows_of(value, "a.json")
        if rows is not None:
            assert records(list(rows), "a.json").columns
        else:
            Book.from_table(import_book([], "lending", fetched={"a.json": value}).table, protocol="p")
    except InputError as error:
        said = str(error)
    assert "\n" not in said
