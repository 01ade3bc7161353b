"""What every rules phase keeps to: many rows at once, other protocols' rows, whole books, the compiler switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from delever.core.empty import new_ledgers, new_reserves, new_sales, new_touched, new_transactions
from delever.core.outcomes import ACCOUNTS_LIQUIDATED, LIQUIDATIONS, OUTCOMES
from delever.core.phase import grouped
from delever.core.settlement import settle
from delever.core.tables import (
    DECLINED,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    WAITING,
    BookTables,
    Ledgers,
    Reserves,
    Touched,
    Transactions,
)
from delever.protocols.aave import Aave
from delever.protocols.base import Rules, RulesPhase
from delever.protocols.compound import Compound
from delever.protocols.pro_rata import ProRata
from protocols.one_account import LIQUIDATOR, setting

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

ALL = [Aave(version="v2"), Aave(version="v3_0"), Aave(version="v3_3"), Aave(version="v4"),
       Compound(version="v2", seize_share=0.028), ProRata(full_below=0.9, dust=100.0)]
ACCOUNTS, PATHS, FIRST_DEBT = 40, 3, 2
NAMES, PROTOCOL = ("other", "ours"), 1  # signatures 1 and 2 are of protocol 1
CALL, ELSE = 3, 4  # numbers of kinds: a call by these rules, and something else


def book() -> BookTables:
    """Three signatures: one collateral and one debt in protocol 0, up to two of each in protocol 1."""
    rng = np.random.default_rng(5)
    signature = np.sort(rng.integers(0, 3, ACCOUNTS))
    amount = np.column_stack((rng.uniform(0.5, 9.0, (ACCOUNTS, 2)), rng.uniform(10.0, 9000.0, (ACCOUNTS, 2))))
    legs = (ACCOUNTS, 4)
    used = np.array([[1, 0, 1, 0], [1, 0, 1, 1], [1, 1, 1, 1]])[signature]
    assert amount.shape == legs
    return BookTables(
        amount=amount * used, signature=signature, protocol=np.array([0, 1, 1]),
        reserve=np.array([[0, 0, 1, 0], [2, 0, 3, 4], [2, 3, 3, 4]]),
        threshold=np.array([[0.8, 0.0, 0.0, 0.0], [0.8, 0.0, 0.0, 0.0], [0.8, 0.7, 0.0, 0.0]]),
        incentive=np.array([[0.05, 0.0, 0.0, 0.0], [0.05, 0.0, 0.0, 0.0], [0.05, 0.1, 0.0, 0.0]]),
        seizable=np.ones((3, 4), np.bool_), collaterals=np.array([1, 1, 2]), debts=np.array([1, 2, 2]),
        first_debt=np.array([FIRST_DEBT]), margin=np.zeros(3, np.int32), cost=np.zeros((ACCOUNTS, 0)),
        term=np.array([[0, 0, 1, 0], [2, 0, 3, 4], [2, 3, 3, 4]]))


def reserves() -> Reserves:
    stocks, paths = (np.full(5, np.inf), np.zeros(5), np.zeros(5)), np.ones(3)
    return new_reserves(np.array([0, 0, 1, 1, 1]), np.array([1, 2, 1, 2, 3]), stocks, np.arange(5), 3)._replace(
        supply_index=np.array([1.0, 1.0, 1.01, 1.02, 1.0])[:, None] * paths,
        borrow_index=np.array([1.0, 1.0, 1.05, 1.04, 1.03])[:, None] * paths)


PRICE = np.array([1500.0, 1.0, 1500.0, 1.0, 0.99]) * np.array([[1.0], [0.7], [1.4]])  # [paths, reserves]


def ready(rules: Rules, fee: float = 0.0) -> RulesPhase:
    """The rules on protocol 1, its calls numbered as at assembly."""
    phase = type(rules).phase({NAMES[PROTOCOL]: rules}, setting(NAMES, np.full(5, fee)))
    phase.call.number = CALL
    return phase


def size(phase: RulesPhase, rows: Transactions, touched: Touched, b: BookTables, price: np.ndarray) -> None:
    """As the step has rows sized: all of them are shown to all rules."""
    state = SimpleNamespace(transactions=rows, pool=SimpleNamespace(touched=touched), book=b, reserves=reserves(),
                            seen=SimpleNamespace(price=price))
    phase.size(state, np.arange(len(rows.path)))  # type: ignore[arg-type]


def run(rules: Rules) -> tuple[np.ndarray, ...]:
    """Every account on every path, assessed and settled; all that was written."""
    b, phase, n = book(), ready(rules, 0.1), ACCOUNTS * PATHS
    rows, picked = new_transactions(n), np.arange(n)
    rows.state[:], rows.ref[:], rows.actor[:] = INCLUDED, picked, LIQUIDATOR
    rows.path[:] = picked % PATHS
    rows.protocol[:] = b.protocol[b.signature[picked // PATHS]]
    rows.kind[:] = np.where(rows.protocol == PROTOCOL, CALL, ELSE)
    who = np.stack([picked // PATHS, picked % PATHS, 0 * picked, 0 * picked], axis=1).astype(np.int32)
    touched = new_touched(who, b.amount[picked // PATHS], b.cost[picked // PATHS], np.zeros(n))
    ledgers, sales = new_ledgers(4, 5, 2, OUTCOMES, PATHS, actors=1), new_sales(n * phase.sales_per_call(b))
    size(phase, rows, touched, b, PRICE)
    done = settle(rows, picked[rows.kind == CALL], phase.writes_off, touched, b, reserves(), PRICE, ledgers, sales, 0)
    return *rows, touched.amount, touched.flags, *ledgers, *(column[:done] for column in sales)


AT = {name: place for place, name in enumerate((*Transactions._fields, "amount", "flags", *Ledgers._fields))}


def bits(rules: Rules) -> str:
    return "".join(np.ascontiguousarray(array).tobytes().hex() for array in run(rules))


@pytest.mark.parametrize("rules", ALL, ids=str)
def test_only_calls_on_its_own_protocol_are_touched(rules: Rules) -> None:
    result = run(rules)
    state, protocol, repay, amount, totals = (result[AT[name]] for name in ("state", "protocol", "give", "amount", "totals"))
    assert (state[protocol != PROTOCOL] == INCLUDED).all()
    assert (repay[protocol != PROTOCOL] == 0.0).all()
    changed = (amount != np.repeat(book().amount, PATHS, axis=0)).any(1)
    assert (changed == (state == EXECUTED)).all()
    assert 20 < changed.sum() == totals[LIQUIDATIONS, PROTOCOL].sum()
    assert totals[:, 0].sum() == 0.0


def last_account(b: BookTables) -> Touched:
    """It, in slot 0 of path 0."""
    who = np.array([[ACCOUNTS - 1, 0, 0, 0]], np.int32)
    return new_touched(who, b.amount[-1:].copy(), b.cost[-1:], np.zeros(1))


def test_an_account_called_twice_is_counted_once() -> None:
    b, phase = book(), ready(Aave(version="v2", close_factor=0.05))
    rows, picked, touched = new_transactions(1), np.zeros(1, np.int64), last_account(b)
    ledgers, sales, price = new_ledgers(4, 5, 2, OUTCOMES, 1, actors=1), new_sales(2), PRICE[1:2] * [[1.0, 1.0, 0.3, 1.0, 1.0]]
    rows.kind[:], rows.protocol[:], rows.actor[:] = CALL, PROTOCOL, LIQUIDATOR
    for _ in range(2):
        rows.state[:] = INCLUDED
        size(phase, rows, touched, b, price)
        settle(rows, picked, phase.writes_off, touched, b, reserves(), price, ledgers, sales, 0)
    assert ledgers.totals[[LIQUIDATIONS, ACCOUNTS_LIQUIDATED], PROTOCOL, 0].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("rules", ALL, ids=str)
@pytest.mark.parametrize("state", [OFFERED, DECLINED, REVERTED, WAITING, NOTHING])
def test_rows_that_are_not_included_are_not_settled(rules: Rules, state: int) -> None:
    b, phase = book(), ready(rules)
    rows, picked, touched = new_transactions(1), np.zeros(1, np.int64), last_account(b)
    rows.kind[:], rows.state[:], rows.protocol[:], rows.actor[:] = CALL, state, PROTOCOL, LIQUIDATOR
    rows.get_asset[:], rows.give_asset[:], rows.give[:], rows.get[:] = 1, 2, 0.5, 0.5
    ledgers = new_ledgers(4, 5, 2, OUTCOMES, 1, actors=1)
    sales = settle(rows, picked, phase.writes_off, touched, b, reserves(), PRICE[:1], ledgers, new_sales(4), 0)
    assert sales == 0
    assert not any(table.any() for table in ledgers)
    assert (touched.amount == b.amount[-1:]).all()


@pytest.mark.parametrize("rules", ALL, ids=str)
def test_rows_that_are_no_calls_are_not_sized(rules: Rules) -> None:
    b, phase, rows = book(), ready(rules), new_transactions(1)
    rows.kind[:], rows.state[:], rows.protocol[:], rows.give[:], rows.get[:] = ELSE, INCLUDED, PROTOCOL, 0.25, 0.5
    before = [column.copy() for column in rows]
    size(phase, rows, last_account(b), b, PRICE[1:2])
    assert all((now == then).all() for now, then in zip(rows, before, strict=True))
    rows.kind[:] = CALL
    size(phase, rows, last_account(b), b, PRICE[1:2])
    assert (rows.give[0], rows.get[0]) != (0.25, 0.5)


def test_two_protocols_of_different_kinds_share_a_phase_and_each_keeps_its_row() -> None:
    """Aave v3_0 repays all where the health is below 0.95, Compound v2 half, of the same account in one call of the kernel."""
    specs = {"other": Aave(version="v3_0"), "ours": Compound(version="v2", seize_share=0.028)}
    ((owner, members),) = grouped(specs)
    phase = owner.phase(members, setting(NAMES, np.zeros(5)))
    b = book()._replace(protocol=np.array([0, 0, 1]), reserve=np.array([[2, 0, 3, 0]] * 3), threshold=np.full((3, 4), 0.5),
                        incentive=np.full((3, 4), 0.05), collaterals=np.ones(3, int), debts=np.ones(3, int),
                        signature=np.array([1, 2]), amount=np.array([[9.0, 0.0, 9000.0, 0.0]] * 2))
    found = phase.liquidatable(b, reserves(), PRICE[0])
    owed = 9000.0 * 1.04
    assert found.repay.tolist() == pytest.approx([owed, 0.5 * owed], rel=1e-15)
    assert found.kept.tolist() == [0.0, pytest.approx(0.028 * found.seize[1], rel=1e-15)]


@pytest.mark.parametrize("rules", ALL, ids=str)
def test_a_whole_book_is_assessed_as_its_rows_are(rules: Rules) -> None:
    result, b = run(rules), book()
    found = ready(rules, 0.1).liquidatable(b, reserves(), PRICE[1])
    ours = b.protocol[b.signature] == PROTOCOL
    give, get = (result[AT[name]][1::PATHS] for name in ("give_asset", "get_asset"))
    of = reserves().asset[b.reserve[b.signature]]
    for leg, asset in ((found.debt_leg, give), (found.collateral_leg, get)):
        named = np.where(leg >= 0, of[np.arange(len(of)), np.maximum(leg, 0)], -1)
        assert (named[ours] == asset[ours]).all()
    for array, name in zip(found[2:], ("give", "get", "kept"), strict=True):
        assert (array[ours] == result[AT[name]][1::PATHS][ours]).all()
    assert (found.repay[~ours] == 0.0).all()
    assert (found.collateral_leg[~ours] == -1).all()
    assert (b.amount == book().amount).all()


def test_the_compiler_switched_off_gives_the_same_bits() -> None:
    code = "import sys; from protocols.test_phases import ALL, bits; sys.stdout.write('\\n'.join(map(bits, ALL)))"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    plain = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert plain.stdout.split("\n") == [bits(rules) for rules in ALL]
