"""Exchanges of a world as the engine's tables: cash of accounts, tiers, who holds which perp, funds and vaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.core.exchange_tables import CHARGE, PUT, Margins
from delever.core.tables import BookTables
from delever.model.asset import price_usd
from delever.model.book import COLLATERAL, POSITION
from delever.model.errors import InputError
from delever.model.parameters import CollateralParameters, Parameters, PerpParameters
from delever.model.world import World
from delever.waterfall.base import Layer

MOST = 62  # positions of an account: the engine notes in one integer which it has dealt with


def with_cash(legs: pa.Table, world: World) -> pa.Table:
    """The legs, in which every margin account begins with its cash: wallet less size x entry price [the exchange's unit].

    Of an inverse perp that is wallet + size / entry price: it is held as -size dollars, each opened at 1 / entry price.
    """
    if not world.exchanges:
        return legs
    mine = pc.is_in(legs["protocol"], pa.array(world.exchanges)).to_numpy(zero_copy_only=False)
    names = pc.binary_join_element_wise(legs["protocol"], legs["account"], "\0").combine_chunks().dictionary_encode()
    account, amount = names.indices.to_numpy(), legs["amount"].to_numpy()
    position = pc.equal(legs["side"], POSITION).to_numpy(zero_copy_only=False)
    unit = units_of(legs, world)
    is_cash = pc.equal(legs["asset"], unit).to_numpy(zero_copy_only=False) & mine
    held, entry = held_at(legs, world)
    cash = np.bincount(account[is_cash], amount[is_cash], len(names.dictionary)).astype(np.float64)  # of nothing: whole numbers
    cash -= np.bincount(account, held * entry, len(names.dictionary))
    owners, first = np.unique(account[mine], return_index=True)
    rows = np.flatnonzero(mine)[first]
    most = np.bincount(account[position], minlength=1).max(initial=0)
    if most > MOST:
        raise InputError("has too many positions", "book", int(most), f"an account may have {MOST}")
    head = legs.take(rows)
    of_rows = unit.take(pa.array(rows)).to_pylist()
    for column, values in (("asset", of_rows), ("side", [COLLATERAL] * len(rows)), ("amount", cash[owners]),
                           ("entry_price", [None] * len(rows)), ("liquidation_threshold", [None] * len(rows)),
                           ("label", [""] * len(rows))):
        at = head.column_names.index(column)
        head = head.set_column(at, head.schema.field(at), pa.array(values, head.schema.field(at).type))
    both = pa.concat_tables([head, legs.filter(pa.array(~is_cash))])
    order = np.lexsort((np.arange(len(both)), np.concatenate([owners, account[~is_cash]])))
    return both.take(order)


def units_of(legs: pa.Table, world: World) -> pa.Array:
    """The asset that the protocol of each leg counts in."""
    of = legs["protocol"].combine_chunks().dictionary_encode()
    return pa.array([world.protocols[name].unit for name in of.dictionary.to_pylist()], pa.string()).take(of.indices)


def held_at(legs: pa.Table, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Units of each leg as the engine holds them, and the price in the unit at which they were opened (0: no position)."""
    asset = legs["asset"].combine_chunks().dictionary_encode()
    turned = np.array([name in world.assets and world.assets[name].inverse for name in asset.dictionary.to_pylist()], bool)
    inverse = turned[asset.indices.to_numpy()]
    position = pc.equal(legs["side"], POSITION).to_numpy(zero_copy_only=False)
    amount, entry = legs["amount"].to_numpy(), legs["entry_price"].to_numpy(zero_copy_only=False).astype(float)
    with np.errstate(divide="ignore"):
        opened = np.where(position, np.where(inverse, 1.0 / entry, entry), 0.0)
    return np.where(inverse & position, -amount, amount), opened


def lay_margins(world: World, reserves: Sequence[tuple[str, str]], parameters: Mapping[str, Mapping[str, Parameters]],
                book: BookTables) -> Margins:
    """Tiers and holders of every perp. parameters: by protocol and asset."""
    protocols, count = list(world.protocols), len(reserves)
    entries = [parameters[protocol].get(asset) for protocol, asset in reserves]
    perp = np.array([isinstance(entry, PerpParameters) for entry in entries], bool)
    most = max([len(entry.tiers) for entry in entries if isinstance(entry, PerpParameters)], default=1)
    tiers = np.ones(count, np.int64)
    floor, rate, deducted = (np.zeros((count, most)) for _ in range(3))
    weight = np.full(count, -1.0)
    markets = [name for name in world.assets if world.assets[name].wraps is None]
    market, option = np.full(count, -1), np.zeros((count, 2))
    for r, ((protocol, asset), entry) in enumerate(zip(reserves, entries, strict=True)):
        if protocol not in world.exchanges:
            continue
        weight[r] = 0.0 if perp[r] else 1.0 - entry.haircut if isinstance(entry, CollateralParameters) else 1.0
        if isinstance(entry, PerpParameters):
            tiers[r], market[r] = len(entry.tiers), markets.index(asset)
            spec = world.assets[asset]
            option[r] = entry.short_margin or 0.0, spec.put is not None
            for k, tier in enumerate(entry.tiers):
                floor[r, k], rate[r, k] = tier.floor, tier.maintenance + option[r, CHARGE] * option[r, PUT]
                if k:
                    deducted[r, k] = deducted[r, k - 1] + tier.floor * (rate[r, k] - rate[r, k - 1])
    of = np.array([protocols.index(protocol) for protocol, _ in reserves])
    own = [(name, world.protocols[name].unit) if name in world.exchanges else None for name in protocols]
    cash = np.array([reserves.index(home) if home in reserves else -1 for home in own])
    position_first, holder, position_leg = positions_by_perp(book, count)
    return Margins(
        perp.astype(np.int64), weight, np.searchsorted(of, np.arange(len(protocols) + 1)), cash, tiers, floor, rate, deducted,
        market, position_first, holder, position_leg,
        np.array([perp[r] and option[r, CHARGE] == 0.0 and world.protocols[protocol].funding is not None
                  for r, (protocol, _) in enumerate(reserves)], np.int64),
        np.zeros((count, 1)), np.zeros((count, 1)), option, np.ones((len(protocols), 1)), np.ones((count, 1)))


def positions_by_perp(book: BookTables, reserves: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who holds each perp, in the book's order: (where a reserve's begin [R + 1], account, leg)."""
    account, leg = positions_of(book)
    reserve = book.reserve[book.signature[account], leg]
    order = np.lexsort((account, reserve))
    return (np.searchsorted(reserve[order], np.arange(reserves + 1)), account[order].astype(np.int32),
            leg[order].astype(np.int32))


def positions_of(book: BookTables) -> tuple[np.ndarray, np.ndarray]:
    """(account, leg) of every position."""
    first, legs = int(book.first_debt[0]), book.amount.shape[1]
    held = (np.arange(legs) >= first) & (np.arange(legs) - first < book.debts[:, None]) & (book.margin[:, None] > 0)
    account, leg = np.nonzero(held[book.signature])
    return account, leg


def stocks(world: World, reserves: Sequence[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Insurance funds [R] and vaults [R] at the start, units; maintenance margins a vault must hold [protocols], -1: none."""
    fund, vault, backed = np.zeros(len(reserves)), np.zeros(len(reserves)), np.full(len(world.protocols), -1.0)
    for number, (name, protocol) in enumerate(world.protocols.items()):
        for layer in protocol.waterfall:
            assert isinstance(layer, Layer)
            for asset, units in layer.fund().items():
                if (name, asset) in reserves:
                    fund[reserves.index((name, asset))] += units
            equity, reserve = layer.vault()
            if reserve >= 0.0:
                vault[reserves.index((name, protocol.unit))] += equity / price_usd(protocol.unit, world.assets)
                backed[number] = reserve
    return fund, vault, backed
