"""Owners who keep their distance when thresholds change: what they owe is scaled until their health factor is what it was.

    debt' = debt x backing' / backing,   backing = sum of collateral x threshold, at the prices seen at the start
so that health' = backing' / debt' = backing / debt. Accounts that are below 1 before, that owe nothing, or whose backing does not
change stay as they are, and so do accounts of margin exchanges and of LLAMMA, whose debt is no number of the book alone.
What is borrowed or repaid for it comes and goes outside: no sale, no purchase; stated cash and debts of a reserve move with it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.analysis.valuation import health, legs_of
from delever.model.book import DEBT, Book
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import assemble

SAME = 1e-12  # relative: a backing that does not change


def relevered(base: World, other: World) -> World:
    """The other world with debts at which every account has the health factor that it has in the base."""
    before, after = assemble(base), assemble(other)
    if before.positions.accounts != after.positions.accounts:
        raise InputError("has another book than the baseline", "compare", None,
                         "owners can keep their distance where the accounts are the same: use owners that stay")
    mine, theirs = legs_of(before), legs_of(after)
    was, now = health(mine, before.seen_price()), health(theirs, after.seen_price())
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((was.factor >= 1.0) & (was.backing > 0.0) & (now.backing > 0.0), now.backing / was.backing, 1.0)
    ratio[~np.isfinite(was.factor) | (np.abs(ratio - 1.0) < SAME)] = 1.0
    protocols = list(other.protocols)
    moved = {name for number, name in enumerate(protocols)
             if name in other.loans and (ratio[after.positions.protocol == number] != 1.0).any()}
    key = {(protocols[p], name): ratio[a] for a, (p, name) in
           enumerate(zip(after.positions.protocol.tolist(), after.positions.accounts, strict=True))}
    for name in protocols:
        if name in moved:
            book = after.positions.book.of(name)
            other = scaled(other, name, book, np.array([
                key[name, account] if side == DEBT else 1.0 for account, side in
                zip(book.legs["account"].to_pylist(), book.legs["side"].to_pylist(), strict=True)]))
    return other


def scaled(world: World, name: str, book: Book, factor: np.ndarray) -> World:
    """With legs of a protocol's book multiplied; stated cash and debts of a reserve move with its debts. factor: [legs]."""
    legs = book.legs
    amount = legs["amount"].to_numpy()
    place = legs.column_names.index("amount")
    changed = Book(legs.set_column(place, legs.schema.field(place), pa.array(amount * factor)), book.accounts)
    protocol = world.protocols[name]
    more: dict[str, float] = {}
    for asset, side, units in zip(legs["asset"].to_pylist(), legs["side"].to_pylist(), amount * (factor - 1.0), strict=True):
        more[asset] = more.get(asset, 0.0) + float(units) * (side == DEBT)
    world = world.replace(f"protocols.{name}.book", changed)
    if protocol.borrowed:
        world = world.replace(f"protocols.{name}.borrowed", {
            asset: max(0.0, units + more.get(asset, 0.0)) for asset, units in protocol.borrowed.items()})
    if protocol.cash:
        world = world.replace(f"protocols.{name}.cash", {
            asset: max(0.0, units - more.get(asset, 0.0)) for asset, units in protocol.cash.items()})
    return world
