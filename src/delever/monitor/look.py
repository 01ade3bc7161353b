"""One look at a world: how near its walls are, whether selling would feed on itself, who sees what, who is large.

    move to a wall = the smallest move of an asset on the way, at which  eligible(move) >= share x all of the protocol
    all            = debt of a lending protocol, longs and shorts of an exchange, at prices seen now
Nobody acts and no price answers in a wall; what selling does to prices is in n (analysis/branching.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from delever.analysis.feedback import criticality_of
from delever.analysis.margins import MarginBook
from delever.analysis.seen_prices import seen_prices
from delever.analysis.shocks import Walk
from delever.analysis.valuation import chain, health, legs_of
from delever.analysis.walls import Wall, wall_of
from delever.model.errors import InputError
from delever.model.world import World
from delever.monitor import metrics as m
from delever.monitor.metrics import Metric, Sample
from delever.run.assemble import Model, assemble, log_usd
from delever.run.exchanges import stocks

FAR = 0.6  # farthest move looked at, share
STEP = 0.01  # of moves, share
CRUMB = 1e-9  # share of all that is rounding
SHARES = (0.01, 0.05, 0.1)  # of all, that are eligible
MOVES = (0.0, 0.05, 0.1, 0.2, 0.3)  # at which amounts are told
CRITICAL = 0.3  # farthest move at which n is looked at, share
SMALL = 0.02  # share of all collateral below which an asset is not looked at unless named
MOST = 6  # assets, if none are named
DIRECTIONS = {"fall": -1.0, "rise": 1.0}


def look(world: World, now: datetime, assets: Sequence[str] = ()) -> list[Sample]:
    """All figures. now: for ages of inputs. assets: that are moved; none named: those that most collateral hangs on."""
    model = assemble(world)
    chosen, funds, whole = tuple(assets) or main_assets(model), funds_of(model), _whole(model)
    everything = [*_prices(model), *_oracles(model), *_utilisation(model), *_largest(model), *_queue(model), *_ages(world, now),
                  *(Sample(m.FUND, usd, (name,)) for name, usd in funds.items())]
    for asset in chosen:
        for direction, sign in DIRECTIONS.items():
            if sign > 0.0 and not world.exchanges:
                continue  # a rise calls nobody who lends against it
            walked = wall_of(model, asset, [sign * STEP * i for i in range(round(FAR / STEP) + 1)])
            everything += _walls(walked, world, asset, direction, whole, funds)
            everything += _criticality(model, asset, direction)
    return everything


def main_assets(model: Model) -> tuple[str, ...]:
    """Those whose price most collateral and positions follow, largest first."""
    legs, book = legs_of(model), MarginBook(model)
    price, layout = model.seen_price(), model.layout
    worth = np.bincount(legs.reserve[~legs.debt], np.maximum(health(legs, price).value[~legs.debt], 0.0), len(price))
    if len(book.accounts):
        worth = worth + np.bincount(book.perp, book.at(price).notional, len(price))
    total = np.zeros(len(layout.markets))
    for r, (_, asset) in enumerate(model.positions.reserves):
        for market in {layout.tree.pair[at] for at in chain(model, asset)}:
            followed = model.world.assets[layout.markets[market]].follows
            total[layout.markets.index(followed) if followed in layout.markets else market] += worth[r]
    order = [i for i in np.argsort(-total, kind="stable") if total[i] > SMALL * worth.sum()]
    return tuple(layout.markets[i] for i in order[:MOST] if model.world.assets[layout.markets[i]].follows is None)


def _whole(model: Model) -> dict[str, float]:
    """USD of debt, or of positions, by protocol."""
    legs, book, price = legs_of(model), MarginBook(model), model.seen_price()
    count = len(model.world.protocols)
    owed = np.bincount(model.positions.protocol, np.maximum(health(legs, price).debt, 0.0), count).astype(float)
    held = np.bincount(book.protocol, book.size_of(book.at(price)), count) if len(book.accounts) else np.zeros(count)
    return {name: float(held[i] if name in model.world.exchanges else owed[i]) for i, name in enumerate(model.world.protocols)}


def _walls(wall: Wall, world: World, asset: str, direction: str, whole: dict[str, float], funds: dict[str, float]
           ) -> Iterator[Sample]:
    """Distances to walls, and amounts at some moves."""
    sign = DIRECTIONS[direction]
    rows = wall.totals.to_pylist()
    for name in world.protocols:
        mine = sorted((row for row in rows if row["protocol"] == name), key=lambda row: abs(row["shock"]))
        exchange = name in world.exchanges
        if not mine or (sign > 0.0 and not exchange):
            continue
        reached, lost = ("positions_usd", "shortfall_usd") if exchange else ("eligible_debt_usd", "bad_debt_usd")
        for share in SHARES:
            first = next((abs(row["shock"]) for row in mine if row[reached] >= share * whole[name] > 0.0), math.inf)
            yield Sample(m.TO_WALL, first, (name, asset, direction, f"{share:.0%}"))
        for row in mine:
            at = next((move for move in MOVES if abs(abs(row["shock"]) - move) < STEP / 2), None)
            if at is not None and (at > 0.0 or sign < 0.0):
                moved = f"{sign * at:+.0%}" if at else "0%"
                yield Sample(m.ELIGIBLE, row[reached], (name, asset, moved))
                yield Sample(m.SHORT, row[lost], (name, asset, moved))
        if exchange:
            first = next((abs(row["shock"]) for row in mine if row[lost] > funds.get(name, 0.0) + CRUMB * whole[name]), math.inf)
            yield Sample(m.TO_ADL, first, (name, asset, direction))


def _criticality(model: Model, asset: str, direction: str) -> Iterator[Sample]:
    """n on the way, and where it first exceeds 1; nothing where no forced sale has a market that prices it."""
    sign = DIRECTIONS[direction]
    try:
        levels = criticality_of(model, asset, f"{sign * CRITICAL:+.0%}", Walk(STEP, None)).levels
    except InputError:
        return
    ratios = [(n, abs(at)) for n, at in zip(levels["n"].to_pylist(), levels["shock"].to_pylist(), strict=True) if n is not None]
    yield Sample(m.BRANCHING, max((n for n, _ in ratios), default=0.0), (asset, direction))
    yield Sample(m.TO_CRITICAL, min((at for n, at in ratios if n > 1.0), default=math.inf), (asset, direction))


def _prices(model: Model) -> Iterator[Sample]:
    """What markets pay at the start, and how far a venue that no maker re-centres is from the outside."""
    layout = model.layout
    yield from (Sample(m.PRICE, math.exp(log_usd(layout, layout.asset(name), model.start_price)), (name,))
                for name, asset in model.world.assets.items() if asset.follows is None)
    for i, venue in enumerate(model.venues):
        if venue is not None and not venue.anchored:
            yield Sample(m.APART, math.expm1(venue.start_log_price - layout.start[i]), (layout.pairs[i],))


def _oracles(model: Model) -> Iterator[Sample]:
    for seen in seen_prices(model):
        of: tuple[tuple[Metric, float | None], ...] = ((m.GAP, seen.gap), (m.AGE, seen.age), (m.HEARTBEAT, seen.heartbeat))
        yield from (Sample(metric, value, (seen.protocol, seen.asset)) for metric, value in of
                    if value is not None and seen.stated and not math.isinf(value))


def _utilisation(model: Model) -> Iterator[Sample]:
    """lent out / (lent out + cash), of reserves whose cash is stated."""
    legs = legs_of(model)
    owed = np.bincount(legs.reserve[legs.debt], legs.amount[legs.debt], len(model.positions.reserves))
    for r, (name, asset) in enumerate(model.positions.reserves):
        spec = model.world.protocols[name]
        if asset in spec.cash:
            lent = float(spec.borrowed.get(asset, owed[r]))
            yield Sample(m.UTILISATION, lent / (lent + float(spec.cash[asset])) if lent > 0.0 else 0.0, (name, asset))


def funds_of(model: Model) -> dict[str, float]:
    """USD in the insurance funds of the protocols that have a waterfall."""
    usd = stocks(model.world, model.positions.reserves)[0] * model.seen_price()
    return {name: float(usd[[r for r, (of, _) in enumerate(model.positions.reserves) if of == name]].sum())
            for name, spec in model.world.protocols.items() if spec.waterfall}


def _largest(model: Model) -> Iterator[Sample]:
    """Share of the one and of the ten largest owners."""
    legs, book, price = legs_of(model), MarginBook(model), model.seen_price()
    size = np.maximum(health(legs, price).debt, 0.0)
    if len(book.accounts):
        size[book.accounts] = book.size_of(book.at(price))
    for i, name in enumerate(model.world.protocols):
        mine = model.positions.protocol == i
        by_owner = np.sort(np.bincount(model.positions.owner[mine], size[mine]))[::-1]
        if by_owner.sum() > 0.0:
            yield from (Sample(m.LARGEST, float(by_owner[:n].sum() / by_owner.sum()), (name, str(n))) for n in (1, 10))


def _queue(model: Model) -> Iterator[Sample]:
    """USD of positions in profit, by perp and side."""
    book = MarginBook(model)
    if not len(book.accounts):
        return
    price = model.seen_price()
    notional = book.at(price).notional
    gains = book.profit(price) > CRUMB * np.abs(book.cost)
    for r in np.unique(book.perp):
        name, perp = model.positions.reserves[int(r)]
        for side, mine in (("long", book.size > 0.0), ("short", book.size < 0.0)):
            yield Sample(m.QUEUE, float(notional[(book.perp == r) & mine & gains].sum()), (name, perp, side))


def _ages(world: World, now: datetime) -> Iterator[Sample]:
    """By the dates that the world gives; the world's own for what has none."""
    stated = {"world": world.as_of, **world.ages}
    yield from (Sample(m.INPUT_AGE, (now - moment).total_seconds(), (name,)) for name, moment in stated.items())
