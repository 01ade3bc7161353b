"""The plain implementation of auctions, networks, policies and pairs of calls against cases solved by hand."""

from __future__ import annotations

import math

import pytest

from reference.accounts import Account, Leg, Rules
from reference.auctions import Terms
from reference.blocks import fill
from reference.breakers import Breaker
from reference.plain import simulate
from reference.pool import Market
from reference.setting import Bidder, Network, Setting, Transaction

MAT = 2.0 / 3.0
STAIRS = Terms("stairstep", buf=1.2, tail=1000.0, cusp=0.5, cut=0.9, step=60.0, tip=10.0, chip=0.01)


def vault(name: str, number: int, eth: float, usd: float) -> Account:
    return Account("maker", name, number, [Leg("ETH", eth, MAT, 0.1)], [Leg("USD", usd)])


def setting(accounts: list[Account], terms: Terms = STAIRS, **changes: object) -> Setting:
    """ETH at 1000 USD, infinitely deep; steps of a minute, one block each; keepers who want to earn."""
    given: dict[str, object] = dict(
        steps=4, dt=60.0, blocks=1, sequential=True, markets={"ETH": Market("ETH", "USD", math.log(1000.0))}, wraps={},
        moves=[{}] * 99, depth_shocks=[[]] * 99, feeds={}, sight={("maker", "USD"): (0.0, [])}, unit={"maker": "USD"},
        rates={("maker", "ETH"): (0.0, 0.0), ("maker", "USD"): (0.0, 0.0)}, rules={"maker": Rules("clip")},
        accounts=accounts, orders=[], attentive=0.0, bidders=[Bidder("keepers", min_profit=1.0)], auctions={"maker": terms})
    return Setting(**{**given, **changes})  # type: ignore[arg-type]


def test_a_vault_is_sold_at_the_first_price_that_pays_and_its_owner_gets_the_rest() -> None:
    # 10 ETH back 6667 < 7000: kicked in the first block at 1200; 1080 a minute later, 972 after two: it then raises 7700
    result = simulate(setting([vault("a", 0, 10.0, 7000.0)]))
    left = 10.0 - 7700.0 / 972.0
    assert result.amounts == [([pytest.approx(left, rel=1e-12)], [0.0])]
    assert result.treasury["maker", "USD"] == pytest.approx(700.0 - 87.0)  # penalty, less tip + chip x tab
    assert result.ledger["keepers", "USD"] == pytest.approx(87.0 + (10.0 - left) * 1000.0 - 7700.0)
    assert result.counts["takes"] == 1 and result.lots == []


def test_what_a_lot_that_is_sold_out_leaves_unpaid_is_a_deficit_that_penalties_heal() -> None:
    # a raises 7700 for 7.92 ETH; b, 10 ETH against 9500, brings 9720: 220 above its debt, without the penalty of 950
    result = simulate(setting([vault("a", 0, 10.0, 7000.0), vault("b", 1, 10.0, 9800.0)]))
    assert result.counts["sold out"] == 1 and result.counts["healed"] == 1
    assert result.deficit["maker", "USD"] == 0.0
    rewards = 87.0 + 10.0 + 0.01 * 9800.0 * 1.1
    assert result.treasury["maker", "USD"] == pytest.approx(700.0 - (9800.0 - 9720.0) - rewards)


def test_a_hole_lets_a_part_in_and_the_rest_waits() -> None:
    terms = Terms("linear", buf=1.2, tail=1e4, cusp=0.1, tau=1e5, hole=3300.0, dust=1000.0, tip=2.0)
    result = simulate(setting([vault("a", 0, 10.0, 7000.0)], terms, steps=2))
    ((name, units, owed, tab, started, top),) = result.lots
    assert (name, started) == ("a", 60.0)
    assert (units, owed, tab, top) == (pytest.approx(10.0 * 3000.0 / 7000.0), pytest.approx(3000.0), pytest.approx(3300.0),
                                       pytest.approx(1200.0))


def test_a_lot_that_is_too_old_starts_anew() -> None:
    terms = Terms("linear", buf=2.0, tail=100.0, cusp=0.1, tau=1e5, tip=5.0)
    result = simulate(setting([vault("a", 0, 10.0, 7000.0)], terms))
    assert result.counts["redos"] == 1 and result.lots[0][4] == 180.0  # 120 s old at 180 s
    assert result.treasury["maker", "USD"] == -10.0


def test_a_breaker_halts_from_the_block_of_the_move_until_its_end_and_no_longer() -> None:
    breaker = Breaker(["ETH"], "move", 0.1, "down", 1, 60.0, lasts=120.0, cool_off=0.0, liquidations=["maker"], trading=[])
    moves = [{"ETH": math.log(0.85)}, *[{}] * 9]
    result = simulate(setting([vault("a", 0, 10.0, 6000.0)], steps=3, moves=moves, breakers=[breaker]))
    assert result.counts["halted calls"] == 2 and result.counts["trips"] == 1
    assert result.lots[0][4] == 180.0


def test_an_owner_is_called_and_sold_at_the_deadline() -> None:
    result = simulate(setting([vault("a", 0, 10.0, 7000.0)], margin_calls={"maker": (120.0, -math.inf)}))
    assert result.lots[0][4] == 180.0
    assert result.counts["margin calls"] == 1 and result.counts["lapsed margin calls"] == 0


def test_a_block_takes_the_best_bids_of_its_own_network_and_the_others_wait_for_theirs() -> None:
    chains = {"fast": Network(1, 5.0, "ETH", {"order": 1.0}), "slow": Network(9, 5.0, "ETH", {"order": 1.0}, every=3)}
    offered = [Transaction("order", None, bid, chain=chain) for chain, bid in
               (("fast", 6.0), ("slow", 7.0), ("fast", 8.0), ("fast", 1.0))]
    block = fill(offered, chains, 4, 10.0)
    assert block.rows == [offered[2]] and (block.unfit, block.underbid, block.waits) == (1, 1, 1)
    assert block.wake == 40.0  # in the next block; for `slow` alone 55: just before block 6
    assert fill(offered[1:2], chains, 4, 10.0).wake == 55.0
    assert fill(offered, chains, 6, 10.0).rows == [offered[2], offered[1]]


@pytest.mark.parametrize("gain", [True, False])
def test_a_pair_is_carried_out_whole_or_not_at_all(gain: bool) -> None:
    # first: 4000 USD for 4.2 ETH; second: 3 ETH for 3.15 X. Both are worth 1000 USD
    accounts = [Account("one", "a", 0, [Leg("ETH", 10.0, 0.75, 0.05)], [Leg("USD", 8000.0)]),
                Account("two", "b", 1, [Leg("X", 7.0, 0.8, 0.05)], [Leg("ETH", 6.0)])]
    names = [(p, a) for p in ("one", "two") for a in ("ETH", "USD", "X")]
    result = simulate(setting(
        accounts, steps=1, markets={a: Market(a, "USD", math.log(1000.0)) for a in ("ETH", "X")}, auctions={},
        unit={"one": "USD", "two": "USD"}, rates=dict.fromkeys(names, (0.0, 0.0)),
        rules=dict.fromkeys(("one", "two"), Rules("v2")),
        bidders=[Bidder("pairs", min_profit=0.0 if gain else 1e6, pairs=True)]))
    assert result.counts["pairs"] == gain and result.counts["liquidations"] == 2 * gain
    if gain:
        assert result.ledger["pairs", "USD"] == pytest.approx(1200.0 + 3150.0 - 4000.0)
        assert not any(result.ledger[key] for key in result.ledger if key[0] == "pairs" and key[1] == "X")
