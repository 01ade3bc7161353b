"""A world becomes a model: everything that paths share, and the phases and state of one chunk of paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property, partial
from math import gcd, lcm
from typing import Any

import numpy as np

from delever.actors.base import Earnings
from delever.core.jit import interpreted
from delever.core.options import Options
from delever.core.phase import Kind, Phase, grouped, overriding
from delever.core.profile import Profiles
from delever.core.setting import Layout, Setting
from delever.core.state import Index
from delever.engine.inclusion import Inclusion
from delever.engine.index import make_index
from delever.engine.interest import Interest
from delever.engine.probes import Probe
from delever.engine.step import Phases
from delever.engine.trade import Trading
from delever.engine.unhealthy import Unhealthy
from delever.engine.venues import Venues
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.model.market import home_of
from delever.model.references import pairs_apart
from delever.model.world import World
from delever.networks.base import Chain
from delever.oracles.base import FeedPhase
from delever.prices.base import PriceSpec, Process
from delever.protocols.base import Rules, RulesPhase
from delever.protocols.funding import FundingPhase
from delever.protocols.margin import Engines, ExchangeRules
from delever.run.backed import Backed
from delever.run.exchanges import stocks
from delever.run.options import options_of, values_at_start
from delever.run.positions import Positions, read_books, tabulate
from delever.run.pricing import Oracles, compose, lay_out, liquidity, start_answers
from delever.run.reach import check_start
from delever.venues.base import ProfileTable, Venue
from delever.waterfall.base import Layer, LayerPhase
from delever.waterfall.last_resort import LastResort
from delever.waterfall.socialised_loss import SocialisedLoss
from delever.waterfall.suppliers import SuppliersBear

MOST_BLOCKS = 1_000_000  # of a step; assumption: a day of a chain ten times as fast as any


@dataclass(frozen=True)
class Model:
    """Everything that paths share."""

    world: World
    source: Source
    layout: Layout
    positions: Positions
    profiles: Profiles
    venues: list[ProfileTable | None]  # [M]
    oracles: Oracles
    prices: Process
    lists: Callable[[], Index]
    start_price: np.ndarray  # [M] u at the start
    start_answer: np.ndarray  # [F]
    start_seen: np.ndarray  # [R] log prices in the protocol's unit
    steps: int
    step_length: float  # [s]
    blocks: int  # of the world's clock, in a step
    options: Options
    spared: tuple[str, ...] = ()  # protocols of which nobody is liquidated: for comparisons

    @property
    def index(self) -> Index:
        """Accounts by the prices at which they come due; made when it is first asked for: a check or a wall does not."""
        return self.lists()

    def setting(self, paths: int) -> Setting:
        """Where mechanisms find themselves, for a chunk of so many paths."""
        positions = self.positions
        return Setting(self.world, self.layout, self.profiles, positions.reserves, positions.tables, positions.margins,
                       positions.accounts, positions.protocol, positions.owner, positions.fee, positions.cash, positions.owed,
                       self.oracles.names, positions.categories, tuple(chains(self.world)) or ("",), self.start_price,
                       self.step_length, self.steps, self.blocks, paths, np.zeros((len(positions.reserves), paths)),
                       self.start_seen, positions.bands, positions.interest_rate)

    @cached_property
    def log_unit(self) -> np.ndarray:
        """Log market price in USD of each reserve's unit at the start [R]."""
        units = [self.layout.asset(self.world.protocols[protocol].unit) for protocol, _ in self.positions.reserves]
        return np.array([log_usd(self.layout, unit, self.start_price) for unit in units])

    def seen_price(self, log_move: np.ndarray | None = None) -> np.ndarray:
        """Prices of reserves at the start [R], in USD at the market price of the protocol's unit.

        log_move: [R] of each; of an option that of its coin, at which it is priced anew.
        """
        price = np.asarray(np.exp(self.start_seen + self.log_unit + (0.0 if log_move is None else log_move)))
        if log_move is None or not len(self.options.market):
            return price
        before = log_spots(self.layout, self.options, self.start_price)
        names = [self.layout.markets[m] for m in self.options.market]
        for r, (_, asset) in enumerate(self.positions.reserves):
            if asset in names:
                i, spots = names.index(asset), before + log_move[r]
                price[r] = values_at_start(self.options, spots)[i] * np.exp(spots[i])
        return price


def unwatched(world: World, positions: Positions) -> np.ndarray:
    """Accounts that the rules of their protocol watch themselves [accounts]."""
    own = np.array([getattr(protocol.rules, "watches", False) for protocol in world.protocols.values()], np.bool_)
    return np.asarray(own[positions.protocol])


def log_usd(layout: Layout, asset: int, price: np.ndarray) -> float:
    """Log price of an asset in USD. price: [M] log prices of markets."""
    chain = layout.tree.chain[asset, :layout.tree.length[asset]]
    return float(layout.tree.log_rate[asset] + sum(price[m] for m in chain))


