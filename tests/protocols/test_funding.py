"""Funding: payments by hand, the clamp and the cap, and that it adds up to nothing."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from delever.core.empty import new_ledgers
from delever.core.exchange_tables import Margins
from delever.core.tables import CASH, FUNDING, MAKERS, VAULT, Tree
from delever.model.asset import Asset
from delever.protocols.funding import Funded, FundingPhase, funding_rate
from delever.run.pricing import lay_out

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

USD, BTC, ETH, WETH, BTC_PERP, WETH_PERP = range(6)  # assets


def tree() -> Tree:
    """BTC and ETH, a wrapper of 2 ETH, perps of BTC and of the wrapper; markets BTC, ETH, BTC-PERP, WETH-PERP."""
    assets: dict[str, Any] = {"BTC": {"price": 100.0}, "ETH": {"price": 10.0}, "WETH": {"wraps": "ETH", "rate": 2.0},
                              "BTC-PERP": {"perp": "BTC"}, "WETH-PERP": {"perp": "WETH"}}
    return lay_out({name: Asset(**fields) for name, fields in assets.items()}).tree


class Bench:
    """Two perps of one exchange on two paths; reserves: cash, BTC-PERP, WETH-PERP."""

    def __init__(self, every: int = 2, interest: float = 0.0001, clamp: float = 0.0005, scale: float = 0.125,
                 cap: float = 0.04, net: tuple[float, float] = (3.0, -5.0)) -> None:
        self.tree, self.step, z = tree(), 0, np.zeros
        self.price = np.log(np.repeat([[100.0], [10.0], [100.0], [20.0]], 2, axis=1))  # [M, P]
        tiers, floor = np.array([1, 2, 1]), np.array([[0.0, 0.0], [0.0, 1e6], [0.0, 0.0]])
        rate = np.array([[0.0, 0.0], [0.01, 0.025], [0.05, 0.0]])
        self.margins = Margins(np.array([0, 1, 1]), np.ones(3), np.array([0, 3]), np.zeros(1, int), tiers, floor, rate,
                               z((3, 2)), np.array([-1, 2, 3]), z(4, int), z(0, int), z(0, int), np.array([0, 1, 1]),
                               z((3, 2)), z((3, 2)), z((3, 2)), np.ones((1, 2)), np.ones((3, 2)))
        self.ledgers = new_ledgers(6, 3, 1, 1, 2)
        terms = np.array([[interest, clamp, scale, cap]] * 2)
        self.phase = FundingPhase(Funded(np.array([1, 2]), np.array([BTC_PERP, WETH_PERP]), np.array([BTC, WETH]),
                                         np.array([every, every]), terms, np.array(net), z((3, 2)), z((2, 2)),
                                         z(2, int), np.ones(2)))

    def run(self, book: float, index: float = 100.0, path: int = 0) -> None:
        """A step at these prices of BTC."""
        self.step += 1
        self.price[0, path], self.price[2, path] = math.log(index), math.log(book)
        self.phase.accrue(SimpleNamespace(step=self.step, tree=self.tree,  # type: ignore[arg-type]
                                          markets=SimpleNamespace(price=self.price), margins=self.margins,
                                          ledgers=self.ledgers))


def test_hyperliquids_own_example_of_a_rate() -> None:
    # "Premium = 0.01 (or 1%)", "Clamped Difference = -0.05%", "Funding Rate = 0.95%"
    assert funding_rate(0.01, 0.0001, 0.0005, 1.0, 1.0) == pytest.approx(0.0095, rel=1e-14)


@pytest.mark.parametrize(("mean", "rate"), [
    (0.0, 0.0001 / 8),  # interest alone
    (0.0004, 0.0001 / 8),  # the clamp does not bind: premium and interest cancel to interest
    (-0.0003, 0.0001 / 8),
    (0.0016, 0.0011 / 8),  # interest - premium below -clamp
    (-0.0014, -0.0009 / 8),
    (0.5, 0.04),  # the cap of an interval
    (-0.5, -0.04),
])
def test_a_rate_is_clamped_scaled_to_its_interval_and_capped(mean: float, rate: float) -> None:
    assert funding_rate(mean, 0.0001, 0.0005, 1.0 / 8.0, 0.04) == pytest.approx(rate, rel=1e-12)


def test_a_payment_is_the_mean_premium_of_its_interval_times_the_index_at_its_end() -> None:
    bench = Bench(every=2)
    bench.run(book=101.0)  # premium 1 %
    assert not bench.margins.paid.any() and not bench.phase.perps.last_rate.any() and not bench.ledgers.tokens.any()
    bench.run(book=121.0, index=110.0)  # premium 10 %: mean 5.5 %, less the clamp 5.45 %, an eighth of it
    rate = 0.0545 / 8.0
    assert bench.phase.perps.last_rate[1] == pytest.approx([rate, 0.0001 / 8.0], rel=1e-12)
    assert bench.margins.paid[1] == pytest.approx([rate * 110.0, 0.0001 / 8.0 * 100.0], rel=1e-12)


def test_samples_start_anew_after_a_payment() -> None:
    bench = Bench(every=2)
    for book in (150.0, 150.0, 100.0, 100.0):
        bench.run(book)
    assert bench.phase.perps.last_rate[1, 0] == pytest.approx(0.0001 / 8.0, rel=1e-9)


def test_what_a_unit_has_paid_adds_up_with_its_sign_and_without() -> None:
    bench = Bench(every=1, interest=0.0, clamp=0.0, scale=1.0, cap=0.5)
    bench.run(book=104.0)
    bench.run(book=97.0)
    assert bench.margins.paid[1, 0] == pytest.approx(4.0 - 3.0, rel=1e-12)
    assert bench.margins.gross[1, 0] == pytest.approx((4.0 + 3.0) * 0.025, rel=1e-12)  # at the highest tier's rate


def test_a_wrapped_underlying_counts_at_its_rate() -> None:
    bench = Bench(every=1, scale=1.0)
    bench.run(100.0)
    assert bench.phase.perps.last_rate[2] == pytest.approx([0.0001, 0.0001], rel=1e-9)  # 20 USD is 2 ETH at 10: no premium
    assert bench.margins.paid[2] == pytest.approx([0.002, 0.002], rel=1e-9)


def test_makers_outside_pay_what_the_book_does_not_balance() -> None:
    bench = Bench(every=1, interest=0.0, clamp=0.0, scale=1.0, cap=0.5, net=(3.0, -5.0))
    bench.run(book=104.0)  # longs pay 4 a unit: the 3 net longs owe 12
    tokens = bench.ledgers.tokens
    assert tokens[MAKERS, USD] == pytest.approx([12.0, 0.0], abs=1e-12)
    assert tokens[FUNDING, USD] == pytest.approx([-12.0, 0.0], abs=1e-12)
    tokens[CASH, BTC_PERP, 0] -= 4.0  # accounts close 6 of the longs' units and 2 of the shorts'; the vault has two
    tokens[VAULT, BTC_PERP, 0] += 2.0
    tokens[MAKERS, USD], tokens[FUNDING, USD] = 0.0, 0.0
    bench.run(book=98.0)  # shorts pay 2 a unit; one net long receives it
    assert tokens[MAKERS, USD, 0] == pytest.approx(-2.0, rel=1e-12)
    assert tokens[FUNDING, USD, 0] == pytest.approx(2.0, rel=1e-12)
    assert np.all(tokens[:, USD].sum(0) == 0.0)


def test_transit_is_what_open_positions_have_not_settled() -> None:
    # whatever the prices: transit + sum q F = 0 as long as nobody closes
    bench = Bench(every=3, net=(2.5, 1.5))
    for book in (103.0, 99.0, 120.0, 80.0, 100.0, 104.0):
        bench.run(book)
    owed = 2.5 * bench.margins.paid[1] + 1.5 * bench.margins.paid[2]
    assert np.abs(owed[0]) > 1e-3
    assert bench.ledgers.tokens[FUNDING, USD] == pytest.approx(-owed, rel=1e-12)


def test_paths_do_not_see_each_other() -> None:
    one, other = Bench(every=1), Bench(every=1)
    one.run(104.0, path=0)
    other.run(104.0, path=1)
    assert np.array_equal(one.margins.paid[:, 0], other.margins.paid[:, 1])
    assert np.array_equal(one.margins.paid[:, 1], other.margins.paid[:, 0])


def test_longs_of_an_inverse_perp_pay_in_the_coin_at_one_over_the_index() -> None:
    """Premium and rate are in dollars a coin as of any perp; a long is short of dollars, so F falls by rate / index."""
    bench = Bench(every=1)
    bench.phase.perps.sense[:] = -1.0
    bench.phase.perps.unit[:] = BTC
    bench.price[0], bench.price[2], bench.price[3] = math.log(100.0), math.log(1.0 / 101.0), -bench.price[3]
    bench.step = 1
    bench.phase.accrue(SimpleNamespace(step=1, tree=bench.tree, markets=SimpleNamespace(price=bench.price),  # type: ignore[arg-type]
                                       margins=bench.margins, ledgers=bench.ledgers))
    rate = funding_rate(0.01, 0.0001, 0.0005, 0.125, 0.04)
    assert bench.margins.paid[1] == pytest.approx(-rate / 100.0, rel=1e-12)
    assert bench.ledgers.tokens[MAKERS, BTC] == pytest.approx(-3.0 * rate / 100.0 - 5.0 * bench.margins.paid[2][0], rel=1e-9)
    assert not bench.ledgers.tokens[:, 0].any()
