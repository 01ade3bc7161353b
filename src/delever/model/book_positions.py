"""The plain long table of positions on an exchange, and the legs it means.

    account,instrument,size,entry_price,margin_mode,collateral
    alice,BTC-PERP,0.5,110000,isolated,5500
    alice,ETH-PERP,-10,4200,cross,
    alice,,,,cross,20000

An *isolated* row is an account of its own, named `account/INSTRUMENT`, of the owner `account`, with the row's collateral.
A perp may be held both ways at once (hedge mode), in two rows: each has its entry price and its own maintenance margin. Isolated,
they are two accounts, `account/INSTRUMENT/long` and `/short`. Of an *inverse* perp size is in USD, and the collateral its coin.
*Cross* rows of one account share all the collateral that they state: it adds up. A row without an instrument is
collateral alone. Collateral is the margin paid in, without the profit of open positions; in USD, unless
`collateral_asset` says otherwise. Of what the exchange counts in more may have been lost than was paid in: it is signed.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from .asset import USD
from .book_rows import ENTRY, check_once, conform, first, one_of, row_error, shown

ISOLATED, CROSS = "isolated", "cross"


def _column(name: str, kind: pa.DataType, unit: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, metadata={"unit": unit})


POSITIONS = pa.schema(
    [
        _column("protocol", pa.string(), "name"),
        _column("account", pa.string(), "name"),
        _column("owner", pa.string(), "name"),
        _column("instrument", pa.string(), "name of a perp; empty: collateral alone"),
        _column("size", pa.float64(), "units of the perp, of an inverse one USD; short below 0", nullable=True),
        _column("entry_price", pa.float64(), "USD a unit of what the perp follows", nullable=True),
        _column("margin_mode", pa.string(), "cross or isolated"),
        _column("collateral", pa.float64(), "units of the collateral asset"),
        _column("collateral_asset", pa.string(), "name"),
    ]
)
DEFAULTS = {"instrument": "", "size": None, "entry_price": None, "collateral": 0.0, "collateral_asset": USD}


def is_positions(table: pa.Table) -> bool:
    """Whether a table is one of positions and not of legs."""
    return "instrument" in table.column_names and "side" not in table.column_names


def to_legs(table: pa.Table, where: str) -> pa.Table:
    """Legs, in the order of the rows: the position of a row, then the collateral that it is the first to mention."""
    rows = conform(table, POSITIONS, DEFAULTS, where)
    asset = pc.if_else(pc.equal(rows["collateral_asset"], ""), USD, rows["collateral_asset"])
    rows = rows.set_column(rows.column_names.index("collateral_asset"), "collateral_asset", asset)
    _check(rows, where)
    at = pa.array(range(rows.num_rows), pa.int64())
    isolated = pc.equal(rows["margin_mode"], ISOLATED)
    own = _names(rows, isolated)
    rows = rows.set_column(1, "account", pc.if_else(isolated, own, rows["account"])).append_column("row", at)
    legs = pa.concat_tables([_positions(rows), _collateral(rows)])
    legs = legs.sort_by([("row", "ascending"), ("side", "descending")])  # position before collateral
    return legs.drop_columns("row")


def _names(rows: pa.Table, isolated: pa.ChunkedArray) -> pa.ChunkedArray:
    """Accounts of isolated rows: account/INSTRUMENT, and where it is held both ways account/INSTRUMENT/long and /short."""
    own = pc.binary_join_element_wise(rows["account"], rows["instrument"], "/")
    key = pc.binary_join_element_wise(rows["protocol"], own, "\0")
    both = pa.table({"key": key.filter(isolated)}).group_by("key").aggregate([("key", "count")])
    both = both.filter(pc.greater(both["key_count"], 1))["key"].combine_chunks()
    way = pc.if_else(pc.less(rows["size"], 0.0), "short", "long")
    return pc.if_else(pc.is_in(key, both), pc.binary_join_element_wise(own, way, "/"), own)


def _positions(rows: pa.Table) -> pa.Table:
    """One leg for each row with an instrument."""
    rows = rows.filter(pc.not_equal(rows["instrument"], ""))
    return _legs(rows, "position", rows["instrument"], rows["size"], rows["entry_price"])


def _collateral(rows: pa.Table) -> pa.Table:
    """One leg for each account and asset. Where losses have eaten more than was paid in, it is signed: a remainder."""
    key = ["protocol", "account", "collateral_asset"]
    rows = rows.filter(pc.not_equal(rows["collateral"], 0.0))
    pooled = rows.group_by(key, use_threads=False).aggregate([("collateral", "sum"), ("row", "min"), ("owner", "first")])
    pooled = pooled.rename_columns([*key, "collateral", "row", "owner"])
    none = pa.nulls(pooled.num_rows, pa.float64())
    return _legs(pooled, "collateral", pooled["collateral_asset"], pooled["collateral"], none)


def _legs(rows: pa.Table, side: str, asset: pa.ChunkedArray, amount: pa.ChunkedArray, entry: pa.ChunkedArray) -> pa.Table:
    signed = pc.and_(pc.less(amount, 0.0), side == "collateral")
    return pa.table({
        "row": rows["row"], "protocol": rows["protocol"], "account": rows["account"], "owner": rows["owner"], "asset": asset,
        "side": pa.array([side] * rows.num_rows, pa.string()), "amount": amount, "entry_price": entry,
        "label": pc.if_else(signed, "remainder", ""),
    })


def _beside_others(rows: pa.Table) -> pa.ChunkedArray:
    """Whether a row's collateral is not USD and its protocol holds other collateral too: no exchange counts in it then."""
    held = rows.group_by("protocol", use_threads=False).aggregate([("collateral_asset", "count_distinct")])
    many = held.filter(pc.greater(held["collateral_asset_count_distinct"], 1))["protocol"].combine_chunks()
    return pc.and_(pc.is_in(rows["protocol"], many), pc.not_equal(rows["collateral_asset"], USD))


