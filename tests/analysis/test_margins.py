"""Walls, checks and concentration of margin exchanges, alone and beside lending."""

from __future__ import annotations

import numpy as np
import pytest

from delever.analysis import check, concentration, find_critical, wall
from delever.analysis.largest import margin_moves
from delever.analysis.margin_prices import liquidation_price_hyperliquid, margin_tiers
from delever.analysis.margins import MarginBook
from delever.analysis.samples import run_model, without
from delever.engine.step import step
from delever.model.book import Book
from delever.model.errors import InputError
from delever.run.assemble import assemble, phases
from delever.run.figures import summarise
from delever.run.start import new_state
from delever.run.stress import stress
from run.exchange_small import ETH, exchange, positions

TIERS = margin_tiers([0.0], [0.02])  # of leverage 25


def prices_of_liquidation() -> dict[str, float]:
    """By account, from the exchange's published formula."""
    rows = assemble(exchange()).positions.book.legs.to_pylist()
    size = {row["account"]: row["amount"] for row in rows if row["side"] == "position"}
    cash = {row["account"]: row["amount"] for row in rows if row["side"] == "collateral"}
    return {name: float(liquidation_price_hyperliquid(ETH, size[name], cash[name], TIERS)) for name in size}


@pytest.mark.parametrize("shock", [-0.3, -0.1, -0.03, 0.0, 0.05, 0.3])
def test_a_wall_reaches_the_accounts_whose_liquidation_price_the_shock_passes(shock: float) -> None:
    found = wall(exchange(), "ETH", shock)
    mark = ETH * (1.0 + shock)
    passed = {name for name, price in prices_of_liquidation().items()
              if (mark < price if name.startswith("long") else mark > price)}
    assert set(found.accounts["account"].to_pylist()) == passed
    row = found.totals.to_pylist()[0]
    assert row["accounts"] == len(passed)
    assert row["positions_usd"] == pytest.approx(sum(found.accounts["value_usd"].to_pylist()), rel=1e-12)
    assert row["positions_usd"] == pytest.approx(
        mark * sum(row["amount"] for row in found.accounts.to_pylist()), rel=1e-12)
    below = {row["account"]: -row["equity_usd"] for row in found.accounts.to_pylist() if row["equity_usd"] < 0.0}
    assert row["shortfall_usd"] == pytest.approx(sum(below.values()), abs=1e-6)


def test_rows_by_perp_and_side_add_up_to_the_totals() -> None:
    found = wall(exchange(True), "ETH", "-30%..30% by 10%")
    for total in found.totals.to_pylist():
        if total["protocol"] != "perps":
            continue
        rows = [row for row in found.table.to_pylist() if row["perp"] and row["shock"] == total["shock"]]
        assert sum(row["positions_usd"] for row in rows) == pytest.approx(total["positions_usd"], rel=1e-12)


def test_lending_stands_in_the_wall_as_if_there_were_no_exchange() -> None:
    world = exchange(True)
    both = wall(world, "ETH", -0.3)
    pool = [row for row in both.totals.to_pylist() if row["protocol"] == "pool"]
    price = ETH * 0.7
    hit = [i for i in range(20) if 10.0 * price * 0.8 < 10.0 * ETH * 0.8 / (1.05 + 0.05 * i)]
    assert pool[0]["accounts"] == len(hit) > 0
    assert pool[0]["eligible_debt_usd"] == pytest.approx(sum(10.0 * ETH * 0.8 / (1.05 + 0.05 * i) for i in hit), rel=1e-12)
    assert {row["protocol"] for row in both.table.to_pylist()} == {"pool", "perps"}


def test_a_perp_cannot_be_shocked_itself() -> None:
    with pytest.raises(InputError, match="follows ETH"):
        wall(exchange(), "ETH-PERP", -0.1)


