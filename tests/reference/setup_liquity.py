"""Reads Liquity's systems of a world into what the plain implementation starts from."""

from __future__ import annotations

from typing import Any

from delever.model.world import World
from reference.liquities import System, raw
from reference.setup_bands import accounts_of, first_named
from reference.troves import ONE, Liquity


def is_liquity(protocol: Any) -> bool:
    return getattr(protocol.rules, "kind", "") == "liquity"


def systems_of(world: World) -> list[System]:
    """By protocol, in the order in which books first name collaterals, then stablecoins."""
    found: list[System] = []
    order = first_named(world)
    for name, protocol in world.protocols.items():
        if not is_liquity(protocol):
            continue
        rules, troves = protocol.rules, {}
        for owner, legs in accounts_of(name, protocol.book).items():
            if "debt" in legs:
                held, owed = legs["collateral"], legs["debt"]
                troves.setdefault((held["asset"], owed["asset"]), {})[owner] = held["amount"], owed["amount"]
        for a, b in sorted(troves, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
            exact = Liquity(rules.version == "head_2025")
            for k, (coll, debt) in enumerate(troves[a, b].values()):
                exact.open(k, raw(coll), raw(debt))
            if rules.stability_pool.get(a):
                exact.deposit(0, raw(rules.stability_pool[a]))
            found.append(System(name, a, b, exact, list(troves[a, b]), rules.per_call, rules.pool_sells, rules.redemptions,
                                exact.coll / ONE, exact.debt / ONE))
    return found
