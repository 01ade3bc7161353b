"""The boundary index finds exactly those whom a look at every account finds, at every moment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.core import seen_prices
from delever.core.state import State
from delever.core.tables import CLAIM_ROWS, DUE, SLOTS
from delever.engine import boundary
from delever.engine.step import see
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.chunk import run_state
from delever.run.start import new_state
from reference.worlds import random_world
from run.small import Leg, Mapping, everything, one_market

Claim = tuple[int, int]  # path, account


def dense(state: State) -> list[Claim]:
    """Everybody with HF < 1 on the paths of the block: all accounts, in plain Python, leg by leg.

    Who has been looked at and has nothing left that backs his debt is left out: there is nothing to call, ever again.
    """
    book, reserves, touched, found = state.book, state.reserves, state.pool.touched, []
    first, stamp = int(book.first_debt[0]), state.seen.stamp.copy()
    every = np.flatnonzero(state.active)
    seen_prices.price_paths(every, np.arange(state.paths), state.seen, state.tree, state.markets.price)
    price = state.seen.price.copy()
    state.seen.stamp[:] = stamp  # as if nobody had looked
    for p in every:
        amount, known = book.amount.copy(), set()
        for slot in range(int(state.watch.counts[SLOTS])):
            if touched.path[slot] == p:
                amount[touched.account[slot]] = touched.amount[slot]
                known.add(int(touched.account[slot]))
        for account, row in enumerate(amount):
            g, backing, debt, something = book.signature[account], 0.0, 0.0, False
            for k in range(book.collaterals[g]):
                r = book.reserve[g, k]
                counts = book.threshold[g, k] * reserves.counted[book.term[g, k], p]
                backing += row[k] * reserves.supply_index[r, p] * price[p, r] * counts
                something |= row[k] > 0.0
            for k in range(first, first + book.debts[g]):
                r = book.reserve[g, k]
                debt += row[k] * reserves.borrow_index[r, p] * price[p, r]
                something |= row[k] < 0.0
            if backing < debt and (something or account not in known):
                found.append((int(p), account))
    return found


def claims(state: State) -> list[Claim]:
    """Those whom the last search found, in its order."""
    touched = state.pool.touched
    slots = [int(key) & 0xFFFFFFFF for key in state.pool.claim[:int(state.watch.counts[CLAIM_ROWS])]]
    return [(int(touched.path[slot]), int(touched.account[slot])) for slot in slots]


# ---- inside of whole runs ---------------------------------------------------------------------------------------


def watched(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the world; in every block the search must find whom a dense scan finds. How many that were, in all."""
    search, found = boundary.search, []

    def both(state: State) -> None:
        expected = dense(state)
        search(state)
        assert claims(state) == expected, f"step {state.step}, block {state.block}"
        found.append(len(expected))

    monkeypatch.setattr(boundary, "search", both)
    run_state(assemble(world), 0, world.scenario.paths, [])
    assert found
    return sum(found)


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_in_random_worlds(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades, top-ups, interest, late feeds, e-modes, signed remainders: whatever the engine does to accounts."""
    assert sum(watched(random_world(seed), monkeypatch) for seed in range(first, first + 15)) > 100


def with_moving_terms(world: World, seed: int) -> World:
    """Thresholds that follow volatility, up and down, faster than any vote, and a vote on one category in the middle."""
    rng, policies = np.random.default_rng(seed), {}
    for name in world.lending:
        policies[f"moves {name}"] = {
            "kind": "dynamic_terms", "protocol": name, "term": "threshold", "follows": "realised_volatility", "usual": 0.8,
            "elasticity": float(rng.uniform(-0.4, 0.2)), "least": 0.7, "most": 1.1, "every": world.scenario.step,
            "half_life": 3 * world.scenario.step, "speed": None if rng.random() < 0.5 else 1.0,
            "notice": float(rng.choice([0.0, 2.0])) * world.scenario.step}
    return world.replace("policies", {**world.policies, **policies})


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_in_random_worlds_whose_terms_move(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that moves is a move of a series: nobody is touched, and nobody is missed."""
    assert sum(watched(with_moving_terms(random_world(seed), seed), monkeypatch) for seed in range(first, first + 15)) > 100


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_where_everything_happens_at_once(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(everything(mode, paths=3), monkeypatch) > 50


# ---- driven by hand: prices jump, interest runs, accounts change ------------------------------------------------


ASSETS = ["A", "B", "C", "D"]


def crowd(rng: np.random.Generator, accounts: int, interest: bool) -> World:
    """Accounts of one to three collaterals and debts each, some the same on both sides, some with a signed remainder."""
    legs: list[Leg] = []
    for i in range(accounts):
        backing, held = 0.0, list(rng.choice(ASSETS, rng.integers(1, 4), replace=False))
        for asset in held:
            value = 10.0 ** rng.uniform(1.0, 6.0)
            legs.append((f"a{i}", asset, "collateral", value))
            backing += 0.8 * value
        rest = 0.0
        if rng.random() < 0.4:
            side, rest = str(rng.choice(["collateral", "debt"])), float(rng.uniform(-0.3, 0.3)) * backing
            legs.append((f"a{i}", "R", f"rest of {side}", rest))
            rest = 0.5 * rest if side == "collateral" else -rest
        owed = max(backing + rest, 0.01 * backing) / rng.choice([rng.uniform(0.9, 1.0), rng.uniform(1.0, 1.1),
                                                                 rng.uniform(1.0, 3.0), 1.0 + 1e-9])
        split = rng.dirichlet(np.ones(len(owing := list(rng.choice(ASSETS, rng.integers(1, 3), replace=False)))))
        legs += [(f"a{i}", asset, "debt", owed * part) for asset, part in zip(owing, split, strict=True)]
    rates: Mapping = {asset: {"supply_rate": float(rng.uniform(0, 5)), "borrow_rate": float(rng.uniform(0, 9))}
                      for asset in ASSETS} if interest else {}
    terms = {asset: {"liquidation_threshold": 0.8, "incentive": 0.05, **rates.get(asset, {})} for asset in ASSETS}
    return one_market(legs, assets={name: {"price": 1.0} for name in ("ETH", *ASSETS)} | {
        "R": {"price": 1.0, "seizable": False}}, parameters=terms)


def moments(world: World, paths: int, moves: np.ndarray, rng: np.random.Generator, active: float = 1.0) -> Iterator[State]:
    """After each search: log prices moved by moves[k] [assets, P], interest ran, some of those found changed.

    active: share of the paths that take part in a block.
    """
    model = assemble(world)
    state = new_state(model, 0, paths)
    growth = np.stack([model.positions.supply_rate, model.positions.borrow_rate])[:, :, None] * 86400.0 * rng.uniform(0, 2, paths)
    feeds = [model.oracles.names.index(f"market {asset}/USD") for asset in ASSETS if f"market {asset}/USD" in
             model.oracles.names]
    for k, move in enumerate(moves):
        state.feeds.answer[feeds] += move[:len(feeds)]
        logs = growth * k
        state.reserves = state.reserves._replace(log_supply=logs[0], log_borrow=logs[1], supply_index=np.exp(logs[0]),
                                                 borrow_index=np.exp(logs[1]))
        state.active[:] = rng.random(paths) < active
        state.n_rows = 0
        see(state)
        expected = dense(state)
        boundary.search(state)
        assert claims(state) == expected
        yield state
        slots = [int(key) & 0xFFFFFFFF for key in state.pool.claim[:int(state.watch.counts[CLAIM_ROWS])]]
        for slot in slots:  # as settlement does: some are mended, some in part, some made worse, some cleared
            state.pool.touched.amount[slot] *= rng.choice([1.0, 0.5, 1.0, 0.0], len(state.pool.touched.amount[slot]))
        boundary.put_back(state)


def walk(rng: np.random.Generator, steps: int, paths: int, size: float) -> np.ndarray:
    """[steps, assets, P]: small moves, and now and then a crash or a rally far beyond a turn of the wheel."""
    moves = rng.normal(0.0, size, (steps, len(ASSETS), paths))
    return moves + np.where(rng.random(moves.shape) < 0.03, rng.normal(0.0, 0.8, moves.shape), 0.0)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1e-7, 1e-4, 0.01, 0.1]), st.booleans())
