"""A coin without reserves and its sister: burning one mints the other, worth as much at her price, which is sold.

    down   buys coins below their rate, burns them and sells the sisters minted;   up   the same of sisters, above it
    in each block what the last unit still pays for (core/conversion.py says how much that is, and what is minted)
    what was bought is burned at the end of the block; what was minted is for sale in every later one
    once a step what burning has filled of the virtual pool drains:  d <- d e^(-dt / recovery)
With a sister of depth D (log_linear: her price falls as e^(-sold/D)) burning v in small parts takes it from P0 to P0 - v/D: what
she bears is P0 D, her market capitalisation where D is her supply. A coin of which more must be burned is lost.
Source: Terra's market module (virtual pool, minimum spread, recovery), May 2022. Capital and threshold are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.backing import Backing
from delever.core.columns import BASE, Column, Value, mean_of
from delever.core.conversion import (
    BACKED,
    BID,
    BOUGHT,
    BOUGHT_AT,
    BURNED,
    FILLED,
    HELD,
    HOLDER,
    MADE,
    MINTED,
    MONEY,
    NETWORK,
    PAIR,
    ROUNDING,
    SUPPLY,
    UP,
    Pairs,
    paid_out,
    to_spend,
    worth,
)
from delever.core.jit import kernel
from delever.core.orders import bring
from delever.core.phase import Kind, Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import EXECUTED, INCLUDED, ISSUER, OFFERED, REVERTED, Liquidity, Sales, Transactions
from delever.model.errors import InputError
from delever.model.quantity import Amount, Gwei, Seconds, Share, Text
from delever.model.references import derived, known_asset, known_name
from delever.model.world import World


class Algorithmic(Actor):
    """One pair of coin and sister, and who burns and sells."""

    kind: ClassVar[str] = "algorithmic"
    asset: Text = Field(examples=["stETH"], description="the coin: an asset with a peg and a rate")
    sister: Text = Field(examples=["SIS"], description="what it is burned for, an asset with a market against the same peg")
    supply: Amount = Field(gt=0, examples=["10,000"], description="units of the coin outstanding at the start")
    capital: Amount = Field(gt=0, examples=[500], description="units of the peg that they buy with; assumption")
    spread: Share = Field(0.0, lt=1, examples=["0.5 %"], description="least share that burning loses")
    pool: Amount | None = Field(None, gt=0, examples=["50m"], description="virtual pool, units of the peg; null: without end")
    recovery: Seconds = Field(86400.0, gt=0, description="time in which what burning has filled of the pool drains to 1/e")
    feed: Text | None = Field(None, description="feed of sister/peg at whose answer she is minted; null: her market price")
    threshold: Share = Field(0.0005, gt=0, description="gain after fees below which they do nothing; assumption")
    bid: Gwei = Field(20.0, ge=0, description="what they bid a unit of gas; assumption")
    network: Text | None = Field(None, description="the chain on which they trade; null: the only one")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A coin, and a sister that trades for the same peg."""
        derived(self.asset, world, (*path, "asset"))
        known_asset(self.sister, world, (*path, "sister"))
        peg = world.assets[self.asset].below
        own = world.assets.get(self.sister)
        if self.sister == self.asset or own is None or own.wraps is not None or own.perp is not None or own.below != peg:
            raise InputError(f"has no market against {peg}", path=(*path, "sister"), value=self.sister,
                             remedy=f"name an asset with a market of its own whose price is counted in {peg}")
        if self.feed is not None:
            known_name(self.feed, world.feeds, "feed", (*path, "feed"))
            if getattr(world.feeds[self.feed], "of", "") != f"{self.sister}/{peg}":
                raise InputError("is of another pair", path=(*path, "feed"), value=self.feed,
                                 remedy=f"name a feed of {self.sister}/{peg}")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All pairs."""
        return Burning(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: {self.capital:g} to burn {self.asset} with"


@kernel
def offer(time: float, it: Pairs, backing: Backing, liquidity: Liquidity, buys: int, sells: int, active: np.ndarray,
          rows: Transactions, n: int) -> int:
    """Sales of what was minted, then purchases that pay; the number of rows then. active: [P]."""
    ways = it.ways
    for i in range(ways.shape[0]):
        u = backing.underlying[ways[i, BACKED]]
        for p in range(active.shape[0]):
            if not active[p]:
                continue
            for kind in (sells, buys):
                give = it.made[HELD, i, p] if kind == sells else to_spend(i, p, time, it, backing, liquidity)
                if not give > (ROUNDING * it.made[MINTED, i, p] if kind == sells else 0.0):
                    continue
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, kind, OFFERED, i
                rows.actor[n], rows.network[n], rows.bid[n] = ways[i, HOLDER], ways[i, NETWORK], it.terms[ways[i, PAIR], BID]
                rows.give_asset[n] = ways[i, MADE] if kind == sells else u
                rows.get_asset[n] = u if kind == sells else ways[i, BOUGHT]
                rows.give[n] = give
                n += 1
    return n


@kernel
def to_market(picked: np.ndarray, buying: bool, time: float, it: Pairs, backing: Backing, liquidity: Liquidity,
              rows: Transactions, sales: Sales, n: int) -> int:
    """Purchases, sized at what stands, and sales come to the market; the number of sales then. picked: row numbers."""
    for j in picked:
        i, p, give = rows.ref[j], rows.path[j], rows.give[j]
        if buying:
            give = min(give, to_spend(i, p, time, it, backing, liquidity))
        if rows.state[j] != INCLUDED or not give > 0.0:
            rows.state[j] = REVERTED
            continue
        if buying:
            it.pairs[MONEY, it.ways[i, PAIR], p] -= give
        else:
            it.made[HELD, i, p] -= give
        rows.give[j] = give
        n = bring(j, rows.give_asset[j], rows.get_asset[j], give, rows, sales, n)
    return n


@kernel
def burn(n: int, it: Pairs, backing: Backing, liquidity: Liquidity, buys: int, sells: int, rows: Transactions,
         tokens: np.ndarray, wake: np.ndarray, time: float) -> None:
    """After the block: what rows 0..n-1 sold is money; what they bought is burned, and what that mints is there, for sale."""
    price = liquidity.markets.price
    for j in range(n):
        if rows.state[j] != EXECUTED or (rows.kind[j] != buys and rows.kind[j] != sells):
            continue
        i, p, units = rows.ref[j], rows.path[j], rows.brought[j]
        k, holder, gone, made = it.ways[i, PAIR], it.ways[i, HOLDER], it.ways[i, BOUGHT], it.ways[i, MADE]
        if rows.kind[j] == sells:
            it.pairs[MONEY, k, p] += units
            continue
        v = worth(i, p, True, it, backing, price) * units
        out = paid_out(i, p, v, it)[0]
        minted = out / worth(i, p, False, it, backing, price)
        if it.ways[i, UP] == 1:
            it.pairs[FILLED, k, p] -= out
            it.pairs[SUPPLY, k, p] += minted
        else:
            it.pairs[FILLED, k, p] += v
            it.pairs[SUPPLY, k, p] = max(it.pairs[SUPPLY, k, p] - units, 0.0)
        it.made[BURNED, i, p] += units
        it.made[HELD, i, p] += minted
        it.made[MINTED, i, p] += minted
        tokens[holder, gone, p] -= units
        tokens[ISSUER, gone, p] += units
        tokens[ISSUER, made, p] -= minted
        tokens[holder, made, p] += minted
        wake[p] = min(wake[p], time)


class Buy(Kind):
    """A purchase of what is then burned."""

    name: ClassVar[str] = "conversion"
    gas: ClassVar[float] = 400_000.0
    turn: ClassVar[int] = 3
    trades: ClassVar[bool] = True
    buying: ClassVar[bool] = True

    def __init__(self, burning: Burning) -> None:
        self.burning = burning

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        state.room_for_sales(len(picked))
        state.n_sales = to_market(picked, self.buying, state.time, self.burning.pairs(state), state.backing, state.liquidity,
                                  state.transactions, state.sales, state.n_sales)


    def take_back(self, state: State, picked: np.ndarray) -> None:
        """What bought nothing is money still, what found no buyer is held."""
        rows, (ways, _, pairs, made) = state.transactions, self.burning.table
        i, p = rows.ref[picked], rows.path[picked]
        into, at = (pairs[MONEY], ways[i, PAIR]) if self.buying else (made[HELD], i)
        np.add.at(into, (at, p), rows.unsold[picked])


class Sell(Buy):
    """A sale of what was minted."""

    name: ClassVar[str] = "conversion_sale"
    buying: ClassVar[bool] = False


SISTERS = "units of the sister"
COLUMNS = tuple(Column(name, unit, meaning, mean_of(name, meaning, under=under), section="Algorithmic coins")
                for name, unit, meaning, under in (
    ("burned", BASE, "coins that were burned", "burned"), ("coined", BASE, "coins that were minted", "minted"),
    ("sister_minted", SISTERS, "units of the sister that were minted", "sister minted"),
    ("sister_held", SISTERS, "units of the sister that were minted and not yet sold", "sister not sold")))


class Burning(Phase):
    """All pairs. n: how many, P: paths."""

    def __init__(self, specs: Mapping[str, Algorithmic], setting: Setting) -> None:
        self.names, made, layout, ways = tuple(specs), list(specs.values()), setting.layout, []
        for k, (name, one) in enumerate(specs.items()):
            rest = [k, -1 if one.feed is None else setting.feed(one.feed), setting.holder(name),
                    setting.network(one.network, "actors", name, "network")]
            for up, (bought, minted) in enumerate(((one.asset, one.sister), (one.sister, one.asset))):
                ways.append([layout.asset(bought), layout.asset(minted), layout.markets.index(bought),
                             layout.markets.index(minted), setting.backed(one.asset), up, *rest])
        terms = np.array([[one.spread, math.inf if one.pool is None else one.pool, one.threshold, one.bid, one.capital]
                          for one in made])
        self.drain = np.array([math.exp(-setting.step_length / one.recovery) for one in made])
        pairs = np.zeros((3, len(made), setting.paths))
        pairs[MONEY], pairs[SUPPLY] = [[[one.capital] for one in made], [[one.supply] for one in made]]
        self.table = (np.array(ways, np.int64), terms, pairs, np.zeros((3, len(ways), setting.paths)))
        self.buys, self.sells = Buy(self), Sell(self)

    def pairs(self, state: State) -> Pairs:
        """As kernels take them."""
        return state.group(Pairs, *self.table, state.feeds.answer)

    def kinds(self) -> Sequence[Kind]:
        """Purchases of what is burned, sales of what is minted."""
        return (self.buys, self.sells)

    def observe(self, state: State) -> None:
        """Once a step: the virtual pool drains."""
        self.table[2][FILLED] *= self.drain[:, None]

    def offer(self, state: State) -> None:
        """In every block."""
        it = self.pairs(state)
        state.room_for_rows(2 * it.made[0].size)
        state.n_rows = offer(state.time, it, state.backing, state.liquidity, self.buys.number, self.sells.number, state.active,
                             state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """What was bought is burned."""
        burn(state.n_rows, self.pairs(state), state.backing, state.liquidity, self.buys.number, self.sells.number,
             state.transactions, state.ledgers.tokens, state.wake, state.time)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        ways, made, found = self.table[0], self.table[3], []
        for k, name in enumerate(self.names):
            down, up, m = 2 * k, 2 * k + 1, int(ways[2 * k, BOUGHT_AT])
            amounts = (made[BURNED, down], made[MINTED, up], made[MINTED, down], made[HELD, down])
            found += [Value(column, units.copy(), market=m, of=name) for column, units in zip(COLUMNS, amounts, strict=True)]
        return found
