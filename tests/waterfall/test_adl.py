"""Auto-deleveraging in whole worlds: who is closed, at what price, and that no unit or dollar is made or lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.analysis.adl import measure
from delever.core.adl import RULES
from waterfall.small import ADL, Row, Run, exchange, run

# A long at 100 USD that is worth nothing below 88 USD. BTC falls to 80 USD: it lacks 8 USD.
FALLEN: Row = ("f", "BTC-PERP", 1.0, 100.0, 12.0)
# Shorts, alike but for what each test is about: entry, size, margin.
SHORTS: list[Row] = [("low", "BTC-PERP", -1.0, 90.0, 40.0), ("high", "BTC-PERP", -1.0, 110.0, 40.0),
                     ("thin", "BTC-PERP", -1.0, 100.0, 15.0), ("loser", "BTC-PERP", -1.0, 75.0, 40.0)]
BYSTANDERS: list[Row] = [("long", "BTC-PERP", 1.0, 90.0, 40.0), ("idle", "", 0.0, 0.0, 50.0)]


def adl(rule: str = "hyperliquid", **more: Any) -> dict[str, Any]:
    return {"kind": "adl", "rule": rule, **more}


def closed(rule: str, fallen: Row = FALLEN, shorts: list[Row] = SHORTS, **more: Any) -> Run:
    return run(exchange([fallen, *shorts, *BYSTANDERS], [adl(rule, **more)], -0.2))


# ---- who ----------------------------------------------------------------------------------------------------------


def published(rule: str, row: Row, mark: float = 80.0) -> float:
    """The score of a short, from the exchanges' words."""
    _, _, q, entry, margin = row
    profit, equity = q * (mark - entry), margin + q * (mark - entry)
    leverage, gain = abs(q) * mark / equity, q * (mark - entry) / (abs(q) * entry)
    if rule == "hyperliquid":
        return entry / mark * leverage
    if rule == "hyperliquid_v2":
        return leverage * max(gain, 0.0)
    return gain * leverage if profit >= 0.0 else gain / leverage


@pytest.mark.parametrize("rule", ["hyperliquid", "hyperliquid_v2", "binance"])
def test_a_queue_closes_from_the_highest_score_down(rule: str) -> None:
    order = sorted(SHORTS, key=lambda row: -published(rule, row))
    done = closed(rule, ("f", "BTC-PERP", 2.5, 100.0, 30.0))
    assert [name for name, *_ in done.closed()] == sorted((row[0] for row in order[:3]), key=[r[0] for r in SHORTS].index)
    left = {row[0]: done.units(row[0]) for row in SHORTS}
    assert [left[row[0]] for row in order] == [0.0, 0.0, -0.5, -1.0]


def test_of_equal_scores_the_first_in_the_book_is_closed() -> None:
    twins: list[Row] = [(name, "BTC-PERP", -1.0, 100.0, 40.0) for name in "xyz"]
    done = closed("binance", ("f", "BTC-PERP", 1.5, 100.0, 18.0), twins)
    assert [done.units(name) for name in "xyz"] == [0.0, -0.5, -1.0]


@pytest.mark.parametrize(("rule", "share"), [("wealth_pro_rata", {"low": 10.0, "high": 30.0, "thin": 20.0, "loser": 0.0}),
                                            ("contract_pro_rata", dict.fromkeys(("low", "high", "thin", "loser"), 1.0))])
def test_pro_rata_rules_share_by_profit_or_by_size(rule: str, share: dict[str, float]) -> None:
    done = closed(rule)
    for row in SHORTS:
        assert -1.0 - done.units(row[0]) == pytest.approx(-share[row[0]] / sum(share.values()))


def test_nobody_closes_more_than_the_cap_of_what_he_holds() -> None:
    done = closed("capped_pro_rata", ("f", "BTC-PERP", 3.0, 100.0, 36.0), cap=0.4)
    assert [done.units(row[0]) for row in SHORTS] == pytest.approx([-0.6] * 4)
    assert done.dry(ADL) == 60.0
    enough = closed("capped_pro_rata", cap=0.4)
    assert [enough.units(row[0]) for row in SHORTS] == pytest.approx([-0.75] * 4) and enough.dry(ADL) == np.inf


