"""Uses of books and results: walls, checks, concentration, critical orders, comparisons."""

from __future__ import annotations

from delever.analysis.remainders import remainder_worlds
from delever.analysis.walls import Wall, wall

__all__ = ["Wall", "remainder_worlds", "wall"]
