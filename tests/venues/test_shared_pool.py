"""Two pairs of one StableSwap pool: what one trades the other sees, as in the contract; each path has curves of its own."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest

from delever.core.tables import ORDER_OWNERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import stress
from run.small import loan, one_market, steps, unlike

START = {"DAI": 1000.0, "USDC": 1200.0, "USDT": 700.0}
POOL = {"kind": "stableswap", "pool": "three", "A": 100, "fee": 0.0, "balances": START}


def world(*events: Any, **changes: Any) -> World:
    """A pool of three, of which the two pairs against DAI are venues."""
    assets = {"ETH": {"price": 1000.0}, "DAI": {"price": 1.0}, "USDC": {"peg": "DAI", "ratio": 1.0},
              "USDT": {"peg": "DAI", "ratio": 1.0}}
    venues = {"usdc": POOL | {"pair": "USDC/DAI"}, "usdt": POOL | {"pair": "USDT/DAI"}}
    scenario = {"events": list(events)} | changes.pop("scenario", {})
    return one_market(loan("a", 1.0, 100.0), **{"assets": assets, "venues": venues, "scenario": scenario} | changes)


def order(text: str, minute: int) -> dict[str, Any]:
    return {"at": 60 * minute, "kind": "order", "order": text}


class Contract:
    """The pool in forty digits: get_D once, get_y for each exchange."""

    def __init__(self) -> None:
        self.held = {name: Decimal(units) for name, units in START.items()}
        self.ann, total, d = Decimal(300), sum(self.held.values()), sum(self.held.values())
        for _ in range(100):
            product = d
            for units in self.held.values():
                product *= d / (3 * units)
            d = (self.ann * total + 3 * product) * d / ((self.ann - 1) * d + 4 * product)
        self.d = d

    def exchange(self, sold: str, bought: str, units: float) -> float:
        """What selling these units brings."""
        self.held[sold] += Decimal(units)
        others = [held for name, held in self.held.items() if name != bought]
        c = self.d**4 / (27 * others[0] * others[1] * self.ann)
        b = sum(others) + self.d / self.ann - self.d
        after = ((b * b + 4 * c).sqrt() - b) / 2
        before, self.held[bought] = self.held[bought], after
        return float(before - after)


def dai(run: World) -> list[float]:
    """DAI that orders have brought after every step, conserving value."""
    out = []
    for model, state in steps(run):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        out.append(float(state.ledgers.tokens[ORDER_OWNERS, model.layout.asset("DAI"), 0]))
    return out


def test_one_after_the_other_they_trade_as_the_contract_does() -> None:
    sales = [("USDC", 300.0), ("USDT", 250.0), ("USDC", 100.0), ("USDT", 5.0)]
    got = np.diff([0.0, *dai(world(*(order(f"sell {units} {name}", k) for k, (name, units) in enumerate(sales))))])
    with localcontext() as context:
        context.prec = 40
        pool = Contract()
        for brought, (name, units) in zip(got, sales, strict=False):
            assert brought == pytest.approx(pool.exchange(name, "DAI", units), rel=5e-5)


def test_alone_a_pair_does_not_move_the_other() -> None:
    venues = {name: {k: v for k, v in POOL.items() if k != "pool"} | {"pair": f"{name.upper()}/DAI"} for name in ("usdc", "usdt")}
    events = [order("sell 300 USDC", 0), order("sell 250 USDT", 1)]
    alone, shared = dai(world(*events, venues=venues)), dai(world(*events))
    assert alone[0] == pytest.approx(shared[0], rel=1e-12)
    assert alone[1] > shared[1] * 1.001


def test_the_price_of_the_other_pair_is_that_of_the_pool_at_once() -> None:
    found = [state for _, state in steps(world(order("sell 300 USDC", 0)))]
    price = np.exp(found[-1].markets.price[:, 0])
    with localcontext() as context:
        context.prec = 40
        pool = Contract()
        pool.exchange("USDC", "DAI", 300.0)
        rate = pool.exchange("USDT", "DAI", 1e-9) / 1e-9
    assert price[3] == pytest.approx(rate, rel=1e-8)


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_each_path_has_curves_of_its_own_and_no_bit_depends_on_the_chunk(mode: str) -> None:
    sales = order("sell 300 USDC", 1), order("sell 50 USDT for USDC", 2), order("sell 100 USDT", 4)
    moving = world(*sales, execution={"mode": mode},
                   venues={name: POOL | {"pair": f"{name.upper()}/DAI", "half_life": 300} for name in ("usdc", "usdt")},
                   scenario={"paths": 4, "prices": {"kind": "lognormal", "volatility": {"USDC": 0.3, "USDT": 0.3}}})
    whole = stress(moving, keep=False)
    assert len(set(whole.paths["last_price.USDT/DAI"].to_pylist())) == 4
    for chunk in (1, 3):
        assert unlike(whole.paths, stress(moving, keep=False, chunk=chunk, threads=1).paths) == []
    for _, state in steps(moving):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT


def test_pairs_of_a_pool_state_the_same_of_it() -> None:
    with pytest.raises(InputError, match=r"venues\.usdt\.A:? differs between venues of the pool three: 50\.0; they are one pool"):
        world(venues={"usdc": POOL | {"pair": "USDC/DAI"}, "usdt": POOL | {"pair": "USDT/DAI", "A": 50}})
