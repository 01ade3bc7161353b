"""What each mechanism says of itself in the results of a run: by name, with unit and meaning, printed without naming kinds."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from actors.test_joint import JOINT, SINGLE, two
from actors.test_keepers import bridged
from actors.test_orders import world as with_orders
from delever.model.world import World
from delever.report import stress_report
from delever.run.stress import Run, stress
from events.test_exploit import drained, exploit
from events.test_exploit import world as with_exploits
from networks.test_busy import world as busy
from policies.test_breaker import lending as with_breaker
from policies.test_margin_call import lending as with_calls
from protocols.clip_worlds import auctions
from run.small import bits, everything, fall, loan


def ran(world: World) -> tuple[Run, dict[str, Any]]:
    """The run, and its first path."""
    run = stress(world, keep=False, threads=1)
    for field in run.paths.schema:
        assert field.metadata[b"unit"] and field.metadata[b"meaning"], field.name
        assert b"{" not in field.metadata[b"unit"] + field.metadata[b"meaning"], field.name
    figures = run.summary["figure"].to_pylist()
    assert len(set(figures)) == len(figures), "each figure has a name of its own"
    return run, run.paths.to_pylist()[0]


def printed(run: Run) -> str:
    """The report."""
    out = io.StringIO()
    stress_report("small", run).print(Console(file=out, width=160))
    return out.getvalue()


def figure(run: Run, name: str) -> float:
    """A figure of the summary."""
    return dict(zip(run.summary["figure"].to_pylist(), run.summary["value"].to_pylist(), strict=True))[name]


def test_auctions_say_what_was_kicked_bought_and_left_and_what_they_earned() -> None:
    """7345 USD come in for a debt of 6500; a kick costs 100 + 0.1 % of them."""
    run, path = ran(auctions(loan("a", 10.0, 6500.0), scenario={"events": [fall(0.1, 300)]}, execution={"rounds": 25}))
    assert (path["kicks.pool"], path["takes.pool"], path["redos.pool"]) == (1.0, 1.0, 0.0)
    assert (path["lots_open.pool"], path["owed_by_lots.pool"]) == (0, 0.0)
    assert path["surplus.pool"] == pytest.approx(0.13 * 6500.0 - 100.0 - 7.345)
    assert path["protocol_fee.pool"] == pytest.approx(0.13 * 6500.0)
    assert "Auctions of pool" in printed(run)


def test_a_lot_that_nobody_buys_is_left_at_the_end_and_in_the_timeline() -> None:
    world = auctions(loan("a", 0.2, 130.0), {"buf": 2, "tail": 300, "dust": 200},
                     scenario={"horizon": 3600, "events": [fall(0.1, 300), fall(0.8, 1500)]}, execution={"rounds": 25})
    run, path = ran(world)
    assert (path["kicks.pool"], path["takes.pool"], path["lots_open.pool"]) == (1.0, 0.0, 1)
    assert path["owed_by_lots.pool"] == pytest.approx(130.0)
    assert figure(run, "lots_left.pool") == 1.0
    assert run.timeline["lots_open"].to_pylist()[0] == 0.0 and run.timeline["lots_open"].to_pylist()[-1] == 1.0


def test_a_breaker_says_how_often_it_tripped_and_for_how_long_it_halted() -> None:
    run, path = ran(with_breaker((0.1, 120.0)))
    assert (path["trips.halt"], path["time_halted.halt"]) == (1, 300.0)
    assert figure(run, "tripped.halt") == 1.0
    assert "Circuit breakers" in printed(run)


def test_margin_calls_say_what_became_of_them() -> None:
    run, path = ran(with_calls((0.1, 0.0)))
    assert (path["margin_calls"], path["margin_calls_lapsed"], path["margin_calls_sold"]) == (1, 0, 1)
    assert "Margin calls" in printed(run)


def test_of_several_who_bid_each_says_what_he_earned_and_all_together_what_they_did() -> None:
    run, path = ran(two(JOINT | SINGLE))
    assert path["liquidator_profit"] == pytest.approx(path["profit.joint"] + path["profit.liquidators"])
    assert path["pairs.joint"] == 1 and path["profit.joint"] > 0.0
    assert "profit.liquidators" not in ran(two(SINGLE))[0].paths.column_names
    assert "Pairs of calls" in printed(run)


def test_a_keeper_says_when_his_money_was_too_little_and_a_bridge_what_it_carried() -> None:
    world = bridged(50, {"USD": 5000, "ETH": 1})
    run, path = ran(world)
    name = next(iter(world.actors))
    assert path[f"lacked_money.{name}"] > 0 and figure(run, f"ran_dry.{name}") == 1.0
    assert path["moved.bridge"] > 0.0 and path["stuck.bridge"] == 0.0
    assert f"inventory.{name}" in path
    assert "Bridges" in printed(run) and "Keepers" in printed(run)


def test_an_order_says_what_it_sold_and_what_is_left_of_it() -> None:
    run, path = ran(with_orders({"when": "limit", "level": 1, "amount": 5, "per_block": 1}, execution={"rounds": 1},
                                events=[fall(0.9995, 180.0)]))
    assert path["order_sold.ETH.o0"] + path["order_left.ETH.o0"] == 5.0
    assert path["order_sold.ETH.o0"] == 3.0
    assert run.paths.schema.field("order_sold.ETH.o0").metadata[b"unit"] == b"ETH"
    assert figure(run, "probability_of_order.ETH.o0") == 1.0


def test_an_exploit_says_what_was_stolen_and_what_came_to_the_market() -> None:
    run, path = ran(with_exploits(drained(), exploit(over=240.0)))
    assert path["loot_sold.ETH"] == pytest.approx(10.0 + 100.0)
    assert path["stolen.pool"] == pytest.approx(40.0 * path["last_price.ETH/USD"])
    assert "Exploits" in printed(run)


def test_a_busy_chain_says_how_dear_it_was_at_its_worst() -> None:
    run, path = ran(busy({"most": 1000}, events=[fall(0.1, 60.0)]))
    assert path["highest_base_fee.slow"] > 500.0
    assert run.paths.schema.field("highest_base_fee.slow").metadata[b"unit"] == b"gwei"


def test_counters_are_the_same_in_every_chunk() -> None:
    world = everything(paths=4).replace("policies", {"halt": {
        "kind": "breaker", "of": "ETH", "move": "5 %", "window": "10 min", "halts": "liquidations", "lasts": "5 min"}})
    whole, parts = (stress(world, keep=False, threads=1, chunk=chunk).paths for chunk in (4, 3))
    assert bits(whole) == bits(parts)
    assert np.asarray(whole["trips.halt"]).sum() > 0
