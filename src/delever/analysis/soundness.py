"""Is this world sound? What one should know before believing a run of it, each with a remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from delever.analysis.inputs import Input, inputs, inputs_table
from delever.analysis.margins import MarginBook, Standing, margin_bands, open_positions
from delever.analysis.reproduction import bands, reproduction
from delever.analysis.seen_prices import SeenPrice, prices_table, seen_prices
from delever.analysis.tables import Column, table
from delever.analysis.valuation import Health, Legs, chain, health, legs_of, remainders
from delever.model.book import COLLATERAL, DEBT
from delever.model.oracle import compose
from delever.model.parameters import categories_of, look_up
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.plots import by_health
from delever.run.result import Result

OK, WARN, ERROR = "ok", "warn", "error"
SMALL = 0.01  # share of the book that is not worth a warning
OLD = 30 * 86400.0  # an input that is further from the world's date than this is from another time [s]
APART = 1e-3  # of a venue's price from the outside price at the start, share
NO_ORACLE, NO_VENUE = "no oracle is stated: it is seen at the market", "market without a venue is infinitely deep"


class Finding(NamedTuple):
    """One thing to know."""

    level: str  # ok: stated for the record; warn: may mislead; error: cannot be right
    what: str
    where: str
    value: str
    remedy: str


@dataclass(frozen=True, repr=False)
class Check(Result):
    """What there is to know about a world before it is run.

    findings: level, what, where, value, remedy. prices: who sees which price. inputs: how old each is. health: how
    many accounts' legs give back the totals and health factors that their source reports. accounts: the book by health.
    Of margin exchanges, without rows where there are none: positions: open positions by perp; margins: accounts by equity over
    maintenance margin.
    """

    findings: pa.Table
    prices: pa.Table
    inputs: pa.Table
    health: pa.Table
    accounts: pa.Table
    positions: pa.Table
    margins: pa.Table

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.findings

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: the book's debt by health."""
        return by_health(alt, self.accounts)

    def __repr__(self) -> str:
        levels = self.findings["level"].to_pylist() if self.findings.num_rows else []
        found = ", ".join(f"{levels.count(level)} {level}" for level in dict.fromkeys(levels)) or "nothing found"
        return f"Check: {found}; {self.prices.num_rows} prices seen, {self.inputs.num_rows} inputs"


def check(world: World) -> Check:
    """Read everything that the world names and look at it. What cannot be read at all raises InputError."""
    model = assemble(world)
    seen, ages = seen_prices(model), inputs(world)
    legs = legs_of(model)
    at_start = health(legs, model.seen_price())
    book = BookView(model, legs, at_start)
    margin_book = MarginBook(model)
    standing = margin_book.at(model.seen_price())
    found = [*accounts_found(book), *exchanges_found(margin_book, standing), *prices_found(book, seen), *markets_found(book),
             *actors_found(world),
             *parameters_found(world, book), *caps_found(world, book), *inputs_found(world, ages),
             *notes_found(model.source.notes)]
    found.sort(key=lambda finding: (ERROR, WARN, OK).index(finding.level))
    columns = (Column(name, "", [getattr(finding, name) for finding in found], kind=pa.string())
               for name in Finding._fields)
    return Check(table(*columns), prices_table(seen), inputs_table(ages), reproduction(model),
                 bands(model, legs, at_start), open_positions(margin_book, standing), margin_bands(margin_book, standing))


class BookView:
    """The book in USD at the prices seen at the start."""

    def __init__(self, model: Model, legs: Legs, at_start: Health) -> None:
        self.model, self.legs, self.health = model, legs, at_start
        self.remainders = remainders(model)
        reserves, value = len(model.positions.reserves), at_start.value
        # [2, R] worth of each reserve as collateral and as debt; remainders by size
        self.worth = np.array([np.bincount(legs.reserve[side], np.abs(value[side]), reserves)
                               for side in (~legs.debt, legs.debt)])
        self.units = np.bincount(legs.reserve[~legs.debt], np.maximum(legs.amount[~legs.debt], 0.0), reserves)  # [R]
        self._add_exchanges(model)
        self.total = self.worth.sum(axis=1)  # [2]

    def _add_exchanges(self, model: Model) -> None:
        """Collateral of margin accounts counts as collateral; the larger side of a perp's positions counts as debt does."""
        book, reserves, price = MarginBook(model), len(model.positions.reserves), model.seen_price()
        if not book.exchanges:
            return
        held = np.bincount(book.held, np.maximum(book.units, 0.0), reserves)
        longs, shorts = (np.bincount(book.perp, np.maximum(sign * book.size, 0.0), reserves) for sign in (1.0, -1.0))
        self.worth = self.worth + np.array([held, np.maximum(longs, shorts)]) * price
        self.units = self.units + held + np.maximum(longs, shorts)

    def share(self, reserves: list[int], side: int) -> float:
        """Of these reserves in one side of all books."""
        return float(self.worth[side, reserves].sum() / self.total[side]) if self.total[side] else 0.0


