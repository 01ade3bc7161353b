"""Fixed-spread liquidation of one collateral against one debt of the account, as in Aave.

Versions: v2 (lending pool of 2020), v3_0 (3.0 to 3.2, read in 3.0.2), v3_3 (3.3 and later, read in 3.6). Real
arithmetic: the contracts round to their units, and 3.0 floors the average threshold to whole basis points before
the health factor, which is up to one basis point of the collateral lower than here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.setting import Setting
from delever.core.tables import INCLUDED, NOTHING, REVERTED, BookTables, Reserves, Touched, Transactions
from delever.model.quantity import Share
from delever.protocols.base import Rules, RulesPhase


class Version(NamedTuple):
    """What differs between the versions."""

    full_below: float  # health factor at or below which a call may repay the whole debt leg
    of_whole_debt: bool  # the close factor is a share of all that the account owes, not of the leg
    full_under: float  # worth of either leg below which a call may repay the whole debt leg [protocol's unit]
    least_left: float  # worth that either leg must keep unless one of the two is cleared [protocol's unit]
    writes_off: bool  # what is owed when no collateral is left is booked as a deficit


# v2: LendingPoolCollateralManager; v3: LiquidationLogic. The 2000 and 1000 are USD: v3 keeps accounts in USD.
VERSIONS = {
    "v2": Version(-np.inf, False, 0.0, 0.0, False),
    "v3_0": Version(0.95, False, 0.0, 0.0, False),
    "v3_3": Version(0.95, True, 2000.0, 1000.0, True),
}
CLOSE_FACTOR, FULL_BELOW, OF_WHOLE_DEBT, FULL_UNDER, LEAST_LEFT, COVER = range(6)


class Aave(Rules):
    """Aave's liquidation call."""

    kind: ClassVar[str] = "aave"
    version: Literal["v2", "v3_0", "v3_3"] = Field(description="rules as of this version", examples=["v3_0"])
    close_factor: Share = Field(0.5, gt=0, le=1, description="largest share of the debt that one call repays")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> AavePhase:
        """All protocols with these rules."""
        return AavePhase(setting, {name: row_of(VERSIONS[spec.version], spec.close_factor) for name, spec in specs.items()},
                         {name: VERSIONS[spec.version].writes_off for name, spec in specs.items()})


def row_of(version: Version, close_factor: float, cover: float = np.inf) -> list[float]:
    """The parameters of a protocol. cover: the most that a liquidator offers to repay [units of the debt asset]."""
    return [close_factor, version.full_below, version.of_whole_debt, version.full_under, version.least_left, cover]


class AavePhase(RulesPhase):
    """Aave's rules, ready to run."""

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Choose for each call the pair of legs that earns most, and size it."""
        assess(rows, picked, self.parameters, self.fee, touched, book, reserves, seen_price)

    def sales_per_call(self, book: BookTables) -> int:
        """One: a call takes one collateral for one debt."""
        return 1


@helper
def size_call(held: float, owed: float, incentive: float, most: float, least_left: float) -> tuple[float, bool]:
    """Worth that a call repays on one pair of legs worth `held` and `owed`, and whether it takes the whole collateral.

        value = min(most, owed);  where value (1 + incentive) >= held:  value = held / (1 + incentive), all is seized

    Dust: unless one leg is cleared, owed - value and held - value (1 + incentive) must both be >= least_left; a call
    that repays less may mend that. Everything in worth, so that equal calls on other legs compare equal.
    """
    value = min(most, owed)
    if value * (1.0 + incentive) >= held:
        return min(value, held / (1.0 + incentive)), True
    if least_left > 0.0 and value < owed:
        value = min(value, owed - least_left, (held - least_left) / (1.0 + incentive))
    return value, False


@kernel
def assess(rows: Transactions, picked: np.ndarray, parameters: np.ndarray, fee: np.ndarray, touched: Touched,
           book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> None:
    """Per call: the pair (collateral, debt) of highest repaid value x incentive, the first of equals."""
    state, protocol, ref, give_asset, get_asset, repay, seize, kept = (
        rows.state, rows.protocol, rows.ref, rows.give_asset, rows.get_asset, rows.give, rows.get, rows.kept)
    asset = reserves.asset
    slot_account, slot_path, amounts = touched.account, touched.path, touched.amount
    signature, reserve, threshold, incentives, seizable, collaterals, debts, first_debt = (
        book.signature, book.reserve, book.threshold, book.incentive, book.seizable, book.collaterals, book.debts,
        book.first_debt[0])
    supply_index, borrow_index = reserves.supply_index, reserves.borrow_index
    for row in picked:
        terms = parameters[protocol[row]]
        close_factor, full_below, full_under, least_left = (
            terms[CLOSE_FACTOR], terms[FULL_BELOW], terms[FULL_UNDER], terms[LEAST_LEFT])
        of_whole_debt, cover = terms[OF_WHOLE_DEBT] != 0.0, rows.most[row] if rows.most[row] > 0.0 else terms[COVER]
        give_asset[row], get_asset[row], repay[row], seize[row], kept[row] = -1, -1, 0.0, 0.0, 0.0
        slot = ref[row]
        g, amount, price = signature[int(slot_account[slot])], amounts[slot], seen_price[int(slot_path[slot])]
        backing, debt = account_health(amount, g, reserve, threshold, collaterals, debts, first_debt, price,
                                       supply_index, borrow_index)
        if not (debt > 0.0 and backing < debt):
            state[row] = REVERTED if state[row] == INCLUDED else NOTHING
            continue
        in_full, best, best_c = backing <= full_below * debt, -1.0, 0
        for c in range(collaterals[g]):
            r, incentive = reserve[g, c], incentives[g, c]
            units_c = amount[c] * supply_index[r]
            held = units_c * price[r]
            if not (seizable[g, c] and held > 0.0):
                continue
            for d in range(first_debt, first_debt + debts[g]):
                s = reserve[g, d]
                units_d = amount[d] * borrow_index[s]
                owed = units_d * price[s]
                if not (seizable[g, d] and owed > 0.0):
                    continue
                most = cover * price[s]
                if not in_full and held >= full_under and owed >= full_under:
                    most = min(most, close_factor * (debt if of_whole_debt else owed))
                value, takes_all = size_call(held, owed, incentive, most, least_left)
                if value > 0.0 and value * incentive > best:
                    best, best_c = value * incentive, c
                    get_asset[row], give_asset[row] = asset[r], asset[s]
                    repay[row] = units_d if value >= owed else value / price[s]
                    seize[row] = units_c if takes_all else value * (1.0 + incentive) / price[r]
        if best >= 0.0:
            c = best_c
            kept[row] = fee[reserve[g, c]] * (seize[row] - seize[row] / (1.0 + incentives[g, c]))
        else:
            state[row] = REVERTED if state[row] == INCLUDED else NOTHING
