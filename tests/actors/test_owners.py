"""People with several accounts: one is mended out of another, a loop across two protocols is taken back, a broker nets them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.analysis.largest import concentration
from delever.core.outcomes import LIQUIDATIONS
from delever.core.state import State
from delever.core.tables import SLOTS
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.stress import stress
from run.small import Leg, Mapping, book, conserved, fall, loan

MODES = pytest.mark.parametrize("mode", ["sequential", "batched"])


def two(here: list[Leg], there: list[Leg], *events: Mapping, mode: str = "sequential", cash: Mapping | None = None,
        actors: Mapping | None = None, **changes: Any) -> World:
    """Two pools on one chain; ETH at 1000; thresholds 0.85 and 0.9. Owners outbid liquidators, whose bid is the base fee."""
    terms = {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05}, "USD": {"liquidation_threshold": 0.9, "incentive": 0.05}}
    return worlds.load({
        "as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
        "protocols": {"here": {"rules": "aave.v3_0", "parameters": terms, "book": book(here, "here")},
                      "there": {"rules": "aave.v3_0", "parameters": terms, "book": book(there, "there"), "cash": cash or {}}},
        "execution": {"mode": mode}, "networks": {"chain": {"block_time": 60, "room": 100, "base_fee": 1, "native": "ETH"}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always", "fee_share": 0},
                   "people": {"kind": "owners", **(actors or {})}},
        "scenario": {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}, "events": list(events)},
        **changes})


def amounts(world: World) -> tuple[dict[tuple[str, str], list[float]], State, dict[str, Any]]:
    """By (protocol, account) what its legs are at the end."""
    model = assemble(world)
    state, columns = conserved(world)
    found = {}
    for account, name in enumerate(model.positions.accounts):
        protocol = list(world.protocols)[int(model.positions.protocol[account])]
        found[protocol, name] = state.book.amount[account].tolist()
    for slot in range(int(state.watch.counts[SLOTS])):
        account = int(state.pool.touched.account[slot])
        protocol = list(world.protocols)[int(model.positions.protocol[account])]
        found[protocol, model.positions.accounts[account]] = state.pool.touched.amount[slot].tolist()
    return found, state, columns


def usd_there(units: float) -> list[Leg]:
    """The same person's USD on the other pool; somebody else owes there."""
    return [("a", "USD", "collateral", units), *loan("b", 10.0, 1.0)]


@MODES
def test_a_debt_here_is_repaid_out_of_what_is_there_in_the_block_of_the_call(mode: str) -> None:
    """ETH at 900: backing 7650, debt 8000; w = (8800 - 7650) / 1.1. No liquidator gets anything."""
    found, state, columns = amounts(two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.1), mode=mode))
    w = (1.1 * 8000.0 - 7650.0) / 1.1
    assert found["here", "a"] == pytest.approx([10.0, 8000.0 - w], rel=1e-12)
    assert found["there", "a"][0] == pytest.approx(5000.0 - w, rel=1e-12)
    assert columns["shifts"][0] == 1 and columns["shifted"][0] == pytest.approx(w, rel=1e-12)
    assert state.ledgers.totals[LIQUIDATIONS].sum() == 0.0
    assert 7650.0 / found["here", "a"][1] == pytest.approx(1.1, rel=1e-12)


@MODES
def test_collateral_is_moved_where_nothing_that_is_owed_is_there(mode: str) -> None:
    there: list[Leg] = [("a", "ETH", "collateral", 3.0), *loan("b", 10.0, 1.0)]
    found, _, _ = amounts(two(loan("a", 10.0, 8000.0), there, fall(0.1), mode=mode))
    units = (1.1 * 8000.0 - 7650.0) / (0.85 * 900.0)
    assert found["here", "a"] == pytest.approx([10.0 + units, 8000.0], rel=1e-12)
    assert found["there", "a"][0] == pytest.approx(3.0 - units, rel=1e-12)


