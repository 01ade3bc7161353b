"""Borrowers who close when the loan becomes dear: whose limit is passed, what is repaid and sold, and a run that makes it so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.actors.carry import YEAR, draw_limits
from delever.core.tables import DEBTS, DEPOSITS
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import stress
from run.small import conserved, fall, loan, one_market, pool

MODES = pytest.mark.parametrize("mode", ["sequential", "batched"])


def loans(rate: float, accounts: int = 1, mode: str = "sequential", venues: Any = None, **carry: Any) -> World:
    """Borrowers of 500 USD against one ETH each, at a constant rate of interest."""
    legs = [leg for i in range(accounts) for leg in loan(f"a{i}", 1.0, 500.0)]
    world = one_market(legs, parameters={"USD": {"borrow_rate": rate}}, execution={"mode": mode}, venues=venues or {})
    return world.replace("actors.carriers", {"kind": "carry", "protocol": "pool", "asset": "USD", "median": 0.1, **carry})


@MODES
def test_who_can_bear_the_rate_stays(mode: str) -> None:
    state, columns = conserved(loans(0.09, mode=mode, spread=0))
    assert columns["closed"][0] == 0
    assert not state.ledgers.booked.any()


@MODES
def test_who_cannot_repays_all_and_keeps_the_rest(mode: str) -> None:
    """500 USD are repaid with 0.505 ETH, of which the market, infinitely deep, gives 505 USD: five stay with the owner."""
    state, columns = conserved(loans(0.11, mode=mode, spread=0))
    usd, eth = (int(np.flatnonzero(state.reserves.asset == a)[0]) for a in (0, 1))
    owed = 500.0 * float(np.exp(0.11 * 60.0 / YEAR))
    assert columns["closed"][0] == 1
    assert columns["unwound"][0] == pytest.approx(owed, rel=1e-12)
    assert state.ledgers.booked[DEBTS, usd, 0] == pytest.approx(-owed, rel=1e-12)
    assert state.ledgers.booked[DEPOSITS, eth, 0] == pytest.approx(-owed / 1000.0 * 1.01, rel=1e-12)
    assert state.ledgers.tokens[-1, 0, 0] == pytest.approx(0.01 * owed, rel=1e-9)
    assert columns["seized"][0] == 0.0 == columns["repaid"][0]  # nobody was liquidated


def test_half_of_them_close_at_the_median() -> None:
    limit = np.zeros(20_000)
    draw_limits(np.arange(20_000), 0.1 / YEAR, 0.5, np.array([3, 0], np.uint64), limit)
    assert np.median(limit) == pytest.approx(0.1 / YEAR, rel=0.02)
    assert np.log(limit).std() == pytest.approx(0.5, rel=0.02)
    _, columns = conserved(loans(0.1, accounts=400))
    assert 160 <= columns["closed"][0] <= 240


def test_a_sale_that_would_not_repay_fails_and_is_tried_again() -> None:
    """A pool too thin for one per cent of slippage."""
    world = loans(0.11, spread=0, venues={"eth": pool(10.0, 10_000.0)})
    assert conserved(world)[1]["closed"][0] == 0
    assert conserved(world.replace("actors.carriers.slippage", 0.1))[1]["closed"][0] == 1


def test_collateral_that_is_lent_out_cannot_be_taken() -> None:
    world = loans(0.11, spread=0).replace("protocols.pool.cash", {"ETH": 0.4})
    assert conserved(world)[1]["closed"][0] == 0
    assert conserved(world.replace("protocols.pool.cash", {"ETH": 0.6}))[1]["closed"][0] == 1


@pytest.mark.parametrize(("held", "closed"), [(499.0, 0), (510.0, 1)])
def test_collateral_that_is_what_is_owed_must_repay_it_too(held: float, closed: int) -> None:
    """No market stands between; the owner puts in nothing of his own."""
    legs = [("a", "USD", "collateral", held), ("a", "ETH", "collateral", 0.3), ("a", "USD", "debt", 500.0)]
    world = one_market(legs, parameters={"USD": {"borrow_rate": 0.11}})
    world = world.replace("actors.carriers", {"kind": "carry", "protocol": "pool", "asset": "USD", "median": 0.1, "spread": 0})
    state, columns = conserved(world)
    assert columns["closed"][0] == closed
    assert state.ledgers.tokens[-1, 0, 0] >= 0.0


def test_a_run_raises_the_rate_borrowers_unwind_and_that_pays_lenders() -> None:
    """Lenders take the cash; the rate goes up the steep slope; loans are repaid by selling ETH, which falls; lenders get it."""
    legs = [leg for i in range(50) for leg in loan(f"a{i}", 1.0, 500.0)]
    world = one_market(legs, venues={"eth": pool(2000.0, 2e6)}, scenario={"horizon": "24 h", "step": "10 min"})
    world = world.replace("protocols.pool.cash", {"USD": 5_000.0})
    world = world.replace("protocols.pool.rates", {"USD": {"kind": "kinked", "slope": 0.04, "steep": 1.0, "kink": 0.9}})
    run = world.replace("actors.lenders", {"kind": "depositors", "protocol": "pool", "asset": "USD", "base": 0.3, "uneasy": 2.0})
    both = run.replace("actors.carriers", {"kind": "carry", "protocol": "pool", "asset": "USD", "median": 0.3, "slippage": 0.1})
    (before, alone), (after, together) = conserved(run), conserved(both)
    assert alone["withdrawn"][0] == pytest.approx(5_000.0, rel=1e-6)
    assert together["closed"][0] > 10
    assert together["withdrawn"][0] > 1.3 * alone["withdrawn"][0]
    assert together["waiting"][0] < 0.5 * alone["waiting"][0]
    assert after.markets.price[0, 0] < before.markets.price[0, 0]


def test_the_same_bits_whatever_the_chunk() -> None:
    world = loans(0.1, accounts=20, venues={"eth": pool()}).replace("scenario.paths", 5).replace("scenario.events", [fall(0.45)])
    tables = [stress(world, keep=False, threads=1, chunk=chunk).paths for chunk in (1, 5)]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(("change", "words"), [
    ({"protocol": "aave"}, "unknown lending protocol"), ({"asset": "DOGE"}, "unknown asset"), ({"median": 0}, "median")])
def test_bad_input_is_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        loans(0.1, **change)
