"""What `delever init` leaves in a folder: a world, template books and a README for each kind."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def files(kind: str) -> dict[str, str]:
    """Name -> content of the files of a kind: lending, perps or both."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((FOLDER / kind).iterdir()) if path.is_file()}
