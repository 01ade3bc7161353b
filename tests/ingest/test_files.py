"""The one place where files are opened: regular ones of bounded size, as what their names say."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from delever.ingest import files
from delever.ingest.files import content, json_of, table, text, unpacked
from delever.model.errors import InputError


def refusal(call: object, *given: object) -> str:
    with pytest.raises(InputError) as caught:
        call(*given)  # type: ignore[operator]
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe cannot be read: 'it is a device or a pipe, and no file'" in refusal(content, tmp_path / "pipe")
    assert "/dev/zero cannot be read: 'it is a device or a pipe, and no file'" in refusal(content, Path("/dev/zero"))
    assert "cannot be read: 'it is a folder'" in refusal(content, tmp_path)
    assert "cannot be read: 'there is no such file'" in refusal(content, tmp_path / "none")


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "\ud800" * 300])
def test_a_name_that_no_file_can_have_is_a_line(tmp_path: Path, name: str) -> None:
    assert "cannot be read" in refusal(content, tmp_path / name)
    assert not files.exists(tmp_path / name)


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert content(tmp_path / "a", most=11) == b"x" * 11
    with pytest.raises(InputError, match="a is too large"):
        content(tmp_path / "a", most=10)


def test_what_is_packed_is_named_and_unpacks_to_no_more_than_a_file_may_hold(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_bytes(gzip.compress(b"a: 1"))
    assert "w.yaml is compressed: 'gzip'; unpack it first" in refusal(text, tmp_path / "w.yaml")
    packed = gzip.compress(b"ab") + gzip.compress(b"c" * 8)  # of two members, as gzip allows
    assert unpacked(packed, "x", 10) == b"ab" + b"c" * 8
    assert "x is too large: 'unpacked'" in refusal(unpacked, packed, "x", 9)
    assert "x cannot be unpacked: 'it ends in the middle'" in refusal(unpacked, packed[:-4], "x")
    assert unpacked(b"plain", "x", 1) == b"plain"


@pytest.mark.parametrize(("said", "line"), [
    ('{"a":' * 5000 + "1" + "}" * 5000, "x is nested too deep"),
    ("[" * 100_000, "x is nested too deep"),
    ('{"a": 1, "b": {"c": 1, "c": 2}}', "x: stands twice in an object: 'c'; keep one"),
    ('{"a": "\\ud800"}', "x has a sign that is no character"),
    ("{", "x is not JSON"),
    ("9" * 5000, "x is not JSON"),
])
def test_json_is_read_or_refused_in_a_line(said: str, line: str) -> None:
    assert line in refusal(json_of, said, "x")
    assert json_of('{"a": "\\ud83d\\ude00"}', "x") == {"a": "\U0001f600"}  # a whole pair is a character


def test_a_column_that_stands_twice_is_refused_in_every_kind_of_table(tmp_path: Path) -> None:
    assert "x: a column stands twice: 'units'" in refusal(table, b"units,b,units\n1,2,3\n", "t.csv", "x")
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["units", "units"]), tmp_path / "t.parquet")
    assert "x: a column stands twice: 'units'" in refusal(table, content(tmp_path / "t.parquet"), "t.parquet", "x")


def test_a_parquet_file_of_more_cells_than_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet.write_table(pa.table({"a": pa.array([1.0] * 1000)}), tmp_path / "t.parquet")
    assert table(content(tmp_path / "t.parquet"), "t.parquet", "x").num_rows == 1000
    monkeypatch.setattr(files, "MOST_CELLS", 999)
    assert "x is too large: '1,000 rows'" in refusal(table, content(tmp_path / "t.parquet"), "t.parquet", "x")
