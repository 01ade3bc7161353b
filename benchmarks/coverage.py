"""Whether 95 % intervals hold what they say: how often they contain the truth, over many repetitions of a run.

    python -m benchmarks.coverage [--repeat 1000] [--paths 1000] [--only exact world tail]

    exact    losses whose truth is known in closed form: a put on a log-normal price, (K - S)+ with S = exp(-s^2 / 2 + s z),
             which is nothing on most paths; drawn plainly, and with the mean of z shifted on three paths in four
    world    the worlds of benchmarks/far_world.py, played by the engine; the truth comes from 4 million paths of another seed
    tail     VaR and ES at 99.9 % by the fitted tail of analysis/tails.py, beside those of the sample alone: of losses whose tail
             is of that form (three paths in ten lose), and of puts, whose tail is not and ends where the price is nothing

A line a figure: how often the interval holds the truth, how often the truth lies below and above it, the median of its width
over the truth, and its repetitions. A quantile of nothing is an atom, which an interval holds always: those are left out.
`unbounded` is the share of intervals without both ends: one without an end holds everything on that side. `refused` is the share
of repetitions in which no tail is fitted; they count neither way.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from benchmarks.far_world import shortfalls, world
from delever.analysis.gpd import Fit
from delever.analysis.tails import ANY, BEYOND, OF_LOSING, fitted
from delever.model.errors import InputError
from delever.prices.base import plainly
from delever.run.assemble import assemble
from delever.run.estimates import Drawn, Estimate, Weights, mean, ordered_at, quantile, share, tail_mean, tail_mean_at

PLAIN = 0.25  # share of paths that are drawn as they are
FAR, SCALE = 0.999, 1e6  # level of fitted tails; USD of a loss of 1, so that less than a dollar is rounding there too
Sample = tuple[np.ndarray, Drawn]
Draw = Callable[[np.random.Generator, int], Sample]


def normal_below(z: float) -> float:
    """Chance that a normal is below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def quantile_of_normal(level: float) -> float:
    """By bisection."""
    low, high = -9.0, 9.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if normal_below(middle) < level else (low, middle)
    return 0.5 * (low + high)


class Put:
    """max(K - S, 0) with S = exp(-s^2 / 2 + s z): closed forms (Black and Scholes)."""

    def __init__(self, strike: float, s: float) -> None:
        self.strike, self.s = strike, s

    def draw(self, shift: float) -> Draw:
        """Samples, of which three paths in four have a mean of z of `shift`; 0: all alike."""
        def drawn(rng: np.random.Generator, n: int) -> Sample:
            z, plain = rng.normal(size=n), plainly(np.arange(n), PLAIN)
            z[~plain] += shift
            drawn = Weights(1.0 / (PLAIN + (1.0 - PLAIN) * np.exp(shift * z - 0.5 * shift**2)), plain) if shift else None
            return np.maximum(self.strike - np.exp(self.s * z - 0.5 * self.s**2), 0.0), drawn
        return drawn

    def below(self, level: float) -> tuple[float, float]:
        """(chance p, mean of (K' - S)+) for the strike K' that S falls below with chance p = level."""
        z = quantile_of_normal(level)
        return math.exp(self.s * z - 0.5 * self.s**2), normal_below(z - self.s)

    def var(self, level: float) -> float:
        """Quantile of the loss."""
        return max(0.0, self.strike - self.below(1.0 - level)[0])

    def expected_shortfall(self, level: float) -> float:
        """Mean of the worst 1 - level: K - E[S | S below its quantile], or all of the loss spread over them."""
        if self.var(level) > 0.0:
            return self.strike - self.below(1.0 - level)[1] / (1.0 - level)
        return self.mean() / (1.0 - level)

    def mean(self) -> float:
        """Of the loss."""
        d = (math.log(self.strike) + 0.5 * self.s**2) / self.s
        return self.strike * normal_below(d) - normal_below(d - self.s)

    def beyond(self, x: float) -> float:
        """Chance of a loss above x."""
        return normal_below((math.log(self.strike - x) + 0.5 * self.s**2) / self.s)


