"""What every rules phase keeps to: many rows at once, other protocols' rows, whole books, the compiler switched off."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from delever.core.outcomes import ACCOUNTS_LIQUIDATED, LIQUIDATIONS, OUTCOMES
from delever.core.state import new_ledgers, new_sales, new_touched, new_transactions
from delever.core.tables import DECLINED, EXECUTED, INCLUDED, LIQUIDATION, ORDER, REVERTED, BookTables, Reserves, Touched
from delever.protocols.aave import Aave
from delever.protocols.base import Rules
from delever.protocols.pro_rata import ProRata

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

ALL = [Aave(version="v2"), Aave(version="v3_0"), Aave(version="v3_3"), ProRata(full_below=0.9, dust=100.0)]
ACCOUNTS, PATHS, FIRST_DEBT = 40, 3, 2
PROTOCOL = 1  # signatures 1 and 2 are of protocol 1


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
        first_debt=np.array([FIRST_DEBT]), margin=np.zeros(3, np.int32), cost=np.zeros((ACCOUNTS, 0)))


def reserves() -> Reserves:
    zeros = {name: np.zeros(5) for name in Reserves._fields}
    return Reserves(**zeros | {"protocol": np.array([0, 0, 1, 1, 1]), "asset": np.array([1, 2, 1, 2, 3]),
                               "supply_index": np.array([1.0, 1.0, 1.01, 1.02, 1.0]),
                               "borrow_index": np.array([1.0, 1.0, 1.05, 1.04, 1.03])})


PRICE = np.array([1500.0, 1.0, 1500.0, 1.0, 0.99]) * np.array([[1.0], [0.7], [1.4]])  # [paths, reserves]


def run(rules: Rules) -> tuple[np.ndarray, ...]:
    """Every account on every path, assessed and settled; all that was written."""
    b, phase, n = book(), rules.compile(PROTOCOL, np.full(5, 0.1)), ACCOUNTS * PATHS
    rows, picked = new_transactions(n), np.arange(n)
    rows.kind[:], rows.state[:], rows.ref[:] = LIQUIDATION, INCLUDED, picked
    rows.path[:] = picked % PATHS
    rows.protocol[:] = b.protocol[b.signature[picked // PATHS]]
    who = np.stack([picked // PATHS, picked % PATHS, 0 * picked, 0 * picked], axis=1).astype(np.int32)
    touched = new_touched(who, b.amount[picked // PATHS], b.cost[picked // PATHS], np.zeros(n))
    ledgers, sales = new_ledgers(4, 5, 2, OUTCOMES, PATHS), new_sales(n * phase.sales_per_call(b))
    phase.assess(rows, picked, n, touched, b, reserves(), PRICE)
    done = phase.settle(rows, picked, n, touched, b, reserves(), PRICE, ledgers, sales, 0)
    return *rows, touched.amount, touched.flags, *ledgers, *(column[:done] for column in sales)


def the_last(b: BookTables) -> Touched:
    """The last account alone."""
    who = np.array([[ACCOUNTS - 1, 0, 0, 0]], np.int32)
    return new_touched(who, b.amount[-1:].copy(), b.cost[-1:], np.zeros(1))


def bits(rules: Rules) -> str:
    return "".join(np.ascontiguousarray(array).tobytes().hex() for array in run(rules))


@pytest.mark.parametrize("rules", ALL, ids=str)
def test_only_claims_on_its_own_protocol_are_touched(rules: Rules) -> None:
    result = run(rules)
    state, protocol, repay, amount, totals = result[2], result[3], result[7], result[11], result[16]
    assert (state[protocol != PROTOCOL] == INCLUDED).all()
    assert (repay[protocol != PROTOCOL] == 0.0).all()
    changed = (amount != np.repeat(book().amount, PATHS, axis=0)).any(1)
    assert (changed == (state == EXECUTED)).all()
    assert 20 < changed.sum() == totals[LIQUIDATIONS, PROTOCOL].sum()
    assert totals[:, 0].sum() == 0.0


def test_an_account_called_twice_is_counted_once() -> None:
    b, phase = book(), Aave(version="v2", close_factor=0.05).compile(PROTOCOL, np.zeros(5))
    rows, picked, touched = new_transactions(1), np.zeros(1, np.int64), the_last(b)
    ledgers, sales, price = new_ledgers(4, 5, 2, OUTCOMES, 1), new_sales(2), PRICE[1:2] * [[1.0, 1.0, 0.3, 1.0, 1.0]]
    rows.kind[:], rows.protocol[:] = LIQUIDATION, PROTOCOL
    for _ in range(2):
        rows.state[:] = INCLUDED
        phase.assess(rows, picked, 1, touched, b, reserves(), price)
        phase.settle(rows, picked, 1, touched, b, reserves(), price, ledgers, sales, 0)
    assert ledgers.totals[[LIQUIDATIONS, ACCOUNTS_LIQUIDATED], PROTOCOL, 0].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("rules", ALL, ids=str)
@pytest.mark.parametrize(("kind", "state"), [(LIQUIDATION, REVERTED), (LIQUIDATION, DECLINED), (ORDER, INCLUDED)])
def test_rows_that_failed_or_are_no_claims_are_not_settled(rules: Rules, kind: int, state: int) -> None:
    b, phase = book(), rules.compile(PROTOCOL, np.zeros(5))
    rows, picked = new_transactions(1), np.zeros(1, np.int64)
    rows.kind[:], rows.state[:], rows.protocol[:] = kind, state, PROTOCOL
    rows.get_asset[:], rows.give_asset[:], rows.give[:], rows.get[:] = 0, 2, 0.5, 0.5
    touched = the_last(b)
    ledgers = new_ledgers(4, 5, 2, OUTCOMES, 1)
    sales = phase.settle(rows, picked, 1, touched, b, reserves(), PRICE[:1], ledgers, new_sales(4), 0)
    assert sales == 0
    assert not any(table.any() for table in ledgers)
    assert (touched.amount == b.amount[-1:]).all()


@pytest.mark.parametrize("rules", ALL, ids=str)
def test_a_whole_book_is_assessed_as_its_rows_are(rules: Rules) -> None:
    result, b = run(rules), book()
    found = rules.compile(PROTOCOL, np.full(5, 0.1)).liquidatable(b, reserves(), PRICE[1])
    ours = b.protocol[b.signature] == PROTOCOL
    give, get = (column[1::PATHS] for column in result[5:7])
    of = reserves().asset[b.reserve[b.signature]]
    for leg, asset in ((found.debt_leg, give), (found.collateral_leg, get)):
        named = np.where(leg >= 0, of[np.arange(len(of)), np.maximum(leg, 0)], -1)
        assert (named[ours] == asset[ours]).all()
    for array, column in zip(found[2:], result[7:10], strict=True):
        assert (array[ours] == column[1::PATHS][ours]).all()
    assert (found.repay[~ours] == 0.0).all()
    assert (found.collateral_leg[~ours] == -1).all()
    assert (b.amount == book().amount).all()


def test_the_compiler_switched_off_gives_the_same_bits() -> None:
    code = "import sys; from protocols.test_phases import ALL, bits; sys.stdout.write('\\n'.join(map(bits, ALL)))"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    plain = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert plain.stdout.split("\n") == [bits(rules) for rules in ALL]
