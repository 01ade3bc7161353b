"""Fixed-spread liquidation: a call repays part of one debt and takes collateral worth that and a fixed bonus.

Protocols of this kind differ in numbers and switches alone. A protocol is a row of `Terms`, this file has the one loop
over pairs of legs, and one phase serves all protocols of all these kinds. For a pair worth `held` and `owed`:

    eligible    backing < debt,                      backing = sum of collateral x threshold
    most        owed                                 where backing <= full_below x debt, or either leg < full_under
                close_factor x owed                  else; x debt where the close factor is of the whole debt
                (target_health x debt - backing) / (target_health - threshold (1 + incentive)), where there is a target
    repay       value = min(most, owed), at most held / (1 + incentive), less or more where dust would be left (size_call)
    seize       value (1 + incentive) / price
    kept        fee x (seize - seize / (1 + incentive)) + seize_share x seize
    called      the pair of highest value x incentive, the first of equals
    incentive   stated by collateral, or with `most_discount` what the account's health leaves:  1 / max(backing / debt,
                1 - most_discount) - 1
                times least_bonus + (1 - least_bonus) x (1 - health) / (1 - full_bonus_at), at most 1
    deficit     all debt of an account without positive collateral, where the protocol writes off

Source: what the contracts of the protocols in this folder have in common. Real arithmetic: they round to their units. As
a kind of its own, `fixed_spread` takes the row from the user; rows of protocols as deployed stand in files of their own, with
what they cite.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.setting import Setting
from delever.core.tables import INCLUDED, NOTHING, REVERTED, BookTables, Reserves, Touched, Transactions
from delever.model.quantity import Number, Share, Usd
from delever.protocols.base import Rules, RulesPhase


class Terms(NamedTuple):
    """The row of a protocol; as it stands by default only the close factor binds."""

    close_factor: float = 0.5  # largest share of the debt leg that one call repays
    full_below: float = -np.inf  # health factor at or below which a call may repay the whole debt leg
    of_whole_debt: bool = False  # the close factor is a share of all that the account owes, not of the leg
    full_under: float = 0.0  # worth of either leg below which a call may repay the whole debt leg [seen price's unit]
    least_left: float = 0.0  # worth that either leg must keep unless one of the two is cleared [seen price's unit]
    seize_share: float = 0.0  # share of all that is seized which the protocol keeps, beside its fee on the bonus
    most_discount: float = 0.0  # largest discount at which collateral is sold, by health; 0: incentives are stated
    target_health: float = 0.0  # health factor that a call brings the account back to, and no further; 0: there is none
    least_bonus: float = 1.0  # share of the incentive that is paid just below a health of 1; the rest comes as health falls
    full_bonus_at: float = 0.0  # health factor at or below which all of it is paid
    clears_dust: bool = False  # a call that would leave less than least_left takes all of that leg, instead of less of it
    writes_off: bool = False  # what is owed when no collateral is left is booked as a deficit


# columns; writing off is settled
(CLOSE_FACTOR, FULL_BELOW, OF_WHOLE_DEBT, FULL_UNDER, LEAST_LEFT, SEIZE_SHARE, MOST_DISCOUNT, TARGET_HEALTH, LEAST_BONUS,
 FULL_BONUS_AT, CLEARS_DUST) = range(11)


class FixedSpreadRules(Rules):
    """Any rules that are a row of terms."""

    @abstractmethod
    def terms(self) -> Terms:
        """The row."""

    def unread(self) -> tuple[str, ...]:
        """See Rules: a discount that grows as health falls stands in place of stated incentives, a target of a close factor."""
        row = self.terms()
        without = {"incentive": row.most_discount > 0.0, "close_factor": row.full_below >= 1.0 or row.target_health > 0.0}
        return tuple(name for name, unread in without.items() if unread)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FixedSpreadPhase:
        """All protocols with such rules, whatever their kind."""
        return FixedSpreadPhase(setting, {name: spec.terms() for name, spec in specs.items()})


class FixedSpread(FixedSpreadRules):
    """A row that no protocol here has: a fork's, or one to try out."""

    kind: ClassVar[str] = "fixed_spread"
    close_factor: Share = Field(0.5, gt=0, le=1, description="largest share of the debt that one call repays")
    full_below: Number = Field(0.0, ge=0, description="health factor at or below which all of a debt may be repaid; 0: none")
    of_whole_debt: bool = Field(False, description="the close factor is a share of all that the account owes, not of one debt")
    full_under: Usd = Field(0.0, ge=0, description="a debt or collateral worth less may be cleared in one call [USD]")
    least_left: Usd = Field(0.0, ge=0, description="what a call leaves of either must be worth this, or nothing [USD]")
    seize_share: Share = Field(0.0, ge=0, lt=1, description="share of what is seized that the protocol keeps")
    most_discount: Share = Field(0.0, ge=0, lt=1, description="largest discount, where it grows as health falls below 1 and "
                                 "stated incentives do not count; 0: they do")
    target_health: Number = Field(0.0, ge=0, description="health factor that a call brings an account back to; 0: none")
    least_bonus: Share = Field(1.0, description="share of the incentive that is paid just below a health of 1")
    full_bonus_at: Share = Field(0.0, lt=1, description="health factor at or below which all of the incentive is paid")
    clears_dust: bool = Field(False, description="a call that would leave less than `least_left` takes all of that leg")
    writes_off: bool = Field(False, description="debt of an account without collateral is booked as a deficit at once")

    def terms(self) -> Terms:
        """As stated."""
        return Terms(**self.fields() | {"full_below": self.full_below or -np.inf})


