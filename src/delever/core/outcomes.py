"""What is counted on each path, by protocol: the rows of Ledgers.totals that settlement, actors and engines share.

Money is USD at the prices that the protocol saw at the event. What they mean stands in core/loans.py; this file has numbers
alone, because every kernel that imports it is compiled anew when it changes. A mechanism that counts something of its own
declares it in its own file (core/columns.py, `counters`), and its rows stand behind these.
"""

from __future__ import annotations

(LIQUIDATIONS, ACCOUNTS_LIQUIDATED, REPAID, SEIZED, PROTOCOL_FEE, DEFICITS, TOP_UPS, TOPPED_UP, DECLINED,
 REVERTED) = range(10)
OUTCOMES = 10
