"""A recursive position at the venues: the series, the pool by hand, the frontier, the ways out; what a run makes of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import delever as dl
from delever.analysis.looping import loop
from delever.cli.main import app
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from run.small import book, conserved, loan, one_market, pool

T, BONUS = 0.95, 0.01


def world(deep: float | None = None) -> World:
    """ETH at 1000 USD against USD, threshold and bonus of the formulas' case; endless depth, or a pool of so many ETH a side."""
    return one_market(loan("a", 1.0, 100.0), venues={"eth": pool(deep, 1000.0 * deep, fee=0.003)} if deep else {},
                      parameters={"ETH": {"liquidation_threshold": T, "incentive": BONUS, "loan_to_value": 0.9}})


@settings(max_examples=30)
@given(st.integers(0, 30), st.floats(0.05, 0.94))
def test_without_slippage_it_is_the_geometric_series_and_its_frontier_the_formula(rounds: int, ltv: float) -> None:
    found = loop(world(), "pool", "ETH", "USD", 10.0, rounds, ltv)
    done = found.rounds.num_rows - 1
    assert done == rounds or ltv**rounds < 1e-7  # rounds that add nothing are left out
    leverage = (1.0 - ltv ** (done + 1)) / (1.0 - ltv)
    assert found.leverage == pytest.approx(leverage, rel=1e-9)
    assert found.held == pytest.approx(10.0 * leverage, rel=1e-9)
    assert found.entry_cost == pytest.approx(0.0, abs=1e-9)
    if done:
        factor = T * leverage / (leverage - 1.0)
        assert found.called == pytest.approx(1.0 - 1.0 / factor, rel=1e-9)
        assert found.lost == pytest.approx(max(1.0 - 1.0 / factor, 1.0 - (1.0 + BONUS) * T / factor), rel=1e-9)


def test_leverage_twelve_is_called_from_and_lost_beyond_the_known_falls() -> None:
    """12 = 1 + l + .. + l^12 at l = 0.98687: above the threshold, so by a loan of it in one round of a wider one."""
    wide = world().replace("protocols.pool.parameters.ETH.liquidation_threshold", 0.99)
    ltv = 0.5
    for _ in range(60):
        ltv -= (sum(ltv**k for k in range(13)) - 12.0) / sum(k * ltv ** (k - 1) for k in range(1, 13))
    found = loop(wide, "pool", "ETH", "USD", 10.0, 12, ltv)
    assert found.leverage == pytest.approx(12.0, rel=1e-9)
    factor = found.health * T / 0.99
    assert 1.0 - 1.0 / factor == pytest.approx(0.0351, abs=5e-5)
    assert 1.0 - (1.0 + BONUS) * T / factor == pytest.approx(0.07417, abs=5e-6)


def test_each_round_pays_the_slippage_that_the_last_one_left() -> None:
    found = loop(world(200.0), "pool", "ETH", "USD", 10.0, 5, 0.8)
    eth, usd, added = 200.0, 200_000.0, 10.0
    for row in found.rounds.to_pylist()[1:]:
        borrowed = 0.8 * added * 1000.0
        added = eth - eth * usd / (usd + 0.997 * borrowed)
        eth, usd = eth - added, usd + 0.997 * borrowed
        assert (row["borrowed"], row["bought"]) == pytest.approx((borrowed, added), rel=1e-9)
        assert row["cost"] == pytest.approx(1.0 - added * 1000.0 / borrowed, rel=1e-9)
    assert found.entry_cost > 0.1


def test_the_actor_enters_the_same_position_where_what_is_seen_stands_still() -> None:
    """One round in a block, feeds fixed: what `dl.loop` says is what a run does."""
    made = world(2000.0).replace("feeds", {"eth": {"kind": "fixed", "of": "ETH/USD"}})
    made = made.replace("oracles", {"pool": {"ETH": "eth"}})
    found = loop(made, "pool", "ETH", "USD", 10.0, 12, 0.9)
    who = {"kind": "recursive", "protocol": "pool", "collateral": "ETH", "debt": "USD", "accounts": ["b"], "enters": 0,
           "rounds": 12, "ltv": 0.9, "slippage": 0.0}
    ran = made.replace("protocols.pool.book", book([*loan("b", 10.0, 0.0), *loan("a", 1.0, 100.0)])).replace("actors.owner", who)
    state, said = conserved(ran.replace("execution.rounds", 20).replace("scenario.horizon", 60))
    assert said["rounds_in"] == [12.0]
    assert tuple(state.pool.touched.amount[0, [0, 1]]) == pytest.approx((found.held, found.owed), rel=1e-9)


def test_ways_out_end_with_nothing_owed_and_say_until_when_they_are_open() -> None:
    found = loop(world(5000.0), "pool", "ETH", "USD", 10.0, 12, 0.9)
    rounds, flash = found.out.to_pylist()
    assert (rounds["still_owed"], flash["still_owed"], flash["transactions"]) == (pytest.approx(0.0, abs=1e-4), 0.0, 1)
    first, ratio = (found.health - 1.0) * found.owed / T, 1.0 / T
    at_least = math.ceil(math.log1p(found.owed * (ratio - 1.0) / first) / math.log(ratio))
    assert at_least <= rounds["transactions"] <= at_least + 3  # slippage and the fee make it take a little longer
    assert rounds["until"] == pytest.approx(found.called)
    brings = 5_000_000.0 * 0.997 * found.held / (5000.0 + 0.997 * found.held)
    assert flash["until"] == pytest.approx(1.0 - found.owed / brings, rel=1e-9)


def test_its_rows_are_a_book_that_a_wall_reads() -> None:
    made = world()
    found = loop(made, "pool", "ETH", "USD", 10.0, 12, 0.9)
    walled = made.replace("protocols.pool.book", Book.from_table(found.legs(3), protocol="pool"))
    table = dl.wall(walled, asset="ETH", shocks=f"-{found.called + 1e-4:.6f}, -{found.called - 1e-4:.6f}").table.to_pydict()
    assert table["shock"] == [pytest.approx(-found.called - 1e-4, abs=1e-6)]  # a shock that reaches nobody has no row
    assert table["eligible_debt"] == [pytest.approx(3 * found.owed)]


@pytest.mark.parametrize(("changes", "line"), [
    ({"protocol": "pol"}, "unknown lending protocol"), ({"collateral": "BTC"}, "collateral is no collateral"),
    ({"debt": "BTC"}, "debt: nobody holds or owes it"), ({"ltv": 0.95}, "not above 0 and below the threshold of 0.95"),
    ({"equity": 0.0}, "equity is no amount"), ({"rounds": -1}, "rounds is not from 0 to 1000")])
def test_bad_input_is_one_line(changes: dict[str, object], line: str) -> None:
    asked = {"protocol": "pool", "collateral": "ETH", "debt": "USD", "equity": 1.0} | changes
    with pytest.raises(InputError, match=line):
        loop(world(), **asked)  # type: ignore[arg-type]


def test_the_command_prints_it_and_writes_its_book(tmp_path: Path) -> None:
    words = ["loop", "first", "--collateral", "ETH", "--debt", "USDC", "--equity", "100", "--ltv", "75 %"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "loops.csv"), "--accounts", "2"])
    assert done.exit_code == 0, done.output
    assert "12 rounds at 75 %: leverage 3.92" in done.stdout and "Ways out" in done.stdout
    rows = (tmp_path / "loops.csv").read_text().splitlines()
    assert rows[0].replace('"', "") == "account,asset,side,amount" and len(rows) == 5
