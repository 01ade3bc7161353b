"""Interest rate curves against what contracts answered, and indices against the arithmetic of accrual."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delever.core.columns import Value
from delever.core.reserves import cash_of, owed_of
from delever.core.state import State
from delever.core.tables import DEFICIT, DEPOSITS
from delever.engine.step import step
from delever.model.errors import InputError
from delever.model.world import World
from delever.rates.adaptive import LEAST, MOST, adapt, adapted
from delever.rates.base import YEAR, growth, use
from delever.rates.jump import Jump
from delever.rates.kinked import kinked_rate
from delever.rates.two_kinked import two_slopes
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from delever.run.stress import stress
from protocols.vectors import cases, number
from run.small import everything, fall, loan, one_market


@pytest.mark.parametrize("version", ["v3_0", "v3_6"])
def test_kinked_rates_are_aaves(version: str) -> None:
    """A real number where the contract divides integers of 27 digits by rounded ones of 27: 1e-12."""
    found = 0
    for case in cases("aave_interest"):
        if case["kind"] != f"rates_{version}":
            continue
        given, out = case["in"], case["out"]
        if version == "v3_6":
            debt, cash = given["total_debt"], [int(given[name][0]) for name in ("virtual_balance", "liquidity_added")]
            whole = sum(cash) - int(given["liquidity_taken"][0]) + int(debt[0])
        else:
            debt = given["total_variable_debt"]
            whole = int(given["cash"][0]) + int(debt[0])
        u = int(debt[0]) / whole if int(debt[0]) else 0.0
        terms = [given[name] / 1e4 for name in ("base_rate", "slope1", "slope2", "optimal_usage")]
        rate = kinked_rate(u, *terms)
        supply = rate * u * (1.0 - given["reserve_factor"] / 1e4)
        assert rate == pytest.approx(number(out["variable_borrow_rate"]), rel=1e-12, abs=1e-24), case["id"]
        assert supply == pytest.approx(number(out["liquidity_rate"]), rel=1e-12, abs=1e-24), case["id"]
        found += 1
    assert found > 12


def test_indices_grow_as_aaves() -> None:
    """Debts by the series to the third power of a second's rate, which ours follows with r dt in its place: (r dt)^2 a second."""
    for case in (case for case in cases("aave_interest") if case["kind"] == "index_accrual"):
        given, out = case["in"], case["out"]
        x = number(given["variable_borrow_rate"]) * given["elapsed"] / YEAR
        if x > 0.5:
            continue  # beyond any step
        grown = number(given["variable_borrow_index"]) * (1.0 + growth(x))
        assert grown == pytest.approx(number(out["variable_borrow_index_now"]), rel=2e-8 * max(x, 1e-4) + 1e-15), case["id"]
        linear = number(given["liquidity_index"]) * (1.0 + number(given["liquidity_rate"]) * given["elapsed"] / YEAR)
        assert linear == pytest.approx(number(out["liquidity_index_now"]), rel=1e-15), case["id"]


def test_use_is_a_share_whatever_is_owed_and_held() -> None:
    """Nothing owed is no use; more owed than there is, or nothing there, is full use."""
    cash = np.array([0.0, 1.0, 0.0, 3.0, -1.0, -2.0, -1.0, 5.0])
    owed = np.array([0.0, 0.0, 2.0, 1.0, 1.0, 1.0, 2.0, -1.0])
    used = np.empty(8)
    use(1.0, owed / 2.0 - 1.0, np.full(8, 2.0), cash, used)
    assert used.tolist() == [0.0, 0.0, 1.0, 0.25, 1.0, 1.0, 1.0, 0.0]


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(LEAST, MOST)), min_size=1, max_size=9),
       st.floats(0.0, 60.0) | st.floats(218_590.0, 218_591.0) | st.floats(0.0, 1e7))
def test_short_steps_need_no_question_and_answer_the_same(rows: list[tuple[float, float]], step: float) -> None:
    """From 218,590.9 s on a rate may move by half of ln 2."""
    used, target = np.ascontiguousarray(np.array(rows).T[:, None, :])
    each = [adapted(float(u), float(start), step, False) for u, start in rows]
    rate = np.zeros_like(used)
    adapt(used, step, target, rate)
    assert list(zip(rate[0].tolist(), target[0].tolist(), strict=True)) == each


def test_the_adaptive_curve_is_morphos() -> None:
    """The contract's rates have 18 digits: one of the last at target is four where it is steep, and two more round."""
    found = 0
    for case in cases("morpho_irm"):
        given, out = case["in"], case["out"]
        supplied, start = int(given["total_supply_assets"][0]), number(given["start_rate_at_target"])
        if start == 0.0:
            continue  # a market's first moment, which only sets the start
        u = int(given["total_borrow_assets"][0]) / supplied if supplied else 0.0
        rate, end = adapted(u, start, float(given["elapsed"]), False)
        assert rate == pytest.approx(number(out["avg_rate"]), rel=1e-9, abs=6e-18), case["id"]
        assert end == pytest.approx(number(out["end_rate_at_target"]), rel=1e-9, abs=6e-18), case["id"]
        found += 1
    assert found > 100


