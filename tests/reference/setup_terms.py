"""Reads votes, policies that move terms, limits and owners of a world into what the plain implementation starts from."""

from __future__ import annotations

import math
from typing import Any

from delever.model.parameters import look_up
from delever.model.world import World
from reference.limits import Limits
from reference.owners import Carrier, Looper
from reference.setup_margin import is_exchange
from reference.terms import Follower, NewTerms, Vote
from reference.winders import Winder

TERMS_OF = {"haircut": "haircut", "margin": "tiers"}  # by which field an asset has the term; others: a threshold


def limits_of(world: World) -> dict[tuple[str, str], Limits]:
    """By protocol and asset."""
    return {(name, asset): Limits(*(math.inf if most is None else most for most in (r.supply_cap, r.borrow_cap, r.debt_ceiling)),
                                  r.siloed, r.borrowable_in_isolation, r.borrowable_in)
            for name, p in world.protocols.items() if not is_exchange(p) for asset, r in p.parameters.items()}


def votes_of(world: World) -> list[Vote]:
    """In the order of their moments."""
    step = world.scenario.step
    return [Vote(int((e.at + e.delay) // step) + 1, e.protocol, dict(e.change),
                 {asset: new_terms(new, look_up(world.protocols[e.protocol].parameters)[asset])
                  for asset, new in e.parameters.items()})
            for e in sorted((e for e in world.scenario.events if e.kind == "governance"), key=lambda e: e.at + e.delay)]


def new_terms(new: Any, listed: Any) -> NewTerms:
    """By what factors terms change. listed: as they are stated."""
    found = NewTerms(category=new.category, margin=new.margin,
                     limits={name: most for name in ("supply_cap", "borrow_cap", "debt_ceiling")
                             if (most := getattr(new, name)) is not None})
    stated = listed.emode[new.category] if new.category else listed
    if new.liquidation_threshold is not None:
        found.threshold = new.liquidation_threshold / stated.liquidation_threshold
    if new.incentive is not None:
        found.incentive = new.incentive / stated.incentive
    if new.haircut is not None:
        found.weight = (1.0 - new.haircut) / (1.0 - listed.haircut)
    return found


def followers_of(world: World) -> list[Follower]:
    """One for each asset of each policy."""
    return [follower_of(world, spec, asset) for spec in world.policies.values() if spec.kind == "dynamic_terms"
            for asset in whose(world, spec)]


def whose(world: World, spec: Any) -> list[str]:
    field = TERMS_OF.get(spec.term, "liquidation_threshold")
    listed = look_up(world.protocols[spec.protocol].parameters)
    found = list(spec.assets) or [asset for asset, entry in listed.items() if hasattr(entry, field)]
    return found[:1] if spec.term == "close_factor" else found


def follower_of(world: World, spec: Any, asset: str) -> Follower:
    dt = world.scenario.step
    return Follower(spec.protocol, spec.term, asset, spec.follows, spec.usual, spec.elasticity, spec.least, spec.most,
                    math.inf if spec.speed is None else spec.speed, max(1, round(spec.every / dt)), round(spec.notice / dt),
                    2.0 ** (-dt / spec.half_life), spec.within, list(spec.implied))


def loopers_of(world: World) -> list[Looper]:
    """In the order in which they are stated."""
    return [Looper(name, one.protocol, one.collateral, one.debt, one.low, one.target, math.inf if one.high is None else one.high,
                   one.slippage, one.fee) for name, one in world.actors.items() if one.kind == "loopers"]


def carriers_of(world: World) -> list[Carrier]:
    """In the order in which they are stated. Rates in 1/year."""
    return [Carrier(name, one.protocol, one.asset, one.median, one.spread, one.slippage, one.fee)
            for name, one in world.actors.items() if one.kind == "carry"]


def winders_of(world: World) -> list[Winder]:
    """In the order in which they are stated."""
    never = math.inf
    return [Winder(name, one.protocol, one.collateral, one.debt, one.accounts, never if one.enters is None else one.enters,
                   one.rounds, one.ltv, never if one.leaves is None else one.leaves, one.low or 0.0, one.keep, one.slippage,
                   one.by == "flash", one.fee) for name, one in world.actors.items() if one.kind == "recursive"]
