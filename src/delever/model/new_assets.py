"""What a world must be told of an asset that a book has and the world does not know yet, all at once, as lines to be pasted.

What nobody but its owner knows stands there in capitals, which no world reads: PRICE, THRESHOLD. The rest are the figures of the
templates (assumptions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from .asset import USD, perps
from .book import COLLATERAL, POSITION, Book
from .book_rows import HEADER, row_error
from .errors import InputError, nearest
from .exchange import NO_COLLATERAL, NO_INSTRUMENT, is_exchange
from .parameters import look_up
from .parts import WorldParts

Block = dict[tuple[str, ...], list[str]]  # keys of the world -> lines below them
MISSPELT = 0.8  # likeness of two names that are one, misspelt; SOL-PERP and ETH-PERP have 0.63
HOW = "# each below its key, inside of {...} with a comma; capitals are yours to state, other figures are those of the templates"


def unknown_assets(book: Book, world: WorldParts, where: str, row: int, protocol: str | None) -> InputError:
    """All assets of a book that the world does not know, and all that it has to be told of them. row: of the first."""
    pairs = book.legs.group_by(["asset", "side", "protocol"], use_threads=False).aggregate([]).to_pylist()
    new = [pair for pair in pairs if pair["asset"] not in {*world.assets, USD}]
    names = list(dict.fromkeys(pair["asset"] for pair in new))
    whose, remedy = protocol if protocol is not None else new[0]["protocol"], nearest(names[0], world.assets)
    if whose not in world.protocols:
        return row_error("unknown asset", where, row, "asset", names[0], remedy)
    what = f"unknown asset {names[0]}, and so are {', '.join(names[1:])}" if len(names) > 1 else "unknown asset"
    return _error(what, f"{where}, row {row + HEADER}, column asset", names[0], remedy,
                  lacking(world, whose, [(pair["asset"], pair["side"]) for pair in new]))


def no_parameters(world: WorldParts, name: str, assets: list[str], known: Iterable[str]) -> InputError:
    """Collateral of a protocol without parameters, and all that the world still lacks of it."""
    remedy = f"add it to the parameter set; {nearest(assets[0], known)}"
    return _error("no parameters for collateral", f"protocols.{name}.parameters", ", ".join(assets), remedy,
                  lacking(world, name, [(asset, COLLATERAL) for asset in assets]))


def without_terms(error: InputError, book: Book, world: WorldParts, protocol: str) -> InputError:
    """An error of an exchange's book, with all that the world lacks where it is of an instrument or collateral without terms."""
    if error.what not in (NO_INSTRUMENT, NO_COLLATERAL):
        return error
    terms, unit = look_up(world.protocols[protocol].parameters), world.protocols[protocol].unit
    pairs = book.legs.group_by(["asset", "side"], use_threads=False).aggregate([]).to_pylist()
    traded = perps(world.assets, options=True)
    new = [(pair["asset"], pair["side"]) for pair in pairs if pair["asset"] not in
           ([name for name in terms if name in traded] if pair["side"] == POSITION else [*terms, unit])]
    names = {asset: perp_of(world, asset) for asset, side in new if side == POSITION}
    renamed = " ".join(f"--name {asset}={perp}" for asset, perp in names.items() if asset != perp)
    meant = f"{error.remedy} " if error.remedy.startswith("did you mean") else "positions are in perps: "
    remedy = f"{meant}import it with {renamed}" if renamed else error.remedy
    called = [(names[asset] if side == POSITION else asset, side) for asset, side in new]
    found = lacking(world, protocol, [(asset, side) for asset, side in called if side != POSITION or asset not in terms])
    if found:
        return _error(error.what, error.where, str(error.value), remedy, found)
    return InputError(error.what, error.where, error.value, remedy)


def coin_of(symbol: str) -> str:
    """What a perp's symbol is of.

    >>> [coin_of(symbol) for symbol in ("SOL-PERP", "BTCUSDT", "ETH-USD-SWAP", "DOGE")]
    ['SOL', 'BTC', 'ETH', 'DOGE']
    """
    return re.sub(r"[-_/:]?(PERP(ETUAL)?|USDT|USDC|USD|SWAP)([-_/:].*)?$", "", symbol, flags=re.IGNORECASE) or symbol


def perp_of(world: WorldParts, symbol: str) -> str:
    """The perp that an exchange's symbol means: one of the world's, of a coin's own name COIN-PERP, else what it is called."""
    coin = coin_of(symbol)
    if symbol in perps(world.assets, options=True):
        return symbol
    there = [perp for perp, of in perps(world.assets).items() if of == coin] or get_close_matches(
        symbol, perps(world.assets), 1, MISSPELT)
    return there[0] if there else f"{symbol}-PERP" if coin == symbol else symbol


def _error(what: str, where: str, value: str, remedy: str, found: Block) -> InputError:
    places = ", ".join(".".join(keys) for keys in found)
    joint = "" if remedy.endswith("?") else ";"
    return InputError(what, where, value, f"{remedy}{joint} what is new needs lines in {places}:", lines=(*_as_yaml(found), HOW))


