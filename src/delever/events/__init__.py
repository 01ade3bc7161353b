"""Events: what the scenario says happens, and when."""
