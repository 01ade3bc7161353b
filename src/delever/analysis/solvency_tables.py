"""The tables of a solvency: protocols, accounts that are short, markets, what cannot be sold. What figures mean: solvency.py."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from delever.analysis.exits import Exits
from delever.analysis.sellers import EXIT, LOCKED, MARKET, ORACLE, Flows, Sellers, market_prices
from delever.analysis.tables import Column, named, table
from delever.run.assemble import Model
from delever.run.exchanges import stocks

CENT = 0.01  # USD: nobody is short by less
NOTHING = 1e-13  # share of an order that is rounding
NO_BIDS = "its venues bid for no more"


def figures(model: Model, exits: Exits, seen: np.ndarray, sellers: Sellers, worth: np.ndarray, shorts: Mapping[str, np.ndarray],
            alone: np.ndarray) -> list[Column]:
    """A number a protocol in each."""
    of, count = sellers.protocol, len(model.world.protocols)

    def by(values: np.ndarray) -> np.ndarray:
        return np.bincount(of, values, count)

    def number(where: np.ndarray) -> np.ndarray:
        return np.bincount(of[where], minlength=count)

    equity = {basis: 0.0 - by(values) for basis, values in shorts.items()}
    hidden = (shorts[EXIT] > CENT) & (shorts[ORACLE] <= CENT)
    locked = np.bincount(of[sellers.locked.account], sellers.locked.usd, count).astype(float)
    return [
        Column("accounts", "1", number(sellers.debt[MARKET] > 0.0), "that owe; of exchanges: cash and positions below 0"),
        Column("debt_usd", "USD", by(sellers.debt[MARKET]), "of these accounts, at the market's prices"),
        Column("collateral_oracle_usd", "USD", by(sellers.collateral[ORACLE]), "of accounts that owe, as the protocol sees it; "
               "of exchanges all margin"),
        Column("collateral_market_usd", "USD", by(sellers.collateral[MARKET])),
        Column("collateral_exit_usd", "USD", by(worth), "all of it at the mean prices of what is sold"),
        Column("liabilities_usd", "USD", liabilities(model, exits, seen, sellers), "what lenders are owed: loans and cash; "
               "traders: their margin"),
        *(Column(f"equity_{basis}_usd", "USD", values, {
            ORACLE: "what it is owed and will get, less liabilities, before its funds", EXIT: "if all who owe sell at once"
        }.get(basis, "")) for basis, values in equity.items()),
        Column("gap_usd", "USD", equity[ORACLE] - equity[EXIT], "equity at the oracle's prices less equity at exit"),
        Column("equity_alone_usd", "USD", 0.0 - alone, "at exit if nobody of the other protocols sold"),
        Column("funds_usd", "USD", funds(model, exits, seen), "insurance funds and vaults, which bear it first"),
        Column("short_oracle", "1", number(shorts[ORACLE] > CENT), "accounts that owe more than they have, at these prices"),
        Column("short_exit", "1", number(shorts[EXIT] > CENT), "at exit"),
        Column("hidden", "1", number(hidden), "of these: not so at the oracle's prices"),
        Column("hidden_debt_usd", "USD", by(np.where(hidden, sellers.debt[EXIT], 0.0)), "what those owe"),
        Column("locked_usd", "USD", locked, "collateral that cannot be sold at all"),
    ]


def liabilities(model: Model, exits: Exits, seen: np.ndarray, sellers: Sellers) -> np.ndarray:
    """[protocols] USD."""
    positions, price = model.positions, market_prices(model, exits, seen)
    protocols = list(model.world.protocols)
    lent = positions.owed + np.where(np.isfinite(positions.cash), positions.cash, 0.0)
    of = np.array([protocols.index(name) for name, _ in positions.reserves], np.int64)
    out = np.bincount(of, lent * price, len(protocols))
    margin = np.bincount(sellers.protocol, np.maximum(sellers.collateral[MARKET] - sellers.debt[MARKET], 0.0), len(protocols))
    return np.where([name in model.world.exchanges for name in protocols], margin, out)


def funds(model: Model, exits: Exits, seen: np.ndarray) -> np.ndarray:
    """[protocols] USD at the market's prices."""
    reserves, protocols = model.positions.reserves, list(model.world.protocols)
    fund, vault, _ = stocks(model.world, reserves)
    of = np.array([protocols.index(name) for name, _ in reserves], np.int64)
    return np.bincount(of, (fund + vault) * market_prices(model, exits, seen), len(protocols)).astype(float)