class FixedSpreadPhase(RulesPhase):
    """Rows of terms, ready to run."""

    close_factor = CLOSE_FACTOR

    def __init__(self, setting: Setting, terms: Mapping[str, Terms]) -> None:
        """terms: by protocol."""
        super().__init__(setting, {name: row[:CLEARS_DUST + 1] for name, row in terms.items()},
                         {name: row.writes_off for name, row in terms.items()})

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Choose for each call the pair of legs that earns most, and size it."""
        assess(rows, picked, self.parameters, self.fee, touched, book, reserves, seen_price)

    def sales_per_call(self, book: BookTables) -> int:
        """One: a call takes one collateral for one debt."""
        return 1


@helper
def bonus_share(backing: float, debt: float, least: float, full_at: float) -> float:
    """Share of an incentive that is paid at a health of backing / debt, linear between health 1 and full_at."""
    return 1.0 if backing <= full_at * debt else least + (1.0 - least) * ((1.0 - backing / debt) / (1.0 - full_at))


@helper
def to_target(backing: float, debt: float, target: float, called: float) -> float:
    """Worth to repay for a health of `target`, of a collateral that counts for `called` a unit of worth repaid.

        (backing - called x value) / (debt - value) = target;   without end where no call brings it there, called >= target
    """
    return (target * debt - backing) / (target - called) if called < target else np.inf


@helper
def size_call(held: float, owed: float, incentive: float, most: float, offered: float, least_left: float, clears_dust: bool
              ) -> tuple[float, bool]:
    """Worth that a call repays on one pair of legs worth `held` and `owed`, and whether it takes the whole collateral.

        value = min(most, offered, owed);  where value (1 + incentive) >= held:  value = held / (1 + incentive), all is seized

    Dust: unless one leg is cleared, owed - value and held - value (1 + incentive) must both be >= least_left. Where dust is
    cleared, owed is repaid whole rather than leave some of it, then held taken whole, if so much is offered; else, and where
    it is not, a call that repays less may mend it. Everything in worth, so that equal calls on other legs compare equal.
    """
    value = min(most, offered, owed)
    if value * (1.0 + incentive) >= held:
        return min(value, held / (1.0 + incentive)), True
    if least_left > 0.0 and value < owed:
        if clears_dust:
            whole = value if owed - value >= least_left else owed
            seized = whole * (1.0 + incentive)
            takes_all = seized > held or (whole < owed and held - seized < least_left)
            if takes_all:
                whole = held / (1.0 + incentive)
            if whole <= offered:
                return whole, takes_all
        value = min(value, owed - least_left, (held - least_left) / (1.0 + incentive))
    return value, False


@kernel
def assess(rows: Transactions, picked: np.ndarray, parameters: np.ndarray, fee: np.ndarray, touched: Touched,
           book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> None:
    """Per call: the pair (collateral, debt) of highest repaid value x incentive, the first of equals.

    parameters: [protocols, paths, columns of Terms]; fee: [reserves]; seen_price: [paths, reserves].
    """
    state, protocol, ref, give_asset, get_asset, repay, seize, kept = (
        rows.state, rows.protocol, rows.ref, rows.give_asset, rows.get_asset, rows.give, rows.get, rows.kept)
    asset = reserves.asset
    slot_account, slot_path, amounts = touched.account, touched.path, touched.amount
    signature, reserve, incentives, seizable, collaterals, debts, first_debt = (
        book.signature, book.reserve, book.incentive, book.seizable, book.collaterals, book.debts,
        book.first_debt[0])
    supply_index, borrow_index = reserves.supply_index, reserves.borrow_index
    for row in picked:
        terms = parameters[protocol[row], rows.path[row]]
        close_factor, full_below, full_under, least_left = (
            terms[CLOSE_FACTOR], terms[FULL_BELOW], terms[FULL_UNDER], terms[LEAST_LEFT])
        of_whole_debt, offered = terms[OF_WHOLE_DEBT] != 0.0, rows.most[row] if rows.most[row] > 0.0 else np.inf
        target, clears_dust = terms[TARGET_HEALTH], terms[CLEARS_DUST] != 0.0
        give_asset[row], get_asset[row], repay[row], seize[row], kept[row] = -1, -1, 0.0, 0.0, 0.0
        slot = ref[row]
        g, p, amount = signature[int(slot_account[slot])], int(slot_path[slot]), amounts[slot]
        price = seen_price[p]
        backing, debt = account_health(slot, p, g, amounts, book, reserves, seen_price)
        if not (debt > 0.0 and backing < debt):
            state[row] = REVERTED if state[row] == INCLUDED else NOTHING
            continue
        in_full, best, best_c, best_incentive = backing <= full_below * debt, -1.0, 0, 0.0
        by_health = terms[MOST_DISCOUNT] > 0.0
        own = 1.0 / max(backing / debt, 1.0 - terms[MOST_DISCOUNT]) - 1.0 if by_health else 0.0
        paid = bonus_share(backing, debt, terms[LEAST_BONUS], terms[FULL_BONUS_AT])
        for c in range(collaterals[g]):
            r, incentive = reserve[g, c], own if by_health else incentives[g, c] * reserves.bonus[book.term[g, c], p] * paid
            units_c = amount[c] * supply_index[r, p]
            held = units_c * price[r]
            if not (seizable[g, c] and held > 0.0):
                continue
            limit = np.inf
            if target > 0.0:
                called = book.threshold[g, c] * reserves.counted[book.term[g, c], p] * (1.0 + incentive)
                limit = to_target(backing, debt, target, called)
            for d in range(first_debt, first_debt + debts[g]):
                s = reserve[g, d]
                units_d = amount[d] * borrow_index[s, p]
                owed = units_d * price[s]
                if not (seizable[g, d] and owed > 0.0):
                    continue
                most = limit
                if not in_full and held >= full_under and owed >= full_under:
                    most = min(most, close_factor * (debt if of_whole_debt else owed))
                value, takes_all = size_call(held, owed, incentive, most, offered * price[s], least_left, clears_dust)
                if value > 0.0 and value * incentive > best:
                    best, best_c, best_incentive = value * incentive, c, incentive
                    get_asset[row], give_asset[row] = asset[r], asset[s]
                    repay[row] = units_d if value >= owed else value / price[s]
                    seize[row] = units_c if takes_all else value * (1.0 + incentive) / price[r]
        if best >= 0.0:
            bonus = seize[row] - seize[row] / (1.0 + best_incentive)
            kept[row] = fee[reserve[g, best_c]] * bonus + terms[SEIZE_SHARE] * seize[row]
        else:
            state[row] = REVERTED if state[row] == INCLUDED else NOTHING