def test_the_account_there_keeps_its_own_health() -> None:
    """It owes 0.09 BTC, 3600 USD, against 5000 at 0.9: 4500 - 1.1 x 3600 = 540, which is 600 USD of collateral."""
    there: list[Leg] = [("a", "USD", "collateral", 5000.0), ("a", "BTC", "debt", 0.09), *loan("b", 10.0, 1.0)]
    found, state, columns = amounts(two(loan("a", 10.0, 8000.0), there, fall(0.1), assets={
        "ETH": {"price": 1000.0}, "BTC": {"price": 40_000.0}}))
    assert found["there", "a"][0] == pytest.approx(5000.0 - 600.0, rel=1e-12)
    assert columns["shifted"][0] == pytest.approx(600.0, rel=1e-12)
    assert found["here", "a"][1] == pytest.approx(7400.0, rel=1e-12)  # below his target, and healthy
    assert state.ledgers.totals[LIQUIDATIONS].sum() == 0.0


def test_no_more_is_taken_out_than_the_reserve_has() -> None:
    found, _, columns = amounts(two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.1), cash={"USD": 100.0}))
    assert columns["shifted"][0] == pytest.approx(100.0, rel=1e-12)
    assert found["there", "a"][0] == pytest.approx(4900.0, rel=1e-12)


@MODES
def test_a_loop_across_two_protocols_is_netted(mode: str) -> None:
    """Here 10 ETH against 8000 USD, there 8000 USD against 6 ETH: what each owes comes out of the other, worth the same."""
    there: list[Leg] = [("a", "USD", "collateral", 8000.0), ("a", "ETH", "debt", 6.0)]
    found, state, _ = amounts(two(loan("a", 10.0, 8000.0), there, fall(0.1), mode=mode))
    w = (1.1 * 8000.0 - 7650.0) / (1.1 - 0.85)
    assert found["here", "a"] == pytest.approx([10.0 - w / 900.0, 8000.0 - w], rel=1e-12)
    assert found["there", "a"] == pytest.approx([8000.0 - w, 6.0 - w / 900.0], rel=1e-12)
    assert state.ledgers.totals[LIQUIDATIONS].sum() == 0.0
    assert np.abs(state.ledgers.tokens[-1, 0]).max() < 1e-9  # he has put in nothing, and pays gas in ETH alone
    assert state.ledgers.tokens[-1, 1, 0] == pytest.approx(-500_000 * 40e-9, rel=1e-9)


def test_before_a_call_he_acts_where_he_looks_earlier() -> None:
    """Down 5 %: health 1.009; with `low` at 1.05 he acts, at 1 he does not."""
    for low, shifts in ((1.05, 1), (1.0, 0)):
        world = two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.05), actors={"low": low})
        assert amounts(world)[2]["shifts"][0] == shifts


def test_who_does_not_look_or_has_nothing_else_is_liquidated() -> None:
    for world in (two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.1), actors={"attentive": 0.0}),
                  two(loan("x", 10.0, 8000.0), usd_there(5000.0), fall(0.1))):
        _, state, columns = amounts(world)
        assert columns["shifts"][0] == 0
        assert state.ledgers.totals[LIQUIDATIONS, 0, 0] >= 1


@MODES
def test_what_is_wholly_repaid_is_not_owed_for_a_rounding(mode: str) -> None:
    """Worth in USD and back, a debt comes out a rounding off what it was; a loan with that left could give nothing more."""
    for owed in (1.3, 1.49, 1.69, 1.88, 2.39):
        there: list[Leg] = [("a", "USD", "collateral", 8000.0), ("a", "ETH", "debt", owed)]
        found, _, _ = amounts(two(loan("a", 10.0, 8000.0), there, fall(0.1), mode=mode))
        assert found["there", "a"][1] == 0.0


@MODES
def test_nobody_mends_what_nobody_can_call(mode: str) -> None:
    """Health is 0.956, but its collateral cannot be seized: there is no call to answer."""
    for seizable, shifts in ((True, 1), (False, 0)):
        world = two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.1), mode=mode)
        assert amounts(world.replace("assets.ETH.seizable", seizable))[2]["shifts"][0] == shifts


