"""A peg keeper: it mints a stablecoin into a pool while that is dear, and withdraws and burns it while it is cheap.

    y > x  mints   min(share (y - x), most, ceiling - debt)   into the pool alone     x, y what the pool holds of coin and peg
    x > y  burns   min(share (x - y), debt)                   out of the pool alone
    not sooner than `delay` after the last time, and only if its profit, max(claim - debt - 1, 0), does not fall
    mints while the coin's price is 1 or more, at most `most` = (alpha + beta x sum of sqrt(debt / ceiling) of other keepers)^2
          x ceiling - debt, and unless the coin is dearer here than in every other keeper's pool by more than `worst`
    burns while that price is 1 or less;   both only where the pool's price is within `deviation` of its average
What it minted nothing stands behind but its claim on the pool, in units of D: both balances are charged half the pool's fee on
what they are off the old proportions, and the claim grows by what D grows. Whoever calls has `caller_share` of the profit, and
by the rule `profitable` calls only if that pays his gas.
Source: curvefi/curve-stablecoin, PegKeeperV2 and PegKeeperRegulator (a519704); alpha 1, beta 0 and no worst or deviation are the
first version. The pool's fees leave its curve at once, as in all trades here. One keeper of a coin alone is not held to `worst`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.columns import BASE, Column, Value, mean_of
from delever.core.jit import kernel
from delever.core.market import log_price_at
from delever.core.peg_keeping import (
    ACTIONS,
    BID,
    BURNED,
    CALLER,
    CALLERS,
    CLAIM,
    DEBT,
    DELAY,
    HOLDER,
    LAST,
    MINTED,
    NETWORK,
    POOL,
    Keepers,
    after,
    gain,
    measure,
    planned,
)
from delever.core.phase import Kind, Phase
from delever.core.pool_curves import Pools, left_over, redraw, with_rows
from delever.core.setting import Setting
from delever.core.state import Feeds, State
from delever.core.tables import EXECUTED, INCLUDED, OFFERED, REVERTED, VENUES, Ledgers, Liquidity, Networks, Transactions
from delever.model.errors import InputError
from delever.model.quantity import Amount, Gwei, Seconds, Share, Text
from delever.model.references import known_name, market_of_venue
from delever.model.world import World


class PegKeepers(Actor):
    """One peg keeper of a coin, and the pool that it works on."""

    kind: ClassVar[str] = "peg_keepers"
    venue: Text = Field(examples=["steth"], description="a StableSwap pool COIN/PEG of two assets that shares with nobody")
    ceiling: Amount = Field(gt=0, examples=["25m"], description="units that it may have out")
    debt: Amount = Field(0.0, ge=0, description="units that it has out at the start, among what the pool holds")
    feed: Text | None = Field(None, description="feed of the pool's average price; null: its price as it stands")
    aggregate: Text | None = Field(None, description="feed of the coin's price in all pools; null: what `feed` says")
    share: Share = Field(0.2, gt=0, le=0.5, description="of the pool's imbalance, each time")
    delay: Seconds = Field(900.0, ge=0, description="between two times")
    caller_share: Share = Field(0.2, description="share of the profit of each time that whoever calls has")
    alpha: Share = Field(0.5, description="square root of the part of its ceiling that it may have out while no other has any")
    beta: Share = Field(0.25, description="what the square root of another's part adds to that")
    deviation: Share | None = Field(0.0005, gt=0, description="of the price from its average, at most; null: any")
    worst: Share | None = Field(0.0003, description="how much dearer the coin may be here than in the others; null: any")
    rule: Literal["profitable", "always"] = Field("profitable", description="whether a caller's share must pay his gas")
    bid: Gwei = Field(20.0, ge=0, description="what a caller bids a unit of gas; assumption")
    network: Text | None = Field(None, description="the chain on which it stands; null: the only one")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A pool of its own, whose balances hold what it has out; feeds of the coin."""
        market_of_venue(self.venue, world, (*path, "venue"))
        pool: Any = world.venues[self.venue]
        held = getattr(pool, "balances", None) or {}
        if pool.kind != "stableswap" or len(held) != 2 or pool.pool is not None:
            raise InputError("is no StableSwap pool of two assets with stated balances", path=(*path, "venue"), value=self.venue,
                             remedy="write A, fee and balances of `kind: stableswap` and no `pool` there")
        most = min(self.ceiling, held[pool.base])
        if self.debt > most:
            raise InputError(f"is more than {most:g}", path=(*path, "debt"), value=self.debt,
                             remedy=f"at most its ceiling, and what the pool holds of {pool.base}")
        for field in ("feed", "aggregate"):
            name = getattr(self, field)
            if name is not None:
                known_name(name, world.feeds, "feed", (*path, field))
                if not str(getattr(world.feeds[name], "of", "")).startswith(f"{pool.base}/"):
                    raise InputError("is of another asset", path=(*path, field), value=name, remedy=f"name a feed of {pool.base}")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        return Keeping(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: somebody calls the peg keeper of {self.venue} as soon as " + (
            "it may act" if self.rule == "always" else "that pays")


