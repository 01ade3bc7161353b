"""Lending books as protocols, indexers and contracts answer, told by their shape: one file a source, listed in READERS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from delever.ingest.aave_pool import AAVE
from delever.ingest.lending_answers import LendingReader, Token, table_of
from delever.ingest.messari import MESSARI
from delever.ingest.morpho_api import MORPHO
from delever.ingest.own_totals import Reconciled
from delever.model.errors import InputError

READERS = (MESSARI, MORPHO, AAVE)
KNOWN = ", ".join(reader.title for reader in READERS)


@dataclass(frozen=True)
class LendingReading:
    """Answers, read."""

    table: pa.Table  # account, owner, asset, side, amount, liquidation_threshold, and emode where there is one
    title: str
    stated: tuple[Reconciled, ...]  # the protocol's own totals beside those of the accounts read
    dropped: tuple[str, ...]
    unknown: tuple[str, ...]
    block: int | None
    time: datetime | None  # of the block, UTC


def reader_of(value: Any) -> LendingReader | None:
    """Whose answer a value is; None: no lending protocol's."""
    return next((reader for reader in READERS if reader.told(value)), None)


def read_lending(answers: Mapping[str, Any], names: Mapping[str, str] | None = None) -> LendingReading:
    """The book of answers by the file they are from, which are pages of one. names: symbols or addresses -> the world's names."""
    where = ", ".join(answers)
    readers = {file: reader_of(value) for file, value in answers.items()}
    kinds = {reader.title for reader in readers.values() if reader is not None}
    reader = next(iter(readers.values()))
    if reader is None or len(kinds) > 1 or None in readers.values():
        raise InputError("mixes sources", where, ", ".join(sorted(kinds)), "import them one by one")
    naming = Naming(names or {})
    try:
        lent = reader.read(list(answers.values()), naming)
        if not lent.legs:
            raise InputError("has no account that holds or owes anything", remedy="ask for positions with a balance")
        table = table_of(lent, naming)
    except InputError as error:
        raise (
            error.at(where) if not error.root else InputError(error.what, f"{where}, {error.root}", error.value, error.remedy)
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"{type(error).__name__} {error}"
        raise InputError("is not as documented", where, what, f"give the answer of {reader.title} as it was sent") from None
    unknown = ["owners: each address counts as a person of its own", *lent.unknown]
    unknown += ["the protocol's own totals: the answer has none, see --total"] if not lent.stated else []
    unknown += ["the block: the answer does not say it"] if lent.block is None else []
    time = datetime.fromtimestamp(lent.time, UTC) if lent.time is not None else None
    return LendingReading(table, reader.title, tuple(lent.stated), tuple(lent.dropped), tuple(unknown), lent.block, time)


class Naming:
    """Names of tokens: the world's where they are said, by address or symbol, else the symbol; no two tokens have one name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = {key.casefold(): name for key, name in names.items()}
        self.of: dict[str, Token] = {}

    def __call__(self, token: Token) -> str:
        name = self.names.get(token.address) or self.names.get(token.symbol.casefold()) or token.symbol
        other = self.of.setdefault(name, token)
        if other != token:
            remedy = f"tell them apart: --name {token.address}={name}.2" if token.address else "ask for the tokens' id too"
            raise InputError(f"two tokens are called {name}", value=f"{other.address}, {token.address}", remedy=remedy)
        return name