def test_of_two_accounts_the_first_of_the_book_is_mended_first() -> None:
    """The second was called, and looked at, before the first: the 700 USD that are left are the first's all the same."""
    here = owned([("first", "anna", "ETH", "collateral", 10.0), ("first", "anna", "USD", "debt", 7800.0),
                  ("second", "anna", "ETH", "collateral", 10.0), ("second", "anna", "USD", "debt", 8585.0)], "here")
    there = owned([("z", "anna", "USD", "collateral", 1550.0), ("b", "bob", "ETH", "collateral", 1.0),
                   ("b", "bob", "USD", "debt", 1.0)], "there")
    world = two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.15) | {"at": 120.0})
    world = world.replace("protocols.here.book", here).replace("protocols.there.book", there)
    found, _, _ = amounts(world)
    w = (1.1 * 8585.0 - 8500.0) / 1.1
    assert found["here", "first"][1] == pytest.approx(7800.0 - (1550.0 - w), rel=1e-12)


@MODES
def test_all_the_cash_that_there_is_may_be_taken(mode: str) -> None:
    """Worth in USD and back, cash comes out a rounding off what it was."""
    for cash in (1.31, 1.5, 1.51, 1.9, 2.0):
        there: list[Leg] = [("a", "USD", "collateral", 8000.0), ("a", "ETH", "debt", 6.0)]
        world = two(loan("a", 10.0, 8000.0), there, fall(0.1), mode=mode)
        found, _, columns = amounts(world.replace("protocols.here.cash", {"ETH": cash}))
        assert columns["shifts"][0] > 0
        assert found["there", "a"][1] == pytest.approx(6.0 - cash, rel=1e-9)


def test_what_cannot_be_seized_is_not_moved() -> None:
    """What there is beyond the assets that a book names is in no leg that anybody could move."""
    there: list[Leg] = [("a", "REST", "collateral", 5000.0), *loan("b", 10.0, 1.0)]
    here: list[Leg] = [("a", "REST", "debt", 100.0), *loan("a", 10.0, 8000.0)]
    terms = {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05}, "USD": {"liquidation_threshold": 0.9, "incentive": 0.05},
             "REST": {"liquidation_threshold": 0.5, "incentive": 0.05}}
    for seizable, shifts in ((True, 1), (False, 0)):
        assets = {"ETH": {"price": 1000.0}, "REST": {"price": 1.0, "seizable": seizable}}
        assert amounts(two(here, there, fall(0.1), assets=assets, protocols={
            name: {"rules": "aave.v3_0", "parameters": terms, "book": book(legs, name)}
            for name, legs in (("here", here), ("there", there))}))[2]["shifts"][0] == shifts


def owned(rows: list[tuple[str, str, str, str, float]], protocol: str) -> Book:
    """account, owner, asset, side, amount"""
    names = ("account", "owner", "asset", "side", "amount")
    return Book.from_table(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]), protocol=protocol)


def test_accounts_of_any_name_are_one_persons_where_the_book_says_so() -> None:
    here = owned([("a", "anna", "ETH", "collateral", 10.0), ("a", "anna", "USD", "debt", 8000.0)], "here")
    there = owned([("z", "anna", "USD", "collateral", 5000.0), ("b", "bob", "ETH", "collateral", 1.0),
                   ("b", "bob", "USD", "debt", 1.0)], "there")
    world = two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.1))
    world = world.replace("protocols.here.book", here).replace("protocols.there.book", there)
    assert amounts(world)[2]["shifts"][0] == 1


def test_an_account_has_one_owner() -> None:
    with pytest.raises(InputError, match="account a of here has two owners: 'bob'") as error:
        owned([("a", "anna", "ETH", "collateral", 10.0), ("a", "bob", "USD", "debt", 8000.0)], "here")
    assert "row 3, column owner" in str(error.value)


def test_concentration_is_by_owner() -> None:
    """Anna's two accounts together are larger than bob's one, and are left out together."""
    here = owned([("a", "anna", "ETH", "collateral", 10.0), ("a", "anna", "USD", "debt", 8000.0),
                  ("c", "bob", "ETH", "collateral", 13.0), ("c", "bob", "USD", "debt", 10_000.0)], "here")
    there = owned([("z", "anna", "ETH", "collateral", 5.0), ("z", "anna", "USD", "debt", 4000.0)], "there")
    world = two(loan("a", 10.0, 8000.0), usd_there(5000.0), fall(0.1))
    world = world.replace("protocols.here.book", here).replace("protocols.there.book", there)
    world = world.replace("actors.people.attentive", 0.0)
    rows = concentration(stress(world, threads=1)).to_pylist()
    assert [(row["owner"], row["accounts"], row["protocol"]) for row in rows] == [
        ("(nobody left out)", 3, None), ("anna", 2, "here and there"), ("bob", 1, "here")]
    assert rows[1]["debt_usd"] == pytest.approx(12_000.0)
    seized = [row["seized_collateral"] for row in rows]
    assert seized[0] == pytest.approx((seized[0] - seized[1]) + (seized[0] - seized[2]))
    assert seized[1] > 0.0


