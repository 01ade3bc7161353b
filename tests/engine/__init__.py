"""Tests of the engine: cases solved by hand, the block, the index of who can be unhealthy."""