def accounts_found(book: BookView) -> Iterator[Finding]:
    """Who is below 1 already, and how much of a book is not split into assets."""
    model, legs, at_start = book.model, book.legs, book.health
    collateral = legs.total(at_start.value, ~legs.debt)
    for number, protocol in enumerate(model.world.protocols):
        mine = model.positions.protocol == number
        below = mine & at_start.eligible
        if below.any():
            owed = float(at_start.debt[below].sum())
            large = owed > SMALL * float(at_start.debt[mine].sum())
            yield Finding(WARN if large else OK, "accounts below health 1 at the start", f"protocols.{protocol}.book",
                          f"{int(below.sum())} accounts owe {money(owed)} against {money(collateral[below].sum())}",
                          "they are offered in the first block: see that prices and thresholds are of the book's time")
        for side, name in enumerate((COLLATERAL, DEBT)):
            rest = [r for r, key in enumerate(model.positions.reserves)
                    if key[0] == protocol and name in book.remainders.get(key, ())]
            of = [r for r, key in enumerate(model.positions.reserves) if key[0] == protocol]
            part = float(book.worth[side, rest].sum() / max(book.worth[side, of].sum(), 1e-300))
            if rest:
                yield Finding(WARN if part > SMALL else OK, f"{name} that is not split into assets (remainder legs)",
                              f"protocols.{protocol}.book", f"{money(book.worth[side, rest].sum())}, {part:.2%}",
                              "look at results with it held constant and moving with the market: remainder_worlds")


def exchanges_found(book: MarginBook, standing: Standing) -> Iterator[Finding]:
    """Who is below maintenance already, perps whose longs and shorts do not balance, exchanges on which nobody bears losses."""
    world, size = book.model.world, book.size_of(standing)
    for number, name in book.exchanges:
        mine = book.protocol == number
        below, bankrupt = mine & standing.unhealthy, mine & (standing.equity < 0.0)
        if below.any():
            large = size[below].sum() > SMALL * size[mine].sum() or bankrupt.any()
            yield Finding(WARN if large else OK, "accounts below maintenance margin at the start", f"protocols.{name}.book",
                          f"{int(below.sum())} accounts with positions of {money(float(size[below].sum()))}; equity of "
                          f"{int(bankrupt.sum())} is below zero, by {money(-float(standing.equity[bankrupt].sum()))}",
                          "they are called in the first block: see that prices, entry "
                          "prices and collateral are of one moment")
        if not world.protocols[name].waterfall:
            yield Finding(OK, "no default waterfall: what closed accounts owe stays as deficit", f"protocols.{name}.waterfall",
                          "none", "write `waterfall: [{kind: insurance_fund, start: {USD: 1m}}, adl]`")
    for row in open_positions(book, standing).to_pylist():
        if abs(row["net"]) > SMALL:
            yield Finding(WARN, "longs and shorts do not balance", f"protocols.{row['protocol']}.book",
                          f"{row['perp']}: {money(row['long_usd'])} long, {money(row['short_usd'])} short",
                          "add the accounts that are missing, or accept that makers outside hold the rest and pay its funding")