def test_the_first_step_calls_whom_the_wall_names() -> None:
    """The engine of the run and the wall agree on who is below maintenance."""
    world = exchange(paths=1, events=[{"at": 0, "kind": "price", "change": {"ETH": -0.1}}], prices={"kind": "lognormal"})
    model = assemble(world.replace("venues", {}))
    state, called = new_state(model, 0, 1), set()
    chunk = phases(model, 1, ())
    engine = chunk.engines[0].liquidate

    def watch(now: object) -> None:
        called.update(state.pool.touched.account[state.pool.called[:state.n_called]].tolist())
        engine(state)

    chunk.engines[0].liquidate = watch  # type: ignore[method-assign]
    step(chunk, state)
    assert {model.positions.accounts[a] for a in called} == set(wall(world, "ETH", -0.1).accounts["account"].to_pylist())
    assert called


def test_check_finds_a_book_that_does_not_balance_and_accounts_below_maintenance() -> None:
    found = check(exchange(True))
    assert [row["net"] for row in found.positions.to_pylist()] == pytest.approx([0.0], abs=1e-12)
    assert not [row for row in found.findings.to_pylist() if "balance" in row["what"]]
    assert sum(row["accounts"] for row in found.margins.to_pylist()) == 120
    assert {row["protocol"] for row in found.accounts.to_pylist()} == {"pool"}
    book = positions()
    longs = Book(book.legs.filter([name.startswith("long") for name in book.legs["account"].to_pylist()]), book.accounts)
    alone = check(exchange().replace("protocols.perps.book", longs).replace("assets.ETH.price", 0.97 * ETH))
    said = {row["what"]: row for row in alone.findings.to_pylist()}
    assert "0 USD short" in said["longs and shorts do not balance"]["value"]
    assert said["accounts below maintenance margin at the start"]["level"] == "warn"


def test_check_says_nothing_of_liquidators_where_nobody_lends() -> None:
    world = exchange().replace("actors", {})
    assert not [row for row in check(world).findings.to_pylist() if row["where"] in ("actors", "networks")]


def test_concentration_names_the_largest_positions_and_the_figures_without_them() -> None:
    run = stress(exchange(), keep=False, threads=1)
    rows = concentration(run, n=3, paths=4).to_pylist()
    book = {row["account"]: abs(row["amount"]) * ETH for row in run.model.positions.book.legs.to_pylist()
            if row["side"] == "position"}
    largest = sorted(book.values(), reverse=True)[:3]
    assert [row["positions_usd"] for row in rows[1:]] == pytest.approx(largest, rel=1e-12)
    assert rows[0]["positions_usd"] == pytest.approx(sum(book.values()), rel=1e-12)
    assert rows[0]["liquidated.perps"] == pytest.approx(float(np.mean(run.paths["liquidated.perps"].to_numpy()[:4])), rel=1e-12)
    assert any(row["liquidated.perps"] != rows[0]["liquidated.perps"] for row in rows[1:])


def test_a_figure_without_an_account_is_that_of_the_world_without_it() -> None:
    """Paths that are not run again are the same without the account."""
    run = stress(exchange(), keep=False, threads=1)
    row = concentration(run, n=1, paths=7).to_pylist()[1]
    number = run.model.positions.accounts.index(row["owner"])
    emptied = without(run.model, [number])
    found = summarise(emptied, run_model(emptied, 0, 7))
    values = dict(zip(found["figure"].to_pylist(), found["value"].to_pylist(), strict=True))
    for name in ("liquidated.perps", "deleveraged.perps", "haircut.perps", "deficit_booked.perps"):
        assert row[name] == values[name], name


def test_the_move_at_which_an_account_is_called_is_that_of_its_liquidation_price() -> None:
    model = assemble(exchange())
    chosen = list(range(0, 120, 7))
    moves = margin_moves(model, MarginBook(model), chosen)
    prices = prices_of_liquidation()
    for i, account in enumerate(chosen):
        exact = prices[model.positions.accounts[account]] / ETH - 1.0
        found = moves[model.layout.markets.index("ETH"), i]
        assert abs(exact) <= abs(found) <= abs(exact) + 0.005 and found * exact > 0.0


def test_no_critical_order_is_searched_where_nobody_lends() -> None:
    with pytest.raises(InputError, match="no protocol of this world lends"):
        find_critical(exchange(), "sell 5 ETH")
