"""Tests of the run layer; `small` builds the worlds that they and the engine's tests share."""
