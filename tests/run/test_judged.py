"""By what people are judged: cases that can be worked out by hand, and the same figures from other tables of a run."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from delever.analysis.buffers import buffers_of
from delever.analysis.outcomes import outcomes
from delever.engine.markouts import LAGS, NAMES, steps_of
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.document import Section
from delever.report.stress import stress_report
from delever.run.estimates import ratio
from delever.run.judged import exposure
from delever.run.stress import Run, stress
from run.exchange_small import exchange
from run.small import fall, loan, one_market

JUDGED = {"regret_after": 300, "event_within": 120, "event_share": 0.3}
BACK = {"at": 360.0, "kind": "price", "change": {"ETH": 1.0 / 9.0}}  # 900 becomes 1000 again


def called(*events: Any, **more: Any) -> Run:
    """10 ETH against 8000 USD; half of the debt is called at 900 USD, in the step that ends at 120 s."""
    scenario = {"events": [fall(0.1, at=60.0), *events], "horizon": 4200, "judged": JUDGED, **more.pop("scenario", {})}
    return stress(one_market(loan("a", 10.0, 8000.0), scenario=scenario, **more), keep=False, threads=1)


def one(run: Run, name: str) -> float:
    values = run.paths[name].to_pylist()
    assert len(values) == 1
    return float(values[0])


def test_a_call_costs_its_incentive_at_once_and_less_where_the_price_falls_on() -> None:
    run = called(fall(0.2, at=360.0))  # to 720 USD, in the step that ends at 420 s
    seized = 4000.0 * 1.05 / 900.0
    again = [one(run, f"markout_value.pool.loans.{name}") for name in NAMES]
    assert again[:2] == pytest.approx([again[0]] * 2)
    first = {"0s": seized * 900.0 - 4000.0, "1min": seized * 900.0 - 4000.0, "5min": seized * 720.0 - 4000.0}
    later = again[0] - 4000.0  # repaid at 720 USD, in the step that ends at 420 s
    assert later > 0.0
    for name, loss in first.items():
        assert one(run, f"markout.pool.loans.{name}") == pytest.approx(loss + later * 0.05, rel=1e-9), name


def test_what_would_come_after_the_horizon_is_not_counted() -> None:
    run = called(scenario={"horizon": 600})
    assert one(run, "markout_value.pool.loans.5min") == pytest.approx(4000.0)
    assert one(run, "markout_value.pool.loans.15min") == one(run, "markout.pool.loans.1h") == 0.0
    assert outcomes(run).markouts.to_pylist()[-1]["loss"] is None


@pytest.mark.parametrize(("back", "regretted"), [(True, 1.0), (False, 0.0)])
def test_a_call_is_regretted_where_the_price_comes_back(back: bool, regretted: float) -> None:
    run = called(*([BACK] if back else []))
    for when in ("window", "end"):
        assert one(run, f"first_calls.pool.{when}") == 1.0
        assert one(run, f"regretted.pool.{when}") == regretted
        assert one(run, f"regretted_usd.pool.{when}") == pytest.approx(4000.0 * regretted)


def test_a_call_at_a_price_that_only_a_feed_or_a_pushed_pool_says_is_in_error() -> None:
    """Said to be 900 USD by a feed that lies, by a pool into which ETH is sold, and by everybody."""
    feed = {"feeds": {"eth": {"kind": "market", "of": "ETH/USD"}}, "oracles": {"pool": {"ETH": "eth"}}}
    lie = {"at": 60.0, "lasting": 60.0, "kind": "feed", "feed": "eth", "does": "lies", "factor": 0.9}
    sold = {"at": 60.0, "kind": "order", "order": "sell 5.5 ETH"}
    pool = {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 100.0, "USD": 100_000.0}, "half_life": 3600.0}
    runs = [stress(one_market(loan("a", 10.0, 8000.0), scenario={"events": events, "horizon": 1200, "judged": JUDGED}, **more),
                   keep=False, threads=1)
            for events, more in (([lie], feed), ([sold], feed | {"venues": {"eth": pool}}), ([fall(0.1, at=60.0)], feed))]
    assert [one(run, "first_calls.pool.outside") for run in runs] == [1.0, 1.0, 1.0]
    assert [one(run, "erroneous.pool.outside") for run in runs] == [1.0, 1.0, 0.0]
    assert one(runs[0], "erroneous_usd.pool.outside") == pytest.approx(4000.0)
    rows = {row["outcome"]: row["value"] for row in outcomes(runs[0]).table.to_pylist() if row["protocol"] == "pool"}
    assert (rows["erroneous"], rows["erroneous_usd"]) == (1.0, pytest.approx(4000.0))


def test_a_price_that_comes_back_too_late_is_regretted_at_the_end_alone() -> None:
    run = called(BACK | {"at": 1200.0})
    assert (one(run, "regretted.pool.window"), one(run, "regretted.pool.end")) == (0.0, 1.0)


def test_a_call_of_the_last_hour_is_not_judged_by_the_window() -> None:
    run = called(scenario={"horizon": 360})
    assert (one(run, "first_calls.pool.window"), one(run, "first_calls.pool.end")) == (0.0, 1.0)


def test_nobody_who_calls_leaves_the_account_unhealthy_until_the_end() -> None:
    run = called(actors={"liquidators": None}, scenario={"horizon": 600})
    steps = 9  # from the one that ends at 120 s on
    assert one(run, "unhealthy_account_hours.pool") == pytest.approx(steps / 60.0)
    assert one(run, "unhealthy_debt_hours.pool") == pytest.approx(8000.0 * steps / 60.0)
    assert one(run, "any_forced_closing") == 0.0 and np.isnan(one(run, "event_start.pool"))


def test_the_deleveraging_event_of_a_call_lasts_as_long_as_its_window() -> None:
    run = called()
    assert one(run, "closed_by_force.pool") == pytest.approx(4000.0)
    assert one(run, "event_depth.pool") == pytest.approx(0.5)
    assert (one(run, "event_start.pool"), one(run, "event_duration.pool")) == (120.0, 120.0)


def test_less_than_the_stated_share_is_no_event() -> None:
    run = called(scenario={"judged": {**JUDGED, "event_share": 0.51}})
    assert np.isnan(one(run, "event_start.pool")) and one(run, "event_depth.pool") == pytest.approx(0.5)
    assert "deleveraging_event" in outcomes(run).table["outcome"].to_pylist()


def on_a_venue(half_life: float | None) -> Run:
    venues = {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 100.0, "half_life": half_life}}
    return called(venues=venues, oracles={"pool": {"ETH": "eth"}}, feeds={"eth": {
        "kind": "push", "of": "ETH/USD", "heartbeat": 600, "deviation": 0.08, "delay": 0}})


def test_prices_recover_where_somebody_buys_back_and_never_where_nobody_does() -> None:
    soon, never = on_a_venue(60.0), on_a_venue(None)
    assert (one(soon, "unrecovered_prices"), one(never, "unrecovered_prices")) == (0.0, 1.0)
    assert 0.0 < one(soon, "recovery_prices") < 1200.0 and np.isnan(one(never, "recovery_prices"))
    rows = {row["outcome"]: row["value"] for row in outcomes(never).table.to_pylist()}
    assert rows["never_prices"] == 1.0 and rows["recovery_prices"] is None


def test_judged_is_a_part_of_the_world_and_refuses_what_is_no_window() -> None:
    world = called().world
    assert world.scenario.judged.event_within == 120.0
    with pytest.raises(InputError, match="event_within"):
        world.replace("scenario.judged.event_within", 0.0)


def test_nobody_who_asks_for_none_keeps_any() -> None:
    plain, asked = stress(exchange(True), keep=False, threads=1), stress(exchange(True, judged={}), keep=False, threads=1)
    more = set(asked.paths.column_names) - set(plain.paths.column_names)
    assert {"event_start.pool", "provider_profit", "regretted.perps.end"} <= more
    for name in plain.paths.column_names:  # judging moves nothing
        np.testing.assert_array_equal(np.asarray(plain.paths[name]), np.asarray(asked.paths[name]), name)
    with pytest.raises(InputError, match="--outcomes"):
        outcomes(plain)


def test_a_stress_test_shows_definition_and_horizon_beside_each_outcome() -> None:
    section = next(part for part in stress_report("small", perps()).sections if part.heading == "Outcomes")
    assert isinstance(section, Section)
    columns = section.table.to_pydict()
    assert set(columns["horizon"]) == {"2 h"} and all(columns["definition"])
    assert any(outcome.startswith("markout 1h") for outcome in columns["outcome"])
    assert "P(deleveraging event)" in columns["outcome"]
    plain = stress(exchange(), keep=False, threads=1)
    assert "Outcomes" not in [part.heading for part in stress_report("small", plain).sections]


def test_outcomes_count_paths_by_their_weights() -> None:
    world = exchange(False, judged={}, paths=40, tail={"change": {"ETH": -0.03}})
    run = stress(world, keep=False, threads=1)
    w, shed = (np.asarray(run.paths[name], float) for name in ("weight", "closed_by_force.perps"))
    closed = np.asarray(run.paths["markout_value.perps.longs.0s"], float)
    loss = np.asarray(run.paths["markout.perps.longs.0s"], float)
    assert w.std() > 0.1
    found = outcomes(run)
    row = next(row for row in found.table.to_pylist() if row["outcome"] == "exposure_shed")
    assert row["value"] / (shed.mean() / exposure(run.model)[0]) == pytest.approx((w * shed).sum() / w.sum() / shed.mean())
    mark = next(row for row in found.markouts.to_pylist() if (row["who"], row["after"]) == ("longs", 0.0))
    assert mark["loss"] == pytest.approx((w * loss).sum() / (w * closed).sum())
    assert mark["low"] < mark["loss"] < mark["high"]


@cache
def perps(lending: bool = True) -> Run:
    return stress(exchange(lending, judged={}), keep=False, threads=1, trace=list(range(7)))


def price_at(run: Run, path: int, time: float) -> float:
    trace = run.trace.to_pylist()
    return float(next(row["price.ETH-PERP/USD"] for row in trace if row["path"] == path and abs(row["time"] - time) < 1e-6))


def test_the_markout_of_deleveraged_shorts_is_that_of_the_table_of_closings() -> None:
    run, ends = perps(), perps().world.scenario.horizon
    for name, lag in zip(NAMES, LAGS, strict=True):
        after = steps_of(lag, 60.0) * 60.0
        for path in range(7):
            rows = [row for row in run.adl.to_pylist() if row["path"] == path and row["units"] < 0.0
                    and row["time"] + after <= ends]
            loss = sum(row["units"] * (price_at(run, path, row["time"] + after) - row["price"]) for row in rows)
            assert run.paths[f"markout.perps.adl_shorts.{name}"][path].as_py() == pytest.approx(loss, rel=1e-9, abs=1e-6)
    assert sum(run.paths["markout_value.perps.adl_shorts.0s"].to_pylist()) > 1e5


def test_what_was_closed_is_what_the_flows_say() -> None:
    paths = perps().paths
    flows = sum(np.asarray(paths[f"{name}.perps"], float) for name in ("liquidated", "taken_over", "deleveraged"))
    assert np.asarray(paths["closed_by_force.perps"], float) == pytest.approx(flows, rel=1e-12)


def test_a_flat_close_out_costs_its_slippage_at_once() -> None:
    world: World = exchange(False, judged={}).replace("protocols.perps.rules", {
        "kind": "exchange", "stages": [{"stage": "flat", "slippage": 0.01}]}).replace("scenario.prices", {"kind": "lognormal"})
    world = world.replace("venues.perp.half_life", None).replace("scenario.events", [fall(0.03, at=1800.0)]).replace(
        "protocols.perps.waterfall", [])
    run = stress(world, keep=False, threads=1)
    loss, value = (np.asarray(run.paths[f"{name}.perps.longs.0s"], float) for name in ("markout", "markout_value"))
    assert (value > 1000.0).all() and loss == pytest.approx(0.01 * value, rel=1e-9)


def test_a_buffer_is_used_as_far_as_the_timeline_says_when_a_later_layer_begins() -> None:
    run = perps()
    at: dict[int, dict[str, float]] = {}
    for row in run.timeline.to_pylist():
        later = row["backstop"] > 1.0 or row["adl"] > 1.0 or row["socialised_loss"] > 1.0
        if later and row["path"] not in at:
            at[row["path"]] = row
    shares = [row["insurance_fund"] / (row["insurance_fund"] + row["fund_left"]) for row in at.values()]
    found = next(row for row in buffers_of(run).to_pylist() if row["buffer"] == "insurance fund")
    assert found["paths"] == len(at) > 0
    assert found["used"] == pytest.approx(np.mean(shares), rel=1e-9)
    assert found["unused_usd"] == pytest.approx(np.mean([row["fund_left"] for row in at.values()]), rel=1e-9)


def test_every_party_stands_in_the_table_once() -> None:
    rows = outcomes(perps()).parties.to_pylist()
    keys = [(row["who"], row["protocol"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {"borrowers, by calls", "traders closed by the engine", "suppliers", "insurance fund", "liquidators",
            "venues and makers"} <= {who for who, _ in keys}


def test_a_ratio_of_constants_has_no_width_and_of_nothing_is_none() -> None:
    assert ratio(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx((0.5, 0.5, 0.5))
    assert np.isnan(ratio(np.zeros(3), np.zeros(3))).all()
