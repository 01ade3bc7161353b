"""What one should know of books before believing a run: who is unhealthy, what is unknown, where it trades, which caps bind."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from delever.analysis.margins import MarginBook, Standing, open_positions
from delever.analysis.seen_prices import SeenPrice
from delever.analysis.valuation import Health, Legs, chain, remainders
from delever.model.asset import price_usd
from delever.model.book import COLLATERAL, DEBT
from delever.model.finding import OK, WARN, Finding
from delever.model.new_assets import feed_line, feed_of, pool_line
from delever.model.parameters import categories_of, look_up
from delever.model.world import Protocol, World
from delever.protocols.base import Rules
from delever.run.assemble import Model

SMALL = 0.01  # share of the book that is not worth a warning
LATE = 0.1  # of the horizon: a venue that comes halfway to the outside in more than that sees little of a crash (assumption)
UNSTATED: tuple[object, ...] = (None, {}, False, 0.0)  # of a term of an asset
APART = 1e-3  # of a venue's price from the outside price at the start, share


class BookView:
    """The book in USD at the prices seen at the start."""

    def __init__(self, model: Model, legs: Legs, at_start: Health) -> None:
        self.model, self.legs, self.health = model, legs, at_start
        self.remainders = remainders(model)
        reserves, value = len(model.positions.reserves), at_start.value
        # [2, R] worth of each reserve as collateral and as debt; remainders by size
        self.worth = np.array([np.bincount(legs.reserve[side], np.abs(value[side]), reserves)
                               for side in (~legs.debt, legs.debt)])
        self.positions = np.zeros((2, reserves))  # [2, R] units: longs and collateral of margin accounts, shorts
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
        self.positions = np.array([held + longs, shorts])

    def forced(self, m: int) -> tuple[float, float]:
        """(sold, bought) through a market if everybody who owes is sold out [units of its base, at the prices seen].

        What an account holds in the market is netted with what it owes there: stETH sold for ETH never leaves stETH/ETH.
        """
        model, legs = self.model, self.legs
        chains = [chain(model, asset) for _, asset in model.positions.reserves]
        through = np.array([_trades(self, r) and m in way for r, way in enumerate(chains)])
        leaf = np.array([m in way[:1] for way in chains])
        value = np.where(through[legs.reserve], self.health.value, 0.0)
        net = legs.total(value, ~legs.debt) - legs.total(np.abs(value), legs.debt)
        net = np.where(legs.total(np.abs(self.health.value), legs.debt) > 0.0, net, 0.0)  # nobody else is sold out
        unit, price = price_usd(model.layout.markets[m], model.world.assets), model.seen_price()
        sold, bought = (float((self.positions[side] * price)[leaf].sum()) for side in (0, 1))
        return (sold + float(np.maximum(net, 0.0).sum())) / unit, (bought + float(np.maximum(-net, 0.0).sum())) / unit

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
            yield Finding(WARN if large else OK, "account.unhealthy", f"protocols.{protocol}.book",
                          f"{int(below.sum())} accounts owe {money(owed)} against {money(collateral[below].sum())}",
                          "they are offered in the first block: see that prices and thresholds are of the book's time")
        for side, name in enumerate((COLLATERAL, DEBT)):
            rest = [r for r, key in enumerate(model.positions.reserves)
                    if key[0] == protocol and name in book.remainders.get(key, ())]
            of = [r for r, key in enumerate(model.positions.reserves) if key[0] == protocol]
            part = float(book.worth[side, rest].sum() / max(book.worth[side, of].sum(), 1e-300))
            if rest:
                yield Finding(WARN if part > SMALL else OK, "book.remainder", f"protocols.{protocol}.book",
                              f"{name}: {money(book.worth[side, rest].sum())}, {part:.2%}",
                              "look at results with it held constant and moving with the market: remainder_worlds")


def exchanges_found(book: MarginBook, standing: Standing) -> Iterator[Finding]:
    """Who is below maintenance already, perps whose longs and shorts do not balance, exchanges on which nobody bears losses."""
    world, size = book.model.world, book.size_of(standing)
    for number, name in book.exchanges:
        mine = book.protocol == number
        below, bankrupt = mine & standing.unhealthy, mine & (standing.equity < 0.0)
        if below.any():
            large = size[below].sum() > SMALL * size[mine].sum() or bankrupt.any()
            yield Finding(WARN if large else OK, "account.below_maintenance", f"protocols.{name}.book",
                          f"{int(below.sum())} accounts with positions of {money(float(size[below].sum()))}; equity of "
                          f"{int(bankrupt.sum())} is below zero, by {money(-float(standing.equity[bankrupt].sum()))}",
                          "they are called in the first block: see that prices, entry "
                          "prices and collateral are of one moment")
        if not world.protocols[name].waterfall:
            yield Finding(OK, "waterfall.none", f"protocols.{name}.waterfall",
                          "none", "write `waterfall: [{kind: insurance_fund, start: {USD: 1m}}, adl]`")
    for row in open_positions(book, standing).to_pylist():
        if abs(row["net"]) > SMALL:
            yield Finding(WARN, "book.unbalanced", f"protocols.{row['protocol']}.book",
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
            yield Finding(WARN, "oracle.none", where, f"{part:.2%} {of_what}", _feed_to_state(book.model.world, sight))
        if abs(sight.gap) > max(sight.deviation or 0.0, 1e-6):
            yield Finding(WARN if part > SMALL else OK, "price.apart", where,
                          f"{sight.seen:.8g} against {sight.market:.8g} USD, {sight.gap:+.3%}",
                          "give answer and price of one moment, or know why they differ: the feed is due at once")
    for protocol, assets in small.items():
        yield Finding(OK, "oracle.none", f"oracles.{protocol}", ", ".join(assets), "remainders and small shares: none")


def _feed_to_state(world: World, sight: SeenPrice) -> str:
    """The remedy, as lines of the world."""
    feed = feed_of(world, sight.asset)
    new = "" if feed in world.feeds else f" and `{feed_line(feed, sight.asset)}` in feeds"
    return f"write `{sight.asset}: {feed}` in oracles.{sight.protocol}{new}, or know that it sees every move at once"


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
            yield Finding(WARN, "market.no_venue", pair,
                          f"{held:.2%} of collateral, {owed:.2%} of debt {and_positions}trade there",
                          f"write `{pool_line(pair)}` in venues, or accept that no trade moves its price")
        elif max(held, owed) > 0.0:
            small.append(pair)
    if small:
        yield Finding(OK, "market.no_venue", ", ".join(small), f"each at most {SMALL:.0%} of collateral and of debt",
                      "small: none")


def _venue_found(book: BookView, m: int) -> Iterator[Finding]:
    model, pair, venue = book.model, book.model.layout.pairs[m], book.model.venues[m]
    assert venue is not None
    apart = 0.0 if venue.anchored else math.expm1(venue.start_log_price - model.layout.start[m])
    if abs(apart) > APART / 10:
        yield Finding(WARN if abs(apart) > APART else OK, "venue.apart", f"venue of {pair}",
                      f"{apart:+.3%}", "take both of one moment: arbitrage moves it there within its half-life")
    if not venue.anchored and (venue.half_life is None or venue.half_life > model.step_length):
        said = "never" if venue.half_life is None else f"half-life {venue.half_life / 60.0:,.3g} min"
        late = venue.half_life is None or venue.half_life > LATE * model.world.scenario.horizon
        yield Finding(WARN if late else OK, "venue.slow", f"venue of {pair}", said,
                      "state a shorter half_life, or `follows: true`: makers quote around the outside price")
    sold, bought = book.forced(m)
    whose = (("longs", "shorts") if model.world.assets[model.layout.markets[m]].follows else
             ("collateral of who owes, net of debt in it", "debt, net of collateral in it"))
    beyond = [f"{verb} up to {most:,.0f}, where {held:,.0f} are {what}" for verb, most, held, what in (
        ("sales", venue.quoted[1], sold, whose[0]), ("purchases", -venue.quoted[0], bought, whose[1])) if held > most]
    if beyond:
        code = "venue.bounded" if venue.bounded else "venue.extrapolated"
        yield Finding(WARN, code, f"venue of {pair}", f"it has quotes for {' and for '.join(beyond)}",
                      f"see extrapolated.{pair} in the summary of a run, or give a venue that quotes more")


def _trades(book: BookView, reserve: int) -> bool:
    """Whether a liquidator would ever trade it."""
    asset = book.model.world.assets.get(book.model.positions.reserves[reserve][1])
    return asset is None or asset.seizable


def parameters_found(world: World, book: BookView) -> Iterator[Finding]:
    """Parameters of assets that nobody holds or owes."""
    for name, protocol in world.protocols.items():
        held = {asset for of, asset in book.model.positions.reserves if of == name}
        idle = sorted(set(look_up(protocol.parameters)) - held)
        if idle:
            yield Finding(OK, "parameters.unused", f"protocols.{name}.parameters", ", ".join(idle),
                          "nothing to do, unless a name is misspelt in the book")
        yield from of_others(name, protocol)
        of = book.model.positions.book.of(name).legs["emode"].unique().to_pylist()
        unknown = sorted({category for category in of if category} - categories_of(look_up(protocol.parameters)))
        if unknown:
            yield Finding(WARN, "emode.unknown", f"protocols.{name}.parameters",
                          f"{', '.join(map(str, unknown))}: thresholds are the book's, incentives the ordinary ones",
                          f"write `emode: {{{unknown[0]}: {{liquidation_threshold: 93 %, incentive: 1 %}}}}` for its assets")


def of_others(name: str, protocol: Protocol) -> Iterator[Finding]:
    """Terms of assets that rules of this version do not have."""
    lacks = protocol.rules.lacks() if isinstance(protocol.rules, Rules) else ()
    for field in lacks:
        stated = [asset for asset, entry in look_up(protocol.parameters).items() if getattr(entry, field, None) not in UNSTATED]
        if stated:
            version = getattr(protocol.rules, "version", "")
            yield Finding(WARN, "parameters.of_others", f"protocols.{name}.parameters.{stated[0]}.{field}",
                          f"{field} of {', '.join(stated)} under {protocol.rules.kind}{'.' * bool(version)}{version}",
                          "leave it out, or take the rules that have it")


def caps_found(world: World, book: BookView) -> Iterator[Finding]:
    """Caps below what is supplied or owed already: nobody is thrown out, but nobody can go on."""
    positions = book.model.positions
    for r, (name, asset) in enumerate(positions.reserves):
        entry = look_up(world.protocols[name].parameters).get(asset)
        cash = positions.cash[r]
        supplied = cash + positions.owed[r] if np.isfinite(cash) else positions.held[r]
        for field, units, code in (("supply_cap", supplied, "cap.supply_exceeded"),
                                   ("borrow_cap", positions.owed[r], "cap.borrow_exceeded")):
            cap = getattr(entry, field, None)
            if cap is not None and units > cap:
                yield Finding(WARN, code, f"protocols.{name}.parameters.{asset}.{field}",
                              f"{units:,.6g} {asset}, cap {cap:,.6g}",
                              "nobody can go further until it falls below: raise it, or leave it so")


def money(usd: float) -> str:
    """1.2m USD."""
    for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(usd) >= size:
            return f"{usd / size:.3g}{letter} USD"
    return f"{usd:.3g} USD"
