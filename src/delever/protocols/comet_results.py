"""What is said of a Comet's reserves: what it has, what it sold at which discount, what suppliers would lack."""

from __future__ import annotations

import numpy as np

from delever.core.columns import OF, Column, Figure, Value, added, mean_of, of_protocol
from delever.core.state import State
from delever.core.tables import DEFICIT, TREASURY
from delever.protocols.comet_storefront import START

STOREFRONT = f"Reserves and storefront of {OF}"  # section of a report
ANY = 1.0  # from which suppliers lack something: less is rounding [USD]
COUNTED = (
    Column("collateral_purchases", "count", "purchases of collateral at the storefront", mean_of(
        "collateral_purchases", "purchases of collateral at the storefront"), section=STOREFRONT),
    Column("storefront_discounts", "USD", "what buyers were given below the price seen", mean_of(
        "storefront_discounts", "what buyers at the storefront were given below the price seen"), section=STOREFRONT))
RESERVES = Column("base_reserves", "USD", "the protocol's own base, at the price seen; below 0: suppliers are owed more", mean_of(
    "base_reserves", "the protocol's own base at the end, at the price seen"), section=STOREFRONT, stock=True)
UNSOLD = Column("collateral_for_sale", "USD", "seized collateral that nobody has bought, at prices seen", (
    *mean_of("collateral_for_sale", "seized collateral that nobody has bought at the end, at prices seen"),
    Figure("stock_left", "share_above", "paths on which seized collateral is left at the end", "share", ANY)),
    section=STOREFRONT, stock=True)
OVERDRAWN = Column("overdrawn", "USD", "reserves below 0, whatever seized collateral is worth", (
    *mean_of("overdrawn", "reserves below 0 at the end, whatever seized collateral is worth"),
    Figure("reserves_below_zero", "share_above", "paths on which reserves end below 0: suppliers are owed more than there is",
           "share", ANY)), section=STOREFRONT)
LACK = Column("suppliers_lack", "USD", "reserves below 0 beyond what seized collateral is worth, at prices seen", (
    *mean_of("suppliers_lack", "reserves below 0 at the end beyond what seized collateral is worth, at prices seen"),
    Figure("suppliers_lose", "share_above", "paths on which reserves and seized collateral together end below 0", "share", ANY)),
    section=STOREFRONT)


def own(state: State, number: int, base: int, rules: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Its base, and the collateral that it has for sale [P], USD. rules: [protocols, P, columns]."""
    booked, price, usd = state.ledgers.booked, state.seen.price, state.margins.in_usd[number]
    units = rules[number, :, START] + booked[TREASURY, base] - booked[DEFICIT, base]
    stock = [booked[TREASURY, r] * price[:, r] for r in of_protocol(state, number) if r != base]
    return units * price[:, base] * usd, added(stock, state.paths) * usd


def holdings(state: State, number: int, base: int, rules: np.ndarray) -> list[Value]:
    """What one protocol has."""
    reserves, stock = own(state, number, base, rules)
    return [Value(RESERVES, reserves, number), Value(UNSOLD, stock, number)]


def overdrawn(state: State, number: int, base: int, rules: np.ndarray) -> list[Value]:
    """What suppliers of one protocol would lack."""
    reserves, stock = own(state, number, base, rules)
    return [Value(OVERDRAWN, np.maximum(-reserves, 0.0), number), Value(LACK, np.maximum(-reserves - stock, 0.0), number)]
