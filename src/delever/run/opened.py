"""A finished run, opened again from its folder: its tables as they were written, and its world as it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from delever.model.errors import InputError
from delever.run.assemble import Model, assemble
from delever.run.seal import is_folder
from delever.run.store import describe, fingerprint, read_manifest, read_tables
from delever.worlds import load


class Opened(NamedTuple):
    """What a run's folder holds."""

    manifest: dict[str, Any]
    tables: dict[str, pa.Table]
    model: Model


def opened(folder: Path) -> Opened:
    """What stands in it. InputError: no finished run does, or the world's files or the program are no longer what they were."""
    manifest, tables = read_folder(folder)
    stated: Mapping[str, Any] = manifest["world"]
    if any("book" in protocol and isinstance(protocol["book"], Mapping) for protocol in stated["protocols"].values()):
        raise InputError("has a book that was in memory", str(folder), None, "use the Run where it was made")
    world = load(stated).located(Path(manifest["folder"]) if manifest.get("folder") else None, None)
    model = assemble(world)
    for name, digest in model.source.hashes.items():
        if manifest["inputs"].get(name) != digest:
            raise InputError("has changed since the run", str(name), None, "put the file back as it was, or run anew")
    if fingerprint(describe(world)) != manifest["world_hash"]:
        raise InputError("is the run of another version of the program", str(folder), None, "run it anew")
    return Opened(manifest, tables, model)


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Manifest and tables of a finished run's folder, every table as it was written."""
    remedy = "name the folder of a run, as delever stress made it"
    is_folder(folder, remedy)
    try:
        found = read_manifest(folder)
    except OSError as error:
        raise InputError("is no run", str(folder), error.strerror, remedy) from None
    if "world" not in found:
        raise InputError("is not finished", str(folder), found.get("status"), "start the same stress test again: it resumes")
    return found, read_tables(folder, found)
