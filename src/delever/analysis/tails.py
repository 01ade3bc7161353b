"""The far tail of a run's losses: a generalised Pareto tail beyond a threshold (analysis/gpd.py), VaR and ES at 99.9 %.

Threshold: beyond it lie 10 % of paths, or half of those that lose anything where these are fewer than 20 %; paths count by their
weights. So the paths on which nothing is lost stand outside of the tail, and only their share enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from delever.analysis.bearers import bearers
from delever.analysis.gpd import LEAST_SHAPE, Fit, fit
from delever.model.errors import InputError, nearest
from delever.run.collect import declared, together
from delever.run.estimates import Drawn, Estimate, each, effective, ordered_at, quantile, share, tail_mean
from delever.run.figures import drawn_of
from delever.run.result import Result
from delever.run.stress import Run, open_run

LEVEL = 0.999
BEYOND, OF_LOSING = 0.10, 0.5  # of the threshold, above
FEWEST = 50  # exceedances that count alike, below which no tail is fitted
THINNED = (1.0, 0.75, 0.5, 0.25)  # of the exceedances: how far figures hinge on the threshold
ANY = 1.0  # loss that is one [USD]: less is rounding
LOSS = "loss"  # what is lost in all, lending and exchanges
POINTS = 60  # of a curve
SAMPLED, FITTED = "sample", "tail"


@dataclass(frozen=True)
class Tails(Result):
    """table: a row a figure and method. thresholds: the same tail from fewer exceedances."""

    pictured: ClassVar[int] = 0
    of: str
    level: float
    paths: int
    losing: Estimate  # share of paths that lose anything
    fit: Fit
    table: pa.Table
    thresholds: pa.Table
    said: tuple[str, ...]
    curve: pa.Table  # loss, share of paths beyond it, by method

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.table

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: the share of paths beyond a loss, of the sample and of the tail."""
        rows = [row for row in self.curve.to_pylist() if row["share"] > 0.0]
        return alt.Chart(alt.Data(values=rows)).mark_line().encode(
            x=alt.X("loss:Q", axis=alt.Axis(format="$.3s"), title=f"{self.of.replace('_', ' ')} [USD]"),
            y=alt.Y("share:Q", scale=alt.Scale(type="log"), title="share of paths beyond it"),
            color=alt.Color("method:N", title=None), tooltip=["method:N", "loss:Q", "share:Q"])

    def __repr__(self) -> str:
        return f"Tail of {self.of}: shape {self.fit.shape:.3g} +- {self.fit.shape_error:.2g}, of {len(self.fit.excess)} paths"


def tails(run: Run | str | Path, level: float = LEVEL, of: str = LOSS) -> Tails:
    """VaR and expected shortfall far out, of a run or of its folder. of: `loss`, or a column in USD that adds up over protocols.

    InputError: fewer than 50 exceedances, too few paths lose anything, or the level lies before the threshold.
    """
    run = run if isinstance(run, Run) else open_run(run)
    if not 0.5 <= level < 1.0:
        raise InputError(f"is {level:g}", "level", level, "a share of paths, such as 99.9 %")
    x, drawn = losses(run, of), drawn_of(run.model, run.paths)
    losing = share(x > ANY, drawn)
    part = min(BEYOND, OF_LOSING * losing[0])
    found = fitted(x, part, level, losing[0], drawn)
    rows = [("VaR", found.var(level), quantile(x, level, drawn)),
            ("ES", found.expected_shortfall(level), tail_mean(x, level, drawn))]
    table = pa.Table.from_pylist([
        {"figure": f"{name} ({level * 100:g} %)", "method": method, "value": one[0], "low": one[1], "high": one[2]}
        for name, tail, sample in rows for method, one in ((FITTED, tail), (SAMPLED, sample))], schema=FIGURES)
    return Tails(of, level, len(x), losing, found, table, by_threshold(x, part, level, drawn), tuple(to_know(found, x)),
                 curve_of(x, found, drawn))


def losses(run: Run, of: str) -> np.ndarray:
    """[paths] USD."""
    names = list(dict.fromkeys(one.column.name for one in declared(run.paths) if one.column.over == "sum"
                               and one.column.unit == "USD"))
    if of == LOSS:
        return bearers(run).total
    if of not in names:
        raise InputError("unknown column", "of", of, nearest(of, [LOSS, *names]))
    return together(run.paths, of)


