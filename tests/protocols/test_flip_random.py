"""Random calls on one lot, against flip.sol written down once more in whole numbers: who is refused, who pays, who gets what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from delever.core.bids import Bid, Deal, Tick
from delever.core.tables import CASH, EXECUTED, HOLDERS, INCLUDED, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from protocols.clip_worlds import begin
from protocols.flip_worlds import KEEPER, flips
from run.small import fall, loan

WAD = 10**18
BEG, TTL, TAU, START = 103 * WAD // 100, 600, 3000, 120
PEOPLE = 3
USD, ETH = 0, 1


class Refused(Exception):
    """A require that does not hold."""


class Flipper:
    """One auction of flip.sol @03c6df6, money and units in wad; nobody is guy 0 until somebody bids."""

    def __init__(self, lot: int, tab: int) -> None:
        self.bid, self.lot, self.tab, self.guy, self.tic, self.end, self.open = 0, lot, tab, -1, 0, START + TAU, True
        self.dai, self.gem, self.gal, self.usr = [0] * PEOPLE, [0] * PEOPLE, 0, 0

    def runs(self, now: int) -> None:
        if not (self.open and (self.tic > now or self.tic == 0) and self.end > now):
            raise Refused

    def pay(self, who: int, bid: int) -> None:
        if self.guy >= 0:
            self.dai[self.guy] += self.bid
        self.dai[who] -= bid
        self.gal += bid - self.bid

    def tend(self, who: int, lot: int, bid: int, now: int) -> None:
        self.runs(now)
        if not (lot == self.lot and self.bid < bid <= self.tab and (bid * WAD >= BEG * self.bid or bid == self.tab)):
            raise Refused
        self.pay(who, bid)
        self.guy, self.bid, self.tic = who, bid, now + TTL

    def dent(self, who: int, lot: int, bid: int, now: int) -> None:
        self.runs(now)
        if not (bid == self.bid == self.tab and 0 < lot < self.lot and BEG * lot <= self.lot * WAD):
            raise Refused
        self.pay(who, bid)
        self.usr += self.lot - lot
        self.guy, self.lot, self.tic = who, lot, now + TTL

    def deal(self, who: int, now: int) -> None:
        if not (self.open and self.tic != 0 and (self.tic < now or self.end < now) and who == self.guy):
            raise Refused  # that only the winner deals is ours
        self.gem[who] += self.lot
        self.open = False

    def tick(self, now: int) -> None:
        if not (self.open and self.end < now and self.tic == 0):
            raise Refused
        self.end = now + TAU


def call(state: Any, kind: Any, who: int, give: float, get: float, now: int) -> bool:
    """One included transaction; whether it was carried out."""
    state.time, rows = float(now), state.transactions
    for column in rows:
        column[:1] = 0
    rows.state[0], rows.actor[0], rows.number[0] = INCLUDED, HOLDERS + who, 1
    rows.cause[0] = state.lots.cause[0]  # as what is for sale is offered
    rows.give_asset[0], rows.get_asset[0], rows.give[0], rows.get[0] = USD, ETH, give, get
    kind.execute(state, np.array([0]))
    return bool(rows.state[0] == EXECUTED)


@pytest.mark.parametrize("seed", range(40))
def test_the_same_calls_are_refused_and_the_same_is_paid(seed: int) -> None:
    rng = np.random.default_rng([12, 3, 2020, seed])
    units, due_at = int(rng.integers(1, 50_000)) * WAD // 1000, int(rng.integers(100, 900))
    owed = units * due_at * 2 // 3
    tab, idle = owed * 113 // 100, KEEPER | {"capital": {"USD": 1e9}, "nothing": True, "after": 1e9, "fee": 0}
    world = flips(loan("a", units / WAD, owed / WAD), {"tau": TAU}, actors={f"k{n}": idle for n in range(PEOPLE)},
                  scenario={"events": [fall(1.0 - 0.9 * due_at / 1000.0, 60)]})
    chunk, state, _ = begin(world)
    for _ in range(2):
        step(chunk, state)
    assert state.lots.open[0] == 1
    plain, now, said = Flipper(units, tab), START, []
    for _ in range(60):
        edge = [plain.tic, plain.end, now + TTL]
        near = max(now, int(rng.choice(edge)) + int(rng.integers(-1, 2)))
        now = near if rng.random() < 0.4 else now + int(rng.integers(0, 300))
        who, what = int(rng.integers(PEOPLE)), rng.choice(["tend", "tend", "dent", "dent", "deal", "tick"])
        step_up = [1, plain.bid, plain.bid + 1, plain.bid * 104 // 100, plain.bid * 102 // 100, plain.tab, plain.tab * 11 // 10,
                   int(plain.tab * rng.random())]
        bid = max(int(step_up[rng.integers(len(step_up))]), 0)
        less = [plain.lot, plain.lot * 98 // 100, plain.lot * 97 // 100, plain.lot * 90 // 100, plain.lot * 101 // 100]
        lot = int(less[rng.integers(len(less))])
        give, get, kind = 0.0, 0.0, {"deal": Deal(), "tick": Tick()}.get(str(what), Bid())
        try:
            if what == "tend":
                get, give = float(state.lots.units[0]), bid / WAD if bid not in (plain.tab, plain.bid) else (
                    float(state.lots.tab[0]) if bid == plain.tab else float(state.bids.bid[0]))
                if plain.bid == plain.tab:
                    continue  # the contract refuses any tend then; here a row says no more than what it brings and asks for
                plain.tend(who, plain.lot, bid, now)
            elif what == "dent":
                give, get = float(state.bids.bid[0]), lot / WAD if lot != plain.lot else float(state.lots.units[0])
                if plain.bid < plain.tab:
                    continue  # and any dent before
                plain.dent(who, lot, plain.bid, now)
            elif what == "deal":
                plain.deal(who, now)
            else:
                plain.tick(now)
            expected = True
        except Refused:
            expected = False
        assert call(state, kind, who, give, get, now) == expected, (what, plain.__dict__, bid, lot, now)
        said.append((what, expected))
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
    tokens = state.ledgers.tokens[:, :, 0]
    close = pytest.approx
    assert tokens[HOLDERS:, USD].tolist() == close([x / WAD for x in plain.dai], rel=1e-9, abs=1e-9)
    assert tokens[HOLDERS:, ETH].tolist() == close([x / WAD for x in plain.gem], rel=1e-9, abs=1e-9)
    assert tokens[CASH, USD] == close(plain.gal / WAD, rel=1e-9, abs=1e-9)
    assert state.pool.touched.amount[0, 0] == close(plain.usr / WAD, rel=1e-9, abs=1e-9)
    assert {yes for _, yes in said} == {True, False}
