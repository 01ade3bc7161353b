"""Uses of books and results: walls, checks, concentration, critical orders, comparisons."""

from __future__ import annotations

from delever.analysis.comparison import compare
from delever.analysis.critical import find_critical
from delever.analysis.largest import concentration
from delever.analysis.remainders import remainder_worlds
from delever.analysis.soundness import Check, check
from delever.analysis.walls import Wall, wall

__all__ = ["Check", "Wall", "check", "compare", "concentration", "find_critical", "remainder_worlds", "wall"]
