"""Asked and done: what a world states beside what came about of it, worked out by hand; what had no effect is a warning."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from delever.model.finding import CODES
from delever.model.world import World
from delever.run.stress import Run, stress
from delever.worlds import load
from run.small import loan, one_market, pool

SAFE = loan("a", 100.0, 10_000.0)  # nobody comes near to liquidation
SOURCE = Path(__file__).resolve().parents[2] / "src" / "delever"


def ran(**changes: Any) -> Run:
    return stress(one_market(SAFE, **changes), keep=False, threads=1)


def after(event: dict[str, Any], **changes: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The row of the one event of the scenario, and the findings by code."""
    run = ran(scenario={"events": [event]}, **changes)
    row = next(row for row in run.asked.to_pylist() if row["where"] == "scenario.events.0")
    return row, {one["code"]: one for one in run.findings.to_pylist() if one["level"] != "ok"}


def chain(base_fee: float) -> dict[str, Any]:
    return {"networks": {"chain": {"block_time": 60, "room": 5, "base_fee": base_fee, "native": "ETH"}}}


SALE = {"kind": "order", "order": "sell 8 ETH"}


def test_an_order_that_runs_is_done_as_asked() -> None:
    row, found = after(SALE)
    assert (row["kind"], row["asked"], row["done"], row["unit"], row["ran"], row["whole"]) == ("order", 8.0, 8.0, "ETH", 1.0, 1.0)
    assert found == {}


def test_an_order_below_the_base_fee_never_runs_and_says_what_to_bid() -> None:
    row, found = after(SALE | {"fee": 20}, **chain(25.0))
    assert (row["asked"], row["done"], row["ran"]) == (8.0, 0.0, 0.0)
    assert set(found) == {"order.never_ran"}
    assert "it bids 20 gwei on chain, where 25 is least" in found["order.never_ran"]["value"]
    assert found["order.never_ran"]["remedy"] == "write `fee: 37.5 gwei`"


@pytest.mark.parametrize("event", [SALE, {"kind": "exploit", "asset": "ETH", "amount": 8}])
def test_who_states_no_bid_pays_what_it_takes(event: dict[str, Any]) -> None:
    row, found = after(event, **chain(300.0))
    assert (row["done"], row["ran"], found) == (8.0, 1.0, {})


def test_what_falls_behind_the_end_is_lost_and_said() -> None:
    """Two of four parts fall into the last two minutes; of a move of log 0.81 in two parts one: a factor of 0.9."""
    row, found = after(SALE | {"at": 480, "over": 240})
    assert (row["asked"], row["done"], row["whole"]) == (8.0, 4.0, 0.0)
    assert set(found) == {"order.in_part"}
    row, found = after({"kind": "price", "at": 540, "over": 120, "change": {"ETH": -0.19}})
    assert row["asked"] == -0.19
    assert row["done"] == pytest.approx(-0.1, rel=1e-12)
    assert set(found) == {"event.in_part"}


VENUE = {"venues": {"eth": pool()}}
PUSH = {"kind": "push", "of": "ETH/USD", "heartbeat": 3600, "deviation": 0.005}
FEEDS = {"feeds": {"seen": PUSH, "other": PUSH},
         "oracles": {"pool": {"ETH": "seen"}}}
EULER = {"rules": "euler.v2"}


def vote(**terms: float) -> dict[str, Any]:
    return {"kind": "governance", "protocol": "pool", "parameters": {"ETH": terms}}


@pytest.mark.parametrize(("event", "world", "done"), [
    ({"kind": "price", "change": {"ETH": 0.0}}, {}, 0.0),
    ({"kind": "price", "change": {"ETH": -0.1}}, {}, -0.1),
    ({"kind": "depth", "change": {"ETH/USD": 0.0}}, VENUE, 0.0),
    ({"kind": "depth", "change": {"ETH/USD": -0.5}}, VENUE, 2.0),  # bids and asks
    ({"kind": "depth", "change": {"ETH/USD": -0.5}, "side": "bids"}, VENUE, 1.0),
    ({"kind": "congestion", "base_fee": 10, "lasting": 120}, chain(0.0), 0.0),  # ten times nothing
    ({"kind": "congestion", "base_fee": 10, "lasting": 120}, chain(5.0), 120.0),
    ({"kind": "feed", "feed": "other", "does": "stops", "lasting": 120}, FEEDS, 0.0),  # nobody looks at it
    ({"kind": "feed", "feed": "seen", "does": "stops", "lasting": 120}, FEEDS, 120.0),
    ({"kind": "feed", "feed": "seen", "does": "lies", "factor": 1.0, "lasting": 120}, FEEDS, 0.0),
    ({"kind": "feed", "feed": "seen", "does": "lies", "factor": 0.9, "lasting": 120}, FEEDS, 120.0),
    ({"kind": "pause", "protocol": "pool", "at": 300}, {}, 300.0),
    (vote(incentive=0.1), EULER, 0.0),  # never read there
    (vote(incentive=0.1), {}, 1.0),
    (vote(incentive=0.05), {}, 0.0),  # as it is
    (vote(liquidation_threshold=0.7), EULER, 1.0),
    (vote(liquidation_threshold=0.7, incentive=0.05), {}, 1.0),
])
def test_what_came_about_of_an_event(event: dict[str, Any], world: dict[str, Any], done: float) -> None:
    row, found = after(event, **world)
    assert row["done"] == pytest.approx(done, abs=1e-12)
    assert ("event.no_effect" in found) == (done == 0.0)
    assert ("event.in_part" in found) == (event.get("parameters", {}).get("ETH", {}).get("incentive") == 0.05 and done == 1.0)


