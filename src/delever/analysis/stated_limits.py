"""Limits as people write them, and on which paths they are broken.

    any bad debt                  bad debt of more than a millionth of all debt, and of more than 1 USD: dust is left out
    bad debt > 1 % of debt        or > 5m USD; of exchanges what closed accounts owed is counted with it
    liquidated > 20 %             debt repaid and positions closed by force, as a share of all debt and positions at the start
    fund runs dry                 or any other layer of a waterfall: adl runs dry, fund of EXCHANGE runs dry
    price of stETH < 0.9          the lowest price on the path, in what its market is quoted in
    NAME > 5m, NAME < 0.2         a column of a run, path by path; of what is no column, a figure over all paths
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.analysis.margins import MarginBook
from delever.model.asset import USD
from delever.model.errors import InputError, nearest
from delever.model.quantity import NUMBER, SHARE_UNITS, TIME_UNITS, money
from delever.run.assemble import Model
from delever.run.collect import declared, numbers, together
from delever.run.figures import debt_at_start, made_of, name_of, reduced

MATERIAL, LEAST = 1e-6, 1.0  # bad debt that counts: share of all debt, and at least so much [USD]
FUND = "insurance_fund"
ANY = re.compile(r"any\s+bad\s+debt", re.IGNORECASE)
DRY = re.compile(r"(?:the\s+)?(?P<layer>[\w\s]+?)(?:\s+of\s+(?P<of>\S+))?\s+runs?\s+dry", re.IGNORECASE)
PRICE = re.compile(r"price\s+of\s+(?P<asset>\S+)\s*<\s*(?P<value>.+)", re.IGNORECASE)
BEYOND = re.compile(r"(?P<what>[^<>]+?)\s*(?P<sign>[<>])\s*(?P<value>[^<>=]+)")
OF_DEBT = re.compile(r"(?P<number>.+?)\s+of\s+(?:all\s+)?(?:debt|positions|it)", re.IGNORECASE)
REMEDY = ('write "any bad debt", "bad debt > 1 % of debt", "liquidated > 20 %", "fund runs dry", "price of stETH < 0.9" '
          'or "NAME > 5m"')


@dataclass(frozen=True)
class Limit:
    """What must not be exceeded."""

    text: str
    definition: str
    broken: Callable[[pa.Table], np.ndarray]  # rows of paths -> [paths] bool; of a figure over all paths [1]
    by_path: bool = True  # whether each path says by itself


def material(model: Model) -> float:
    """Bad debt from which on it counts [USD]."""
    return max(LEAST, MATERIAL * debt_at_start(model))


def parse_limit(text: str, model: Model, base: pa.Table, where: str = "limit") -> Limit:
    """The limit that a text means. base: paths of the model, whose columns may be named.

    InputError: it means none, or nothing of this world.
    """
    bare = " ".join(text.split())
    if ANY.fullmatch(bare):
        least = material(model)
        return Limit(bare, f"bad debt above {least:.6g} USD", lambda paths: bad_debt(paths, where) > least)
    if (dry := DRY.fullmatch(bare)) is not None:
        return _dry(bare, dry["layer"], dry["of"], model, where)
    if (low := PRICE.fullmatch(bare)) is not None:
        return _price(bare, low["asset"], low["value"], model, where)
    beyond = BEYOND.fullmatch(bare)
    if beyond is None:
        raise InputError("is no limit", where, text, REMEDY)
    what, above, value = beyond["what"].casefold(), beyond["sign"] == ">", beyond["value"]
    if what in ("bad debt", "liquidated"):
        if not above:
            raise InputError("is no limit", where, text, f"write {what} > {value}")
        return _amount(bare, what, value, model, where)
    return _named(bare, beyond["what"].replace(" ", "_"), above, value, model, base, where)


# --- amounts ---------------------------------------------------------------------------------------------------------


def _amount(text: str, what: str, value: str, model: Model, where: str) -> Limit:
    """Bad debt, or what was liquidated, above an amount or a share of what there is at the start."""
    share = OF_DEBT.fullmatch(value)
    size = read_number(share["number"] if share else value, USD, where)
    whole = debt_at_start(model) + (open_positions(model) if what == "liquidated" else 0.0)
    named = "debt and positions" if what == "liquidated" else "debt"
    if share or value.rstrip().endswith("%"):
        if whole <= 0.0:
            raise InputError(f"there is no {named} to take a share of", where, text, f"write an amount: {what} > 5m USD")
        size, said = size * whole, f"{value.split('of')[0].strip()} of {named} at the start, {size * whole:.6g} USD"
    else:
        said = f"{size:.6g} USD"
    of_path = bad_debt if what == "bad debt" else liquidated
    meaning = "debt repaid and positions closed by force" if what == "liquidated" else "bad debt"
    return Limit(text, f"{meaning} above {said}", lambda paths: of_path(paths, where) > size)


def bad_debt(paths: pa.Table, where: str = "limit") -> np.ndarray:
    """Of all protocols [paths] USD: debt without collateral, and of exchanges what closed accounts owed."""
    return _added(paths, ("bad_debt", "deficit_booked"), where)


def liquidated(paths: pa.Table, where: str = "limit") -> np.ndarray:
    """Of all protocols [paths] USD: debt repaid by liquidators, positions that engines, vaults and auto-deleveraging closed."""
    return _added(paths, ("repaid_debt", "liquidated", "taken_over", "deleveraged"), where)


def _added(paths: pa.Table, names: tuple[str, ...], where: str) -> np.ndarray:
    """Columns of protocols, added up; a perp's own are left out, since its exchange's hold them."""
    mine = [one.field for one in declared(paths) if one.column.name in names and one.suffix == f".{one.protocol}"]
    if not mine:
        raise InputError("no protocol of this world says so", where, names[0].replace("_", " "), "limit another figure")
    return np.asarray(np.sum([numbers(paths, name) for name in mine], axis=0))


def open_positions(model: Model) -> float:
    """Positions on exchanges at the start, long and short [USD]."""
    book = MarginBook(model)
    return float(book.at(model.seen_price()).notional.sum()) if len(book.accounts) else 0.0


# --- layers, prices ------------------------------------------------------------------------------------------------


def _dry(text: str, layer: str, of: str | None, model: Model, where: str) -> Limit:
    name = "_".join(layer.casefold().split())
    name = FUND if name in ("fund", "insurance") else name
    there = {(getattr(one, "kind", ""), protocol) for protocol, spec in model.world.protocols.items() for one in spec.waterfall}
    if of is not None and of not in model.world.protocols:
        raise InputError("unknown protocol", where, of, nearest(of, model.world.protocols))
    if not any(kind == name and of in (None, protocol) for kind, protocol in there):
        kinds = sorted({kind.replace("_", " ") for kind, _ in there})
        remedy = f"there are {', '.join(kinds)}" if kinds else "no protocol has a waterfall"
        raise InputError("no such layer", where, layer, remedy)

    def broken(paths: pa.Table) -> np.ndarray:
        mine = [one.field for one in declared(paths) if one.column.name == f"{name}_dry" and of in (None, one.protocol)]
        return np.asarray(np.any([~np.isnan(numbers(paths, field)) for field in mine], axis=0))

    return Limit(text, f"the {name.replace('_', ' ')}{f' of {of}' if of else ''} holds less than is asked of it", broken)


def _price(text: str, asset: str, value: str, model: Model, where: str) -> Limit:
    layout = model.layout
    if asset not in layout.markets:
        raise InputError("has no market of its own", where, asset, nearest(asset, layout.markets))
    m = layout.markets.index(asset)
    pair, start = layout.pairs[m], float(np.exp(model.start_price[m]))
    least = read_number(value, pair.partition("/")[2], where)
    if least >= start:
        raise InputError(f"is {start:.6g} at the start", where, f"price of {asset}", f"write a price below that, not {least:.6g}")
    return Limit(text, f"the market price of {pair} falls below {least:.6g} at some moment",
                 lambda paths: start * (1.0 + numbers(paths, f"lowest.{pair}")) < least)


# --- columns and figures -------------------------------------------------------------------------------------------


def _named(text: str, name: str, above: bool, value: str, model: Model, base: pa.Table, where: str) -> Limit:
    """A column of a run, path by path; or a figure over all paths, which no single path says."""
    columns = {one.field: one.column for one in declared(base)}
    added = {one.column.name: one.column for one in declared(base) if one.column.over}
    made = {name_of(one, figure): figure.unit or one.column.unit for one, figure, *_ in made_of(model, base)}
    if name not in {*columns, *added, *made}:
        raise InputError("unknown figure", where, name, f"{nearest(name, {*columns, *added, *made})}; or {REMEDY}")
    column = columns.get(name) or added.get(name)
    size = read_number(value, column.unit if column is not None else made[name], where)

    def beyond(values: np.ndarray) -> np.ndarray:
        return np.asarray(values > size if above else values < size)  # what is not known breaks nothing

    side = f"{'above' if above else 'below'} {size:.6g}"
    if column is None:
        return Limit(text, f"{name} over all paths {side} {made[name]}", lambda paths: beyond(_figure(model, paths, name)), False)
    if name in columns:
        return Limit(text, f"{name} {side} {column.unit}: {column.meaning}", lambda paths: beyond(numbers(paths, name)))
    return Limit(text, f"{name} {side} {column.unit}: {column.meaning}", lambda paths: beyond(together(paths, name)))


def _figure(model: Model, paths: pa.Table, name: str) -> np.ndarray:
    """A figure of these paths [1]."""
    return np.array([reduced(values, figure, figure.unit or one.column.unit)[0]
                     for one, figure, values, _ in made_of(model, paths) if name_of(one, figure) == name][:1])


def read_number(text: str, unit: str, where: str) -> float:
    """A number with the unit that it may be written with: per cent, USD or another asset, a time."""
    found = NUMBER.fullmatch(text.strip())
    scales = {"": 1.0, **money(unit.casefold()), **SHARE_UNITS, **(TIME_UNITS if unit == "s" else {})}
    if found is None or (rest := " ".join(found[2].split()).casefold()) not in scales:
        raise InputError("is no number of that kind", where, text, f"write one in {unit}, or a share with %")
    return float(found[1].replace(",", "").replace("_", "")) * scales[rest]
