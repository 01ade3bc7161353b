"""Kinds of damage to a run folder, and what is said of each: one with the parts of paths 0-2 and 3-5, or one that is complete."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from delever.run.assemble import assemble
from delever.run.chunk import simulate
from delever.run.parts import write_part
from delever.run.store import fingerprint, read_manifest
from run.small import everything

WORLD = everything(paths=9)
IDENTITY = ("world_hash", "inputs", "program", "trace")
Damage = Callable[[Path], object]


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "parts").iterdir())


def cut(share: float) -> Damage:
    return lambda folder: os.truncate(parts(folder)[0], int(share * parts(folder)[0].stat().st_size))


def flip(seed: int, name: str = "") -> Damage:
    """A bit of a file, the first part if none is named."""
    def damage(folder: Path) -> None:
        path = folder / name if name else parts(folder)[0]
        content = bytearray(path.read_bytes())
        content[random.Random(seed).randrange(len(content))] ^= 0x10
        path.write_bytes(bytes(content))
    return damage


def holds(name: str, content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)
    return damage


def first_part(make: Callable[[bytes], bytes]) -> Damage:
    """The first part holds something else."""
    return lambda folder: parts(folder)[0].write_bytes(make(parts(folder)[0].read_bytes()))


def copied(name: str) -> Damage:
    return lambda folder: shutil.copy(parts(folder)[0], folder / "parts" / name)


def edited(edit: Callable[[pa.Table], pa.Table]) -> Callable[[bytes], bytes]:
    """A part with another table in it."""
    def make(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(edit(pq.read_table(pa.BufferReader(content))), sink)
        return bytes(sink.getvalue().to_pybytes())
    return make


def another_loss(table: pa.Table) -> pa.Table:
    """All of a column the same; what else the part says stays."""
    place = table.schema.get_field_index("steps_run") if "steps_run" in table.column_names else 1
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array([7] * table.num_rows, field.type))


def swapped(folder: Path) -> None:
    """Two parts under each other's name."""
    one, other = parts(folder)[:2]
    one.rename(folder / "aside")
    other.rename(one)
    (folder / "aside").rename(other)


def misnamed(folder: Path) -> None:
    parts(folder)[0].rename(folder / "parts" / "zz.parquet")


def renamed(range_: str) -> Damage:
    """The first part says in its name that it is of other paths; its digest is right."""
    return lambda folder: parts(folder)[0].rename(folder / "parts" / f"{range_}{parts(folder)[0].name[19:]}")


def of_another_run(folder: Path) -> None:
    """A whole part of the world with another seed, and nothing where it should be."""
    parts(folder)[0].unlink()
    write_part(folder / "parts", "another run", simulate(assemble(WORLD.replace("scenario.seed", "12")), 0, 3, []))


def overlapping(folder: Path) -> None:
    """A right part of paths that others hold too."""
    key = fingerprint({name: read_manifest(folder)[name] for name in IDENTITY})
    write_part(folder / "parts", key, simulate(assemble(WORLD), 1, 4, []))


def a_link(name: str, target: str) -> Damage:
    """Something is moved out of the folder, and a link stands in its place."""
    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / target)
        (folder / name).symlink_to(folder.parent / target)
    return damage


def a_link_to_a_part(folder: Path) -> None:
    a_link(f"parts/{parts(folder)[0].name}", "moved")(folder)


def a_pipe(name: str) -> Damage:
    """Whoever reads from it waits for ever."""
    def damage(folder: Path) -> None:
        path = folder / name if name else parts(folder)[0]
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    return damage


