"""Files are found beside the world, then under DELEVER_DATA; what is read is hashed; what cannot be read is said."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from delever.ingest.source import Source
from delever.model.errors import InputError


def test_a_file_beside_the_world_wins_over_one_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, data = tmp_path / "world", tmp_path / "data"
    for folder, text in ((world, '{"a": 1}'), (data, '{"a": 2}')):
        folder.mkdir()
        (folder / "x.json").write_text(text)
    monkeypatch.setenv("DELEVER_DATA", str(data))
    assert Source(world).json("x.json") == {"a": 1}
    assert Source(None).json("x.json") == {"a": 2}


def test_what_is_read_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    source = Source(tmp_path)
    assert source.table("t.csv").to_pylist() == [{"a": 1, "b": 2}]
    assert source.hashes == {"t.csv": hashlib.sha256(b"a,b\n1,2\n").hexdigest()}


@pytest.mark.parametrize(("name", "content", "said"), [
    ("none.csv", None, "set DELEVER_DATA, which is not set"),
    ("bad.json", "{", "is not JSON"),
    ("list.json", "[1]", "is not a JSON object"),
    ("cut.parquet", "PAR1 and no more", "cannot be read as Parquet"),
    ("table.txt", "a", "is not a table"),
])
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str,
                                                 content: str | None, said: str) -> None:
    monkeypatch.delenv("DELEVER_DATA", raising=False)
    if content is not None:
        (tmp_path / name).write_text(content)
    source = Source(tmp_path)
    with pytest.raises(InputError, match=said) as found:
        source.json(name) if name.endswith("json") else source.table(name)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(("name", "content", "line"), [
    ("book.csv", b"\x1f\x8b\x08\x00", r"book\.csv is compressed; end its name with \.csv\.gz"),
    ("book.csv", b"\xff\xfe,\xc3\x28\n1,2\n", "cannot be read as CSV"),
    ("book.json", b"[" * 100_000, "is nested too deep"),
])
def test_a_book_that_is_something_else_is_answered_in_one_line(tmp_path: Path, name: str, content: bytes, line: str) -> None:
    (tmp_path / name).write_bytes(content)
    read = Source(tmp_path).json if name.endswith("json") else Source(tmp_path).book
    with pytest.raises(InputError, match=line):
        read(name)


@pytest.mark.parametrize("name", ["a" * 5000 + ".csv", "a\0.csv"])
def test_a_name_that_no_file_can_have_is_answered(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="file not found"):
        Source(tmp_path).book(name)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world's folder, the data and something private beside them, each with a table; a link leads out of the first."""
    for name in ("world", "data", "private"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / f"{name}.csv").write_text("a\n1\n")
    (tmp_path / "world" / "link").symlink_to(tmp_path / "private")
    monkeypatch.setenv("DELEVER_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("name", ["../private/sub/private.csv", "{}/private/sub/private.csv", "link/sub/private.csv",
                                  "sub/../../private/sub/private.csv", "/etc/passwd.csv", "/dev/zero"])
def test_a_strangers_world_reads_below_its_folder_and_the_data_alone(places: Path, name: str) -> None:
    name = name.format(places)
    with pytest.raises(InputError, match=r"is outside of the world's folder: '.*; put it there or below DELEVER_DATA; --allow"):
        Source(places / "world", ()).table(name)


def test_what_lies_there_or_was_named_by_the_user_is_read(places: Path) -> None:
    stranger = Source(places / "world", ())
    for name in ("sub/world.csv", "sub/data.csv", f"{places}/world/sub/world.csv", "sub/../sub/world.csv"):
        assert stranger.table(name).num_rows == 1
    assert Source(places / "world", ["../private/sub/private.csv"]).table("../private/sub/private.csv").num_rows == 1
    assert Source(places / "world", [f"{places}/private"]).table(f"{places}/private/sub/private.csv").num_rows == 1
    assert Source(places / "world").table("link/sub/private.csv").num_rows == 1  # of a world in Python everything is the user's
    with pytest.raises(InputError, match="outside"):  # one name opens no other
        Source(places / "world", ["../private/sub/other.csv"]).table("../private/sub/private.csv")


def test_a_key_that_stands_twice_in_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"positions": [{"size": 1, "size": 2}]}')
    with pytest.raises(InputError, match="stands twice in an object: 'size'"):
        Source(tmp_path).json("answer.json")