@kernel
def offer(time: float, kind: int, keepers: Keepers, pools: Pools, feeds: Feeds, networks: Networks, liquidity: Liquidity,
          active: np.ndarray, rows: Transactions, n: int) -> int:
    """A row for each keeper that acts now; the number of rows then. active: [P]."""
    whole = keepers.whole
    for i in range(whole.shape[0]):
        j = whole[i, POOL]
        for p in range(active.shape[0]):
            units = planned(i, p, time, kind, keepers, pools, feeds, networks, liquidity) if active[p] else 0.0
            if units != 0.0:
                rows.path[n], rows.kind[n], rows.state[n], rows.ref[n] = p, kind, OFFERED, i
                rows.actor[n], rows.network[n], rows.bid[n] = whole[i, HOLDER], whole[i, NETWORK], keepers.terms[i, BID]
                rows.venue[n] = pools.market[j] + 1
                minted, burned = max(units, 0.0), max(-units, 0.0)
                rows.give_asset[n], rows.get_asset[n] = keepers.coin[j], keepers.peg[j]
                if burned > 0.0:
                    rows.give_asset[n], rows.get_asset[n] = keepers.peg[j], keepers.coin[j]
                rows.give[n], rows.get[n] = minted, burned
                n += 1
    return n


@kernel
def act(picked: np.ndarray, time: float, own: int, keepers: Keepers, pools: Pools, feeds: Feeds, networks: Networks,
        liquidity: Liquidity, ledgers: Ledgers, rows: Transactions, mover: np.ndarray) -> None:
    """Each is sized at what stands: coins go into its pool, or out of it, whose curve is then another. mover: [P]."""
    kept, tokens, markets, profiles = keepers.kept, ledgers.tokens, liquidity.markets, liquidity.profiles
    for k in picked:
        i, p = rows.ref[k], rows.path[k]
        units, j = planned(i, p, time, rows.kind[k], keepers, pools, feeds, networks, liquidity), keepers.whole[i, POOL]
        if rows.state[k] != INCLUDED or units == 0.0:
            rows.state[k] = REVERTED
            continue
        m, coin, a, b = pools.market[j], keepers.coin[j], pools.base[j], pools.quote[j]
        there = min(markets.depth[0, m, p], markets.depth[1, m, p])
        x, y, d = after(j, p, units / there, pools, markets)
        grown = (d - pools.total[j, p]) * there
        gone = keepers.terms[i, CALLER] * gain(i, p, units, grown, keepers)
        kept[CLAIM, i, p] += grown - gone
        kept[DEBT, i, p] = max(kept[DEBT, i, p] + units, 0.0)
        kept[LAST, i, p] = time
        kept[MINTED if units > 0.0 else BURNED, i, p] += abs(units)
        kept[CALLERS, i, p] += gone
        kept[ACTIONS, i, p] += 1.0
        tokens[rows.actor[k], coin, p] -= units
        tokens[VENUES, coin, p] += units
        ledgers.turnover[coin, p] += abs(units)
        pools.balance[a, p], pools.balance[b, p], pools.total[j, p] = x, y, d
        r = own + j * mover.shape[0] + p
        redraw(j, j, p, r, markets.consumed[m, p], pools, profiles)
        markets.profile[m, p] = r
        markets.price[m, p] = log_price_at(m, p, markets.consumed[m, p], profiles, markets)
        rows.give[k], rows.get[k], rows.state[k] = max(units, 0.0), max(-units, 0.0), EXECUTED
        mover[p] = rows.number[k]


class Update(Kind):
    """Coins minted into a pool, or withdrawn and burned."""

    name: ClassVar[str] = "peg_keeping"
    gas: ClassVar[float] = 400_000.0  # assumption
    turn: ClassVar[int] = 3
    trades: ClassVar[bool] = True

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        it = self.keeping
        act(picked, state.time, it.own, it.keepers, it.pools, state.feeds, state.networks, state.liquidity, state.ledgers,
            state.transactions, state.tally.mover)