def fitted(x: np.ndarray, part: float, level: float, losing: float, drawn: Drawn) -> Fit:
    """The tail beyond the threshold that leaves this share of paths. losing: share that loses anything."""
    where, more = "tails", "run more paths (--paths), or draw more of them into the tail (scenario.tail)"
    if losing <= 0.0:
        raise InputError("no path loses anything: there is no tail", where, remedy=more)
    w = each(drawn)
    threshold = float(ordered_at(x, 1.0 - part, w))
    beyond = x > threshold
    alike = effective(beyond * (1.0 if w is None else w)) if beyond.any() else 0.0
    if alike < FEWEST:
        raise InputError(f"{alike:.0f} paths lie beyond the threshold of {threshold:,.6g} USD, {losing:.3g} of all lose anything",
                         where, remedy=f"a tail takes {FEWEST}: {more}")
    if float(np.ptp(x[beyond])) == 0.0:
        raise InputError("every path beyond the threshold loses the same: there is no tail", where, f"{x.max():,.6g} USD",
                         "the largest loss is known")
    found = fit(x, threshold, drawn)
    if 1.0 - level >= found.share:
        raise InputError(f"lies before the threshold, which {found.share:.3g} of paths exceed", "level", level,
                         "take the run's own figures, or a level further out")
    return found


def by_threshold(x: np.ndarray, part: float, level: float, drawn: Drawn) -> pa.Table:
    """The same from fewer exceedances, while there are enough."""
    rows = []
    for some in THINNED:
        try:
            found = fitted(x, part * some, level, 1.0, drawn)
        except InputError:
            break
        var, beyond = found.values(level)
        rows.append({"threshold": found.threshold, "exceedances": len(found.excess), "share": found.share, "shape": found.shape,
                     "shape_error": found.shape_error, "scale": found.scale, "scale_error": found.scale_error,
                     "var": var, "expected_shortfall": beyond})
    return pa.Table.from_pylist(rows, schema=THRESHOLDS)


def to_know(found: Fit, x: np.ndarray) -> list[str]:
    """What the figures do not say of themselves."""
    said = ["estimate: a tail of this form is assumed to go on beyond the worst path; losses end where everything is lost"]
    if found.shape >= 1.0:
        said.append("the shape is 1 or more: such a tail has no mean, and so no ES")
    elif found.shape <= LEAST_SHAPE:
        said.append(f"the shape is {LEAST_SHAPE:g} or less: maximum likelihood has no normal errors there, so no interval")
    if found.shape < 0.0:
        end = found.threshold - found.scale / found.shape
        said.append(f"the tail ends at {end:,.0f} USD; the worst path lost {x.max():,.0f}")
    return said


def curve_of(x: np.ndarray, found: Fit, drawn: Drawn) -> pa.Table:
    """Shares of paths beyond a loss, from the threshold to twice the worst excess."""
    w = np.ones(len(x)) if drawn is None else drawn.w
    at = found.threshold + np.linspace(0.0, 2.0 * float(found.excess.max()), POINTS)
    z = np.maximum(1.0 + found.shape * (at - found.threshold) / found.scale, 0.0)
    tail = found.share * (np.exp(-(at - found.threshold) / found.scale) if abs(found.shape) < 1e-8 else
                          np.where(z > 0.0, np.where(z > 0.0, z, 1.0) ** (-1.0 / found.shape), 0.0))
    sample = [float(w[x > loss].sum() / w.sum()) for loss in at]
    return pa.table({"loss": np.concatenate([at, at]), "share": np.concatenate([tail, sample]),
                     "method": [FITTED] * POINTS + [SAMPLED] * POINTS})


def usd(name: str, meaning: str) -> pa.Field:
    """A column in USD."""
    return pa.field(name, pa.float64(), metadata={"unit": "USD", "meaning": meaning})


def number(name: str, unit: str, meaning: str) -> pa.Field:
    """A column without a currency."""
    return pa.field(name, pa.float64(), metadata={"unit": unit, "meaning": meaning})


FIGURES = pa.schema([
    pa.field("figure", pa.string()), pa.field("method", pa.string(), metadata={"meaning": "fitted tail, or sample alone"}),
    usd("value", "estimate"), usd("low", "its 95 % interval; null: none"), usd("high", "its 95 % interval; null: not bounded")])
THRESHOLDS = pa.schema([
    usd("threshold", "beyond which the tail begins"),
    pa.field("exceedances", pa.int64(), metadata={"unit": "count", "meaning": "paths beyond it"}),
    number("share", "share", "of paths beyond it"), number("shape", "number", "of the tail"),
    number("shape_error", "number", "standard error; null: none"), usd("scale", "of the tail"),
    usd("scale_error", "standard error; null: none"), usd("var", "at the level"), usd("expected_shortfall", "at the level")])