@pytest.mark.parametrize(("move", "acts"), [(0.05, True), (0.5, False)])
def test_a_policy_that_acts_on_no_path_is_a_warning(move: float, acts: bool) -> None:
    breaker = {"kind": "breaker", "of": "ETH", "move": move, "window": 60, "halts": "liquidations", "where": "pool", "lasts": 60}
    run = ran(scenario={"events": [{"at": 120, "kind": "price", "change": {"ETH": -0.1}}]}, policies={"halt": breaker})
    row = next(row for row in run.asked.to_pylist() if row["where"] == "policies.halt")
    assert (row["ran"] == 1.0) == acts
    assert ("policy.never_acted" in run.findings["code"].to_pylist()) == (not acts)


def test_a_term_that_rules_never_read_was_moved_for_nothing() -> None:
    moving = {"kind": "dynamic_terms", "protocol": "pool", "assets": ["ETH"], "follows": "realised_volatility", "usual": 0.01,
              "elasticity": 1, "term": "incentive", "most": 2, "least": 0.5, "half_life": 60, "every": 60}
    events = {"events": [{"at": 120, "kind": "price", "change": {"ETH": -0.1}}]}
    for rules, warned in (("aave.v3_0", False), ("euler.v2", True)):
        run = ran(scenario=events, policies={"terms": moving}, rules=rules)
        assert ("policy.never_acted" in run.findings["code"].to_pylist()) == warned


def test_actors_are_named_for_information_alone() -> None:
    run = ran()
    row = next(row for row in run.asked.to_pylist() if row["where"] == "actors.liquidators")
    assert (row["ran"], math.isnan(row["asked"] or math.nan)) == (0.0, True)
    assert [one for one in run.found if one.level != "ok"] == []


def test_what_is_stated_and_never_used_is_named() -> None:
    more = {"assets": {"ETH": {"price": 1000.0}, "DOGE": {"price": 0.1}, "stETH": {"peg": "ETH", "ratio": 1.0}},
            "venues": {"eth": pool(), "doge": {"kind": "log_linear", "pair": "DOGE/USD", "depth": 1e6}}} | FEEDS
    found = {one.code: one for one in ran(**more).found}
    assert (found["asset.unused"].value, found["venue.unused"].value) == ("DOGE, stETH", "doge")
    assert found["feed.unused"].value == "other"
    sold = {"scenario": {"events": [{"kind": "order", "order": "sell 1 DOGE"}]}}
    assert {one.code: one.value for one in ran(**more, **sold).found}["asset.unused"] == "stETH"


def test_rows_of_a_book_that_two_protocols_share_are_counted_once_each(tmp_path: Path) -> None:
    (tmp_path / "book.csv").write_text("protocol,account,asset,side,amount\n" + "".join(
        f"{protocol},{account},{asset},{side},{amount}\n" for protocol, account in (("one", "a"), ("two", "007"), ("two", "c"))
        for asset, side, amount in (("ETH", "collateral", 10), ("USD", "debt", 100))) + "two,d,ETH,collateral,1\n")
    terms = {"rules": "aave.v3_0", "parameters": {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05}},
             "book": str(tmp_path / "book.csv")}
    world = load({"as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
                  "protocols": {"one": terms, "two": terms},
                  "scenario": {"horizon": 60, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}})
    rows = {(row["kind"], row["where"]): row for row in stress(world, keep=False, threads=1).asked.to_pylist()}
    one, two = (rows["rows", f"protocols.{name}.book"] for name in ("one", "two"))
    assert [(row["asked"], row["done"], row["left"]) for row in (one, two)] == [
        (7.0, 2.0, "5 of other protocols of this world"), (7.0, 5.0, "2 of other protocols of this world")]
    people = rows["accounts", "protocols.two.book"]
    assert (people["asked"], people["done"], people["left"]) == (3.0, 2.0, "1 hold collateral alone")


def test_no_column_of_this_becomes_a_figure() -> None:
    run = ran(scenario={"events": [SALE]})
    assert "sold_by.ETH.events.0" in run.paths.column_names
    assert not any(name.startswith("sold_by") for name in run.summary["figure"].to_pylist())


def test_a_run_read_from_its_folder_says_the_same(tmp_path: Path) -> None:
    world: World = one_market(SAFE, scenario={"events": [SALE | {"fee": 1}]}, **chain(25.0))
    first, again = (stress(world, tmp_path / "run", threads=1) for _ in range(2))
    assert first.asked.equals(again.asked)
    assert first.findings.equals(again.findings)
    assert "order.never_ran" in again.findings["code"].to_pylist()


def test_every_code_is_used_and_every_code_that_is_used_is_known() -> None:
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py") if path.name != "finding.py")
    assert [code for code in CODES if f'"{code}"' not in text] == []
    assert set(re.findall(r'Finding\((?:WARN|OK|ERROR), "([a-z_.]+)"', text)) <= set(CODES)