SECTION = "Peg keepers"
SAID = tuple(Column(name, BASE, text, mean_of(name, f"{text}{', at the end' if stock else ''}", under=under), section=SECTION,
                    stock=stock) for name, text, under, stock in (
    ("keeper_minted", "units that the peg keeper minted into its pool", "minted", False),
    ("keeper_burned", "units that the peg keeper withdrew and burned", "burned", False),
    ("keeper_debt", "units of the peg keeper that are out, with nothing behind them but its claim on the pool", "out", True),
    ("keeper_profit", "what the peg keeper's claim on the pool is above what it has out", "profit", True),
    ("keeper_callers", "what callers of the peg keeper have had", "callers' share", False)))
TIMES = Column("keeper_actions", "count", "times that the peg keeper minted or burned", mean_of(
    "keeper_actions", "times that the peg keeper minted or burned", under="times"), section=SECTION)


class Keeping(Phase):
    """All peg keepers."""

    def __init__(self, specs: Mapping[str, PegKeepers], setting: Setting) -> None:
        self.names, made, paths, layout = tuple(specs), list(specs.values()), setting.paths, setting.layout
        venues = list(dict.fromkeys(one.venue for one in made))
        stated: list[Any] = [setting.world.venues[name] for name in venues]
        n, half = len(venues), [one.cells // 2 for one in stated]
        left = np.zeros((n, max(half) + 1))
        for row, cells in zip(left, half, strict=True):
            row[:cells + 1] = left_over(cells)
        two, held = 2 * np.arange(n, dtype=np.int64), [[one.balances[one.base], one.balances[one.quote]] for one in stated]
        self.pools = Pools(
            np.arange(n + 1, dtype=np.int64), np.append(two, 2 * n), np.array([2.0 * one.A for one in stated]),
            np.zeros((n, paths)), np.array([layout.venues[name] for name in venues], np.int64), two, two + 1,
            np.array(half, np.int64), left,
            np.repeat(np.array(held).reshape(2 * n, 1), paths, axis=1), np.zeros((n, paths)))
        measure(self.pools)
        self.own = -1  # the first row of profiles that is a path's own
        coins = np.array([[layout.asset(one.base), layout.asset(one.quote)] for one in stated], np.int64)
        whole = np.array([[venues.index(one.venue), setting.holder(name),
                           setting.network(one.network, "actors", name, "network"),
                           *(-1 if feed is None else setting.feed(feed) for feed in (one.feed, one.aggregate))]
                          for name, one in specs.items()], np.int64)
        terms = np.array([[one.ceiling, one.share, one.delay, one.caller_share, one.alpha, one.beta,
                           one.deviation or math.inf, math.inf if one.worst is None else one.worst, one.rule == "always", one.bid]
                          for one in made])
        kept = np.zeros((7, len(made), paths))
        kept[DEBT] = kept[CLAIM] = np.array([[one.debt] for one in made])
        kept[LAST] = -np.inf
        self.keepers = Keepers(whole, terms, coins[:, 0].copy(), coins[:, 1].copy(), kept)
        self.update = Update(self)

    def kinds(self) -> Sequence[Kind]:
        """What a caller sends."""
        return (self.update,)

    def offer(self, state: State) -> None:
        """In every block."""
        if self.own < 0:
            self.own = len(state.profiles.node_w)
            state.profiles = with_rows(state.profiles, self.pools.sold.size)
        state.room_for_rows(self.keepers.kept[DEBT].size)
        state.n_rows = offer(state.time, self.update.number, self.keepers, self.pools, state.feeds, state.networks,
                             state.liquidity, state.active, state.transactions, state.n_rows)

    def wake(self, state: State) -> None:
        """When it may act again."""
        for due in self.keepers.kept[LAST] + self.keepers.terms[:, DELAY, None]:
            np.minimum(state.wake, np.where(due > state.time, due, np.inf), out=state.wake)

    def market(self, i: int) -> int:
        """Of its pool."""
        return int(self.pools.market[self.keepers.whole[i, POOL]])

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py."""
        kept, out = self.keepers.kept, []
        for i, name in enumerate(self.names):
            values = (kept[MINTED, i], kept[BURNED, i], kept[DEBT, i], kept[CLAIM, i] - kept[DEBT, i], kept[CALLERS, i])
            out += [Value(column, found.copy(), market=self.market(i), of=name)
                    for column, found in zip(SAID, values, strict=True)]
        return out

    def columns(self, state: State) -> list[Value]:
        """How often."""
        return [Value(TIMES, self.keepers.kept[ACTIONS, i].copy(), market=self.market(i), of=name, place=f"actors.{name}")
                for i, name in enumerate(self.names)]
