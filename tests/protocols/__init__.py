"""Tests of the protocols' rules: contract vectors, hand-worked cases, properties."""
