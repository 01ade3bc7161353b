"""Vaults that supply isolated markets: depositors leave, are paid from markets in a queue, and cash is moved to where it lacks.

    A = sum of claim x supply index                        what the vault has [asset]
    h = base + loss d + locked l + unbacked b              [1/day]  d: fall of A a share from its peak, l: part of A without cash,
                                                           b: part of A in markets whose collateral is worth less than is owed
    of the shares that stay 1 - e^(-h x dt) want to go in a step; what waits is worth its part of A, bears losses like the rest
    A (e^(joins y dt) - 1) joins in a step, in the first market;  x, y = e^(unrest z - unrest^2 / 2), drawn for each day and vault
    a withdrawal takes from the markets in their order what is there
    at random: `sweeps` times a day all cash that a market has for the vault goes to the first one; `refills` times a day, while
    it is lent out whole and its accounts' collateral is worth what they owe, at market prices, `brought` comes from there
    every `every`: from the market least lent out to the one most lent out, as much as brings either to `target`, at most what the
    vault has there, the cash, and the room below the cap of the other
That one's collateral may have collapsed: lenders then flee from it, it is lent out whole, and good money follows bad.
Source: MetaMorpho's terms (caps, withdraw queue, reallocation), as documented and not executed; who leaves and joins, and by
which rule curators move, are assumptions or estimates. Their gas is not counted. Kernels: core/allocation.py, core/curating.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.actors.base import Actor
from delever.core.allocation import (
    ASSET_OF,
    JOINED,
    MOVED,
    PAID_OUT,
    STARTED,
    STAYING,
    UNBACKED,
    Held,
    decide,
    leave_empty,
    move,
    offer,
    who_wants,
    withdraw,
    worths,
)
from delever.core.columns import ASSET, OF, Column, Figure, Value, mean_of
from delever.core.curating import cover, curate, feel, join
from delever.core.phase import Kind, Phase
from delever.core.setting import Setting
from delever.core.settlement import units_of
from delever.core.state import State
from delever.model.errors import InputError
from delever.model.quantity import Amount, Gwei, Number, Seconds, Share, Text
from delever.model.references import known_name
from delever.model.world import World

DAY = 86400.0  # [s]


class Vaults(Actor):
    """One vault that supplies isolated markets of one asset, and all who have put money into it."""

    kind: ClassVar[str] = "vaults"
    asset: Text = Field(examples=["USD"], description="what it lends")
    supplied: dict[str, Amount] = Field(examples=["{aave: 1000}"], description="units in each market (PROTOCOL/MARKET) at the "
                                        "start, in the order in which withdrawals take from them")
    caps: dict[str, Amount] = Field({}, description="most that is moved into a market [units]; not stated: any")
    base: Share = Field(0.0, description="share that leaves in a day when nothing happens; assumption")
    loss: Number = Field(0.0, ge=0, examples=[20], description="share more a day for a loss of all; assumption")
    locked: Number = Field(0.0, ge=0, examples=[0.5], description="share more a day where nothing could be paid out; assumption")
    unbacked: Number = Field(0.0, ge=0, examples=[0.5], description="share more a day where all lies in markets whose collateral "
                             "is worth less than their debts, at market prices; assumption")
    every: Seconds | None = Field(None, gt=0, examples=["1 h"], description="time between two moves; null: nothing is moved")
    target: Share = Field(0.9, gt=0, lt=1, description="part of a market that is lent out, to which money is moved; assumption")
    fee: Gwei = Field(20.0, ge=0, description="what depositors bid a unit of gas; assumption")
    joins: Share = Field(0.0, description="share that joins in a day; assumption")
    unrest: Number = Field(0.0, ge=0, examples=[1.5], description="standard deviation from day to day of the log of what leaves "
                           "and joins; assumption")
    sweeps: dict[str, Number] = Field({}, description="times a day that curators take what cash a market has to the first of "
                                      "`supplied`; assumption")
    refills: dict[str, Number] = Field({}, description="times a day that they bring cash from there to a market that is lent out "
                                       "whole, while its collateral is worth its debts; assumption")
    brought: Amount = Field(0.0, description="units that they bring at a time; assumption")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Markets that know what they hold."""
        if not self.supplied:
            raise InputError("is empty", path=(*path, "supplied"), remedy="write `{morpho/steth: 1m, ...}`")
        for name in (*self.supplied, *self.caps, *self.sweeps, *self.refills):
            known_name(name, world.protocols, "protocol", (*path, "supplied"))
            if self.asset not in world.protocols[name].cash:
                raise InputError("is missing", path=("protocols", name, "cash", self.asset),
                                 remedy=f"{path[-1]} withdraws cash: state the units that the market holds at the start")
        for field in ("caps", "sweeps", "refills"):
            lost = next((name for name in getattr(self, field) if name not in self.supplied), None)
            if lost is not None:
                raise InputError("is not supplied", path=(*path, field), value=lost, remedy=f"write `{lost}: 0` under `supplied`")
        for field in ("sweeps", "refills"):
            if next(iter(self.supplied)) in getattr(self, field):
                raise InputError("is the first", path=(*path, field), value=next(iter(self.supplied)),
                                 remedy="cash goes to and comes from the first of `supplied`: name another market")
        for name, other in world.actors.items():
            if getattr(other, "protocol", None) in self.supplied and getattr(other, "kind", "") == "depositors":
                raise InputError(f"lend what {path[-1]} lends too", path=("actors", name), value=self.asset,
                                 remedy="depositors are all who lend it: leave one")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All vaults."""
        return Vaulting(specs, setting)

    def says(self) -> str:
        """See Actor."""
        return f"assumed: depositors of a vault of {self.asset} leave at {self.base:.3g} a day, more with losses and locked cash"


class VaultWithdrawal(Kind):
    """Cash for shares of a vault."""

    name: ClassVar[str] = "vault_withdrawal"
    gas: ClassVar[float] = 350_000.0
    turn: ClassVar[int] = 1

    def __init__(self, held: Held) -> None:
        self.held = held

    def check(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        leave_empty(picked, self.held, state.reserves, state.ledgers, state.transactions)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        self.check(state, picked)
        withdraw(picked, self.held, state.reserves, state.ledgers, state.transactions)


SECTION = "Vaults"
WITHDRAWN = Column("vault_withdrawn", ASSET, "units that depositors withdrew", mean_of(
    "vault_withdrawn", f"units that depositors of {OF} withdrew", under="withdrawn"), section=SECTION)
JOINED_BY = Column("vault_joined", ASSET, "units that depositors brought", mean_of(
    "vault_joined", f"units that depositors of {OF} brought", under="joined"), section=SECTION)
QUEUED = Column("vault_waiting", ASSET, "units that depositors wait for", (
    *mean_of("vault_waiting", f"units that depositors of {OF} wait for at the end", under="waiting"),
    Figure("probability_of_vault_queue", "share_above", "paths on which depositors wait for cash at the end", "share",
           under="a queue")), section=SECTION, stock=True)
GAINED = Column("vault_gain", ASSET, "units earned and not lost", mean_of(
    "vault_gain", f"units that {OF} earned, less what its markets lost", under="gain"), section=SECTION)
SHIFTED = Column("vault_moved", ASSET, "units moved between markets", mean_of(
    "vault_moved", f"units that {OF} moved between markets", under="moved"), section=SECTION)


class Vaulting(Phase):
    """All vaults, ready to run."""

    def __init__(self, specs: Mapping[str, Vaults], setting: Setting) -> None:
        self.names = tuple(specs)
        pairs = [(setting.reserve(market, one.asset, "actors", name, "supplied"), units, one.caps.get(market, np.inf))
                 for name, one in specs.items() for market, units in one.supplied.items()]
        reserve = np.array([r for r, _, _ in pairs], np.int64)
        start = np.array([units for _, units, _ in pairs])
        whole = np.array([[setting.layout.asset(one.asset), setting.homes[setting.protocol(next(iter(one.supplied)))],
                           setting.holder(name), setting.parts(one.every) if one.every else 0]
                          for name, one in specs.items()], np.int64)
        terms = np.array([[one.base / DAY, one.loss / DAY, one.locked / DAY, one.target, one.fee, one.joins / DAY, one.unrest,
                           one.unbacked / DAY] for one in specs.values()])
        first = np.cumsum([0, *(len(one.supplied) for one in specs.values())])
        kept = np.zeros((7, len(specs), setting.paths))
        kept[STAYING], kept[STARTED] = 1.0, np.add.reduceat(start, first[:-1])[:, None]
        sweep, refill, brought = np.array([[one.sweeps.get(market, 0.0) / DAY, one.refills.get(market, 0.0) / DAY, one.brought]
                             for one in specs.values() for market in one.supplied]).T.copy()
        self.held = Held(whole, terms, first, reserve, np.array([cap for _, _, cap in pairs]),
                         np.repeat(start[:, None], setting.paths, axis=1), kept, np.ones((2, len(specs), setting.paths)),
                         sweep, refill, brought, np.ones((len(reserve), setting.paths), np.bool_))
        self.units = units_of(setting.book, len(setting.reserves))
        self.day = -1
        for name, one in specs.items():
            for market in one.supplied:
                there = setting.reserve(market, one.asset)
                lent, mine = float(setting.cash[there] + setting.owed[there]), float(start[reserve == there].sum())
                if mine > lent * (1.0 + 1e-9):
                    remedy = f"cash and debts of the market are {lent:.6g}: state its `cash` and what is `borrowed`"
                    raise InputError(f"is {mine:.6g} with other vaults", path=("actors", name, "supplied", market),
                                     value=one.asset, remedy=remedy)
        self.withdrawal = VaultWithdrawal(self.held)

    def kinds(self) -> Sequence[Kind]:
        """Withdrawals."""
        return (self.withdrawal,)

    def observe(self, state: State) -> None:
        """Once a step: who leaves and joins, and what is moved."""
        day = int((state.step - 1) * state.step_length // DAY)
        if day != self.day:
            feel(day, state.first_path, state.seed, self.held)
            self.day = day
        if self.held.refill.any() or self.held.terms[:, UNBACKED].any():
            cover(self.units, self.held, state.reserves, state.ledgers, state.liquidity)
        decide(state.step_length, self.held, state.reserves, state.ledgers)
        join(state.step_length, self.held, state.reserves, state.ledgers)
        move(state.step, self.held, state.reserves, state.ledgers)
        curate(state.step, state.step_length, state.first_path, state.seed, self.held, state.reserves, state.ledgers)

    def offer(self, state: State) -> None:
        """In every block."""
        state.room_for_rows(self.held.kept[0].size)
        state.n_rows = offer(self.held, state.reserves, state.ledgers, self.withdrawal.number, state.active, state.transactions,
                             state.n_rows)

    def wake(self, state: State) -> None:
        """See Phase."""
        who_wants(self.held, state.reserves, state.ledgers, state.time, state.wake)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        now, kept, found = np.zeros((2, len(self.names), state.paths)), self.held.kept, list[Value]()
        worths(self.held, state.reserves, state.ledgers, now)
        for i, name in enumerate(self.names):
            a, paid = int(self.held.whole[i, ASSET_OF]), kept[PAID_OUT, i].copy()
            found += [Value(WITHDRAWN, paid, asset=a, of=name, place=f"actors.{name}"),
                      Value(JOINED_BY, kept[JOINED, i].copy(), asset=a, of=name),
                      Value(QUEUED, now[1, i], asset=a, of=name),
                      Value(GAINED, now[0, i] + paid - kept[JOINED, i] - kept[STARTED, i], asset=a, of=name),
                      Value(SHIFTED, kept[MOVED, i].copy(), asset=a, of=name)]
        return found
