"""What accounts of Compound v3 are like: they owe the base asset alone, and who owes it does not supply it."""

from __future__ import annotations

import numpy as np

from delever.core.setting import Setting
from delever.model.errors import InputError


def check_accounts(name: str, base: int, setting: Setting) -> None:
    """base: its reserve. An account's base is one signed number: below 0 it is owed."""
    book, asset = setting.book, setting.reserves[base][1]
    first, mine = int(book.first_debt[0]), np.flatnonzero(setting.account_protocol == setting.protocols.index(name))
    for g, at in zip(*np.unique(book.signature[mine], return_index=True), strict=True):
        who, owed = setting.accounts[mine[at]], book.reserve[g, first:first + book.debts[g]]
        other = owed[owed != base]
        if len(other):
            raise InputError(f"owes {setting.reserves[other[0]][1]}", f"protocols.{name}.book", who,
                             f"accounts of comet owe {asset} alone: make it a protocol for each asset that is lent out")
        if len(owed) and base in book.reserve[g, :book.collaterals[g]]:
            raise InputError(f"supplies {asset} and owes it", f"protocols.{name}.book", who,
                             "comet has one balance of it: state the difference")
