"""What properties draw: numbers that a world may state."""

from __future__ import annotations

from hypothesis import strategies as st

from delever.ingest.numbers import SMALLEST


def some(low: float, high: float) -> st.SearchStrategy[float]:
    """From low to high; what is too small to be stated is 0."""
    return st.floats(low, high).map(lambda x: x if abs(x) >= SMALLEST else 0.0)
