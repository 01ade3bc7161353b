"""A world becomes a model: everything that paths share, and the phases and state of one chunk of paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from delever.behaviour.borrowers import Borrowers, Reacting
from delever.behaviour.liquidators import Bidding, Liquidators
from delever.behaviour.orders import Orders
from delever.core.outcomes import OUTCOMES
from delever.core.profile import Profiles
from delever.core.state import (
    Feeds,
    Index,
    Markets,
    Queue,
    SeenPrices,
    State,
    new_closings,
    new_flows,
    new_ledgers,
    new_lots,
    new_safety,
    new_sales,
    new_tally,
    new_transactions,
)
from delever.core.tables import LIQUIDATION, ORDER, Reserves
from delever.engine.index import make_index, new_pool, new_watch
from delever.engine.interest import Interest
from delever.engine.probes import Probe
from delever.engine.step import Claims, Phases
from delever.engine.trade import Trading
from delever.engine.venues import Venues
from delever.ingest.source import Source
from delever.model.errors import InputError
from delever.model.world import World
from delever.network.blocks import Blocks, Network
from delever.oracles.base import FeedPhase, FeedSpec
from delever.oracles.mark import Mark
from delever.oracles.push import Answers
from delever.prices.base import PriceSpec, Process
from delever.protocols.base import Rules
from delever.protocols.margin import ExchangeRules
from delever.protocols.pro_rata import ProRata
from delever.run.exchanges import stocks
from delever.run.perp_links import arbitrage, beside, funding_phase
from delever.run.positions import Positions, read_books, tabulate
from delever.run.pricing import Layout, Oracles, compose, kinds_of_feeds, lay_out, liquidity, start_answers
from delever.run.scenario import depth_shocks, price_shocks, scheduled
from delever.venues.base import ProfileTable
from delever.waterfall.base import Layer, LayerPhase
from delever.waterfall.last_resort import LastResort

AT_FIRST = 1 << 20  # touched accounts that a chunk has room for before it asks for more


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
    index: Index
    start_price: np.ndarray  # [M] u at the start
    start_answer: np.ndarray  # [F]
    start_seen: np.ndarray  # [R] log prices in the protocol's unit
    steps: int
    step_length: float  # [s]
    blocks: int  # in a step

    @cached_property
    def log_unit(self) -> np.ndarray:
        """Log market price in USD of each reserve's unit at the start [R]."""
        units = [self.layout.asset(self.world.protocols[protocol].unit) for protocol, _ in self.positions.reserves]
        return np.array([log_usd(self.layout, unit, self.start_price) for unit in units])

    def seen_price(self, log_move: np.ndarray | None = None) -> np.ndarray:
        """Prices of reserves at the start [R], in USD at the market price of the protocol's unit."""
        return np.asarray(np.exp(self.start_seen + self.log_unit + (0.0 if log_move is None else log_move)))


def log_usd(layout: Layout, asset: int, price: np.ndarray) -> float:
    """Log price of an asset in USD. price: [M] log prices of markets."""
    chain = layout.tree.chain[asset, :layout.tree.length[asset]]
    return float(layout.tree.log_rate[asset] + sum(price[m] for m in chain))


def assemble(world: World, source: Source | None = None) -> Model:
    """Read what the world names and lay it out."""
    source = source or Source(world.folder)
    layout = lay_out(world.assets)
    positions = tabulate(world, read_books(world, source))
    profiles, tables = liquidity(world, layout, source)
    start = layout.start.copy()
    price = np.array([e if t is None else e + t.start_log_price if t.anchored else t.start_log_price
                      for e, t in zip(layout.start, tables, strict=True)])
    for m, underlying in layout.follows:  # a pool of the underlying may start off its stated price
        layout.start[m] = log_usd(layout, underlying, price)
        price[m] += layout.start[m] - start[m]
    oracles = compose(world, layout, positions.reserves)
    answer = start_answers(oracles, price)
    used = oracles.seen_feed >= 0
    seen = oracles.seen_constant + np.where(used, oracles.seen_sign * answer[oracles.seen_feed], 0.0).sum(1)
    scenario = world.scenario
    blocks = blocks_of(world)
    assert isinstance(scenario.prices, PriceSpec)
    prices = scenario.prices.compile(layout.markets, source, scenario.step, scenario.steps)
    model = Model(world, source, layout, positions, profiles, tables, oracles, prices,
                  make_index(positions.tables, np.exp(seen), positions.margins), price, answer, seen, scenario.steps,
                  scenario.step, blocks)
    check_rules(world)
    price_shocks(model), depth_shocks(model), scheduled(model)  # their mistakes come to light before a run folder is made
    return model


