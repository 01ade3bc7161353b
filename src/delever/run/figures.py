"""Risk figures of a run, each with its definition, horizon and 95 % interval: they follow from the columns of its paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.core.columns import Column, Figure
from delever.core.loans import debt_of
from delever.model.market import home_of
from delever.prices.base import plainly
from delever.run.assemble import Model
from delever.run.collect import Declared, declared, numbers, together
from delever.run.estimates import (
    Drawn,
    Estimate,
    OneEach,
    Weights,
    among,
    each,
    entropic,
    least_bound,
    mean,
    mean_at,
    ordered_at,
    quantile,
    share,
    tail,
    tail_mean,
    tail_mean_at,
    yearly,
)
from delever.run.outcomes import PATH, WEIGHT

SCHEMA = pa.schema([
    ("figure", pa.string()), ("value", pa.float64()), ("unit", pa.string()), ("low", pa.float64()), ("high", pa.float64()),
    ("definition", pa.string()), ("horizon", pa.string()),
    pa.field("protocol", pa.string(), metadata={"meaning": "whose figure it is; empty: of several, or of the whole"}),
    pa.field("section", pa.string(), metadata={"meaning": "heading under which a report shows it"}),
    pa.field("label", pa.string(), metadata={"meaning": "what a report calls it"}),
    pa.field("under", pa.string(), metadata={"meaning": "in a table with a row a label: its column"}),
    pa.field("tail", pa.int64(), metadata={"meaning": "paths that it rests on, where those are not all"})])
UNKNOWN: Estimate = (math.nan, math.nan, math.nan)
VALUES: dict[str, Callable[[np.ndarray, Figure, OneEach], np.ndarray]] = {  # over the last axis; the others leave paths out
    "mean": lambda x, figure, w: mean_at(x, w), "quantile": lambda x, figure, w: ordered_at(x, figure.level, w),
    "tail_mean": lambda x, figure, w: tail_mean_at(x, figure.level, w),
    "entropic": lambda x, figure, w: least_bound(x, figure.level, w)[0],
    "share_above": lambda x, figure, w: mean_at(x > figure.level, w),
    "yearly_share_above": lambda x, figure, w: np.asarray(1.0 - mean_at(x <= figure.level, w) ** (1.0 / figure.years)),
    "share_where": lambda x, figure, w: mean_at(~np.isnan(x), w), "largest": lambda x, figure, w: np.asarray(x.max(-1))}
TAILS = ("quantile", "tail_mean", "entropic")


class Row(NamedTuple):
    """A figure of a run."""

    figure: str
    estimate: Estimate
    unit: str
    definition: str
    protocol: str = ""
    section: str = ""
    label: str = ""
    under: str = ""
    tail: int | None = None  # paths that it rests on; None: all


def duration(seconds: float) -> str:
    """A length of time in the largest unit that divides it."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length and abs(seconds / length - round(seconds / length)) < 1e-9 and not (
                unit == "d" and seconds == length):
            return f"{round(seconds / length)} {unit}"
    return f"{seconds:g} s"


def summarise(model: Model, paths: pa.Table) -> pa.Table:
    """The figures of a run, a row each."""
    horizon = duration(model.world.scenario.horizon)
    return pa.Table.from_pylist([{
        "figure": row.figure, "value": row.estimate[0], "unit": row.unit, "low": row.estimate[1], "high": row.estimate[2],
        "definition": row.definition, "horizon": horizon, "protocol": row.protocol, "section": row.section, "label": row.label,
        "under": row.under, "tail": row.tail} for row in rows_of(model, paths)], schema=SCHEMA)


def rows_of(model: Model, paths: pa.Table) -> Iterator[Row]:
    """Figures in the order of the columns; one of several columns stands where the first of them does."""
    drawn = drawn_of(model, paths)
    return (row_of(*made, drawn) for made in made_of(model, paths))


def drawn_of(model: Model, paths: pa.Table) -> Drawn:
    """How much each path counts, and how it was drawn; None: all alike."""
    tail = model.world.scenario.tail
    if tail is None:
        return None
    return Weights(numbers(paths, WEIGHT.name), plainly(numbers(paths, PATH.name), tail.plain))


def counted(paths: pa.Table) -> OneEach:
    """How much each path counts; None: all alike."""
    w = numbers(paths, WEIGHT.name)
    return w if (w != 1.0).any() else None