class Pareto:
    """Nothing, or with chance LOSING a loss beyond y with chance (1 + shape y)^(-1 / shape): a tail of the fitted form."""

    LOSING = 0.3

    def __init__(self, shape: float) -> None:
        self.shape = shape

    def draw(self, rng: np.random.Generator, n: int) -> Sample:
        """Samples, all alike."""
        u, loses = rng.uniform(size=n), rng.uniform(size=n) < self.LOSING
        return np.where(loses, self.beyond(u), 0.0) * SCALE, None

    def beyond(self, chance: np.ndarray | float) -> Any:
        """The loss that is exceeded with this chance, of those that lose."""
        return -np.log(chance) if self.shape == 0.0 else np.expm1(-self.shape * np.log(chance)) / self.shape

    def var(self, level: float) -> float:
        """Quantile of the loss."""
        return float(self.beyond((1.0 - level) / self.LOSING)) * SCALE

    def expected_shortfall(self, level: float) -> float:
        """Mean beyond it."""
        return (self.var(level) + SCALE) / (1.0 - self.shape)


Truths = dict[str, tuple[float, Callable[[np.ndarray, Drawn], Estimate]]]


def figures(var: Callable[[float], float], shortfall: Callable[[float], float], beyond: dict[float, float], average: float
            ) -> Truths:
    """What is judged: the truth, and the estimate. Quantiles of nothing are left out."""
    found: Truths = {"mean": (average, mean)}
    for level in (0.95, 0.99):
        found[f"VaR {level:.0%}"] = (var(level), lambda x, w, level=level: quantile(x, level, w))
        found[f"ES {level:.0%}"] = (shortfall(level), lambda x, w, level=level: tail_mean(x, level, w))
    for loss, chance in beyond.items():
        found[f"P(loss > {loss:.3g})"] = (chance, lambda x, w, loss=loss: share(x > loss, w))
    return {name: one for name, one in found.items() if one[0] > 0.0}


def judged(truths: Truths, samples: Iterator[Sample]) -> list[dict[str, Any]]:
    """A row a figure. One that is refused (InputError) counts neither way."""
    held: dict[str, list[tuple[float, float]]] = {name: [] for name in truths}
    repeat = 0
    for x, w in samples:
        repeat += 1
        for name, (_, estimate) in truths.items():
            with suppress(InputError):
                held[name].append(estimate(x, w)[1:])
    rows = []
    for name, (truth, _) in truths.items():
        low, high = np.array(held[name]).reshape(-1, 2).T
        if not len(low):
            rows.append({"figure": name, "truth": float(f"{truth:.6g}"), "refused": 1.0, "repetitions": repeat})
            continue
        below, above = low > truth, high < truth  # an end that is not known holds everything
        rows.append({"figure": name, "truth": float(f"{truth:.6g}"), "holds": round(float(1.0 - (below | above).mean()), 4),
                     "truth_below": round(float(below.mean()), 4), "truth_above": round(float(above.mean()), 4),
                     "width": float(f"{np.nanmedian(high - low) / truth:.3g}") if np.isfinite(high - low).any() else None,
                     "unbounded": round(float((~np.isfinite(high - low)).mean()), 4),
                     "refused": round(1.0 - len(low) / repeat, 4), "repetitions": repeat})
    return rows


