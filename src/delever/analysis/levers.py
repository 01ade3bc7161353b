"""What may be done to a world, in sizes: a shock, an order, a push of a feed, an outage, a crowded network.

    shock        the outside price of an asset, or of several along one direction, moves at once      size: share it moves by
    order        so many units are sold on the asset's own market                                     size: units
    oracle       a feed reports the price times 1 + size for a time; protocols see it, markets do not size: share
    outage       a network, bridge, venue or exchange is down, or a feed stops                        size: seconds
    congestion   the base fee of a network is multiplied for a time                                   size: factor
Falls are tried, and rises where something that is owed, or a perp, follows them; of pegs and dollars, unless named, falls
alone. Sizes are positive; `sign` says the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from delever.analysis.critical import order_sizes
from delever.analysis.joint_shocks import ALL, NUMBER, Joint, bases, moving, parse_joint
from delever.analysis.push_costs import Cost, push_cost, sale_cost
from delever.analysis.valuation import legs_of
from delever.events.congestion import Congestion
from delever.events.feed import Feed
from delever.events.order import OrderEvent
from delever.events.outage import Outage
from delever.events.peg import Peg
from delever.events.price import Price
from delever.model.asset import perps
from delever.model.errors import InputError, nearest
from delever.model.exchange import is_exchange
from delever.model.scenario import Order
from delever.model.spec import Spec
from delever.prices.base import YEAR
from delever.run.assemble import Model

WAYS = ("shock", "order", "oracle", "outage", "congestion")
UNIT_MOVE = "-50 %"  # of a direction that is named without one; assumption: a factor's betas do not depend on it
FALLS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
RISES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
PUSHES = (0.001, 0.0025, *FALLS)
FACTORS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
NOT_PRICED = "not priced"


class Timing(NamedTuple):
    """When it happens, and for how long a push or a crowd lasts [s]."""

    at: float = 0.0
    lasting: float = 600.0


@dataclass(frozen=True)
class Lever:
    """One thing that may be done, in sizes."""

    by: str  # one of WAYS
    of: str  # asset, direction, feed, network
    sign: int  # -1: falls, sold, down; +1: rises
    unit: str
    grid: Sequence[float]
    events: Callable[[float], list[Spec]]
    cost: Callable[[float], Cost]
    deviations: Callable[[float], float]  # of the scenario over its horizon; nan: it states none
    apart: float = 0.0  # sizes nearer to each other than this are the same
    said: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """In words."""
        what = {"shock": "falls" if self.sign < 0 else "rises", "order": "sold", "outage": "down", "congestion": "crowded",
                "oracle": "pushed down" if self.sign < 0 else "pushed up"}[self.by]
        return f"{self.of} {what}"


def levers(model: Model, by: Sequence[str], timing: Timing) -> list[Lever]:
    """All that is meant by `shock`, `order stETH`, `oracle eth_usd`, ...: a way alone means everything there is of it."""
    found: list[Lever] = []
    for text in by:
        way, _, of = text.strip().partition(" ")
        if way not in WAYS:
            raise InputError("is nothing that can be done", "by", text, nearest(way, WAYS))
        found += list(MAKERS[way](model, of.strip(), timing))
    names = [(lever.by, lever.name) for lever in found]
    return [lever for place, lever in enumerate(found) if (lever.by, lever.name) not in names[:place]]


def unpriced(why: str) -> Callable[[float], Cost]:
    """Of what has no price here."""
    return lambda size: Cost(math.nan, math.nan, f"{NOT_PRICED}: {why}")


def unlikely(size: float) -> float:
    """Of what the scenario says nothing about."""
    return math.nan


# --- shocks ------------------------------------------------------------------------------------------------------------


def shocks(model: Model, of: str, timing: Timing) -> Iterator[Lever]:
    """Each asset alone, pegs among them, and all together; or the asset or direction that is named."""
    if of:
        yield from _directions(model, of, timing)
        return
    world = model.world
    for name in [name for name in (*moving(model), *_pegged(model)) if world.assets[name].follows is None]:
        yield from _directions(model, name, timing, rises=name in moving(model))
    if len(moving(model)) > 1:
        yield from _directions(model, ALL, timing)


def _pegged(model: Model) -> list[str]:
    """Pegged assets, and dollars: they may lose their peg."""
    dollars = [name for name in bases(model) if name not in moving(model)]
    held = {asset for _, asset in model.positions.reserves}
    pegs = [name for name, asset in model.world.assets.items() if asset.peg is not None]
    return [name for name in model.layout.markets if name in pegs or (name in dollars and name in held)]


def _directions(model: Model, text: str, timing: Timing, rises: bool = True) -> Iterator[Lever]:
    """Down, and up where that may hurt and `rises`; a direction that states a move goes its own way alone."""
    if NUMBER.search(text) and (text not in model.layout.assets):
        joint, ways = parse_joint(text, model, where="by shock"), [0]
    else:
        joint, ways = parse_joint(f"{text} {UNIT_MOVE}", model, where="by shock"), [-1]
        ways += [1] if rises and any(_hurts_rising(model, name) for name in joint.assets) else []
    if len(joint.moves) > 1:
        raise InputError("is a range", "by shock", text, "name one direction, such as ETH -30 %, WBTC -20 %")
    log_moves = np.log1p(joint.moves[0])
    lead = joint.lead if log_moves[joint.lead] != 0.0 else int(np.argmax(np.abs(log_moves)))
    if log_moves[lead] == 0.0:
        raise InputError("moves nothing", "by shock", text, "name a move that is not 0 %")
    for way in ways:
        yield _shock(model, text, joint, log_moves / log_moves[lead], way or int(np.sign(log_moves[lead])), timing, lead)


def _shock(model: Model, text: str, joint: Joint, direction: np.ndarray, sign: int, timing: Timing, lead: int) -> Lever:
    """direction: log moves of the assets as multiples of the leading one's."""
    assets, of = joint.assets, model.world.assets

    def events(size: float) -> list[Spec]:
        moves = np.expm1(direction * math.log1p(sign * size))
        changed = {name: f"{float(move) * 100.0!r} %" for name, move in zip(assets, moves, strict=True) if move != 0.0}
        pegs = {name: move for name, move in changed.items() if of[name].peg is not None}
        others = {name: move for name, move in changed.items() if name not in pegs}
        return [kind(at=timing.at, change=change) for kind, change in ((Price, others), (Peg, pegs)) if change]

    led = () if len(assets) == 1 else (f"{text}: sizes are those of {assets[lead]}", *joint.said)
    led += tuple(f"nobody brings {pair} to its outside price (no half-life, no `follows`): a shock to {name} moves nothing there"
                 for name, pair in _stuck(model, assets))
    return Lever("shock", text, sign, "share", FALLS if sign < 0 else RISES, events, unpriced("a shock is nobody's"),
                 lambda size: deviations(model, assets, direction * math.log1p(sign * size)), said=led)


