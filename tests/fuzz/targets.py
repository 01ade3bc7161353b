"""What is fuzzed: for each kind of input where it starts from, how it is changed, and the call that it is given to."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import starmap
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet
import yaml
from tests.fuzz import mutate
from tests.ingest import test_exchanges, test_own_book, test_positions
from typer.testing import CliRunner

from delever import worlds
from delever.analysis import check, compare, liquidation_prices, sweep, wall
from delever.analysis.joint_shocks import parse_joint
from delever.analysis.shocks import Walk, parse_shocks
from delever.analysis.words import numbers as fields_of
from delever.analysis.words import setting_of
from delever.cli.contagion import parse_groups
from delever.cli.imports import pairs
from delever.cli.main import app
from delever.cli.options import parse_memory, parse_paths, parse_settings
from delever.ingest.own_import import import_book
from delever.ingest.positions import read_export
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.load import mapping_from_yaml
from delever.model.scenario import Order
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.replay import replay
from delever.run.store import Store
from delever.run.stress import stress

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(tempfile.mkdtemp(prefix="delever-fuzz-"))  # where inputs are laid down; removed at the end
SMALL = 60  # steps x paths that are run


class Target(NamedTuple):
    """One kind of input."""

    share: float  # of all calls
    bases: Sequence[Any]
    change: Callable[[Any, Random], Any]
    call: Callable[[Any, Random], Any]


def template(kind: str) -> Path:
    """The folder of a world that people start from, with few paths and steps, and a short book."""
    folder = FOLDER / kind
    source = ROOT / "src" / "delever" / ("examples" if kind == "first" else "templates") / kind
    if not folder.exists():
        shutil.copytree(source, folder)
        text = (folder / "world.yaml").read_text(encoding="utf-8")
        for old in ("horizon: 24 h", "step: 5 min", "paths: 500", "paths: 200", "at: 6 h"):
            new = {"h": "horizon: 1 h", "s": "step: 10 min", "p": "paths: 2", "a": "at: 20 min"}[old[0]]
            text = text.replace(old, new)
        (folder / "world.yaml").write_text(text, encoding="utf-8")
    return folder


def world_texts() -> list[str]:
    """Worlds of the package, and of the examples as far as they are small."""
    own = [(template(kind) / "world.yaml").read_text(encoding="utf-8") for kind in KINDS]
    more = [ROOT / "examples" / name for name in ("stablecoins/sound.yaml", "crvusd/world.yaml", "aave_and_perps/world.yaml")]
    return own + [path.read_text(encoding="utf-8") for path in more]


worlds.resolve = cache(worlds.resolve)  # which lists folders every time
KINDS = ("first", "lending", "perps", "both")
MAPPINGS = [mapping_from_yaml(text, "world.yaml") for text in world_texts()]
WORLDS = [worlds.load(template(kind)) for kind in KINDS]
MODELS = [assemble(world) for world in WORLDS]
FIELDS = [fields_of(world) for world in WORLDS]


def located(world: World) -> World:
    """A world of a mapping, whose files lie where those of its template do."""
    kinds = [kind for kind in KINDS if kind == world.name] or ["both"]
    return world.located(FOLDER / kinds[0], worlds.resolve, frozenset())


def looked_at(world: World, rng: Random) -> Any:
    """What is done with a world that stands: mostly little."""
    chance = rng.random()
    if chance < 0.08:
        return vars(check(world)) | {"model": None}
    if chance < 0.11:
        return wall(world, next(iter(world.assets)), "-20%")
    if chance < 0.13 and world.scenario.steps * world.scenario.paths <= SMALL:
        run = stress(world, threads=1, keep=False)
        return run.tables
    return None


# --- worlds ----------------------------------------------------------------------------------------------------


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


# --- books -----------------------------------------------------------------------------------------------------

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
    return [{name: float(cell) if mutate.re.fullmatch(r"-?[\d.]+", cell) else cell for name, cell in zip(head, row, strict=False)}
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


# --- exchanges' answers ----------------------------------------------------------------------------------------

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


# --- texts on the command line ---------------------------------------------------------------------------------

SETTINGS = ["-10 %", "+3 points", "x0.5", "0.5", "24 h", "{kind: always}", "null", "[]", "1e3", "{ETH: 80 %}", "83 %"]
SHOCKS = ["-30%", "-60%..0%", "-60%..0% by 2%", "-60%..0% in 13", "ETH -30 %, BTC -20 %", "all -20 %", "factor ETH -30 %", "x0.7"]
WORDS = ["ETH threshold +3 points", "ETH volatility x1.5", "incentive to 7 %", "sell 50,000 ETH", "sell N ETH for USD", "2 GiB", "0,17",
         "a=b,c", "ETH=WETH", "scenario.seed=8"]
PARSERS: tuple[Callable[[str], Any], ...] = (
    Order.parse, parse_memory, parse_paths, lambda text: parse_groups([text]), lambda text: pairs([text], "--map"),
    lambda text: parse_settings([text]), parse_shocks, lambda text: parse_shocks(text, walk=Walk(step=text)))


def of_setting(value: Any, rng: Random) -> Any:
    """A field set to a text, and what follows."""
    which = rng.randrange(len(WORLDS))
    path = rng.choice(FIELDS[which])
    if rng.random() < 0.3:
        path = mutate.text(path, rng) if rng.random() < 0.5 else path.rpartition(".")[0] or path
    world = WORLDS[which].replace(path, value)
    return looked_at(world, rng) if rng.random() < 0.3 else None


def of_shock(value: Any, rng: Random) -> Any:
    """A shock to one asset or to several."""
    model = rng.choice(MODELS)
    if rng.random() < 0.5:
        return parse_shocks(value, walk=Walk(step=rng.choice((None, 0.1, "2 %"))))
    return parse_joint(value, model).moves.tolist()


def of_words(value: Any, rng: Random) -> Any:
    """Whatever else is typed."""
    if rng.random() < 0.4:
        return setting_of(rng.choice(WORLDS), value) and None
    return rng.choice(PARSERS)(value)


# --- run folders -----------------------------------------------------------------------------------------------

RUN_WORLD = WORLDS[1].replace("scenario.paths", 6)
WHOLE, HALF = FOLDER / "whole", FOLDER / "half"


class _Stopped(Exception):
    """A run that ends in the middle."""


class Folder(NamedTuple):
    """A run's folder, and what is done to it: (file, change, seed)."""

    source: Path
    damage: tuple[tuple[str, int], ...] = ()


