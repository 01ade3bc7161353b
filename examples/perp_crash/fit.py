"""Leverage over open interest: the estimate, its errors and its score on days it has not seen.

    DELEVER_DATA=... python examples/perp_crash/fit.py
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from delever.analysis import leverage, leverage_feeds
from delever.ingest.source import Source

HERE = Path(__file__).resolve().parent
FILE = HERE / "leverage.json"
SEED, DRAWS = 20251010, 400
SWEPT = (0.2, 0.35, 0.55, 0.95)  # assumption, not an estimate: shares of positions opened anew a day, as likely each
FIELDS = ("mu", "sigma", "shift", "turnover")


def band(values: list[float]) -> str:
    """Median and 80 % interval."""
    low, mid, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"{mid:.2f} [{low:.2f}, {high:.2f}]"


def told(title: str, fit: leverage.Fit, predictions: list[leverage.Predictions]) -> None:
    """One fit: estimate, bootstrap over weeks, score on its own days."""
    print(f"\n## {title}\n")
    for name in FIELDS:
        print(f"- {name}: {getattr(fit.best, name):.2f}; bootstrap {band([getattr(draw, name) for draw in fit.draws])}")
    for k, part in enumerate(predictions):
        factors = [draw.reporting[k] for draw in fit.draws]
        print(f"- {part.feed.name}: share reported {fit.best.reporting[k]:.3f}; bootstrap {band(factors)}"
              + (" (level of open interest)" if part.feed.complete else ""))
        print(f"  in sample, {leverage.score(part, fit.node, fit.best.reporting[k])}")
    for move in (0.02, 0.05, 0.10, 0.20, 0.40):
        shares = [fit.best.share_within(np.array([move]), 0.5 / 20, short)[0] for short in (False, True)]
        print(f"- opened closer than a move of {move:.0%} (20x at most): longs {shares[0]:.1%}, shorts {shares[1]:.1%}")


def out_of_sample(predictions: list[leverage.Predictions]) -> dict[str, dict[str, Any]]:
    """Fit on the first half of each feed's days, score on the second; the scores by feed."""
    print("\n## Fitted on the first half of each feed's days, scored on the second\n")
    cut = [int(np.median(part.feed.day)) for part in predictions]
    first = [_half(part, part.feed.day < at) for part, at in zip(predictions, cut, strict=True)]
    second = [_half(part, part.feed.day >= at) for part, at in zip(predictions, cut, strict=True)]
    fit = leverage.fit(first)
    print(f"- estimate: {', '.join(f'{name} {getattr(fit.best, name):.2f}' for name in FIELDS)}")
    scores = {part.feed.name: leverage.score(part, fit.node, fit.best.reporting[k]) for k, part in enumerate(second)}
    for name, score in scores.items():
        print(f"- {name}: {score}")
    return {name: asdict(score) for name, score in scores.items()}


def _half(part: leverage.Predictions, kept: np.ndarray) -> leverage.Predictions:
    return leverage.Predictions(part.feed.only(kept), part.long[..., kept], part.short[..., kept])


def by_turnover(predictions: list[leverage.Predictions]) -> list[leverage.Spread]:
    """How many positions turn over in a day is poorly known: the rest fitted again at each value of it, and drawn."""
    print("\n## At each turnover, the rest fitted again\n")
    draws: list[leverage.Spread] = []
    for turnover in SWEPT:
        fit = leverage.fit(predictions, DRAWS // len(SWEPT), SEED, leverage_feeds.LEVEL_SPREAD, turnover)
        close = [fit.best.share_within(np.array([move]), 0.5 / 20)[0] for move in (0.05, 0.2)]
        print(f"- {turnover:.2f} a day: mu {fit.best.mu:.2f}, sigma {fit.best.sigma:.1f}, shift {fit.best.shift:.2f}, "
              f"Binance reports {fit.best.reporting[0]:.2f}; longs within 5 %: {close[0]:.1%}, within 20 %: {close[1]:.1%}; "
              f"quasi-likelihood {fit.likelihood:.1f}")
        for part, factor in zip(predictions, fit.best.reporting, strict=True):
            print(f"  {part.feed.name}: {leverage.score(part, fit.node, factor)}")
        draws += fit.draws
    return draws


def main() -> None:
    """Print all, and write what inputs.py takes."""
    source = Source(None)
    predictions = [leverage.predict(feed) for feed in (leverage_feeds.binance(source), leverage_feeds.hyperliquid(source))]
    spread = leverage_feeds.LEVEL_SPREAD
    for part in predictions:
        told(f"{part.feed.name} alone", leverage.fit([part], DRAWS, SEED, spread), [part])
    both = leverage.fit(predictions, DRAWS, SEED, spread)
    told("Both together", both, predictions)
    scores = out_of_sample(predictions)
    rows = [{name: getattr(draw, name) for name in FIELDS} for draw in (both.best, *by_turnover(predictions))]
    FILE.write_text(json.dumps({"feeds": [part.feed.name for part in predictions], "seed": SEED, "files": source.hashes,
                                "scores_on_unseen_days": scores, "best": rows[0], "draws": rows[1:]}, indent=1) + "\n")
    print(f"\nwritten: {FILE.name}, {len(rows) - 1} draws")


if __name__ == "__main__":
    main()