def accounts_table(model: Model, sellers: Sellers, worth: np.ndarray, shorts: Mapping[str, np.ndarray]) -> pa.Table:
    """A row an account that is short at exit, the largest shortfall first."""
    at = np.flatnonzero(shorts[EXIT] > CENT)
    at = at[np.argsort(-shorts[EXIT][at], kind="stable")]
    return table(
        Column("protocol", "", named(list(model.world.protocols), sellers.protocol[at])),
        Column("account", "", named(model.positions.accounts, sellers.account[at])),
        Column("debt_usd", "USD", sellers.debt[EXIT][at], "at exit"),
        Column("collateral_oracle_usd", "USD", sellers.collateral[ORACLE][at]),
        Column("collateral_market_usd", "USD", sellers.collateral[MARKET][at]),
        Column("fetched_usd", "USD", worth[at]),
        Column("short_oracle_usd", "USD", shorts[ORACLE][at], "owed beyond it, at the oracle's prices"),
        Column("short_market_usd", "USD", shorts[MARKET][at]),
        Column("short_exit_usd", "USD", shorts[EXIT][at]),
    )


def markets_table(model: Model, exits: Exits, flows: Flows, shock: float) -> pa.Table:
    """What goes through each market, either way."""
    rows, layout = sorted(flows), model.layout
    given, got, used = [], [], []
    for m, bought in rows:
        flow, pair = flows[m, bought], exits.pairs[m]
        usd = exits.usd(layout.assets[int(layout.tree.quote[m])])
        given.append(usd * flow.given * (1.0 if bought else pair.price))
        got.append(usd * flow.got * (pair.price if bought else 1.0))
        there = pair.asks if bought else pair.bids
        used.append(flow.got / there if there > 0.0 else 1.0)  # of nothing all is used
    return table(
        Column("shock", "share", np.full(len(rows), shock)),
        Column("market", "", [layout.pairs[m] for m, _ in rows], kind=pa.string()),
        Column("way", "", ["bought" if bought else "sold" for _, bought in rows], kind=pa.string()),
        Column("given_usd", "USD", given, "what is traded in, at the market's price before", pa.float64()),
        Column("got_usd", "USD", got, "what it brings", pa.float64()),
        Column("below", "share", [1.0 - out / into if exits.pairs[m].desks else 0.0
                                   for into, out, (m, _) in zip(given, got, rows, strict=True)],
               "mean price below the market's, fees among it", pa.float64()),
        Column("depth_used", "share", used, "of all that its venues would ever pay, at any price", pa.float64()),
    )


def unsold_table(model: Model, exits: Exits, sellers: Sellers, flows: Flows, shock: float) -> pa.Table:
    """What cannot be sold at all: collateral that nobody may seize, and what finds no bid."""
    rows = []
    locked, protocols = sellers.locked, list(model.world.protocols)
    for r in np.unique(locked.reserve).tolist():
        name, asset = model.positions.reserves[r]
        rows.append((name, asset, float(locked.usd[locked.reserve == r].sum()), LOCKED))
    for (m, bought), flow in sorted(flows.items()):
        left = flow.given - flow.done if not bought else 0.0
        if left > NOTHING * flow.given:
            asset = model.layout.markets[m]
            rows.append((", ".join(_sellers_on(sellers, m, protocols)), asset, left * exits.usd(asset), NO_BIDS))
    return table(Column("shock", "share", np.full(len(rows), shock)),
                 Column("protocol", "", [row[0] for row in rows], kind=pa.string()),
                 Column("asset", "", [row[1] for row in rows], kind=pa.string()),
                 Column("usd", "USD", [row[2] for row in rows], "at the market's price", pa.float64()),
                 Column("why", "", [row[3] for row in rows], kind=pa.string()))


def _sellers_on(sellers: Sellers, m: int, protocols: list[str]) -> list[str]:
    """Names of the protocols whose accounts sell on a market."""
    on = np.array([m in way.sells for way in sellers.ways], np.bool_)
    numbers = np.unique(sellers.protocol[sellers.of[on[sellers.way]]]) if len(on) else np.zeros(0, np.int64)
    return [protocols[n] for n in numbers.tolist()]
