"""How often owners of crvUSD loans defend or close by how near they are to their bands: every number of the actor `defenders`.

    DELEVER_DATA=... python examples/crvusd/owners.py

Borrower-days: borrower_days.py. An act is the first of a day's end that differs from its beginning by more than LEAST_ACT:
ln(collateral / debt) up: a defence; down: a re-lever; the loan gone: a close. Hazards are fitted to the day's nearest distance as
the morning's state has it (analysis/hazards.py). Standard errors: owners, or days, belong together; the larger counts.
It ends with the actor as a world has it. Needs the folders crvusd_2023-11, oracles and llamalend_2024.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import borrower_days
import numpy as np
from borrower_days import DAY, MARKETS, START, Panel

from delever.analysis.hazards import Hazard, Watching, fit_factor, fit_hazard, fit_watching

LEAST_ACT, PART = 0.005, 1e-4  # what counts as an act, and as a change of one side [log]
NEAR, OFTEN_NEAR, DAYS_NEAR = 0.10, 0.05, 3  # log distances; days that a note counted an owner by
SIZE = 10_000.0  # crvUSD, at which the size factor is 1
CHECKED = ((-0.02, -0.01), (0.0, 0.005), (0.02, 0.05), (0.1, 0.2))  # distances at which `moved` is told
DRAWS, SEED = 400, 20231001  # of a bootstrap
ACTS = ("defend", "close", "re-lever")
LINES = (("watching", "defend", "defend_scale", "defend_far"), ("close", "close_scale", "close_far"),
         ("gain", "spread", "repays", "budget"))
Estimate = tuple[float, float]  # a number and its standard error


@dataclass(frozen=True)
class Fits:
    """What the borrower-days say. hazards, sizes: by act; near: of defences below NEAR (gain, spread, repays, adds); anywhere:
    the same of all; again: log factor of who defended before; often: who watches, of owners with DAYS_NEAR days below OFTEN_NEAR,
    of their defences there; watching: of defences everywhere; either: of defences and closes, as the actor has it."""

    rows: int
    owners: int
    hazards: Mapping[str, Hazard]
    sizes: Mapping[str, Estimate]
    again: Estimate
    near: Mapping[str, Estimate]
    anywhere: Mapping[str, Estimate]
    defences: tuple[int, int]  # near, anywhere
    often: Watching
    watching: Watching
    either: Watching


def bootstrap(values: np.ndarray, statistic: Callable[[np.ndarray], float], risk: Panel) -> Estimate:
    """(statistic, its standard error): whole owners, then whole days, drawn anew; the larger. values: [rows of risk]"""
    rng, found = np.random.default_rng(SEED), []
    for cluster in (risk.owner, risk.day):
        number = np.unique(cluster, return_inverse=True)[1]
        members = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
        again = [statistic(values[np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])])
                 for _ in range(DRAWS)]
        found.append(float(np.std(again)))
    return statistic(values), max(found)


def what_defences_are(defended: Panel) -> dict[str, Estimate]:
    """Gain, spread, and the shares that repay and that add, of defences."""
    logs = np.log(defended.gain)
    return {"gain": bootstrap(logs, lambda g: float(np.exp(np.median(g))), defended),
            "spread": bootstrap(logs, lambda g: float(np.std(g)), defended),
            "repays": bootstrap(defended.less > PART, lambda g: float(np.mean(g)), defended),
            "adds": bootstrap(defended.more > PART, lambda g: float(np.mean(g)), defended)}


def before(risk: Panel, acted: np.ndarray) -> np.ndarray:
    """Whether the owner had acted on an earlier day. [rows]"""
    first: dict[int, int] = {}
    for owner, day in zip(risk.owner[acted].tolist(), risk.day[acted].tolist(), strict=True):
        first[owner] = min(day, first.get(owner, day))
    return np.array([first.get(owner, day) < day for owner, day in zip(risk.owner.tolist(), risk.day.tolist(), strict=True)])


def fit(risk: Panel) -> Fits:
    """Of the days at risk."""
    clusters, gain = (risk.owner, risk.day), risk.gain
    acted = dict(zip(ACTS, (gain > LEAST_ACT, np.isnan(gain), gain < -LEAST_ACT), strict=True))
    hazards = {name: fit_hazard(risk.x, 1.0, did, clusters) for name, did in acted.items()}
    size = np.log(risk.debt / SIZE)
    expected = {name: hazard.at(risk.x) for name, hazard in hazards.items()}
    defends, near = acted["defend"], risk.x < NEAR
    below = risk.x < OFTEN_NEAR
    owner, days = np.unique(risk.owner[below], return_counts=True)
    often = below & np.isin(risk.owner, owner[days >= DAYS_NEAR])
    return Fits(
        len(risk.x), len(np.unique(risk.owner)), hazards,
        {name: fit_factor(expected[name], size, did, clusters) for name, did in acted.items()},
        fit_factor(expected["defend"], before(risk, defends).astype(float), defends, clusters),
        what_defences_are(risk.at(defends & near)), what_defences_are(risk.at(defends)),
        (int((defends & near).sum()), int(defends.sum())),
        fit_watching(risk.x[often], 1.0, [defends[often]], risk.owner[often]),
        fit_watching(risk.x, 1.0, [defends], risk.owner),
        fit_watching(risk.x, 1.0, [defends, acted["close"]], risk.owner))


def preset(fits: Fits) -> dict[str, float]:
    """The fields of `defenders`. Hazards are of those who watch; gains are as they were, so that no budget cuts them."""
    defend, close = fits.either.hazards
    exact = {"watching": fits.either.share, "defend": defend.near, "defend_scale": defend.scale, "defend_far": defend.far,
             "close": close.near, "close_scale": close.scale, "close_far": close.far,
             **{name: fits.near[name][0] for name in ("gain", "spread", "repays")}, "budget": 1.0}
    return {name: float(f"{value:.2g}") for name, value in exact.items()}


def snippet(fits: Fits) -> str:
    """It as a world has it."""
    fields = preset(fits)
    lines = [", ".join(f"{name}: {fields[name]:g}" for name in names) for names in LINES]
    return ("actors:\n  owners:   # estimate (crvusd_2023-11), of soft liquidation; what is not named is an assumption\n"
            "    {kind: defenders, " + ",\n     ".join(lines) + "}")


def ends(every: Panel) -> dict[int, float]:
    """Correlation of loans gone, by market and day, with ends of loans in llamalend_2024; by hours that START is thought late."""
    gone = np.isnan(every.gain)
    days = int(every.day.max()) + 1
    seen = np.bincount(every.market[gone] * days + every.day[gone], minlength=len(MARKETS) * days)
    with gzip.open(borrower_days.data("llamalend_2024", "loans_to_2024-02-29.csv.gz"), "rt") as file:
        ended = np.array([(list(MARKETS).index(row["market"]), datetime.fromisoformat(row["end_utc"]).timestamp())
                          for row in csv.DictReader(file) if row["end_utc"] and row["market"] in MARKETS])
    found = {}
    for hours in range(-48, 49, 6):
        day = ((ended[:, 1] - START - 3600.0 * hours) // DAY).astype(int)
        within = (day >= 0) & (day < days)
        real = np.bincount(ended[within, 0].astype(int) * days + day[within], minlength=len(MARKETS) * days)
        found[hours] = float(np.corrcoef(seen, real)[0, 1])
    return found


def moved(every: Panel) -> str:
    """How often collateral moved at the same debt, by the day's nearest distance: it does by itself in bands alone."""
    alone = (np.abs(every.more) > borrower_days.SAME) & (np.abs(every.less) < borrower_days.SAME)
    of = [f"{alone[(every.x >= low) & (every.x < high)].mean():.1%} from {low:.1%} to {high:.1%}" for low, high in CHECKED]
    return "Collateral moves at the same debt on this share of days, by x: " + ", ".join(of)


