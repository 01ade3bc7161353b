"""A coin without reserves: burning it mints a sister token worth its rate, which is sold; who does so ties the coin to its rate.

    burned x:   v = rate x,   out = min((1 - spread) v, B^2 / (B + d) - B^2 / (B + d + v)),   minted = out / sister's price
                d += v;   once a step  d <- d e^(-dt / recovery)         B: virtual pool, units of the peg
    he buys where burning pays, the x at which the last unit does: with p, P the prices of coin and sister after it
                rate min(1 - spread, (B / (B + d + v))^2) P kept / sister's price  =  p / kept          (50 halvings)
    burns at the end of the block what he bought, and offers all the sister that he has for sale in every later block
With a sister of depth D (log_linear: her price falls as e^(-sold/D)) burning v in small parts takes it from P0 to P0 - v/D: what
she bears is P0 D, her market capitalisation where D is her supply. A coin of which more must be burned is lost.
Source: Terra's market module (virtual pool, minimum spread, recovery), May 2022. Capital and threshold are assumptions; the way
back, where burning the sister mints the coin above its rate, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.backing import Backing
from delever.core.columns import BASE, Column, Value, mean_of
from delever.core.elementary import exp_
from delever.core.jit import helper, kernel
from delever.core.market import log_price_at, purchase_within, sale
from delever.core.orders import bring
from delever.core.phase import Kind, Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import EXECUTED, INCLUDED, ISSUER, OFFERED, REVERTED, Liquidity, Sales, Transactions
from delever.model.errors import InputError
from delever.model.quantity import Amount, Gwei, Seconds, Share, Text
from delever.model.references import derived, known_asset, known_name
from delever.model.world import World

BACKED, SISTER, HER_MARKET, FEED, HOLDER, NETWORK = range(6)  # columns of whole numbers; FEED -1: the market
SPREAD, POOL, THRESHOLD, BID, SUPPLY = range(5)  # columns of terms
MONEY, HELD, FILLED, BURNED, MINTED = range(5)  # rows of what is kept: HELD and MINTED in units of the sister, FILLED is d
HALVINGS = 50


class Algorithmic(Actor):
    """One pair of coin and sister, and who burns and sells."""

    kind: ClassVar[str] = "algorithmic"
    asset: Text = Field(examples=["stETH"], description="the coin: an asset with a peg and a rate")
    sister: Text = Field(examples=["SIS"], description="the token that is minted for it, with a market against the same peg")
    supply: Amount = Field(gt=0, examples=["10,000"], description="units of the coin outstanding: what can be burned")
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


class Pairs(NamedTuple):
    """Coins and sisters. n: how many, P: paths."""

    whole: np.ndarray  # [n, 6]
    terms: np.ndarray  # [n, 5]
    kept: np.ndarray  # [5, n, P]
    answer: np.ndarray  # [F, P] of feeds, log


@helper
def sister_price(i: int, p: int, pairs: Pairs, price: np.ndarray) -> float:
    """At which she is minted [units of the peg]. price: [M, P] log market prices."""
    f, m = pairs.whole[i, FEED], pairs.whole[i, HER_MARKET]
    return exp_(price[m, p] if f < 0 else pairs.answer[f, p])


@helper
def paid_out(i: int, p: int, v: float, pairs: Pairs) -> float:
    """Worth of the sister that is minted for coins of rate x units = v [units of the peg]."""
    least, pool = (1.0 - pairs.terms[i, SPREAD]) * v, pairs.terms[i, POOL]
    if pool == np.inf:
        return least
    filled = pool + pairs.kept[FILLED, i, p]
    return min(least, pool * pool * v / (filled * (filled + v)))


@helper
def still_pays(i: int, p: int, x: float, pairs: Pairs, backing: Backing, liquidity: Liquidity) -> float:
    """What one unit more brings, after x bought and burned, less what it costs [units of the peg]."""
    profiles, markets, terms = liquidity.profiles, liquidity.markets, pairs.terms
    b, her = pairs.whole[i, BACKED], pairs.whole[i, HER_MARKET]
    m, rate, minted_at = backing.market[b], exp_(backing.log_rate[b, p]), sister_price(i, p, pairs, markets.price)
    costs, brings = markets.price[m, p], markets.price[her, p]
    if x > 0.0 and profiles.has_venue[m]:
        costs = log_price_at(m, p, purchase_within(m, p, x, np.inf, profiles, markets)[2], profiles, markets.exogenous)
    if x > 0.0 and profiles.has_venue[her]:
        units = paid_out(i, p, rate * x, pairs) / minted_at
        brings = log_price_at(her, p, sale(her, p, units, profiles, markets)[0], profiles, markets.exogenous)
    share = 1.0 - terms[i, SPREAD]
    if terms[i, POOL] < np.inf:
        part = terms[i, POOL] / (terms[i, POOL] + pairs.kept[FILLED, i, p] + rate * x)
        share = min(share, part * part)
    gain = rate * share * exp_(brings) / minted_at * (1.0 - profiles.fee_in[her]) * (1.0 - profiles.fee_out[her])
    return gain - exp_(costs) / ((1.0 - profiles.fee_in[m]) * (1.0 - profiles.fee_out[m])) * (
        1.0 + (terms[i, THRESHOLD] if x == 0.0 else 0.0))


@helper
def to_spend(i: int, p: int, time: float, pairs: Pairs, backing: Backing, liquidity: Liquidity) -> float:
    """Units of the peg that he would buy coins for now; 0: nothing."""
    profiles, markets, kept = liquidity.profiles, liquidity.markets, pairs.kept
    b = pairs.whole[i, BACKED]
    m, money = backing.market[b], kept[MONEY, i, p]
    if backing.frozen[b, p] > time or not money > 0.0 or not still_pays(i, p, 0.0, pairs, backing, liquidity) > 0.0:
        return 0.0
    keep = (1.0 - profiles.fee_in[m]) * (1.0 - profiles.fee_out[m])
    low, high = 0.0, max(min(money * keep / exp_(markets.price[m, p]), pairs.terms[i, SUPPLY] - kept[BURNED, i, p]), 0.0)
    if still_pays(i, p, high, pairs, backing, liquidity) >= 0.0:
        low = high
    else:
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if still_pays(i, p, middle, pairs, backing, liquidity) >= 0.0:
                low = middle
            else:
                high = middle
    return min(purchase_within(m, p, low, np.inf, profiles, markets)[1], money) if low > 0.0 else 0.0


@kernel
def offer(time: float, pairs: Pairs, backing: Backing, liquidity: Liquidity, buys: int, sells: int, active: np.ndarray,
          rows: Transactions, n: int) -> int:
    """Sales of what was minted, then purchases that pay; the number of rows then. active: [P]."""
    whole, kept = pairs.whole, pairs.kept
    for i in range(whole.shape[0]):
        b = whole[i, BACKED]
        for p in range(active.shape[0]):
            if not active[p]:
                continue
            for kind in (sells, buys):
                give = kept[HELD, i, p] if kind == sells else to_spend(i, p, time, pairs, backing, liquidity)
                if not give > 0.0:
                    continue
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, kind, OFFERED, i
                rows.actor[n], rows.network[n], rows.bid[n] = whole[i, HOLDER], whole[i, NETWORK], pairs.terms[i, BID]
                rows.give_asset[n] = whole[i, SISTER] if kind == sells else backing.underlying[b]
                rows.get_asset[n] = backing.underlying[b] if kind == sells else backing.asset[b]
                rows.give[n] = give
                n += 1
    return n


@kernel
def to_market(picked: np.ndarray, buying: bool, time: float, pairs: Pairs, backing: Backing, liquidity: Liquidity,
          rows: Transactions, sales: Sales, n: int) -> int:
    """Purchases, sized at what stands, and sales come to the market; the number of sales then. picked: row numbers."""
    for k in picked:
        i, p, give = rows.ref[k], rows.path[k], rows.give[k]
        if buying:
            give = min(give, to_spend(i, p, time, pairs, backing, liquidity))
        if rows.state[k] != INCLUDED or not give > 0.0:
            rows.state[k] = REVERTED
            continue
        pairs.kept[MONEY if buying else HELD, i, p] -= give
        rows.give[k] = give
        n = bring(k, rows.give_asset[k], rows.get_asset[k], give, rows, sales, n)
    return n


@kernel
def burn(n: int, pairs: Pairs, backing: Backing, liquidity: Liquidity, buys: int, sells: int, rows: Transactions,
         tokens: np.ndarray, wake: np.ndarray, time: float) -> None:
    """After the block: what rows 0..n-1 sold is money; what they bought is burned, and the sister is there, for sale."""
    whole, kept = pairs.whole, pairs.kept
    for k in range(n):
        if rows.state[k] != EXECUTED or (rows.kind[k] != buys and rows.kind[k] != sells):
            continue
        i, p, units = rows.ref[k], rows.path[k], rows.brought[k]
        if rows.kind[k] == sells:
            kept[MONEY, i, p] += units
            continue
        b, holder, sister = whole[i, BACKED], whole[i, HOLDER], whole[i, SISTER]
        a, v = backing.asset[b], exp_(backing.log_rate[b, p]) * units
        minted = paid_out(i, p, v, pairs) / sister_price(i, p, pairs, liquidity.markets.price)
        kept[FILLED, i, p] += v
        kept[BURNED, i, p] += units
        kept[HELD, i, p] += minted
        kept[MINTED, i, p] += minted
        tokens[holder, a, p] -= units
        tokens[ISSUER, a, p] += units
        tokens[ISSUER, sister, p] -= minted
        tokens[holder, sister, p] += minted
        wake[p] = min(wake[p], time)


class Buy(Kind):
    """A purchase of what is then burned."""

    name: ClassVar[str] = "contraction"
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


class Sell(Buy):
    """A sale of the sister."""

    name: ClassVar[str] = "sister_sale"
    buying: ClassVar[bool] = False


SECTION = "Algorithmic coins"
BURNT = Column("burned", BASE, "units that were burned", mean_of(
    "burned", "units that were burned", under="burned"), section=SECTION)
MADE = Column("sister_minted", "units of the sister", "units of the sister that were minted", mean_of(
    "sister_minted", "units of the sister that were minted", under="sister minted"), section=SECTION)
HOLDS = Column("sister_held", "units of the sister", "units of the sister that are minted and not sold", mean_of(
    "sister_held", "units of the sister that are not sold at the end", under="not sold"), section=SECTION, stock=True)


class Burning(Phase):
    """All pairs. n: how many, P: paths."""

    def __init__(self, specs: Mapping[str, Algorithmic], setting: Setting) -> None:
        self.names, made, layout = tuple(specs), list(specs.values()), setting.layout
        self.whole = np.array([[
            setting.backed(one.asset), layout.asset(one.sister), layout.markets.index(one.sister),
            -1 if one.feed is None else setting.feed(one.feed), setting.holder(name),
            setting.network(one.network, "actors", name, "network")] for name, one in specs.items()], np.int64)
        self.terms = np.array([[one.spread, math.inf if one.pool is None else one.pool, one.threshold, one.bid, one.supply]
                               for one in made])
        self.drain = np.array([math.exp(-setting.step_length / one.recovery) for one in made])
        self.kept = np.zeros((5, len(made), setting.paths))
        self.kept[MONEY] = np.array([one.capital for one in made])[:, None]
        self.buys, self.sells = Buy(self), Sell(self)

    def pairs(self, state: State) -> Pairs:
        """As kernels take them."""
        return state.group(Pairs, self.whole, self.terms, self.kept, state.feeds.answer)

    def kinds(self) -> Sequence[Kind]:
        """Purchases of the coin, sales of the sister."""
        return (self.buys, self.sells)

    def observe(self, state: State) -> None:
        """Once a step: the virtual pool drains."""
        self.kept[FILLED] *= self.drain[:, None]

    def offer(self, state: State) -> None:
        """In every block."""
        state.room_for_rows(2 * self.kept[0].size)
        state.n_rows = offer(state.time, self.pairs(state), state.backing, state.liquidity, self.buys.number, self.sells.number,
                             state.active, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """What was bought is burned."""
        burn(state.n_rows, self.pairs(state), state.backing, state.liquidity, self.buys.number, self.sells.number,
             state.transactions, state.ledgers.tokens, state.wake, state.time)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        market = state.backing.market[self.whole[:, BACKED]].tolist()
        return [Value(column, self.kept[row, i].copy(), market=m, of=name)
                for i, (name, m) in enumerate(zip(self.names, market, strict=True))
                for column, row in ((BURNT, BURNED), (MADE, MINTED), (HOLDS, HELD))]
