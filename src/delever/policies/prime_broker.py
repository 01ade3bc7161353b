"""A prime broker who margins all that a client owns as one: no account of his is called while the whole is good.

    equity    = sum of collateral - debts of loans + equity of margin accounts, cash and profits included
    exposure  = by underlying: collateral - debts + positions, at prices seen: a long here and a short there net
    required  = margin x sum of |exposure|, what is worth a USD always left out
    good      = equity >= required:  calls of his accounts on these protocols are struck; else they are called as anybody's
The broker stands in for what an account lacks alone, and takes no money: what that costs or saves is seen in bad debt. Interest
and funding count as they stand, an option as what it is worth. Source: prime brokerage with cross-margining (CME's and OCC's
programme nets exposures by underlying); one rate for all underlyings is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field

from delever.core.columns import OF, Column, Value, mean_of
from delever.core.jit import helper, kernel
from delever.core.phase import Phase
from delever.core.setting import Mates, Setting
from delever.core.state import State, Watch
from delever.core.tables import NOTHING, Accounts, Transactions
from delever.core.touch import enter_slots, slot_of
from delever.model.asset import USD
from delever.model.errors import InputError
from delever.model.quantity import Share, Text
from delever.model.references import known_name
from delever.model.world import World
from delever.policies.base import Policy, names


class PrimeBroker(Policy):
    """Whose accounts are margined together, and what is required of the whole."""

    kind: ClassVar[str] = "prime_broker"
    touches: ClassVar[bool] = True
    protocols: Annotated[tuple[Text, ...], BeforeValidator(names)] = Field(
        (), description="where accounts of a client count and are spared, lending and exchanges; none: everywhere")
    margin: Share = Field(gt=0, examples=["10 %"], description="what is required of the equity, of the net exposure")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Protocols of the world."""
        for name in self.protocols:
            known_name(name, world.protocols, "protocol", (*path, "protocols"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them, each with clients of its own: owners of several accounts where it counts them."""
        return Brokers({name: Desk(spec, name, setting) for name, spec in specs.items()})


@helper
def is_good(owner: int, p: int, margin: float, ours: np.ndarray, underlying: np.ndarray, mates: Mates, accounts: Accounts,
            watch: Watch, exposure: np.ndarray) -> bool:
    """Whether what an owner has on a path is enough. ours: [protocols]; underlying: [R]; exposure: [A] scratch."""
    book, touched, reserves, margins, price = (accounts.book, accounts.touched, accounts.reserves, accounts.margins,
                                               accounts.price)
    exposure[:] = 0.0
    equity = 0.0
    for i in range(mates.first[owner], mates.first[owner + 1]):
        account = mates.account[i]
        at, g = slot_of(p, account, watch), book.signature[account]
        if not ours[book.protocol[g]]:
            continue
        amount, row = (touched.amount, at) if at >= 0 else (book.amount, account)
        first, unit = book.first_debt[0], margins.in_usd[book.protocol[g], p]
        for k in range(book.collaterals[g]):
            r = book.reserve[g, k]
            usd = amount[row, k] * reserves.supply_index[r, p] * price[p, r] * unit
            equity += usd
            exposure[underlying[r]] += usd
        for k in range(first, first + book.debts[g]):
            r, q = book.reserve[g, k], amount[row, k]
            if book.margin[g]:
                equity += q * (price[p, r] - margins.paid[r, p]) * unit
                exposure[underlying[r]] += q * price[p, r] * unit
            else:
                usd = q * reserves.borrow_index[r, p] * price[p, r]
                equity -= usd
                exposure[underlying[r]] -= usd
    required = 0.0
    for a in range(1, exposure.shape[0]):  # 0 is USD
        required += abs(exposure[a])
    return equity >= margin * required


@kernel
def spare(first: int, last: int, called: np.ndarray, n_called: int, margin: float, tables: np.ndarray, underlying: np.ndarray,
          mates: Mates, rows: Transactions, accounts: Accounts, watch: Watch, spared: np.ndarray) -> int:
    """Strike calls of clients who are good; how many of called[:n_called] stay, in order. tables: [2, protocols or A], ours and
    scratch; spared: [P] how often, written."""
    book, touched, ours, exposure = accounts.book, accounts.touched, tables[0], tables[1]
    for i in range(first, last):
        account, p = touched.account[rows.ref[i]], rows.path[i]
        if mates.group[account] >= 0 and ours[rows.protocol[i]] and is_good(
                mates.group[account], p, margin, ours, underlying, mates, accounts, watch, exposure):
            rows.state[i] = NOTHING
            spared[p] += 1.0
    kept = 0
    for j in range(n_called):
        slot = called[j]
        account, p = touched.account[slot], touched.path[slot]
        if mates.group[account] >= 0 and ours[book.protocol[book.signature[account]]] and is_good(
                mates.group[account], p, margin, ours, underlying, mates, accounts, watch, exposure):
            spared[p] += 1.0
            continue
        called[kept] = slot
        kept += 1
    return kept


class Desk:
    """One broker, ready to run."""

    def __init__(self, spec: PrimeBroker, name: str, setting: Setting) -> None:
        assets, count = len(setting.layout.assets), len(setting.protocols)
        self.margin, self.mates, self.spared = spec.margin, setting.mates, np.zeros(setting.paths)
        self.tables = np.zeros((2, max(assets, count)))
        self.tables[0, :count] = [not spec.protocols or protocol in spec.protocols for protocol in setting.protocols]
        asset = [underlying_of(setting.world, held) for _, held in setting.reserves]
        self.underlying = setting.layout.tree.unwrapped[[setting.layout.asset(name) for name in asset]]
        if not len(self.mates.account):
            raise InputError("has no clients", path=("policies", name), value="prime_broker",
                             remedy="nobody owns two accounts: write `owner` in the books")


def underlying_of(world: World, name: str) -> str:
    """Whose price a holding moves with: of a contract what it follows; a unit of an inverse one is a dollar."""
    asset = world.assets.get(name)
    if asset is None or asset.inverse:
        return USD
    return asset.follows or name


SPARED = Column("calls_spared", "count", "calls that were struck, block by block, because the owner's whole was good", mean_of(
    "calls_spared", f"calls that {OF} struck, block by block", under="spared"), section="Prime brokers")


class Brokers(Phase):
    """All of them, by name."""

    strikes_last = True

    def __init__(self, desks: Mapping[str, Desk]) -> None:
        self.desks = dict(desks)

    def restrain(self, state: State, first: int, last: int) -> None:
        """See Phase."""
        if last == first and not state.n_called:
            return
        enter_slots(state)
        for desk in self.desks.values():
            state.n_called = spare(first, last, state.pool.called, state.n_called, desk.margin, desk.tables, desk.underlying,
                                   desk.mates, state.transactions, state.accounts, state.watch, desk.spared)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [Value(SPARED, desk.spared.copy(), of=name, place=f"policies.{name}") for name, desk in self.desks.items()]


__all__ = ["Brokers", "PrimeBroker"]
