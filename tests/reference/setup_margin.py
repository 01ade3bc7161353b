"""Reads the exchanges of a world into what the plain implementation starts from."""

from __future__ import annotations

import math
from typing import Any

from delever.model.asset import price_usd
from delever.model.book import Book
from delever.model.parameters import look_up
from delever.model.world import World
from reference.margin import OTHER, Funding, Layer, MarginAccount, MarginExchange, Option, Position, Stage
from reference.setting import Arbitrageur

LAYER_FIELDS = ("start", "equity", "reserve", "half_life", "rule", "price", "cap", "over")


def is_exchange(protocol: Any) -> bool:
    return bool(getattr(protocol.rules, "margin", False))


def exchanges_of(world: World) -> list[MarginExchange]:
    """All exchanges; accounts are numbered over the books of all protocols."""
    found, number = [], 0
    for name, protocol in world.protocols.items():
        if is_exchange(protocol):
            terms = look_up(protocol.parameters)
            perps = {asset: entry for asset, entry in terms.items() if asset != "USD" and world.assets[asset].follows}
            funding = protocol.funding
            found.append(MarginExchange(
                name=name, unit=protocol.unit,
                tiers={p: [(t.floor, t.maintenance) for t in e.tiers if e.short_margin is None] for p, e in perps.items()},
                weight={a: 1.0 - e.haircut for a, e in terms.items() if a not in perps},
                underlying={p: world.assets[p].follows for p in perps}, inverse={p for p in perps if world.assets[p].inverse},
                options={p: option_of(world, p, e.short_margin) for p, e in perps.items() if e.short_margin is not None},
                accounts=_accounts(world, name, number),
                stages=[stage_of(stage) for stage in protocol.rules.stages],
                waterfall=waterfall_of(protocol, price_usd(protocol.unit, world.assets)),
                funding=Funding(funding.interval, funding.period, funding.interest, funding.clamp, funding.cap)
                if funding else None))
        number += count_of(world, name)
    return found


def option_of(world: World, name: str, short_margin: float) -> Option:
    asset = world.assets[name]
    left = (asset.expires - world.as_of).total_seconds()
    return Option(asset.put is not None, asset.strike, left, asset.volatility, short_margin)


def count_of(world: World, name: str) -> int:
    """Accounts in the book of a protocol."""
    book = world.protocols[name].book
    assert isinstance(book, Book)
    return len(set(book.of(name).legs["account"].to_pylist()))


def stage_of(spec: Any) -> Stage:
    kind = "backstop" if spec.stage == "transfer" else spec.stage
    most = math.inf if spec.partial_above is None else spec.partial_above
    return Stage(kind, spec.below, most, spec.partial_share, spec.cooldown, spec.limit, 1.5, spec.slippage,
                 spec.fee)


def waterfall_of(protocol: Any, usd: float = 1.0) -> list[Layer]:
    """Layers, those of lending protocols too. usd: stated price of what an exchange counts in."""
    return [Layer(spec.kind, **{f: dict(v) if f == "start" else v / usd if f == "equity" else v for f in LAYER_FIELDS
                                if (v := getattr(spec, f, None)) is not None})
            for spec in protocol.waterfall]


def _accounts(world: World, name: str, number: int) -> list[MarginAccount]:
    """In the order of the book. The unit of the exchange is cash; what positions cost is taken from it."""
    book = world.protocols[name].book
    assert isinstance(book, Book)
    mine: dict[str, MarginAccount] = {}
    for row in book.of(name).legs.to_pylist():
        account = mine.setdefault(row["account"], MarginAccount(name, row["account"], number + len(mine), 0.0, {}, {}))
        if row["side"] == "position":
            leg, units, entry = row["asset"], row["amount"], row["entry_price"]
            if world.assets[leg].inverse:  # so many dollars, from so many USD a coin on
                units, entry = -units, 1.0 / entry
            if leg in account.positions:
                leg += OTHER
            account.positions[leg] = Position(units, units * entry)
            account.cash -= units * entry
        elif row["asset"] == world.protocols[name].unit:
            account.cash += row["amount"]
        else:
            account.collateral[row["asset"]] = account.collateral.get(row["asset"], 0.0) + row["amount"]
    return list(mine.values())


def arbitrageurs_of(world: World, exchanges: list[MarginExchange]) -> list[Arbitrageur]:
    """Each trades the perp of the one position in his account."""
    found = []
    for name, one in world.actors.items():
        if one.kind != "arbitrageurs":
            continue
        exchange = next(e for e in exchanges if e.name == one.exchange)
        (perp,) = next(a for a in exchange.accounts if a.name == one.account).positions
        found.append(Arbitrageur(name, one.exchange, one.account, perp, one.spot, one.threshold, one.share, one.leverage))
    return found


def mark_of(world: World, spec: Any) -> tuple[tuple[str, str], str]:
    """The pair that a mark follows, and the exchange whose funding it counts."""
    perp = spec.of.split("/")[0]
    index, quote = (spec.index or f"{world.assets[perp].perp}/USD").split("/")
    home = next(name for name, p in world.protocols.items() if is_exchange(p) and perp in look_up(p.parameters))
    return (index, quote), spec.exchange or home
