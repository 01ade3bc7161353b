"""What a report is drawn from: walls, what feeds on itself, exit prices, positions, and what is kept beside the run."""

from __future__ import annotations

from collections.abc import Sequence

from delever.analysis.bearers import bearers
from delever.analysis.change import Change
from delever.analysis.change_beside import between, kept_change
from delever.analysis.comparison import Comparison, changed, compared
from delever.analysis.contagion import KEPT
from delever.analysis.feedback import STEP, TO, criticality_of
from delever.analysis.first_walls import within_reach
from delever.analysis.position_prices import prices_of
from delever.analysis.reverse_beside import kept_reverse
from delever.analysis.shocks import Walk
from delever.analysis.solvency import solvency_of
from delever.analysis.tails import ANY, Tails, tails
from delever.analysis.walls import wall_of
from delever.analysis.worst import calls, worst, worst_of
from delever.model.errors import InputError
from delever.model.quantity import check_label
from delever.report.files import CONCENTRATION
from delever.report.html import walls
from delever.report.html.figure import Given
from delever.run.store import kept_beside
from delever.run.stress import Run
from delever.run.twin import kept_twin

SHOCKS = "-60%..0%"
APART = 0.1  # between the prices at which all is sold, share
MOST_WALLS = 2  # figures
CHANGES = "how much of each difference is of {}; it takes up to {} further run{}: delever report RUN OTHER --change"
MOST_CALLS = 5_000  # on a path that is played again and told
COARSER = ((50_000, 0.05), (500_000, 0.1))  # accounts beyond which the branching ratio is measured in such steps of the price


def given_of(run: Run, others: Sequence[Run] = (), labels: Sequence[str] = ()) -> Given:
    """Walls, liquidation prices, concentration and comparison of a run."""
    for one in (run, *others):
        if one.world.scenario.tail is not None:
            raise InputError("draws paths around a move, and pictures count paths", "scenario.tail", one.world.name,
                             "report a run without it (--set scenario.tail=null); figures of this one: delever stress")
    missing: dict[str, str] = {}
    found = {asset: wall_of(run.model, asset, SHOCKS) for asset in leading(run)}
    concentration = None
    if run.folder is not None:
        concentration = kept_beside(run.folder, run.manifest, CONCENTRATION)
    if concentration is None:
        missing["concentration"] = "it was not computed with the run (delever stress --no-concentration leaves it out)"
    spread = kept_beside(run.folder, run.manifest, KEPT) if run.folder is not None else None
    if spread is None and len(run.world.protocols) > 1:
        missing["contagion"] = "it takes further runs, with each protocol spared: delever report RUN --contagion"
    comparison, changes, differing = variants(run, others, labels, missing)
    step = max((wide for many, wide in COARSER if len(run.model.positions.accounts) > many), default=STEP)
    feedback = {asset: criticality_of(run.model, asset, TO, Walk(step, None)) for asset in list(found)[:1]}
    exit_prices = {asset: solvency_of(run.model, SHOCKS, asset, Walk(APART)) for asset in list(found)[:1]}
    told = worst_of(run)
    if told is not None and (many := calls(run, told)) > MOST_CALLS:
        missing["worst"] = f"path {told} has {many:,} liquidations: delever replay RUN --path {told} plays it"
    return Given(run, walls=found, criticality=feedback, solvency=exit_prices, positions=prices_of(run.model),
                 concentration=concentration, comparison=comparison, others=others, changes=changes, differing=differing,
                 reverse=kept_reverse(run), twin=kept_twin(run), tails=far_tail(run, missing),
                 worst=None if told is None or "worst" in missing else worst(run, told), contagion=spread, missing=missing)


def variants(run: Run, others: Sequence[Run], labels: Sequence[str], missing: dict[str, str]
             ) -> tuple[Comparison | None, dict[str, Change], dict[str, list[str]]]:
    """(the runs side by side, why figures changed in each, groups of inputs that differ in each); what is not there is said."""
    if not others:
        return None, {}, {}
    names = tuple(labels) or tuple(each.folder.name if each.folder else f"variant {i + 1}" for i, each in enumerate(others))
    settings: list[dict[str, str]] = []
    changes: dict[str, Change] = {}
    differing: dict[str, list[str]] = {}
    for other, name in zip(others, names, strict=True):
        check_label(name, "labels")
        if (other.paths.num_rows, other.world.scenario.seed) != (run.paths.num_rows, run.world.scenario.seed):
            raise InputError("has other paths than the first run", name, other.paths.num_rows,
                             "compare runs of the same seed and number of paths")
        settings += changed(run.world, other.world, name)
        differing[name], more = between(run, other)
        known = kept_change(run, other)
        if known is not None:
            changes[name] = known
        elif more:
            missing["change"] = CHANGES.format(" and ".join(differing[name] or ["the program"]), more, "" if more == 1 else "s")
    return compared(run.world, names, [run, *others], settings, ()), changes, differing


def far_tail(run: Run, missing: dict[str, str]) -> Tails | None:
    """The fitted tail of what is lost; none where nothing is, or where paths are too few, which is said."""
    try:
        return tails(run)
    except InputError as error:
        if bearers(run).total.max() > ANY:
            missing["tails"] = error.what
        return None


def leading(run: Run) -> list[str]:
    """Assets whose walls are shown: whose fall by 30 % puts most debt and positions within reach, of those that have a market."""
    known = run.world.assets
    assets = [name for name in run.model.layout.markets if name in known and not (known[name].perp or known[name].is_option)]
    reach = within_reach(run.model, assets, walls.SAID)
    return sorted(assets, key=lambda name: -reach[name])[:MOST_WALLS]
