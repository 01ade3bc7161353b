"""What a mechanism may ask while it is made ready to run: names become numbers, and what all paths share is at hand.

A: assets (0 is USD), M: markets, R: reserves, P: paths of the chunk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from delever.core.exchange_tables import Margins
from delever.core.profile import Profiles
from delever.core.tables import HOLDERS, BookTables, Tree
from delever.model.errors import InputError, nearest
from delever.model.world import World


@dataclass(frozen=True)
class Layout:
    """Names and numbers of assets and markets."""

    assets: tuple[str, ...]  # USD first
    markets: tuple[str, ...]  # the asset that each market sells
    pairs: tuple[str, ...]  # BASE/QUOTE of each market
    tree: Tree
    start: np.ndarray  # [pairs] outside log price at the start
    follows: tuple[tuple[int, int, float], ...]  # (market of a perp, asset whose USD market price to the power of the sense,
    # +1 or of an inverse perp -1, is its outside price)
    rows: tuple[str, ...]  # of all M markets: the pairs, each with its first venue, then PAIR@VENUE of those that are apart
    venues: Mapping[str, int]  # the row of each venue

    def asset(self, name: str) -> int:
        """Number of an asset."""
        return self.assets.index(name)

    def rows_of(self, name: str) -> list[int]:
        """Rows of a venue, or of all venues of a pair."""
        if name in self.venues:
            return [self.venues[name]]
        return [m for m, pair in enumerate(self.tree.pair) if pair == self.pairs.index(name)]

    def market(self, pair: str, where: str) -> int:
        """Number of the market of a pair, which is its first venue's; of PAIR@VENUE that venue's."""
        if "@" in pair:
            return self.venues[pair.partition("@")[2]]
        if pair not in self.pairs:
            raise InputError("no such market", where, pair, nearest(pair, self.pairs))
        return self.pairs.index(pair)

    def pair_of(self, pair: str, venue: str | None = None) -> tuple[float, list[tuple[int, float]]]:
        """A pair's log price: a constant, and the markets that make it up with their signs; of the named venue's pair its own."""
        base, quote = (self.asset(name) for name in pair.split("/"))
        terms: dict[int, float] = {}
        for asset, sign in ((base, 1.0), (quote, -1.0)):
            for m in self.tree.chain[asset, :self.tree.length[asset]]:
                terms[int(m)] = terms.get(int(m), 0.0) + sign
        constant = float(self.tree.log_rate[base] - self.tree.log_rate[quote])
        own = None if venue is None else self.venues[venue]
        return constant, [(own if own is not None and self.tree.pair[own] == m else m, sign)
                          for m, sign in terms.items() if sign != 0.0]


class RuleNumbers(NamedTuple):
    """The numbers by which a lending protocol's rules work, path by path: written by whoever changes them at run time."""

    parameters: np.ndarray  # [paths, columns] of its rules
    close_factor: int  # the column of the largest share of a debt that one call repays; -1: there is none
    writes_off: np.ndarray  # [1] what is owed when no collateral is left becomes a deficit


class Mates(NamedTuple):
    """Owners with several accounts, on any protocols."""

    group: np.ndarray  # [accounts] number of the owner among them, -1: he has this one alone
    first: np.ndarray  # [owners + 1] where his accounts begin
    account: np.ndarray  # [those accounts]