def prices_found(book: BookView, seen: list[SeenPrice]) -> Iterator[Finding]:
    """Assets without an oracle, and prices that differ from the market's by more than their feed allows."""
    small: dict[str, list[str]] = {}
    of_what = "of collateral, debt or positions" if book.model.positions.margins.perp.any() else "of collateral or debt"
    for r, sight in enumerate(seen):
        part, where = max(book.share([r], 0), book.share([r], 1)), f"oracles.{sight.protocol}.{sight.asset}"
        if not sight.stated and (part <= SMALL or (sight.protocol, sight.asset) in book.remainders):
            small.setdefault(sight.protocol, []).append(sight.asset)
        elif not sight.stated:
            yield Finding(WARN, NO_ORACLE, where, f"{part:.2%} {of_what}", "name its feeds there, if any")
        if abs(sight.gap) > max(sight.deviation or 0.0, 1e-6):
            yield Finding(WARN if part > SMALL else OK, "price seen at the start is not the market's", where,
                          f"{sight.seen:.8g} against {sight.market:.8g} USD, {sight.gap:+.3%}",
                          "give answer and price of one moment, or know why they differ: the feed is due at once")
    for protocol, assets in small.items():
        yield Finding(OK, NO_ORACLE, f"oracles.{protocol}", ", ".join(assets), "remainders and small shares: none")


def markets_found(book: BookView) -> Iterator[Finding]:
    """Markets that are infinitely deep, that start beside the outside price, or whose quotes end before the book."""
    model, small = book.model, []
    and_positions = "and positions " if model.positions.margins.perp.any() else ""
    through = [set(chain(model, asset)) if _trades(book, r) else set()
               for r, (_, asset) in enumerate(model.positions.reserves)]
    for m, pair in enumerate(model.layout.pairs):
        if model.venues[m] is not None:
            yield from _venue_found(book, m)
            continue
        held, owed = (book.share([r for r, markets in enumerate(through) if m in markets], side) for side in (0, 1))
        if max(held, owed) > SMALL:
            yield Finding(WARN, NO_VENUE, pair, f"{held:.2%} of collateral, {owed:.2%} of debt {and_positions}trade there",
                          f"add a venue of {pair}, or accept that no trade moves its price")
        elif max(held, owed) > 0.0:
            small.append(pair)
    if small:
        yield Finding(OK, NO_VENUE, ", ".join(small), f"each at most {SMALL:.0%} of collateral and of debt",
                      "small: none")


def _venue_found(book: BookView, m: int) -> Iterator[Finding]:
    model, pair, venue = book.model, book.model.layout.pairs[m], book.model.venues[m]
    assert venue is not None
    apart = 0.0 if venue.anchored else math.expm1(venue.start_log_price - model.layout.start[m])
    if abs(apart) > APART / 10:
        yield Finding(WARN if abs(apart) > APART else OK, "venue stands beside the outside price", f"venue of {pair}",
                      f"{apart:+.3%}", "take both of one moment: arbitrage moves it there within its half-life")
    held = sum(book.units[r] * float(model.layout.tree.rate[model.layout.asset(asset)])
               for r, (_, asset) in enumerate(model.positions.reserves)
               if _trades(book, r) and chain(model, asset)[:1] == [m])
    as_what = "as open interest" if model.world.assets[model.layout.markets[m]].follows else "as collateral"
    if np.isfinite(venue.quoted[1]):
        yield Finding(WARN if held > venue.quoted[1] else OK, "depth is extrapolated beyond the last quote",
                      f"venue of {pair}", f"quoted for sales up to {venue.quoted[1]:,.0f} and purchases up to "
                      f"{-venue.quoted[0]:,.0f}; the book holds {held:,.0f} {as_what}",
                      f"see extrapolated.{pair} in the summary of a run")


def _trades(book: BookView, reserve: int) -> bool:
    """Whether a liquidator would ever trade it."""
    asset = book.model.world.assets.get(book.model.positions.reserves[reserve][1])
    return asset is None or asset.seizable


def underbidding(world: World) -> Iterator[Finding]:
    """Who bids less than the least bid of his chain, and so is never included."""
    chains = {name: network for name, network in world.networks.items() if hasattr(network, "base_fee")}
    bidders = [*((f"feeds.{name}", feed) for name, feed in world.feeds.items()),
               *((f"actors.{name}", actor) for name, actor in world.actors.items()),
               *((f"scenario.events.{n}", event) for n, event in enumerate(world.scenario.events))]
    for where, spec in bidders:
        fee, named = getattr(spec, "fee", None), getattr(spec, "network", None)
        for name in [named] if named is not None else chains:
            least = getattr(chains.get(name), "base_fee", 0.0)
            if fee is not None and fee < least:
                yield Finding(WARN, "bids less than the least bid: is never included", f"{where}.fee",
                              f"{fee:g} gwei on {name}, where {least:g} is least", f"write `fee: {1.5 * least:g} gwei`")


