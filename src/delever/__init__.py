"""delever: stress tests of systemic deleveraging.

    import delever as dl

    world = dl.load("examples/aave_steth")
    dl.show(dl.wall(world, asset="ETH", shocks="-60%..0%"))
    run = dl.stress(world)
    dl.show(run)                     # or run.summary, run.paths: Arrow tables
    dl.show(dl.concentration(run))   # the figures without each of the largest accounts

Names are loaded on first use, so that `import delever` is instant and loads no compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from delever.analysis import (
        check,
        compare,
        concentration,
        criticality,
        find_critical,
        first_passage,
        liquidation_prices,
        remainder_worlds,
        sweep,
        wall,
    )
    from delever.analysis.change import change
    from delever.analysis.contagion import contagion
    from delever.analysis.heat import heat_map
    from delever.analysis.leaning import lean
    from delever.analysis.limits import static_checks
    from delever.analysis.looping import loop
    from delever.analysis.network import network
    from delever.analysis.outcomes import outcomes
    from delever.analysis.reverse import reverse
    from delever.analysis.solvency import solvency
    from delever.analysis.tails import tails
    from delever.analysis.twin import twin
    from delever.analysis.worst import worst
    from delever.examples import example
    from delever.ingest.own_import import import_book
    from delever.model.book import Book
    from delever.model.errors import InputError, StoppedError
    from delever.model.world import World
    from delever.report import show
    from delever.report.html.page import html_report, write_report
    from delever.run.replay import replay
    from delever.run.stress import open_run, stress
    from delever.worlds import load

__version__ = "0.1.0"
__all__ = [
    "Book",
    "InputError",
    "StoppedError",
    "World",
    "change",
    "check",
    "compare",
    "concentration",
    "contagion",
    "criticality",
    "example",
    "find_critical",
    "first_passage",
    "heat_map",
    "html_report",
    "import_book",
    "lean",
    "liquidation_prices",
    "load",
    "loop",
    "network",
    "open_run",
    "outcomes",
    "remainder_worlds",
    "replay",
    "reverse",
    "show",
    "solvency",
    "static_checks",
    "stress",
    "sweep",
    "tails",
    "twin",
    "wall",
    "worst",
    "write_report",
]

_HOME = {
    "Book": "delever.model.book",
    "InputError": "delever.model.errors",
    "StoppedError": "delever.model.errors",
    "World": "delever.model.world",
    "change": "delever.analysis.change",
    "check": "delever.analysis",
    "compare": "delever.analysis",
    "concentration": "delever.analysis",
    "contagion": "delever.analysis.contagion",
    "criticality": "delever.analysis",
    "example": "delever.examples",
    "find_critical": "delever.analysis",
    "first_passage": "delever.analysis",
    "heat_map": "delever.analysis.heat",
    "html_report": "delever.report.html.page",
    "import_book": "delever.ingest.own_import",
    "lean": "delever.analysis.leaning",
    "liquidation_prices": "delever.analysis",
    "load": "delever.worlds",
    "loop": "delever.analysis.looping",
    "network": "delever.analysis.network",
    "outcomes": "delever.analysis.outcomes",
    "remainder_worlds": "delever.analysis",
    "open_run": "delever.run.stress",
    "replay": "delever.run.replay",
    "reverse": "delever.analysis.reverse",
    "show": "delever.report",
    "solvency": "delever.analysis.solvency",
    "static_checks": "delever.analysis.limits",
    "stress": "delever.run.stress",
    "sweep": "delever.analysis",
    "tails": "delever.analysis.tails",
    "twin": "delever.analysis.twin",
    "wall": "delever.analysis",
    "worst": "delever.analysis.worst",
    "write_report": "delever.report.html.page",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'delever' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
