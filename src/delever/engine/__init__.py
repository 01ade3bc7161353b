"""The step and its machinery. Names no protocol and imports no role."""