def made_of(model: Model, paths: pa.Table) -> Iterator[tuple[Declared, Figure, np.ndarray, str]]:
    """Of what each figure is made: its column, itself, a number a path, and the section in which it stands."""
    every, done = declared(paths), set()
    for one in every:
        column = one.column
        if column.over and column.name not in done:
            done.add(column.name)
            of = [other.protocol for other in every if other.column.name == column.name and other.column.over]
            section = section_of(column.section, of, list(model.world.protocols))
            values = together(paths, column.name) if column.figures else np.zeros(0)
            yield from ((one, figure, values, section) for figure in column.figures)
        elif not column.over and not is_of_perp(model, one):  # those stand in a table of their own: run/by_asset.py
            yield from ((one, figure, values_of(paths, one, figure), column.section) for figure in column.figures)


def is_of_perp(model: Model, one: Declared) -> bool:
    """Whether a column is of a perp of an exchange."""
    spec = model.world.assets.get(one.asset) if one.protocol else None
    return spec is not None and spec.follows is not None


def section_of(section: str, of: list[str], protocols: list[str]) -> str:
    """A heading that says whose figures these are, where they are not everybody's."""
    some, every = ([*dict.fromkeys(home_of(name) or name for name in names if name)] for names in (of, protocols))
    return section if not some or len(some) == len(every) else f"{section} of {', '.join(some)}"


def row_of(one: Declared, figure: Figure, values: np.ndarray, section: str, drawn: Drawn = None) -> Row:
    """A figure of a column, or of several that add up."""
    unit, protocol = figure.unit or one.column.unit, "" if one.column.over else one.protocol
    named = one.suffix.removeprefix(".") if one.suffix and (one.asset or not one.protocol) and not one.column.over else ""
    label = figure.label or named or figure.name.replace("_", " ")
    return Row(name_of(one, figure), reduced(values, figure, unit, drawn), unit, figure.meaning, protocol, section, label,
               figure.under, rests_on(values, figure, each(drawn)))


def name_of(one: Declared, figure: Figure) -> str:
    """As it stands in a summary."""
    return figure.name if one.column.over else figure.name + one.suffix


def resampled(one: Declared, figure: Figure, values: np.ndarray, w: OneEach = None) -> np.ndarray:
    """A figure's value on each of several samples [n]. values, w: [n, paths]."""
    vectorised = VALUES.get(figure.reduce)
    if vectorised is not None:
        return vectorised(values, figure, w)
    unit, alike = figure.unit or one.column.unit, np.ones(values.shape[-1], np.bool_)
    return np.array([reduced(row, figure, unit, None if w is None else Weights(w[i], alike))[0] for i, row in enumerate(values)])


def rests_on(values: np.ndarray, figure: Figure, w: OneEach = None) -> int | None:
    """Paths that a figure rests on: those beyond its level (weighted, as many alike), or on which it happened; None: all."""
    if figure.reduce in TAILS:
        return tail(len(values), figure.level, values, w)
    if figure.reduce in ("mean_where", "median_where"):
        return int((~np.isnan(values)).sum())
    return int((values > 0.0).sum()) if figure.reduce == "mean_positive" else None


def values_of(paths: pa.Table, one: Declared, figure: Figure) -> np.ndarray:
    """What a figure is of: the column, or how much it exceeds another one."""
    values = numbers(paths, one.field)
    return values - numbers(paths, figure.minus + one.suffix) if figure.minus else values


def reduced(values: np.ndarray, figure: Figure, unit: str, drawn: Drawn = None) -> Estimate:
    """What the paths say of a figure."""
    some = ~np.isnan(values)
    if figure.reduce in ("mean_where", "mean_positive", "median_where"):
        these = values > 0.0 if figure.reduce == "mean_positive" else some
        values, drawn = values[these], among(drawn, these)
        if not len(values):
            return UNKNOWN
        value, low, high = quantile(values, 0.5, drawn) if figure.reduce == "median_where" else mean(values, drawn)
        bounded = unit == "share" and figure.reduce == "mean_where"  # a normal interval knows no bounds
        return (value, max(low, 0.0), min(high, 1.0)) if bounded else (value, low, high)
    reduce: dict[str, Callable[[], Estimate]] = {
        "mean": lambda: mean(values, drawn), "quantile": lambda: quantile(values, figure.level, drawn),
        "tail_mean": lambda: tail_mean(values, figure.level, drawn), "entropic": lambda: entropic(values, figure.level, drawn),
        "share_above": lambda: share(values > figure.level, drawn),
        "yearly_share_above": lambda: yearly(share(values > figure.level, drawn), figure.years),
        "share_where": lambda: share(some, drawn), "largest": lambda: (float(values.max()), math.nan, math.nan)}
    return reduce[figure.reduce]()


def debt_at_start(model: Model) -> float:
    """What all accounts of lending protocols owe at the start, at prices seen [USD]."""
    return debt_of(model.positions.tables, model.seen_price())


__all__ = ["Column", "debt_at_start", "duration", "mean", "quantile", "share", "summarise", "tail_mean"]
