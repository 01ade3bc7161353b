"""delever under flox's rules does what flox does: the same accounts at every mark, and the fund to 1e-9."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from delever.core.tables import COVERED, DEFICIT, SLOTS
from delever.engine.conservation import LIMIT, residual
from flox.books import Book, draw_book, draw_marks
from flox.replica import RANKINGS, Floats, Ranking, Rules, fixed
from flox.rival import flox_day, replayed
from flox.worlds import flox_world, run

FUND = 5e3  # USD; less than what these books lose


def assert_same(book: Book, marks: Floats, folder: Path, fund: float, rules: Rules) -> int:
    """delever beside flox, mark by mark; how many were deleveraged."""
    book = Book(*map(fixed, (book.quantity, book.entry, book.equity)))
    journal, state = run(flox_world(book, marks, folder, fund, rules))
    theirs = flox_day(book, marks, fund, rules)
    assert journal.liquidated == [outcome.liquidated for outcome in theirs.outcomes]
    assert journal.deleveraged == [outcome.deleveraged for outcome in theirs.outcomes]
    np.testing.assert_allclose(journal.funds, theirs.funds, rtol=1e-9, atol=1e-9)
    given = [sum(outcome.absorbed) for outcome in theirs.outcomes]
    np.testing.assert_allclose([sum(row) for row in journal.haircuts], given, rtol=1e-9, atol=1e-6)
    uncovered = sum(outcome.uncovered for outcome in replayed(book, marks, fund, rules).outcomes)
    cash = state.margins.cash[0]
    np.testing.assert_allclose(state.ledgers.booked[DEFICIT, cash, 0], uncovered, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(state.ledgers.booked[COVERED, cash, 0], sum(given) + fund - theirs.funds[-1], rtol=1e-9)
    assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    return sum(map(len, journal.deleveraged))


@pytest.mark.parametrize("short_share", [0.0, 0.5], ids=["long", "mixed"])
@pytest.mark.parametrize("seed", range(20))
def test_delever_is_flox_on_crash_days(tmp_path: Path, seed: int, short_share: float) -> None:
    assert assert_same(draw_book(seed, 3000, short_share), draw_marks(seed, 300), tmp_path, FUND, Rules()) > 0


@pytest.mark.parametrize("ranking", RANKINGS)
def test_every_ranking_is_floxs(tmp_path: Path, ranking: Ranking) -> None:
    rules = Rules(ranking=ranking, slippage=0.004, maintenance=0.01)
    assert assert_same(draw_book(3, 1000, 0.5), draw_marks(3, 200), tmp_path, 100.0, rules) > 5
