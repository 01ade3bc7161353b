"""The plain implementation of reserves, curves and depositors against cases solved by hand."""

from __future__ import annotations

import math

import pytest

from reference.accounts import Account, Leg, Rules
from reference.lending import DAY, YEAR, Lender, Lines, Moving, Reserve
from reference.plain import Path, simulate
from reference.pool import Market
from reference.setting import Bidder, Network, Setting


def setting(accounts: list[Account], **changes: object) -> Setting:
    """ETH at 1000 USD, infinitely deep; steps of an hour, one block each; whoever calls calls everything."""
    given: dict[str, object] = dict(
        steps=4, dt=3600.0, blocks=1, sequential=True, markets={"ETH": Market("ETH", "USD", math.log(1000.0))}, wraps={},
        moves=[{}] * 99, depth_shocks=[[]] * 99, feeds={}, sight={("pool", "USD"): (0.0, [])}, unit={"pool": "USD"},
        rates={("pool", "ETH"): (0.0, 0.0), ("pool", "USD"): (0.0, 0.0)}, rules={"pool": Rules("v2", 0.5)},
        accounts=accounts, orders=[], attentive=0.0, bidders=[Bidder("liquidators", profitable=False)],
        chains={"": Network()})
    return Setting(**{**given, **changes})  # type: ignore[arg-type]


def loan(number: int, usd: float) -> Account:
    """One ETH against so many dollars, at a threshold of 0.8 and an incentive of 5 %."""
    return Account("pool", f"a{number}", number, [Leg("ETH", 1.0, 0.8, 0.05)], [Leg("USD", usd)])


def test_two_lines_meet_at_the_kink() -> None:
    curve = Lines(0.0, base=0.02, below=0.05, beyond=1.0, kink=0.8)
    assert [curve.rate(u, 60.0) for u in (0.0, 0.4, 0.8, 1.0)] == pytest.approx([0.02, 0.04, 0.06, 0.26])


def test_the_moving_rate_stands_at_its_target_and_has_bounds() -> None:
    """At full use a day moves it by e^(50/365), up to the square's accuracy; the rate there is four times that at target."""
    curve = Moving(0.0, at_target=0.04 / YEAR)
    assert curve.rate(0.9, DAY) == curve.at_target == 0.04 / YEAR
    curve.rate(1.0, DAY)
    assert curve.at_target == pytest.approx(0.04 / YEAR * math.exp(50.0 / 365.0), rel=1e-3)
    assert curve.rate(1.0, 1e-3) == pytest.approx(4.0 * curve.at_target, rel=1e-6)
    assert curve.rate(0.0, 1e-3) == pytest.approx(0.25 * curve.at_target, rel=1e-6)
    curve.rate(1.0, YEAR)
    assert curve.at_target == 2.0 / YEAR
    curve.rate(0.0, YEAR)
    assert curve.at_target == 0.001 / YEAR


def test_interest_follows_what_is_lent_out() -> None:
    """600 of the book and 200 of others are owed, 200 are there: four fifths; lenders get nine tenths of four fifths."""
    reserve = Reserve(curve=Lines(0.1, 0.0, 1.0 / YEAR, 0.0, 0.9), cash=200.0, others=200.0)
    simulate(setting([loan(0, 600.0)], steps=1, reserves={("pool", "USD"): reserve}))
    g = math.expm1(0.8 / YEAR * 3600.0)
    assert reserve.borrow == pytest.approx(1.0 + g, rel=1e-14)
    assert reserve.supply == pytest.approx(1.0 + 0.72 * g, rel=1e-14)


def test_a_call_takes_what_is_there_and_then_there_is_none() -> None:
    """Half of 900 would take 0.4725 ETH; 0.21 are there, and pay 200."""
    result = simulate(setting([loan(0, 900.0)], reserves={("pool", "ETH"): Reserve(cash=0.21)}))
    assert result.amounts == [([pytest.approx(0.79)], [pytest.approx(700.0)])]
    assert result.reserves["pool", "ETH"].cash == 0.0
    assert result.counts["liquidations"] == 1 and result.no_cash == {"pool": 1}  # the account, in the three blocks that follow


@pytest.mark.parametrize(("sequential", "second"), [(True, 1.0 - 0.1275), (False, 1.0)])
def test_of_two_calls_in_a_block_the_second_is_cut_or_waits_its_turn(sequential: bool, second: float) -> None:
    """0.6 ETH for two calls of 0.4725: in a sequence the second gets what is left; in a batch it was sized before, and fails."""
    accounts = [loan(0, 900.0), loan(1, 900.0)]
    result = simulate(setting(accounts, sequential=sequential, steps=1, reserves={("pool", "ETH"): Reserve(cash=0.6)}))
    assert result.amounts[0][0] == [pytest.approx(1.0 - 0.4725)]
    assert result.amounts[1][0] == [pytest.approx(second)]
    assert result.no_cash["pool"] == (0 if sequential else 1)


def test_who_leaves_is_paid_as_far_as_there_is_cash() -> None:
    """100 of 900 are there; half a day's share of them leaves in a step, and waits from the first one on."""
    lender = Lender("lenders", "pool", "USD", base=24.0 * math.log(2.0), content=1.0, uneasy=0.0, loss=0.0, herd=0.0,
                    memory=3600.0, fee=0.0)
    result = simulate(setting([loan(0, 700.0)], lenders=[lender], reserves={("pool", "USD"): Reserve(cash=100.0, others=100.0)}))
    assert lender.deposits == 900.0
    assert lender.staying == pytest.approx(900.0 / 16.0)
    assert lender.withdrawn == 100.0 and lender.waiting == pytest.approx(900.0 * 15.0 / 16.0 - 100.0)
    assert lender.locked == 3.0 * 3600.0
    assert result.ledger["lenders", "USD"] == 100.0


def test_lenders_leave_with_the_rate_with_losses_and_with_others() -> None:
    """Hazards a day: 0.5 + 2 x (0.3 - 0.1) + 10 x 0.2 + 0.5 x what others left at, which follows within the memory of a step."""
    account = Account("pool", "a", 0, [], [Leg("USD", 0.0)])
    reserve = Reserve(borrow_rate=0.3 / YEAR, cash=500.0, others=300.0)
    lender = Lender("lenders", "pool", "USD", base=0.5, content=0.1, uneasy=2.0, loss=10.0, herd=0.5, memory=1.0, fee=0.0)
    given = setting([account], rates={("pool", "USD"): (0.0, 0.0)}, lenders=[lender], reserves={("pool", "USD"): reserve})
    path = Path(given)
    path.deficit["pool", "USD"] = 200.0 * math.exp(0.3 / YEAR * 3600.0)  # of 500 + 300 and interest: a fifth but for the interest
    path.lending.step(1, 3600.0)
    assets = 500.0 + 500.0 * math.exp(0.3 / YEAR * 3600.0)
    h = 0.5 + 2.0 * 0.2 + 10.0 * path.deficit["pool", "USD"] / assets
    assert lender.others == pytest.approx(h, rel=1e-14)
    assert lender.staying == pytest.approx(800.0 * math.exp(-h / 24.0), rel=1e-14)
