"""That nothing is made or lost: the books of exchanges against the tokens that moved."""

from __future__ import annotations

from dataclasses import dataclass

from reference.margin import wallets
from reference.plain import Path


@dataclass
class Books:
    """What stood at one moment [USD]."""

    claims: float  # cash of traders and vaults, funds, treasuries, less deficits that stand
    in_transit: float
    scale: float


def books_of(path: Path) -> Books:
    claims, scale = 0.0, path.x.ledger.turnover["margin", "USD"]
    for exchange in path.w.exchanges:
        fall = path.margins.waterfalls[exchange.name]
        holders = [*exchange.accounts, exchange.vault]
        claims += wallets(holders) + fall.fund["USD"] + exchange.treasury - fall.deficit
        scale += sum(abs(a.cash) for a in holders) + fall.fund["USD"] + fall.booked
    return Books(claims, sum(e.in_transit - e.to_makers for e in path.w.exchanges), scale)


def check_books(path: Path, start: Books | None) -> Books:
    """What the books say now; against the start, they changed by the tokens that came in and funding in transit."""
    now = books_of(path)
    if start is None:
        return now
    for exchange in path.w.exchanges:
        assert exchange.treasury >= 0.0 and path.margins.waterfalls[exchange.name].fund["USD"] >= 0.0
        assert path.margins.waterfalls[exchange.name].deficit >= 0.0
        assert not exchange.fallen
    gap = now.claims - start.claims + now.in_transit - path.x.ledger.change["margin", "USD"]
    assert abs(gap) <= 1e-12 * now.scale, (gap, now.scale)
    return now
