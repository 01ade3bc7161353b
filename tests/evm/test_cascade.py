"""A whole cascade on the real contracts, and the same world in delever: the same accounts in the same order, the same deficit.

Aave's pool of 3.6 lends DAI against two collaterals. Each has a pair of Uniswap v2 with DAI, whose spot price the pool sees at
once, and into which whoever liquidates sells what he seizes. In each of 40 blocks:

    1  the accounts with a health factor below 1 are noted, in the order of the book
    2  one after the other: who is still unhealthy is called, by the collateral on which the call earns most (what is repaid x
       the bonus; of equals the first), for as much as the pool lets it repay; where that leaves dust, for the most that leaves
       none; where that is nothing, not at all. What the call brings is sold into the pair at once: the next sees that price
    3  the orders of the block are sold into their pairs

In the contracts all of that is asked of themselves: health factors, what a trial of a call repays and whether it is refused, what
the pairs hold. In delever it is liquidators of rule `always`, sequential blocks without a network, feeds of kind `market`, and
pools that keep their fees. Tolerance: 1e-9 relative of every amount; the pool sees prices in whole 1e-8 USD.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from delever import worlds
from delever.core.tables import DEFICIT, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.recorder import TAKEN, Recorder
from delever.run.start import new_state
from evm.cascade import BLOCKS, COLLATERALS, WHOLE, Call, Contracts, Drawn, Told, drawn
from evm.packages import contracts
from run.small import book

SEEDS, MINUTE = 24, 60


@cache
def deployed() -> Contracts:
    """Once for all seeds of a worker."""
    return Contracts(contracts("aave_v3_6"))


def in_delever(world: Drawn, keeps_fee: bool = True) -> World:
    """The same world; DAI is USD."""
    legs = [(one.name, name, "collateral", units / WHOLE) for one in world.borrowers for name, units in one.held.items()]
    legs += [(one.name, "USD", "debt", one.owed / WHOLE) for one in world.borrowers]
    terms = {name: {"liquidation_threshold": t.threshold / 1e4, "incentive": t.bonus / 1e4 - 1.0, "protocol_fee": world.fee / 1e4}
             for name, t in world.terms.items()}
    orders = [{"kind": "order", "at": (block - 1) * MINUTE,
               "order": {"side": "sell", "amount": units / WHOLE, "asset": name, "into": "USD"}}
              for block, name, units in world.orders]
    return worlds.load({
        "as_of": "2026-01-01T00:00:00Z",
        "assets": {name: {"price": t.dai / t.pooled} for name, t in world.terms.items()},
        "protocols": {"aave": {"rules": "aave.v3_3", "book": book(legs, "aave"),
                               "parameters": terms | {"USD": {"liquidation_threshold": 0.8, "incentive": 0.05}}}},
        "feeds": {name: {"kind": "market", "of": f"{name}/USD"} for name in COLLATERALS},
        "oracles": {"aave": {name: name for name in COLLATERALS}},
        "venues": {name: {"kind": "constant_product", "pair": f"{name}/USD", "fee": 0.003, "keeps_fee": keeps_fee,
                          "reserves": {name: t.pooled / WHOLE, "USD": t.dai / WHOLE}} for name, t in world.terms.items()},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "scenario": {"horizon": BLOCKS * MINUTE, "step": MINUTE, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": orders}})


def told(world: World) -> Told:
    """What happens in it, conserving value in every block."""
    model = assemble(world)
    acting = phases(model, 1, ())
    recorder, state = Recorder(model, list(acting.kinds), TAKEN, {}), new_state(model, 0, 1, acting)
    acting = replace(acting, recorder=recorder)
    deficit, prices = [], []
    for _ in range(model.steps):
        step(acting, state)
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        deficit.append(float(state.ledgers.booked[DEFICIT].sum()))
        prices.append(np.exp(state.markets.price[:len(COLLATERALS), 0]).tolist())
    rows = recorder.table().to_pylist()
    calls = [Call(row["step"], row["about"], row["gets"], row["give"], row["get"], row["kept"])
             for row in rows if row["kind"] == "liquidation" and row["outcome"] == "executed"]
    return Told(calls, deficit, prices, [row["get"] for row in rows if row["kind"] == "order"])


def sequence(found: Told) -> list[tuple[int, str, str]]:
    """Who was called in which block, for what, in order."""
    return [(call.block, call.account, call.collateral) for call in found.calls]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_cascade_is_the_contracts_call_by_call(seed: int) -> None:
    world = drawn(seed)
    theirs, ours = deployed().run(world), told(in_delever(world))
    assert len(world.borrowers) >= 200 and len(theirs.calls) >= 250 and theirs.written_off >= 5
    assert sequence(ours) == sequence(theirs)
    for one, other in zip(ours.calls, theirs.calls, strict=True):
        assert (one.repaid, one.seized) == pytest.approx((other.repaid, other.seized), rel=1e-9), other
        assert one.kept == pytest.approx(other.kept, rel=1e-9, abs=1e-9 * other.seized), other
    assert ours.deficit[-1] == pytest.approx(theirs.deficit[-1], rel=1e-9)
    assert ours.deficit == pytest.approx(theirs.deficit, rel=1e-9, abs=1e-9 * theirs.deficit[-1])
    assert ours.orders == pytest.approx(theirs.orders, rel=1e-9)
    assert np.array(ours.prices) == pytest.approx(np.array(theirs.prices), rel=1e-9)


def test_where_the_fee_is_paid_out_of_the_pools_the_cascade_is_another() -> None:
    for seed in range(3):
        world = drawn(seed)
        theirs, ours = deployed().run(world), told(in_delever(world, keeps_fee=False))
        assert sequence(ours) != sequence(theirs)
        assert abs(ours.deficit[-1] / theirs.deficit[-1] - 1.0) > 1e-4


def test_some_first_offers_would_have_left_dust() -> None:
    assert deployed().run(drawn(2)).mended >= 5
