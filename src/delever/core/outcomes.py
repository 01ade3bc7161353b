"""What is counted on each path, by protocol: the columns of Ledgers.totals, with unit and meaning."""

from __future__ import annotations

from typing import NamedTuple

(LIQUIDATIONS, ACCOUNTS_LIQUIDATED, REPAID, SEIZED, PROTOCOL_FEE, DEFICITS, TOP_UPS, TOPPED_UP, DECLINED,
 REVERTED) = range(10)
OUTCOMES = 10


class Outcome(NamedTuple):
    """One column. `seen`: worth in USD at the prices that the protocol saw at the event."""

    name: str
    unit: str  # "count" or "seen"
    meaning: str


OUTCOME_COLUMNS: tuple[Outcome, ...] = (
    Outcome("liquidations", "count", "liquidation calls that settled"),
    Outcome("accounts_liquidated", "count", "accounts that were liquidated at least once"),
    Outcome("repaid_debt", "seen", "debt that liquidators repaid"),
    Outcome("seized_collateral", "seen", "collateral taken from accounts, protocol fee included"),
    Outcome("protocol_fee", "seen", "part of the seized collateral that the protocol kept"),
    Outcome("deficit", "seen", "debt written off by the protocol's rules because no collateral was left"),
    Outcome("top_ups", "count", "collateral top-ups that settled"),
    Outcome("topped_up", "seen", "collateral that owners added"),
    Outcome("declined", "count", "claims that liquidators found not worth a transaction, counted in every block"),
    Outcome("reverted", "count", "included claims that were no longer valid at their slot"),
)
assert len(OUTCOME_COLUMNS) == OUTCOMES
