"""The sorted baseline of the benchmarks follows the same rules: the replica's ids and fund, bit for bit."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from flox.books import Book, draw_book, draw_marks
from flox.replica import Replica, Rules, fixed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import sorted_liquidations

    return sorted_liquidations


def assert_same(baseline: ModuleType, book: Book, marks: np.ndarray, fund: float) -> tuple[list[int], int]:
    """Both engines do the same at every mark; how many were liquidated at each mark, and deleveraged in all."""
    replica = Replica(book.quantity, book.entry, book.equity, fund)
    rows = baseline.sort_book(*map(fixed, (book.quantity, book.entry, book.equity)), Rules().maintenance)
    events = baseline.replay(rows, marks, fund)
    for t, mark in enumerate(marks.tolist()):
        outcome = replica.on_mark(mark)
        first, last = events.first_liquidated[t:t + 2]
        assert events.liquidated[first:last].tolist() == outcome.liquidated, f"mark {t}"
        first, last = events.first_deleveraged[t:t + 2]
        assert events.deleveraged[first:last].tolist() == outcome.deleveraged, f"mark {t}"
        assert events.fund[t] == replica.fund, f"mark {t}"
    return np.diff(events.first_liquidated).tolist(), int(events.first_deleveraged[-1])


@pytest.mark.parametrize("short_share", [0.0, 0.5], ids=["long", "mixed"])
@pytest.mark.parametrize("seed", range(20))
def test_baseline_is_the_replica_on_crash_days(baseline: ModuleType, seed: int, short_share: float) -> None:
    assert assert_same(baseline, draw_book(seed, 3000, short_share), draw_marks(seed, 300), 5e3)[1] > 0


def test_positions_with_one_liquidation_price_go_at_one_mark(baseline: ModuleType) -> None:
    same, at = np.ones(2000), (100.0 - 2.0) / (1.0 - 0.005)
    book = Book(np.where(np.arange(2000) % 3, 1.0, -1.0) * same, 100.0 * same, 2.0 * same)
    marks = at + 1e-14 * np.arange(5.0, -6.0, -1.0)
    liquidated, _ = assert_same(baseline, book, marks, 1.0)
    assert sorted(liquidated)[-2:] == [0, 1333]
    assert liquidated[0] == 0