def log_spots(layout: Layout, options: Options, price: np.ndarray) -> np.ndarray:
    """Log USD prices of the coins that options are on [n]. price: [M] log prices of markets."""
    return np.array([log_usd(layout, int(coin), price) for coin in options.coin], np.float64)


def assemble(world: World, source: Source | None = None) -> Model:
    """Read what the world names and lay it out."""
    source = source or Source(world.folder, world.own_files)
    layout = lay_out(world.assets, {name: venue.pair for name, venue in world.venues.items() if isinstance(venue, Venue)},
                     pairs_apart(world))
    positions, options = tabulate(world, read_books(world, source)), options_of(world, layout, 1)
    layout.start[options.market] = np.log(values_at_start(options, log_spots(layout, options, layout.start)))
    profiles, tables = liquidity(world, layout, source)
    start = layout.start.copy()
    price = np.array([e if t is None else e + t.start_log_price if t.anchored else t.start_log_price
                      for e, t in zip(layout.start[layout.tree.pair], tables, strict=True)])
    for m, underlying, sense in layout.follows:  # a pool of the underlying may start off its stated price
        layout.start[m] = sense * log_usd(layout, underlying, price)
        price[m] += layout.start[m] - start[m]
    for m, value in zip(options.market, values_at_start(options, log_spots(layout, options, price)), strict=True):
        before, layout.start[m] = layout.start[m], np.log(value)
        price[m] += layout.start[m] - before
    oracles = compose(world, layout, positions.reserves)
    answer = start_answers(oracles, price)
    used = oracles.seen_feed >= 0
    terms = oracles.seen_sign * answer[oracles.seen_feed] if len(answer) else np.zeros(used.shape)
    seen = oracles.seen_constant + np.where(used, terms, 0.0).sum(1)
    scenario = world.scenario
    blocks = blocks_of(world)
    assert isinstance(scenario.prices, PriceSpec)
    prices = scenario.prices.compile(layout.markets, source, scenario.step, scenario.steps)
    if scenario.tail is not None:
        prices = prices.toward(scenario.tail, layout.markets, scenario.step, scenario.steps)
    lists = cache(partial(make_index, positions.tables, np.exp(seen), positions.margins, unwatched(world, positions)))
    model = Model(world, source, layout, positions, profiles, tables, oracles, prices, lists, price, answer, seen,
                  scenario.steps, scenario.step, blocks, options)
    check_rules(world)
    setting = model.setting(1)
    with interpreted(len(positions.accounts)):
        first = phases(model, 1, (), setting)  # mistakes of mechanisms come to light before a run folder is made,
    assert len(setting.homes) == len(world.protocols)  # and protocols that say no chain
    check_start(layout, price, prices.spread(model.steps), first)
    return model


def chains(world: World) -> dict[str, Chain]:
    """The networks that have blocks."""
    return {name: network for name, network in world.networks.items() if isinstance(network, Chain)}


def blocks_of(world: World) -> int:
    """Blocks in a step, of a clock on which every network's blocks fall."""
    times = [Fraction(chain.time_between_blocks()).limit_denominator(10**6) for chain in chains(world).values()]
    if not times:
        return world.execution.rounds
    if min(times) * MOST_BLOCKS < world.scenario.step:
        raise InputError(f"has more than {MOST_BLOCKS:,} blocks", "scenario.step", f"{world.scenario.step:g} s",
                         "take a shorter step, or longer times between blocks")
    common = lcm(*(time.denominator for time in times))
    tick = Fraction(gcd(*(int(time * common) for time in times)), common)
    blocks = world.scenario.step / float(tick)
    if abs(blocks - round(blocks)) > 1e-9 * blocks or blocks < 1:
        raise InputError("step is not a whole number of blocks", "scenario.step", f"{world.scenario.step:g} s",
                         f"blocks fall every {float(tick):g} s: choose a multiple")
    return round(blocks)


def check_rules(world: World) -> None:
    """What the mechanisms of a world cannot do together."""
    asking = next((name for name, actor in world.actors.items() if getattr(actor, "bids", False) and actor_quotes(actor)), None)
    for name, protocol in world.protocols.items():
        if isinstance(protocol.rules, Rules) and not protocol.rules.quoted and (asking is not None or world.networks):
            raise InputError(f"{protocol.rules.kind} seizure has no quote", f"protocols.{name}.rules", protocol.rules.kind,
                             f"set actors.{asking or 'liquidators'}.rule=always and leave networks out")


def actor_quotes(actor: Any) -> bool:
    """Whether he asks what a sale would bring."""
    return bool(actor.quotes())


