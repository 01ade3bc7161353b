"""Maker's English auctions in worlds: lots, bids, who is paid, what is left, and lots won for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from delever import worlds
from delever.analysis.soundness import check
from delever.core.tables import COVERED, DEBTS, DEFICIT, DEPOSITS, HOLDERS, TREASURY
from delever.engine.step import step
from delever.model.errors import InputError
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from protocols.flip_worlds import KEEPER, NOTHING, RULES, Mapping, counted, flips, played
from run.small import fall, loan

USD, ETH = 0, 1
CHAIN: Mapping = {"chain": {"block_time": 60, "room": 500, "base_fee": 20}}


def busy(base_fee: float) -> Mapping:
    return {"chain": {"block_time": 60, "room": 500, "base_fee": base_fee}}


def test_a_vault_is_cut_into_lots_of_the_lump() -> None:
    """120 ETH fall to 900 with 75,000 owed: lots of 50, 50 and 20, each with its share of the debt, x 1.13."""
    state, diary = played(flips(loan("a", 120.0, 75_000.0), scenario={"horizon": 600, "events": [fall(0.1, 60)]}))
    lots = state.lots
    assert [event.time for event in diary.of("bite")] == [120.0, 180.0, 240.0], "one bite a block"
    assert lots.units[:3].tolist() == pytest.approx([50.0, 50.0, 20.0])
    assert lots.tab[:3].tolist() == pytest.approx([31_250 * 1.13, 31_250 * 1.13, 12_500 * 1.13])
    assert counted(diary, state, "bites") == [3.0]


def test_one_keeper_pays_the_tab_and_has_the_whole_lot_when_his_bid_has_lapsed() -> None:
    """10 ETH at 900, 6500 owed: tab 7345; 855 a unit is worth 8550 to him, so he bids the tab and is not beaten."""
    state, diary = played(flips(loan("a", 10.0, 6500.0), scenario={"horizon": 1800, "events": [fall(0.1, 60)]}))
    (bid,), (deal,) = diary.of("bid"), diary.of("deal")
    assert (bid.time, bid.give) == (180.0, pytest.approx(7345.0))
    assert deal.time == 840.0, "600 s after the bid, in the first block that is later"
    assert deal.get == pytest.approx(10.0)
    tokens, booked = state.ledgers.tokens[:, :, 0], state.ledgers.booked[:, :, 0]
    assert tokens[HOLDERS].tolist() == pytest.approx([-7345.0, 10.0])
    assert booked[DEBTS].sum() == -6500.0
    assert booked[TREASURY].sum() == pytest.approx(845.0)
    assert booked[[DEFICIT, COVERED]].sum() == 0.0
    assert counted(diary, state, "won_for_nothing") == [0.0]


def test_two_keepers_drive_the_lot_down_to_what_the_second_pays() -> None:
    """a takes 10 % off, b 2 %: a bids the tab, b asks for 7345 / 882 units, a cannot beat that. The rest is the owner's."""
    actors = {"a": KEEPER | {"discount": 0.10}, "b": KEEPER | {"discount": 0.02}}
    state, diary = played(flips(loan("v", 10.0, 6500.0), actors=actors, scenario={"horizon": 2400, "events": [fall(0.1, 60)]}))
    (deal,) = diary.of("deal")
    tokens = state.ledgers.tokens[:, :, 0]
    assert deal.get == pytest.approx(7345.0 / 882.0)
    assert tokens[HOLDERS].tolist() == [0.0, 0.0], "whoever is outbid has his money back"
    assert tokens[HOLDERS + 1].tolist() == pytest.approx([-7345.0, 7345.0 / 882.0])
    assert state.pool.touched.amount[0, 0] == pytest.approx(10.0 - 7345.0 / 882.0)
    assert state.ledgers.booked[DEPOSITS, :, 0].sum() == pytest.approx(-7345.0 / 882.0 + 0.0)


def test_a_lot_worth_less_than_its_debt_leaves_a_deficit() -> None:
    """10 ETH fall to 500, 6500 owed: 475 a unit is bid, 4750; 1750 of the debt is not raised."""
    state, _ = played(flips(loan("a", 10.0, 6500.0), scenario={"horizon": 1800, "events": [fall(0.5, 60)]}))
    booked = state.ledgers.booked[:, :, 0]
    assert booked[DEFICIT].sum() == pytest.approx(1750.0)
    assert booked[TREASURY].sum() == 0.0


def test_penalties_heal_a_deficit() -> None:
    """The first vault leaves 845, the second a debt of 6000 on 12 ETH bid 475 each, 300 short: netted, whichever came first."""
    legs = loan("a", 10.0, 6500.0) + loan("b", 12.0, 6000.0)
    state, _ = played(flips(legs, scenario={"horizon": 7200, "events": [fall(0.1, 60), fall(4 / 9, 3600)]}))
    booked = state.ledgers.booked[:, :, 0]
    assert booked[COVERED].sum() == pytest.approx(300.0)
    assert booked[TREASURY].sum() == pytest.approx(545.0)
    assert booked[DEFICIT].sum() == 0.0


def test_where_gas_is_dearer_than_every_keeper_bids_a_lot_is_won_for_nothing() -> None:
    """Base fee 100: the keeper at 30 gwei waits; whoever bids nothing at 200 has the lot."""
    actors = {"keeper": KEEPER, "zero": NOTHING}
    world = flips(loan("a", 10.0, 6500.0), actors=actors, networks=busy(100.0),
                  scenario={"horizon": 1800, "events": [fall(0.1, 60)]})
    state, diary = played(world)
    assert counted(diary, state, "won_for_nothing") == [1.0]
    assert state.ledgers.booked[DEFICIT, :, 0].sum() == pytest.approx(6500.0)
    assert state.ledgers.tokens[HOLDERS + 1, ETH, 0] == pytest.approx(10.0 - (300 + 200 + 150) * 1e3 * 200e-9)


