"""A second, deliberately plain implementation of the model, and random small worlds to compare the engine on.

It follows "The model, exactly" in docs/design.md and shares no code with the engine: one path, one account at a
time, lists and dataclasses. What it may share are the specs (its input) and the liquidity tables of the venues.
"""
