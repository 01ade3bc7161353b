"""How far the method is right on 1 to 3 November, fitted to 31 October: CRPS and coverage, against who says less.

    DELEVER_DATA=... python examples/morpho_2025/score.py        # writes score.json, prints a table

CRPS of an ensemble x of n: mean |x - y| - mean |x - x'| / 2 over all pairs (crps_ensemble of scoringrules with estimator "nrg");
of a single figure the distance. Of hours the state at each of them, of vaults the days that are known whole (1 and 2 November).
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

import fit
import inputs
import numpy as np
import predict
import simulate
import week
from inputs import DAY, HOUR, MARKETS, YEAR
from simulate import KNOWN, QUANTILES, Span, Told

FILE = Path(__file__).resolve().parent / "score.json"
BASELINES = ("yesterday's figure", "a constant share", "nothing happens")


def crps(values: np.ndarray, outcome: float) -> float:
    """Of an ensemble. values: [draws]"""
    x = np.sort(values)
    n = len(x)
    pairs = float((x * (2.0 * np.arange(1, n + 1) - n - 1.0)).sum()) / n**2  # mean |x - x'| / 2
    return float(np.abs(x - outcome).mean()) - pairs


def came(span: Span) -> dict[tuple[str, str], float]:
    """(Quantity, of what): what was, of a span that lies before the data's end."""
    end, out = inputs.moment(span.until), dict[tuple[str, str], float]()
    targets = {market.name: fit.targets(market, end) for market in MARKETS}
    for market in MARKETS:
        state, target = inputs.states(market, end), targets[market.name]
        for k, hour in enumerate(simulate.hours(span)):
            at = np.flatnonzero(state.at == inputs.moment(span.first) + HOUR * k)[0]
            used = float(state.borrowed[at] / state.supplied[at])
            out["utilisation", f"{market.name} {hour}"] = used
            out["rate", f"{market.name} {hour}"] = float(target[at]) * fit.curve_of(used)
        for day, _, last in simulate.days(span):
            out["bad debt", f"{market.name} {day}"] = shortfall(market, inputs.moment(span.first) + HOUR * last)
            out["bad debt written off", f"{market.name} {day}"] = 0.0  # no liquidation since 15 October but one of 39 pUSD
    known = inputs.vaults(end)
    for name, who in zip(simulate.vault_names(span), week.estimates(span.fit)["vaults"]["each"], strict=True):
        table = dict(known[who][1])
        for day, first, last in simulate.days(span):
            a, b = (table.get(inputs.moment(span.first) + HOUR * k) for k in (first, last))
            if a is not None and b is not None:
                out["assets leaving the vault", f"{name} {day}"] = a - b
                out[together(day)] = out.get(together(day), 0.0) + a - b
    return out


def together(day: str) -> tuple[str, str]:
    """The row of all vaults."""
    return "assets leaving the vault", f"{simulate.ALL} {day}"


def shortfall(market: inputs.Market, at: float) -> float:
    """Units owed beyond the collateral at its market price."""
    state = inputs.states(market, at)
    price = float(inputs.prices(week.COLLATERAL, at, at)[0, 1])
    return max(float(state.borrowed[-1]) - float(state.collateral[-1]) * price, 0.0)


