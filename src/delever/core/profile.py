"""Liquidity profiles: how far a trade moves a market's price and what it pays, in exact closed forms.

A market's profile is a row of nodes in w = 1 / sqrt(price) and the virtual liquidity L between them, as in
concentrated-liquidity pools (Uniswap v3 core whitepaper, section 6.2). Where the market stands is one number, s: the
base sold into it, net. Within a cell, with v = 1 / w = sqrt(price),

    selling q of the base        w' = w + q / L        pays  y = L (v - v') = q / (w w')  of the quote
    buying with y of the quote   v' = v + y / L        gets  q = L (w' - w) = y w w'      of the base

Beyond its nodes a profile goes on with its outermost cells: to price 0 below, without end above; one that is bounded ends
there. In a gap, where L = 0, s does not move: it stands for the gap's lower end. The products are used rather than the
differences, so that a small trade on a deep market keeps its digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delever.core.jit import helper

TOP = 1e-9  # lowest w, as a share of the first node's (its price x 1e18): below it s has no digits left to say


class Profiles(NamedTuple):
    """The profiles at full depth: row m is market m's, shared by all paths and never written. Behind them stand rows that are a
    path's own, written by whoever made them; Markets.profile says which row a market has on a path.

    A market without a venue (has_venue = 0) trades any quantity at its price; its other entries mean nothing.
    """

    node_w: np.ndarray  # [rows, nodes] 1 / sqrt(price), ascending: the price falls along the row
    sold: np.ndarray  # [rows, nodes] base sold when the price is at the node, units; 0 at the start price
    paid: np.ndarray  # [rows, nodes] quote paid out by then; 0 at the start price
    liquidity: np.ndarray  # [rows, nodes - 1] of the cell between a node and the next; 0 only between others: a gap
    cells: np.ndarray  # [rows] number of cells in use; what lies behind them is padding
    anchored: np.ndarray  # [markets] 1: prices are relative to the outside price; 0: absolute
    has_venue: np.ndarray  # [markets] 1: has a venue; 0: infinitely deep
    quoted: np.ndarray  # [rows, 2] lowest and highest s that the venue's data cover; beyond is extrapolated
    bounded: np.ndarray  # [rows] 1: nothing is for sale or bought beyond the outermost nodes


@helper
def cell_of(x: float, cells: int, nodes: np.ndarray) -> int:
    """The cell whose nodes enclose x, nodes[i] <= x < nodes[i + 1]; beyond the ends, the outermost."""
    low, high = 0, cells
    while high - low > 1:
        middle = (low + high) >> 1
        if nodes[middle] <= x:
            low = middle
        else:
            high = middle
    return low


@helper
def root_in_cell(i: int, s: float, node_w: np.ndarray, sold: np.ndarray, liquidity: np.ndarray) -> float:
    """w after s has been sold, in cell i: exactly the node's where s is the node's."""
    w: float = max(node_w[i] + (s - sold[i]) / liquidity[i], TOP * node_w[0])
    return w


@helper
def inverse_root(s: float, cells: int, node_w: np.ndarray, sold: np.ndarray, liquidity: np.ndarray) -> float:
    """w = 1 / sqrt(price) after s of the base has been sold. The log price is -2 ln w."""
    return root_in_cell(cell_of(s, cells, sold), s, node_w, sold, liquidity)


@helper
def sold_at(w: float, cells: int, node_w: np.ndarray, sold: np.ndarray, liquidity: np.ndarray) -> float:
    """The base sold by the time that the price is 1 / w^2; the inverse of inverse_root."""
    i = cell_of(w, cells, node_w)
    s: float = sold[i] + (w - node_w[i]) * liquidity[i]
    return s


@helper
def sell(s: float, q: float, cells: int, node_w: np.ndarray, sold: np.ndarray, paid: np.ndarray, liquidity: np.ndarray
         ) -> tuple[float, float]:
    """Sell q >= 0 of the base: (new s, quote paid out)."""
    i, j = cell_of(s, cells, sold), cell_of(s + q, cells, sold)
    w, w_new = root_in_cell(i, s, node_w, sold, liquidity), root_in_cell(j, s + q, node_w, sold, liquidity)
    if i == j:
        return s + q, q / (w * w_new)
    first = (sold[i + 1] - s) / (w * node_w[i + 1])
    last = (s + q - sold[j]) / (node_w[j] * w_new)
    return s + q, first + (paid[j] - paid[i + 1]) + last


@helper
def buy(s: float, y: float, cells: int, node_w: np.ndarray, sold: np.ndarray, paid: np.ndarray, liquidity: np.ndarray
        ) -> tuple[float, float]:
    """Buy with y >= 0 of the quote: (new s, base paid out)."""
    i = cell_of(s, cells, sold)
    w = root_in_cell(i, s, node_w, sold, liquidity)
    to_node = (s - sold[i]) / (w * node_w[i])  # quote that lifts the price to the upper end of its cell
    j = cell_of(paid[i] + to_node - y, cells, paid)
    if j >= i:
        bought = y * w / (1.0 / w + y / liquidity[i])
        return s - bought, bought
    upper = node_w[j + 1]
    rest = y - to_node - (paid[i] - paid[j + 1])
    last = rest * upper / (1.0 / upper + rest / liquidity[j])
    return sold[j + 1] - last, (s - sold[j + 1]) + last


@helper
def quote_above(s: float, cells: int, node_w: np.ndarray, sold: np.ndarray, paid: np.ndarray, liquidity: np.ndarray) -> float:
    """The quote that buys all that a profile sells from s up to its first node."""
    i = cell_of(s, cells, sold)
    w = root_in_cell(i, s, node_w, sold, liquidity)
    above: float = paid[i] - paid[0] + (s - sold[i]) / (w * node_w[i])
    return above