def runs() -> list[Folder]:
    """A complete run and one that was stopped."""
    if not WHOLE.exists():
        stress(RUN_WORLD, WHOLE, threads=1, chunk=2)
        add, done = Store.add, [0]

        def stopping(self: Store, result: Any) -> None:
            add(self, result)
            done[0] += 1
            if done[0] == 2:
                raise _Stopped

        Store.add = stopping  # type: ignore[method-assign]
        try:
            stress(RUN_WORLD, HALF, threads=1, chunk=2)
        except _Stopped:
            pass
        finally:
            Store.add = add  # type: ignore[method-assign]
    return [Folder(WHOLE), Folder(HALF)]


def damaged(value: Folder, rng: Random) -> Folder:
    """One file more that is flipped, cut, taken away, or another's."""
    files = sorted(str(path.relative_to(value.source)) for path in value.source.rglob("*") if path.is_file())
    return value._replace(damage=(*value.damage, (rng.choice(files), rng.randrange(2**32))))


def of_run(value: Folder, rng: Random) -> Any:
    """Opened or resumed, or a path of it played again."""
    folder = FOLDER / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(value.source, folder)
    for name, seed in value.damage:
        own, path = Random(seed), folder / name
        if not path.exists():
            continue
        kind = own.randrange(6)
        if kind == 0:
            path.unlink()
        elif kind == 1:
            others = sorted(one for one in WHOLE.iterdir() if one.is_file())
            shutil.copy(own.choice(others), path)
        elif kind == 2 and path.suffix == ".json" and path.read_bytes() == (value.source / name).read_bytes():
            changed = keyed(mutate.tree)(json.loads(path.read_text(encoding="utf-8")), own)
            path.write_text(json.dumps(changed, default=str), encoding="utf-8")
        else:
            path.write_bytes(mutate.raw(path.read_bytes(), own))
    if rng.random() < 0.3:
        return replay(folder, rng.randrange(3))
    return stress(RUN_WORLD, folder, threads=1, chunk=2).tables


# --- arguments and commands ------------------------------------------------------------------------------------

