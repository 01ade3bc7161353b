"""The state of a chunk of paths at the start of its run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delever.core.empty import (
    new_bids,
    new_closings,
    new_flows,
    new_halts,
    new_ledgers,
    new_lots,
    new_markets,
    new_reserves,
    new_safety,
    new_sales,
    new_tally,
    new_transactions,
)
from delever.core.holdings import Bridges, new_messages, new_purses
from delever.core.outcomes import OUTCOMES
from delever.core.phase import Kind, Phase, each_once
from delever.core.setting import Setting
from delever.core.state import Feeds, Queue, State
from delever.core.tables import Limits, Networks, SeenPrices
from delever.engine.index import new_pool, new_watch
from delever.engine.step import Phases
from delever.model.asset import USD
from delever.model.exchange import is_exchange
from delever.model.parameters import ReserveParameters, look_up
from delever.model.world import World
from delever.networks.base import Link
from delever.protocols.base import RulesPhase
from delever.run import backed
from delever.run.assemble import Model, chains, phases
from delever.run.exchanges import stocks
from delever.run.positions import Positions
from delever.run.pricing import seen_alike

AT_FIRST = 1 << 20  # touched accounts that a chunk has room for before it asks for more
UNLIMITED = np.iinfo(np.int64).max


def open_kinds(world: World, everybody: Sequence[Phase]) -> np.ndarray:
    """[protocols] kind of transaction that an unhealthy account offers; -1: none."""
    out = np.full(len(world.protocols), -1)
    for phase in everybody:
        if isinstance(phase, RulesPhase):
            out[list(phase.numbers)] = phase.kinds()[0].number
    return out


def new_networks(model: Model, kinds: Sequence[Kind], paths: int) -> Networks:
    """The chains at the start; where a world has none, one that takes in everything."""
    found = list(chains(model.world).values())
    if not found:
        return Networks(np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros((1, len(kinds))), np.zeros(1, np.int64),
                        np.full((1, paths), UNLIMITED), np.zeros((1, paths)))
    tick, column = model.step_length / model.blocks, np.ones((1, paths))
    room, fee, native = zip(*(chain.start() for chain in found), strict=True)
    return Networks(np.array([round(chain.time_between_blocks() / tick) for chain in found]),
                    np.array([model.layout.asset(name) for name in native]),
                    np.array([[chain.gas_of(kind.name, kind.gas) for kind in kinds] for chain in found]).reshape(len(found), -1),
                    np.ones(len(found), np.int64), np.array(room)[:, None] * column.astype(np.int64),
                    np.array(fee)[:, None] * column)


def new_bridges(setting: Setting, kinds: Sequence[Kind]) -> Bridges:
    """The ways between chains at the start."""
    links = [link for link in setting.world.networks.values() if isinstance(link, Link)]
    ends = [[setting.network(end, "networks", name, "between") for end in link.ends()]
            for name, link in setting.world.networks.items() if isinstance(link, Link)]
    terms = np.array([link.terms() for link in links]).reshape(-1, 5)
    sends = next((kind.number for kind in kinds if kind.name == "bridge"), -1)
    fee, capacity, window = terms[:, 2:].T.copy()
    return Bridges(np.array(ends, np.int64).reshape(-1, 2), terms[:, :2].copy(), fee, capacity, window,
                   np.zeros((len(links), setting.paths)), np.array([sends]))


def new_limits(model: Model, paths: int) -> Limits:
    """What protocols take in and lend no more than, as stated."""
    positions, book = model.positions, model.positions.tables
    listed = {name: look_up(protocol.parameters) for name, protocol in model.world.protocols.items()}
    entries = [listed[name].get(asset) for name, asset in positions.reserves]
    lent = [entry if isinstance(entry, ReserveParameters) else None for entry in entries]

    def most(name: str) -> np.ndarray:
        stated = np.array([np.inf if (one := getattr(entry, name, None)) is None else one for entry in lent])
        return np.repeat(stated[:, None], paths, axis=1)

    ceiling, first = most("debt_ceiling"), int(book.first_debt[0])
    held = book.amount[:, :first] > 0.0
    only = np.where(held.sum(1) == 1, book.reserve[book.signature, held.argmax(1)], -1)  # [accounts] reserve
    alone = [np.flatnonzero(only == r) if ceiling[r, 0] < np.inf else np.zeros(0, np.int64) for r in range(len(lent))]
    return Limits(most("supply_cap"), most("borrow_cap"), ceiling,
                  np.array([int(entry is not None and entry.siloed) for entry in lent]),
                  np.array([int(entry is None or entry.borrowable_in_isolation) for entry in lent]), barred(positions, lent),
                  positions.held, np.cumsum([0, *map(len, alone)]),
                  np.concatenate(alone) if alone else np.zeros(0, np.int64))


def barred(positions: Positions, lent: Sequence[ReserveParameters | None]) -> np.ndarray:
    """Which debts each account may not add to, as its category is not named [accounts, debt legs]; [0, 0] where none is stated.

    lent: [R].
    """
    book, first = positions.tables, int(positions.tables.first_debt[0])
    stated = {r: entry.borrowable_in for r, entry in enumerate(lent) if entry is not None and entry.borrowable_in is not None}
    if not stated:
        return np.zeros((0, 0), np.int64)
    reserve = book.reserve[book.signature][:, first:]
    found = np.zeros(reserve.shape, np.int64)
    for r, categories in stated.items():
        found[(reserve == r) & ~np.isin(positions.category, categories)[:, None]] = 1
    return found


def fees(model: Model) -> np.ndarray:
    """Shares that venues keep of what a trader gives and gets [2, M]."""
    return np.array([(0.0, 0.0) if table is None else (table.fee_in, table.fee_out) for table in model.venues]).reshape(-1, 2).T


def moving_alike(model: Model, like: np.ndarray) -> np.ndarray:
    """[S] the first series that has the same moves, always: seen alike, and with the same constant interest. like: [R]

    Collateral of isolated markets earns nothing, so that hundreds of them have one series of each asset and oracle.
    """
    positions, first = model.positions, dict[tuple[float, ...], int]()
    out = np.arange(2 * len(like))
    for r, (name, asset) in enumerate(positions.reserves):
        steady = asset not in model.world.protocols[name].rates and positions.margins.weight[r] < 0.0
        steady = steady and positions.cash[r] == np.inf  # else its claims may be cut
        for side, rate in enumerate((positions.supply_rate[r], positions.borrow_rate[r])):
            if steady:
                out[2 * r + side] = first.setdefault((int(like[r]), float(rate), side), 2 * r + side)
    return out


def looks_up(model: Model) -> bool:
    """Whether somebody asks for the slot of an account: exchanges, and who looks at accounts that are healthy."""
    acting = (*model.world.actors.values(), *model.world.policies.values())
    return bool(model.positions.margins.perp.any()) or any(getattr(one, "touches", False) for one in acting)


def new_state(model: Model, first_path: int, paths: int, chunk: Phases | None = None) -> State:
    """The start of a chunk of paths. chunk: its phases, whose kinds of transaction it knows."""
    chunk, setting = chunk or phases(model, paths, ()), model.setting(paths)
    layout, positions, oracles = model.layout, model.positions, model.oracles
    assets, markets, reserves, feeds = len(layout.assets), len(layout.rows), len(positions.reserves), len(oracles.specs)

    def across(row: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.repeat(row[:, None], paths, axis=1))

    unit = np.array([layout.asset(model.world.protocols[p].unit) for p, _ in positions.reserves])
    unit[positions.margins.weight >= 0.0] = 0  # exchanges see prices in their unit, see core/exchange_tables.py
    like, every = seen_alike(oracles, unit, positions.margins.weight < 0.0), np.arange(2 * reserves)
    same = moving_alike(model, like)
    number = {name: i for i, name in enumerate(model.world.protocols)}
    seed = model.world.scenario.seed
    lent = new_reserves(np.array([number[p] for p, _ in positions.reserves]),
                        np.array([layout.asset(a) for _, a in positions.reserves]), positions.stocks, positions.of_term, paths)
    slots = max(1024, min(len(positions.accounts) * paths, AT_FIRST))  # no memory until they are written
    state = State(
        first_path, paths, np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint64), model.step_length,
        model.blocks,
        tree=layout.tree, profiles=model.profiles,
        markets=new_markets(layout.start[layout.tree.pair], model.start_price, fees(model), paths),
        feeds=Feeds(oracles.constant, oracles.market, oracles.sign, across(model.start_answer),
                    across(np.array([-spec.start_age() for spec in oracles.specs])), np.zeros((feeds, paths)),
                    np.full((feeds, paths), np.inf), np.zeros(feeds)),
        seen=SeenPrices(oracles.seen_constant, oracles.seen_feed, oracles.seen_sign, model.start_seen,
                    across(model.start_seen), np.zeros((2 * reserves, paths), np.int32),
                    np.zeros((2 * reserves, paths), np.int32),
                    unit, np.zeros((paths, reserves)), np.zeros(paths, np.int64), np.zeros(1, np.int64),
                    like, same, np.isin(every, same[model.index.falling]), np.isin(every, same[model.index.rising]),
                    np.zeros(1, np.int64)),
        reserves=lent, limits=new_limits(model, paths), backing=backed.start(setting, paths),
        book=positions.tables, index=model.index,
        watch=new_watch(len(positions.accounts), model.index, paths, looks_up(model)),
        pool=new_pool(slots, 4 * slots, positions.tables.amount.shape[1], positions.tables.cost.shape[1]),
        margins=positions.margins._replace(funded=positions.margins.funded.copy(), paid=np.zeros((reserves, paths)),
                                           gross=np.zeros((reserves, paths)), counted=lent.counted,
                                           in_usd=np.ones((len(model.world.protocols), paths))),
        safety=new_safety(*stocks(model.world, positions.reserves), paths),
        flows=new_flows(reserves, paths, model.world.scenario.judged is not None),
        closings=new_closings(64), fallen=np.zeros(slots, np.int32),
        transactions=new_transactions(1024), sales=new_sales(1024), active=np.ones(paths, np.bool_),
        changed=np.zeros(paths, np.bool_), wake=np.full(paths, np.inf), lots=new_lots(64), bids=new_bids(64),
        english=np.zeros((len(model.world.protocols), 5)),
        networks=new_networks(model, chunk.kinds, paths), home=setting.homes,
        coined=np.array([n for n, protocol in enumerate(model.world.protocols.values())
                         if is_exchange(protocol) and protocol.unit != USD], np.int64),
        halts=new_halts(len(model.world.protocols), markets, max(len(chains(model.world)), 1), feeds,
                        len(setting.bridges), paths),
        purses=new_purses(len(setting.networks), len(model.world.actors), assets, paths),
        bridges=new_bridges(setting, chunk.kinds), messages=new_messages(64),
        moves=np.zeros(len(layout.pairs)), opens=open_kinds(model.world, chunk.everybody), weight=np.ones(paths),
        queue=Queue(np.empty(1024, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64), False),
        ledgers=new_ledgers(assets, reserves, len(model.world.protocols), OUTCOMES, paths, len(model.world.actors)),
        tally=new_tally(assets, len(setting.networks), len(model.world.actors), paths),
    )
    for phase in each_once(vars(chunk).values()):
        phase.reserve(state)
    for name in model.spared:
        state.halts.liquidation[setting.protocol(name)] = np.inf
    return state
