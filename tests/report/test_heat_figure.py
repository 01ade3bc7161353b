"""The heat map in a report: of the worst path, a cell for every one of the map; none where there is nothing to draw."""

from __future__ import annotations

import numpy as np
import pytest

from delever import example, load
from delever.analysis.heat import heat_map
from delever.analysis.worst import worst
from delever.report.heat import headline
from delever.report.html.figure import Given
from delever.report.html.heat import LEVELS, TIMES, busiest, heat
from delever.run.stress import Run, stress
from run.exchange_small import exchange


@pytest.fixture(scope="module")
def run() -> Run:
    return stress(exchange(), keep=False, threads=1)


def test_it_is_the_map_of_the_worst_path(run: Run) -> None:
    path = worst(run)
    assert path is not None
    (figure,) = heat(Given(run, worst=path))
    found = heat_map(run, "ETH", path.path, LEVELS, TIMES)
    assert figure.title == headline(found)
    cells = np.count_nonzero(found.grid("long")) + np.count_nonzero(found.grid("short"))
    assert sum(figure.svg.count(f"USD of {side}s") for side in ("long", "short")) == 2 * cells  # wide and narrow


def test_without_a_path_or_perps_there_is_none(run: Run) -> None:
    assert busiest(Given(run)) == "ETH" and heat(Given(run)) == []
    lending = Given(stress(load(example("first")).replace("scenario.paths", 2), keep=False, threads=1))
    assert busiest(lending) is None and heat(lending) == []
