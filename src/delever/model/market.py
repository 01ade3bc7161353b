"""Isolated markets: many of one protocol, each with one collateral, one asset that is lent, and an oracle of its own.

    protocols: {morpho: {rules: morpho.v1, book: book.csv, markets: {steth: {collateral: stETH, loan: USDC, ...}, ...}}}

Each becomes a protocol of the world, `morpho/steth`, with reserves of its own: no collateral of one backs a debt of another, no
cash of one pays what another lacks, and whoever is in several has an account in each. It counts in its loan asset. In the book
a column `market` says where a row belongs. Rules, network and waterfall are those of the protocol; where it says nothing of a
waterfall suppliers of a market bear what is written off in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, InstanceOf

from .errors import InputError
from .quantity import Amount, PerYear, Share, Text
from .spec import Spec

COLUMN = "market"  # of a book
OWN = ("parameters", "unit", "cash", "borrowed", "rates", "funding")  # fields of a protocol that its markets have, each its own


class Market(Spec):
    """One isolated market of a lending protocol, under `protocols.NAME.markets`."""

    collateral: Text = Field(examples=["stETH"], description="the only asset that backs debts there")
    loan: Text = Field(examples=["USDC"], description="the only asset that is lent there; what the market counts in")
    liquidation_threshold: Share = Field(examples=["86 %"], description="share of the value that backs debt: the market's LLTV")
    incentive: Share | None = Field(None, examples=["5 %"], description="what a liquidator gets on top of what he repays; null: "
                                    "what the rules make of the threshold (Morpho)")
    oracle: Text | None = Field(None, examples=["steth_eth * eth_usd"], description="price of the collateral in the loan asset, "
                                "as a product of feeds; null: as they trade")
    cash: Amount | None = Field(None, description="units of the loan asset that can be taken out at the start; null: without end")
    borrowed: Amount | None = Field(None, description="units owed at the start, also by accounts that the book lacks; null: what "
                                    "the book owes")
    rate: InstanceOf[Spec] | None = Field(None, examples=["adaptive"], description="how interest answers what is lent out; null: "
                                          "it is constant (borrow_rate)")
    borrow_rate: PerYear = Field(0.0, description="growth of debts without such a curve, continuously "
                                "compounded; suppliers' claims do not grow by it: for that write rate: {kind: constant, at: 6 %}")

    def as_protocol(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        """The block of the protocol that it is. shared: what it has of the one whose market it is."""
        incentive = self.incentive
        if incentive is None:
            work_out = getattr(shared.get("rules"), "incentives", lambda threshold: None)
            worked_out = work_out(np.array([self.liquidation_threshold]))
            if worked_out is None:
                raise InputError("is missing", path=("incentive",), remedy="write `incentive: 5 %`: these rules work none out")
            incentive = float(worked_out[0])
        terms = {self.collateral: {"liquidation_threshold": self.liquidation_threshold, "incentive": incentive}}
        if self.borrow_rate:
            terms[self.loan] = {"liquidation_threshold": 0.0, "incentive": 0.0, "borrow_rate": self.borrow_rate}
        stated = {"cash": self.cash, "borrowed": self.borrowed, "rates": self.rate}
        return {**shared, "parameters": terms, "unit": self.loan,
                **{part: {self.loan: value} for part, value in stated.items() if value is not None}}


def with_markets(parts: dict[str, Any], resolve: Callable[[str, str], type[Spec]]) -> dict[str, Any]:
    """The parts of a world with every protocol that has `markets` replaced by these, in their order, and with their oracles."""
    stated, oracles = parts.get("protocols"), parts.get("oracles") or {}
    if not isinstance(stated, Mapping) or not any(isinstance(one, Mapping) and COLUMN + "s" in one for one in stated.values()):
        return parts
    protocols: dict[str, Any] = {}
    for name, given in stated.items():
        if not isinstance(given, Mapping) or COLUMN + "s" not in given:
            protocols[name] = given
            continue
        path = ("protocols", name)
        beside = next((part for part in OWN if part in given), None)
        if beside is not None:
            raise InputError("has no meaning beside markets", path=(*path, beside), remedy="each market states its own")
        listed, shared = given["markets"], {key: value for key, value in given.items() if key != "markets"}
        if not isinstance(listed, Mapping) or not listed:
            raise InputError("must be a block of markets", path=(*path, "markets"), value=listed,
                             remedy="write `NAME: {collateral: stETH, loan: USDC, liquidation_threshold: 86 %}`")
        shared.setdefault("waterfall", [resolve("waterfall", "socialised_loss")()])
        for market, entry in listed.items():
            one = read_market(entry, market, (*path, "markets", market))
            try:
                protocols[f"{name}/{market}"] = one.as_protocol(shared)
            except InputError as error:
                raise error.at("", *path, "markets", market) from None
            if one.oracle is not None:
                oracles = {**oracles, f"{name}/{market}": {one.collateral: one.oracle}}
    return {**parts, "protocols": protocols, "oracles": oracles}


def home_of(protocol: str) -> str:
    """The protocol whose market this one is; empty: it is none."""
    home, _, market = protocol.rpartition("/")
    return home if market else ""


def read_market(entry: Any, name: str, path: tuple[str, ...]) -> Market:
    """One of them."""
    if not name or "." in name or "/" in name:
        raise InputError("is no name of a market", path=path, value=name, remedy="leave out dots and slashes")
    if not isinstance(entry, Mapping):
        raise InputError("must be a block", path=path, value=entry,
                         remedy="write {collateral: stETH, loan: USDC, liquidation_threshold: 86 %}")
    try:
        market = Market(**entry)
    except InputError as error:
        raise error.at("", *path) from None
    if market.collateral == market.loan:
        raise InputError("is the collateral too", path=(*path, "loan"), value=market.loan, remedy="a market lends another asset")
    return market


def by_market(table: pa.Table, protocol: str) -> pa.Table:
    """Rows of a book with a column `market` as rows of the protocols that markets are. protocol: where it names none."""
    if COLUMN not in table.column_names:
        return table
    market = pc.fill_null(table[COLUMN].cast(pa.string()), "")
    if "protocol" in table.column_names:
        of = pc.fill_null(table["protocol"].cast(pa.string()), "")
        of = pc.if_else(pc.equal(of, ""), protocol, of)
        table = table.drop_columns("protocol")
    else:
        of = pa.array([protocol] * table.num_rows, pa.string())
    named = pc.if_else(pc.equal(market, ""), of, pc.binary_join_element_wise(of, market, "/"))
    return table.drop_columns(COLUMN).append_column("protocol", named)
