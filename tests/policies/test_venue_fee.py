"""A pool whose fee follows volatility: on each path its own, and what a trade pays is that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from delever.core.tables import ORDER_OWNERS
from delever.model.errors import InputError
from run.small import fall, last, loan, one_market, pool, steps

YEAR = 365.0 * 86400.0
RULE = {"kind": "venue_fee", "venue": "one", "usual": 0.5, "most": 0.03, "half_life": 600}


def test_the_fee_grows_with_volatility_and_no_further_than_its_limit() -> None:
    world = one_market(loan("a", 1.0, 100.0), venues={"one": pool(fee=0.003)}, policies={"fee": RULE},
                       scenario={"events": [fall(0.004, at=60), fall(0.3, at=300)]})
    fees = [float(state.markets.fee[0, 0, 0]) for _, state in steps(world)]
    keep = 2.0 ** -0.1
    variance = keep * (keep * 0.25) + (1.0 - keep) * math.log(0.996) ** 2 * YEAR / 60.0
    assert fees[:2] == pytest.approx([0.003, 0.003 * max(math.sqrt(variance) / 0.5, 1.0)])
    assert fees[1] > 0.003
    assert fees[5] == pytest.approx(0.03)


def test_it_is_what_a_sale_pays_on_its_own_path() -> None:
    world = one_market(
        loan("a", 1.0, 100.0), venues={"one": pool(fee=0.003)}, policies={"fee": RULE},
        scenario={"paths": 5, "prices": {"kind": "lognormal", "volatility": {"ETH": 2.0}},
                  "events": [{"at": 540, "kind": "order", "order": "sell 10 ETH"}]})
    _, state = last(world)
    fee, got = state.markets.fee[0, 0], state.ledgers.tokens[ORDER_OWNERS, 0]
    assert len(set(fee.tolist())) == 5
    into = 10.0 * (1.0 - fee)
    assert got == pytest.approx(1e6 * into / (1000.0 + into), rel=1e-12)
    assert np.all((fee > 0.003) & (fee < 0.03))


def test_a_venue_that_shares_its_market_has_no_fee_of_its_own() -> None:
    with pytest.raises(InputError, match="is one market with two; write `liquidity: fragmented`"):
        one_market(loan("a", 1.0, 100.0), venues={"one": pool(), "two": pool()}, policies={"fee": RULE})
