"""Purchases in parts, as a keeper with little money brings them: what he gets, and what must be left for the next."""

from __future__ import annotations

import pytest

from delever.core.tables import DEBTS, DEFICIT, EXECUTED, NOTHING, OFFERED, REVERTED, TREASURY
from protocols.one_vault import OneVault

KICK, TAKE, REDO = range(3)


@pytest.fixture(scope="module")
def house() -> OneVault:
    return OneVault()


def for_sale(house: OneVault, tab: float = 7345.0) -> OneVault:
    """10 ETH at 1000 USD each, which raise a tab; a lot keeps a tab of 200 or none."""
    house.set({"buf": 1.0, "dust": 200.0})
    house.see(1000.0)
    house.put_up(10.0, tab, 1000.0)
    return house


@pytest.mark.parametrize(("most", "paid"), [
    (0.0, 7345.0), (1e6, 7345.0), (7345.0, 7345.0), (2000.0, 2000.0), (7145.0, 7145.0), (7200.0, 7145.0), (7344.9, 7145.0)])
def test_a_part_is_what_he_brings_and_leaves_the_least_tab_or_none(house: OneVault, most: float, paid: float) -> None:
    assert for_sale(house).offered(TAKE, 0, most) == (OFFERED, paid, pytest.approx(paid / 1000.0))


def test_the_last_lot_above_nothing_is_all_or_nothing(house: OneVault) -> None:
    assert for_sale(house, 200.0).offered(TAKE, 0, 150.0) == (NOTHING, 0.0, 0.0)
    assert for_sale(house, 200.0).done(TAKE, 0, 150.0)[0] == REVERTED
    assert for_sale(house, 200.0).done(TAKE, 0, 200.0) == (EXECUTED, 200.0, 0.2)


def test_a_lot_is_bought_by_several_until_its_tab_is_raised(house: OneVault) -> None:
    lots = for_sale(house).state.lots
    assert house.done(TAKE, 0, 2000.0) == (EXECUTED, 2000.0, 2.0)
    assert (lots.open[0], lots.units[0], lots.tab[0]) == (1, 8.0, 5345.0)
    assert house.done(TAKE, 0, 5300.0) == (EXECUTED, 5145.0, 5.145)
    assert house.done(TAKE) == (EXECUTED, 200.0, 0.2)
    assert (lots.open[0], house.state.pool.touched.amount[0, 0]) == (0, pytest.approx(10.0 - 7.345))
    assert house.done(TAKE)[0] == REVERTED
    assert house.leak() < 1e-15


def test_nobody_pays_more_than_he_saw_when_a_redo_came_before_him(house: OneVault) -> None:
    assert for_sale(house).done(TAKE, 0, highest=999.9)[0] == REVERTED
    assert for_sale(house).done(TAKE, 0, highest=1000.0)[0] == EXECUTED


def test_a_lot_that_is_sold_out_closes_with_its_debt_unpaid(house: OneVault) -> None:
    state, paid, got = for_sale(house, 12_000.0).done(TAKE)
    booked = house.state.ledgers.booked[:, house.usd, 0]
    assert (state, paid, got) == (EXECUTED, 10_000.0, 10.0)
    assert booked[[DEBTS, DEFICIT, TREASURY]].tolist() == pytest.approx([-12_000.0, 2000.0, 0.0])
    assert house.leak() < 1e-15