def blocks_of(world: World) -> int:
    """Blocks in a step."""
    chain = chain_of(world)
    if chain is None:
        return world.execution.rounds
    blocks = world.scenario.step / chain.block_time
    if abs(blocks - round(blocks)) > 1e-9 or blocks < 1:
        raise InputError("step is not a whole number of blocks", "scenario.step", f"{world.scenario.step:g} s",
                         f"a block takes {chain.block_time:g} s: choose a multiple")
    return round(blocks)


def chain_of(world: World) -> Blocks | None:
    """The network that the protocols share."""
    for network in world.networks.values():
        if isinstance(network, Blocks):
            return network
    return None


def check_rules(world: World) -> None:
    """What the mechanisms of a world cannot do together."""
    for name, protocol in world.protocols.items():
        always = isinstance(world.liquidators, Liquidators) and world.liquidators.rule == "always"
        if isinstance(protocol.rules, ProRata) and (not always or world.networks):
            raise InputError("pro rata seizure has no quote", f"protocols.{name}.rules", "pro_rata",
                             "set liquidators.rule=always and leave networks out")


def phases(model: Model, paths: int, probes: Sequence[Probe]) -> Phases:
    """The phases for a chunk of so many paths."""
    world, layout = model.world, model.layout
    chain, sequential = chain_of(world), world.execution.mode == "sequential"
    native = layout.asset(chain.native) if chain else 0
    keep = np.array([1.0 if t is None or t.half_life is None else
                     0.0 if t.half_life == 0.0 else 2.0 ** (-model.step_length / t.half_life) for t in model.venues])
    # nobody: nothing is worth it
    liquidators = world.liquidators or Liquidators.model_construct(rule="profitable", min_profit=math.inf, fee_share=0.0)
    assert isinstance(liquidators, Liquidators)
    orders = scheduled(model)
    last_rate = np.zeros((len(model.positions.reserves), paths))
    funding = funding_phase(world, model.positions, layout, model.step_length, last_rate)
    feed_phases = [feed_phase(model, kind, feeds, last_rate) for kind, feeds in kinds_of_feeds(model.oracles).items()]
    exchanges = [protocol.rules.compile(number, model.positions.fee)
                 for number, protocol in enumerate(world.protocols.values()) if isinstance(protocol.rules, ExchangeRules)]
    protocols = [protocol.rules.compile(number, model.positions.fee)
                 for number, protocol in enumerate(world.protocols.values()) if isinstance(protocol.rules, Rules)]
    bidding = Bidding(liquidators, native, chain.gas_by_kind()["liquidation"] if chain else 0.0,
                      chain.base_fee if chain else 0.0, sequential)
    holders = Orders(orders, paths) if orders else None
    borrowers = Reacting(world.borrowers) if isinstance(world.borrowers, Borrowers) else None
    own = [kind for rules in protocols for kind in rules.kinds()]  # numbers from ORDER + 1 on, as claim_kinds says
    kinds = [Answers(), borrowers or Reacting, Claims(protocols, bidding),
             holders or Orders, *own]
    return Phases(
        kinds=kinds, offers=[rules for rules in protocols if rules.kinds()],
        prices=model.prices.phase(price_shocks(model), paths),
        venues=Venues(keep, depth_shocks(model), layout.follows),
        accruals=[Interest(model.positions.supply_rate, model.positions.borrow_rate, model.step_length, model.steps),
                  *([funding] if funding else [])],
        policies=(),
        holders=holders, feeds=feed_phases, protocols=protocols, exchanges=exchanges, borrowers=borrowers, liquidators=bidding,
        network=Network(chain, native, sequential, kinds),
        trading=Trading(len(layout.markets), paths),
        arbitrageurs=arbitrage(world, model.positions, layout, paths),
        waterfall=waterfall(world, model.step_length),
        vaults=bool((stocks(world, model.positions.reserves)[2] >= 0.0).any()),
        probes=probes,
    )


