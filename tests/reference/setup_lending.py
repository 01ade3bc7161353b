"""Reads what reserves hold, their curves and their depositors into what the plain implementation starts from."""

from __future__ import annotations

import math
from typing import Any

from delever.model.parameters import ReserveParameters
from delever.model.world import World
from reference.accounts import Account
from reference.lending import YEAR, Curve, Lender, Lines, Moving, Reserve
from reference.setup_house import chain_of
from reference.setup_margin import is_exchange

NONE = ReserveParameters(liquidation_threshold=0.0, incentive=0.0)  # of what is owed alone


def reserves_of(world: World, accounts: list[Account]) -> dict[tuple[str, str], Reserve]:
    """By protocol and asset, in the order of the parameters."""
    return {(name, asset): reserve_of(protocol, name, asset, accounts)
            for name, protocol in world.protocols.items() if not is_exchange(protocol) for asset in terms_of(name, protocol)}


def terms_of(name: str, protocol: Any) -> dict[str, ReserveParameters]:
    """By asset: as stated, then those that the book alone names."""
    owed = dict.fromkeys(row["asset"] for row in protocol.book.of(name).legs.to_pylist())
    return {**protocol.parameters, **{asset: NONE for asset in owed if asset not in protocol.parameters}}


def reserve_of(protocol: Any, name: str, asset: str, accounts: list[Account]) -> Reserve:
    """One asset of one protocol at the start."""
    spec, curve = terms_of(name, protocol)[asset], protocol.rates.get(asset)
    of_book = sum(leg.amount for a in accounts if a.protocol == name for leg in a.debt if leg.asset == asset)
    return Reserve(spec.supply_rate / YEAR, spec.borrow_rate / YEAR, curve_of(curve) if curve is not None else None,
                   protocol.cash.get(asset, math.inf), max(protocol.borrowed.get(asset, of_book) - of_book, 0.0))


def curve_of(spec: Any) -> Curve:
    """As the world states it, in rates a second."""
    if spec.kind == "adaptive":
        return Moving(spec.reserve_factor, spec.at_target / YEAR)
    if spec.kind == "jump":
        return Lines(spec.reserve_factor, spec.base / YEAR, spec.multiplier / YEAR, spec.jump / YEAR, spec.kink)
    return Lines(spec.reserve_factor, spec.base / YEAR, spec.slope / spec.kink / YEAR, spec.steep / (1.0 - spec.kink) / YEAR,
                 spec.kink)


def lenders_of(world: World) -> list[Lender]:
    """Depositors, in the order in which they are stated."""
    return [Lender(name, one.protocol, one.asset, one.base, one.content, one.uneasy, one.loss, one.herd, one.memory, one.fee,
                   chain_of(world, world.protocols[one.protocol]))
            for name, one in world.actors.items() if one.kind == "depositors"]
