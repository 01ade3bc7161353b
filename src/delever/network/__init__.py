"""How transactions get into blocks."""
