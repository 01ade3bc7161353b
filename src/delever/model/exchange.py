"""Checks of margin exchanges: their terms, and their books against them; of lending, that it is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .asset import USD, perps, price_usd
from .book import Book
from .errors import InputError, nearest
from .parameters import CollateralParameters, Parameters, PerpParameters, ReserveParameters, Tier, look_up
from .parts import ProtocolParts, WorldParts

# How exchanges end the names of their perps: Hyperliquid, Binance, Bybit, BitMEX; dYdX; OKX; ccxt.
LINEAR = ("", "USDT", "USDC", "PERP", "-USD", "-USDT-SWAP", "-USDC-SWAP", "/USDT:USDT", "/USDC:USDC")
INVERSE = ("USD_PERP", "USD", "-PERPETUAL", "-USD-SWAP", "/USD:{coin}")
OPENING_COSTS = 0.001  # share of a position that fees may have taken from its margin; assumption, above takers' fees


NO_INSTRUMENT, NO_COLLATERAL = "unknown instrument", "unknown collateral"  # what a book has, and its exchange no terms of


def is_exchange(protocol: ProtocolParts) -> bool:
    """Whether its rules are a margin engine."""
    return bool(getattr(protocol.rules, "margin", False))


def instruments(name: str, world: WorldParts) -> dict[str, str]:
    """What exchanges call the perps of one of them -> the perp here: BTC, BTCUSDT, BTCUSDC, BTCPERP, and its own name.

    An inverse one: BTCUSD_PERP, BTCUSD, BTC-PERPETUAL, and its own name. What could be any of two is nobody's: of perps of one
    coin (of USDT and of USDC) each is known by its own name alone.
    """
    parameters = look_up(world.protocols[name].parameters)
    traded = {perp: underlying for perp, underlying in perps(world.assets, options=True).items() if perp in parameters}
    found: dict[str, str] = {}
    twice: set[str] = set()
    for perp, underlying in traded.items():
        if world.assets[perp].is_option:
            continue
        coins = (underlying, "XBT") if underlying == "BTC" else (underlying,)
        for symbol in (coin + end for coin in coins for end in (INVERSE if world.assets[perp].inverse else LINEAR)):
            symbol = symbol.replace("{coin}", underlying)
            if found.setdefault(symbol, perp) != perp:
                twice.add(symbol)
    return {symbol: perp for symbol, perp in found.items() if symbol not in twice} | {perp: perp for perp in traded}


def check_terms(name: str, world: WorldParts) -> None:
    """Unit, funding and the kinds of parameters of one protocol."""
    protocol = world.protocols[name]
    path, exchange = ("protocols", name), is_exchange(protocol)
    if exchange:
        _check_funding(name, world)
    elif protocol.funding is not None:
        remedy = f"only perps pay it, and {protocol.rules.kind or name} lends"
        raise InputError("has no meaning here", path=(*path, "funding"), remedy=remedy)
    if not isinstance(protocol.parameters, str):
        for asset, entry in protocol.parameters.items():
            _check_kind(asset, entry, world, exchange, (*path, "parameters", asset))
    if exchange:
        for asset, entry in look_up(protocol.parameters).items():
            if asset in world.assets:
                _check_unit(asset, entry, world, protocol.unit, (*path, "parameters", asset))


def _check_funding(name: str, world: WorldParts) -> None:
    funding, step = world.protocols[name].funding, world.scenario.step
    if funding is None:
        return
    steps = funding.interval / step
    if round(steps) < 1 or not math.isclose(steps, round(steps), rel_tol=1e-9):
        what = f"is {funding.interval:g} s, {steps:.6g} steps of {step:g} s"
        remedy = f"make it a whole number of steps, such as {max(1, round(steps)) * step:g} s"
        raise InputError(what, path=("protocols", name, "funding", "interval"), remedy=remedy)


def _check_kind(asset: str, entry: Parameters, world: WorldParts, exchange: bool, path: tuple[str, ...]) -> None:
    """Perps have tiers, other margin of an exchange a haircut, reserves of lending a threshold."""
    perp = asset != USD and asset in world.assets and world.assets[asset].follows is not None
    option = perp and world.assets[asset].is_option
    if not exchange:
        if perp:
            raise InputError("is a perp", path=path, remedy="lending takes assets; perps are an exchange's")
        if not isinstance(entry, ReserveParameters):
            remedy = "lending needs `{liquidation_threshold: 83 %, incentive: 5 %}`"
            raise InputError("is missing", path=(*path, "liquidation_threshold"), remedy=remedy)
    elif option and (not isinstance(entry, PerpParameters) or entry.short_margin is None):
        remedy = "write `{short_margin: 7.5 %}`, of a coin a short contract"
        raise InputError("is an option without margin", path=path, remedy=remedy)
    elif isinstance(entry, PerpParameters) and entry.short_margin is not None and not option:
        raise InputError("is no option", path=(*path, "short_margin"), remedy="it is the margin of calls and puts: give tiers")
    elif perp and not isinstance(entry, PerpParameters):
        remedy = "write `{max_leverage: 40}` or `{tiers: [{floor: 0 USD, max_leverage: 40}, ...]}`"
        raise InputError("is a perp without tiers", path=path, remedy=remedy)
    elif not perp and not isinstance(entry, CollateralParameters):
        remedy = "write `{haircut: 5 %}` for what it counts as margin, or make it a perp: `{perp: ASSET}`"
        raise InputError("is no perp", path=path, remedy=remedy)


def _check_unit(asset: str, entry: Parameters, world: WorldParts, unit: str, path: tuple[str, ...]) -> None:
    """What an exchange lists is paid in what it counts in: linear perps in USD, inverse ones in their coin, alone margin there.

    path: of the entry.
    """
    spec = world.assets[asset]
    if isinstance(entry, CollateralParameters):
        if unit != USD and asset != unit:
            raise InputError("is margin beside the coin", path=path, value=asset,
                             remedy=f"accounts of an exchange that counts in {unit} hold {unit} alone: leave it out")
        return
    if spec.expires is not None:
        ends = world.as_of + timedelta(seconds=world.scenario.horizon)
        if spec.expires <= ends:
            raise InputError("is within the run", path=("assets", asset, "expires"), value=f"{spec.expires:%Y-%m-%dT%H:%M:%SZ}",
                             remedy=f"settlement is not modelled: end the run before it, or leave {asset} out")
    paid_in = spec.below
    if paid_in != unit:
        remedy = f"an exchange that counts in {unit} has inverse perps: `{{perp: {unit}, inverse: true}}`"
        if paid_in != USD:
            remedy = f"write `unit: {paid_in}` on the exchange: contracts of several coins are an exchange for each"
        raise InputError(f"is paid in {paid_in}, and the exchange counts in {unit}", path=path, value=asset, remedy=remedy)
    if isinstance(entry, PerpParameters) and len(entry.tiers) > 1 and entry.floors_in != unit:
        raise InputError(f"counts floors in {entry.floors_in}", path=(*path, "floors_in"), value=entry.floors_in,
                         remedy=f"the exchange counts in {unit}: write `floors_in: {unit}` and floors as plain numbers of it")


def check_one_home(world: WorldParts) -> None:
    """A perp belongs to one exchange, whose market it is."""
    home: dict[str, str] = {}
    for name, protocol in world.protocols.items():
        if isinstance(protocol.parameters, str):
            continue
        for asset, entry in protocol.parameters.items():
            if isinstance(entry, PerpParameters) and home.setdefault(asset, name) != name:
                remedy = f"it is a perp of {home[asset]}: give {name} its own, {{perp: {world.assets[asset].follows}}}"
                raise InputError("stands on two exchanges", path=("protocols", name, "parameters", asset), remedy=remedy)


def check_lending_only(name: str, world: WorldParts) -> None:
    """An exchange lends nothing: it has no reserves that could be empty, and pays funding instead of interest. Who mints what is
    borrowed has no such reserves either, but may have a rate that asks for none."""
    protocol = world.protocols[name]
    if not is_exchange(protocol) and getattr(protocol.rules, "lends", True):
        return
    by_reserve = is_exchange(protocol) or any(not getattr(curve, "of_minted", False) for curve in protocol.rates.values())
    for part in ("cash", "borrowed", "rates"):
        if getattr(protocol, part) and (part != "rates" or by_reserve):
            remedy = f"nothing is lent out by {protocol.rules.kind}: leave it out"
            raise InputError("is of lending protocols", path=("protocols", name, part), remedy=remedy)


def check_waterfall(name: str, world: WorldParts) -> None:
    """Each kind of layer once, holding assets that are there."""
    seen: set[str] = set()
    for number, layer in enumerate(world.protocols[name].waterfall):
        path = ("protocols", name, "waterfall", number)
        if layer.kind in seen:
            raise InputError("a layer stands twice", path=path, value=layer.kind, remedy="keep one")
        seen.add(layer.kind)
        if getattr(layer, "exchanges_only", False) and not is_exchange(world.protocols[name]):
            raise InputError("has no meaning here", path=path, value=layer.kind,
                             remedy=f"it takes positions, and {name} lends: take insurance_fund or socialised_loss")
        start = getattr(layer, "start", None)
        unit = world.protocols[name].unit
        for asset in start if isinstance(start, Mapping) else ():
            if is_exchange(world.protocols[name]) and unit != USD and asset != unit:
                raise InputError(f"is not {unit}", path=(*path, "start", asset), value=asset,
                                 remedy=f"{name} counts in {unit}, and so does its fund")
            if asset != USD and asset not in world.assets:
                remedy = nearest(str(asset), {*world.assets, USD})
                raise InputError("unknown asset", path=(*path, "start", asset), value=asset, remedy=remedy)


def check_sides(book: Book, world: WorldParts, where: str, name: str) -> None:
    """Debts stand in books of lending, positions in those of exchanges, on instruments with terms."""
    protocol = world.protocols[name]
    exchange = is_exchange(protocol)
    wrong, right = ("debt", "position") if exchange else ("position", "debt")
    row = int(pc.index(book.legs["side"], wrong).as_py())
    if row >= 0:
        lends = "is a margin exchange" if exchange else "lends"
        raise InputError(f"has a {wrong}", _account(where, book.legs, row), book.legs["asset"][row].as_py(),
                         f"{name} {lends}: the other side of its collateral is `{right}`")
    if exchange:
        parameters = look_up(protocol.parameters)
        _check_instruments(book.legs, world, parameters, where, name)
        _check_owed(book.legs, where, protocol.unit)
        check_leverage(book.legs, world, parameters, where, protocol.unit)


def _check_instruments(legs: pa.Table, world: WorldParts, parameters: Mapping[str, Parameters], where: str, name: str) -> None:
    """Positions are in perps with tiers, collateral is what the exchange counts in or has a haircut."""
    pairs, unit = legs.group_by(["side", "asset"], use_threads=False).aggregate([]).to_pylist(), world.protocols[name].unit
    known = perps(world.assets, options=True)
    traded = [asset for asset, entry in parameters.items() if isinstance(entry, PerpParameters) and asset in known]
    of_underlying = {known[perp]: perp for perp in reversed(traded)}
    held = [asset for asset, entry in parameters.items() if isinstance(entry, CollateralParameters) and asset in world.assets]
    for pair in pairs:
        names, what = (traded, NO_INSTRUMENT) if pair["side"] == "position" else ([*held, unit], NO_COLLATERAL)
        if pair["asset"] in names:
            continue
        row = int(pc.index(pc.and_(pc.equal(legs["side"], pair["side"]), pc.equal(legs["asset"], pair["asset"])), True).as_py())
        remedy = nearest(pair["asset"], names)
        if pair["side"] == "position" and pair["asset"] in of_underlying:
            remedy = f"did you mean {of_underlying[pair['asset']]}?"
        elif pair["asset"] in world.assets:
            remedy = f"add it to protocols.{name}.parameters, or correct the name: {remedy}"
        raise InputError(what, _account(where, legs, row), pair["asset"], remedy)


def _check_owed(legs: pa.Table, where: str, unit: str) -> None:
    """Only what an exchange counts in may be owed to it."""
    owed = pc.and_(pc.equal(legs["side"], "collateral"), pc.and_(pc.less(legs["amount"], 0.0), pc.not_equal(legs["asset"], unit)))
    row = int(pc.index(owed, True).as_py())
    if row >= 0:
        remedy = f"only {unit} may be owed: borrowed coins are not modelled; repay them, or leave that account out"
        raise InputError(f"owes {-legs['amount'][row].as_py():g} {legs['asset'][row].as_py()}", _account(where, legs, row),
                         remedy=remedy)


def check_leverage(legs: pa.Table, world: WorldParts, parameters: Mapping[str, Parameters], where: str, unit: str = USD) -> None:
    """No account with one position that its tier did not let it open; `legs` are those of one exchange.

    A position that has lost may stand above its tier's leverage, and one whose owner added to it out of profits was
    opened above it by what he paid in. So an account is refused if it is above both ways:
    by size and equity at the prices of the start, and by size at its entry price and what was paid in. Fees paid
    when it was opened are granted (OPENING_COSTS). Of several positions in an account no one tier can be told.
    unit: what the exchange counts in. Of an inverse perp a size is a number of dollars, worth 1 / price in the coin each.
    """
    accounts = legs["account"].combine_chunks().dictionary_encode()
    account = accounts.indices.to_numpy()  # [legs] number of the account
    number = len(accounts.dictionary)
    position = pc.equal(legs["side"], "position").to_numpy(zero_copy_only=False)  # [legs]
    amount = legs["amount"].to_numpy()  # [legs] units, signed for positions
    entry = legs["entry_price"].to_numpy(zero_copy_only=False).astype(float)  # [legs] NaN for collateral
    assets = legs["asset"].combine_chunks().dictionary_encode()
    names = assets.dictionary.to_pylist()
    start = np.array([price_usd(name, world.assets) for name in names])[assets.indices.to_numpy()]  # [legs] USD, then unit
    start = start / price_usd(unit, world.assets)
    turned = np.array([name in world.assets and world.assets[name].inverse for name in names])[assets.indices.to_numpy()]
    with np.errstate(divide="ignore"):
        entry = np.where(turned, 1.0 / entry, entry)  # [legs] unit
    amount = np.where(turned & position, -amount, amount)
    counted = np.array([1.0 - getattr(parameters.get(name), "haircut", 0.0) for name in names])[assets.indices.to_numpy()]

    def of_accounts(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        total: np.ndarray = np.bincount(account[mask], weights=values[mask], minlength=number)
        return total  # [accounts]

    paid_in = of_accounts(amount * start * counted, ~position)  # [accounts] unit
    equity = paid_in + of_accounts(amount * (start - entry), position)  # [accounts] unit
    single = np.bincount(account[position], minlength=number) == 1  # [accounts]
    alone = np.nonzero(position & single[account])[0]  # [chosen] legs
    kind = assets.indices.to_numpy()[alone]
    for number_of_asset in np.unique(kind):
        asset = names[number_of_asset]
        terms = parameters[asset]
        if not isinstance(terms, PerpParameters):
            continue
        rows = alone[kind == number_of_asset]
        now, opened = np.abs(amount[rows]) * start[rows], np.abs(amount[rows]) * entry[rows]  # unit
        owner = account[rows]
        above = _above(terms.tiers, now, equity[owner]) & _above(terms.tiers, opened, paid_in[owner])
        if above.any():
            first = int(np.argmax(above))
            where = _account(where, legs, int(rows[first]))
            raise _too_much(where, asset, unit, terms.tiers, float(now[first]), float(equity[owner[first]]))


def _above(tiers: tuple[Tier, ...], size: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Where a position of `size` [rows, unit] on `margin` [rows, unit] is above its tier's leverage."""
    floors = np.array([tier.floor for tier in tiers])  # [tiers] unit
    share = np.array([0.0 if tier.max_leverage is None else 1.0 / tier.max_leverage for tier in tiers])  # [tiers]
    needed = np.maximum(share - OPENING_COSTS, 0.0)[np.searchsorted(floors, size, side="right") - 1]
    above: np.ndarray = (needed > 0.0) & (margin < size * needed)
    return above


def _too_much(where: str, asset: str, unit: str, tiers: tuple[Tier, ...], size: float, equity: float) -> InputError:
    tier = next(tier for tier in reversed(tiers) if tier.floor <= size)
    leverage = f"{size / equity:.4g}" if equity > 0 else f"{size:.6g} {unit} on {equity:.6g} {unit}"
    remedy = f"{asset} allows {tier.max_leverage:g} from {tier.floor:g} {unit} on: add collateral or correct size and entry price"
    return InputError("leverage above the tier", where, leverage, remedy)


def _account(where: str, legs: pa.Table, row: int) -> str:
    """Transactions of a long table are not those of the legs made of it, so the account says where."""
    return f"{where}, account {legs['account'][row].as_py()}"
