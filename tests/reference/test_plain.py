"""The plain implementation against cases solved by hand."""

from __future__ import annotations

import math

import pytest

from reference.accounts import Account, Leg, Rules
from reference.plain import simulate
from reference.pool import Market, Profile
from reference.randomness import cholesky, normals, philox
from reference.setting import Bidder, Feed, Network, Order, Setting

POOL = Profile(w=[2000.0**-0.5, 500.0**-0.5], liquidity=[math.sqrt(1000.0 * 2_000_000.0)],
               sold=[0.0, 1000.0], fee_in=0.0, fee_out=0.0, anchored=False)  # 1000 ETH, 2,000,000 USD: 2000 USD each

PROFITABLE = [Bidder("liquidators")]


def setting(collateral: float, debt: float, **changes: object) -> Setting:
    """One account with ETH against USD, one pool that is the oracle, one step of one block."""
    account = Account("lender", "a", 0, [Leg("ETH", collateral, threshold=0.8, incentive=0.1)], [Leg("USD", debt)])
    given: dict[str, object] = dict(
        steps=1, dt=60.0, blocks=1, sequential=True, markets={"ETH": Market("ETH", "USD", math.log(2000.0), POOL)},
        wraps={}, moves=[{}] * 9, depth_shocks=[[]] * 9, feeds={"pool": Feed("market", "ETH", "USD")},
        sight={("lender", "ETH"): (0.0, [("pool", 1)]), ("lender", "USD"): (0.0, [])}, unit={"lender": "USD"},
        rates={("lender", "ETH"): (0.0, 0.0), ("lender", "USD"): (0.0, 0.0)}, rules={"lender": Rules("v2")},
        accounts=[account], orders=[], attentive=0.0)
    return Setting(**{**given, **changes})  # type: ignore[arg-type]


def test_one_account_and_one_pool_agree_with_the_solution_by_hand() -> None:
    # 100 ETH = 200,000 USD back 0.8 x 200,000 = 160,000 < 170,000 owed. Half, 85,000, is repaid; 93,500 USD of ETH is
    # seized: 46.75 ETH. x y = 2e9: the pool pays 2,000,000 - 2e9 / 1046.75 for it.
    result = simulate(setting(100.0, 170_000.0))
    paid = 2_000_000.0 - 2e9 / 1046.75
    assert result.amounts == [([pytest.approx(53.25, rel=1e-14)], [pytest.approx(85_000.0, rel=1e-14)])]
    assert result.consumed["ETH"] == pytest.approx(46.75, rel=1e-14)
    assert result.log_price["ETH"] == pytest.approx(math.log(2e9 / 1046.75**2), rel=1e-13)
    assert result.ledger["liquidators", "USD"] == pytest.approx(paid - 85_000.0, rel=1e-10)
    assert result.ledger["venues", "USD"] == pytest.approx(-paid, rel=1e-12)
    assert result.counts["liquidations"] == 1


def test_the_sale_of_one_call_sets_off_the_next() -> None:
    # after the first call the pool stands at 2e9 / 1046.75^2 = 1825.33: 53.25 ETH back 77,759 < 85,000 owed
    result = simulate(setting(100.0, 170_000.0, steps=3))
    assert result.longest_steps == 3 and result.counts["liquidations"] == 3


def test_nothing_is_liquidated_when_nothing_crosses() -> None:
    result = simulate(setting(100.0, 159_999.0, steps=3))
    assert result.counts["liquidations"] == 0
    assert result.amounts == [([100.0], [159_999.0])] and not any(result.ledger.values())


def test_profitable_liquidators_decline_what_slippage_makes_a_loss() -> None:
    # 46.75 ETH bring 89,323 USD for 85,000 repaid in the pool; in one a tenth as deep 63,719
    shallow = Profile(POOL.w, [POOL.liquidity[0] / 10.0], [0.0, 100.0], 0.0, 0.0, False)
    market = {"ETH": Market("ETH", "USD", math.log(2000.0), shallow)}
    declined = simulate(setting(100.0, 170_000.0, bidders=PROFITABLE, markets=market))
    assert declined.counts["declined"] == 1 and declined.counts["liquidations"] == 0
    assert simulate(setting(100.0, 170_000.0, bidders=PROFITABLE)).counts["liquidations"] == 1


def test_an_attentive_owner_comes_before_the_liquidator_who_bids_less() -> None:
    # he adds (1.1 x 161,000 - 160,000) / (2000 x 0.8) = 10.6875 ETH; the claim then finds a healthy account
    network = Network(10, 10.0, "ETH", {"liquidation": 5e5, "top_up": 25e4})
    result = simulate(setting(100.0, 161_000.0, attentive=1.0, budget=0.2, top_up_fee=40.0, chains={"": network}))
    assert result.amounts[0][0] == [pytest.approx(110.6875, rel=1e-14)]
    assert result.counts["top_ups"] == 1 and result.counts["reverted_claim"] == 1 and result.counts["raced"] == 1


