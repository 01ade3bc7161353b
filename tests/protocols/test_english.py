"""English auctions in two phases: what beats what stands, and when nobody may bid any more."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from delever.core.english import is_over, lowers, may_bid, raises, wanted

TAB, BEG = 1000.0, 1.03


def test_a_bid_must_be_a_step_higher_or_the_whole_tab() -> None:
    assert raises(1e-9, 0.0, TAB, BEG), "any first bid is one, next to nothing too"
    assert not raises(0.0, 0.0, TAB, BEG)
    assert raises(103.0, 100.0, TAB, BEG)
    assert not raises(102.9, 100.0, TAB, BEG)
    assert raises(TAB, 999.0, TAB, BEG), "the tab is enough however little is added"
    assert not raises(TAB + 1.0, 100.0, TAB, BEG), "nobody pays more than the tab"


def test_a_lot_must_fall_by_a_step() -> None:
    assert lowers(10.0 / 1.03, 10.0, BEG)
    assert not lowers(9.8, 10.0, BEG)
    assert not lowers(10.0, 10.0, 1.0)
    assert not lowers(0.0, 10.0, BEG)


def test_in_the_very_second_in_which_a_bid_lapses_neither_a_bid_nor_a_deal_is_possible() -> None:
    assert [may_bid(600.0, 9e9, t) for t in (599.0, 600.0, 601.0)] == [True, False, False]
    assert [is_over(600.0, 9e9, t) for t in (599.0, 600.0, 601.0)] == [False, False, True]
    assert [may_bid(700.0, 600.0, t) for t in (599.0, 600.0, 601.0)] == [True, False, False], "the auction's own end"
    assert [is_over(700.0, 600.0, t) for t in (599.0, 600.0, 601.0)] == [False, False, True]
    assert not is_over(math.inf, 600.0, 601.0), "nobody has bid: it is ticked"


def test_a_bidder_pays_his_price_then_the_tab_for_less() -> None:
    """A lot of 10 to raise 1000: at 90 a unit he bids 900; at 125 the tab, and once that stands, 8 units for it."""
    assert wanted(90.0, 10.0, 0.0, TAB, BEG) == (900.0, 10.0)
    assert wanted(90.0, 10.0, 880.0, TAB, BEG) == (-1.0, 0.0), "880 x 1.03 is above 900"
    assert wanted(125.0, 10.0, 880.0, TAB, BEG) == (TAB, 10.0)
    assert wanted(125.0, 10.0, TAB, TAB, BEG) == (TAB, 8.0)
    assert wanted(125.0, 8.2, TAB, TAB, BEG) == (-1.0, 0.0), "8 x 1.03 is above 8.2"


@given(st.floats(1.0, 500.0), st.floats(0.01, 50.0), st.floats(0.0, 1.0), st.floats(1.0, 1e5), st.floats(1.0, 1.2))
def test_whoever_bids_pays_no_more_than_the_lot_is_worth_to_him(price: float, lot: float, share: float, tab: float, beg: float
                                                              ) -> None:
    bid = share * tab
    give, units = wanted(price, lot, bid, tab, beg)
    if give > 0.0:
        assert give <= units * price * (1.0 + 1e-12)
        assert raises(give, bid, tab, beg) if bid < tab else lowers(units, lot, beg)
    else:
        assert price * lot <= max(bid * beg, tab / price * beg * price) * (1.0 + 1e-9)
