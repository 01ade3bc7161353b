"""Linear impact in log price."""

from __future__ import annotations

import numpy as np
import pytest

from delever.core.profile import inverse_root
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.venues.log_linear import LogLinear


def test_the_log_price_falls_by_what_is_sold_over_depth() -> None:
    table = LogLinear(pair="A/B", depth=2e6).table(Source(), 100.0)
    cells, node_w, sold, _, liquidity = table.rows()
    assert inverse_root(0.0, cells, node_w, sold, liquidity) == 1.0
    sales = np.random.default_rng(3).uniform(-7.0, 7.0, 2000) * 2e6
    moves = np.array([-2.0 * np.log(inverse_root(s, cells, node_w, sold, liquidity)) for s in sales])
    assert np.abs(moves + sales / 2e6).max() < 2e-5
    assert table.anchored


def test_no_depth_is_refused() -> None:
    with pytest.raises(InputError, match=r"depth .*greater than 0"):
        LogLinear(pair="A/B", depth=0.0)
