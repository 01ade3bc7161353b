"""Runs with Liquity v2: the same bits in chunks of any size, whoever bids, full blocks, several stablecoins, what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.analysis import criticality
from delever.core.tables import EXECUTED, SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.protocols.liquity_system import POOL, REDEEMED, REDEMPTIONS
from delever.protocols.liquity_v2 import LiquityV2Phase
from delever.protocols.liquity_v2_branch import DOWN_AT, URGENT
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from delever.run.warm import every_kernel
from protocols.liquity_v2_worlds import PRICE, Trove, started, stated, troves, world

PATHS = 4


def many(count: int = 12) -> list[Trove]:
    """So many troves a branch: log-normal collateral, ratios of 125 to 260 %, rates of 0.5 to 20 % (assumptions)."""
    rng = np.random.default_rng(7)
    return [Trove(name, float(held), float(held * price / ratio), float(rate)) for name, price in PRICE.items()
            for held, ratio, rate in zip(rng.lognormal(2.0, 1.0, count), rng.uniform(1.25, 2.6, count),
                                         rng.uniform(0.005, 0.2, count), strict=True)]


def crash(**changes: Any) -> World:
    """Pools, redemptions, sales, interest and a shutdown in one run of half an hour."""
    rules = {"stability_pool": {"WETH": 20_000, "wstETH": 5000}, "redemptions": True, "pool_sells": 0.5}
    made = world(*many(), change={"WETH": -0.3, "wstETH": -0.4, "rETH": -0.2}, bold=0.97, depth=1e6, rules=rules, **changes)
    return made.replace("scenario.horizon", "30 min").replace("scenario.paths", PATHS).replace(
        "scenario.prices.volatility", {**dict.fromkeys(PRICE, 2.0), "BOLD": 0.2})


def bits(run: World, chunk: int) -> list[str]:
    """A hash of what each path ends with."""
    model, out = assemble(run), []
    for first in range(0, PATHS, chunk):
        acting = phases(model, chunk, ())
        state = new_state(model, first, chunk, acting)
        for _ in range(model.steps):
            step(acting, state)
            assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
        rules = next(phase for phase in acting.rules if isinstance(phase, LiquityV2Phase))
        for p in range(chunk):
            own = [np.ascontiguousarray(table[..., p]).tobytes() for table in (state.ledgers.tokens, state.ledgers.booked)]
            for (s, _), branch in zip(rules.systems, rules.branches, strict=True):
                own += [table[p].tobytes() for table in (s.coll, s.debt, s.stake, s.surplus, s.sums)]
                own += [table[p].tobytes() for table in (branch.principal, branch.now)]
            out.append(hashlib.sha256(b"".join([*own, rules.registries[0].now[p].tobytes()])).hexdigest())
    return out


def test_chunks_of_any_size_end_with_the_same_bits() -> None:
    whole = bits(crash(), PATHS)
    assert len(set(whole)) == PATHS
    assert bits(crash(), 1) == whole and bits(crash(), 2) == whole


KEEPERS = {"kind": "keepers", "capital": {"USD": 0.0, "WETH": 50.0, "BOLD": 300.0}}
STAKED = {"kind": "redeemers", "asset": "cbETH", "capital": 100, "delay": "2 min"}


@pytest.mark.parametrize("who", ["keepers", "holders", "with redeemers of another asset", "one after the other"])
def test_whoever_bids_on_them_value_is_conserved(who: str) -> None:
    """A keeper of 300 BOLD takes part of a redemption; one who keeps what he gets sells a basket all the same."""
    rules, change = {"redemptions": True, "stability_pool": {"WETH": 20_000}}, {"WETH": -0.2, "wstETH": -0.4}
    if who in ("keepers", "holders"):
        change = {"WETH": -0.05}  # no branch is shut down, which would pay him better
    given = stated(troves(*many()), rules, change, 0.97, 1e6)
    if who in ("keepers", "holders"):
        given["actors"] = {"keepers": {**KEEPERS, "flash": False, "inventory": "hold" if who == "holders" else "dump"}}
    if who == "one after the other":
        given["execution"] = {"mode": "sequential"}
    if who == "with redeemers of another asset":
        given["assets"]["cbETH"] = {"peg": "WETH", "ratio": 0.98, "rate": 1.0}
        given["venues"]["cbeth"] = {"kind": "log_linear", "pair": "cbETH/WETH", "depth": 1e4, "half_life": 600}
        given["scenario"]["prices"]["volatility"]["cbETH"] = 0.0
        given["actors"]["redeemers"] = STAKED
    chunk, state, rules = started(worlds.load(given))
    given_in = []
    for _ in range(4):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
        rows = state.transactions
        kinds = np.isin(rows.kind[:state.n_rows], (rules.redemption.number, rules.urgent.number))
        mine = np.flatnonzero((rows.state[:state.n_rows] == EXECUTED) & kinds)
        given_in += rows.give[mine].tolist()
    told = [float(system.told[REDEEMED, 0] + branch.told[URGENT, 0])
            for (system, _), branch in zip(rules.systems, rules.branches, strict=True)]
    assert sum(given_in) == pytest.approx(sum(told)) and sum(told) > 0.0
    if who == "keepers":
        assert given_in[0] == pytest.approx(300.0)


@pytest.mark.parametrize("room", [1, 3])
def test_full_blocks_let_so_many_calls_and_redemptions_through(room: int) -> None:
    full = crash(networks={"chain": {"kind": "blocks", "block_time": 60, "room": room, "base_fee": 20, "native": "WETH"}})
    chunk, state, rules = started(full)
    before = 36.0
    for _ in range(10):
        step(chunk, state)
        assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-10
        now = sum(float(system.sums[0, 7]) for system, _ in rules.systems)
        assert before - now <= room
        before = now
    assert before < 36.0


def test_two_stablecoins_are_redeemed_apart() -> None:
    """What one protocol's pools do not cover says nothing of another's, nor of another stablecoin of the same."""
    legs = [{"account": f"{asset}{i}", "asset": name, "side": side, "amount": amount}
            for asset in ("BOLD", "OTHER") for i in range(2)
            for name, side, amount in (("WETH", "collateral", 100.0), (asset, "debt", 40_000.0))]
    given = stated(troves(*many(1)), {"redemptions": True, "stability_pool": {"WETH": 50_000}}, {}, 0.9, 1e5)
    given["assets"]["OTHER"] = {"peg": "USD", "ratio": 1.0}
    given["venues"]["other"] = {"kind": "log_linear", "pair": "OTHER/USD", "depth": 1e5, "half_life": 600}
    given["feeds"]["two"], given["oracles"]["bold"]["OTHER"] = {"kind": "fixed", "of": "OTHER/USD", "answer": 1.0}, "two"
    given["scenario"]["prices"]["volatility"]["OTHER"] = 0.0
    terms = {"liquidation_threshold": 0.0, "incentive": 0.0}
    given["protocols"]["bold"] |= {"book": Book.from_table(pa.Table.from_pylist(legs), protocol="bold"), "parameters": {
        "WETH": {"liquidation_threshold": 1.0 / 1.1, "incentive": 0.0}, "BOLD": terms, "OTHER": terms}}
    chunk, state, rules = started(worlds.load(given))
    step(chunk, state)
    assert len(rules.registries) == len(rules.systems) == 2
    bold, other = (system for system, _ in rules.systems)
    assert bold.told[REDEEMED, 0] > 0.0 == other.told[REDEEMED, 0] and bold.told[REDEMPTIONS, 0] == 1.0
    assert bold.sums[0, POOL] == other.sums[0, POOL] == 50_000.0


def test_a_shutdown_is_for_good() -> None:
    """rETH falls below SCR and is back ten minutes later: nothing is lent or redeemed any more but urgently."""
    there_and_back = [{"kind": "price", "at": 0, "over": 60, "change": {"rETH": -0.5}},
                      {"kind": "price", "at": 120, "over": 60, "change": {"rETH": "150 %"}}]
    rows = Trove("WETH", 10.0, 5000.0), Trove("rETH", 10.0, 10_000.0), Trove("rETH", 10.0, 9000.0)
    chunk, state, rules = started(world(*rows, bold=0.9, depth=1e5, rules={"redemptions": True}).replace(
        "scenario.events", there_and_back))
    for _ in range(6):
        step(chunk, state)
    number = [rules.assets[system.of[0]] for system, _ in rules.systems].index("rETH")
    assert rules.branches[number].now[0, DOWN_AT] == 60.0
    assert rules.systems[number].system.told[REDEEMED, 0] == 0.0


def test_a_look_at_the_book_leaves_the_owner_what_is_his() -> None:
    """At -20 % 10 WETH are worth 16,000 and owe 15,000: 5 % more than that and the caller's half per cent are taken."""
    model = assemble(world(Trove("WETH", 10.0, 15_000.0), Trove("WETH", 100.0, 15_000.0)))
    _, state, rules = started(world(Trove("WETH", 10.0, 15_000.0), Trove("WETH", 100.0, 15_000.0)))
    price = model.seen_price() * np.where([asset == "BOLD" for _, asset in model.positions.reserves], 1.0, 0.8)
    found = rules.liquidatable(model.positions.tables, state.reserves, price)
    assert found.seize.tolist() == [pytest.approx(0.05 + 15_000.0 * 1.05 / 1600.0), 0.0]
    assert found.repay.tolist() == [15_000.0, 0.0]
    sells = criticality(world(*many(), rules={"pool_sells": 0.5}), "WETH", "-40%..0%")
    assert max(sells.pace["forced_usd"].to_pylist()) > 0.0 and any("redeemed" in line for line in sells.said)


