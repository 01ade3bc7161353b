"""What is typed or given to a function: settings, shocks, other words, arguments of the public functions, whole commands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import starmap
from random import Random
from typing import Any, NamedTuple

import pyarrow as pa
from tests.fuzz import mutate
from tests.fuzz.corpus import FIELDS, FOLDER, KINDS, MODELS, SMALL, WORLDS, looked_at
from tests.fuzz.inputs import table_of
from typer.testing import CliRunner

from delever.analysis import check, compare, liquidation_prices, sweep, wall
from delever.analysis.joint_shocks import parse_joint
from delever.analysis.shocks import Walk, parse_shocks
from delever.analysis.words import settings_of
from delever.cli.contagion import parse_groups
from delever.cli.imports import pairs
from delever.cli.main import app
from delever.cli.options import parse_memory, parse_paths, parse_settings
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.scenario import Order
from delever.run.stress import stress

# --- texts on the command line ------------------------------------------------------------------------------

SETTINGS = ["-10 %", "+3 points", "x0.5", "0.5", "24 h", "{kind: always}", "null", "[]", "1e3", "{ETH: 80 %}", "83 %"]
SHOCKS = ["-30%", "-60%..0%", "-60%..0% by 2%", "-60%..0% in 13", "ETH -30 %, BTC -20 %", "all -20 %", "factor ETH -30 %", "x0.7",
          "12 March 2020", "FTX, ETH -5 %"]
WORDS = ["ETH threshold +3 points", "ETH volatility x1.5", "incentive to 7 %", "sell 50,000 ETH", "sell N ETH for USD", "2 GiB",
         "0,17", "a=b,c", "ETH=WETH", "scenario.seed=8"]
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
        return settings_of(rng.choice(WORLDS), value) and None
    return rng.choice(PARSERS)(value)


# --- numbers of a world ----------------------------------------------------------------------------------------


class Extreme(NamedTuple):
    """A world that is right, and numbers of it that are far from what they were: (field, factor)."""

    which: int
    factors: tuple[tuple[str, float], ...] = ()


def further(value: Extreme, rng: Random) -> Extreme:
    """One number more that is multiplied, mostly by much."""
    factor = rng.choice((0.0, -1.0, 1e-50, 1e-15, 1e-6, 0.5, 2.0, 1e6, 1e15, 1e28, 10.0 ** rng.uniform(-3.0, 3.0)))
    return value._replace(factors=(*value.factors, (rng.choice(FIELDS[value.which]), factor)))


def of_extreme(value: Extreme, rng: Random) -> Any:
    """Checked, shocked and run, as long as that is little."""
    world = WORLDS[value.which]
    for path, factor in value.factors:
        world = world.replace(path, f"x{factor!r}")
    if rng.random() < 0.4:
        return vars(check(world)) | {"model": None}
    if rng.random() < 0.4:
        return vars(wall(world, "ETH", rng.choice(SHOCKS[:3]))), liquidation_prices(world)
    return stress(world, threads=1, keep=False).tables if world.scenario.steps * world.scenario.paths <= SMALL else None


# --- arguments and commands ---------------------------------------------------------------------------------

CALLS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "wall": (lambda world, *given: wall(world, *given), ["ETH", "-30%", None, None]),
    "several": (lambda world, *of: wall(world, None, *of), [{"ETH": "-30%"}, "5 %"]),
    "prices": (lambda world, *_: liquidation_prices(world), []),
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
    if isinstance(right, list) and isinstance(given, list):
        return len(right) == 0 or all(any(type_of_input(one, other) for other in right) for one in given)
    if isinstance(right, dict) and isinstance(given, dict):
        return all(isinstance(key, str) for key in given) and type_of_input(list(given.values()), list(right.values()))
    return type(given) is type(right)


COMMANDS = [["check", "WORLD"], ["wall", "WORLD", "--asset", "ETH", "--shock", "-30%", "--json"],
            ["heatmap", "WORLD", "--asset", "ETH", "--levels", "5", "--times", "2", "--json"],
            ["explain", "half_life"], ["import", "FILE", "--as", "lending"],
            ["stress", "WORLD", "--threads", "1", "--no-concentration", "--json", "--out", "OUT"],
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