def constant_interest(model: Model) -> Interest:
    """Of reserves whose rates are constant and not nothing."""
    positions = model.positions
    answers = np.array([asset in model.world.protocols[name].rates for name, asset in positions.reserves], np.bool_)
    number = np.flatnonzero(~answers & ((positions.supply_rate != 0.0) | (positions.borrow_rate != 0.0)))
    return Interest(positions.supply_rate, positions.borrow_rate, number, positions.cash[number] < np.inf, model.step_length,
                    model.steps)


def ready(specs: Mapping[Any, Any], setting: Setting) -> list[Any]:
    """The phases of mechanisms of one role: one for each family of kinds."""
    return [owner.phase(members, setting) for owner, members in grouped(dict(specs))]


def phases(model: Model, paths: int, probes: Sequence[Probe], setting: Setting | None = None) -> Phases:
    """The phases for a chunk of so many paths."""
    world, layout, setting = model.world, model.layout, setting or model.setting(paths)
    keep = np.array([1.0 if t is None or t.half_life is None else
                     0.0 if t.half_life == 0.0 else 2.0 ** (-model.step_length / t.half_life) for t in model.venues])
    protocols = ready({name: protocol.rules for name, protocol in world.protocols.items()}, setting)
    events = ready({str(n): event for n, event in enumerate(world.scenario.events)}, setting)
    networks, policies = ready(world.networks, setting), ready(world.policies, setting)
    feeds = ready(dict(zip(model.oracles.names, model.oracles.specs, strict=True)), setting)
    feeds.sort(key=lambda feed: bool(feed.composed))  # those that are made of others last
    curves = ready({(name, asset): curve for name, protocol in world.protocols.items()
                    for asset, curve in protocol.rates.items()}, setting)
    actors = [*ready(world.actors, setting), Earnings(setting)]
    standing = [Backed(setting)] if setting.derived else []
    venues = ready({name: venue for name, venue in world.venues.items() if isinstance(venue, Venue) and venue.acts()}, setting)
    everybody = [*standing, *events, *networks, *policies, *feeds, *protocols, *actors, *venues]
    kinds = numbered(everybody)
    priced = options_of(world, layout, paths) if len(model.options.market) else None
    return Phases(
        prices=model.prices.phase(paths),
        venues=Venues(keep, layout.follows, priced, len(layout.rows) > len(layout.pairs)),
        accruals=[constant_interest(model), *curves, FundingPhase.of(setting)],
        feeds=feeds,
        composed=[feed for feed in feeds if feed.composed],
        rereading=[feed for feed in feeds if type(feed).refresh is not FeedPhase.refresh],
        rules=[phase for phase in protocols if isinstance(phase, RulesPhase)],
        engines=[phase for phase in protocols if isinstance(phase, Engines)],
        waterfall=waterfall(world, model.step_length),
        vaults=bool((stocks(world, model.positions.reserves)[2] >= 0.0).any()),
        kinds=kinds,
        inclusion=Inclusion(np.array([kind.liquidates for kind in kinds], np.bool_),
                            np.array([kind.trades for kind in kinds], np.bool_), setting.sequential),
        trading=Trading(len(layout.rows), paths),
        probes=probes,
        everybody=everybody,
        happening=overriding([*standing, *events], "happen"),
        adapting=overriding(everybody, "adapt"),
        observing=overriding([*events, *actors], "observe"),
        restraining=sorted(overriding(policies, "restrain"), key=lambda phase: phase.strikes_last),
        offering=overriding([*protocols, *policies, *networks], "offer"),
        reacting=overriding(actors, "react"),
        placing=overriding([*events, *actors], "offer"),
        bidding=overriding(actors, "bid"),
        affording=overriding([*policies, *actors], "afford"),
        trading_off_chain=overriding(actors, "trade"),
        reshaping=overriding(venues, "reshape"),
        waiting=overriding(everybody, "wake"),
        noting=[probe for probe in probes if isinstance(probe, Unhealthy)],
    )


def numbered(everybody: Sequence[Phase]) -> list[Kind]:
    """Every kind of transaction, in the order of turns; each is told its number."""
    kinds = sorted((kind for phase in everybody for kind in phase.kinds()), key=lambda kind: kind.turn)
    for number, kind in enumerate(kinds):
        kind.number = number
    return kinds


def waterfall(world: World, step_length: float) -> list[LayerPhase]:
    """The layers of all protocols, in their order; behind them stands closing out, whatever it costs, and saying what stays."""
    markets = {number: name for number, (name, protocol) in enumerate(world.protocols.items())
               if home_of(name) and [layer.kind for layer in protocol.waterfall] == [SocialisedLoss.kind]}
    layers: list[LayerPhase] = [SuppliersBear(markets)] if markets else []
    for number, protocol in enumerate(world.protocols.values()):
        if number in markets:
            continue
        layers += [layer.compile(number, step_length) for layer in protocol.waterfall if isinstance(layer, Layer)]
        if isinstance(protocol.rules, ExchangeRules) or protocol.waterfall:
            layers.append(LastResort(number))
    return layers
