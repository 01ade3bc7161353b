"""How a world's assets are priced: the tree of markets, the liquidity on them, what each protocol sees."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from delever.core.profile import Profiles
from delever.core.setting import Layout, ragged
from delever.core.tables import Tree
from delever.ingest.source import Source
from delever.model.asset import USD, Asset, factor_of, perps
from delever.model.errors import InputError
from delever.model.oracle import compose as read_expression
from delever.model.world import World
from delever.oracles.base import FeedSpec
from delever.oracles.market import Market
from delever.venues.base import ProfileTable, Venue, combine, stack

NO_VENUES: Mapping[str, str] = MappingProxyType({})


def lay_out(assets: Mapping[str, Asset], venues: Mapping[str, str] = NO_VENUES, apart: Collection[str] = ()) -> Layout:
    """The tree of markets: pegged and base assets have one, wrapped ones are traded as what they wrap.

    venues: the pair of each; apart: pairs whose venues are markets of their own. The first one's stands in the tree.
    """
    names = (USD, *(name for name in assets if name != USD))
    markets = tuple(name for name in names[1:] if assets[name].wraps is None)
    number = {name: i for i, name in enumerate(names)}
    chains: list[list[int]] = []
    rates: list[float] = []
    traded: list[int] = []
    for name in names:
        rate, at = 1.0, name
        while at != USD and assets[at].wraps is not None:
            rate *= assets[at].factor
            at = assets[at].below
        rates.append(rate)
        traded.append(number[at])
        chain = []
        while at != USD:
            chain.append(markets.index(at))
            at = assets[at].below
            while at != USD and assets[at].wraps is not None:
                raise InputError("asset", "assets", at, "peg to what it wraps, not to the wrapper")
        chains.append(chain)
    longest = max(1, max(len(chain) for chain in chains))
    table = np.full((len(names), longest), -1)
    for i, chain in enumerate(chains):
        table[i, :len(chain)] = chain
    length = np.array([len(chain) for chain in chains])
    common = np.zeros((len(names), len(names)), int)  # markets that both chains end with
    for i, a in enumerate(chains):
        for j, b in enumerate(chains):
            while common[i, j] < min(len(a), len(b)) and a[-1 - common[i, j]] == b[-1 - common[i, j]]:
                common[i, j] += 1
    base = np.array([number[name] for name in markets], int)
    quote = np.array([number[assets[name].below] for name in markets], int)
    pairs = tuple(f"{name}/{assets[name].below}" for name in markets)
    rows, of, row, other = [*pairs], [*range(len(pairs))], dict[str, int](), [-1] * len(pairs)
    for venue, traded_pair in venues.items():
        m = last = pairs.index(traded_pair)
        if traded_pair in apart and m in row.values():
            while other[last] >= 0:
                last = other[last]
            other[last], m = len(rows), len(rows)
            rows, of, other = [*rows, f"{traded_pair}@{venue}"], [*of, pairs.index(traded_pair)], [*other, -1]
        row[venue] = m
    base, quote = base[of], quote[of]
    tree = Tree(table, length, np.array(rates), np.log(rates), np.array(traded), base, quote, length[base],
                length[:, None] - common, length[None, :] - common, np.array(of, np.int64), np.array(other, np.int64))
    start = np.array([math.log(factor_of(name, assets)) for name in markets])
    follows = tuple((markets.index(perp), number[underlying], -1.0 if assets[perp].inverse else 1.0)
                    for perp, underlying in perps(assets).items())
    return Layout(names, markets, pairs, tree, start, follows, tuple(rows), row)


def liquidity(world: World, layout: Layout, source: Source) -> tuple[Profiles, list[ProfileTable | None]]:
    """The profile of every market, joint where several venues are one [M]; None: no venue."""
    tables: list[ProfileTable | None] = []
    for m, name in enumerate(layout.rows):
        pair = layout.tree.pair[m]
        here = [venue.table(source, math.exp(layout.start[pair])) for venue_name, venue in world.venues.items()
                if isinstance(venue, Venue) and layout.venues[venue_name] == m]
        tables.append(combine(here, f"venues of {name}") if here else None)
        table = tables[-1]
        if table is not None and not table.anchored and world.assets[layout.markets[pair]].follows:
            raise InputError("a pool cannot trade a perp", "venues", name, "makers quote it around its index: use a maker book")
    return stack(tables), tables


@dataclass(frozen=True)
class Oracles:
    """Feeds, and how each reserve's price is composed of them."""

    specs: tuple[FeedSpec, ...]
    names: tuple[str, ...]
    constant: np.ndarray  # [F]
    market: np.ndarray  # [F, T] -1 behind the last
    sign: np.ndarray  # [F, T]
    seen_constant: np.ndarray  # [R]
    seen_feed: np.ndarray  # [R, T] -1 behind the last
    seen_sign: np.ndarray  # [R, T]


