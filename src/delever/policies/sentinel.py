"""A price sentinel: once a chain that stood still makes blocks again, owners have some time before they can be called.

    t < end of the outage + grace   and   health >= floor     nobody may call the account           health = backing / debt
An outage of the protocol's own chain counts (an event `outage` of a `network`); while it lasts no call is included anyway.
Owners act during the grace as always; that new loans are refused then is left out, for few here borrow.
Source: Aave v3 (PriceOracleSentinel: isLiquidationAllowed; ValidationLogic: 0.95, MINIMUM_HEALTH_FACTOR_LIQUIDATION_THRESHOLD);
Chainlink's sequencer uptime feeds on Arbitrum, Optimism and Base, with a grace of 3600 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field

from delever.core.columns import Column, Value, mean_of
from delever.core.health import account_health
from delever.core.jit import kernel
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import NOTHING, BookTables, Reserves, Touched, Transactions
from delever.model.errors import InputError
from delever.model.quantity import Seconds, Share, Text
from delever.model.references import known_name
from delever.model.world import World
from delever.policies.base import Policy, names

GRACE, FLOOR = range(2)  # columns of the terms
ROUNDING = 1e-12  # share of a moment: a grace that ends at a block is over in that block


class Sentinel(Policy):
    """Of some lending protocols."""

    kind: ClassVar[str] = "sentinel"
    protocols: Annotated[tuple[Text, ...], BeforeValidator(names)] = Field(
        min_length=1, examples=["[aave]"], description="lending protocols whose accounts it spares")
    grace: Seconds = Field(3600.0, gt=0, description="time from the end of an outage of their chain")
    floor: Share = Field(0.95, description="health below which an account may be called all the same")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Lending protocols of the world, each with one sentinel, on a chain."""
        for name in self.protocols:
            where = (*path, "protocols")
            known_name(name, world.protocols, "protocol", where)
            if getattr(world.protocols[name].rules, "margin", False):
                raise InputError("is an exchange, whose engine is on no chain", path=where, value=name,
                                 remedy="name lending protocols")
            others = [other for other, policy in world.policies.items()
                      if isinstance(policy, Sentinel) for named in policy.protocols if named == name]
            if len(others) > 1:
                raise InputError("has two sentinels", path=where, value=name,
                                 remedy=f"name it once: {' and '.join(others)} spare its accounts")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Sentinels:
        """All of them: a row of terms a protocol."""
        terms = np.zeros((len(setting.protocols), 2))
        for spec in specs.values():
            for name in spec.protocols:
                terms[setting.protocol(name)] = spec.grace, spec.floor
        return Sentinels(terms, setting.paths)


@kernel
def spare(first: int, last: int, rows: Transactions, touched: Touched, book: BookTables, reserves: Reserves, price: np.ndarray,
          floor: np.ndarray, ends: np.ndarray, time: float, spared: np.ndarray) -> None:
    """Strike calls of lending that must wait. price: [P, R] seen; floor: [protocols]; ends: [protocols, P] of the grace [s];
    spared: [P] how often a call was struck, counted on."""
    for i in range(first, last):
        number, slot, p = rows.protocol[i], rows.ref[i], rows.path[i]
        if time >= ends[number, p]:
            continue
        g = book.signature[touched.account[slot]]
        backing, debt = account_health(slot, p, g, touched.amount, book, reserves, price)
        if backing >= floor[number] * debt:
            rows.state[i] = NOTHING
            spared[p] += 1


SPARED = Column("spared_after_outage", "count", "calls of accounts that a sentinel refused, of each account once a block",
                mean_of("spared_after_outage", "calls of accounts that a sentinel refused"), section="Outages")


class Sentinels(Phase):
    """Those of all protocols."""

    def __init__(self, terms: np.ndarray, paths: int) -> None:
        """terms: [protocols, 2] grace [s], 0: none; floor."""
        self.terms, self.spared = terms, np.zeros(paths, np.int64)

    def ends(self, state: State) -> np.ndarray:
        """When the grace of each protocol ends [protocols, P]; -inf: none has begun."""
        grace = self.terms[:, GRACE, None]
        until = np.where(grace > 0.0, state.halts.network[state.home], -np.inf)  # half a block later than the last that is lost
        return np.asarray((until - state.step_length / state.blocks / 2.0 + grace) * (1.0 - ROUNDING))

    def restrain(self, state: State, first: int, last: int) -> None:
        """See Phase."""
        if last > first and (ends := self.ends(state)).max(initial=-np.inf) > state.time:
            spare(first, last, state.transactions, state.pool.touched, state.book, state.reserves, state.seen.price,
                  self.terms[:, FLOOR].copy(), ends, state.time, self.spared)

    def wake(self, state: State) -> None:
        """Once the grace is over everybody is looked at again."""
        ends = self.ends(state)
        np.minimum(state.wake, np.where(ends > state.time, ends, np.inf).min(axis=0), out=state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(SPARED, self.spared)]