@dataclass(frozen=True)
class Setting:
    """Where a mechanism finds itself."""

    world: World
    layout: Layout
    profiles: Profiles  # of markets
    reserves: tuple[tuple[str, str], ...]  # (protocol, asset) of each
    book: BookTables
    margins: Margins  # of no path
    accounts: tuple[str, ...]  # names, in the order of the book
    account_protocol: np.ndarray  # [accounts]
    owner: np.ndarray  # [accounts] number of the person whose it is
    fee: np.ndarray  # [R] share of the incentive that the protocol keeps
    cash: np.ndarray  # [R] units that can be taken out at the start; inf: without end
    owed: np.ndarray  # [R] units owed at the start
    feeds: tuple[str, ...]  # names, the markets' own included
    categories: tuple[tuple[int, int], ...]  # (reserve, efficiency-mode category) of the terms behind those of reserves
    networks: tuple[str, ...]  # names of chains; one without a name where the world has none
    start_price: np.ndarray  # [M] log market prices at the start
    step_length: float  # [s]
    steps: int
    blocks: int  # of the world's clock, in a step
    paths: int
    funding_rate: np.ndarray  # [R, P] last funding rate of an interval: written by who pays it, read by marks
    start_seen: np.ndarray  # [R] log prices seen at the start, in the protocol's unit
    bands: np.ndarray  # [accounts] that a loan of LLAMMA lies in, 0: as its rules say
    interest_rate: np.ndarray  # [accounts] that a trove of Liquity v2 pays [1/year], nan: as its rules say
    numbers: dict[str, RuleNumbers] = field(default_factory=dict)  # by protocol; there once its rules are ready to run

    @property
    def sequential(self) -> bool:
        """Whether transactions of a block are executed one after the other."""
        return self.world.execution.mode == "sequential"

    @property
    def tick(self) -> float:
        """Time between two blocks of the world's clock [s]."""
        return self.step_length / self.blocks

    def step_at(self, at: float) -> int:
        """The step in which a moment falls: (k - 1) dt <= at < k dt."""
        return int(math.floor(at / self.step_length + 1e-9)) + 1

    def parts(self, over: float) -> int:
        """In how many steps something is spread over a time, from the first on."""
        return max(1, round(over / self.step_length))

    @cached_property
    def funding_steps(self) -> np.ndarray:
        """[R] whole steps between two payments of a perp's funding; 0: none."""
        terms = [self.world.protocols[name].funding if funded else None
                 for (name, _), funded in zip(self.reserves, self.margins.funded, strict=True)]
        return np.array([0 if t is None else round(t.interval / self.step_length) for t in terms], np.int64)

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """Names."""
        return tuple(self.world.protocols)

    def protocol(self, name: str, *path: str | int) -> int:
        """Number of a protocol. path: where it is named."""
        return _place(name, self.protocols, "unknown protocol", path)

    def reserve(self, protocol: str, asset: str, *path: str | int) -> int:
        """Number of a reserve that some account holds or owes."""
        if (protocol, asset) not in self.reserves:
            names = [held for of, held in self.reserves if of == protocol]
            raise InputError(f"nobody holds or owes it on {protocol}", path=path, value=asset, remedy=nearest(asset, names))
        return self.reserves.index((protocol, asset))

    def terms(self, protocol: str, asset: str, category: int | None = None) -> np.ndarray:
        """Numbers of the terms of a reserve: of all its categories, of one of them, or the ordinary one (0)."""
        r = self.reserves.index((protocol, asset))
        found = [(r, 0), *((r, c) for of, c in self.categories if of == r)]
        rows = [r, *(len(self.reserves) + i for i, (of, _) in enumerate(self.categories) if of == r)]
        return np.array([row for row, (_, c) in zip(rows, found, strict=True) if category in (None, c)], np.int64)

    @cached_property
    def _account(self) -> dict[tuple[int, str], int]:
        return {(int(p), name): i for i, (p, name) in enumerate(zip(self.account_protocol, self.accounts, strict=True))}

    def account(self, protocol: str, name: str, *path: str | int) -> int:
        """Number of an account."""
        number = self._account.get((self.protocol(protocol, *path), name))
        if number is None:
            raise InputError("no such account", path=path, value=name, remedy=f"the book of {protocol} has none of that name")
        return number

    @cached_property
    def mates(self) -> Mates:
        """The accounts of owners who have several."""
        names = (*self.world.loans, *self.world.exchanges)
        known = np.isin(self.account_protocol, [self.protocols.index(name) for name in names])
        several = np.bincount(self.owner[known], minlength=len(self.owner))[self.owner] > 1
        account = np.flatnonzero(several & known)
        account = account[np.argsort(self.owner[account], kind="stable")]
        _, first, number = np.unique(self.owner[account], return_index=True, return_inverse=True)
        group = np.full(len(self.owner), -1)
        group[account] = number
        return Mates(group, np.append(first, len(account)), account)

    @cached_property
    def derived(self) -> tuple[str, ...]:
        """Names of the assets with a market and a rate."""
        return tuple(name for name in self.layout.markets if self.world.assets[name].derived)

    def backed(self, asset: str) -> int:
        """Row of state.backing of an asset with a market and a rate."""
        return self.derived.index(asset)

    def holder(self, actor: str) -> int:
        """An actor's row of the token ledger."""
        return HOLDERS + tuple(self.world.actors).index(actor)

    def feed(self, name: str, *path: str | int) -> int:
        """Number of a feed."""
        return _place(name, self.feeds, "unknown feed", path)

    def venue(self, name: str | None, sold: int, bought: int, *path: str | int) -> int:
        """What a transaction that sells one asset for the other writes as its `venue`; 0: none is named, or a pair's only one."""
        if name is None:
            return 0
        tree, row = self.layout.tree, self.layout.venues[name]
        way = {*tree.chain[sold, :tree.sells[sold, bought]], *tree.chain[bought, :tree.buys[sold, bought]]}
        if tree.pair[row] not in way:
            pairs = " and ".join(self.layout.pairs[m] for m in sorted(way))
            raise InputError(f"trades {self.layout.pairs[tree.pair[row]]}", path=path, value=name, remedy=(
                f"the way from {self.layout.assets[sold]} to {self.layout.assets[bought]} is over {pairs}"))
        return 1 + row if tree.other[tree.pair[row]] >= 0 else 0

    def network(self, name: str | None, *path: str | int) -> int:
        """Number of the network that a protocol, an actor or an event says is its own; where there is one, it need not."""
        if name is None:
            if len(self.networks) > 1:
                raise InputError("says no network", path=path, remedy=f"write `network: NAME`, one of {', '.join(self.networks)}")
            return 0
        return _place(name, self.networks, "unknown network", path)

    @cached_property
    def bridges(self) -> tuple[str, ...]:
        """Names of the ways between chains."""
        return tuple(name for name in self.world.networks if name not in self.networks)

    @cached_property
    def homes(self) -> np.ndarray:
        """[protocols] network of each; of an exchange, whose engine acts off chain, the first."""
        out = [0 if getattr(protocol.rules, "margin", False) and protocol.network is None
               else self.network(protocol.network, "protocols", name, "network")
               for name, protocol in self.world.protocols.items()]
        return np.array(out, np.int64)


def _place(name: str, names: Sequence[str], what: str, path: tuple[str | int, ...]) -> int:
    if name not in names:
        raise InputError(what, path=path, value=name, remedy=nearest(name, names) if any(names) else "the world has none")
    return names.index(name)


def ragged(rows: Sequence[Sequence[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Lists of (number, sign) as two padded arrays."""
    width = max(1, max((len(row) for row in rows), default=1))
    number, sign = np.full((len(rows), width), -1), np.zeros((len(rows), width))
    for i, row in enumerate(rows):
        for j, (n, s) in enumerate(row):
            number[i, j], sign[i, j] = n, s
    return number, sign