def actors_found(world: World) -> Iterator[Finding]:
    """Who is missing."""
    lends = bool(world.lending)
    actors = world.actors.values()
    if lends and not any(getattr(actor, "bids", False) for actor in actors):
        yield Finding(WARN, "nobody liquidates", "actors", "none", "write `actors: {liquidators: {kind: liquidators}}`")
    if lends and not any(getattr(actor, "answers", False) for actor in actors):
        yield Finding(OK, "no owner answers a coming liquidation", "actors", "none",
                      "write `actors: {owners: {kind: borrowers, attentive: 30 %}}` to let some top up")
    if not world.networks and lends:
        yield Finding(OK, "no network: room is unlimited and gas is free", "networks", "none",
                      "write `networks: {ethereum: {block_time: 12 s, room: 30, base_fee: 20 gwei}}`")
    yield from underbidding(world)
    used = {name for protocol, rows in world.oracles.items() for asset, text in rows.items()
            for name, _ in compose(text, asset, world.assets, world.feeds).feeds}
    idle = sorted(set(world.feeds) - used)
    if idle:
        yield Finding(OK, "feeds that no oracle uses", "feeds", ", ".join(idle), "use them in oracles, or drop them")


def parameters_found(world: World, book: BookView) -> Iterator[Finding]:
    """Parameters of assets that nobody holds or owes."""
    for name, protocol in world.protocols.items():
        held = {asset for of, asset in book.model.positions.reserves if of == name}
        idle = sorted(set(look_up(protocol.parameters)) - held)
        if idle:
            yield Finding(OK, "parameters of assets that nobody has", f"protocols.{name}.parameters", ", ".join(idle),
                          "nothing to do, unless a name is misspelt in the book")
        of = book.model.positions.book.of(name).legs["emode"].unique().to_pylist()
        unknown = sorted({category for category in of if category} - categories_of(look_up(protocol.parameters)))
        if unknown:
            yield Finding(WARN, "e-mode categories without parameters", f"protocols.{name}.parameters",
                          f"{', '.join(map(str, unknown))}: thresholds are the book's, incentives the ordinary ones",
                          f"write `emode: {{{unknown[0]}: {{liquidation_threshold: 93 %, incentive: 1 %}}}}` for its assets")


def caps_found(world: World, book: BookView) -> Iterator[Finding]:
    """Caps below what is supplied or owed already: nobody is thrown out, but nobody can go on."""
    positions = book.model.positions
    for r, (name, asset) in enumerate(positions.reserves):
        entry = look_up(world.protocols[name].parameters).get(asset)
        cash = positions.cash[r]
        supplied = cash + positions.owed[r] if np.isfinite(cash) else positions.held[r]
        for field, units, what in (("supply_cap", supplied, "supplied"), ("borrow_cap", positions.owed[r], "owed")):
            cap = getattr(entry, field, None)
            if cap is not None and units > cap:
                yield Finding(WARN, f"more is {what} than the cap", f"protocols.{name}.parameters.{asset}.{field}",
                              f"{units:,.6g} {asset}, cap {cap:,.6g}",
                              "nobody can go further until it falls below: raise it, or leave it so")


def inputs_found(world: World, rows: list[Input]) -> Iterator[Finding]:
    """Inputs of another time, or of none."""
    dateless = [row.name for row in rows if row.age is None]
    if dateless:
        yield Finding(OK, "inputs without a date", "ages", ", ".join(dateless),
                      f"write `{dateless[0]}: {world.as_of:%Y-%m-%dT%H:%M:%SZ}` there, with the moment it is from")
    for row in rows:
        if row.age is not None and abs(row.age) > OLD:
            yield Finding(WARN, "input is of another time than the world", f"ages.{row.name}", row.text,
                          "find data of the world's date, or say beside the figures that it is not")


def notes_found(notes: list[str]) -> Iterator[Finding]:
    """What readers of exchanges' answers left out, and could not know."""
    for note in notes:
        name, _, text = note.partition(": ")
        yield Finding(WARN, "not in the book", f"protocols.{name}.book", text, "see delever.ingest.positions")


def money(usd: float) -> str:
    """1.2m USD."""
    for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(usd) >= size:
            return f"{usd / size:.3g}{letter} USD"
    return f"{usd:.3g} USD"
