"""Rows of a group are carried out all or none: one place in the block, one bid, one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core.phase import Kind, Phase
from delever.core.state import State
from delever.core.tables import (
    BLOCK_BUILDERS,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    ORDER_OWNERS,
    REVERTED,
    WAITING,
)
from delever.engine.inclusion import Inclusion
from delever.engine.step import Phases, step
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state
from run.small import loan, one_market

GAS = 1e5
ETH = 1
POTS = 4


class Wanted(NamedTuple):
    """One row that somebody wants carried out: it takes one unit from a pot of its path."""

    pot: int
    kind: int = 0
    path: int = 0


Group = tuple[float, Sequence[Wanted]]  # bid [gwei] and rows; a single one has one row


class Take(Kind):
    """Takes one from a pot, or reverts where it is empty."""

    name = "take"
    gas = GAS

    def __init__(self, pots: np.ndarray, turn: int) -> None:
        self.pots, self.turns, self.log = pots, turn, Counter[tuple[int, int]]()

    def check(self, state: State, picked: np.ndarray) -> None:
        rows = state.transactions
        for i in picked:
            assert rows.state[i] == INCLUDED
            if self.pots[rows.ref[i], rows.path[i]] <= 0:
                rows.state[i] = REVERTED

    def execute(self, state: State, picked: np.ndarray) -> None:
        rows = state.transactions
        for i in picked:
            assert rows.state[i] == INCLUDED
            there = self.pots[rows.ref[i], rows.path[i]] > 0
            rows.state[i] = EXECUTED if there else REVERTED
            self.pots[rows.ref[i], rows.path[i]] -= there


class Crowd(Phase):
    """Offers its groups in the first block, and what waits again in later ones."""

    def __init__(self, groups: Sequence[Group], kinds: Sequence[Take]) -> None:
        self.groups, self.of = list(groups), kinds
        self.fate: dict[int, list[int]] = {}  # by group: states of its rows
        self.rows: list[tuple[int, int, int]] = []  # (group, first row, last row) of this block
        self.paid = 0.0

    def offer(self, state: State) -> None:
        n, rows = state.n_rows, state.transactions
        self.rows = []
        for number, (bid, wanted) in enumerate(self.groups):
            if number in self.fate or not wanted:
                continue
            state.room_for_rows(n + len(wanted))
            rows, first = state.transactions, n
            for want in wanted:
                rows.path[n], rows.kind[n], rows.state[n] = want.path, self.of[want.kind].number, OFFERED
                rows.ref[n], rows.actor[n], rows.bid[n] = want.pot, ORDER_OWNERS, bid
                rows.group[n] = first + 1 if len(wanted) > 1 else 0
                n += 1
            self.rows.append((number, first, n))
        state.n_rows = n

    def wake(self, state: State) -> None:
        for number, first, last in self.rows:
            states = state.transactions.state[first:last].tolist()
            if WAITING not in states:
                self.fate[number] = states


@cache
def model_of(room: int, mode: str) -> Model:
    """One market in which nothing happens; one block a step."""
    return assemble(one_market(loan("a", 10.0, 1000.0), execution={"mode": mode}, scenario={"paths": 2},
                               networks={"chain": {"block_time": 60, "room": room, "base_fee": 20}}))


def ready(groups: Sequence[Group], room: int = 100, mode: str = "sequential", pots: Any = 1
          ) -> tuple[Phases, State, Crowd, np.ndarray]:
    """A chunk in which these rows are offered."""
    model = model_of(room, mode)
    left = np.zeros((POTS, 2), np.int64)
    left[:] = np.asarray(pots).reshape(-1, 1) if np.ndim(pots) else pots
    chunk = phases(model, 2, ())
    kinds = [Take(left, turn) for turn in range(2)]
    every = [*chunk.kinds, *kinds]
    for number, kind in enumerate(every):
        kind.number = number
    crowd = Crowd(groups, kinds)
    chunk = replace(chunk, kinds=every, placing=[crowd], waiting=[*chunk.waiting, crowd],
                    inclusion=Inclusion(np.zeros(len(every), np.bool_), np.zeros(len(every), np.bool_), mode == "sequential"))
    return chunk, new_state(model, 0, 2, chunk), crowd, left


def play(groups: Sequence[Group], room: int = 100, mode: str = "sequential", pots: Any = 1
         ) -> tuple[Crowd, State, np.ndarray]:
    """One step of one block."""
    chunk, state, crowd, left = ready(groups, room, mode, pots)
    step(chunk, state)
    return crowd, state, left


MODES = pytest.mark.parametrize("mode", ["sequential", "batched"])
PAIR = (Wanted(0), Wanted(1, kind=1))


@MODES
def test_a_group_that_stands_is_carried_out_whole(mode: str) -> None:
    crowd, state, left = play([(30.0, PAIR)], mode=mode)
    assert crowd.fate == {0: [EXECUTED, EXECUTED]}
    assert left[:2, 0].tolist() == [0, 0]
    assert state.tally.reverted[0] == 0


@MODES
@pytest.mark.parametrize("empty", [0, 1])
def test_one_leg_that_does_not_hold_reverts_all_and_both_pay_their_gas(mode: str, empty: int) -> None:
    pots = [1, 1, 1, 1]
    pots[empty] = 0
    crowd, state, left = play([(30.0, PAIR)], mode=mode, pots=pots)
    assert crowd.fate == {0: [REVERTED, REVERTED]}
    assert left[:, 0].tolist() == pots
    assert state.tally.reverted[0] == 2
    assert state.ledgers.tokens[BLOCK_BUILDERS, ETH, 0] == pytest.approx(2 * GAS * 30e-9)


def test_who_bids_more_takes_what_a_group_needs_and_the_group_reverts() -> None:
    crowd, _, left = play([(30.0, PAIR), (31.0, [Wanted(1)])])
    assert crowd.fate == {0: [REVERTED, REVERTED], 1: [EXECUTED]}
    assert left[:2, 0].tolist() == [1, 0]


def test_a_group_that_bids_more_goes_first() -> None:
    crowd, _, _ = play([(30.0, [Wanted(1)]), (31.0, PAIR)])
    assert crowd.fate == {0: [REVERTED], 1: [EXECUTED, EXECUTED]}


def test_in_a_batch_groups_come_behind_the_singles_and_before_each_other_by_bid() -> None:
    groups = [(31.0, PAIR), (32.0, (Wanted(1), Wanted(2))), (30.0, [Wanted(0)])]
    crowd, _, _ = play(groups, mode="batched", pots=[1, 1, 1, 1])
    assert crowd.fate == {0: [REVERTED, REVERTED], 1: [EXECUTED, EXECUTED], 2: [EXECUTED]}


@MODES
def test_a_group_takes_one_place_in_the_block(mode: str) -> None:
    crowd, state, _ = play([(30.0, PAIR), (29.0, [Wanted(2)]), (28.0, [Wanted(3)])], room=2, mode=mode)
    assert crowd.fate == {0: [EXECUTED, EXECUTED], 1: [EXECUTED]}  # the third waits
    assert state.tally.unfit[0] == 1


@MODES
def test_a_group_behind_a_full_block_waits_as_a_whole_and_goes_in_later(mode: str) -> None:
    chunk, state, crowd, left = ready([(30.0, [Wanted(2)]), (29.0, PAIR)], room=1, mode=mode)
    step(chunk, state)
    assert crowd.fate == {0: [EXECUTED]}
    assert left[:2, 0].tolist() == [1, 1]
    assert state.ledgers.tokens[BLOCK_BUILDERS, ETH, 0] == pytest.approx(GAS * 30e-9)
    step(chunk, state)
    assert crowd.fate[1] == [EXECUTED, EXECUTED]


@MODES
def test_a_group_put_out_of_a_full_block_by_a_higher_bid_waits_as_a_whole(mode: str) -> None:
    crowd, state, left = play([(29.0, PAIR), (30.0, [Wanted(2)])], room=1, mode=mode)
    assert crowd.fate == {1: [EXECUTED]}
    assert state.transactions.state[:2].tolist() == [WAITING, WAITING]
    assert left[:2, 0].tolist() == [1, 1]


class Spoilt(Crowd):
    """The same, with one row of the first group changed after it is offered."""

    def __init__(self, base: Crowd, row: int, column: str, value: float) -> None:
        super().__init__(base.groups, base.of)
        self.row, self.column, self.value = row, column, value

    def offer(self, state: State) -> None:
        super().offer(state)
        getattr(state.transactions, self.column)[self.row] = self.value


@MODES
@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(("column", "value", "done"), [("state", NOTHING, False), ("bid", 19.0, None)])
def test_no_half_group_goes_in_because_one_row_is_nothing_or_bids_too_little(mode: str, row: int, column: str, value: float,
                                                                          done: bool | None) -> None:
    """The first one's bid is the group's; a row that is nothing takes the others with it."""
    chunk, state, crowd, left = ready([(30.0, PAIR)], mode=mode)
    spoilt = Spoilt(crowd, row, column, value)
    step(replace(chunk, placing=[spoilt], waiting=[spoilt]), state)
    carried_out = column == "bid" and row == 1
    assert left[:2, 0].tolist() == ([0, 0] if carried_out else [1, 1])
    assert EXECUTED not in state.transactions.state[:2] or carried_out
    assert state.ledgers.tokens[BLOCK_BUILDERS, ETH, 0] == pytest.approx(2 * GAS * 30e-9 if carried_out else 0.0)


def test_a_kind_that_reverts_what_its_check_let_pass_is_a_fault_of_the_program() -> None:
    class Careless(Take):
        def check(self, state: State, picked: np.ndarray) -> None:
            """Says nothing."""

    chunk, state, crowd, _ = ready([(30.0, PAIR)], pots=[1, 0, 1, 1])
    for kind in crowd.of:
        kind.__class__ = Careless
    with pytest.raises(RuntimeError, match="half of group 1 was carried out"):
        step(chunk, state)


def expected(groups: Sequence[Group], room: int, mode: str, pots: np.ndarray) -> tuple[dict[int, list[int]], np.ndarray, float]:
    """By plain words: fates, what is left in the pots, gas paid on path 0 and 1 together."""
    left, fate, gas = pots.copy(), {}, 0.0
    for path in range(2):
        mine = [n for n, (bid, wanted) in enumerate(groups) if wanted[0].path == path and bid >= 20.0]
        inside = sorted(mine, key=lambda n: (-groups[n][0], n))[:room]
        if mode == "batched":  # singles by kind, then groups
            inside.sort(key=lambda n: (1, 0) if len(groups[n][1]) > 1 else (0, groups[n][1][0].kind))
        for n in inside:
            bid, wanted = groups[n]
            stands = all(left[want.pot, path] > 0 for want in wanted)
            if stands:
                for want in wanted:
                    left[want.pot, path] -= 1
            fate[n] = [EXECUTED if stands else REVERTED] * len(wanted)
            gas += bid * 1e-9 * GAS * len(wanted)
    return fate, left, gas


def wants(path: int) -> st.SearchStrategy[Group]:
    """Rows of one group take from different pots."""
    pots = st.lists(st.integers(0, POTS - 1), min_size=1, max_size=3, unique=True)
    rows = pots.flatmap(lambda chosen: st.tuples(*[st.builds(Wanted, st.just(pot), st.integers(0, 1), st.just(path))
                                                   for pot in chosen]))
    return st.tuples(st.sampled_from([19.0, 20.0, 25.0, 30.0, 31.5]), rows)


@MODES
@settings(max_examples=150, deadline=None)
@given(groups=st.lists(st.one_of(wants(0), wants(1)), min_size=1, max_size=9), room=st.integers(1, 6),
       pots=st.lists(st.integers(0, 2), min_size=POTS, max_size=POTS))
def test_random_groups_and_singles_go_as_said_in_plain_words(mode: str, groups: list[Group], room: int, pots: list[int]) -> None:
    crowd, state, left = play(groups, room, mode, pots)
    fate, leaves, gas = expected(groups, room, mode, np.repeat(np.array(pots)[:, None], 2, axis=1))
    assert crowd.fate == fate
    assert left.tolist() == leaves.tolist()
    assert state.ledgers.tokens[BLOCK_BUILDERS, ETH].sum() == pytest.approx(gas)
    for states in crowd.fate.values():
        assert len(set(states)) == 1  # all or none
