"""Uses of books and results: walls, criticality, checks, concentration, critical orders, comparisons.

Beside them stand modules of formulas, for whoever asks about one position or one deficit without a world: `margin_prices`
(where a position is liquidated), `adl` (who pays for a deficit), `leverage` (a book that a liquidation feed hints at), `clearing`
(who can pay whom), `debtrank`, `overlap` (who loses by whose failure or sales), `fire_sales` (who sells to keep a ratio).
Names are loaded on first use: a check does not wait for what a comparison needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from delever.analysis import adl, clearing, debtrank, fire_sales, leverage, margin_prices, overlap
    from delever.analysis.comparison import Comparison, compare
    from delever.analysis.critical import find_critical
    from delever.analysis.feedback import Criticality, criticality
    from delever.analysis.largest import concentration
    from delever.analysis.passage import FirstPassage, first_passage
    from delever.analysis.position_prices import liquidation_prices
    from delever.analysis.remainders import remainder_worlds
    from delever.analysis.solvency import Solvency, solvency
    from delever.analysis.soundness import Check, check
    from delever.analysis.sweeps import Sweep, sweep
    from delever.analysis.walls import Wall, wall

__all__ = ["Check", "Comparison", "Criticality", "FirstPassage", "Solvency", "Sweep", "Wall", "adl", "check", "clearing",
           "compare", "concentration", "criticality", "debtrank", "find_critical", "fire_sales", "first_passage", "leverage",
           "liquidation_prices", "margin_prices", "overlap", "remainder_worlds", "solvency", "sweep", "wall"]
_HOME = {"Check": "soundness", "Comparison": "comparison", "Criticality": "feedback", "FirstPassage": "passage",
         "Solvency": "solvency", "Sweep": "sweeps", "Wall": "walls", "check": "soundness", "compare": "comparison",
         "concentration": "largest", "criticality": "feedback", "find_critical": "critical", "first_passage": "passage",
         "liquidation_prices": "position_prices", "remainder_worlds": "remainders", "solvency": "solvency", "sweep": "sweeps",
         "wall": "walls"}
_MODULES = ("adl", "clearing", "debtrank", "fire_sales", "leverage", "margin_prices", "overlap")


def __getattr__(name: str) -> object:
    """Load a name on first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