def compose(world: World, layout: Layout, reserves: Sequence[tuple[str, str]]) -> Oracles:
    """Feeds of the world, and one that reads the market for every reserve that names none. reserves: (protocol, asset)."""
    specs: dict[str, FeedSpec] = {name: spec for name, spec in world.feeds.items() if isinstance(spec, FeedSpec)}
    seen: list[tuple[float, list[tuple[str, float]]]] = []
    for protocol, asset in reserves:
        unit = world.protocols[protocol].unit
        expression = world.oracles.get(protocol, {}).get(asset)
        if expression is not None:
            path = read_expression(expression, asset, world.assets, world.feeds)
            seen.append((math.log(path.constant), [(name, float(sign)) for name, sign in path.feeds]))
        elif asset == unit:
            seen.append((0.0, []))
        else:
            pair = f"{asset}/{unit}"
            name = f"market {pair}"
            specs.setdefault(name, Market(of=pair))
            seen.append((0.0, [(name, 1.0)]))
    names = tuple(specs)
    feeds = [spec.composed(layout, world.assets) for spec in specs.values()]
    for (name, spec), (_, terms) in zip(specs.items(), feeds, strict=True):
        if spec.venue is not None and layout.venues[spec.venue] not in {m for m, _ in terms}:
            raise InputError(f"does not trade {spec.of}", f"feeds.{name}.venue", spec.venue,
                             f"name a venue of a pair between {spec.of.replace('/', ' and ')}")
    market, sign = ragged([terms for _, terms in feeds])
    feed, seen_sign = ragged([[(names.index(name), s) for name, s in terms] for _, terms in seen])
    return Oracles(tuple(specs.values()), names, np.array([c for c, _ in feeds]), market, sign,
                  np.array([c for c, _ in seen]), feed, seen_sign)


def seen_alike(oracles: Oracles, unit: np.ndarray, lends: np.ndarray) -> np.ndarray:
    """[R] the first reserve that is seen at the same price on every path at any time: of the same feeds, in the same unit.

    lends: [R] of a lending protocol; an exchange sees what it saw at the start of the block, and is like exchanges alone.
    """
    first: dict[tuple[float, ...], int] = {}
    seen = np.column_stack([oracles.seen_constant, oracles.seen_feed, oracles.seen_sign, unit, lends])
    return np.array([first.setdefault(tuple(row), r) for r, row in enumerate(seen.tolist())], np.int64)


def start_answers(oracles: Oracles, price: np.ndarray) -> np.ndarray:
    """Log answers of the feeds at the start [F]. price: [M] log market prices."""
    out = np.zeros(len(oracles.specs))
    for f, spec in sorted(enumerate(oracles.specs), key=lambda one: len(one[1].parts()) > 0):
        if spec.parts():
            out[f] = spec.together([float(out[oracles.names.index(name)]) for name in spec.parts()])
            continue
        market = float(oracles.constant[f])
        for m, sign in zip(oracles.market[f], oracles.sign[f], strict=True):
            if m >= 0:
                market += sign * price[m]
        out[f] = spec.start_answer(market)
    return out


def moving_feeds(oracles: Oracles) -> set[int]:
    """Numbers of the feeds whose answer may change."""
    return {f for f, spec in enumerate(oracles.specs) if spec.moves}