def _stuck(model: Model, assets: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Assets whose venue does not follow its outside price by itself, and their pairs."""
    for name in assets:
        m = model.layout.markets.index(name)
        venue = model.venues[m]
        if venue is not None and not venue.anchored and venue.half_life is None:
            yield name, model.layout.pairs[m]


def deviations(model: Model, assets: Sequence[str], log_moves: np.ndarray) -> float:
    """How far moves are from none, in standard deviations of the scenario's log prices over its horizon:

        sqrt(m' C^-1 m),   C = volatility_i volatility_j correlation_ij horizon
    of one asset |m| / (volatility sqrt(horizon)), whatever the others do. nan: one of them has no volatility.
    """
    prices = model.world.scenario.prices
    volatility, matrix = getattr(prices, "volatility", {}), getattr(prices, "matrix", None)
    if matrix is None or not all(volatility.get(name, 0.0) > 0.0 for name in assets):
        return math.nan
    names = [name for name in model.layout.markets if name in volatility]
    place = [names.index(name) for name in assets]
    each = np.array([volatility[name] for name in assets]) * math.sqrt(model.world.scenario.horizon / YEAR)
    covariance = matrix(names)[np.ix_(place, place)] * np.outer(each, each)
    return float(math.sqrt(log_moves @ np.linalg.solve(covariance, log_moves)))


def _hurts_rising(model: Model, name: str) -> bool:
    """Whether somebody owes it, or what is worth more with it; or trades it on an exchange."""
    tree, layout = model.layout.tree, model.layout
    m, legs = layout.markets.index(name), legs_of(model)
    owed = {model.positions.reserves[r][1] for r in np.unique(legs.reserve[legs.debt & (legs.amount > 0.0)]).tolist()}
    chains = {asset: tree.chain[layout.asset(asset), : tree.length[layout.asset(asset)]].tolist() for asset in owed}
    followed = {layout.asset(asset) for asset in perps(model.world.assets).values()}
    return any(m in chain for chain in chains.values()) or layout.asset(name) in followed


# --- orders ------------------------------------------------------------------------------------------------------------


def orders(model: Model, of: str, timing: Timing) -> Iterator[Lever]:
    """A sale of each asset that trades on a venue; or of the one that is named."""
    layout, world = model.layout, model.world
    if of and of not in world.assets:
        raise InputError("unknown asset", "by order", of, nearest(of, world.assets))
    for name in [of] if of else layout.markets:
        m = layout.tree.chain[layout.asset(name), 0]
        if of or (model.venues[m] is not None and world.assets[name].follows is None):
            yield _order(model, name, timing)


def _order(model: Model, name: str, timing: Timing) -> Lever:
    return Lever("order", name, -1, name, order_sizes(model, name),
                 lambda size: [OrderEvent(at=timing.at, order=Order(amount=size, asset=name))],
                 lambda size: sale_cost(model, name, size), unlikely)


# --- oracles -----------------------------------------------------------------------------------------------------------


def pushes(model: Model, of: str, timing: Timing) -> Iterator[Lever]:
    """Each feed that somebody reads and that moves; or the one that is named."""
    feeds = _feeds(model)
    if of and of not in feeds:
        raise InputError("is no feed that moves and is read", "by oracle", of,
                         nearest(of, feeds) if feeds else "this world's protocols read their markets: push those with an order")
    for name in [of] if of else feeds:
        yield _push(model, name, -1, timing)
        yield _push(model, name, 1, timing)


def _feeds(model: Model) -> list[str]:
    """Named feeds that some protocol reads."""
    read = {model.oracles.names[f] for f in np.unique(model.oracles.seen_feed).tolist() if f >= 0}
    return [name for name, spec in model.world.feeds.items() if name in read and getattr(spec, "moves", True)]


def _push(model: Model, feed: str, sign: int, timing: Timing) -> Lever:
    return Lever("oracle", feed, sign, "share", PUSHES if sign < 0 else RISES,
                 lambda size: [Feed(at=timing.at, lasting=timing.lasting, feed=feed, does="lies", factor=1.0 + sign * size)],
                 lambda size: push_cost(model, feed, sign * size, timing.lasting), unlikely)


# --- outages -----------------------------------------------------------------------------------------------------------


def outages(model: Model, of: str, timing: Timing) -> Iterator[Lever]:
    """Of everything that can be down; or of what is named."""
    there = _fallible(model)
    if of and of not in there:
        raise InputError("is nothing that can be down", "by outage", of,
                         nearest(of, there) if there else "this world has no network, venue, feed or exchange")
    longest, tick = model.world.scenario.horizon - timing.at, model.step_length / model.blocks
    grid = [longest / 2.0**k for k in range(12) if longest / 2.0**k >= tick][::-1]
    for name in [of] if of else there:
        yield Lever("outage", name, -1, "s", grid, partial(_down, name, there[name], timing),
                    unpriced("who can do it is not known"), unlikely, apart=tick)


def _down(name: str, field: str, timing: Timing, size: float) -> list[Spec]:
    if field == "feed":
        return [Feed(at=timing.at, lasting=size, feed=name, does="stops")]
    named: dict[str, Any] = {field: name}
    return [Outage(at=timing.at, lasting=size, **named)]


def _fallible(model: Model) -> dict[str, str]:
    """Name -> field of an outage."""
    world = model.world
    found = {name: "bridge" if hasattr(spec, "between") else "network" for name, spec in world.networks.items()}
    alone = {pair: len([v for v in world.venues.values() if getattr(v, "pair", "") == pair])
             for pair in {getattr(v, "pair", "") for v in world.venues.values()}}
    found |= {name: "venue" for name, spec in world.venues.items()
              if alone[getattr(spec, "pair", "")] == 1 or world.liquidity == "fragmented"}
    found |= {name: "exchange" for name, protocol in world.protocols.items() if is_exchange(protocol)}
    return found | dict.fromkeys(_feeds(model), "feed")


def crowds(model: Model, of: str, timing: Timing) -> Iterator[Lever]:
    """Each chain; or the one that is named."""
    chains = [name for name, spec in model.world.networks.items() if not hasattr(spec, "between")]
    if of and of not in chains:
        raise InputError("unknown network", "by congestion", of, nearest(of, chains) if chains else "this world has none")
    for name in [of] if of else chains:
        yield Lever("congestion", name, 1, "x", FACTORS, partial(_crowded, name, timing),
                    unpriced("what filling blocks costs is not known"), unlikely)


def _crowded(name: str, timing: Timing, size: float) -> list[Spec]:
    return [Congestion(at=timing.at, lasting=timing.lasting, network=name, base_fee=size)]


MAKERS: dict[str, Callable[[Model, str, Timing], Iterator[Lever]]] = {
    "shock": shocks, "order": orders, "oracle": pushes, "outage": outages, "congestion": crowds}