def test_unhealthy_accounts_and_those_of_the_same_side_are_left_alone() -> None:
    """`sick` has 2 USD where 4 are needed; its engine closes a hundredth at a time, so that it stays so."""
    sick: Row = ("sick", "BTC-PERP", -1.0, 70.0, 12.0)
    slowly = {"stage": "market", "limit": "bankruptcy", "partial_above": 50.0, "partial_share": 0.01}
    done = run(exchange([FALLEN, sick, *BYSTANDERS], [adl()], -0.2, stages=[slowly]))
    assert done.units("sick") == pytest.approx(-0.99) and done.units("long") == 1.0
    assert done.closed() == [] and done.dry(ADL) == 60.0
    assert done.standing == pytest.approx(8.0)


# ---- how much, at what price ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [0.3, 1.0, 2.999999999, 3.0, 4.0, 7.0])
@pytest.mark.parametrize("price", ["bankruptcy", "mark"])
def test_no_more_is_closed_than_is_matched_and_haircuts_cover_the_deficit(rule: str, size: float, price: str) -> None:
    lack = 8.0 * size
    fallen: Row = ("f", "BTC-PERP", size, 100.0, 12.0 * size)
    done = closed(rule, fallen, price=price)
    capacity = 3.0 if rule == "wealth_pro_rata" else 4.0  # `loser` has no profit
    matched = min(size, capacity)
    rows = done.closed()
    assert sum(units for _, units, _, _ in rows) == pytest.approx(-matched, rel=1e-12)
    assert sum(units for _, units, _, _ in rows) == pytest.approx(sum(-1.0 - done.units(row[0]) for row in SHORTS), rel=1e-12)
    assert all(-1.0 <= units < 0.0 for _, units, _, _ in rows)
    x = 88.0 if price == "bankruptcy" else 80.0
    assert [at for _, _, at, _ in rows] == pytest.approx([x] * len(rows))
    assert sum(haircut for *_, haircut in rows) == pytest.approx(matched * (x - 80.0), rel=1e-12, abs=1e-12)
    flows, perp = done.state.flows, done.reserve("BTC-PERP")
    assert flows.haircut[perp, 0] == pytest.approx(sum(haircut for *_, haircut in rows))
    assert flows.deleveraged[perp, 0] == pytest.approx(matched * 80.0)
    # the rest was closed out at 80 USD; what haircuts did not cover stands
    assert done.units("f") == 0.0
    assert done.standing == pytest.approx(lack - matched * (x - 80.0), abs=1e-9)
    assert done.dry(ADL) == (60.0 if size > capacity else np.inf)
    assert done.state.safety.first[1, 0, 0] == 60.0


def test_at_the_bankruptcy_price_the_fallen_account_ends_with_nothing_and_owes_nothing() -> None:
    """Two positions, a gain on one: E = 20 - 60 + 10 = -30 on 240 + 40 of notional."""
    rows: list[Row] = [("f", "BTC-PERP", 3.0, 100.0, 20.0), ("f", "ETH-PERP", -0.4, 125.0, 0.0),
                       ("s", "BTC-PERP", -3.0, 100.0, 90.0), ("l", "ETH-PERP", 0.4, 125.0, 90.0)]
    done = run(exchange(rows, [adl()], -0.2))
    assert done.row("f") == pytest.approx(0.0, abs=1e-12)
    assert done.standing == 0.0  # not even what is lost in digits
    price = {name: at for name, _, at, _ in done.closed()}
    assert price == pytest.approx({"s": 80.0 * (1 + 30 / 280), "l": 100.0 * (1 - 30 / 280)})
    assert sum(haircut for *_, haircut in done.closed()) == pytest.approx(30.0)


def test_after_deleveraging_collateral_is_sold_before_a_deficit_is_booked() -> None:
    """0.05 ETH, margin at 90 %: 4.5 USD of what it lacks, worth 5 USD; at the mark nothing else covers it."""
    done = run(exchange([FALLEN, *SHORTS], [adl(price="mark")], -0.2, eth={"f": 0.05}))
    assert not done.row("f").any()
    assert done.standing == pytest.approx(8.0 - 5.0)


def test_deleveraging_frees_an_account_of_its_liability_but_not_its_winners_of_their_equity() -> None:
    done = closed("hyperliquid")
    before = {row[0]: row[4] + row[2] * (80.0 - row[3]) for row in SHORTS}
    took = {name: haircut for name, _, _, haircut in done.closed()}
    assert {name: done.equity(name) for name in before} == pytest.approx({k: v - took.get(k, 0.0) for k, v in before.items()})


