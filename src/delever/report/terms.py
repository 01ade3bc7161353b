"""Words of analyses that `delever explain` knows: what the analysis says of itself, where it stands."""

from __future__ import annotations

from importlib import import_module

ANALYSIS = "delever.analysis"
TERMS = {  # word -> the file whose first lines explain it
    "reverse": "reverse", "reverse stress": "reverse", "bracket": "reverse", "limit": "limits", "limits": "limits",
    "lever": "levers", "levers": "levers", "push": "levers", "cost": "push_costs", "capital": "push_costs",
    "phase diagram": "quantities", "leverage": "quantities", "latency": "quantities", "elasticity": "steepness",
    "graceful": "steepness", "abrupt": "steepness"}


def told(word: str) -> tuple[str, ...]:
    """Lines about a word; none where it is not one of these."""
    if word not in TERMS:
        return ()
    said = (import_module(f"{ANALYSIS}.{TERMS[word]}").__doc__ or "").strip()
    return tuple(line for line in said.splitlines() if line.strip())