def baselines(span: Span) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(Quantity, of what): the three figures, of what stands at the start."""
    start, out = inputs.moment(span.as_of), dict[tuple[str, str], tuple[float, float, float]]()
    for market in MARKETS:
        state, target = inputs.states(market, start), float(fit.targets(market, start)[-1])
        used = state.borrowed / state.supplied
        late = state.at >= start - 7 * DAY
        usual, now = float(used[late].mean()), float(used[-1])
        for hour in simulate.hours(span):
            ahead = (inputs.moment(f"{hour}:00:00Z") - float(state.at[-1])) / YEAR
            error = (now - 0.9) / (0.1 if now > 0.9 else 0.9)
            out["utilisation", f"{market.name} {hour}"] = now, usual, now
            out["rate", f"{market.name} {hour}"] = (target * fit.curve_of(now), target * fit.curve_of(usual),
                                                   target * math.exp(50.0 * error * ahead) * fit.curve_of(now))
        for day, _, _ in simulate.days(span):
            out["bad debt", f"{market.name} {day}"] = out["bad debt written off", f"{market.name} {day}"] = 0.0, 0.0, 0.0
    known = inputs.vaults(start)
    for name, who in zip(simulate.vault_names(span), week.estimates(span.fit)["vaults"]["each"], strict=True):
        table = known[who][1]
        share = float(np.mean(fit.growth(table)[:, 1]))
        for day, _, _ in simulate.days(span):
            mine = float(table[-2, 1] - table[-1, 1]), float(-share * table[-1, 1]), 0.0
            out["assets leaving the vault", f"{name} {day}"] = mine
            a, b, c = (x + y for x, y in zip(out.get(together(day), (0.0, 0.0, 0.0)), mine, strict=True))
            out[together(day)] = a, b, c
    return out


def scored(span: Span, told: Told) -> dict[str, Any]:
    """score.json: by quantity, hours and days together, utilisation and rate by market too; and all rows, with what came."""
    outcome, plain, groups = came(span), baselines(span), dict[str, list[tuple[np.ndarray, float, tuple[float, float, float]]]]()
    rows = []
    for quantity, of, unit, values in simulate.quantities(span, told):
        if (quantity, of) in outcome:
            row = values, outcome[quantity, of], plain[quantity, of]
            came_to = round(outcome[quantity, of], predict.DIGITS[unit]) + 0.0
            rows.append(predict.row(quantity, of, unit, values) | {"came": came_to})
            groups.setdefault(f"{quantity}, {simulate.ALL}" if of.startswith(simulate.ALL) else quantity, []).append(row)
            market = next((market.name for market in MARKETS if of.startswith(market.name)), None)
            if market is not None and quantity in ("utilisation", "rate"):
                groups.setdefault(f"{quantity}, {market}", []).append(row)
    return {"as_of": span.as_of, "until": span.until, "seed": simulate.SEED, "draws": len(told.used),
            "quantiles": list(QUANTILES), "fitted_on": ["morpho_2025-11, to 31 October 2025"],
            "given_of_the_event": ["sdeUSD in USD, hour by hour"],
            "groups": {name: of_group(found) for name, found in groups.items()}, "rows": rows}


def of_group(rows: list[tuple[np.ndarray, float, tuple[float, float, float]]]) -> dict[str, Any]:
    """Means over its rows."""
    low, high = (np.array([np.quantile(values, QUANTILES[k]) for values, _, _ in rows]) for k in (1, 5))
    outcome = np.array([y for _, y, _ in rows])
    plain = np.abs(np.array([figures for _, _, figures in rows]) - outcome[:, None]).mean(0)
    return {"rows": len(rows), "crps": float(f"{np.mean([crps(values, y) for values, y, _ in rows]):.6g}"),
            "in_80_interval": round(float(((low <= outcome + 1e-9) & (outcome <= high + 1e-9)).mean()), 4),
            "bias": float(f"{np.mean([np.median(values) - y for values, y, _ in rows]):.6g}"),
            "crps_of": {name: float(f"{x:.6g}") for name, x in zip(BASELINES, plain, strict=True)}}


def page(found: dict[str, Any]) -> str:
    """score.json as the table of the page; money in millions."""
    lines = ["| quantity | rows | CRPS | in the 80 % interval | bias of the median | " + " | ".join(BASELINES) + " |",
             "|---" * (5 + len(BASELINES)) + "|"]
    for name, one in found["groups"].items():
        unit, show = (1e6, "{:.2f} m") if name.startswith(("assets", "bad debt")) else (1.0, "{:.4f}")
        figures = [show.format(x / unit) for x in (one["crps"], one["bias"], *one["crps_of"].values())]
        lines.append(f"| {name} | {one['rows']} | {figures[0]} | {one['in_80_interval']:.0%} | {figures[1]} | ".replace("%", " %")
                     + " | ".join(figures[2:]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=simulate.DRAWS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    found = scored(KNOWN, simulate.simulated(KNOWN, arguments.draws, arguments.workers))
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(page(found))


if __name__ == "__main__":
    main()
