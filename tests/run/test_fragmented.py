"""Worlds whose pairs trade on several venues: value is conserved, no bit depends on the chunk, and each venue goes its way."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from delever import worlds
from delever.core.outcomes import LIQUIDATIONS
from delever.core.tables import HOLDERS, ORDER_OWNERS, SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.stress import Run, stress
from run.small import everything, last, loan, one_market, pool, steps, unlike

PATHS = 6
ETH_V3 = {"kind": "uniswap_v3", "pair": "ETH/USD", "decimals": [18, 6], "fee": 0.0005, "half_life": 900,
          "positions": [[-202_000, -199_500, 2e17], [-205_000, -201_000, 5e16], [-199_800, -198_000, 3e16]]}


def apart(mode: str, paths: int = PATHS) -> World:
    """The world in which everything happens, with a second and third venue of its pairs and all who act between them."""
    world = everything(mode, paths=paths)
    venues = {**world.venues, "v3": ETH_V3, "book": {"kind": "log_linear", "pair": "ETH/USD", "depth": 300, "half_life": 300},
              "other_curve": {"kind": "stableswap", "pair": "stETH/ETH", "A": 100, "fee": 0.001, "half_life": 1800,
                              "balances": {"stETH": 300, "ETH": 320, "rETH": 200}},
              "other_t0": {"kind": "constant_product", "pair": "T0/USD", "reserves": {"T0": 1e4, "USD": 1.02e5}, "fee": 0.01}}
    actors: dict[str, Any] = {
        **world.actors,
        "eth_arb": {"kind": "venue_arbitrageurs", "pair": "ETH/USD", "capital": {"ETH": 100, "USD": 2e5}, "delay": 60},
        "steth_arb": {"kind": "venue_arbitrageurs", "pair": "stETH/ETH", "capital": {"stETH": 50, "ETH": 50}},
        "lps": {"kind": "providers", "venue": "v3", "share": 1.0, "side": "bids", "fall": 0.05, "returns": 600},
        "stop": {"kind": "orders", "asset": "wstETH", "amount": 40, "when": "stop", "level": 2000, "into": "USD", "venue": "v3"}}
    events = [*world.scenario.events, {"at": 1500, "kind": "outage", "venue": "eth", "lasting": 600},
              {"at": 1200, "kind": "depth", "change": {"curve": -1.0, "T0/USD": -0.3}},
              {"at": 600, "kind": "order", "order": "sell 2000 T0", "over": 900, "venue": "other_t0"}]
    feeds = {**world.feeds, "steth_eth": {"kind": "push", "of": "stETH/ETH", "venue": "other_curve", "heartbeat": 3600,
                                          "deviation": 0.005, "delay": 30}}
    policies = {"fee": {"kind": "venue_fee", "venue": "other_t0", "usual": 0.3, "most": 0.05},
                "halt": {"kind": "breaker", "of": ["ETH"], "where": ["v3"], "move": 0.1, "window": 600, "lasts": 300,
                         "halts": ["trading"], "cool_off": 300}}
    return worlds.load({**{name: getattr(world, name) for name in ("as_of", "assets", "protocols", "oracles", "networks",
                                                                   "execution")},
                        "liquidity": "fragmented", "venues": venues, "actors": actors, "feeds": feeds, "policies": policies,
                        "scenario": {**world.scenario.fields(), "events": events}})


@cache
def run(mode: str, chunk: int | None) -> Run:
    """All paths of such a world."""
    return stress(apart(mode), keep=False, trace=[1], **({} if chunk is None else {"chunk": chunk, "threads": 1}))


MODES = ["sequential", "batched"]


@pytest.mark.parametrize("mode", MODES)
def test_value_is_conserved_in_every_step(mode: str) -> None:
    for _, state in steps(apart(mode)):
        assert residual(state, int(state.watch.counts[SLOTS])).max() < LIMIT
        assert np.isfinite(state.markets.price).all()


@pytest.mark.parametrize("mode", MODES)
def test_no_bit_depends_on_the_chunk_size(mode: str) -> None:
    for chunk in (1, 4):
        assert unlike(run(mode, None).paths, run(mode, chunk).paths) == []
        assert unlike(run(mode, None).trace, run(mode, chunk).trace) == []


def test_these_worlds_are_eventful() -> None:
    paths = run("sequential", None).paths
    for column in ("liquidations.first", "between_venues.eth_arb", "between_venues.steth_arb", "liquidity_gone.lps",
                   "order_sold.wstETH.stop"):
        assert paths[column].to_numpy().max() > 0.0, column
    assert "lowest.ETH/USD@v3" in paths.column_names


@pytest.mark.parametrize("mode", MODES)
def test_a_pair_with_one_venue_is_the_same_market_in_both(mode: str) -> None:
    world = everything(mode, paths=3)
    one, other = (stress(world.replace("liquidity", how), keep=False) for how in ("unified", "fragmented"))
    assert unlike(one.paths, other.paths) == []


def market(**parts: Any) -> World:
    """One loan that nothing happens to, and venues that are apart."""
    return one_market(loan("a", 1.0, 100.0), **{"liquidity": "fragmented"} | parts)


def order(text: str, **more: Any) -> dict[str, Any]:
    return {"at": 0, "kind": "order", "order": text, **more}


def test_a_sale_goes_whole_to_the_venue_that_pays_most_and_the_other_stands() -> None:
    venues = {"small": pool(100.0, 1.01e5), "large": pool(1000.0, 1e6)}
    for units, there in ((0.1, "small"), (50.0, "large")):
        world = market(venues=venues, scenario={"events": [order(f"sell {units} ETH")]})
        model, state = last(world)
        moved = {name: float(state.markets.consumed[row, 0]) for name, row in model.layout.venues.items()}
        assert moved == {name: units if name == there else 0.0 for name in venues}
        assert (state.markets.price[0, 0] == state.markets.start[0]) is np.bool_(there == "large")


@pytest.mark.parametrize("who", [{"kind": "liquidators"}, {"kind": "keepers", "capital": {}, "flash": True}])
def test_a_call_that_pays_on_another_venue_than_the_first_is_taken(who: dict[str, Any]) -> None:
    """At the price of the first, 900 USD, what is seized for its worth at 1000 USD and 5 % more would not."""
    world = one_market(loan("a", 10.0, 8600.0), venues={"one": pool(1000.0, 9e5), "two": pool(1000.0, 1e6)},
                       liquidity="fragmented", feeds={"seen": {"kind": "market", "of": "ETH/USD", "venue": "two"}},
                       oracles={"pool": {"ETH": "seen"}}, actors={"who": who})
    state = last(world)[1]
    assert state.ledgers.totals[LIQUIDATIONS].sum() >= 1.0
    assert state.markets.consumed[0, 0] == 0.0 < state.markets.consumed[1, 0]


def test_who_names_the_only_venue_of_a_pair_trades_with_those_who_name_none() -> None:
    """Both in one batch, at one average price."""
    resting = {"kind": "orders", "asset": "ETH", "amount": 50, "when": "limit", "level": 1, "venue": "one"}
    for liquidity in ("fragmented", "unified"):
        _, state = last(one_market(loan("a", 1.0, 100.0), venues={"one": pool(1000.0, 1e6)}, liquidity=liquidity,
                                   actors={"liquidators": {"kind": "liquidators"}, "resting": resting},
                                   execution={"mode": "batched"}, scenario={"events": [order("sell 50 ETH")]}))
        got = state.ledgers.tokens[[ORDER_OWNERS, HOLDERS + 1], 0, 0]
        assert got == pytest.approx([1e6 * 50.0 / 1100.0] * 2)


def test_the_first_venue_named_is_what_others_see() -> None:
    venues = {"one": pool(100.0, 1.02e5), "two": pool(1000.0, 1e6)}
    for names in (["one", "two"], ["two", "one"]):
        model, state = last(market(venues={name: venues[name] for name in names}))
        assert np.exp(state.seen.log_price[0, 0]) == pytest.approx(1020.0 if names[0] == "one" else 1000.0)
        assert model.layout.rows == ("ETH/USD", f"ETH/USD@{names[1]}")


def test_a_feed_may_look_at_another_one() -> None:
    world = market(venues={"one": pool(100.0, 1.02e5), "two": pool(1000.0, 1e6)},
                       feeds={"thin": {"kind": "market", "of": "ETH/USD", "venue": "two"}}, oracles={"pool": {"ETH": "thin"}})
    assert np.exp(last(world)[1].seen.log_price[0, 0]) == pytest.approx(1000.0)


def test_while_one_venue_is_down_sales_go_to_the_other_and_what_names_it_waits() -> None:
    down = {"at": 0, "kind": "outage", "venue": "two", "lasting": "3 min"}
    for venue, when in ((None, 1), ("two", 4)):
        world = market(venues={"one": pool(100.0, 1e5), "two": pool(1000.0, 1e6)},
                           scenario={"events": [down, order("sell 5 ETH", venue=venue)]})
        sold = [float(state.markets.consumed[:, 0].sum()) for _, state in steps(world)]
        assert sold.index(5.0) + 1 == when


@pytest.mark.parametrize(("changes", "message"), [
    ({"venues": {"one": pool(), "two": pool() | {"pair": "BTC/USD", "reserves": {"BTC": 1.0, "USD": 1.0}}}},
     r"venues\.two\.pair: unknown asset: 'BTC'; known: ETH, USD"),
    ({"scenario": {"events": [order("sell 1 ETH", venue="three")]}}, r"venue: unknown venue: 'three'; known: one, two"),
    ({"liquidity": "split"}, r"liquidity"),
    ({"feeds": {"thin": {"kind": "market", "of": "ETH/USD", "venue": "three"}}}, r"feeds\.thin\.venue: unknown venue"),
])
def test_bad_input_is_answered_in_a_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        market(**({"venues": {"one": pool(), "two": pool()}} | changes))
