"""Pools that keep their fees: trade after trade what the pair does in whole numbers, each path with a pool of its own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from delever.core.tables import ORDER_OWNERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import stress
from run.small import loan, one_market, steps, unlike

BASE, QUOTE, FEE, MARKET = 1000.0, 1e6, 0.003, 1
POOL = {"kind": "constant_product", "pair": "ETH/DAI", "reserves": {"ETH": BASE, "DAI": QUOTE}, "fee": FEE, "keeps_fee": True}


def world(*events: Any, **changes: Any) -> World:
    """One pool of ETH and DAI, into which orders for either are sold."""
    scenario = {"events": list(events)} | changes.pop("scenario", {})
    assets = {"DAI": {"price": 1.0}, "ETH": {"peg": "DAI", "ratio": 1000.0}}
    venues = {"eth": POOL | changes.pop("pool", {})}
    return one_market(loan("a", 1.0, 1e-3), **{"assets": assets, "venues": venues, "scenario": scenario} | changes)


def order(text: str, minute: int) -> dict[str, Any]:
    return {"at": 60 * minute, "kind": "order", "order": text}


class Pair:
    """What the contract holds, all of what comes in counted."""

    def __init__(self) -> None:
        self.held = {"ETH": Fraction(BASE), "DAI": Fraction(QUOTE)}

    def swap(self, sold: str, units: float) -> float:
        """What these units bring."""
        bought = "DAI" if sold == "ETH" else "ETH"
        into, counted = self.held[sold], Fraction(units) * Fraction(997, 1000)
        out = counted * self.held[bought] / (into + counted)
        self.held[sold], self.held[bought] = into + Fraction(units), self.held[bought] - out
        return float(out)


def test_one_after_the_other_they_trade_as_the_pair_does_and_leave_its_price() -> None:
    sales = [("ETH", 300.0), ("DAI", 20_000.0), ("DAI", 400_000.0), ("ETH", 3.0), ("ETH", 5000.0), ("DAI", 9e6)]
    run, pair, had = world(*(order(f"sell {units} {name}" + (" for ETH" if name == "DAI" else ""), k)
                             for k, (name, units) in enumerate(sales))), Pair(), np.zeros(2)
    for (model, state), (name, units) in zip(steps(run), sales, strict=False):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        has = state.ledgers.tokens[ORDER_OWNERS, [model.layout.asset("DAI"), model.layout.asset("ETH")], 0]
        assert (has - had)[int(name == "DAI")] == pytest.approx(pair.swap(name, units), rel=1e-11)
        price = float(pair.held["DAI"] / pair.held["ETH"])
        assert np.exp(state.markets.price[MARKET, 0]) == pytest.approx(price, rel=1e-12)
        had = has


def test_to_and_fro_the_pool_earns_the_fee_and_is_deeper() -> None:
    orders = order("sell 500 ETH", 0), order("sell 332221.9 DAI for ETH", 1), order("sell 10 ETH", 2)
    run, plain = world(*orders), world(*orders, pool={"keeps_fee": False})
    depth = [float(state.profiles.liquidity[state.markets.profile[MARKET, 0], 0]) for _, state in steps(run)]
    assert depth[0] == pytest.approx(np.sqrt(BASE * QUOTE + 1.5 * QUOTE / (1.0 + 0.5 * (1 - FEE))), rel=1e-12)
    assert depth[0] < depth[1] < depth[2]
    for _, state in steps(plain):
        assert state.profiles.liquidity[state.markets.profile[MARKET, 0], 0] == np.sqrt(BASE * QUOTE)


def test_what_outsiders_trade_back_pays_no_fee() -> None:
    moving = {"scenario": {"prices": {"kind": "lognormal", "volatility": {"ETH": 3.0}}, "paths": 3}}
    kept, paid_out = (world(pool={"half_life": 60, "keeps_fee": keeps}, **moving) for keeps in (True, False))
    assert unlike(stress(kept, keep=False).paths, stress(paid_out, keep=False).paths) == []


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_each_path_has_a_pool_of_its_own_and_no_bit_depends_on_the_chunk(mode: str) -> None:
    moving = world(order("sell 300 ETH", 1), order("sell 20000 DAI for ETH", 2), order("sell 90 ETH", 2), order("sell 5 ETH", 4),
                   pool={"half_life": 300}, execution={"mode": mode},
                   scenario={"paths": 4, "prices": {"kind": "lognormal", "volatility": {"ETH": 1.0}}})
    whole = stress(moving, keep=False)
    assert len(set(whole.paths["last_price.ETH/DAI"].to_pylist())) == 4
    for chunk in (1, 3):
        assert unlike(whole.paths, stress(moving, keep=False, chunk=chunk, threads=1).paths) == []
    for _, state in steps(moving):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT


@pytest.mark.parametrize(("changes", "message"), [
    ({"pool": {"follows": True}}, r"venues\.eth:? has keeps_fee and follows; makers who re-centre a pool choose what it holds"),
    ({"venues": {"eth": POOL, "other": POOL | {"keeps_fee": False}}}, r"venues\.eth:? is one market with other: 'eth'; write"),
])
def test_pools_whose_holdings_are_not_their_own_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        world(**changes)