def test_the_rate_at_target_stays_within_its_bounds() -> None:
    assert adapted(1.0, MOST, 1e6, False)[1] == MOST
    assert adapted(0.0, LEAST, 1e6, False)[1] == LEAST
    assert adapted(0.9, 0.04 / YEAR, 1e6, False) == (0.04 / YEAR, 0.04 / YEAR)


def test_a_jump_rate_is_a_kinked_curve() -> None:
    curve = Jump(base=0.02, multiplier=0.05, jump=1.09, kink=0.8).curve()
    for u in (0.0, 0.4, 0.8, 0.9, 1.0):
        stated = 0.02 + 0.05 * min(u, 0.8) + 1.09 * max(u - 0.8, 0.0)
        assert kinked_rate(u, *curve) == pytest.approx(stated, rel=1e-14)


# --- in a world ----------------------------------------------------------------------------------------------


KINKED = {"kind": "kinked", "base": 0.01, "slope": 0.1, "steep": 2.0, "kink": 0.8, "reserve_factor": 0.1}


def lending(curve: dict[str, Any] | None = None, cash: float = 1000.0, **more: Any) -> World:
    """One borrower of 800 USD."""
    scenario = {"events": more.pop("events", []), "horizon": "6 h", "step": "10 min", **more.pop("scenario", {})}
    world = one_market(loan("a", 1.0, 800.0), scenario=scenario, **more)
    return world.replace("protocols.pool.cash", {"USD": cash}).replace("protocols.pool.rates", {"USD": curve or KINKED})


def run(world: World) -> tuple[State, list[Value]]:
    """All paths, to the end."""
    model = assemble(world)
    acting = phases(model, world.scenario.paths, ())
    state = new_state(model, 0, world.scenario.paths, acting)
    for _ in range(model.steps):
        step(acting, state)
    return state, [value for one in acting.accruals if hasattr(one, "columns") for value in one.columns(state)]


def test_interest_follows_the_curve_and_every_unit_of_it_is_somebodys() -> None:
    """liabilities = cash + owed + deficit: what borrowers owe more is what depositors and the protocol have more."""
    state, columns = run(lending(cash=200.0))
    r = int(np.flatnonzero(state.reserves.cash == 200.0)[0])
    u, borrow, supply, treasury = 800.0 / 1000.0, 1.0, 1.0, 0.0
    for _ in range(36):
        owed = 800.0 * borrow
        u = owed / (200.0 + owed)
        g = growth(kinked_rate(u, 0.01 / YEAR, 0.1 / YEAR, 2.0 / YEAR, 0.8) * 600.0)
        treasury = treasury * (1.0 + g * u * 0.9) + 0.1 * g * owed  # it is put by as a deposit
        supply *= 1.0 + g * u * 0.9
        borrow *= 1.0 + g
    assert state.reserves.borrow_index[r, 0] == pytest.approx(borrow, rel=1e-14)
    assert state.reserves.supply_index[r, 0] == pytest.approx(supply, rel=1e-14)
    assert 1000.0 * supply + treasury == pytest.approx(200.0 + 800.0 * borrow, rel=1e-12)
    found = {value.column.name: value.values[0] for value in columns}
    assert found["utilisation"] == pytest.approx(800.0 * borrow / (200.0 + 800.0 * borrow))
    assert found["least_cash"] == 200.0
    assert found["highest_borrow_rate"] == pytest.approx(kinked_rate(u, 0.01, 0.1, 2.0, 0.8))


def test_a_constant_rate_is_the_suppliers_and_borrow_rate_is_nobodys() -> None:
    """800 of 1000 units are lent out at 10 % a year: claims are what is owed and the cash, to the last digit."""
    curve = run(lending({"kind": "constant", "at": 0.1}, cash=200.0))[0]
    bare = run(one_market(loan("a", 1.0, 800.0), parameters={"USD": {"borrow_rate": 0.1}},
                          scenario={"horizon": "6 h", "step": "10 min"}))[0]
    r = int(np.flatnonzero(curve.reserves.cash == 200.0)[0])
    assert curve.reserves.borrow_index[r, 0] == pytest.approx(np.exp(0.1 * 6.0 / 8760.0), rel=1e-14)
    owed, claims = curve.reserves.borrow_index[r, 0], curve.reserves.supply_index[r, 0]
    assert 1000.0 * claims == pytest.approx(200.0 + 800.0 * owed, rel=1e-12)
    assert bare.reserves.borrow_index[r, 0] == pytest.approx(owed, rel=1e-12)
    assert bare.reserves.supply_index[r, 0] == 1.0 < claims