# ---- vault, paths, room -----------------------------------------------------------------------------------------------


def test_a_vault_that_falls_is_deleveraged_at_marks_and_what_it_owes_is_booked() -> None:
    """It takes f over at 80 USD; at 40 USD it is below zero, and its unit is closed against the shorts."""
    shocks = [{"at": 0, "kind": "price", "change": {"BTC": -0.2}}, {"at": 60, "kind": "price", "change": {"BTC": -0.5}}]
    layers = [{"kind": "backstop", "equity": 20.0}, adl("contract_pro_rata")]
    shorts = [row for row in SHORTS if row[0] != "loser"]
    done = run(exchange([FALLEN, *shorts], layers, 0.0, scenario={"events": shocks}))
    perp = done.reserve("BTC-PERP")
    assert done.state.safety.vault[perp, 0] == 1.0 and done.closed() == []
    done.steps()
    assert done.state.safety.vault[perp, 0] == 0.0
    assert done.state.safety.vault[done.cash, 0] == 0.0  # 20 - 8 - 40
    assert [units for _, units, _, _ in done.closed()] == pytest.approx([-1 / 3] * 3)
    assert [haircut for *_, haircut in done.closed()] == pytest.approx([0.0] * 3)
    assert done.standing == pytest.approx(28.0)


def test_a_fallen_vault_stays_where_there_is_no_deleveraging() -> None:
    shocks = [{"at": 0, "kind": "price", "change": {"BTC": -0.2}}, {"at": 60, "kind": "price", "change": {"BTC": -0.5}}]
    done = run(exchange([FALLEN, SHORTS[0]], [{"kind": "backstop", "equity": 20.0}], 0.0, scenario={"events": shocks}), 2)
    assert done.state.safety.vault[done.reserve("BTC-PERP"), 0] == 1.0


@pytest.mark.parametrize("rule", ["binance", "contract_pro_rata"])
def test_the_pool_and_the_list_of_closings_grow_in_the_middle_of_an_account(rule: str) -> None:
    """5000 shorts on either perp against one account with both: the pool begins with 1024 slots, the list with 64 rows."""
    rng = np.random.default_rng(3)
    crowd: list[Row] = [(f"{perp[0]}{i}", perp, -1.0, 100.0, float(rng.uniform(30.0, 90.0)))
                        for perp in ("BTC-PERP", "ETH-PERP") for i in range(5000)]
    rows: list[Row] = [("f", "BTC-PERP", 4000.0, 100.0, 30_000.0), ("f", "ETH-PERP", 4000.0, 100.0, 0.0), *crowd]
    done = run(exchange(rows, [adl(rule)], -0.2))
    mine = done.closed(0)
    assert mine == done.closed(1) and len(mine) == (8000 if rule == "binance" else 10_000)
    assert sum(units for _, units, _, _ in mine) == pytest.approx(-8000.0)
    assert sum(haircut for *_, haircut in mine) == pytest.approx(50_000.0)
    assert done.standing == 0.0 and done.row("f") == pytest.approx(0.0, abs=1e-9)


# ---- how well ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_a_round_is_measured_as_the_paper_measures_it(rule: str) -> None:
    done = closed(rule)
    profits = np.array([max(q * (80.0 - entry), 0.0) for _, _, q, entry, _ in SHORTS])
    paid = np.array([8.0 * (done.units(row[0]) - row[2]) for row in SHORTS])  # at 88 instead of 80 USD
    winners = profits > 0.0
    expected = measure(profits[winners], [8.0], paid[winners] / profits[winners], 8.0) if np.all(paid[~winners] == 0.0) else None
    overshoot, fairness_regret, coverability = done.state.safety.rounds[:, 0, 0]
    assert coverability == pytest.approx(60.0 / 8.0, rel=1e-12) and overshoot == pytest.approx(0.0, abs=1e-11)
    if expected is not None:
        assert overshoot == pytest.approx(expected.overshoot, abs=1e-11)
        assert fairness_regret == pytest.approx(expected.fairness_regret, rel=1e-12, abs=1e-11)
    if rule == "wealth_pro_rata":
        assert fairness_regret == pytest.approx(0.0, abs=1e-11)
    if rule.startswith("hyperliquid"):
        assert fairness_regret > 1.0
