"""Files that a browser drops: a world with its books, or a book for the world that is open, shown before it is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from delever.model.errors import InputError, StoppedError
from delever.web.session import Session
from delever.web.sources import Source

WORLDS = (".yaml", ".yml")
UNSAFE = re.compile(r"[^\w.+ -]")


@dataclass
class Intake:
    """What is being taken in."""

    shown: bool = False
    files: list[str] = field(default_factory=list)  # paths
    protocol: str = ""
    mapping: dict[str, str] = field(default_factory=dict)  # theirs -> ours, where the guess was changed
    names: dict[str, str] = field(default_factory=dict)  # their assets -> the world's
    found: dict[str, Any] = field(default_factory=dict)
    wrong: str = ""
    drops: int = 0

    def kind(self, session: Session) -> str:
        """Of the book, by the protocol that it is of."""
        return "lending" if self.protocol in session.world.get("lending", ()) else "perps"

    async def take(self, session: Session, names: Sequence[str]) -> None:
        """Files that lie in the session's folder."""
        paths = [path for name in names if (path := session.folder / "dropped" / Path(name).name).is_file()]
        self.wrong, self.shown = "", True
        if not paths:
            self.wrong = "nothing was dropped"
        elif any(path.suffix.lower() in WORLDS for path in paths):
            self.drops += 1
            folder = session.folder / f"world-{self.drops}"
            folder.mkdir()
            for path in paths:
                path.rename(folder / path.name)
            await self._world(session, folder)
        else:
            protocols = session.world.get("protocols", [])
            self.files, self.mapping, self.names = [str(path) for path in paths], {}, {}
            self.protocol = self.protocol if self.protocol in protocols else next(iter(protocols), "")
            await self.read(session)

    async def _world(self, session: Session, folder: Path) -> None:
        try:
            file = await session.quick.ask("draft", folder=str(folder))
        except (InputError, StoppedError) as error:
            session.fail(str(error))
            return
        name = f"{Path(file).stem} (dropped {self.drops})"
        session.own[name] = Source(name, "world", (file,))
        self.shown, self.files, self.found = False, [], {}
        await session.open(name)

    async def read(self, session: Session) -> None:
        """Read the book again, as it is said now."""
        self.wrong, self.found = "", {}
        try:
            self.found = await session.quick.ask(
                "read", files=self.files, kind=self.kind(session), protocol=self.protocol, mapping=self.mapping,
                names=self.names, out=str(session.folder / f"book-{self.protocol}-{self.drops}.parquet"))
        except (InputError, StoppedError) as error:
            self.wrong = str(error)

    async def use(self, session: Session) -> None:
        """The world goes on with this book."""
        if not self.found:
            return
        await session.set(f"protocols.{self.protocol}.book", self.found["out"])
        if session.error:
            self.wrong = session.error
            return
        session.view = replace(session.view, account="", collateral="", debt="")
        self.drops += 1
        self.shown, self.files, self.found = False, [], {}


def place_of(folder: Path, name: str) -> Path:
    """Where a file that is dropped is kept: under its own name, in the browser's own folder, whatever the name says."""
    target = folder / "dropped"
    target.mkdir(exist_ok=True)
    clean = UNSAFE.sub("_", Path(name.replace("\\", "/")).name).lstrip(".") or "file"
    return target / clean[-120:]
