"""Which move paths are drawn around: a pilot finds the stretch over which losses come, and says where nothing helps."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.far_world import shortfalls, world

import delever as dl
from delever.analysis.leaning import Leaning, lean
from delever.model.errors import InputError
from delever.run.assemble import assemble
from delever.run.estimates import tail


@pytest.fixture(scope="module")
def found() -> Leaning:
    return lean(world("a cascade"), "ETH", paths=150)


def test_the_best_tells_of_many_more_paths_and_its_world_draws_so(found: Leaning) -> None:
    """1.5 of 150 paths lie beyond 99 % as stated; those of the world that is returned tell as much on other paths."""
    best = found.table.to_pylist()[0]
    assert best["alike"] > 5 * found.plainly == pytest.approx(7.5)
    assert found.world.scenario.tail is not None and found.world.scenario.tail.over == best["over"]
    x, w = (np.concatenate(part) for part in zip(*shortfalls(assemble(found.world), 1000, 1150), strict=True))
    assert tail(150, 0.99, x, w) > 2 * found.plainly
    assert found.table["alike"].to_pylist() == sorted(found.table["alike"].to_pylist(), reverse=True)
    dl.show(found)


@pytest.mark.parametrize(("asset", "level", "said"), [
    ("ETHH", 0.99, "did you mean ETH"), ("ETH", 0.5, "nothing to lean towards")])
def test_mistakes_are_one_line(asset: str, level: float, said: str) -> None:
    with pytest.raises(InputError, match=said):
        lean(world("one loan"), asset, level=level, paths=8)