def test_under_random_moves(seed: int, size: float, interest: bool) -> None:
    rng = np.random.default_rng(seed)
    for _ in moments(crowd(rng, int(rng.integers(1, 40)), interest), 3, walk(rng, 25, 3, size), rng, 0.9):
        pass


def test_a_quiet_moment_looks_at_nobody() -> None:
    """Moves of 1e-4 within a margin of 0.01 and nobody below 1: no account is touched, none is looked at."""
    rng = np.random.default_rng(1)
    legs = [leg for i in range(50) for leg in ((f"a{i}", "A", "collateral", 1e3), (f"a{i}", "B", "debt", 790.0 - i))]
    world = one_market(legs, assets={name: {"price": 1.0} for name in ("ETH", *ASSETS)},
                       parameters={asset: {"liquidation_threshold": 0.8, "incentive": 0.05} for asset in ASSETS})
    for state in moments(world, 8, rng.uniform(-1e-4, 1e-4, (40, len(ASSETS), 8)), rng):
        assert (int(state.watch.counts[SLOTS]), int(state.watch.counts[DUE])) == (0, 0)
        assert not state.tally.looked.any()


def test_the_oldest_price_is_forgotten_by_nobody() -> None:
    """There and back again: an account comes into reach at the same price however long the way."""
    world = one_market([("a", "A", "collateral", 1e3), ("a", "B", "debt", 700.0)],
                       assets={name: {"price": 1.0} for name in ("ETH", *ASSETS)},
                       parameters={asset: {"liquidation_threshold": 0.8, "incentive": 0.05} for asset in ASSETS})
    way = [-0.13, 2.0, -2.0, -0.0035, 0.0, 5.0, -5.0, 0.003, -0.003, -1e-4]  # ln(0.8 / 0.7) = 0.133531: the last one
    moves = np.zeros((len(way), len(ASSETS), 1))
    moves[:, 0, 0] = way
    found = [int(state.watch.counts[CLAIM_ROWS]) for state in moments(world, 1, moves, np.random.default_rng(1))]
    assert found == [0] * 9 + [1]
