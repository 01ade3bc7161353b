"""Euler v1 after its exploit: who owes more than he holds, in which market, and who shares what was recovered.

    DELEVER_DATA=... python examples/euler_2023/story.py

A sub-account is what is solvent or not: all it holds answers for all it owes, and for nothing of its owner's others.

    equity      E_s = sum over markets of price x (deposit + staked - debt)               ETH, s: a sub-account
    claim       c_s = max(E_s, 0), of those that are not excluded
    recovered   R   = sum of amount x price                                               ETH
    receives    R c_s / sum of c                                                          of each coin alike

The sharing is a clearing in which one who owes c_s to each has R: analysis/clearing.py gives the same.
"""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from delever.analysis.clearing import clear

FOLDER = "euler_2023-03"
PAUSED, SHARED = "price_eth_16818362", "price_eth_17027354"  # the protocol's prices at the pause, and a month later
# What the attacker gave back, as the protocol's redemption states it: coin -> amounts.
RECOVERED = {"WETH": (95_556.36,), "DAI": (43.06e6, 1.01e6), "USDC": (3.40e6,)}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Book:
    """Axes: S sub-accounts, M markets."""

    symbols: tuple[str, ...]  # [M], some twice
    paused: Floats  # [M] ETH a unit
    shared: Floats  # [M] ETH a unit, a month later
    names: tuple[tuple[str, str], ...]  # [S] account, sub_id
    held: Floats  # [S, M] units, staked or not
    owed: Floats  # [S, M] units
    excluded: NDArray[np.bool_]  # [S] the attacker's, and others of no value

    def equity(self, price: Floats) -> Floats:
        """[S] ETH at prices [M]."""
        found: Floats = (self.held - self.owed) @ price
        return found

    def claims(self, price: Floats) -> Floats:
        """[S] ETH: what is shared by."""
        return np.where(self.excluded, 0.0, np.maximum(self.equity(price), 0.0))

    def price_of(self, symbol: str) -> float:
        """ETH a unit, when it was shared."""
        return float(self.shared[self.symbols.index(symbol)])


def read() -> Book:
    """The book below $DELEVER_DATA."""
    folder = Path(os.environ["DELEVER_DATA"]) / FOLDER
    with (folder / "markets.csv").open() as file:
        markets = list(csv.DictReader(file))
    with gzip.open(folder / "positions_block16818362.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    at = {name: i for i, name in enumerate(dict.fromkeys((row["account"], row["sub_id"]) for row in rows))}
    held, owed, excluded = np.zeros((len(at), len(markets))), np.zeros((len(at), len(markets))), np.zeros(len(at), bool)
    for row in rows:
        s, m = at[row["account"], row["sub_id"]], int(row["market"])
        held[s, m] += float(row["deposit"]) + float(row["staked"])
        owed[s, m] += float(row["debt"])
        excluded[s] |= row["attacker_or_excluded"] == "1"
    paused, shared = (np.array([float(row[name] or 0.0) for row in markets]) for name in (PAUSED, SHARED))
    return Book(tuple(row["symbol"] for row in markets), paused, shared, tuple(at), held, owed, excluded)


def worth(book: Book) -> float:
    """What was recovered [ETH]."""
    return sum(sum(amounts) * book.price_of(coin) for coin, amounts in RECOVERED.items())


def shares(book: Book, price: Floats) -> Floats:
    """[S] share of every coin that a sub-account receives."""
    claims = book.claims(price)
    return claims / claims.sum()


def fall(book: Book, symbols: tuple[str, ...], move: float) -> tuple[int, float, float]:
    """Of those not excluded if these coins move so: how many owe more than they hold, by how much [ETH], all claims [ETH].

    move: share.
    """
    price = np.where(np.isin(book.symbols, symbols), book.paused * (1.0 + move), book.paused)
    equity = book.equity(price)[~book.excluded]
    return int((equity < 0.0).sum()), float(np.maximum(-equity, 0.0).sum()), float(np.maximum(equity, 0.0).sum())


def cleared(book: Book, price: Floats, largest: int) -> Floats:
    """[largest] ETH: what the holders of the largest claims receive by the clearing of a debtor who owes all claims and has R."""
    claims = book.claims(price)
    chosen = np.argsort(-claims)[:largest]
    owes = np.zeros((largest + 1, largest + 1))
    owes[0, 1:] = claims[chosen]
    cash = np.zeros(largest + 1)
    cash[0] = worth(book)
    got = clear(owes, cash, outside=np.append(claims.sum() - claims[chosen].sum(), np.zeros(largest))).table["receives"]
    return np.array(got.to_pylist()[1:])


def main() -> None:
    """Print the tables of the README."""
    book = read()
    equity, price = book.equity(book.paused), book.paused
    bad = equity < 0.0
    print(f"{len(book.names):,} sub-accounts hold {(book.held @ price).sum():,.0f} ETH and owe "
          f"{(book.owed @ price).sum():,.0f} ETH.")
    print(f"{bad.sum()} owe more than they hold, by {-equity[bad].sum():,.0f} ETH; "
          f"{(bad & ~book.excluded).sum()} of them not excluded.")
    print(f"Recovered: {worth(book):,.0f} ETH.\n\n| equity at the prices of | claims | recovered, of claims |\n|---|---|---|")
    for name, at in (("the pause", book.paused), ("a month later", book.shared)):
        print(f"| {name} | {book.claims(at).sum():,.0f} ETH | {worth(book) / book.claims(at).sum():.1%} |")
    moved = np.abs(shares(book, book.paused) - shares(book, book.shared)).sum() / 2.0
    print(f"\nBetween the two prices {moved:.1%} of what is shared changes hands.")
    print("\n| market | lent by those not excluded | owed by them | owed by the excluded |\n|---|---|---|---|")
    lent, theirs, others = (side * price for side in (book.held[~book.excluded].sum(0), book.owed[~book.excluded].sum(0),
                                                      book.owed[book.excluded].sum(0)))
    for m in np.argsort(-others)[:6]:
        print(f"| {book.symbols[m]} | {lent[m]:,.0f} ETH | {theirs[m]:,.0f} ETH | {others[m]:,.0f} ETH |")
    print("\n| staked ETH falls by | owe more than they hold | by | claims |\n|---|---|---|---|")
    for move in (0.0, -0.05, -0.1, -0.2, -0.3):
        count, short, left = fall(book, ("stETH", "wstETH", "cbETH", "rETH"), move)
        print(f"| {abs(move):.0%} | {count:,} | {short:,.0f} ETH | {left:,.0f} ETH |")


if __name__ == "__main__":
    main()