def lacking(world: WorldParts, protocol: str, new: Iterable[tuple[str, str]]) -> Block:
    """All that the world still lacks of these. new: (asset, side) as the book has them."""
    found: Block = {}
    exchange = is_exchange(world.protocols[protocol])
    sides: dict[str, set[str]] = {}
    for asset, side in new:
        sides.setdefault(asset, set()).add(side)
    for asset, held in sides.items():
        if POSITION in held:
            _perp(found, world, protocol, asset)
        else:
            _coin(found, world, protocol, asset, COLLATERAL in held, exchange)
    return found


def _coin(found: Block, world: WorldParts, protocol: str, asset: str, held: bool, exchange: bool) -> None:
    """What is collateral or debt."""
    parameters, feed = ("protocols", protocol, "parameters"), feed_of(world, asset)
    _price(found, world, asset)
    if exchange and asset not in look_up(world.protocols[protocol].parameters):
        _add(found, parameters, f"{asset}: {{haircut: HAIRCUT}}  # share that it does not count for, such as 10 %")
    if not exchange:
        if held and asset not in look_up(world.protocols[protocol].parameters):
            terms = "liquidation_threshold: THRESHOLD, incentive: BONUS, protocol_fee: 10 %"
            _add(found, parameters, f"{asset}: {{{terms}}}  # such as 75 % and 5 %")
        if asset not in world.oracles.get(protocol, {}):
            _add(found, ("oracles", protocol), f'{asset}: {feed}  # or "1" where it is taken for a dollar')
            if feed not in world.feeds:
                _add(found, ("feeds",), feed_line(feed, asset))
    _market(found, world, asset)


def _perp(found: Block, world: WorldParts, protocol: str, asset: str) -> None:
    """What positions are in: the perp, and the asset that it follows."""
    if asset not in world.assets:
        follows = coin_of(asset)
        _price(found, world, follows)
        _moves(found, world, follows)
        _add(found, ("assets",), f"{asset}: {{perp: {follows}}}")
    if asset not in look_up(world.protocols[protocol].parameters):
        _add(found, ("protocols", protocol, "parameters"), f"{asset}: {{max_leverage: LEVERAGE}}  # such as 20")
    if not _trades(world, asset):
        terms = f"kind: log_linear, pair: {asset}/USD, depth: UNITS, half_life: 5 min"
        _add(found, ("venues",), f"{_name(asset)}: {{{terms}}}  # units whose sale moves the log price by 1")


def _price(found: Block, world: WorldParts, asset: str) -> None:
    if asset not in world.assets:
        other = f"at {world.as_of:%Y-%m-%dT%H:%M:%SZ}; or {{wraps: ETH, rate: 1}}, {{peg: ETH, ratio: 1}}"
        _add(found, ("assets",), f"{asset}: {{price: PRICE USD}}  # {other}")


def _market(found: Block, world: WorldParts, asset: str) -> None:
    """Where it is sold, and how its price moves."""
    spec = world.assets.get(asset)
    if spec is not None and spec.price is None:
        return  # priced in another, which has both
    if not _trades(world, asset):
        _add(found, ("venues",), pool_line(f"{asset}/{USD}"))
    _moves(found, world, asset)


def _moves(found: Block, world: WorldParts, asset: str) -> None:
    volatility = getattr(world.scenario.prices, "volatility", None)
    if isinstance(volatility, Mapping) and asset not in volatility:
        _add(found, ("scenario", "prices", "volatility"), f"{asset}: VOLATILITY  # a year: 80 %; without it the price stays")


def _trades(world: WorldParts, asset: str) -> bool:
    return any(str(getattr(venue, "pair", "")).partition("/")[0] == asset for venue in world.venues.values())


def feed_of(world: WorldParts, asset: str) -> str:
    """The feed that there is of an asset, or what one would be called."""
    mine = (name for name, feed in world.feeds.items() if getattr(feed, "of", None) == f"{asset}/{USD}")
    return next(mine, f"{_name(asset)}_usd")


def feed_line(name: str, asset: str) -> str:
    """A feed of an asset in USD."""
    return f"{name}: {{kind: push, of: {asset}/USD, heartbeat: 1 h, deviation: 0.5 %}}"


def pool_line(pair: str) -> str:
    """A pool of a pair."""
    base, quote = pair.split("/")
    terms = f"{{{base}: UNITS, {quote}: UNITS x PRICE}}, fee: 0.3 %, half_life: 30 min, follows: true"
    return f"{_name(base)}_pool: {{kind: constant_product, pair: {pair}, reserves: {terms}}}"


def _name(asset: str) -> str:
    return re.sub(r"\W", "_", asset.lower())


def _add(found: Block, keys: tuple[str, ...], line: str) -> None:
    lines = found.setdefault(keys, [])
    if line not in lines:
        lines.append(line)


def _as_yaml(found: Block) -> Iterable[str]:
    """Lines below their keys, one tree."""
    tree: dict[str, Any] = {}
    for keys, lines in found.items():
        node = tree
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node.setdefault(keys[-1], []).extend(lines)
    yield from _tree(tree, 0)


def _tree(node: Mapping[str, Any] | Sequence[str], depth: int) -> Iterable[str]:
    if not isinstance(node, Mapping):
        yield from (f"{'  ' * depth}{line}" for line in node)
        return
    for key, inner in node.items():
        yield f"{'  ' * depth}{key}:"
        yield from _tree(inner, depth + 1)