def test_a_repayment_lowers_the_rate_on_its_path_alone() -> None:
    prices = {"kind": "lognormal", "volatility": {"ETH": 2.0}}
    world = lending(cash=50.0, events=[fall(0.5)], scenario={"paths": 2, "prices": prices})
    state, _ = run(world)
    r = int(np.flatnonzero(state.reserves.cash == 50.0)[0])
    for p in range(2):
        cash, owed = cash_of(r, p, state.reserves, state.ledgers), owed_of(r, p, state.reserves, state.ledgers)
        assert cash == pytest.approx(50.0 + state.ledgers.booked[DEPOSITS, r, p] - state.ledgers.booked[1, r, p]
                                     - state.ledgers.booked[DEFICIT, r, p])
        assert owed >= 0.0


def test_the_same_bits_whatever_the_chunk() -> None:
    world = everything("sequential", paths=6)
    name = world.lending[0]
    asset = next(one for of, one in assemble(world).positions.reserves if of == name)
    world = world.replace(f"protocols.{name}.cash", {asset: 1e6}).replace(f"protocols.{name}.rates", {asset: KINKED})
    tables = [stress(world, keep=False, threads=1, chunk=chunk).paths for chunk in (1, 6)]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(("changes", "words"), [
    ({"cash": {}, "rates": {"USD": KINKED}}, r"protocols\.pool\.cash\.USD.*is missing"),
    ({"cash": {"USD": 1.0}, "rates": {"USD": KINKED | {"steep": -0.1}}}, r"steep"),
    ({"cash": {"USD": 1.0}, "rates": {"USD": KINKED | {"kink": 1.0}}}, r"kink"),
    ({"cash": {"USD": -1.0}}, r"cash\.USD"),
    ({"cash": {"DOGE": 1.0}}, r"cash\.DOGE"),
    ({"cash": {"USD": 1.0}, "rates": {"USD": {"kind": "kinky"}}}, r"kinky.*kinked"),
    ({"borrowed": {"USD": 1.0}}, r"borrowed\.USD.*is less than the 800")])
def test_bad_input_is_one_line(changes: dict[str, Any], words: str) -> None:
    def made() -> None:
        world = one_market(loan("a", 1.0, 800.0))
        for part, value in changes.items():
            world = world.replace(f"protocols.pool.{part}", value)
        assemble(world)

    with pytest.raises(InputError, match=words) as caught:
        made()
    assert "\n" not in str(caught.value)


def test_a_report_shows_the_rates_of_each_reserve() -> None:
    """Figures of one asset of a lending protocol stand in the summary; those of perps in a table of their own."""
    rows = stress(lending(cash=200.0), keep=False, threads=1).summary.to_pylist()
    shown = {row["figure"]: row for row in rows if row["section"] == "Rates"}
    assert {"utilisation.pool.USD", "highest_borrow_rate.pool.USD", "least_cash.pool.USD"} <= set(shown)
    assert shown["utilisation.pool.USD"]["label"] == "pool.USD"
    assert shown["utilisation.pool.USD"]["value"] == pytest.approx(0.8, rel=1e-3)


TWO = {"kind": "two_kinked", "base": 0.015, "low": 0.035, "high": 0.25, "kink": 0.8, "supply_low": 0.0325, "supply_high": 0.4,
       "supply_kink": 0.75}


def test_two_kinked_rates_are_compounds_v3_by_hand() -> None:
    """At 90 %: 1.5 % + 3.5 % x 0.8 + 25 % x 0.1; 3.25 % x 0.75 + 40 % x 0.15."""
    curve, supply = (0.015, 0.035, 0.25, 0.8), (0.0, 0.0325, 0.4, 0.75)
    assert [two_slopes(u, *curve) for u in (0.0, 0.8, 0.9)] == pytest.approx([0.015, 0.043, 0.068])
    assert [two_slopes(u, *supply) for u in (0.0, 0.75, 0.9)] == pytest.approx([0.0, 0.024375, 0.084375])


def test_what_borrowers_pay_and_suppliers_do_not_get_is_the_protocols_and_never_counts_as_supplied() -> None:
    """800 owed, 200 of cash, 50 the protocol's own: 950 supplied. Each step by its own rate; the rest comes to the protocol."""
    state, columns = run(lending(TWO | {"reserves": 50.0}, cash=200.0))
    r = int(np.flatnonzero(state.reserves.cash == 200.0)[0])
    owed, supplied = 800.0, 950.0
    for _ in range(36):
        u = owed / supplied
        owed *= 1.0 + growth(two_slopes(u, 0.015, 0.035, 0.25, 0.8) / YEAR * 600.0)
        supplied *= 1.0 + growth(two_slopes(u, 0.0, 0.0325, 0.4, 0.75) / YEAR * 600.0)
    assert 800.0 * state.reserves.borrow_index[r, 0] == pytest.approx(owed, rel=1e-14)
    assert 950.0 * state.reserves.supply_index[r, 0] == pytest.approx(supplied, rel=1e-14)
    found = {value.column.name: value.values[0] for value in columns}
    assert found["utilisation"] == pytest.approx(owed / supplied, rel=1e-14)


def test_a_share_of_interest_has_no_meaning_where_suppliers_have_a_curve() -> None:
    with pytest.raises(InputError, match=r"reserve_factor.* has no meaning here"):
        lending(TWO | {"reserve_factor": 0.1})
