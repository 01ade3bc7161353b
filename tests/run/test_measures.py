"""Measures that others publish: which figure of a run stands for each, what it is by hand, and who says so."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from delever.core.columns import Figure
from delever.model.errors import InputError
from delever.report import stress_json, stress_report
from delever.report.document import Section
from delever.report.reference import explain, figures
from delever.run.collect import declared
from delever.run.figures import reduced, resampled, summarise
from delever.run.measures import MEASURES, Measure, known_as, measures_named
from delever.run.stress import Run, stress
from run.exchange_small import exchange
from run.small import loan, one_market

QUARTER = Figure("psl", "yearly_share_above", "", "share", level=10.0, years=0.25)
FIFTH = 73 * 86_400.0  # of a year [s]


@pytest.fixture(scope="module")
def run() -> Run:
    """8000 USD of debt, four paths of a fifth of a year in which nothing happens."""
    return stress(one_market(loan("a", 20.0, 8000.0), scenario={"horizon": FIFTH, "step": 86_400.0, "paths": 4}), keep=False)


def summary(run: Run, shortfall: list[float]) -> dict[str, dict[str, float]]:
    """Its figures, had its paths ended with that."""
    at = run.paths.column_names.index("shortfall.pool")
    paths = run.paths.set_column(at, run.paths.schema.field(at), pa.array(shortfall))
    return {row["figure"]: row for row in summarise(run.model, paths).to_pylist()}


def test_a_share_is_made_yearly_with_both_ends_of_its_interval() -> None:
    """One of four paths in a quarter: 1 - 0.75^4 in a year. Wilson's interval of one of four: 0.0456 to 0.6994."""
    values = np.array([0.0, 10.0, 20.0, 0.0])
    found = reduced(values, QUARTER, "share")
    assert found[0] == pytest.approx(0.68359375)
    assert found[1:] == pytest.approx((1 - (1 - 0.045587) ** 4, 1 - (1 - 0.699358) ** 4), abs=1e-4)
    assert reduced(np.zeros(4), QUARTER, "share")[:2] == (0.0, 0.0)
    assert reduced(np.full(4, 11.0), QUARTER, "share")[::2] == (1.0, 1.0)


def test_resampled_paths_say_the_same_of_it(run: Run) -> None:
    one = next(one for one in declared(run.paths) if one.column.name == "shortfall")
    rows = np.array([[0.0, 10.0, 20.0, 0.0], [0.0, 0.0, 0.0, 0.0], [11.0, 11.0, 11.0, 11.0]])
    assert resampled(one, QUARTER, rows).tolist() == pytest.approx([0.68359375, 0.0, 1.0])


def test_a_significant_loss_is_more_than_a_hundredth_of_all_debt_and_counts_by_the_year(run: Run) -> None:
    """80 USD of 8000 are none, 81 are: one path of four in a fifth of a year, 1 - 0.75^5 in a year."""
    found = summary(run, [0.0, 80.0, 81.0, 0.0])
    assert found["probability_of_shortfall"]["value"] == 0.25
    assert found["psl"]["value"] == pytest.approx(0.7626953125)
    assert found["psl"]["high"] > found["psl"]["value"] > found["psl"]["low"] > 0.0


def test_gauntlet_s_are_a_percentile_and_a_mean_of_the_same_loss(run: Run) -> None:
    """Of four paths the 95th percentile is the worst."""
    found = summary(run, [0.0, 80.0, 120.0, 0.0])
    value = {f"{one.who} {one.called}": found[one.figure]["value"] for one in MEASURES}
    assert value["Gauntlet VaR"] == value["Chaos Labs VaR"] == value["Chaos Labs EVaR"] == 120.0
    assert value["Gauntlet expected VaR"] == 50.0
    assert value["Gauntlet LaR"] == value["Gauntlet expected LaR"] == 0.0


@pytest.mark.parametrize("one", MEASURES, ids=lambda one: f"{one.who} {one.called}")
def test_every_measure_is_a_declared_figure_and_can_be_explained(one: Measure) -> None:
    assert one.figure in figures() and all(one)
    for word in (one.who, one.called, f"{one.who} {one.called}"):
        assert f"{one.called} of {one.who}" in [section.heading for section in explain(word).sections]


def test_names_lead_to_all_that_bear_them() -> None:
    assert [one.figure for one in measures_named("gauntlet")] == ["var", "lar", "shortfall", "seized_collateral"]
    assert [one.who for one in known_as("var")] == ["Gauntlet", "Chaos Labs"]
    assert [section.heading for section in explain("PSL").sections] == ["Figure psl", "PSL of Credora"]
    with pytest.raises(InputError, match="did you mean gauntlet"):
        explain("gauntlett")


def test_a_report_has_them_and_its_json_says_who_knows_a_figure_by_which_name(run: Run) -> None:
    (section,) = [one for one in stress_report("small", run).sections if one.heading == "Named measures"]
    assert isinstance(section, Section) and 'delever explain gauntlet, "chaos labs", credora' in section.notes[0]
    assert section.table["measure"].to_pylist() == [f"{one.who} {one.called}" for one in MEASURES]
    assert section.table["value"].to_pylist() == ["0 USD"] * 6 + ["0 %"]
    assert set(section.table["horizon"].to_pylist()) == {"73 d"}
    found = stress_json("small", run)["figures"]
    assert found["psl"]["known_as"] == ["Credora PSL"] and found["bad_debt"]["known_as"] == []
    assert found["var"]["known_as"] == ["Gauntlet VaR", "Chaos Labs VaR"]


def test_where_nobody_lends_nothing_is_named() -> None:
    exchanges = stress(exchange(paths=2), keep=False, threads=1)
    assert "Named measures" not in [section.heading for section in stress_report("perps", exchanges).sections]
