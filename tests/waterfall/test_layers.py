"""Funds, vaults, socialised loss and the order in which they stand. Every step of every run conserves value (small.py)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from delever import worlds
from delever.core.tables import CASH, COVERED, DEFICIT, DEPOSITS, FUND, TREASURY, VAULT
from delever.model.errors import InputError
from delever.waterfall.adl import Adl
from delever.waterfall.backstop import Backstop
from run.small import book, loan
from waterfall.small import ADL, BACKSTOP, INSURANCE, SOCIALISED, Row, Run, exchange, run

# Longs at 100 USD: at 80 USD each unit has lost 20 USD. Shorts of the same size are the other side.
LOSERS: list[Row] = [("a", "BTC-PERP", 1.0, 100.0, 12.0), ("b", "BTC-PERP", 2.0, 100.0, 34.0)]  # lack 8 and 6 USD
WINNER: Row = ("w", "BTC-PERP", -3.0, 100.0, 90.0)
LACK = 14.0


def fund(usd: float) -> dict[str, Any]:
    return {"kind": "insurance_fund", "start": {"USD": usd}}


def vault(usd: float, **more: Any) -> dict[str, Any]:
    return {"kind": "backstop", "equity": usd, **more}


# ---- insurance fund ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0.0, 5.0, 7.0, 10.0, 14.5, 100.0])
def test_a_fund_pays_for_accounts_that_it_can_bear_and_never_more_than_it_has(start: float) -> None:
    """In the order called: each whose lack it holds, a before b."""
    left, paid = start, 0.0
    for lack in (8.0, 6.0):
        paid += lack if left >= lack else 0.0
        left = start - paid
    done = run(exchange([*LOSERS, WINNER], [fund(start)], -0.2))
    # whom it did not bear was closed out after it: the deficit stands until the next block, in which the fund pays what it can
    assert (done.fund, done.covered, done.standing) == pytest.approx((left, paid, LACK - paid))
    assert done.dry(INSURANCE) == (np.inf if start >= LACK else 60.0)
    assert done.units("a") == done.units("b") == 0.0
    done.steps()
    more = min(left, LACK - paid)
    assert (done.fund, done.covered, done.standing) == pytest.approx((left - more, paid + more, LACK - paid - more))


def test_a_fund_that_cannot_bear_the_first_account_bears_the_second() -> None:
    done = run(exchange([*LOSERS, WINNER], [fund(7.0)], -0.2))
    assert (done.fund, done.standing, done.dry(INSURANCE)) == (pytest.approx(1.0), pytest.approx(8.0), 60.0)


def test_fees_of_liquidations_feed_the_fund_where_there_is_one() -> None:
    """b falls below maintenance, not below zero, and is closed for a fee of 1 % of 180 USD."""
    rows: list[Row] = [("b", "BTC-PERP", 2.0, 100.0, 25.0), WINNER]
    stages = [{"stage": "market", "fee": 0.01}]
    with_fund = run(exchange(rows, ["insurance_fund"], -0.1, stages=stages))
    without = run(exchange(rows, [], -0.1, stages=stages))
    assert with_fund.fund == pytest.approx(1.8) and with_fund.state.ledgers.tokens[FUND, 0, 0] == with_fund.fund
    assert with_fund.state.ledgers.booked[TREASURY, with_fund.cash, 0] == 0.0
    assert without.state.ledgers.booked[TREASURY, without.cash, 0] == with_fund.fund and without.fund == 0.0


def test_the_fund_dries_at_the_block_in_which_it_first_falls_short() -> None:
    """Half the fall in the first step makes nobody fall; the second does."""
    shocks = [{"at": 0, "kind": "price", "change": {"BTC": -0.05}}, {"at": 120, "kind": "price", "change": {"BTC": -0.16}}]
    done = run(exchange([*LOSERS, WINNER], [fund(1.0)], 0.0, scenario={"events": shocks}), 2)
    assert done.dry(INSURANCE) == np.inf
    assert done.steps().dry(INSURANCE) == 180.0


# ---- vault ------------------------------------------------------------------------------------------------------


def test_a_vault_takes_accounts_over_with_positions_and_margin() -> None:
    done = run(exchange([*LOSERS, WINNER], [vault(1000.0)], -0.2))
    safety = done.state.safety
    assert safety.vault[done.reserve("BTC-PERP"), 0] == 3.0
    assert safety.vault[done.cash, 0] == pytest.approx(1000.0 - 100.0 + 12.0 - 200.0 + 34.0)
    assert not done.row("a").any() and not done.row("b").any()
    assert (done.standing, done.dry(BACKSTOP), done.units("w")) == (0.0, np.inf, -3.0)
    assert done.state.ledgers.tokens[VAULT, done.model.layout.asset("BTC-PERP"), 0] == 3.0


@pytest.mark.parametrize("reserve", [0.5, 1.0, 2.0])
def test_a_vault_refuses_what_it_cannot_back(reserve: float) -> None:
    """After a: equity - 8 against the margin of one unit at 80 USD, 4 USD; after b: - 14 against 12 USD."""
    one, both = 8.0 + 4.0 * reserve, LACK + 12.0 * reserve
    for equity, taken in ((one - 0.01, 0.0), (one + 0.01, 1.0), (both - 0.01, 1.0), (both + 0.01, 3.0)):
        done = run(exchange([*LOSERS, WINNER], [vault(equity, reserve=reserve)], -0.2))
        assert done.state.safety.vault[done.reserve("BTC-PERP"), 0] == taken
        assert done.dry(BACKSTOP) == (np.inf if taken == 3.0 else 60.0)


def test_a_vault_trades_half_of_its_position_away_in_a_half_life() -> None:
    """The step is 60 s; on a market without slippage its equity stays what it is."""
    done = run(exchange([*LOSERS, WINNER], [vault(1000.0, half_life=120.0)], -0.2))
    perp, held, equity = done.reserve("BTC-PERP"), [], []
    for _ in range(3):
        held.append(done.state.safety.vault[perp, 0])
        equity.append(done.state.safety.vault[done.cash, 0] + held[-1] * 80.0)
        done.steps()
    assert held == pytest.approx([3.0, 3.0 * 0.5**0.5, 1.5])
    assert equity == pytest.approx([1000.0 - LACK] * 3)
    kept = run(exchange([*LOSERS, WINNER], [vault(1000.0)], -0.2), 3)
    assert kept.state.safety.vault[perp, 0] == 3.0
    at_once = run(exchange([*LOSERS, WINNER], [vault(1000.0, half_life=0.0)], -0.2), 2)
    assert at_once.state.safety.vault[perp, 0] == 0.0


def test_a_vault_that_trades_on_a_book_pays_its_slippage() -> None:
    venue = {"perp": {"kind": "log_linear", "pair": "BTC-PERP/USD", "depth": 50.0}}
    done = run(exchange([*LOSERS, WINNER], [vault(1000.0, half_life=60.0)], -0.2, venues=venue), 2)
    cash, held = done.state.safety.vault[done.cash, 0], done.state.safety.vault[done.reserve("BTC-PERP"), 0]
    assert held == pytest.approx(1.5)
    got = cash - (1000.0 - 254.0)
    # x(s) = -s / depth: selling d from the mark brings depth (1 - exp(-d / depth)) x price
    assert got == pytest.approx(80.0 * 50.0 * (1.0 - np.exp(-1.5 / 50.0)), rel=1e-4) and got < 120.0


# ---- socialised loss --------------------------------------------------------------------------------------------


def test_loss_is_shared_by_equity_or_by_profit() -> None:
    """w1 has 90 + 40 of equity, 40 of it profit; w2 has 50 + 20, 20 of it profit; c has 100 and nothing to do with it."""
    rows = [*LOSERS, ("w1", "BTC-PERP", -2.0, 100.0, 90.0), ("w2", "BTC-PERP", -1.0, 100.0, 50.0), ("c", "", 0.0, 0.0, 100.0)]
    before = {"w1": 130.0, "w2": 70.0, "c": 100.0}
    for over, bears in {"equity": before, "profit": {"w1": 40.0, "w2": 20.0, "c": 0.0}}.items():
        share = {account: usd / sum(bears.values()) for account, usd in bears.items()}
        done = run(exchange(rows, [{"kind": "socialised_loss", "over": over}], -0.2))
        for account, part in share.items():
            assert done.equity(account) == pytest.approx(before[account] - LACK * part)
        assert done.units("w1") == -2.0 and done.dry(SOCIALISED) == np.inf
        assert done.standing == 0.0 and done.covered == pytest.approx(LACK)


def test_socialised_loss_leaves_a_thousandth_of_what_there_is() -> None:
    """a lacks 8 USD and traded with makers outside; c has 5 USD."""
    done = run(exchange([LOSERS[0], ("c", "", 0.0, 0.0, 5.0)], ["socialised_loss"], -0.2))
    assert done.equity("c") == pytest.approx(0.005)
    assert (done.standing, done.covered, done.dry(SOCIALISED)) == (pytest.approx(3.005), pytest.approx(4.995), 60.0)


def lending(waterfall: list[Any]) -> Run:
    """10 ETH against 8000 USD fall from 1000 to 700 USD: 7000 / 1.05 is repaid, the rest is a deficit."""
    world = {
        "as_of": "2025-01-01T00:00:00Z", "assets": {"ETH": {"price": 1000.0}},
        "actors": {"liquidators": {"kind": "liquidators", "rule": "always"}},
        "protocols": {"ex": {
            "rules": "aave.v3_3", "waterfall": waterfall,
            "parameters": {"ETH": {"liquidation_threshold": 0.85, "incentive": 0.05, "protocol_fee": 0.1},
                           "USD": {"liquidation_threshold": 0.8, "incentive": 0.05}},
            "book": book(loan("a", 10.0, 8000.0), "ex")}},
        "scenario": {"horizon": 300, "step": 60, "paths": 2, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [{"at": 0, "kind": "price", "change": {"ETH": -0.3}}]}}
    return Run(worlds.load(world))


DEFICIT_OF_LOAN = 8000.0 - 7000.0 / 1.05


def test_behind_lending_a_fund_pays_first_and_suppliers_bear_the_rest() -> None:
    done = lending([fund(300.0), "socialised_loss"]).steps()
    booked = done.state.ledgers.booked[:, done.cash, 0]
    assert (done.fund, done.standing, done.dry(INSURANCE)) == (0.0, 0.0, 60.0)
    assert booked[COVERED] == pytest.approx(DEFICIT_OF_LOAN)
    plain = lending([]).steps()
    assert plain.standing == pytest.approx(DEFICIT_OF_LOAN)
    assert booked[DEPOSITS] - plain.state.ledgers.booked[DEPOSITS, plain.cash, 0] == pytest.approx(300.0 - DEFICIT_OF_LOAN)
    assert done.state.ledgers.tokens[CASH, 0, 0] - plain.state.ledgers.tokens[CASH, 0, 0] == 300.0


def test_behind_lending_the_order_of_layers_decides_who_pays() -> None:
    done = lending(["socialised_loss", fund(300.0)]).steps()
    assert (done.fund, done.standing, done.dry(INSURANCE)) == (300.0, 0.0, np.inf)


def test_the_protocols_share_of_penalties_feeds_the_fund_in_its_own_asset() -> None:
    done, plain = lending(["insurance_fund"]).steps(), lending([]).steps()
    eth = done.reserve("ETH")
    kept = plain.state.ledgers.booked[TREASURY, eth, 0]
    assert kept > 0.0 and done.state.safety.fund[eth, 0] == kept
    assert done.state.ledgers.booked[TREASURY, eth, 0] == 0.0


# ---- order ------------------------------------------------------------------------------------------------------


AMPLE = {"insurance_fund": fund(1000.0), "backstop": vault(1000.0), "adl": {"kind": "adl"}, "socialised_loss": "socialised_loss"}


@pytest.mark.parametrize("order", list(permutations(AMPLE)), ids="-".join)
def test_the_first_ample_layer_of_the_list_bears_it_all(order: tuple[str, ...]) -> None:
    done = run(exchange([*LOSERS, WINNER], [AMPLE[kind] for kind in order], -0.2))
    flows, first = done.state.flows, order[0]
    assert (done.fund < 1000.0) == (first == "insurance_fund")
    assert (flows.taken.sum() > 0.0) == (first == "backstop")
    assert (flows.deleveraged.sum() > 0.0) == (first == "adl")
    assert (done.equity("w") == pytest.approx(150.0)) == (first in ("insurance_fund", "backstop"))
    assert done.standing == 0.0 and done.state.safety.dry.min() == np.inf


def test_what_a_layer_leaves_the_next_one_takes() -> None:
    """The fund bears neither, the vault a alone, deleveraging b."""
    done = run(exchange([*LOSERS, WINNER], [fund(5.0), vault(12.5), "adl", "socialised_loss"], -0.2))
    assert [done.dry(layer) for layer in (INSURANCE, BACKSTOP, ADL, SOCIALISED)] == [60.0, 60.0, np.inf, np.inf]
    assert done.state.safety.vault[done.reserve("BTC-PERP"), 0] == 1.0
    assert [(name, units) for name, units, _, _ in done.closed()] == [("w", 2.0 * -1.0)]
    assert done.fund == 5.0 and done.standing == 0.0


def test_without_layers_the_fallen_are_closed_out_and_what_they_owe_stands() -> None:
    done = run(exchange([*LOSERS, WINNER], [], -0.2))
    assert done.units("a") == done.units("b") == 0.0 and done.row("a")[0] == 0.0
    assert done.standing == pytest.approx(LACK) == done.state.ledgers.booked[DEFICIT].sum() / 2


# ---- specs ------------------------------------------------------------------------------------------------------


def test_a_cap_has_no_meaning_for_other_rules() -> None:
    with pytest.raises(InputError, match="cap"):
        Adl(rule="hyperliquid", cap=0.5)
    assert Adl(rule="capped_pro_rata", cap="50 %").cap == 0.5  # type: ignore[arg-type]


def test_a_vault_cannot_begin_below_zero() -> None:
    with pytest.raises(InputError, match="equity"):
        Backstop(equity=-1.0)
