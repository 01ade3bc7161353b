"""How outside prices move."""