CALLS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "wall": (lambda world, *given: wall(world, *given), ["ETH", "-30%", None, None]),
    "several": (lambda world, *of: wall(world, None, *of), [{"ETH": "-30%"}, "5 %"]),
    "prices": (lambda world, *_: liquidation_prices(assemble(world)), []),
    "compare": (lambda world, value, names, owners: compare(
        world, world.replace("scenario.prices.volatility.ETH", value), names=names, owners=owners, threads=1).table,
        ["x2", ["a"], "stay"]),
    "sweep": (lambda world, over: sweep(world, over, threads=1).table, [{"scenario.prices.volatility.ETH": ["x0.5", "x2"]}]),
    "stress": (lambda world, threads, memory, trace, chunk: stress(
        world, None, threads, memory, None, trace, chunk, False).tables, [1, 1.0, [0], 1]),
    "book": (lambda world, *given: Book.from_table(table_of(given[0]), protocol=given[1]).legs,
             [[{"account": "a", "asset": "ETH", "side": "collateral", "amount": 1.0},
               {"account": "a", "asset": "USD", "side": "debt", "amount": 500.0}], "p"]),
}


def of_arguments(value: list[Any], rng: Random) -> Any:
    """A public function with changed arguments: of Python's own errors those of type are an answer to a wrong type."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        return None
    name, given = value[0], value[1:]
    if name not in CALLS or len(given) != len(CALLS[name][1]):
        return None
    try:
        result = CALLS[name][0](rng.choice(WORLDS), *given)
    except (TypeError, AttributeError, pa.ArrowException) as error:
        if all(starmap(type_of_input, zip(given, CALLS[name][1], strict=True))):
            raise
        raise InputError(str(error) or "type") from None
    return vars(result) if hasattr(result, "__dict__") else result


def type_of_input(given: Any, right: Any) -> bool:
    """Whether an argument is of the type that the function is for."""
    if right is None:
        return given is None or isinstance(given, (str, int, float))
    if isinstance(right, list) and isinstance(given, list):
        return len(right) == 0 or all(any(type_of_input(one, other) for other in right) for one in given)
    if isinstance(right, dict) and isinstance(given, dict):
        return all(isinstance(key, str) for key in given) and type_of_input(list(given.values()), list(right.values()))
    return type(given) is type(right)


COMMANDS = [["check", "WORLD"], ["wall", "WORLD", "--asset", "ETH", "--shock", "-30%", "--json"],
            ["explain", "half_life"], ["stress", "WORLD", "--threads", "1", "--no-concentration", "--json", "--out", "OUT"], ["import", "FILE", "--as", "lending"],
            ["wall", "WORLD", "--shock", "ETH -30 %", "--set", "scenario.seed=8"], ["check", "WORLD", "--set", "scenario.seed=8"]]


def of_command(value: list[Any], rng: Random) -> Any:
    """A command with changed words: one line and exit code 2, or an answer."""
    out = FOLDER / "out"
    shutil.rmtree(out, ignore_errors=True)
    places = {"WORLD": str(FOLDER / rng.choice(KINDS)), "OUT": str(out), "FILE": str(FOLDER / "lending" / "book.csv")}
    if not isinstance(value, list):
        return None
    words = [places.get(str(word), str(word)) for word in value if isinstance(word, (str, int, float))]
    if not words or any("\0" in word for word in words) or words[0] not in {command[0] for command in COMMANDS}:
        return None
    os.chdir(FOLDER)
    found = CliRunner().invoke(app, words)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    if found.exit_code == 2 and found.stdout == "" and found.stderr.count("\n") != 1 and "Usage" not in found.stderr:
        raise AssertionError(f"not one line: {found.stderr!r}")
    return None


TARGETS: dict[str, Target] = {
    "world": Target(0.22, MAPPINGS, mutate.tree, of_mapping),
    "yaml": Target(0.05, world_texts(), change_text, of_text),
    "csv": Target(0.12, BOOKS, mutate.text, of_csv),
    "rows": Target(0.08, [records(text) for text in BOOKS], keyed(mutate.tree), of_records),
    "export": Target(0.2, EXPORTS, keyed(mutate.tree), of_export),
    "set": Target(0.12, SETTINGS, mutate.leaf, of_setting),
    "shock": Target(0.06, SHOCKS, lambda value, rng: str(mutate.leaf(value, rng)), of_shock),
    "words": Target(0.08, WORDS, lambda value, rng: str(mutate.leaf(value, rng)), of_words),
    "arguments": Target(0.004, [[name, *given] for name, (_, given) in CALLS.items()], mutate.tree, of_arguments),
    "run": Target(0.01, runs(), damaged, of_run),
    "command": Target(0.01, COMMANDS, mutate.tree, of_command),
}
