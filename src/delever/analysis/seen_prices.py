"""Who sees which price: per protocol and asset the feed, its answer at the start against the market's, and its lag."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from delever.analysis.tables import Column, table
from delever.model.spec import Spec
from delever.run.assemble import Model, log_usd
from delever.run.pricing import moving_feeds


class SeenPrice(NamedTuple):
    """What a protocol sees of one asset."""

    protocol: str
    asset: str
    feed: str  # the expression, or what stands in for one
    stated: bool  # the world names an oracle, or the asset is what the protocol counts in
    seen: float  # price, USD
    market: float  # price, USD
    heartbeat: float | None  # longest of the feeds [s]; infinite: never renewed; none: always the market's
    deviation: float | None  # of the feeds together, share
    lag: float | None  # longest delay of an answer [s]
    age: float | None  # oldest answer [s]

    @property
    def gap(self) -> float:
        """Of the seen price to the market's, share."""
        return self.seen / self.market - 1.0


def seen_prices(model: Model) -> list[SeenPrice]:
    """A row a reserve, in the order of the protocols."""
    seen, layout, world = model.seen_price(), model.layout, model.world
    out = []
    for r, (protocol, asset) in enumerate(model.positions.reserves):
        market = math.exp(log_usd(layout, layout.asset(asset), model.start_price))
        expression, unit = world.oracles.get(protocol, {}).get(asset), world.protocols[protocol].unit
        used = [int(f) for f in model.oracles.seen_feed[r] if f >= 0]
        text = expression or ("unit of account" if asset == unit else f"market {asset}/{unit}, none is stated")
        stated = expression is not None or asset == unit
        out.append(SeenPrice(protocol, asset, text, stated, float(seen[r]), market, *_lateness(model, used)))
    return out


def _lateness(model: Model, feeds: list[int]) -> tuple[float | None, float | None, float | None, float | None]:
    """Heartbeat, deviation, delay and age of feeds together; a feed without a field of that name follows the market.

    Of one that is made of feeds those of these.
    """
    if not feeds:
        return math.inf, None, None, None
    moving = moving_feeds(model.oracles)
    names, every = model.oracles.names, model.oracles.specs
    feeds = [part for f in feeds for part in ([names.index(name) for name in every[f].parts()] or [f])]
    specs = [every[f] for f in feeds]
    heartbeats = [_number(spec, "heartbeat") if f in moving else math.inf for f, spec in zip(feeds, specs, strict=True)]
    beats = [beat for beat in heartbeats if beat is not None]
    deviations = [_number(spec, "deviation") or 0.0 for spec in specs]
    apart = math.prod(1.0 + deviation for deviation in deviations) - 1.0
    return (max(beats) if beats else None, apart, max(_number(spec, "delay") or 0.0 for spec in specs),
            max(spec.start_age() for spec in specs))


def _number(spec: Spec, name: str) -> float | None:
    value = getattr(spec, name, None)
    return None if value is None else float(value)


def prices_table(rows: list[SeenPrice]) -> pa.Table:
    """For people and machines."""
    def numbers(name: str, unit: str, meaning: str = "") -> Column:
        return Column(name, unit, [getattr(row, name) for row in rows], meaning, pa.float64())

    return table(
        Column("protocol", "", [row.protocol for row in rows], kind=pa.string()),
        Column("asset", "", [row.asset for row in rows], kind=pa.string()),
        Column("feed", "", [row.feed for row in rows], kind=pa.string()),
        Column("seen_usd", "USD", np.array([row.seen for row in rows])),
        Column("market_usd", "USD", np.array([row.market for row in rows])),
        Column("gap", "share", np.array([row.gap for row in rows]), "of the price seen to the market's at the start"),
        numbers("heartbeat", "s", "an answer is renewed at the latest after this time; none where the market is read"),
        numbers("deviation", "share", "a move of the market up to this may go unanswered until the heartbeat"),
        numbers("lag", "s", "from the observation of a move to the offer of its answer, before it waits for a block"),
        numbers("age", "s", "of the answer at the start"),
    )
