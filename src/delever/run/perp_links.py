"""What ties perps to their underlying, made ready to run: funding, marks, arbitrageurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.behaviour.arbitrageurs import Arbitrage, Arbitrageurs
from delever.core.tables import Margins
from delever.model.asset import perps
from delever.model.errors import InputError
from delever.model.world import World
from delever.oracles.base import FeedSpec
from delever.oracles.mark import Beside, Mark
from delever.protocols.funding import FundingPhase
from delever.run.exchanges import positions_of
from delever.run.positions import Positions
from delever.run.pricing import Layout, ragged


def pays_funding(world: World, reserves: Sequence[tuple[str, str]], margins: Margins, step: float) -> np.ndarray:
    """Whole steps between two payments of each perp [R]; 0: none. step: [s]."""
    funding = [world.protocols[name].funding if perp else None for (name, _), perp in zip(reserves, margins.perp, strict=True)]
    return np.array([0 if terms is None else round(terms.interval / step) for terms in funding], np.int64)


def funding_phase(world: World, positions: Positions, layout: Layout, step: float, last_rate: np.ndarray) -> FundingPhase | None:
    """Funding of all perps that pay it; None: nobody does. last_rate: [R, P] written there."""
    every = pays_funding(world, positions.reserves, positions.margins, step)
    reserve = np.flatnonzero(every)
    if not len(reserve):
        return None
    tables, margins, follows = positions.tables, positions.margins, dict(layout.follows)
    account, leg = positions_of(tables)
    net = np.bincount(tables.reserve[tables.signature[account], leg], tables.amount[account, leg], len(positions.reserves))
    terms = [world.protocols[positions.reserves[r][0]].funding for r in reserve]
    return FundingPhase(
        reserve, np.array([layout.asset(positions.reserves[r][1]) for r in reserve]),
        np.array([follows[int(margins.market[r])] for r in reserve]), every[reserve],
        np.array([[t.interest, t.clamp, t.interval / t.period, t.cap] for t in terms if t is not None]), net[reserve], last_rate)


def beside(world: World, positions: Positions, layout: Layout, specs: Sequence[FeedSpec], step: float, last_rate: np.ndarray
           ) -> Beside:
    """What marks read beside their own market. specs: the marks; last_rate: [R, P] of funding."""
    marks = [spec for spec in specs if isinstance(spec, Mark)]
    underlying = perps(world.assets)
    pairs = [layout.pair_of(mark.index_pair(underlying)) for mark in marks]
    every = pays_funding(world, positions.reserves, positions.margins, step)
    reserve = np.full(len(marks), -1)
    for i, mark in enumerate(marks):
        perp = mark.of.partition("/")[0]
        for r, (name, asset) in enumerate(positions.reserves):
            if asset == perp and mark.exchange in (None, name):
                reserve[i] = r
    market, sign = ragged([terms for _, terms in pairs])
    return Beside(np.array([constant for constant, _ in pairs]), market, sign, reserve,
                  np.where(reserve >= 0, every[reserve], 0), last_rate, step)


def arbitrage(world: World, positions: Positions, layout: Layout, paths: int) -> Arbitrage | None:
    """Arbitrageurs by their accounts; None: there are none."""
    specs = {name: spec for name, spec in world.arbitrageurs.items() if isinstance(spec, Arbitrageurs)}
    if not specs:
        return None
    names = {(list(world.protocols)[number], name): i
             for i, (number, name) in enumerate(zip(positions.protocol, positions.accounts, strict=True))}
    accounts = []
    for name, spec in specs.items():
        if (spec.exchange, spec.account) not in names:
            raise InputError("no such account", f"arbitrageurs.{name}.account", spec.account,
                             f"the book of {spec.exchange} has none of that name")
        accounts.append(names[spec.exchange, spec.account])
    follows = dict(layout.follows)
    underlying = np.array([follows.get(int(m), 0) for m in positions.margins.market])
    return Arbitrage(specs, accounts, positions.tables, underlying, paths)
