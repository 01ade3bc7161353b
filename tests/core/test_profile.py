"""Profiles: the closed forms, exactly, on any grid."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.profile import buy, cell_of, inverse_root, sell, sold_at
from delever.venues.base import ProfileTable, table_from_liquidity

compiled = settings(deadline=None)  # the first call compiles


@st.composite
def profiles(draw: st.DrawFn) -> ProfileTable:
    """Up to eight cells of unlike width and depth, standing at any node."""
    cells = draw(st.integers(1, 8))
    gaps = draw(st.lists(st.floats(0.01, 0.5), min_size=cells, max_size=cells))
    depth = draw(st.lists(st.floats(1.0, 300.0), min_size=cells, max_size=cells))
    first = draw(st.floats(0.2, 5.0))
    return table_from_liquidity(first * np.exp(np.cumsum([0.0, *gaps])), np.array(depth), draw(st.integers(0, cells)))


def extent(table: ProfileTable) -> float:
    """Base from the first node to the last."""
    return float(table.sold[-1] - table.sold[0])


def root(table: ProfileTable, s: float) -> float:
    cells, node_w, sold, _, liquidity = table.rows()
    return inverse_root(s, cells, node_w, sold, liquidity)


def walk_down(table: ProfileTable, q: float) -> Fraction:
    """Quote paid for q of the base from the start, cell by cell in exact numbers: y = L (1/w - 1/w')."""
    nodes, depth = [Fraction(w) for w in table.node_w.tolist()], [Fraction(x) for x in table.liquidity.tolist()]
    left, w, paid = Fraction(q), nodes[table.start], Fraction(0)
    for i in range(table.start, len(depth)):
        taken = left if i == len(depth) - 1 else min(left, depth[i] * (nodes[i + 1] - w))
        paid += depth[i] * (1 / w - 1 / (w + taken / depth[i]))
        left, w = left - taken, w + taken / depth[i]
    if table.start == len(depth):  # stands at the last node: the last cell goes on
        paid = depth[-1] * (1 / w - 1 / (w + left / depth[-1]))
    return paid


def walk_up(table: ProfileTable, y: float) -> Fraction:
    """Base paid for y of the quote from the start, the same way: q = L (1/v - 1/v')."""
    roots, depth = [1 / Fraction(w) for w in table.node_w.tolist()], [Fraction(x) for x in table.liquidity.tolist()]
    left, v, bought = Fraction(y), roots[table.start], Fraction(0)
    for i in range(table.start - 1, -1, -1):
        taken = left if i == 0 else min(left, depth[i] * (roots[i] - v))
        bought += depth[i] * (1 / v - 1 / (v + taken / depth[i]))
        left, v = left - taken, v + taken / depth[i]
    if table.start == 0:
        bought = depth[0] * (1 / v - 1 / (v + left / depth[0]))
    return bought


@compiled
@given(profiles())
def test_every_node_above_a_cell_has_exactly_its_own_price(table: ProfileTable) -> None:
    roots = [root(table, s) for s in table.sold.tolist()]
    assert roots[:-1] == table.node_w[:-1].tolist()
    assert roots[-1] == pytest.approx(table.node_w[-1], rel=1e-12)
    assert table.sold[table.start] == 0.0


@compiled
@given(profiles(), st.floats(1e-9, 2.0))
def test_a_sale_agrees_with_an_exact_walk_over_the_cells(table: ProfileTable, share: float) -> None:
    q = share * extent(table)
    s, paid = sell(0.0, q, *table.rows())
    assert s == q
    assert paid == pytest.approx(float(walk_down(table, q)), rel=1e-13)


@compiled
@given(profiles(), st.floats(1e-9, 2.0))
def test_a_purchase_agrees_with_an_exact_walk_over_the_cells(table: ProfileTable, share: float) -> None:
    y = share * float(table.paid[-1] - table.paid[0])
    s, bought = buy(0.0, y, *table.rows())
    assert bought == pytest.approx(float(walk_up(table, y)), rel=1e-13)
    assert s == pytest.approx(-bought, rel=1e-13)


@compiled
@given(profiles(), st.floats(-1.0, 1.0), st.floats(1e-6, 1.5))
def test_buying_with_the_proceeds_of_a_sale_returns_to_where_it_began(table: ProfileTable, at: float, share: float
                                                                      ) -> None:
    start, q = at * extent(table), share * extent(table)
    if start < table.sold[0] - 0.5 * table.node_w[0] * table.liquidity[0]:
        start = float(table.sold[0])
    sold_to, paid = sell(start, q, *table.rows())
    s, bought = buy(sold_to, paid, *table.rows())
    assert bought == pytest.approx(q, rel=1e-12, abs=1e-12 * extent(table))
    assert s == pytest.approx(start, abs=1e-12 * extent(table))


@compiled
@given(profiles(), st.floats(-0.5, 1.0), st.floats(1e-6, 1.0), st.floats(0.0, 1.0))
def test_a_sale_in_two_parts_pays_what_it_pays_in_one(table: ProfileTable, at: float, share: float, part: float
                                                      ) -> None:
    start, q = max(at * extent(table), float(table.sold[0])), share * extent(table)
    middle, first = sell(start, part * q, *table.rows())
    end, second = sell(middle, q - part * q, *table.rows())
    s, paid = sell(start, q, *table.rows())
    assert first + second == pytest.approx(paid, rel=1e-12)
    assert end == pytest.approx(s, rel=1e-14)


@compiled
@given(profiles(), st.floats(1e-3, 1.0), st.floats(1e-3, 1.0))
def test_selling_more_pays_more_at_a_lower_price(table: ProfileTable, share: float, more: float) -> None:
    q, larger = share * extent(table), share * (1.0 + more) * extent(table)
    (s, paid), (s_larger, paid_larger) = sell(0.0, q, *table.rows()), sell(0.0, larger, *table.rows())
    assert paid_larger > paid
    assert paid_larger / larger < paid / q
    assert root(table, s_larger) > root(table, s)


@compiled
@given(profiles(), st.floats(1e-3, 2.0), st.lists(st.floats(1.0, 10.0), min_size=8, max_size=8))
def test_more_depth_leaves_a_higher_price_after_a_sale(table: ProfileTable, share: float, factors: list[float]) -> None:
    deeper = table_from_liquidity(table.node_w, table.liquidity * factors[:len(table.liquidity)], table.start)
    q = share * extent(table)
    (s, paid), (s_deeper, paid_deeper) = sell(0.0, q, *table.rows()), sell(0.0, q, *deeper.rows())
    assert root(deeper, s_deeper) <= root(table, s) * (1.0 + 1e-14)
    assert paid_deeper >= paid * (1.0 - 1e-14)


@compiled
@given(profiles(), st.floats(0.05, 20.0))
def test_the_sold_amount_at_a_price_is_where_the_price_is_reached(table: ProfileTable, w: float) -> None:
    cells, node_w, sold, _, liquidity = table.rows()
    s = sold_at(w, cells, node_w, sold, liquidity)
    assert root(table, s) == pytest.approx(w, rel=1e-11)


@settings(compiled, max_examples=30)
@given(profiles(), st.floats(0.1, 5.0))
def test_the_outermost_cells_go_on_beyond_the_nodes(table: ProfileTable, share: float) -> None:
    wider = table_from_liquidity(
        np.concatenate([[table.node_w[0] / 50.0], table.node_w, [table.node_w[-1] * 50.0]]),
        np.concatenate([table.liquidity[:1], table.liquidity, table.liquidity[-1:]]), table.start + 1)
    q, y = share * extent(table), share * float(table.paid[-1] - table.paid[0])
    assert sell(0.0, q, *table.rows()) == pytest.approx(sell(0.0, q, *wider.rows()), rel=1e-12)
    assert buy(0.0, y, *table.rows()) == pytest.approx(buy(0.0, y, *wider.rows()), rel=1e-12)


@pytest.mark.parametrize("q", [1e-9, 1e-3, 1.0, 1e3, 1e6, 1e12])
def test_a_small_trade_on_a_deep_market_keeps_its_digits(q: float) -> None:
    base, quote = 1e6, 2e9  # reserves of a constant product
    w = float(np.sqrt(base / quote))
    table = table_from_liquidity(np.array([0.5 * w, w, 2.0 * w]), np.full(2, np.sqrt(base * quote)), 1)
    assert sell(0.0, q, *table.rows())[1] == pytest.approx(quote * q / (base + q), rel=1e-13)
    assert buy(0.0, q, *table.rows())[1] == pytest.approx(base * q / (quote + q), rel=1e-13)


def test_no_purchase_empties_a_profile_or_turns_its_price() -> None:
    table = table_from_liquidity(np.array([1.0, 2.0]), np.array([100.0]), 0)
    s, total = 0.0, 0.0
    for y in (1e3, 1e9, 1e15, 1e21):
        s, bought = buy(s, y, *table.rows())
        total += bought
        assert bought > 0.0
        assert root(table, s) > 0.0
    assert total <= 100.0 * (1.0 + 1e-8)  # all the base there is: L w


def test_a_trade_of_nothing_changes_nothing() -> None:
    table = table_from_liquidity(np.array([1.0, 1.5, 2.0]), np.array([10.0, 30.0]), 1)
    for s in (-20.0, *table.sold.tolist(), 0.1, 100.0):
        assert sell(s, 0.0, *table.rows()) == (s, 0.0)
        assert buy(s, 0.0, *table.rows()) == (s, 0.0)


def test_cells_are_found_within_the_row_that_is_in_use() -> None:
    nodes = np.array([-2.0, 0.0, 1.0, 5.0, 0.0, 0.0])  # three cells, then padding
    found = [cell_of(x, 3, nodes) for x in (-9.0, -2.0, -0.1, 0.0, 0.9, 1.0, 5.0, 99.0)]
    assert found == [0, 0, 0, 1, 1, 2, 2, 2]