def a_folder(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()
    return damage


def parts_are_a_file(folder: Path) -> None:
    shutil.rmtree(folder / "parts")
    (folder / "parts").touch()


def a_link_to_a_thesis(folder: Path) -> None:
    """In the place of the parts: what lies behind it would be tidied away with them."""
    (folder.parent / "victim").mkdir()
    (folder.parent / "victim" / "thesis.tex").write_text("the only copy")
    (folder / "parts").symlink_to(folder.parent / "victim")


def manifest_says(**changes: object) -> Damage:
    """Written by hand, so without its digest."""
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return damage


def a_row_less(folder: Path) -> None:
    pq.write_table(pq.read_table(folder / "paths.parquet").slice(1), folder / "paths.parquet")


# Each with what is said of it; empty: nothing.
ENDS_ALIKE: dict[str, tuple[Damage, str]] = {
    "nothing": (lambda folder: None, ""),
    **{f"a part cut to {share}": (cut(share), "is damaged") for share in (0.0, 0.5, 0.99)},
    **{f"a bit of a part flipped, {seed}": (flip(seed), "is damaged") for seed in range(14)},
    "a part of garbage": (first_part(lambda _: b"x" * 500), "is damaged"),
    "a part with a byte more": (first_part(lambda content: content + b"\n"), "is damaged"),
    "a part that is another table": (first_part(edited(lambda table: table.select([0]))), "is damaged"),
    "a part without metadata": (first_part(edited(lambda table: table.replace_schema_metadata(None))), "is damaged"),
    "a part with another column": (first_part(edited(another_loss)), "is damaged"),
    "a part with a row less": (first_part(edited(lambda table: table.slice(1))), "is damaged"),
    "parts under each other's name": (swapped, "is damaged"),
    "a part under no part's name": (misnamed, "is no part of a run"),
    "a part under the name of others": (renamed("000000006-000000009"), "holds paths 0 to 2, not those of its name"),
    "a copy that overlaps": (copied("000000001-000000004.parquet"), "is no part of a run"),
    "a copy beyond the end": (copied("000000009-000000012.parquet"), "is no part of a run"),
    "a right part that overlaps": (overlapping, "holds paths that another part holds too"),
    "a whole part of another run": (of_another_run, "is a part of another run"),
    "a part that is missing": (lambda folder: parts(folder)[0].unlink(), ""),
    "a part that is a link to it": (a_link_to_a_part, "cannot be read: it is a symbolic link"),
    "a part that is a pipe": (a_pipe(""), "cannot be read: it is no regular file"),
    "a folder in the place of a part": (a_folder("parts/000000006-000000009.parquet"), "is no part of a run"),
    "no folder of parts": (lambda folder: shutil.rmtree(folder / "parts"), ""),
    "a thesis among the parts": (holds("parts/thesis.tex", b"the only copy"), r"thesis\.tex is no part of a run"),
    "a thesis beside the manifest": (holds("thesis.tex", b"the only copy"), ""),
    "a part that was being written": (holds("parts/000000006-000000009-0123456789abcdef.parquet.7.part", b"PAR1"), ""),
    "a table of an attempt before": (holds("paths.parquet", b"PAR1"), ""),
}
ANEW = "name another folder with --out, or delete this one"
REFUSED: dict[str, tuple[Damage, str]] = {
    "a manifest of garbage": (holds("manifest.json", b"{"), rf"manifest\.json is damaged: .*; {ANEW}"),
    "an empty manifest": (holds("manifest.json", b""), r"manifest\.json is damaged"),
    "a manifest that is a list": (holds("manifest.json", b"[]"), r"manifest\.json is damaged"),
    "a manifest that is a number": (holds("manifest.json", b"5"), r"manifest\.json is damaged"),
    "a manifest in UTF-16": (holds("manifest.json", b"\xff\xfe{"), r"manifest\.json is damaged"),
    "a manifest without bottom": (holds("manifest.json", b"[" * 100_000), r"manifest\.json is damaged"),
    **{f"a bit of the manifest flipped, {seed}": (flip(seed, "manifest.json"), "manifest.json is damaged") for seed in range(3)},
    "a manifest that claims to be complete": (manifest_says(status="complete"), r"manifest\.json is damaged"),
    "a manifest of another run": (manifest_says(world_hash="0"), r"manifest\.json is damaged"),
    "a manifest that is a folder": (a_folder("manifest.json"), r"manifest\.json cannot be read: 'it is no regular file'"),
    "a manifest that is a pipe": (a_pipe("manifest.json"), r"manifest\.json cannot be read: 'it is no regular file'"),
    "a manifest that is a link": (a_link("manifest.json", "moved"), r"manifest\.json cannot be read: 'it is a symbolic link'"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "is not empty and holds no run"),
    "parts that are a file": (parts_are_a_file, "parts is not a folder"),
    "parts behind a link": (a_link("parts", "victim"), "parts is a symbolic link, and none is followed; move it away"),
    "a folder in the place of a table": (a_folder("paths.parquet"), r"paths\.parquet is no regular file, and a table of the run"),
    "a link in the place of a table": (lambda folder: (folder / "summary.parquet").symlink_to(folder.parent / "victim"),
                                       r"summary\.parquet is no regular file"),
}
CHANGED = "; put it back, or delete the run's folder and run it anew"
WHEN_COMPLETE: dict[str, tuple[Damage, str]] = {
    "a table cut": (lambda folder: os.truncate(folder / "paths.parquet", 500), rf"paths\.parquet has changed since .*{CHANGED}"),
    "a bit of a table flipped": (flip(1, "summary.parquet"), r"summary\.parquet has changed since the run"),
    "a row less": (a_row_less, r"paths\.parquet has changed since the run: 'it is not what was written there'"),
    "a table under another's name": (lambda folder: shutil.copy(folder / "summary.parquet", folder / "paths.parquet"),
                                     r"paths\.parquet has changed since the run"),
    "a table that is missing": (lambda folder: (folder / "trace.parquet").unlink(), r"trace\.parquet has .*'No such file"),
    "a table behind a link": (a_link("history.parquet", "moved"), r"history\.parquet has changed .*'it is a symbolic link'"),
    "a table that is a pipe": (a_pipe("history.parquet"), r"history\.parquet has changed .*'it is no regular file'"),
    "parts behind a link": (a_link_to_a_thesis, "parts is a symbolic link"),
    "a digest edited": (manifest_says(tables={}), r"manifest\.json is damaged"),
}