def claim_kinds(world: World) -> np.ndarray:
    """[protocols] kind that unhealthy accounts offer: a claim, or the first of the kinds that the rules declare."""
    out, number = np.full(len(world.protocols), LIQUIDATION), ORDER + 1
    for p, protocol in enumerate(world.protocols.values()):
        if isinstance(protocol.rules, Rules) and protocol.rules.declares:
            out[p], number = number, number + protocol.rules.declares
    return out


def feed_phase(model: Model, kind: type[FeedSpec], feeds: list[int], last_rate: np.ndarray) -> FeedPhase:
    """The feeds of one kind. last_rate: [R, P] of funding, which marks read."""
    specs = [model.oracles.specs[f] for f in feeds]
    if issubclass(kind, Mark):
        return kind.phase(specs, feeds, beside(model.world, model.positions, model.layout, specs, model.step_length, last_rate))
    return kind.phase(specs, feeds)


def waterfall(world: World, step_length: float) -> list[LayerPhase]:
    """The layers of all protocols, in their order; behind them stands closing out, whatever it costs, and saying what stays."""
    layers: list[LayerPhase] = []
    for number, protocol in enumerate(world.protocols.values()):
        layers += [layer.compile(number, step_length) for layer in protocol.waterfall if isinstance(layer, Layer)]
        if isinstance(protocol.rules, ExchangeRules) or protocol.waterfall:
            layers.append(LastResort(number))
    return layers


def new_state(model: Model, first_path: int, paths: int) -> State:
    """The start of a chunk of paths."""
    layout, positions, oracles = model.layout, model.positions, model.oracles
    assets, markets, reserves, feeds = len(layout.assets), len(layout.markets), len(positions.reserves), len(oracles.specs)

    def across(row: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.repeat(row[:, None], paths, axis=1))

    ones, seed = np.ones(reserves), model.world.scenario.seed
    slots = max(1024, min(len(positions.accounts) * paths, AT_FIRST))  # no memory until they are written
    return State(
        first_path, paths, np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint64), model.step_length,
        model.blocks,
        tree=layout.tree, profiles=model.profiles,
        markets=Markets(across(layout.start), np.zeros((markets, paths)), across(model.start_price),
                        np.ones((2, markets, paths)), model.start_price, layout.start, np.zeros((markets, paths)),
                        np.zeros((markets, paths)), np.zeros((markets, paths))),
        feeds=Feeds(oracles.constant, oracles.market, oracles.sign, across(model.start_answer),
                    across(np.array([-spec.start_age() for spec in oracles.specs])), np.zeros((feeds, paths)),
                    np.full((feeds, paths), np.inf)),
        seen=SeenPrices(oracles.seen_constant, oracles.seen_feed, oracles.seen_sign, model.start_seen,
                    across(model.start_seen), np.zeros((2 * reserves, paths), np.int32),
                    np.zeros((2 * reserves, paths), np.int32),
                    np.array([layout.asset(model.world.protocols[p].unit) for p, _ in positions.reserves]),
                    np.zeros((paths, reserves)), np.zeros(paths, np.int64), np.zeros(1, np.int64)),
        reserves=Reserves(np.array([list(model.world.protocols).index(p) for p, _ in positions.reserves]),
                          np.array([layout.asset(a) for _, a in positions.reserves]), ones, ones, ones * 0, ones * 0),
        book=positions.tables, index=model.index,
        watch=new_watch(len(positions.accounts), model.index, paths, bool(positions.margins.perp.any())),
        pool=new_pool(slots, 4 * slots, positions.tables.amount.shape[1], positions.tables.cost.shape[1]),
        margins=positions.margins._replace(paid=np.zeros((reserves, paths)), gross=np.zeros((reserves, paths))),
        safety=new_safety(*stocks(model.world, positions.reserves), paths), flows=new_flows(reserves, paths),
        closings=new_closings(64), fallen=np.zeros(slots, np.int32),
        transactions=new_transactions(1024), sales=new_sales(1024), active=np.ones(paths, np.bool_),
        wake=np.full(paths, np.inf), changed=np.zeros(paths, np.bool_), lots=new_lots(64),
        claim_kind=claim_kinds(model.world),
        queue=Queue(np.empty(1024, np.int64), np.zeros(1, np.int64)),
        ledgers=new_ledgers(assets, reserves, len(model.world.protocols), OUTCOMES, paths),
        tally=new_tally(assets, paths),
    )
