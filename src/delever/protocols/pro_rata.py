"""Liquidation of a share of the whole account: every debt is repaid and every collateral taken in proportion.

Source: the smallest model that cascades, as simple lending stress tests use it; an abstraction, no contract. The
liquidator pays for all legs at once, and the protocol keeps no part of the incentive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.health import account_health
from delever.core.jit import kernel
from delever.core.setting import Setting
from delever.core.tables import INCLUDED, NOTHING, REVERTED, BookTables, Reserves, Touched, Transactions
from delever.model.quantity import Number, Share, Usd
from delever.model.references import Path
from delever.model.world import World
from delever.protocols.base import Rules, RulesPhase, refuse_fee

CLOSE_FACTOR, DUST, FULL_BELOW = range(3)


class ProRata(Rules):
    """A share of everything."""

    kind: ClassVar[str] = "pro_rata"
    quoted: ClassVar[bool] = False
    close_factor: Share = Field(0.5, gt=0, le=1, description="share of every debt that one call repays")
    dust: Usd = Field(0.0, ge=0, description="a debt worth this little is repaid whole [USD]")
    full_below: Number = Field(0.0, ge=0, description="health factor below which everything is repaid; 0: never")

    def check(self, world: World, path: Path) -> None:
        """Nothing of a liquidation is the protocol's."""
        refuse_fee(world, path, "pro_rata gives liquidators all that is seized: leave it out")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> ProRataPhase:
        """All protocols with these rules; nothing is kept."""
        return ProRataPhase(setting, {name: [spec.close_factor, spec.dust, spec.full_below] for name, spec in specs.items()},
                            dict.fromkeys(specs, True))


class ProRataPhase(RulesPhase):
    """The rules, ready to run. Rows carry shares: of every debt in `give`, of every collateral in `get`."""

    close_factor = CLOSE_FACTOR

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Size the calls: assets -1, shares of the positive seizable legs."""
        assess(rows, picked, self.parameters, touched, book, reserves, seen_price)

    def sales_per_call(self, book: BookTables) -> int:
        """Every collateral against every debt."""
        return max(1, int(np.max(book.collaterals * book.debts, initial=1)))


@kernel
def assess(rows: Transactions, picked: np.ndarray, parameters: np.ndarray, touched: Touched, book: BookTables,
           reserves: Reserves, seen_price: np.ndarray) -> None:
    """Per call:  want = close factor x debt,  part of the collateral = want (1 + incentive) / value.

    Where that is all or more, all of it goes and value / (1 + incentive) is repaid. With different incentives the sum
    of value / (1 + incentive) counts: `value` is put to the first one's incentive, exactly itself where all are equal.
    """
    state, protocol, ref, give_asset, get_asset, repay, seize, kept = (
        rows.state, rows.protocol, rows.ref, rows.give_asset, rows.get_asset, rows.give, rows.get, rows.kept)
    slot_account, slot_path, amounts = touched.account, touched.path, touched.amount
    signature, reserve, incentives, seizable, collaterals, debts, first_debt = (
        book.signature, book.reserve, book.incentive, book.seizable, book.collaterals, book.debts,
        book.first_debt[0])
    supply_index, borrow_index = reserves.supply_index, reserves.borrow_index
    for row in picked:
        terms = parameters[protocol[row], rows.path[row]]
        close_factor, dust, full_below = terms[CLOSE_FACTOR], terms[DUST], terms[FULL_BELOW]
        give_asset[row], get_asset[row], repay[row], seize[row], kept[row] = -1, -1, 0.0, 0.0, 0.0
        nothing = REVERTED if state[row] == INCLUDED else NOTHING
        slot = ref[row]
        g, p, amount = signature[int(slot_account[slot])], int(slot_path[slot]), amounts[slot]
        price = seen_price[p]
        backing, debt = account_health(slot, p, g, amounts, book, reserves, seen_price)
        if not (debt > 0.0 and backing < debt):
            state[row] = nothing
            continue
        value, owed, reward = 0.0, 0.0, 1.0 + incentives[g, 0] * reserves.bonus[book.term[g, 0], p]
        for k in range(collaterals[g]):
            if seizable[g, k] and amount[k] > 0.0:
                r = reserve[g, k]
                own = 1.0 + incentives[g, k] * reserves.bonus[book.term[g, k], p]
                value += amount[k] * supply_index[r, p] * price[r] * (reward / own)
        for k in range(first_debt, first_debt + debts[g]):
            if seizable[g, k] and amount[k] > 0.0:
                r = reserve[g, k]
                owed += amount[k] * borrow_index[r, p] * price[r]
        if not (value > 0.0 and owed > 0.0):
            state[row] = nothing
            continue
        share = 1.0 if debt <= dust or backing < full_below * debt else close_factor
        want = share * owed
        if want * reward >= value:
            repay[row], seize[row] = min(value / reward / owed, 1.0), 1.0
        else:
            repay[row], seize[row] = share, want * reward / value
