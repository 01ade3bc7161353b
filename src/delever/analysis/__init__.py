"""Uses of books and results: walls, checks, concentration, critical orders, comparisons.

Beside them stand modules of formulas, for whoever asks about one position or one deficit without a world: `margin_prices`
(where a position is liquidated), `adl` (who pays for a deficit), `leverage` (a book that a liquidation feed hints at).
"""

from __future__ import annotations

from delever.analysis import adl, leverage, margin_prices
from delever.analysis.comparison import compare
from delever.analysis.critical import find_critical
from delever.analysis.largest import concentration
from delever.analysis.remainders import remainder_worlds
from delever.analysis.soundness import Check, check
from delever.analysis.walls import Wall, wall

__all__ = ["Check", "Wall", "adl", "check", "compare", "concentration", "find_critical", "leverage", "margin_prices",
           "remainder_worlds", "wall"]
