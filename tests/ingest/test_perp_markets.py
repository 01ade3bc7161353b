"""Readers of perp exchanges' public data: units in the names, one coin under one name, nothing from after the forecast."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from delever.ingest import perp_markets as pm
from delever.ingest.source import Source
from delever.model.errors import InputError

UNITLESS = {"coin", "venue", "instrument", "time_utc", "date"}
UNITS = ("_usd", "_usd_m", "_pct", "_bps", "_coins", "_per_day", "_per_interval", "_interval_h", "_leverage", "_usd_4h")


@pytest.mark.parametrize("name", sorted(pm.FILES))
def test_every_column_says_its_unit_and_every_file_that_is_read_is_hashed(source: Source, name: str) -> None:
    table = pm.read(source, name)
    assert table.num_rows > 0
    assert [column for column in table.column_names if column not in UNITLESS and not column.endswith(UNITS)] == []
    assert set(source.hashes) == {pm.FILES[name].path}


def test_open_interest_in_dollars_is_coins_at_about_the_price_of_the_same_minutes(source: Source) -> None:
    mine = pm.of(pm.read(source, "open_interest"), venue="Hyperliquid")
    price = {row["coin"]: row["price_usd"] for row in pm.of(pm.read(source, "contracts"), venue="Hyperliquid").to_pylist()}
    assert mine.num_rows == 4
    for row in mine.to_pylist():
        assert row["open_interest_usd"] / row["open_interest_coins"] == pytest.approx(price[row["coin"]], rel=0.005)


def test_contracts_on_a_thousand_coins_are_priced_as_one_coin(source: Source) -> None:
    perp, spot = pm.of(pm.read(source, "binance_perp_5m"), coin="PEPE"), pm.of(pm.read(source, "spot_1m"), coin="PEPE")
    ratio = pm.column_of(perp, "open_usd")[0] / pm.column_of(pm.of(spot, venue="coinbase"), "open_usd")[0]
    assert ratio == pytest.approx(1.0, rel=0.01)


def test_before_leaves_nothing_from_the_moment_on(source: Source) -> None:
    bars = pm.read(source, "bars_4h")
    kept = pm.before(bars, "2025-10-10T20:45")
    assert pm.times_of(kept).max() < pm.seconds("2025-10-10T20:45") < pm.times_of(bars).max()


def test_facts_are_numbers_and_times_of_day_are_left_out(source: Source) -> None:
    known = pm.facts(source, "crash_2025-10-10")
    assert known["hyperliquid_positions"] == 221_422
    assert "cascade_start" not in known
    with pytest.raises(InputError, match="no facts of the event"):
        pm.facts(source, "no_such_event")


def test_tiers_lower_the_leverage_as_positions_grow(source: Source) -> None:
    tiers = pm.hyperliquid_tiers(source)
    assert len(tiers["BTC"]) == 2
    for rows in tiers.values():
        floors, leverage = np.array(rows).T
        assert floors[0] == 0.0
        assert (np.diff(floors) > 0).all()
        assert (np.diff(leverage) < 0).all()
    assert pm.binance_first_tiers(source)["BTC"] == (125.0, 0.004)


def test_a_missing_bar_is_a_gap_on_the_grid() -> None:
    stamps = np.array(["2024-01-01", "2024-01-03"], "datetime64[D]")
    prices = {name: [1.0, 3.0] for name in ("open_usd", "high_usd", "low_usd", "close_usd")}
    found = pm.bars(pa.table({"date": stamps, "coin": ["A", "A"], **prices}), ["A", "B"], 86_400, "date")
    assert set(found) == {"A"}
    assert np.isnan(found["A"].prices[:, 1]).all()
    assert found["A"].prices[3, [0, 2]].tolist() == [1.0, 3.0]


def test_an_unknown_file_and_a_missing_column_are_named(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    with pytest.raises(InputError, match="spot_5s"):
        pm.read(source, "spot_5")
    wrong = pm.File("hyperliquid_daily/universe_2025-04.csv", {"name": "coin", "size": "size_usd"})
    monkeypatch.setitem(pm.FILES, "wrong", wrong)
    with pytest.raises(InputError, match="has no column"):
        pm.read(source, "wrong")
