"""What auctions of vaults leave unpaid is paid by buyers of minted shares, once it is old enough and large enough."""

from __future__ import annotations

import pytest

from delever import worlds
from delever.core.tables import CASH, COVERED, DEFICIT, OUTSIDE, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.world import World
from delever.waterfall.debt_auction import DebtAuctions
from protocols.clip_worlds import begin
from protocols.flip_worlds import KEEPER, RULES
from run.small import Mapping, book, fall, loan

FLOP: Mapping = {"kind": "debt_auction", "sump": 500, "wait": 600, "lasts": 300, "price": 250, "discount": 0.1}


def indebted(layer: Mapping) -> World:
    """10 ETH fall from 1000 to 500 USD with 6500 owed: 4750 is bid, and 1750 not raised by the deal at 840 s."""
    return worlds.load({
        "as_of": "2024-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}}, "actors": {"keeper": KEEPER},
        "protocols": {"pool": {"rules": RULES, "book": book(loan("a", 10.0, 6500.0)), "waterfall": [layer], "parameters": {
            "ETH": {"liquidation_threshold": 1 / 1.5, "incentive": 0.13},
            "USD": {"liquidation_threshold": 0.0, "incentive": 0.0}}}},
        "scenario": {"horizon": 3600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [fall(0.5, 60)]}})


def test_whole_lots_of_old_losses_are_sold_and_the_rest_waits() -> None:
    """Three times 500 of 1750, 600 s after the loss and 300 s long: the loss of 840 s is seen at 840 s, so paid at 1740 s."""
    chunk, state, _ = begin(indebted(FLOP))
    when = []
    for _ in range(60):
        before = float(state.ledgers.booked[COVERED].sum())
        step(chunk, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        if state.ledgers.booked[COVERED].sum() > before:
            when.append((state.step - 1) * 60.0)
    assert when == [1740.0]
    assert state.ledgers.booked[DEFICIT].sum() == pytest.approx(250.0)
    assert state.ledgers.tokens[OUTSIDE, 0, 0] == pytest.approx(-1500.0)
    assert state.ledgers.tokens[CASH, 0, 0] == pytest.approx(4750.0 + 1500.0)
    (layer,) = [one for one in chunk.waterfall if isinstance(one, DebtAuctions)]
    assert layer.minted.tolist() == pytest.approx([1500.0 / 225.0])


@pytest.mark.parametrize("change", [{"sump": 2000}, {"wait": 3000}])
def test_a_loss_that_is_too_small_or_too_young_stays(change: Mapping) -> None:
    chunk, state, _ = begin(indebted(FLOP | change))
    for _ in range(60):
        step(chunk, state)
    assert state.ledgers.booked[DEFICIT].sum() == pytest.approx(1750.0)
    assert state.ledgers.tokens[OUTSIDE].sum() == 0.0
