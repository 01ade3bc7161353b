"""One look at a world: distances to walls, what a fund still bears, who is large; against values by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

import delever as dl
from delever.model.world import World
from delever.monitor import metrics as m
from delever.monitor.look import look, main_assets
from delever.monitor.metrics import EVERY_METRIC, Metric, Sample
from delever.run.assemble import assemble
from run.small import loan, one_market
from waterfall.small import exchange

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
LENDING = one_market([*loan("large", 10.0, 7200.0), *loan("small", 10.0, 2000.0)]).replace("protocols.pool.cash", {"USD": 800.0})
ROWS = [("long", "BTC-PERP", 10.0, 100.0, 150.0), ("short", "BTC-PERP", -10.0, 120.0, 5000.0)]
PERPS = exchange(ROWS, [{"kind": "insurance_fund", "start": {"USD": 30.0}}, "adl"], -0.1)


def values(samples: list[Sample], metric: Metric) -> dict[tuple[str, ...], float]:
    return {one.labels: one.value for one in samples if one.metric is metric}


@pytest.fixture(scope="module")
def lending() -> list[Sample]:
    return look(LENDING, AS_OF + timedelta(hours=2), ["ETH"])


def test_every_figure_has_its_labels_and_a_value(lending: list[Sample]) -> None:
    for one in [*lending, *look(PERPS, AS_OF)]:
        assert one.metric in EVERY_METRIC and len(one.labels) == len(one.metric.labels)
        assert not math.isnan(one.value)
    assert len({one.name for one in EVERY_METRIC}) == len(EVERY_METRIC)
    keys = [(one.metric.name, one.labels) for one in lending]
    assert len(set(keys)) == len(keys)


def test_a_wall_is_as_far_as_its_first_account(lending: list[Sample]) -> None:
    """10 ETH at 1,000 USD, threshold 85 %: 7,200 are eligible below 847.06, so from -16 % on and not at -15 %."""
    far = values(lending, m.TO_WALL)
    assert far["pool", "ETH", "fall", "5%"] == far["pool", "ETH", "fall", "10%"] == pytest.approx(0.16)
    owed = values(lending, m.ELIGIBLE)
    assert (owed["pool", "ETH", "-10%"], owed["pool", "ETH", "-20%"]) == (0.0, pytest.approx(7200.0))
    assert values(lending, m.SHORT)["pool", "ETH", "-30%"] == pytest.approx(200.0)  # 7,000 of collateral
    assert not [labels for labels in far if "rise" in labels]  # a rise calls nobody who lends against it


def test_who_is_large_and_how_old_things_are(lending: list[Sample]) -> None:
    assert values(lending, m.LARGEST)["pool", "1"] == pytest.approx(7200.0 / 9200.0)
    assert values(lending, m.LARGEST)["pool", "10"] == 1.0
    assert values(lending, m.INPUT_AGE)["world",] == 7200.0
    assert values(lending, m.UTILISATION)["pool", "USD"] == pytest.approx(0.92)


def test_a_fund_that_is_used_up_says_at_which_move() -> None:
    """10 BTC long from 100 USD with 150: below zero beyond -15 %, 30 below at -18 %; the short has the entry of a winner."""
    found = look(PERPS, AS_OF, ["BTC"])
    assert values(found, m.FUND) == {("ex",): 30.0}
    assert values(found, m.TO_ADL)["ex", "BTC", "fall"] == pytest.approx(0.19)
    bare = look(exchange(ROWS, ["adl"], -0.1), AS_OF, ["BTC"])
    assert values(bare, m.TO_ADL)["ex", "BTC", "fall"] == pytest.approx(0.16)
    assert values(bare, m.SHORT)["ex", "BTC", "-20%"] == pytest.approx(50.0)
    queue = values(found, m.QUEUE)
    assert (queue["ex", "BTC-PERP", "short"], queue["ex", "BTC-PERP", "long"]) == (pytest.approx(1000.0), 0.0)


def test_assets_that_little_hangs_on_are_left_alone_unless_named() -> None:
    first = dl.load(dl.example("first"))
    assert main_assets(assemble(first))[:2] == ("ETH", "WBTC")
    assert main_assets(assemble(PERPS)) == ("BTC",)
    only = {one.labels[1] for one in look(first, first.as_of, ["WBTC"]) if one.metric is m.TO_WALL}
    assert only == {"WBTC"}


def test_n_is_that_of_criticality() -> None:
    first: World = dl.load(dl.example("first"))
    found = look(first, first.as_of, ["ETH"])
    levels = dl.criticality(first, "ETH", "-30%", step="1 %").levels
    ratios = [n for n in levels["n"].to_pylist() if n is not None]
    assert values(found, m.BRANCHING)["ETH", "fall"] == max(ratios) > 1.0
    above = [-at for n, at in zip(levels["n"].to_pylist(), levels["shock"].to_pylist(), strict=True) if n is not None and n > 1.0]
    assert values(found, m.TO_CRITICAL)["ETH", "fall"] == min(above)
