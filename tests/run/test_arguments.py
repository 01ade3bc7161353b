"""Arguments of the public functions that cannot be meant are answered in a line; kinds that the fuzzer found."""

from __future__ import annotations

from typing import Any

import pytest

from delever.analysis import wall
from delever.model.errors import InputError
from delever.run.stress import stress
from run.small import loan, one_market


@pytest.mark.parametrize(("given", "line"), [
    ({"threads": 0}, "threads is 0"), ({"chunk": 0}, "chunk is 0"), ({"memory": float("inf")}, "memory is inf"),
    ({"memory": -1.0}, "memory is -1.0"), ({"trace": [1.5]}, "path 1.5 is not run"), ({"trace": [2**70]}, "is not run"),
])
def test_an_argument_of_a_run_that_cannot_be_meant_is_a_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        stress(one_market(loan("a", 10.0, 8000.0)), keep=False, **given)


def test_no_shock_is_a_line() -> None:
    with pytest.raises(InputError, match="names no shock"):
        wall(one_market(loan("a", 10.0, 8000.0)), None, {})


def test_blocks_without_end_in_a_step_are_refused() -> None:
    world = one_market(loan("a", 10.0, 8000.0), networks={"chain": {"block_time": 1e-15, "room": 1, "base_fee": 1}})
    with pytest.raises(InputError, match="has more than 1,000,000 blocks"):
        stress(world, keep=False)
