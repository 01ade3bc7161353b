"""Stress tests for the page: a few paths first, then all; variants beside the world on the same paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from delever.analysis.bearers import bearers
from delever.analysis.comparison import Comparison, changed, compared
from delever.analysis.largest import exposure
from delever.analysis.position_prices import prices_of
from delever.analysis.samples import run_model, without
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.comparison import chosen_figures, label_of, surely
from delever.report.html import answer, change
from delever.report.html.figure import Given
from delever.report.sections import MAIN
from delever.run.figures import summarise
from delever.run.stress import Run
from delever.web.desk.state import Desk, Settings
from delever.worlds import with_settings

COARSE = 20  # paths of the first answer
SHARED = ("scenario.paths", "scenario.seed", "scenario.horizon", "scenario.step")  # the world's too: pairs need the same paths
WORLD = "world"


def run(desk: Desk, variants: Sequence[Mapping[str, Any]], coarse: int = COARSE) -> None:
    """Run the world and its variants, of `coarse` paths and then of all; each time what they say is a part of the answer.

    variants: label, settings, and whom to leave out (protocol, account) or None.
    """
    if desk.given and not variants:
        desk.part(said(desk, desk.given[0].paths.num_rows))
        return
    shared = dict(pair for one in variants for pair in one["settings"] if pair[0] in SHARED)
    base = with_settings(desk.loaded, shared)
    others = [with_settings(base, dict(own(one["settings"]))) for one in variants]
    whole = base.scenario.paths
    for paths in [coarse, whole] if coarse < whole else [whole]:
        baseline = desk.run(paths_of(base, paths), WORLD)
        runs = [(WORLD, baseline)]
        for one, world in zip(variants, others, strict=True):
            made = desk.run(paths_of(world, paths), one["label"])
            runs.append((one["label"], left_out(desk, made, *one["without"]) if one.get("without") else made))
        desk.shown, desk.replayed = runs, None
        desk.part(said(desk, whole))


def own(settings: Settings) -> Iterator[tuple[str, str]]:
    """What only a variant has."""
    yield from (pair for pair in settings if pair[0] not in SHARED)


def paths_of(world: World, paths: int) -> World:
    """The world on its first paths; the same world where these are all."""
    return world if paths == world.scenario.paths else world.replace("scenario.paths", paths)


def left_out(desk: Desk, run: Run, protocol: str, account: str) -> Run:
    """The same run with one account emptied; everybody else draws the same random numbers."""
    model = run.model
    names, number = model.positions.accounts, list(model.world.protocols).index(protocol)
    at = [i for i, name in enumerate(names) if name == account and int(model.positions.protocol[i]) == number]
    if not at:
        raise InputError("is not in the book", "without", account, "choose an account of the wall")
    desk.tell(f"without {account}", 0, 1)
    emptied = without(model, at)
    paths = run_model(emptied, 0, model.world.scenario.paths)
    return replace(run, model=emptied, paths=paths, summary=summarise(emptied, paths), folder=None)


def comparison_of(shown: Sequence[tuple[str, Run]]) -> Comparison | None:
    """Paired differences of what is shown; none of one run alone."""
    if len(shown) < 2:
        return None
    labels, runs = [label for label, _ in shown[1:]], [run for _, run in shown]
    world = runs[0].world
    settings = [row for label, run in shown[1:] for row in changed(world, run.world, label)]
    return compared(world, labels, runs, settings, ())


def said(desk: Desk, whole: int) -> dict[str, Any]:
    """What the runs say. whole: paths there will be."""
    labels, runs = [label for label, _ in desk.shown], [run for _, run in desk.shown]
    result = comparison_of(desk.shown)
    given = Given(runs[0], positions=prices_of(runs[0].model), comparison=result)
    rows = alone(runs[0]) if result is None else side_by_side(runs[0], result)
    shown = [row["variants"] for row in rows if row["main"]]
    total = bearers(runs[-1]).total
    order = np.argsort(-total, kind="stable")
    return {
        "labels": labels,
        "paths": runs[0].paths.num_rows,
        "of": whole,
        "horizon": given.horizon,
        "exposure": float(exposure(runs[0].model).sum()),
        "seed": runs[0].world.scenario.seed,
        "headline": answer.headline(given),
        "decides": answer.decides(given),
        "title": change.title([one for variants in shown for one in variants]) if result is not None else "",
        "rows": rows,
        "settings": [] if result is None else result.settings.to_pylist(),
        "findings": [f"{one.where}: {one.what}" for one in runs[-1].found if one.level == "warn"],
        "worst": int(order[0]),
        "median": int(order[len(order) // 2]),
    }


def alone(run: Run) -> list[dict[str, Any]]:
    """Figures of one run."""
    return [{**words(row), "base": row["value"], "low": row["low"], "high": row["high"], "main": row["figure"] in MAIN,
             "variants": []} for row in run.summary.to_pylist()]


def side_by_side(run: Run, result: Comparison) -> list[dict[str, Any]]:
    """Figures of the first run, and of each variant with its paired difference."""
    main = chosen_figures(result)
    intervals = {row["figure"]: row for row in run.summary.to_pylist()}
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in result.differences.to_pylist():
        by_name.setdefault(row["figure"], []).append({**row, "sure": surely(row)})
    return [{**words(rows[0]), "base": rows[0]["baseline"], "low": intervals[name]["low"], "high": intervals[name]["high"],
             "main": name in main, "variants": rows}
            for name, rows in sorted(by_name.items(), key=lambda one: main.index(one[0]) if one[0] in main else len(main))]


def words(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a figure is called and means."""
    return {"figure": row["figure"], "label": label_of(dict(row)), "definition": row["definition"], "unit": row["unit"],
            "horizon": row["horizon"]}