def exact(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Puts of which 30 %, 4 % and 1.5 % of paths lose, without and with a shift."""
    for strike in (0.9, 0.7, 0.65):
        put = Put(strike, 0.2)
        truths = figures(put.var, put.expected_shortfall, {loss: put.beyond(loss) for loss in (0.0, 0.05)}, put.mean())
        for shift in (0.0, -1.5, -2.5):
            rng = np.random.default_rng(7)
            for row in judged(truths, (put.draw(shift)(rng, a.paths) for _ in range(a.repeat))):
                yield {"of": f"put at {strike}", "drawn": "plainly" if shift == 0.0 else f"shifted by {shift}", **row}


def played(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The worlds."""
    for name in ("one loan", "a cascade"):
        x = np.concatenate([found for found, _ in shortfalls(assemble(world(name, seed=2)), 0, a.truth)])
        at = 1000.0
        truths = figures(lambda level, x=x: float(ordered_at(x, level)), lambda level, x=x: float(tail_mean_at(x, level)),
                         {loss: float((x > loss).mean()) for loss in (1.0, at)}, float(x.mean()))
        for tail in (None, {"change": {"ETH": "-12 %"}, "over": "1 d"}, {"change": {"ETH": "-20 %"}}):
            model = assemble(world(name, seed=1, tail=tail))
            samples = together(shortfalls(model, 0, a.paths * a.repeat), a.paths, tail is not None)
            for row in judged(truths, samples):
                yield {"of": name, "drawn": "plainly" if tail is None else json.dumps(tail), **row}


def tailed(a: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fitted tails."""
    for shape in (-0.2, 0.0, 0.2, 0.4):
        losses = Pareto(shape)
        yield from far_out(f"losses with a tail of shape {shape:g}", "plainly", losses, losses.draw, a)
    for strike, shift in ((0.9, 0.0), (0.9, -1.5), (0.7, -1.5)):
        put = Put(strike, 0.2)
        how = "plainly" if shift == 0.0 else f"shifted by {shift}"
        yield from far_out(f"put at {strike}", how, put, lambda rng, n, draw=put.draw(shift): (
            lambda x, w: (x * SCALE, w))(*draw(rng, n)), a, SCALE)


def far_out(of: str, how: str, losses: Put | Pareto, draw: Draw, a: argparse.Namespace, scale: float = 1.0
            ) -> Iterator[dict[str, Any]]:
    """VaR and ES at FAR, by the tail and by the sample. scale: of what is drawn over what `losses` says."""
    last: list[tuple[np.ndarray, Fit]] = []

    def tail(x: np.ndarray, w: Drawn) -> Fit:
        if not last or last[0][0] is not x:
            losing = share(x > ANY, w)[0]
            last[:] = [(x, fitted(x, min(BEYOND, OF_LOSING * losing), FAR, losing, w))]
        return last[0][1]

    truths: Truths = {
        f"VaR {FAR:.1%}, tail": (losses.var(FAR) * scale, lambda x, w: tail(x, w).var(FAR)),
        f"VaR {FAR:.1%}, sample": (losses.var(FAR) * scale, lambda x, w: quantile(x, FAR, w)),
        f"ES {FAR:.1%}, tail": (losses.expected_shortfall(FAR) * scale, lambda x, w: tail(x, w).expected_shortfall(FAR)),
        f"ES {FAR:.1%}, sample": (losses.expected_shortfall(FAR) * scale, lambda x, w: tail_mean(x, FAR, w))}
    rng = np.random.default_rng(7)
    for row in judged(truths, (draw(rng, a.paths) for _ in range(a.repeat))):
        yield {"of": of, "drawn": how, **row}


def together(parts: Iterator[tuple[np.ndarray, np.ndarray]], size: int, weighted: bool) -> Iterator[Sample]:
    """Cut into runs of so many paths."""
    x, w = (np.concatenate(column) for column in zip(*parts, strict=True))
    for at in range(0, len(x), size):
        yield x[at:at + size], Weights(w[at:at + size], plainly(np.arange(at, at + size), PLAIN)) if weighted else None


KINDS = {"exact": exact, "world": played, "tail": tailed}


def main() -> None:
    """Print a line a figure, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1000)
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--truth", type=int, default=4_000_000, help="paths of a world's truth")
    parser.add_argument("--only", nargs="+", choices=tuple(KINDS), default=list(KINDS))
    a = parser.parse_args()
    for kind in a.only:
        for row in KINDS[kind](a):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
