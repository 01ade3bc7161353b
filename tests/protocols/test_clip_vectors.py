"""Maker's auctions against the executed contracts (dss fa4f6630): curves, barks, takes, redos, whole auctions.

Tolerance, float64 against the contracts' integers: 1e-9 relative and five smallest units of collateral (1e-18).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from delever.core.tables import DEBTS, DEFICIT, EXECUTED, NOTHING, OFFERED, REVERTED, TREASURY
from delever.protocols.clip_formulas import fraction
from protocols.one_vault import ETH, KEEPER, OneVault, curve_of
from protocols.vectors import cases, number

KICK, TAKE, REDO = range(3)
UNIT = 1e-18


Case = dict[str, Any]


def near(theirs: float) -> Any:
    return pytest.approx(theirs, rel=1e-9, abs=5 * UNIT)


@cache
def vault() -> OneVault:
    return OneVault()


def plain(name: str, kind: str | None = None) -> list[Case]:
    """Cases that are not on an edge."""
    return [case for case in cases(name) if not case.get("edge") and kind in (None, case["kind"])]


def values(case: Case, *names: str) -> dict[str, float]:
    return {name: number(case[name]) for name in names}


def check_price(case: Case) -> None:
    """The price of a curve at an age."""
    given, terms = case["in"], np.ones(13)
    vault().set(curve_of(given | {"curve": case["kind"].removeprefix("price_")}))
    terms[:] = vault().rules.parameters[0]
    assert number(given["top"]) * fraction(float(given["elapsed"]), terms) == near(number(case["out"]["price"])), case["id"]


def test_prices_fall_as_the_contracts() -> None:
    found = plain("maker_price")
    for case in found:
        check_price(case)
    assert len(found) >= 50


def check_bark(case: Case) -> None:
    """A kick, or its refusal."""
    given, out, v, house = case["in"], case["out"], vault(), vault().state
    terms = values(given, "buf", "tip", "chip", "dust", "hole") | {"hole_of_all": number(given["Hole"])}
    order = ("buf", "tip", "chip", "dust", "hole", "hole_of_all")
    v.set({name: terms[name] for name in order}, ink=number(given["ink"]), art=number(given["art"]),
          rate=number(given["rate"]), mat=number(given["mat"]), chop=number(given["chop"]))
    v.see(number(given["price"]), number(given["par"]))
    v.put_up(1.0, number(given["dirt"]), 1.0)
    v.put_up(1.0, number(given["Dirt"]) - number(given["dirt"]), 1.0, asset=2)
    before = house.pool.touched.amount[0].copy()
    wanted, _, reward = v.offered(KICK)
    state, _, paid = v.done(KICK)
    if "revert" in out:
        assert (wanted, state, house.n_lots) == (NOTHING, REVERTED, 2), case["id"]
        return
    lots, k = house.lots, 2
    assert (wanted, state, house.n_lots) == (OFFERED, EXECUTED, 3), case["id"]
    assert reward == paid == near(number(out["keeper_reward"])), case["id"]
    assert lots.units[k] == near(number(out["dink"])), case["id"]
    assert lots.owed[k] == near(number(out["due"])), case["id"]
    assert lots.tab[k] == near(number(out["tab"])), case["id"]
    assert lots.top[k] == near(number(out["top"])), case["id"]
    assert before[v.debt] - house.pool.touched.amount[0, v.debt] == pytest.approx(number(out["dart"]), rel=1e-9)
    assert v.rules.raised(house)[0, ETH, 0] == near(number(out["dirt_after"])), case["id"]
    assert house.ledgers.tokens[KEEPER, 0, 0] == paid
    assert v.leak() < 1e-12, case["id"]


def test_barks_put_up_what_the_contracts_do_and_refuse_what_they_refuse() -> None:
    found = plain("maker_bark")
    for case in found:
        check_bark(case)
    assert len(found) >= 25 and refused(found) >= 2


def refused(found: list[Case]) -> int:
    """How many the contract refused."""
    return sum("revert" in case["out"] for case in found)


def money(amt: Any, lot: float, price: float) -> float:
    """The most that a taker brings who wants so many units; 0: he wants what there is."""
    return 0.0 if amt == "unlimited" or number(amt) >= lot * (1.0 - 1e-12) else max(number(amt) * price, 1e-30)


def start(case: Case, terms: dict[str, float]) -> OneVault:
    """A lot of a case of maker_clip. Its chost is given: the dust of a vault without penalty."""
    v, given = vault(), case["in"]
    v.set(curve_of(given) | {"tail": float(given["tail"]), "cusp": number(given["cusp"]), "dust": number(given["chost"])} | terms)
    v.put_up(number(given["lot"]), number(given["tab"]), number(given["top"]), age=float(given["elapsed"]))
    return v


def check_take(case: Case) -> None:
    """A purchase, or its refusal; one that brings and gets less than five smallest units is as good as none."""
    given, out, v = case["in"], case["out"], start(case, {})
    v.see(1.0)
    lots, price = v.state.lots, number(out["price"])
    unlimited = given["max_price"] == "unlimited"
    highest = np.inf if unlimited else number(given["max_price"])
    state, paid, got = v.done(TAKE, 0, money(given["amt"], lots.units[0], price), highest)
    if "revert" in out or (state == REVERTED and number(out["owe"]) <= 5 * UNIT and not out["closed"]):
        assert state == REVERTED, case["id"]
        return
    assert state == EXECUTED, case["id"]
    assert paid == near(number(out["owe"])), case["id"]
    assert got == near(number(out["slice"])), case["id"]
    assert bool(lots.open[0]) != out["closed"], case["id"]
    assert v.state.pool.touched.amount[0, 0] == near(number(out["returned_to_owner"])), case["id"]
    if not out["closed"]:
        assert lots.tab[0] == near(number(out["tab_after"])), case["id"]
        assert lots.units[0] == pytest.approx(number(out["lot_after"]), rel=1e-9, abs=1e-9 * number(given["lot"]))
    assert v.leak() < 1e-12, case["id"]


def test_takes_pay_and_get_what_the_contracts_do_and_are_refused_where_they_are() -> None:
    found = plain("maker_clip", "take")
    for case in found:
        check_take(case)
    assert len(found) >= 25 and refused(found) >= 5


def check_redo(case: Case) -> None:
    """An auction started anew, or the refusal of that."""
    given, out, v = case["in"], case["out"], start(case, values(case["in"], "buf", "tip", "chip"))
    v.see(number(given["new_feed_price"]), number(given["par"]))
    wanted, _, reward = v.offered(REDO)
    state, _, paid = v.done(REDO)
    if "revert" in out:
        assert (wanted, state) == (NOTHING, REVERTED), case["id"]
        return
    assert (wanted, state) == (OFFERED, EXECUTED), case["id"]
    assert v.state.lots.top[0] == near(number(out["new_top"])), case["id"]
    assert reward == paid == near(number(out["keeper_reward"])), case["id"]
    assert v.state.lots.started[0] == v.state.time
    assert v.done(REDO)[0] == REVERTED, "nobody is paid twice"


def test_redos_reset_and_pay_as_the_contracts_do_and_only_where_they_do() -> None:
    found = plain("maker_clip", "redo")
    for case in found:
        check_redo(case)
    assert len(found) >= 12 and refused(found) >= 2


def check_auction(case: Case) -> None:
    """From the kick to the end."""
    given, out, v = case["in"], case["out"], vault()
    terms = curve_of(given) | {"tail": float(given["tail"])} | values(given, "cusp", "buf", "tip", "chip", "dust")
    v.set(terms, ink=number(given["ink"]), art=number(given["art"]), rate=number(given["rate"]), mat=number(given["mat"]),
          chop=number(given["chop"]))
    v.see(number(given["price"]), number(given["par"]))
    state, _, reward = v.done(KICK)
    lots, owed = v.state.lots, v.state.lots.owed[0]
    assert state == EXECUTED, case["id"]
    assert [lots.tab[0], lots.units[0], lots.top[0]] == near([number(out[name]) for name in ("tab", "lot", "top")])
    paid = sold = 0.0
    for action, theirs in zip(given["actions"], out["steps"], strict=True):
        v.state.time += action["wait"]
        if action["do"] == "redo":
            v.see(number(action["feed_price"]))
            state, _, again = v.done(REDO)
            assert (state, lots.top[0]) == (EXECUTED, near(number(theirs["new_top"]))), case["id"]
            assert again == near(number(theirs["keeper_reward"])), case["id"]
            reward += again
            continue
        state, gave, got = v.done(TAKE, 0, money(action["amt"], lots.units[0], number(theirs["price"])))
        assert state == (REVERTED if "revert" in theirs else EXECUTED), case["id"]
        if "revert" not in theirs:
            assert gave == pytest.approx(number(theirs["owe"]), rel=1e-9, abs=1e-9 * number(out["tab"])), case["id"]
            assert got == pytest.approx(number(theirs["slice"]), rel=1e-9, abs=1e-9 * number(out["lot"])), case["id"]
            paid, sold = paid + gave, sold + got
    assert paid == near(number(out["total_paid"])), case["id"]
    assert sold == near(number(out["total_sold"])), case["id"]
    booked, left = v.state.ledgers.booked[:, v.usd, 0], 0.0
    if lots.open[0] == 0:
        assert v.state.pool.touched.amount[0, 0] == pytest.approx(number(out["returned_to_owner"]), rel=1e-9, abs=1e-9)
        loss = booked[DEFICIT] - booked[TREASURY] - reward
    else:
        left = lots.owed[0]
        loss = left - booked[TREASURY] - reward
    assert loss == pytest.approx(number(out["loss_to_protocol"]), rel=1e-9, abs=1e-9 * owed), case["id"]
    assert booked[DEBTS] == pytest.approx(left - owed, rel=1e-12, abs=1e-9)
    assert v.leak() < 1e-12, case["id"]


def test_whole_auctions_run_as_the_contracts() -> None:
    found = plain("maker_auction")
    for case in found:
        check_auction(case)
    assert len(found) >= 20
