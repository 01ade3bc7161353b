"""What a mechanism may ask while it is made ready to run: names become numbers, and what all paths share is at hand.

A: assets (0 is USD), M: markets, R: reserves, P: paths of the chunk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    start: np.ndarray  # [M] outside log price at the start
    follows: tuple[tuple[int, int], ...]  # (market of a perp, asset whose USD market price its outside price is)

    def asset(self, name: str) -> int:
        """Number of an asset."""
        return self.assets.index(name)

    def market(self, pair: str, where: str) -> int:
        """Number of the market of a pair."""
        if pair not in self.pairs:
            raise InputError("no such market", where, pair, nearest(pair, self.pairs))
        return self.pairs.index(pair)

    def pair_of(self, pair: str) -> tuple[float, list[tuple[int, float]]]:
        """A pair's log price: a constant, and the markets that make it up with their signs."""
        base, quote = (self.asset(name) for name in pair.split("/"))
        terms: dict[int, float] = {}
        for asset, sign in ((base, 1.0), (quote, -1.0)):
            for m in self.tree.chain[asset, :self.tree.length[asset]]:
                terms[int(m)] = terms.get(int(m), 0.0) + sign
        constant = float(self.tree.log_rate[base] - self.tree.log_rate[quote])
        return constant, [(m, sign) for m, sign in terms.items() if sign != 0.0]


class Terms(NamedTuple):
    """The numbers by which a lending protocol's rules work, on all paths: written by whoever changes them at run time."""

    parameters: np.ndarray  # [columns] of its rules
    writes_off: np.ndarray  # [1] what is owed when no collateral is left becomes a deficit


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
    fee: np.ndarray  # [R] share of the incentive that the protocol keeps
    cash: np.ndarray  # [R] units that can be taken out at the start; inf: without end
    owed: np.ndarray  # [R] units owed at the start
    feeds: tuple[str, ...]  # names, the markets' own included
    networks: tuple[str, ...]  # names of chains; one without a name where the world has none
    start_price: np.ndarray  # [M] log market prices at the start
    step_length: float  # [s]
    steps: int
    blocks: int  # of the world's clock, in a step
    paths: int
    funding_rate: np.ndarray  # [R, P] last funding rate of an interval: written by who pays it, read by marks
    start_seen: np.ndarray  # [R] log prices seen at the start, in the protocol's unit
    bands: np.ndarray  # [accounts] that a loan of LLAMMA lies in, 0: as its rules say
    terms: dict[str, Terms] = field(default_factory=dict)  # by protocol; there once its rules are ready to run

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
        terms = [self.world.protocols[name].funding if perp else None
                 for (name, _), perp in zip(self.reserves, self.margins.perp, strict=True)]
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

    @cached_property
    def _account(self) -> dict[tuple[int, str], int]:
        return {(int(p), name): i for i, (p, name) in enumerate(zip(self.account_protocol, self.accounts, strict=True))}

    def account(self, protocol: str, name: str, *path: str | int) -> int:
        """Number of an account."""
        number = self._account.get((self.protocol(protocol, *path), name))
        if number is None:
            raise InputError("no such account", path=path, value=name, remedy=f"the book of {protocol} has none of that name")
        return number

    def holder(self, actor: str) -> int:
        """An actor's row of the token ledger."""
        return HOLDERS + tuple(self.world.actors).index(actor)

    def feed(self, name: str, *path: str | int) -> int:
        """Number of a feed."""
        return _place(name, self.feeds, "unknown feed", path)

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