def test_without_a_network_the_claim_was_offered_first() -> None:
    # 80,500 repaid and 44.275 ETH seized leave 55.725 ETH, now at 2e9 / 1044.275^2 in the pool: still unhealthy
    result = simulate(setting(100.0, 161_000.0, attentive=1.0, budget=0.2, top_up_fee=40.0))
    assert result.counts["liquidations"] == 1 and result.counts["reverted_claim"] == 0
    assert result.amounts[0][1] == [pytest.approx(80_500.0, rel=1e-14)]


def test_an_order_is_spread_over_steps_and_moves_the_pool() -> None:
    order = Order("ETH", "USD", 100.0, first=2, steps=2, fee=20.0)
    result = simulate(setting(1.0, 1.0, steps=2, orders=[order]))
    assert result.consumed["ETH"] == pytest.approx(50.0) and result.counts["orders"] == 1
    order = Order("ETH", "USD", 100.0, first=1, steps=1, fee=20.0)
    result = simulate(setting(1.0, 1.0, steps=2, orders=[order]))
    assert result.ledger["order_owners", "USD"] == pytest.approx(2_000_000.0 - 2e9 / 1100.0, rel=1e-12)


def test_a_full_block_takes_the_highest_bid_and_the_rest_waits() -> None:
    accounts = [Account("lender", "ab"[i], i, [Leg("ETH", 1.0 + i, 0.8, 0.1)], [Leg("USD", 1700.0 * (1 + i))])
                for i in range(2)]
    network = Network(1, 10.0, "ETH", {"liquidation": 5e5})
    bidders = [Bidder("liquidators", profitable=False, fee_share=0.5)]
    result = simulate(setting(0.0, 0.0, accounts=accounts, chains={"": network}, bidders=bidders))
    assert result.amounts[0][1] == [1700.0] and result.amounts[1][1] == [pytest.approx(1700.0)]  # b had 3400
    assert result.counts["unfit"] == 1


def test_a_pool_drawn_back_by_arbitrage_ends_at_the_outside_price() -> None:
    market = Market("ETH", "USD", math.log(2000.0), POOL, half_life=60.0, s=100.0)
    base, quote = market.relax(60.0)
    assert market.s == pytest.approx(50.0, rel=1e-12)
    # bought back: 50 ETH, for the difference of the quote reserves
    assert base == pytest.approx(-50.0, rel=1e-12)
    assert quote == pytest.approx(2e9 / 1050.0 - 2e9 / 1100.0, rel=1e-12)


@pytest.mark.parametrize("sold", [0.3, 7.0, 60.0])
def test_walking_cells_pays_what_the_same_liquidity_in_one_cell_pays(sold: float) -> None:
    depth, prices = 100.0, [4.0, 2.5, 2.0, 1.0, 0.25]
    at = [depth * (1 / math.sqrt(p) - 1 / math.sqrt(2.0)) for p in prices]
    many = Profile([p**-0.5 for p in prices], [depth] * 4, at, 0.0, 0.0, False)
    one = Profile([0.5, 2.0], [depth], [at[0], at[-1]], 0.0, 0.0, False)
    assert many.sell(0.0, sold) == pytest.approx(one.sell(0.0, sold), rel=1e-13)
    assert many.buy(0.0, sold) == pytest.approx(one.buy(0.0, sold), rel=1e-13)
    s, paid = many.sell(0.0, sold)
    assert many.buy(s, paid)[0] == pytest.approx(0.0, abs=1e-11)


def test_philox_gives_the_published_words() -> None:
    # Random123 1.14, kat_vectors: philox4x32 10
    assert philox((0, 0, 0, 0), 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert philox((ones,) * 4, ones << 32 | ones) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


def test_normals_have_mean_zero_and_variance_one() -> None:
    drawn = [z for path in range(2500) for z in normals(4, path, 1, 5)]
    mean = sum(drawn) / len(drawn)
    assert abs(mean) < 0.04  # 4 standard errors of 10,000
    assert abs(sum((z - mean) ** 2 for z in drawn) / len(drawn) - 1.0) < 0.06


def test_cholesky_factor_multiplies_back() -> None:
    c = cholesky([[1.0, 0.5], [0.5, 1.0]])
    assert c == [[1.0, 0.0], [0.5, pytest.approx(math.sqrt(0.75))]]
