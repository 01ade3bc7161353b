"""Files: worlds, books, exchanges' answers; how each is changed and given to what reads it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import yaml
from tests.fuzz import mutate
from tests.fuzz.corpus import FOLDER, located, looked_at, template
from tests.ingest import test_exchanges, test_own_book, test_positions

from delever import worlds
from delever.ingest.own_import import import_book
from delever.ingest.positions import read_export
from delever.model.book import Book
from delever.model.errors import InputError

# --- worlds -------------------------------------------------------------------------------------------------

def of_mapping(value: Any, rng: Random) -> Any:
    """A world built in Python."""
    if not isinstance(value, Mapping):
        return None
    return looked_at(located(worlds.load(value)), rng)


def of_text(value: str, rng: Random) -> Any:
    """A world's file."""
    path = FOLDER / "both" / "fuzz.yaml"
    path.write_bytes(value.encode("utf-8", "surrogatepass"))
    return looked_at(worlds.load(path), rng)


def change_text(value: str, rng: Random) -> str:
    """Of its text, or now and then of what it says."""
    if rng.random() < 0.8:
        return mutate.text(value, rng)
    try:
        return yaml.safe_dump(mutate.tree(yaml.safe_load(value), rng))
    except Exception:  # it is broken already, or what was put in cannot be written
        return mutate.text(value, rng)


# --- books --------------------------------------------------------------------------------------------------

BOOKS = [test_own_book.LOANS, test_own_book.POSITIONS, *((template(kind) / name).read_text(encoding="utf-8") for kind, name in (
    ("lending", "book.csv"), ("perps", "positions.csv"))), "account,asset,side,amount,entry_price\na,ETH-PERP,position,5,400\n"]
IMPORTS = ("lending", "perps")


def of_csv(value: str, rng: Random) -> Any:
    """A book as CSV: read as it stands, or imported."""
    path = FOLDER / "book.csv"
    path.write_bytes(value.encode("utf-8", "surrogatepass"))
    return read_book(path, rng)


def read_book(path: Path, rng: Random) -> Any:
    if rng.random() < 0.5 and path.suffix in (".csv", ".parquet"):
        return Book.read(path, "pool").legs
    fill = {"margin_mode": "cross", "collateral": "100"} if rng.random() < 0.3 else {}
    found = import_book([path], rng.choice(IMPORTS), fill=fill, collateral=rng.choice((None, "once", "each")))
    return Book.from_table(found.table, protocol="pool").legs


def records(text: str) -> list[dict[str, Any]]:
    """Rows of a CSV as objects, numbers as numbers."""
    head, *rows = [line.split(",") for line in text.strip().split("\n")]
    return [{name: float(cell) if re.fullmatch(r"-?[\d.]+", cell) else cell for name, cell in zip(head, row, strict=False)}
            for row in rows]


def of_records(value: Any, rng: Random) -> Any:
    """A book as Parquet, JSON lines or an Arrow table."""
    kind = rng.randrange(3)
    if kind == 0:
        return Book.from_table(table_of(value), protocol="pool").legs
    if kind == 1:
        path = FOLDER / "book.jsonl"
        rows = value if isinstance(value, list) else [value]
        path.write_text("\n".join(json.dumps(row, default=str) for row in rows), encoding="utf-8", errors="surrogatepass")
    else:
        path, sink = FOLDER / "book.parquet", io.BytesIO()
        pyarrow.parquet.write_table(table_of(value), sink)
        path.write_bytes(mutate.raw(sink.getvalue(), rng) if rng.random() < 0.7 else sink.getvalue())
    return read_book(path, rng)


def table_of(rows: Any) -> pa.Table:
    """Rows as Arrow holds them; what it cannot is no input of ours."""
    try:
        table = pa.Table.from_pylist(rows)
        pyarrow.parquet.write_table(table, io.BytesIO())
    except Exception as error:
        raise InputError("is no table", value=str(error)) from None
    return table


def keyed(change: Callable[[Any, Random], Any]) -> Callable[[Any, Random], Any]:
    """Changes after which the names of fields are text, as JSON's are."""
    def changed(value: Any, rng: Random) -> Any:
        return _with_names(change(value, rng))

    return changed


def _with_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_names(inner) for key, inner in value.items()}
    return [_with_names(inner) for inner in value] if isinstance(value, list) else value


# --- exchanges' answers -------------------------------------------------------------------------------------

EXPORTS: list[Any] = [
    test_positions.HYPERLIQUID, test_positions.BINANCE, {"positions": test_positions.BYBIT, "wallet": test_positions.WALLET},
    {"state": test_exchanges.state("500"), "spot": test_exchanges.SPOT}, test_exchanges.binance("BTCUSDT", "1", "100"),
    test_exchanges.bybit({"symbol": "BTCUSDT", "size": "1"}, USDT="5"), test_exchanges.okx(), test_exchanges.okx("2"),
    test_exchanges.bitmex(), [{"symbol": "BTC/USDT:USDT", "contracts": 2, "contractSize": 1, "side": "long", "entryPrice": 30000,
                               "marginMode": "isolated", "collateral": 900}],
    {"anna": test_exchanges.binance("BTCUSDT", "1", "100"), "bob": test_exchanges.bitmex()}]


def of_export(value: Any, rng: Random) -> Any:
    """As Python has it, or as a file."""
    if rng.random() < 0.7:
        return Book.from_table(read_export(value, coin=rng.choice((None, "BTC", "USD"))).table, protocol="pool").legs
    path = FOLDER / "answer.json"
    text = json.dumps(value, default=str)
    path.write_text(mutate.text(text, rng) if rng.random() < 0.5 else text, encoding="utf-8", errors="surrogatepass")
    return Book.from_table(import_book([path], "perps").table, protocol="pool").legs
