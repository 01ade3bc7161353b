"""What is fuzzed: for each kind of input its share, where it starts from, how it is changed, and the call it is given to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import mutate
from tests.fuzz.corpus import MAPPINGS, WORLDS, world_texts
from tests.fuzz.inputs import BOOKS, EXPORTS, change_text, keyed, of_csv, of_export, of_mapping, of_records, of_text, records
from tests.fuzz.run_folders import damaged, of_run, runs
from tests.fuzz.typed import (
    CALLS,
    COMMANDS,
    SETTINGS,
    SHOCKS,
    WORDS,
    Extreme,
    further,
    of_arguments,
    of_command,
    of_extreme,
    of_setting,
    of_shock,
    of_words,
)


class Target(NamedTuple):
    """One kind of input."""

    share: float  # of all calls
    bases: Sequence[Any]
    change: Callable[[Any, Random], Any]
    call: Callable[[Any, Random], Any]


TARGETS: dict[str, Target] = {
    "world": Target(0.22, MAPPINGS, mutate.tree, of_mapping),
    "yaml": Target(0.04, world_texts(), change_text, of_text),
    "csv": Target(0.12, BOOKS, mutate.text, of_csv),
    "rows": Target(0.08, [records(text) for text in BOOKS], keyed(mutate.tree), of_records),
    "export": Target(0.2, EXPORTS, keyed(mutate.tree), of_export),
    "set": Target(0.12, SETTINGS, mutate.leaf, of_setting),
    "shock": Target(0.06, SHOCKS, lambda value, rng: str(mutate.leaf(value, rng)), of_shock),
    "words": Target(0.08, WORDS, lambda value, rng: str(mutate.leaf(value, rng)), of_words),
    "extreme": Target(0.005, [Extreme(which) for which in range(len(WORLDS))], further, of_extreme),
    "arguments": Target(0.002, [[name, *given] for name, (_, given) in CALLS.items()], mutate.tree, of_arguments),
    "run": Target(0.005, runs(), damaged, of_run),
    "command": Target(0.005, COMMANDS, mutate.tree, of_command),
}
