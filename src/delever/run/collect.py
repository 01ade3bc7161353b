"""What the mechanisms of a model say of results becomes columns of tables: NAME.PROTOCOL.ASSET, with unit and meaning.

The schema of a table says everything: a field's metadata have unit and meaning for whoever reads the file, and the declaration
itself, from which figures (run/figures.py) and reports follow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.core.columns import ASSET, BASE, OF, QUOTE, Column, Value, read, written
from delever.core.phase import Phase, each_once
from delever.core.state import State
from delever.engine.probes import fresh_prices
from delever.engine.step import Phases
from delever.run.assemble import Model


def mechanisms_of(phases: Phases) -> list[Phase]:
    """Everybody of a model who may have something to say, each once."""
    return each_once(vars(phases).values())


def collect(mechanisms: Sequence[Phase], state: State) -> list[Value]:
    """All that they say at the end of a run: protocol by protocol, then what is of none."""
    fresh_prices(state)
    values = [value for one in mechanisms for value in (*one.amounts(state), *one.columns(state), *one.counted(state))]
    return sorted(values, key=lambda value: (value.protocol < 0, value.protocol))


class Declared(NamedTuple):
    """A field of a table, as declared."""

    field: str  # its name
    column: Column  # in words about what it is of
    suffix: str  # .PROTOCOL.ASSET
    protocol: str  # empty: of none
    asset: str
    place: str = ""  # in the world, of what it is the outcome; see Value
    asked: float = math.nan


def field_of(model: Model, value: Value) -> pa.Field:
    """Its field in a table of paths."""
    layout = model.layout
    protocol = list(model.world.protocols)[value.protocol] if value.protocol >= 0 else ""
    asset = layout.assets[value.asset] if value.asset >= 0 else ""
    pair = layout.rows[value.market] if value.market >= 0 else ""
    names = [name for name in (protocol, asset, pair, value.of) if name]
    base, _, quote = pair.partition("@")[0].partition("/")
    words = {ASSET: asset, BASE: base, QUOTE: quote, OF: names[0] if names else ""}
    column = in_words(value.column, words)
    suffix = "".join(f".{name}" for name in names)
    kind = pa.int64() if value.values.dtype.kind == "i" else pa.float64()
    asks = {"place": value.place, "asked": repr(float(value.asked))} if value.place else {}
    return pa.field(value.column.name + suffix, kind, metadata={
        "unit": column.unit, "meaning": column.meaning, "column": written(column), "suffix": suffix, "protocol": protocol,
        "asset": asset, **asks})


def in_words(column: Column, words: Mapping[str, str]) -> Column:
    """The column with what it is of in its texts."""
    return _said(column, tuple((place, words[place]) for place in _places(column) if place in words))


@lru_cache(maxsize=1024)
def _places(column: Column) -> tuple[str, ...]:
    """Where its texts say what it is of; mostly nowhere."""
    texts = (column.unit, column.meaning, column.section, *(text for f in column.figures for text in (f.meaning, f.unit)))
    return tuple(place for place in (ASSET, BASE, QUOTE, OF) if any(place in text for text in texts))


@lru_cache(maxsize=8192)  # of hundreds of markets most say the same
def _said(column: Column, words: tuple[tuple[str, str], ...]) -> Column:
    def said(text: str) -> str:
        for place, word in words:
            text = text.replace(place, word)
        return text

    figures = tuple(f._replace(meaning=said(f.meaning), unit=said(f.unit)) for f in column.figures)
    return column._replace(unit=said(column.unit), meaning=said(column.meaning), section=said(column.section), figures=figures)


def declared(table: pa.Table) -> tuple[Declared, ...]:
    """The declared fields of a table, in its order."""
    return _declared(table.schema.serialize().to_pybytes())


@lru_cache(maxsize=16)  # figures of resampled paths ask for the same schema over and over
def _declared(schema: bytes) -> tuple[Declared, ...]:
    found = []
    for field in pa.ipc.read_schema(pa.py_buffer(schema)):
        said = field.metadata or {}
        if b"column" in said:
            column, suffix, protocol, asset = (said[key].decode() for key in (b"column", b"suffix", b"protocol", b"asset"))
            found.append(Declared(field.name, read(column), suffix, protocol, asset, said.get(b"place", b"").decode(),
                                  float(said.get(b"asked", b"nan"))))
    return tuple(found)


def numbers(table: pa.Table, name: str) -> np.ndarray:
    """A column as numbers."""
    return np.asarray(table[name], float)


def together(table: pa.Table, name: str) -> np.ndarray:
    """A column that is declared to add up, over all that declare it: a number a path."""
    mine = [one for one in declared(table) if one.column.name == name and one.column.over]
    add = np.max if mine[0].column.over == "largest" else np.sum
    result: np.ndarray = add([np.asarray(table[one.field]) for one in mine], axis=0)
    return result
