"""Coin-margined exchanges and perps held both ways, in worlds as a user writes them; every figure by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever import worlds
from delever.analysis import margin_prices
from delever.analysis.margins import MarginBook
from delever.analysis.walls import wall_of
from delever.core.state import State
from delever.core.tables import COVERED, DEFICIT, FUND, FUNDING, MAKERS, SLOTS, VENUES
from delever.engine.conservation import LIMIT, residual
from delever.engine.step import step
from delever.ingest.positions import read_positions
from delever.model.book import Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import Model, assemble, phases
from delever.run.closings import deleveraged_positions
from delever.run.start import new_state

Rows = list[tuple[str, float, float, float]]  # account, USD of the contract (long > 0), entry price, coins paid in
TIERS = [{"floor": floor, "maintenance": rate} for floor, rate in
         zip([0, 5, 10, 20, 50, 100, 200], [0.004, 0.005, 0.01, 0.025, 0.05, 0.1, 0.125], strict=True)]
# dev.binance.vision, 6292: the answers of /dapi/v1/positionRisk and /dapi/v1/balance, in which a price of 33,599.40 was shown
COIN_M: dict[str, Any] = {
    "positionRisk": [{"symbol": "BTCUSD_PERP", "positionAmt": "100000", "entryPrice": "45000.0", "markPrice": "45000.0",
                      "marginType": "cross", "positionSide": "BOTH", "isolatedWallet": "0"}],
    "balance": [{"asset": "BTC", "balance": "101", "crossWalletBalance": "101"}]}
# ccxt 18712, 23225; Binance counts the maintenance of both sides
HEDGED: dict[str, Any] = {
    "positionRisk": [{"symbol": "1000SATSUSDT", "positionSide": way, "positionAmt": sign + "24991", "entryPrice": "2.8E-4",
                      "markPrice": "0.0002812", "isolatedWallet": "0", "marginAsset": "USDT"}
                     for way, sign in (("LONG", ""), ("SHORT", "-"))],
    "balance": [{"asset": "USDT", "crossWalletBalance": "0.5"}]}


def book(rows: Rows) -> Book:
    return Book.from_table(pa.Table.from_pylist([
        {"account": name, "instrument": "BTC-COIN", "size": size, "entry_price": entry, "margin_mode": "cross",
         "collateral": coins, "collateral_asset": "BTC"} for name, size, entry, coins in rows]), protocol="coin")


def coin(rows: Rows | str, to: float, start: float = 100.0, **changes: Any) -> World:
    """BTC goes from `start` to `to` in the first step; contracts trade at what they are worth, without limit."""
    protocol = {"rules": {"kind": "exchange", "stages": changes.pop("stages", [{"stage": "market", "limit": "bankruptcy"}])},
                "unit": "BTC", "waterfall": changes.pop("waterfall", []), "funding": changes.pop("funding", None),
                "parameters": {"BTC-COIN": changes.pop("terms", {"maintenance": 0.05})},
                "book": rows if isinstance(rows, str) else book(rows)}
    return worlds.load({
        "as_of": "2025-01-01T00:00:00Z",
        "assets": {"BTC": {"price": start}, "BTC-COIN": {"perp": "BTC", "inverse": True}}, "protocols": {"coin": protocol},
        "scenario": {"horizon": 120, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"},
                     "events": [{"at": 0, "kind": "price", "change": {"BTC": f"{100.0 * (to / start - 1.0)!r} %"}}]}, **changes})


class Run:
    """A world after so many steps; every step conserves value, in coins and in contracts."""

    def __init__(self, world: World, steps: int = 1) -> None:
        self.model: Model = assemble(world)
        self.state: State = new_state(self.model, 0, world.scenario.paths)
        chunk = phases(self.model, world.scenario.paths, ())
        for _ in range(steps):
            step(chunk, self.state)
            assert residual(self.state, int(self.state.watch.counts[SLOTS])).max() < LIMIT
        self.unit = self.model.positions.reserve("coin", "BTC")
        self.token = self.model.layout.asset("BTC")

    def held(self, account: str) -> tuple[float, ...]:
        """Cash [BTC] and contracts as the engine holds them."""
        i, touched = self.model.positions.accounts.index(account), self.state.pool.touched
        for slot in range(int(self.state.watch.counts[SLOTS])):
            if touched.account[slot] == i:
                return tuple(touched.amount[slot].tolist())
        return tuple(self.state.book.amount[i].tolist())

    def booked(self, kind: int) -> float:
        return float(self.state.ledgers.booked[kind, self.unit, 0])

    def gained(self, holder: int) -> float:
        """Of the coin, on the token ledger."""
        return float(self.state.ledgers.tokens[holder, self.token, 0])


@pytest.mark.parametrize(("to", "called"), [(33_599.5, False), (33_599.3, True)])
def test_the_account_that_binance_liquidates_at_33599_is_called_there(tmp_path: Path, to: float, called: bool) -> None:
    """Case 11: read from its answer, held against the tiers of BTCUSD; by the wall and by the engine."""
    (tmp_path / "book.json").write_text(json.dumps(COIN_M))
    world = coin(str(tmp_path / "book.json"), to, 45_000.0, terms={"floors_in": "BTC", "tiers": TIERS})
    run = Run(world)
    assert run.state.n_called == called
    start = wall_of(assemble(world), "BTC", to / 45_000.0 - 1.0)
    assert start.totals["accounts"].to_pylist() == [int(called)]
    if called:
        row = start.accounts.to_pylist()[0]
        assert (row["asset"], row["side"], row["amount"]) == ("BTC-COIN", "long", pytest.approx(10e6, rel=1e-15))
        assert row["value_usd"] == pytest.approx(10e6, rel=1e-12)  # a dollar of a contract is worth a dollar
        coins = 101.0 + 10e6 * (1.0 / 45_000.0 - 1.0 / to)  # by hand
        assert row["equity_usd"] == pytest.approx(coins * to, rel=1e-12)
        assert row["maintenance_usd"] == pytest.approx((10e6 / to * 0.125 - 11.605) * to, rel=1e-12)


def test_profit_is_paid_in_coins() -> None:
    """A long of 1,000 USD from 100 closed at 80: 1,000 (1/100 - 1/80) = -2.5 BTC; by the market, which gains them."""
    run = Run(coin([("long", 1000.0, 100.0, 3.0), ("calm", 100.0, 100.0, 90.0)], 80.0))
    cash, contracts = run.held("long")
    assert contracts == 0.0 and cash == pytest.approx(0.5, rel=1e-12)
    assert run.gained(VENUES) == pytest.approx(12.5, rel=1e-12)  # a thousand dollars bought for coins at 80
    assert sum(run.state.ledgers.tokens[:, run.token, 0]) == pytest.approx(0.0, abs=1e-12)


def test_a_short_loses_fewer_and_fewer_coins_as_the_price_rises() -> None:
    """1,000 USD short from 100 on 6 BTC: at 200 it has lost 5 BTC; it falls at 1/m = (1/100 - 6/1000) / 0.95."""
    tiers = margin_prices.margin_tiers([0.0], [0.05])
    assert margin_prices.liquidation_price_inverse(6.0, -1000.0, 100.0, tiers) == pytest.approx(0.95 / 0.004, rel=1e-12)
    short = [("short", -1000.0, 100.0, 6.0), ("calm", 1.0, 100.0, 90.0)]
    assert Run(coin(short, 237.0)).state.n_called == 0
    assert Run(coin(short, 238.0)).state.n_called == 1  # 0.95 / 0.004 = 237.5


def test_adl_closes_winners_at_the_bankruptcy_price_and_no_coin_is_owed() -> None:
    """The long of 1,000 USD on 1 BTC is bankrupt at 1/x = 1/100 + 1/1000, so at 90.9; at 80 the short pays the difference."""
    rows = [("long", 1000.0, 100.0, 1.0), ("short", -1000.0, 100.0, 20.0)]
    run = Run(coin(rows, 80.0, waterfall=[{"kind": "adl", "rule": "binance"}]))
    assert run.held("long") == (pytest.approx(0.0, abs=1e-12), 0.0)
    cash, contracts = run.held("short")
    assert contracts == 0.0 and cash == pytest.approx(21.0, rel=1e-12)  # what the winner gets is what the loser had
    assert run.booked(DEFICIT) == 0.0
    haircut = 1000.0 * (1.0 / 80.0 - 1.0 / 100.0) - 1.0  # BTC
    assert run.state.flows.haircut[run.model.positions.reserve("coin", "BTC-COIN"), 0] == pytest.approx(haircut * 80.0, rel=1e-12)
    closed = deleveraged_positions(run.model, run.state).to_pylist()
    assert [(row["account"], row["units"]) for row in closed] == [("short", pytest.approx(-1000.0, rel=1e-12))]
    row = closed[0]  # as the exchange would say it: a short of 1,000 USD, closed at 90.9 where the mark is 80
    assert (row["price"], row["mark"]) == (pytest.approx(1.0 / 0.011, rel=1e-12), pytest.approx(80.0, rel=1e-12))
    assert row["notional"] == pytest.approx(1000.0, rel=1e-12) and row["haircut"] == pytest.approx(haircut * 80.0, rel=1e-12)
    assert row["profit"] == pytest.approx(2.5 * 80.0, rel=1e-12)


def test_the_fund_pays_in_coins() -> None:
    """At 80 the long lacks 1.5 BTC, which the fund has; what is paid out is reported at 80."""
    run = Run(coin([("long", 1000.0, 100.0, 1.0), ("calm", 100.0, 100.0, 90.0)], 80.0,
                   waterfall=[{"kind": "insurance_fund", "start": {"BTC": 2.0}}]))
    assert run.state.safety.fund[run.unit, 0] == pytest.approx(0.5, rel=1e-12)
    assert run.gained(FUND) == pytest.approx(-1.5, rel=1e-12) and run.booked(COVERED) == pytest.approx(1.5, rel=1e-12)
    assert run.state.safety.served[0, 0, 0] == pytest.approx(1.5 * 80.0, rel=1e-12)


def test_socialised_losses_are_borne_by_coins() -> None:
    run = Run(coin([("long", 1000.0, 100.0, 1.0), ("one", 100.0, 80.0, 90.0), ("two", -100.0, 80.0, 30.0)], 80.0,
                   waterfall=[{"kind": "socialised_loss"}]))
    assert (run.held("one")[0] - 100.0 / 80.0, run.held("two")[0] + 100.0 / 80.0) == (
        pytest.approx(90.0 - 1.5 * 0.75, rel=1e-12), pytest.approx(30.0 - 1.5 * 0.25, rel=1e-12))


def test_funding_is_paid_in_coins_at_the_index() -> None:
    """Without a venue the premium is 0 and the rate the interest: 1 % of 1,000 USD at 80 is 0.125 BTC from long to short."""
    rows = [("long", 1000.0, 100.0, 50.0), ("short", -600.0, 100.0, 50.0)]
    funding = {"interval": 60, "period": 60, "interest": 0.01, "clamp": 0.05, "cap": 0.05}
    run = Run(coin(rows, 80.0, funding=funding))
    r = run.model.positions.reserve("coin", "BTC-COIN")
    assert run.state.margins.paid[r, 0] == pytest.approx(-0.01 / 80.0, rel=1e-12)
    assert run.gained(MAKERS) == pytest.approx(0.01 * 400.0 / 80.0, rel=1e-12)  # makers outside hold what shorts lack
    assert run.gained(FUNDING) == pytest.approx(-0.01 * 400.0 / 80.0, rel=1e-12)


def test_both_sides_of_a_hedged_perp_count_and_neither_is_netted() -> None:
    """Case 10: 2 x 0.10541203 USD of maintenance, on 0.5 USD of margin."""
    table = read_positions(HEDGED, instruments={"1000SATSUSDT": "SATS-PERP"})
    assert table["size"].to_pylist() == [24_991.0, -24_991.0, None]
    world = worlds.load({
        "as_of": "2025-01-01T00:00:00Z", "assets": {"SATS": {"price": 0.0002812}, "SATS-PERP": {"perp": "SATS"}},
        "protocols": {"ex": {"rules": "binance", "book": Book.from_table(table, protocol="ex"),
                             "parameters": {"SATS-PERP": {"maintenance": 0.015}}}},
        "scenario": {"horizon": 60, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}})
    model = assemble(world)
    standing = MarginBook(model).at(model.seen_price())
    assert standing.maintenance == pytest.approx([2 * 0.10541203], abs=1e-7)
    assert standing.equity == pytest.approx([0.5], rel=1e-12)  # no profit: what one side makes the other loses
    high = wall_of(model, "SATS", "+150 %")
    assert high.totals["accounts"].to_pylist() == [1]  # 0.5 < 2.5 x 0.2108
    assert wall_of(model, "SATS", "+130 %").totals["accounts"].to_pylist() == [0]


def test_isolated_sides_of_a_hedged_perp_are_accounts_of_their_own() -> None:
    rows = [{"account": "a", "instrument": "X", "size": size, "entry_price": 1.0, "margin_mode": "isolated", "collateral": 5.0}
            for size in (10.0, -10.0)] + [{"account": "b", "instrument": "X", "size": 1.0, "entry_price": 1.0,
                                          "margin_mode": "isolated", "collateral": 5.0}]
    legs = Book.from_table(pa.Table.from_pylist(rows), protocol="p").legs
    assert list(dict.fromkeys(legs["account"].to_pylist())) == ["a/X/long", "a/X/short", "b/X"]


def test_contracts_paid_in_a_coin_have_no_place_among_linear_ones() -> None:
    with pytest.raises(InputError) as caught:
        read_positions(COIN_M, instruments={"BTCUSDT": "BTC-PERP"})
    assert str(caught.value) == (
        "export, account own has contracts that are paid in BTC: 'BTCUSD_PERP'; an exchange with `unit: BTC` lists its inverse "
        "perps: `{perp: BTC, inverse: true}`")


def several(answer: dict[str, Any]) -> dict[str, Any]:
    eth = {**answer["positionRisk"][0], "symbol": "ETHUSD_PERP", "positionAmt": "-30", "entryPrice": "2000"}
    return {"positionRisk": [*answer["positionRisk"], eth],
            "balance": [*answer["balance"], {"asset": "ETH", "balance": "4", "crossWalletBalance": "4"}]}


def test_contracts_are_read_in_dollars_and_wallets_in_coins() -> None:
    assert [tuple(row.values()) for row in read_positions(COIN_M).to_pylist()] == [
        ("own", "BTCUSD_PERP", 10e6, 45_000.0, "cross", 0.0, "BTC"), ("own", "", None, None, "cross", 101.0, "BTC")]
    assert [tuple(row.values()) for row in read_positions(several(COIN_M), coin="ETH").to_pylist()] == [
        ("own", "ETHUSD_PERP", -300.0, 2000.0, "cross", 0.0, "ETH"), ("own", "", None, None, "cross", 4.0, "ETH")]


def test_contracts_of_several_coins_ask_which_is_meant() -> None:
    with pytest.raises(InputError, match="account own has contracts margined in several coins: 'BTC, ETH'; each coin is an "
                                         "account of its own: name one, such as coin='BTC'"):
        read_positions(several(COIN_M))


@pytest.mark.parametrize(("changes", "line"), [
    ({"unit": "USD"}, "protocols.coin.parameters.BTC-COIN is paid in BTC, and the exchange counts in USD"),
    ({"parameters": {"BTC-COIN": {"tiers": TIERS}}}, "protocols.coin.parameters.BTC-COIN.floors_in counts floors in USD"),
    ({"parameters": {"BTC-COIN": {"maintenance": 0.05}, "BTC-PERP": {"maintenance": 0.05}}},
     "protocols.coin.parameters.BTC-PERP is paid in USD, and the exchange counts in BTC"),
    ({"parameters": {"BTC-COIN": {"maintenance": 0.05}, "ETH": {"haircut": 0.1}}},
     "protocols.coin.parameters.ETH is margin beside the coin"),
    ({"waterfall": [{"kind": "insurance_fund", "start": {"USD": 2.0}}]}, "protocols.coin.waterfall.0.start.USD is not BTC"),
])
def test_what_cannot_be_meant_is_said_in_one_line(changes: dict[str, Any], line: str) -> None:
    stated = {"rules": "binance", "unit": "BTC", "parameters": {"BTC-COIN": {"maintenance": 0.05}},
              "book": book([("long", 1000.0, 100.0, 1.0)])} | changes
    with pytest.raises(InputError) as caught:
        worlds.load({
            "as_of": "2025-01-01T00:00:00Z",
            "assets": {"BTC": {"price": 100.0}, "ETH": {"price": 10.0}, "BTC-COIN": {"perp": "BTC", "inverse": True},
                       "BTC-PERP": {"perp": "BTC"}}, "protocols": {"coin": stated},
            "scenario": {"horizon": 60, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}}})
    assert line in str(caught.value).replace(": ", " ", 1), str(caught.value)


def test_a_mark_of_an_inverse_perp_is_made_in_dollars_a_coin() -> None:
    """The book stands a little above the index and its average gap below that: the median is the middle one, turned over."""
    mark = {"kind": "mark", "of": "BTC-COIN/BTC", "formula": "index"}
    world = coin([("long", 1000.0, 100.0, 50.0)], 80.0, feeds={"mark": mark},
                 oracles={"coin": {"BTC-COIN": "mark"}})
    run = Run(world)
    r = run.model.positions.reserve("coin", "BTC-COIN")
    assert np.exp(run.state.seen.log_price[r, 0]) == pytest.approx(1.0 / 80.0, rel=1e-12)
    assert np.exp(run.model.start_seen[r]) == pytest.approx(1.0 / 100.0, rel=1e-12)


def test_an_arbitrageur_of_an_inverse_perp_is_refused() -> None:
    actor = {"kind": "arbitrageurs", "exchange": "coin", "account": "long", "spot": 5.0, "threshold": 0.001, "leverage": 3.0}
    with pytest.raises(InputError, match=r"actors\.arb\.account has no linear perp: 'long'; he trades linear perps"):
        assemble(coin([("long", 1000.0, 100.0, 50.0)], 80.0, actors={"arb": actor}))