def test_the_same_lot_is_paid_for_where_gas_is_cheap() -> None:
    actors = {"zero": NOTHING, "keeper": KEEPER}
    world = flips(loan("a", 10.0, 6500.0), actors=actors, networks=busy(20.0),
                  scenario={"horizon": 1800, "events": [fall(0.1, 60)]})
    state, diary = played(world)
    assert counted(diary, state, "won_for_nothing") == [0.0]
    assert state.ledgers.booked[DEFICIT, :, 0].sum() == 0.0
    assert len(diary.of("deal")) == 1


def test_a_keeper_without_money_leaves_lots_to_those_who_bid_nothing() -> None:
    """Three lots of 7345 each, and 10,000 to bid: one is paid for, two are not."""
    legs = [leg for n in "abc" for leg in loan(n, 10.0, 6500.0)]
    actors = {"keeper": KEEPER | {"capital": {"USD": 1e4, "ETH": 10}, "fee": 30}, "zero": NOTHING | {"after": 120}}
    state, diary = played(flips(legs, actors=actors, networks=CHAIN, scenario={"horizon": 1800, "events": [fall(0.1, 60)]}))
    assert counted(diary, state, "won_for_nothing") == [2.0]
    assert counted(diary, state, "deals") == [3.0]


def test_an_auction_without_a_bid_is_ticked_and_one_with_a_bid_ends_with_it() -> None:
    actors = {"keeper": KEEPER | {"capital": {"ETH": 10}}}
    world = flips(loan("a", 10.0, 6500.0), {"tau": 1200}, actors=actors, scenario={"events": [fall(0.1, 60)]})
    state, diary = played(world)
    assert [event.time for event in diary.of("tick")][:2] == [1380.0, 2640.0], "120 + 1200, then + 1200, each in the next block"
    assert state.lots.open[0] == 1
    short = flips(loan("a", 10.0, 6500.0), {"tau": 300}, scenario={"horizon": 1800, "events": [fall(0.1, 60)]})
    assert [event.time for event in played(short)[1].of("deal")] == [480.0], "tau passes before ttl"


def test_terms_of_a_version_may_be_stated_beside_it() -> None:
    kind = worlds.kinds("protocols")["flip"]
    assert kind(version="eth_a_2020_03").fields() | {"version": None} == kind(**{k: v for k, v in RULES.items() if k != "kind"}
                                                                              | {"tau": 259_200}).fields() | {"version": None}


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_no_bit_depends_on_the_chunk_and_nothing_is_lost(mode: str) -> None:
    """Many vaults on paths of their own, with keepers of all kinds who run out of money."""
    legs = [leg for n in range(30) for leg in loan(f"v{n}", 5.0 + 4.0 * n, (5.0 + 4.0 * n) * (520.0 + 5.0 * n))]
    actors = {"a": KEEPER | {"capital": {"USD": 2e5, "ETH": 5}, "spread": 0.1}, "b": KEEPER | {"spread": 0.1, "fee": 60},
              "zero": NOTHING | {"after": 300}}
    world = flips(legs, actors=actors, networks=busy(40.0), execution={"mode": mode},
                  scenario={"horizon": 7200, "paths": 3, "prices": {"kind": "lognormal", "volatility": {"ETH": 6.0}},
                            "events": [fall(0.2, 60)]})
    whole, _ = played(world, 3)
    model = assemble(world)
    for p in range(3):
        chunk = phases(model, 1, ())
        state = new_state(model, p, 1, chunk)
        for _ in range(model.steps):
            step(chunk, state)
        assert state.ledgers.tokens[..., 0].tobytes() == whole.ledgers.tokens[..., p].tobytes()
        assert state.ledgers.totals[..., 0].tobytes() == whole.ledgers.totals[..., p].tobytes()
    assert whole.ledgers.totals.sum() > 0.0


def test_a_check_says_where_nobody_bids_on_lots() -> None:
    def found(**changes: Any) -> set[str]:
        return set(check(flips(loan("a", 10.0, 6000.0), **changes)).findings["code"].to_pylist())

    assert "auction.no_bidder" not in found()
    assert "auction.no_bidder" in found(actors={"liquidators": {"kind": "liquidators"}})


@pytest.mark.parametrize(("actor", "said"), [
    (KEEPER | {"capital": {}}, "has no money"), (KEEPER | {"capital": {"DOGE": 1}}, "DOGE"), (KEEPER | {"into": "DOGE"}, "DOGE"),
    (KEEPER | {"most_fee": 10}, "below the fee"), (KEEPER | {"spread": 3}, "spread")])
def test_mistakes_of_keepers_are_answered_in_a_line(actor: Mapping, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        flips(loan("a", 10.0, 6000.0), actors={"keeper": actor})
    assert "\n" not in str(caught.value)


def test_a_vault_with_two_collaterals_is_refused() -> None:
    legs = [*loan("a", 10.0, 6000.0), ("a", "BTC", "collateral", 1.0)]
    terms = {"BTC": {"liquidation_threshold": 0.5, "incentive": 0.13}}
    with pytest.raises(InputError, match="a vault of flip has one of each"):
        assemble(flips(legs, assets={"ETH": {"price": 1000.0}, "BTC": {"price": 1000.0}}, parameters=terms))
