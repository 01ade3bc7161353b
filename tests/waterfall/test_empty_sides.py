"""Collateral that nobody buys: it stays the account's, what it owes is booked, and value is conserved."""

from __future__ import annotations

import pytest

from waterfall.small import Run, exchange

POOL = {"kind": "constant_product", "pair": "ETH/USD", "reserves": {"ETH": 1000, "USD": 100_000}}
LONG = ("long", "BTC-PERP", 10.0, 100.0, 50.0)
SHORT = ("short", "BTC-PERP", -10.0, 100.0, 900.0)


@pytest.mark.parametrize(("left", "sold"), [(1.0, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize("layers", [[], ["adl"], [{"kind": "insurance_fund", "start": {"USD": 1000.0}}]])
def test_collateral_is_sold_as_far_as_somebody_buys_it(left: float, sold: float, layers: list) -> None:
    events = [{"at": 0, "kind": "price", "change": {"BTC": -0.2}}]
    if left == 0.0:
        events.append({"at": 0, "kind": "depth", "change": {"ETH/USD": -1.0}, "side": "bids"})
    done = Run(exchange([LONG, SHORT], layers, -0.2, {"long": 1.0}, venues={"eth": POOL}, scenario={"events": events})).steps(4)
    assert done.units("long") == 0.0
    assert done.units("long", "ETH") == pytest.approx(1.0 - sold)
    assert done.units("long", "USD") >= 0.0


def test_a_position_that_ends_within_the_pool_leaves_the_rest_with_the_account() -> None:
    v3 = {"kind": "uniswap_v3", "pair": "ETH/USD", "fee": 0.0, "positions": [[45_800, 46_500, 1e20]]}  # 97.4 to 104.5 USD
    book = [LONG, SHORT]
    done = Run(exchange(book, [], -0.2, {"long": 1.0}, venues={"eth": v3})).steps(2)
    most = 100.0 * (1.0001 ** (-45_800 / 2) - 0.1)
    assert 0.0 < most < 1.0
    assert done.units("long", "ETH") == pytest.approx(1.0 - most, rel=1e-9)
    assert done.standing == pytest.approx(200.0 - 50.0 - 100.0 * (10.0 - 1.0001 ** (45_800 / 2)), rel=1e-9)
