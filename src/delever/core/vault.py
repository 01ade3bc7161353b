"""Backstop vaults: what an exchange's vault holds, and how it closes a position in double entry.

A vault is kept as an account is: cash [the unit] at the exchange's cash reserve, positions and collateral [units] at theirs.
Source: docs/design.md, "Margin exchanges".
"""

from __future__ import annotations

import numpy as np

from delever.core.exchange_tables import Margins, Safety
from delever.core.jit import helper
from delever.core.market import purchase_within, sale_within, settle_trade
from delever.core.route import sell_for_usd
from delever.core.tables import CASH, DEFICIT, FUNDING, VAULT, Accounts, Liquidity, Records


@helper
def holds_position(number: int, p: int, margins: Margins, safety: Safety) -> bool:
    """Whether the vault of an exchange has a position on path p."""
    some = False
    for r in range(margins.first[number], margins.first[number + 1]):
        some = some or (margins.perp[r] != 0 and safety.vault[r, p] != 0.0)
    return some


@helper
def close_of_vault(number: int, p: int, r: int, d: float, worth: float, counterparty: int, accounts: Accounts,
                   records: Records) -> None:
    """The vault closes d units (signed as it holds them) for `worth` = d x price [unit]: its cash += worth - d F.

    counterparty: holder on the token ledger whose side is written here too; negative: its side is the caller's.
    """
    margins, safety, ledgers = accounts.margins, records.safety, records.ledgers
    a, unit = accounts.reserves.asset[r], accounts.reserves.asset[margins.cash[number]]
    funding, units = d * margins.paid[r, p], safety.vault[r, p]
    safety.vault[r, p] = 0.0 if d == units else units - d
    safety.vault[margins.cash[number], p] += worth - funding
    ledgers.size[r, p] -= abs(d)
    ledgers.tokens[VAULT, a, p] -= d
    ledgers.tokens[VAULT, unit, p] += worth - funding
    ledgers.tokens[FUNDING, unit, p] += funding
    if counterparty >= 0:
        ledgers.tokens[counterparty, a, p] += d
        ledgers.tokens[counterparty, unit, p] -= worth


@helper
def unwind(number: int, p: int, share: float, accounts: Accounts, liquidity: Liquidity, records: Records, trading: np.ndarray,
           time: float) -> None:
    """The vault trades away a share of each position on its market, whatever that costs, unless that is halted.

    trading: [M, P] until when [s].
    """
    margins, safety, profiles, markets = accounts.margins, records.safety, liquidity.profiles, liquidity.markets
    for r in range(margins.first[number], margins.first[number + 1]):
        d, m = safety.vault[r, p] * share, margins.market[r]
        if not margins.perp[r] or d == 0.0 or trading[m, p] > time:
            continue
        if d > 0.0:
            done, worth, after = sale_within(m, p, d, 0.0, profiles, markets)
        else:
            done, worth, after = purchase_within(m, p, -d, np.inf, profiles, markets)
            done, worth = -done, -worth
        settle_trade(m, p, done, worth, after, liquidity, records.ledgers)
        close_of_vault(number, p, r, done, worth, -1, accounts, records)


@helper
def finish_vault(number: int, p: int, accounts: Accounts, liquidity: Liquidity, records: Records) -> None:
    """A fallen vault without positions sells its collateral; what it then owes becomes a deficit of the exchange."""
    margins, safety, ledgers = accounts.margins, records.safety, records.ledgers
    cash = margins.cash[number]
    for r in range(margins.first[number], margins.first[number + 1]):
        units = safety.vault[r, p]
        if margins.perp[r] == 0 and r != cash and units > 0.0:
            usd, done = sell_for_usd(p, accounts.reserves.asset[r], units, VAULT, liquidity, ledgers)
            safety.vault[r, p] = units - done
            safety.vault[cash, p] += usd
    owed = -safety.vault[cash, p]
    if owed > 0.0:
        safety.vault[cash, p] = 0.0
        unit = accounts.reserves.asset[cash]
        ledgers.tokens[VAULT, unit, p] += owed
        ledgers.tokens[CASH, unit, p] -= owed
        ledgers.booked[DEFICIT, cash, p] += owed
