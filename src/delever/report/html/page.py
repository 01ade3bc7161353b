"""The page: what a run says, rendered into one self-contained file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from delever import __version__
from delever.analysis.bearers import LEVEL
from delever.analysis.origins import origins
from delever.model.errors import InputError
from delever.report.files import check_target, write_text
from delever.report.html import (
    answer,
    bearers,
    branching,
    breaks,
    change,
    deleveraged,
    exits,
    falls,
    fans,
    heat,
    hinges,
    infects,
    judged,
    layers,
    loan_terms,
    losses,
    reached,
    tails,
    walls,
    why,
    worst,
)
from delever.report.html.figure import Card, Figure, Given, html_table
from delever.report.html.given import given_of
from delever.report.html.theme import PALETTE, needed
from delever.report.numbers import human
from delever.report.stress import assumptions
from delever.run.store import MADE
from delever.run.stress import Run

SECTIONS = (  # id, name, lede
    (
        "price",
        "What breaks, at which price",
        "A wall shows what a price alone reaches, before anybody sells. Eligible is not liquidatable now, "
        "and neither is bad debt.",
    ),
    ("feedback", "Does it feed on itself", "Prices on the venues where forced selling goes, beside those of the outside."),
    ("size", "How bad, and how often", ""),
    ("course", "How it goes", "One path, as it was run: it shows how, not how often."),
    ("bearers", "Who pays", ""),
    ("infects", "Who infects whom", ""),
    ("hinges", "Whom it hinges on", ""),
    ("terms", "What terms bear", "Before anything is run: terms beside oracles, and caps beside depth."),
    ("least", "What is the least that breaks it", "Turned round: not what a shock does, but how small it may be."),
    ("change", "What would change it", ""),
    ("assumed", "What is assumed", ""),
    ("proof", "Where it comes from", ""),
)
LIMITS = (
    "Intervals are sampling error of the paths. They say nothing of whether an assumption holds.",
    "A wall is an instant: no sale, no feedback, no top-up.",
    "Figures are conditional on the book, the liquidity and the behaviour stated here; they are no advice.",
)


def write_report(run: Run, *others: Run, to: str | Path | None = None, labels: Sequence[str] = ()) -> Path:
    """Write the page, by default as report.html into the run's folder; where it is. See html_report."""
    if to is None and run.folder is None:
        raise InputError("is not said", "to", None, 'this run has no folder: write_report(run, to="report.html")')
    target = Path(to) if to is not None else Path(str(run.folder)) / "report.html"
    check_target(target, (".html",))
    write_text(html_report(run, *others, labels=labels), target)
    return target


def html_report(run: Run, *others: Run, labels: Sequence[str] = ()) -> str:
    """The page of a run, as HTML; others: variants on the same paths, that are compared with it.

    InputError: the extra is not installed, or a variant has other paths.
    """
    needed()
    return render(given_of(run, others, labels))


def render(given: Given) -> str:
    """Fill the template."""
    import jinja2

    files = resources.files("delever.report.html")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(files.joinpath("report.html.j2").read_text(encoding="utf-8"))
    run, world, scenario = given.run, given.run.world, given.run.world.scenario
    rows, shown, everybody = hinges.accounts(given)
    what_title, what = change.table(given)
    cards = answer.cards(given)
    stated, figures = origins(world), figures_of(given)
    return template.render(
        palette=PALETTE,
        version=__version__,
        name=world.name,
        horizon=given.horizon,
        paths=run.paths.num_rows,
        start=f"{world.as_of.astimezone(UTC):%d %B %Y, %H:%M} UTC",
        headline=answer.headline(given),
        decides=answer.decides(given),
        setting=answer.setting(given, stated),
        cards=cards,
        brief=answer.brief(given, figures, stated),
        sections=SECTIONS,
        figures=figures,
        missing=given.missing,
        several=len(world.protocols) > 1,
        accounts=rows,
        shown=shown,
        everybody=everybody,
        heads=hinges.heads(given),
        owners=hinges.owners(given),
        what_title=what_title,
        what=what,
        changes=change.settings(given),
        differing=given.differing,
        assumptions=assumptions(world),
        origins=stated.to_pylist(),
        human=human,
        limits=LIMITS,
        summary=html_table(
            run.summary.select(["figure", "value", "unit", "low", "high", "definition", "horizon"]), "Every figure of the run"
        ),
        proof=proof(given),
        terms=terms(given, cards),
        script=files.joinpath("report.js").read_text(encoding="utf-8"),
        level=LEVEL,
        seed=scenario.seed,
    )


def figures_of(given: Given) -> dict[str, list[Figure]]:
    """Of each section, those that there are."""
    found: dict[str, list[Figure | None]] = {
        "price": [*walls.walls(given), *heat.heat(given), *exits.exits(given), reached.reached(given)],
        "feedback": [*branching.branching(given), falls.falls(given), *fans.fans(given)],
        "size": [losses.losses(given), tails.far_tail(given)],
        "course": [worst.worst_path(given)],
        "bearers": [bearers.who_pays(given), *layers.layers(given), deleveraged.deleveraged(given), judged.judged(given)],
        "infects": [infects.infects(given)],
        "hinges": [hinges.concentration(given)],
        "terms": [loan_terms.loan_terms(given)],
        "least": [breaks.breaks(given)],
        "change": [*why.why(given)],
    }
    return {name: [figure for figure in figures if figure is not None] for name, figures in found.items()}


def proof(given: Given) -> list[tuple[str, str]]:
    """Where the figures come from."""
    run, scenario = given.run, given.run.world.scenario
    manifest: dict[str, Any] = run.manifest
    residual = answer.figures(given).get("conservation_residual", {}).get("value")
    return [
        ("program", f"delever {manifest.get('version', __version__)}, source {manifest.get('program', '–')}"),
        ("world", f"sha256 {manifest.get('world_hash', '–')}"),
        ("seed", str(scenario.seed)),
        ("paths and steps", f"{run.paths.num_rows:,} paths, {run.model.steps:,} steps of {human(scenario.step, 's')}"),
        *made_of(manifest),
        ("soundness", f"conservation held to {residual:.1e} of turnover" if residual is not None else "–"),
        *((f"input {name}", f"sha256 {digest}") for name, digest in sorted(dict(manifest.get("inputs", {})).items())),
    ]


def made_of(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """By which command the run was made, when, and how long it took; of runs of earlier versions it is not known."""
    made = manifest.get(MADE)
    if made is None:
        return []
    begun = datetime.fromisoformat(made["begun"])
    return [("command", made["command"]), ("made", f"{begun:%d %B %Y, %H:%M} UTC, in {human(made['seconds'], 's')}")]


def terms(given: Given, cards: Sequence[Card]) -> list[tuple[str, str, str]]:
    """Definitions: what each card means, and words of the page."""
    return [
        *((card.label, card.definition, card.unit) for card in cards),
        ("Eligible", "all that accounts with a health factor below 1 hold and owe", "USD"),
        ("Liquidatable now", "what the protocol's rules let one call an account seize and repay now", "USD"),
        ("Bad debt", "what accounts owe beyond all of their collateral", "USD"),
    ]
