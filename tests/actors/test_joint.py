"""Two calls on two protocols in one transaction: by hand, against single calls, and when one of them no longer holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delever.actors.joint import quote_both
from delever.core.outcomes import LIQUIDATIONS, REPAID
from delever.core.state import State
from delever.core.tables import BLOCK_BUILDERS, DEFICIT, SLOTS
from delever.engine.conservation import residual
from delever.engine.step import step
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from run.small import Mapping, book, fall, last, loan, one_market, pool

USD, ETH, X = 0, 1, 2
FIRST, OTHER = 0, 1  # protocols
TERMS = {"liquidation_threshold": 0.85, "incentive": 0.05}


def two(actors: Mapping, room: int = 10, mode: str = "sequential", depth: float = 80.0, **more: Any) -> World:
    """ETH falls to 900, X to 760. `first`: 10 ETH against 8000 USD; `other`: 8 X against 6 ETH. The pool then holds `depth` ETH.

    first: 10 x 900 x 0.85 / 8000 = 0.956, other: 8 x 760 x 0.85 / (6 x 900) = 0.957: half of either debt may be repaid.
    """
    parameters = dict.fromkeys(("ETH", "USD", "X"), TERMS)
    protocols = {
        "first": {"rules": "aave.v3_0", "parameters": parameters, "book": book(loan("a", 10.0, 8000.0), "first")},
        "other": {"rules": "aave.v3_0", "parameters": parameters,
                  "book": book([("b", "X", "collateral", 8.0), ("b", "ETH", "debt", 6.0)], "other")}}
    falls = [fall(0.1), fall(0.24, asset="X")]
    return one_market(loan("a", 1.0, 1.0), protocols=protocols, assets={"ETH": {"price": 1000.0}, "X": {"price": 1000.0}},
                      venues={"pool": pool(depth * 0.9**0.5, depth * 0.9**0.5 * 1000.0, half_life=0.01)}, actors=actors,
                      networks={"chain": {"block_time": 60, "room": room, "base_fee": 20}}, execution={"mode": mode},
                      scenario={"horizon": 60, "events": falls} | more)


JOINT: Mapping = {"joint": {"kind": "joint"}}
SINGLE: Mapping = {"liquidators": {"kind": "liquidators", "rule": "profitable"}}
HOLDER = -1  # the last row of the ledger, where one actor stands

GOT = 4000.0 * 1.05 / 900.0  # ETH that the first call brings
PAID = 3.0  # ETH that the second one takes
THEN = 2700.0 * 1.05 / 760.0  # X that it brings, sold at 760 without slippage
LEFT = GOT - PAID


def sold(units: float, depth: float) -> float:
    """USD for ETH in a pool that holds `depth` ETH at 900."""
    return 900.0 * units / (1.0 + units / depth)


def calls(state: State) -> list[float]:
    return state.ledgers.totals[LIQUIDATIONS, :, 0].tolist()


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_one_pays_for_the_other_and_only_what_is_left_is_sold(mode: str) -> None:
    _, state = last(two(JOINT, mode=mode))
    assert calls(state) == [1.0, 1.0]
    bid = state.tally.gas[0] / 1e6 * 1e9  # the sale costs no gas of its own: two calls
    profit = sold(LEFT, 80.0) + THEN * 760.0 - 4000.0
    gas = 1e6 * 1e-9 * 900.0  # USD a gwei
    assert bid == pytest.approx(20.0 + 0.5 * (profit - 20.0 * gas) / gas)
    tokens = state.ledgers.tokens[HOLDER, :, 0]
    assert tokens[USD] == pytest.approx(profit)
    assert tokens[ETH] == pytest.approx(-state.tally.gas[0])
    assert tokens[X] == pytest.approx(0.0, abs=1e-12)
    assert sorted(state.pool.touched.amount[:2].ravel().tolist()) == pytest.approx(sorted([10.0 - GOT, 4000.0, 8.0 - THEN, 3.0]))
    assert float(residual(state, int(state.watch.counts[SLOTS])).max()) < 1e-9


def test_alone_the_first_call_does_not_pay() -> None:
    """Selling 4.667 ETH in this pool brings 3,971 USD for 4,000; the second pays 27 USD, its gas 9 of them."""
    assert sold(GOT, 80.0) < 4000.0
    _, state = last(two(SINGLE))
    assert calls(state) == [0.0, 1.0]


def test_a_pair_outbids_single_calls_and_takes_the_only_place() -> None:
    _, state = last(two({**SINGLE, **JOINT}, room=1))
    assert calls(state) == [1.0, 1.0]
    assert state.tally.unfit[0] == 1  # the single call waits
    tokens = state.ledgers.tokens[-2:, USD, 0]
    assert tokens[0] == 0.0
    assert tokens[1] > 300.0  # the second call alone would have left 27 USD


def test_who_comes_too_late_leaves_everything_untouched_and_pays_his_gas() -> None:
    """The single call takes what the pair needs, at a higher bid: the pair bids nothing of its profit."""
    _, state = last(two({**SINGLE, "joint": {"kind": "joint", "fee_share": 0}}))
    assert calls(state) == [0.0, 1.0]
    assert state.tally.reverted[0] == 3
    tokens = state.ledgers.tokens[-1, :, 0]
    assert tokens.tolist() == pytest.approx([0.0, -1e6 * 20e-9, 0.0])
    assert state.ledgers.totals[REPAID, FIRST, 0] == 0.0


@pytest.mark.parametrize("protocol", ["first", "other"])
@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_an_owner_who_saves_one_of_the_accounts_saves_the_other_too(protocol: str, mode: str) -> None:
    owners = {"kind": "borrowers", "attentive": 1, "fee": 10_000, "protocol": protocol, "budget": 0.5}
    _, state = last(two({"borrowers": owners, **JOINT}, mode=mode))
    assert calls(state) == [0.0, 0.0]
    assert state.tally.reverted[0] == 3
    assert not state.ledgers.booked[DEFICIT].any()
    touched = state.pool.touched
    untouched = {"first": 1, "other": 0}[protocol]
    slot = next(s for s in range(2) if touched.account[s] == untouched)
    assert sorted(touched.amount[slot].tolist()) == ([6.0, 8.0] if untouched else [10.0, 8000.0])
    assert float(residual(state, 2).max()) < 1e-9


def test_a_pair_waits_while_a_market_on_its_way_is_halted() -> None:
    world = two(JOINT, horizon=180)
    model = assemble(world)
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    state.halts.trading[model.layout.pairs.index("X/USD")] = 120.0
    step(chunk, state)
    assert calls(state) == [0.0, 0.0] and state.wake[0] == 120.0 and state.tally.reverted[0] == 0
    step(chunk, state)
    assert calls(state) == [1.0, 1.0]


def test_he_does_not_act_below_his_least_profit() -> None:
    _, state = last(two({"joint": {"kind": "joint", "min_profit": 280}}))
    assert calls(state) == [1.0, 1.0]
    _, state = last(two({"joint": {"kind": "joint", "min_profit": 290}}))
    assert calls(state) == [0.0, 0.0]
    assert state.ledgers.tokens[BLOCK_BUILDERS].sum() == 0.0


def test_the_second_call_takes_no_more_than_the_first_brings() -> None:
    """Others owe 60 ETH: of the 30 that may be repaid he repays the 4.667 that he has."""
    large = book([("b", "X", "collateral", 80.0), ("b", "ETH", "debt", 60.0)], "other")
    world = two(JOINT).replace("protocols.other.book", large)
    _, state = last(world)
    assert state.ledgers.totals[REPAID, OTHER, 0] == pytest.approx(GOT * 900.0)
    assert state.ledgers.tokens[HOLDER, USD, 0] == pytest.approx(GOT * 900.0 * 1.05 - 4000.0)


@pytest.mark.parametrize("size", [61.3, 64.1, 67.7, 73.9])
def test_of_calls_that_gain_the_same_but_for_rounding_the_first_is_taken(size: float) -> None:
    """All of them are larger than what the first call brings."""
    legs = [leg for name, owed in (("b", 60.0), ("c", size), ("d", 1.7 * size))
            for leg in ((name, "X", "collateral", owed * 8.0 / 6.0), (name, "ETH", "debt", owed))]
    model, state = last(two(JOINT).replace("protocols.other.book", book(legs, "other")))
    slots = int(state.watch.counts[SLOTS])
    amount, account = state.pool.touched.amount[:slots], state.pool.touched.account[:slots]
    called = amount != model.positions.tables.amount[account]
    assert {model.positions.accounts[i] for i in account[called.any(1)]} == {"a", "b"}


def test_two_calls_that_close_a_circle_need_no_market() -> None:
    """`other` owes ETH against USD: what it brings is what was borrowed. The pool is as good as empty."""
    parameters = {"ETH": TERMS, "USD": TERMS | {"liquidation_threshold": 0.85}}
    circle = book([("b", "USD", "collateral", 9700.0), ("b", "ETH", "debt", 9.2)], "other")
    world = two(JOINT, depth=0.01, events=[fall(0.1)]).replace("protocols.other.parameters", parameters)
    world = world.replace("protocols.other.book", circle)
    _, state = last(world)  # 9700 x 0.85 / (9.2 x 900) = 0.996: 4.6 ETH may be repaid, all but 0.067 of what the first brings
    assert calls(state) == [1.0, 1.0]
    assert state.ledgers.tokens[HOLDER, USD, 0] == pytest.approx(4.6 * 900.0 * 1.05 - 4000.0, abs=10.0)
    assert state.ledgers.turnover[ETH, 0] < 0.1 + 1e-9 + abs(GOT - 4.6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_a_quote_of_both_is_what_both_then_bring(c: int, d: int, a: int, x: float, y: float) -> None:
    """Any three assets of a tree with pegs and wrappers, sold together."""
    model = EVERYTHING
    names = ["USD", "ETH", "BTC", "USDC", "stETH", "wstETH", "T0"]
    one, other, into = (model.layout.asset(names[k]) for k in (c, d, a))
    state = new_state(model, 0, 1)
    quote = quote_both(0, one, x, other, y, into, state.tree, state.profiles, state.markets)
    state.n_sales = 0
    for asset, units in ((one, x), (other, y)):
        k = state.n_sales
        state.sales.path[k], state.sales.holder[k], state.sales.row[k] = 0, 12, 0
        state.sales.sold_asset[k], state.sales.bought_asset[k], state.sales.sold[k] = asset, into, units
        state.n_sales += 1
    TRADING.execute(state)
    assert quote == pytest.approx(float(state.sales.amount[:2].sum()), rel=1e-12, abs=1e-15)


def _everything() -> tuple[Any, Any]:
    from delever.engine.trade import Trading
    from run.small import everything

    model = assemble(everything())
    return model, Trading(len(model.layout.rows), 1)


EVERYTHING, TRADING = _everything()


@pytest.mark.parametrize(("changes", "line"), [
    ({"fee_share": 2}, "fee_share is 2"), ({"min_profit": -1}, "min_profit is -1"), ({"share": 1}, "share"),
])
def test_bad_input_is_one_line(changes: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=line) as error:
        two({"joint": {"kind": "joint", **changes}})
    assert "\n" not in str(error.value)
    assert "joint" in str(error.value)


def test_nobody_pairs_calls_of_one_protocol() -> None:
    """Two accounts of `first` whose assets would fit."""
    legs = [*loan("a", 10.0, 8000.0), ("b", "X", "collateral", 8.0), ("b", "ETH", "debt", 6.0)]
    world = two(JOINT)
    world = world.replace("protocols.first.book", book(legs, "first")).replace(
        "protocols.other.book", book([("c", "X", "collateral", 8.0), ("c", "ETH", "debt", 1.0)], "other"))
    _, state = last(world)
    assert calls(state) == [0.0, 0.0]
    assert np.isclose(state.ledgers.totals[8, FIRST, 0], 2.0)  # both declined
