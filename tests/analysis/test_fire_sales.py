"""Deleveraging to a target: the published exercise of 48 banks, two holders by hand, and what holds whatever happens."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.analysis.fire_sales import Rule, Run, depth_of, fire_sale, sheets, sheets_from, sheets_table
from delever.model.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "eba_2018" / "banks.py"
FOLDER = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
DATA = FOLDER / "eba_2018" / "EBA_2018.csv"
with_data = pytest.mark.skipif(not DATA.exists() and not os.environ.get("CI"), reason="eba_2018 is not here (DELEVER_DATA)")


@with_data
@pytest.mark.parametrize(("buffer", "fall", "failed", "sold"), [
    (0.04, 0.0, 7, 0.6051), (0.04, 0.01, 18, 0.9145), (0.04, 0.05, 44, 0.9961), (1.0, 0.0, 7, 0.7905), (1.0, 0.01, 13, 0.9470)])
def test_the_published_exercise_of_48_banks(buffer: float, fall: float, failed: int, sold: float) -> None:
    banks = runpy.run_path(str(EXAMPLE))["banks"](DATA)
    found = fire_sale(banks, [0.2, 0.0], depth_of(fall, banks.held.sum(axis=0)), Rule(buffer=buffer))
    assert found.failed == failed
    assert found.sold == pytest.approx(sold, abs=5e-5)


@with_data
def test_the_example_prints_what_was_published_and_writes_its_files(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELEVER_DATA", str(FOLDER))
    runpy.run_path(str(EXAMPLE))["main"](["--write", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "48 banks, government bonds -20 %, threshold" in printed and "60.5 %" in printed
    assert (tmp_path / "banks.svg").read_text().startswith("<svg")
    import pyarrow.csv

    again = sheets_from(pyarrow.csv.read_csv(tmp_path / "balances.csv"))
    assert fire_sale(again, [0.2, 0.0], depth_of(0.01, again.held.sum(axis=0))).failed == 18


class Bank:
    """One bank of a plain second implementation, written from the description of the exercise alone."""

    def __init__(self, equity: float, ratio: float, securities: float, government: float) -> None:
        size = equity / (ratio / 100.0)
        self.bonds = {"government": government, "corporate": securities - government}
        self.cash, self.other = 0.05 * size, size - securities - 0.05 * size
        self.loans = self.owed = (size - equity) / 2.0
        self.orders: dict[str, float] = {}
        self.alive = True

    def act(self, price: dict[str, float], buffer: float) -> None:
        worth = sum(self.bonds[name] * price[name] for name in price)
        size = self.cash + worth + self.other
        equity = size - self.loans - self.owed
        if equity / size < 0.03:
            self.alive, self.orders = False, dict(self.bonds)
        elif equity / size < buffer:
            wanted = size - equity / 0.05
            paid = max(0.0, min(wanted, self.cash, self.loans))
            self.cash, self.loans, wanted = self.cash - paid, self.loans - paid, wanted - paid
            if wanted > self.cash and worth > 0.0:
                part = min((wanted - self.cash) / worth, 1.0)
                self.orders = {name: part * units for name, units in self.bonds.items()}


def plainly(rows: list[list[str]], shock: float, fall: float, buffer: float) -> tuple[int, float]:
    """(failed, share sold)."""
    banks = [Bank(*map(float, row[1:4]), sum(map(float, row[4].split("+")))) for row in rows]
    total = {name: sum(bank.bonds[name] for bank in banks) for name in ("government", "corporate")}
    price, gone = {"government": 1.0 - shock, "corporate": 1.0}, dict.fromkeys(total, 0.0)
    for _ in range(6):
        sold = {name: sum(bank.orders.get(name, 0.0) for bank in banks) for name in total}
        after = {name: price[name] * (1.0 - fall) ** (20.0 * sold[name] / total[name]) for name in total}
        for bank in banks:
            for name, units in bank.orders.items():
                bank.bonds[name] -= units
                bank.cash += units * (price[name] + after[name]) / 2.0
            bank.orders = {}
        price, gone = after, {name: gone[name] + sold[name] for name in total}
        for bank in banks:
            if bank.alive:
                bank.act(price, buffer)
    return sum(not bank.alive for bank in banks), sum(gone.values()) / sum(total.values())


@with_data
@pytest.mark.parametrize("buffer", [0.04, 1.0])
def test_a_plain_second_implementation_says_the_same_at_every_shock_and_impact(buffer: float) -> None:
    rows = [line.split() for line in DATA.read_text().splitlines()[1:]]
    banks = runpy.run_path(str(EXAMPLE))["banks"](DATA)
    for shock in (0.0, 0.05, 0.12, 0.2, 0.3):
        for fall in (0.0, 0.005, 0.02, 0.035, 0.1):
            found = fire_sale(banks, [shock, 0.0], depth_of(fall, banks.held.sum(axis=0)), Rule(buffer=buffer))
            failed, sold = plainly(rows, shock, fall, buffer)
            assert (found.failed, found.sold) == (failed, pytest.approx(sold, rel=1e-9, abs=1e-12)), (shock, fall)


def two() -> Any:
    """a: 80 bonds, 5 cash, 15 other, 90 loans, 4 owed. b: 20 bonds, 80 cash, nothing owed."""
    return sheets([[80.0], [20.0]], [5.0, 80.0], [15.0, 0.0], [90.0, 0.0], [4.0, 0.0], ["a", "b"], ["bond"])


def test_one_step_by_hand() -> None:
    # Bonds fall by 2.5 %: a has 98 and owes 94, ratio 4/98 = 4.08 %: above the buffer of 4 %, nothing happens.
    assert fire_sale(two(), [0.025], [np.inf]).sold == 0.0
    # By 3 %: 97.6 - 94 = 3.6, 3.69 %: to come to 5 % he has to shrink to 72, by 25.6: 5 from cash, 20.6 from bonds at .97.
    found = fire_sale(two(), [0.03], [np.inf], steps=2)
    # In step 2 the bonds are sold at .97, and what they bring pays loans: assets 72, debts 68.4.
    assert found.table["sold"].to_pylist() == pytest.approx([20.6 / 0.97 / 80.0, 0.0])
    assert found.table["paid back"].to_pylist() == pytest.approx([25.6, 0.0])
    assert found.table["after"].to_pylist()[0] == pytest.approx(0.05)
    assert found.failed == 0


def test_a_sale_moves_the_price_and_brings_the_mean_of_both() -> None:
    units = 20.6 / 0.97
    found = fire_sale(two(), [0.03], [200.0], steps=2)
    price = 0.97 * np.exp(-units / 200.0)
    assert found.assets["price"].to_pylist() == pytest.approx([price])
    # a: 80 - units at the new price, 15 other, sold units at the mean; owes 94.
    equity = (80.0 - units) * price + 15.0 + units * (0.97 + price) / 2.0 + 5.0 - 94.0
    assert found.table["equity"].to_pylist()[0] == pytest.approx(equity)
    assert found.table["failed"].to_pylist() == [2, None]  # 2.6 %


def test_who_fails_sells_everything_a_step_later() -> None:
    found = fire_sale(two(), [0.05], [np.inf], steps=3)  # 96 - 94 = 2: 2.08 %
    assert found.table["failed"].to_pylist() == [1, None]
    assert found.steps["sold"].to_pylist() == pytest.approx([0.0, 0.0, 0.8, 0.8])


def test_a_target_alone_answers_every_loss_and_a_fund_has_its_own() -> None:
    # Leverage targeting at 6 %, its ratio before the fall; the fund holds 20 with 15 owed, target 25 %: nobody fails.
    pair = sheets([[80.0], [20.0]], [5.0, 0.0], [15.0, 0.0], [94.0, 15.0], names=["bank", "fund"], assets=["bond"])
    found = fire_sale(pair, [0.01], [np.inf], Rule(target=[0.06, 0.25], buffer=1.0, least=[0.03, 0.0]), steps=2)
    # bank: 99.2 - 94 = 5.2, to 86.667; fund: 19.8 - 15 = 4.8, to 19.2.
    assert found.table["paid back"].to_pylist() == pytest.approx([99.2 - 5.2 / 0.06, 0.6])
    assert found.table["after"].to_pylist() == pytest.approx([0.06, 0.25])


def test_no_loan_left_means_that_cash_is_kept() -> None:
    # 1 of loans, the rest is owed to others: what cannot be paid back is raised and stays.
    one = sheets([[80.0]], [5.0], [15.0], [1.0], [93.0])
    found = fire_sale(one, [0.03], [np.inf], steps=2)
    assert found.table["paid back"].to_pylist() == [1.0]
    assert found.table["sold"].to_pylist()[0] == pytest.approx((25.6 - 1.0 - 4.0) / 0.97 / 80.0)  # 4 of cash are there


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_what_is_sold_is_held_no_more_and_prices_only_fall(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, k = int(random.integers(1, 8)), int(random.integers(1, 4))
    held = random.uniform(0.0, 100.0, (n, k))
    size = held.sum(axis=1) + 20.0
    some = sheets(held, 5.0, 15.0, 0.9 * size, 0.05 * size)
    run = Run(some, Rule(), depth_of(0.05, held.sum(axis=0)))
    run.price = run.price * random.uniform(0.9, 1.0, k)
    for step in range(1, 7):
        before, money = run.price, run.cash.sum()
        ordered, loans = run.orders.copy(), run.loans.sum()
        run.sell()
        assert np.all(run.price <= before)
        run.act(step)
        brought = (ordered @ (before + run.price) / 2.0).sum()
        assert run.cash.sum() == pytest.approx(money + brought - (loans - run.loans.sum()))
        assert np.all(run.units >= -1e-9) and np.all(run.cash >= -1e-9) and np.all(run.loans >= -1e-9)
        np.testing.assert_allclose(run.units.sum(axis=0) + run.sold, held.sum(axis=0))


@pytest.mark.parametrize(("rows", "says"), [
    ({"bond": [1.0]}, "misses a column"),
    ({"name": ["a"], "cash": [1.0]}, "has no asset"),
    ({"name": ["a"], "bond": ["much"]}, "column bond: holds something that is no number"),
    ({"name": ["a"], "bond": [-1.0]}, "held is negative"),
    ({"name": ["a", "a"], "bond": [1.0, 2.0]}, "names must be 2 different ones"),
])
def test_tables_that_are_no_balance_sheets_are_refused(rows: dict[str, list[object]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sheets_from(pa.table(rows))


def test_a_table_of_balance_sheets_is_read_as_it_was_written() -> None:
    again = sheets_from(sheets_table(two()))
    assert (again.names, again.assets) == (("a", "b"), ("bond",))
    assert again.held.tolist() == [[80.0], [20.0]] and again.loans.tolist() == [90.0, 0.0]


@pytest.mark.parametrize(("rule", "says"), [(Rule(target=0.0), "rule cannot be kept"),
                                            (Rule(buffer=0.02), "rule cannot be kept"),
                                            (Rule(least=-0.1), "rule.least is negative")])
def test_rules_that_make_no_sense_are_refused(rule: Rule, says: str) -> None:
    with pytest.raises(InputError, match=says):
        fire_sale(two(), [0.1], [1.0], rule)