# ---- a prime broker -------------------------------------------------------------------------------------------


def brokered(fall_by: float, margin: float, position: float = -9.0) -> World:
    """Long 10 ETH against 8000 USD in the pool, short 9 on an exchange with 2000 USD: 1 ETH net."""
    positions = pa.Table.from_pylist([
        {"account": "a", "instrument": "ETH-PERP", "size": position, "entry_price": 1000.0, "margin_mode": "cross",
         "collateral": 2000.0}])
    return worlds.load({
        "as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}, "ETH-PERP": {"perp": "ETH"}},
        "protocols": {
            "pool": {"rules": "aave.v3_0", "book": book(loan("a", 10.0, 8000.0)),
                     "parameters": {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05}}},
            "perps": {"rules": "hyperliquid", "book": Book.from_table(positions, protocol="perps"),
                      "parameters": {"ETH-PERP": {"max_leverage": 10}}}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "policies": {"desk": {"kind": "prime_broker", "margin": margin}},
        "scenario": {"horizon": 600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [fall(fall_by)]}})


@pytest.mark.parametrize(("margin", "called"), [(0.2, False), (0.99, False), (1.0, True)])
def test_who_is_good_as_a_whole_is_not_called(margin: float, called: bool) -> None:
    """Down 10 %: the loan is at 7650 / 8000. In all 9000 - 8000 + 2000 + 900 = 3900 against 900 USD of net exposure."""
    world = brokered(0.1, margin)
    if called:  # margin is a share, so ask more of the whole by a larger position
        world = brokered(0.1, margin, position=-6.0)
    state, columns = conserved(world)
    equity = 1000.0 + 2000.0 + (600.0 if called else 900.0)
    exposure = 900.0 * (10.0 - (6.0 if called else 9.0))
    assert (equity >= margin * exposure) != called or (called and equity >= exposure)
    assert (state.ledgers.totals[LIQUIDATIONS].sum() > 0) == (equity < margin * exposure)
    assert (columns["calls_spared"][0] > 0) == (equity >= margin * exposure)


def test_nobody_is_spared_whose_whole_is_short() -> None:
    """Long both: 10 ETH in the pool and 9 on the exchange; down 10 %, 9000 - 8000 + 2000 - 900 = 2100 against 17,100 at 20 %."""
    state, columns = conserved(brokered(0.1, 0.2, position=9.0))
    assert columns["calls_spared"][0] == 0
    assert state.ledgers.totals[LIQUIDATIONS].sum() > 0


def test_a_margin_call_begins_when_an_account_is_found_unhealthy_whoever_spares_it() -> None:
    """Short 11 ETH, at 1300: equity 2000 - 3300, in all 3700 against 0.9 x 1300. At 3328, 300 s later, 1672 against 2995: the
    broker lets go, and the 200 s of the margin call are over.
    """
    world = brokered(0.0, 0.9, position=-11.0).replace("scenario.horizon", 420)
    world = world.replace("policies.calls", {"kind": "margin_call", "protocols": ["perps"], "grace": 200})
    for second, called in (([], False), ([fall(-0.6, at=300.0), fall(-0.6, at=300.0)], True)):
        state, columns = conserved(world.replace("scenario.events", [fall(-0.3), *second]))
        assert columns["calls_spared"][0] > 0
        assert (state.ledgers.totals[LIQUIDATIONS].sum() > 0) == called


def test_a_broker_needs_clients() -> None:
    world = two(loan("x", 10.0, 8000.0), usd_there(5000.0))
    with pytest.raises(InputError, match="has no clients"):
        assemble(world.replace("policies.desk", {"kind": "prime_broker", "margin": 0.1}))