# ------------------------------------------------------------- what is refused

def mistake(*rows: Trove, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        started(world(*rows, **changes))
    return str(caught.value)


def test_a_rate_is_one_that_a_trove_may_state() -> None:
    for rate, wrong in ((2.5, False), (2.501, True), (0.0, False), (-0.01, True)):
        if wrong:
            said = mistake(Trove("WETH", 10.0, 5000.0, rate))
            assert "protocols.bold.book" in said and "t0" in said and f"pays {rate:g} a year" in said and "from 0 to 2.5" in said
        else:
            started(world(Trove("WETH", 10.0, 5000.0, rate)))


def test_what_is_set_aside_is_a_collateral() -> None:
    said = mistake(Trove("rETH", 10.0, 5000.0))
    assert "protocols.bold.rules.set_aside_asset" in said and "WETH" in said and "rETH" in said
    started(world(Trove("rETH", 10.0, 5000.0), rules={"set_aside_asset": "rETH"}))
    started(world(Trove("rETH", 10.0, 5000.0), rules={"set_aside_asset": None}))


@pytest.mark.parametrize("field", ["spread_penalty", "shutdown_ratio"])
def test_terms_are_of_collaterals_that_somebody_borrows_against(field: str) -> None:
    said = mistake(Trove("WETH", 10.0, 5000.0), rules={field: {"BTC": 1.2 if field == "shutdown_ratio" else 0.2}})
    assert f"protocols.bold.rules.{field}" in said and "BTC" in said and "nobody holds it" in said


def test_a_few_accounts_of_a_large_book_are_enough_to_make_kernels_ready() -> None:
    every_kernel(assemble(world(*many(40))))
