"""Liquidation rules: one protocol family a file, the role's few methods in `base`."""
