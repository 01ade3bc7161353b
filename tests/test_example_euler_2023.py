"""examples/euler_2023: the hole is the attacker's, and sharing by equity is a clearing."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
with_data = pytest.mark.skipif(not (DATA / "euler_2023-03").is_dir() and not os.environ.get("CI"),
                               reason="the data of Euler are not here (DELEVER_DATA)")


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    spec = importlib.util.spec_from_file_location("euler_story", ROOT / "examples" / "euler_2023" / "story.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "euler_story", made)
    spec.loader.exec_module(made)
    return made


def two(story: ModuleType) -> object:
    """A lender with 30 ETH, one with 10 and a debt of 6 in another market, an attacker who owes 40."""
    return story.Book(("WETH", "DAI", "USDC"), np.array([1.0, 0.5, 0.5]), np.array([1.0, 0.25, 0.25]),
                      (("a", "0"), ("b", "0"), ("x", "0")),
                      np.array([[30.0, 0, 0], [10.0, 0, 0], [0, 0, 0]]), np.array([[0, 0, 0], [0, 12.0, 0], [40.0, 0, 0]]),
                      np.array([False, False, True]))


def test_equity_claims_and_shares_by_hand(story: ModuleType) -> None:
    book = two(story)
    assert book.equity(book.paused).tolist() == [30.0, 4.0, -40.0]
    assert book.claims(book.paused).tolist() == [30.0, 4.0, 0.0]
    np.testing.assert_allclose(story.shares(book, book.shared), [30 / 37, 7 / 37, 0.0])


@with_data
def test_the_hole_is_the_attackers_and_nobody_elses(story: ModuleType) -> None:
    book = story.read()
    short = book.equity(book.paused) < 0.0
    assert len(book.names) == 3056 and book.held.shape[1] == 81 and book.excluded.sum() == 49
    assert not (short & ~book.excluded).any()


@with_data
def test_sharing_by_equity_is_the_clearing_of_one_debtor(story: ModuleType) -> None:
    book = story.read()
    share, top = story.shares(book, book.paused), np.argsort(-book.claims(book.paused))[:100]
    assert share.sum() == pytest.approx(1.0) and (share[book.excluded] == 0.0).all()
    np.testing.assert_allclose(story.cleared(book, book.paused, 100), story.worth(book) * share[top], rtol=1e-9)


@with_data
def test_a_fall_of_staked_ether_lowers_all_claims(story: ModuleType) -> None:
    book = story.read()
    left = [story.fall(book, ("stETH", "wstETH", "cbETH", "rETH"), move) for move in (0.0, -0.1, -0.3)]
    assert left[0][:2] == (0, 0.0) and left[0][2] > left[1][2] > left[2][2] and left[2][1] > 100.0
