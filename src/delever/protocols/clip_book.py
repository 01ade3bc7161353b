"""What Maker's vaults are like: a book that its auctions can serve."""

from __future__ import annotations

import numpy as np

from delever.core.setting import Setting
from delever.model.errors import InputError


def check_vaults(name: str, setting: Setting) -> None:
    """One collateral and at most one debt a vault, and the same debt asset for all: holes and tips are in it."""
    book, number = setting.book, setting.protocols.index(name)
    mine = np.flatnonzero(setting.account_protocol == number)
    g = book.signature[mine]
    many = (book.collaterals[g] != 1) | (book.debts[g] > 1)
    if many.any():
        i = int(many.argmax())
        raise InputError(f"has {book.collaterals[g[i]]} collaterals and {book.debts[g[i]]} debts", f"protocols.{name}.book",
                         setting.accounts[mine[i]], "a vault of clip has one of each: make it a vault for each pair")
    owed = np.unique(book.reserve[g[book.debts[g] == 1], book.first_debt[0]])
    if len(owed) > 1:
        assets = " and ".join(setting.reserves[r][1] for r in owed)
        raise InputError(f"owes {assets}", f"protocols.{name}.book", None,
                         "vaults of clip owe one asset, in which holes and tips are counted: make it two protocols")
