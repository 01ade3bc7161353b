"""Where small changes have large effects: how steeply figures answer from one cell of a sweep to the next.

    E = relative change of the outcome / relative change of the input
      = (y2 - y1) / max((|y1| + |y2|) / 2, 1 % of the largest |y| of the sweep)  /  ((x2 - x1) / ((x1 + x2) / 2))

between neighbouring cells: an elasticity over a step. Its 95 % interval is that of a bootstrap which draws the same paths of
both. A figure degrades gracefully where the largest |E| of all steps is at most 2, and the upper end of the interval of that
largest one too; abruptly where the lower end of the steepest step's interval, at a level divided by the number of steps, is
above 2; else the paths do not say. A step to three times the input or more cannot show an E above 2, so that nothing with such
a step is called graceful.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.analysis.comparison import LEVEL, samples
from delever.run.stress import Run

GRACEFUL = 2.0  # most that an outcome may change per change of the input; assumption, the rule above
SMALL = 0.01  # of a figure's largest value: changes of less are taken relative to that
GRACE, ABRUPT, UNSAID, COARSE = "graceful", "abrupt", "not decided", "steps too coarse"
STEPS = pa.schema([("figure", pa.string()), ("field", pa.string()), ("from", pa.string()), ("to", pa.string()),
                   ("beside", pa.string()), ("first", pa.int64()), ("second", pa.int64()), ("elasticity", pa.float64()),
                   ("low", pa.float64()), ("high", pa.float64())])
VERDICTS = pa.schema([("figure", pa.string()), ("verdict", pa.string()), ("steepest", pa.float64()), ("low", pa.float64()),
                      ("high", pa.float64()), ("field", pa.string()), ("from", pa.string()), ("to", pa.string()),
                      ("beside", pa.string()), ("steps", pa.int64())])


class Step(NamedTuple):
    """Between two neighbouring cells."""

    field: str
    first: int  # numbers of the cells
    second: int
    input: float  # relative change, as above


def neighbours(fields: Sequence[str], shape: Sequence[int], inputs: Sequence[Sequence[float | None]]) -> list[Step]:
    """Steps along every field whose values are numbers. inputs: of each field its values; None: no number.

    Cells are numbered in the order of itertools.product.
    """
    number, found = np.arange(int(np.prod(shape))).reshape(shape), []
    for axis, (field, values) in enumerate(zip(fields, inputs, strict=True)):
        for k in range(shape[axis] - 1):
            a, b = values[k], values[k + 1]
            if a is None or b is None or a + b <= 0.0 or a == b:
                continue
            pairs = zip(number.take(k, axis).ravel().tolist(), number.take(k + 1, axis).ravel().tolist(), strict=True)
            found += [Step(field, i, j, 2.0 * (b - a) / (a + b)) for i, j in pairs]
    return found


def elasticities(values: np.ndarray, steps: Sequence[Step], floor: np.ndarray) -> np.ndarray:
    """E of every step [..., steps, figures]. values: [..., cells, figures]; floor: [figures]."""
    first, second = values[..., [s.first for s in steps], :], values[..., [s.second for s in steps], :]
    mean = np.maximum((np.abs(first) + np.abs(second)) / 2.0, floor)
    relative = np.divide(second - first, mean, out=np.zeros_like(mean), where=mean > 0.0)
    return np.asarray(relative / np.array([s.input for s in steps])[:, None])


def steepness(runs: Sequence[Run], figures: Sequence[str], steps: Sequence[Step], cells: Sequence[Sequence[object]],
              fields: Sequence[str], seed: int) -> tuple[pa.Table, pa.Table]:
    """(steps, verdicts): a row a figure and step, and a row a figure. runs: of the cells, in their order."""
    if not steps or not figures:
        return STEPS.empty_table(), VERDICTS.empty_table()
    now = np.array([[dict(zip(run.summary["figure"].to_pylist(), run.summary["value"].to_pylist(), strict=True)).get(
        figure, np.nan) for figure in figures] for run in runs], float)
    floor = SMALL * np.nan_to_num(np.abs(now)).max(axis=0)
    found = elasticities(now, steps, floor)
    drawn = elasticities(samples(runs, figures, seed), steps, floor)  # [samples, steps, figures]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    rows, verdicts = [], []
    for i, figure in enumerate(figures):
        said = [where(step, cells, fields) for step in steps]
        rows += [{"figure": figure, **words, "first": step.first, "second": step.second, "elasticity": float(found[k, i]),
                  "low": float(low[k, i]), "high": float(high[k, i])}
                 for k, (step, words) in enumerate(zip(steps, said, strict=True))]
        if np.isnan(found[:, i]).any():
            continue
        k = int(np.argmax(np.abs(found[:, i])))
        verdict, ends = judge(found[:, i], drawn[:, :, i], steps)
        verdicts.append({"figure": figure, "verdict": verdict, "steepest": float(found[k, i]), "low": ends[0], "high": ends[1],
                         **said[k], "steps": len(steps)})
    return pa.Table.from_pylist(rows, schema=STEPS), pa.Table.from_pylist(verdicts, schema=VERDICTS)


def judge(found: np.ndarray, drawn: np.ndarray, steps: Sequence[Step]) -> tuple[str, tuple[float, float]]:
    """(verdict, 95 % interval of the largest |E|). found: [steps]; drawn: [samples, steps]."""
    largest = np.abs(drawn).max(axis=1)
    low, high = (float(end) for end in np.quantile(largest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    steepest = np.abs(drawn[:, int(np.argmax(np.abs(found)))])
    least = float(np.quantile(steepest, (1 - LEVEL) / 2 / len(steps)))
    if least > GRACEFUL:
        return ABRUPT, (low, high)
    if not (np.abs(found).max() <= GRACEFUL and high <= GRACEFUL):
        return UNSAID, (low, high)
    return (COARSE if any(2.0 / abs(step.input) <= GRACEFUL for step in steps) else GRACE), (low, high)


def where(step: Step, cells: Sequence[Sequence[object]], fields: Sequence[str]) -> dict[str, str]:
    """A step in words: field, from, to, and what the others are."""
    axis = list(fields).index(step.field)
    others = ", ".join(f"{name}={value}" for name, value in zip(fields, cells[step.first], strict=True) if name != step.field)
    return {"field": step.field, "from": str(cells[step.first][axis]), "to": str(cells[step.second][axis]), "beside": others}