def _check(rows: pa.Table, where: str) -> None:
    """What a row must say, given what it says."""
    one_of(rows, "margin_mode", (CROSS, ISOLATED), where)
    traded = pc.not_equal(rows["instrument"], "")
    untraded = pc.invert(traded)
    size, entry, collateral = rows["size"], rows["entry_price"], rows["collateral"]
    mistakes = (
        (pc.and_(untraded, pc.equal(rows["margin_mode"], ISOLATED)), "instrument", "isolated without instrument",
         "name the perp that it is the margin of, or write cross"),
        (pc.and_(untraded, pc.or_(size.is_valid(), entry.is_valid())), "instrument", "position without instrument",
         "name the perp, or leave size and entry_price empty"),
        (pc.and_(untraded, pc.equal(collateral, 0.0)), "collateral", "neither position nor collateral", "leave the row out"),
        (pc.and_(traded, size.is_null()), "size", "instrument without size", "write the units held, short below 0"),
        (pc.and_(traded, pc.equal(size, 0.0)), "size", "is 0", "leave the instrument empty: the row is collateral alone"),
        (pc.and_(pc.less(collateral, 0.0), _beside_others(rows)), "collateral", "is negative",
         "only a balance in USD may be owed"),
        (pc.and_(traded, entry.is_null()), "entry_price", "size without entry price", ENTRY),
        (pc.and_(traded, pc.less_equal(entry, 0.0)), "entry_price", "is not above 0", ENTRY),
    )
    for mask, column, what, remedy in mistakes:
        row = first(mask)
        if row is not None:
            raise row_error(what, where, row, column, shown(rows[column][row]), remedy)
    way = pc.if_else(pc.less(size, 0.0), "short", "long")
    check_once(rows.append_column("way", way).filter(traded), ["protocol", "account", "instrument", "margin_mode", "way"], where,
               row=pc.indices_nonzero(traded.combine_chunks()))