def row(*cells: str) -> None:
    """A row of a table."""
    print("| " + " | ".join(cells) + " |")


def head(*names: str) -> None:
    """The head of a table."""
    row(*names)
    print("|" + "---|" * len(names))


def say(fits: Fits) -> None:
    """Tables, as the page has them."""
    print(f"{fits.rows:,} borrower-days of {fits.owners:,} loans that were outside their bands all day\n")
    head("act", "far [1/day]", "near [1/day]", "scale", "s.e. of their logs", "acts", "times (debt / 10,000) to the")
    for name, one in fits.hazards.items():
        row(name, f"{one.far:.4f}", f"{one.near:.3f}", f"{one.scale:.4f}", ", ".join(f"{error:.2f}" for error in one.errors),
            f"{one.acts:,}", f"{fits.sizes[name][0]:.2f} ({fits.sizes[name][1]:.2f})")
    print(f"\nWho defended before: times {math.exp(fits.again[0]):.2f} (s.e. of the log {fits.again[1]:.2f})\n")
    head("defences", "n", "gain, median", "spread of its log", "repay", "add")
    for name, of, n in ((f"within {NEAR:.0%}", fits.near, fits.defences[0]), ("all", fits.anywhere, fits.defences[1])):
        row(name, f"{n}", *(f"{value:.3f} ({error:.3f})" for value, error in of.values()))
    print()
    head("who watches", "loans", "never acted", "if all were alike", "watching (95 %)", "log likelihood", "hazards of those")
    for name, w in ((f"defences on days within {OFTEN_NEAR:.0%}, of who has {DAYS_NEAR} or more", fits.often),
                    ("defences", fits.watching), ("defences and closes", fits.either)):
        row(name, f"{w.owners:,}", f"{w.idle:,} ({w.idle / w.owners:.0%})", f"{w.alone:,.0f} ({w.alone / w.owners:.0%})",
            f"{w.share:.0%} ({w.low:.0%}-{w.high:.0%})", f"+{w.gain:.0f}",
            "; ".join(f"{one.far:.4f} + {one.near:.3f} e^(-x / {one.scale:.4f})" for one in w.hazards))
    print("\n" + snippet(fits))


def main() -> None:
    """Recover, fit, print."""
    every = borrower_days.panel()
    found = ends(every)
    best = max(found, key=lambda hours: found[hours])
    print(f"Loans gone, against real ends of loans: correlation {found[0]:.2f} if snapshots are of midnight UTC,"
          f" {found[best]:.2f} at best, {best:+d} h off, {found[-24]:.2f} and {found[24]:.2f} a day off")
    print(moved(every))
    say(fit(borrower_days.at_risk(every)))


if __name__ == "__main__":
    main()
