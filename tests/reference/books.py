"""That nothing is made or lost: the books of exchanges against the tokens that moved."""

from __future__ import annotations

from dataclasses import dataclass

from reference.margin import wallets
from reference.plain import Path


@dataclass
class Count:
    """What stood at one moment in the books of all exchanges that count in one unit [U]."""

    claims: float  # cash of traders and vaults, funds, treasuries, less deficits that stand
    in_transit: float
    scale: float


Books = dict[str, Count]  # by unit


def books_of(path: Path) -> Books:
    found: Books = {}
    for exchange in path.w.exchanges:
        fall, unit = path.margins.waterfalls[exchange.name], exchange.unit
        now = found.setdefault(unit, Count(0.0, 0.0, path.x.ledger.turnover["margin", unit]))
        holders = [*exchange.accounts, exchange.vault]
        now.claims += wallets(holders) + fall.fund[unit] + exchange.treasury - fall.deficit
        now.scale += sum(abs(a.cash) for a in holders) + fall.fund[unit] + fall.booked
        now.in_transit += exchange.in_transit - exchange.to_makers
    for unit, now in found.items():  # what is a unit here may be collateral there
        held = sum(a.collateral.get(unit, 0.0) for e in path.w.exchanges for a in [*e.accounts, e.vault])
        now.claims += held
        now.scale += held
    return found


def check_books(path: Path, start: Books | None) -> Books:
    """What the books say now; against the start, they changed by the tokens that came in and funding in transit."""
    books = books_of(path)
    if start is None:
        return books
    for exchange in path.w.exchanges:
        fall = path.margins.waterfalls[exchange.name]
        assert exchange.treasury >= 0.0 and fall.fund[exchange.unit] >= 0.0
        assert fall.deficit >= 0.0
        assert not exchange.fallen
    for unit, now in books.items():
        gap = now.claims - start[unit].claims + now.in_transit - path.x.ledger.change["margin", unit]
        assert abs(gap) <= 1e-12 * now.scale, (unit, gap, now.scale)
    return books
