"""Reads LLAMMA's markets of a world into what the plain implementation starts from."""

from __future__ import annotations

from typing import Any

from delever.model.book import Book
from delever.model.world import World
from reference.bands import Amm, Loan


def is_llamma(protocol: Any) -> bool:
    return getattr(protocol.rules, "kind", "") == "llamma"


def amms_of(world: World) -> list[Amm]:
    """By protocol, in the order in which books first name collaterals, then debts."""
    found: list[Amm] = []
    order = first_named(world)
    for name, protocol in world.protocols.items():
        if not is_llamma(protocol):
            continue
        loans: dict[tuple[str, str], list[Loan]] = {}
        for account, legs in accounts_of(name, protocol.book).items():
            if "debt" in legs:
                held, owed = legs["collateral"], legs["debt"]
                loans.setdefault((held["asset"], owed["asset"]), []).append(
                    Loan(account, held["amount"], owed["amount"], held["bands"] or protocol.rules.bands))
        for a, b in sorted(loans, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
            rules, d = protocol.rules, 1.0 - protocol.parameters[a].liquidation_threshold
            loan = min(d + 0.03, 0.99) if rules.loan_discount is None else rules.loan_discount
            found.append(Amm(name, a, b, rules.amplification, rules.fee, rules.admin_fee, loan, d,
                             rules.base_price.get(a, 0.0), rules.writes_off, loans[a, b]))
    return found


def first_named(world: World) -> list[str]:
    """Assets in the order in which all books name them first."""
    return list(dict.fromkeys(row["asset"] for name, p in world.protocols.items() for row in p.book.of(name).legs.to_pylist()))


def accounts_of(name: str, book: Book) -> dict[str, dict[str, Any]]:
    """By account, in the order of the book: its legs by their side."""
    found: dict[str, dict[str, Any]] = {}
    for row in book.of(name).legs.to_pylist():
        if row["amount"] > 0.0:
            found.setdefault(row["account"], {})[row["side"]] = row
    return found
