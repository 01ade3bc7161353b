"""Liquity v1 a second time, in the contract's integers: troves, stability pool, redistribution, recovery mode, redemption.

    raw       18 decimals of everything; divisions floor
    loss      of the pool for each unit deposited is rounded up, gains and redistributions down, what is lost is fed back
    head      the repository's head of 2025 instead of mainnet: the pool keeps 1 LUSD, recovery mode counts all that leaves
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

ONE, BILLION = 10**18, 10**9
MCR, CCR = 11 * ONE // 10, 15 * ONE // 10
RESERVE = 200 * ONE  # LUSD of gas compensation that each trove sets aside
LEAST_DEBT = 2000 * ONE  # of a trove after a redemption
FLOOR = ONE // 200  # least fee of a redemption
MINUTE_DECAY = 999_037_758_833_783_000  # of the base rate: half in twelve hours


class Reverted(Exception):
    """Nothing happened."""


@dataclass
class Trove:
    coll: int
    debt: int
    stake: int
    at: tuple[int, int]  # L terms it has had


@dataclass
class Deposit:
    units: int
    product: int
    gain: int
    scale: int
    epoch: int


@dataclass
class Portions:
    """What one liquidated trove comes to."""

    debt: int = 0
    coll: int = 0
    comp: int = 0
    offset: int = 0
    sent: int = 0  # collateral to the pool
    left_debt: int = 0
    left_coll: int = 0
    surplus: int = 0


@dataclass
class Call:
    """What a call did."""

    closed: list[int] = field(default_factory=list)
    debt: int = 0
    coll: int = 0
    comp: int = 0
    surplus: dict[int, int] = field(default_factory=dict)


def powered(minutes: int) -> int:
    """MINUTE_DECAY ** minutes: products rounded half up, as the contract squares and multiplies."""
    def times(a: int, b: int) -> int:
        return (a * b + ONE // 2) // ONE

    x, y, n = MINUTE_DECAY, ONE, minutes
    while n > 1:
        if n % 2:
            y = times(x, y)
        x, n = times(x, x), n // 2
    return times(x, y) if minutes else ONE


class Liquity:
    """The system of one path."""

    def __init__(self, head: bool = False) -> None:
        self.head = head
        self.troves: dict[int, Trove] = {}
        self.deposits: dict[int, Deposit] = {}
        self.price = 0
        self.stakes = self.stakes_then = self.coll_then = 0  # total of stakes; snapshots of it and of all collateral
        self.l_coll = self.l_debt = self.coll_error = self.debt_error = 0
        self.coll = self.debt = 0  # of all troves, redistributed amounts included
        self.pool = self.pool_coll = 0
        self.product, self.scale, self.epoch = ONE, 0, 0
        self.gains: dict[tuple[int, int], int] = {}
        self.gain_error = self.loss_error = 0
        self.surplus: dict[int, int] = {}
        self.refused = ""  # why the last call was
        self.base_rate = 0
        self.rate_at = 0.0  # [s] of the last operation that moved it

    # troves

    def entire(self, who: int) -> tuple[int, int]:
        """(collateral, debt), what was redistributed to it included."""
        trove = self.troves[who]
        return (trove.coll + trove.stake * (self.l_coll - trove.at[0]) // ONE,
                trove.debt + trove.stake * (self.l_debt - trove.at[1]) // ONE)

    def ratio(self, who: int) -> int:
        """Collateral ratio of a trove."""
        coll, debt = self.entire(who)
        return coll * self.price // debt

    def total_ratio(self) -> int:
        return self.coll * self.price // self.debt

    def recovery(self) -> bool:
        return self.total_ratio() < CCR

    def new_stake(self, coll: int) -> int:
        return coll if self.coll_then == 0 else coll * self.stakes_then // self.coll_then

    def open(self, who: int, coll: int, debt: int) -> None:
        stake = self.new_stake(coll)
        self.troves[who] = Trove(coll, debt, stake, (self.l_coll, self.l_debt))
        self.stakes, self.coll, self.debt = self.stakes + stake, self.coll + coll, self.debt + debt

    def order(self) -> list[int]:
        """Lowest ratio first."""
        def nominal(who: int) -> int:
            coll, debt = self.entire(who)
            return coll * 10**20 // debt
        return sorted(self.troves, key=nominal)

    # stability pool

    def gains_at(self, epoch: int, scale: int) -> int:
        return self.gains.get((epoch, scale), 0)

    def compounded(self, who: int) -> int:
        one = self.deposits.get(who)
        if one is None or one.epoch < self.epoch:
            return 0
        steps = self.scale - one.scale
        left = 0 if steps > 1 else one.units * self.product // one.product // (BILLION if steps else 1)
        return left if left >= one.units // BILLION else 0

    def gained(self, who: int) -> int:
        one = self.deposits.get(who)
        if one is None:
            return 0
        sums = (self.gains_at(one.epoch, one.scale) - one.gain) + self.gains_at(one.epoch, one.scale + 1) // BILLION
        return one.units * sums // one.product // ONE

    def set_deposit(self, who: int, units: int) -> int:
        """What the depositor is paid in collateral."""
        gain = self.gained(who)
        self.pool_coll -= gain
        self.deposits[who] = Deposit(units, self.product, self.gains_at(self.epoch, self.scale), self.scale, self.epoch)
        return gain

    def deposit(self, who: int, units: int) -> int:
        left = self.compounded(who)
        self.pool += units
        return self.set_deposit(who, left + units)

    def withdraw(self, who: int, units: int) -> tuple[int, int]:
        """(paid in LUSD, in collateral)."""
        if units and min(self.ratio(one) for one in self.troves) < MCR:
            raise Reverted("troves below MCR")
        left = self.compounded(who)
        paid = min(units, left)
        if self.head and self.pool - paid < ONE:
            raise Reverted("the pool keeps 1 LUSD")
        self.pool -= paid
        return paid, self.set_deposit(who, left - paid)

    def to_offset(self) -> int:
        """Of what is deposited."""
        return max(self.pool - ONE, 0) if self.head else self.pool

    def offset(self, debt: int, coll: int) -> None:
        if self.pool == 0 or debt == 0:
            return
        gain_numerator = coll * ONE + self.gain_error
        if debt == self.pool:
            loss, self.loss_error = ONE, 0
        else:
            numerator = debt * ONE - self.loss_error
            loss = numerator // self.pool + 1
            self.loss_error = loss * self.pool - numerator
        gain = gain_numerator // self.pool
        self.gain_error = gain_numerator - gain * self.pool
        key, factor = (self.epoch, self.scale), ONE - loss
        self.gains[key] = self.gains_at(*key) + gain * self.product
        if factor == 0 and not self.head:
            self.epoch, self.scale, self.product = self.epoch + 1, 0, ONE
        elif self.product * factor // ONE < BILLION:
            self.product, self.scale = self.product * factor * BILLION // ONE, self.scale + 1
        else:
            self.product = self.product * factor // ONE
        if self.product == 0:
            raise Reverted("P would be 0")
        self.pool, self.pool_coll = self.pool - debt, self.pool_coll + coll

    # liquidation

    def portions(self, who: int, ratio: int, pool: int, total_ratio: int | None) -> Portions | None:
        """What liquidating it comes to; None: it is left alone. total_ratio: in recovery mode."""
        coll, debt = self.entire(who)
        if total_ratio is not None and len(self.troves) <= 1:
            return None
        if ratio < MCR:
            comp = coll // 200
            sent_debt = 0 if total_ratio is not None and ratio <= ONE else min(debt, pool)
            sent = (coll - comp) * sent_debt // debt
            return Portions(debt, coll, comp, sent_debt, sent, debt - sent_debt, coll - comp - sent)
        if total_ratio is not None and ratio < total_ratio and debt <= pool:
            capped = debt * MCR // self.price
            return Portions(debt, coll, capped // 200, debt, capped - capped // 200, 0, 0, coll - capped)
        return None

    def call(self, queue: Iterable[int], sequence: bool) -> Call:
        """One call for these troves in turn; all of it reverts or none."""
        before = copy.deepcopy(self.__dict__)
        try:
            return self.calling(queue, sequence)
        except Reverted as why:
            self.__dict__.update(before)
            self.refused = str(why)
            raise

    def calling(self, queue: Iterable[int], sequence: bool) -> Call:
        """The same, whatever becomes of what went before a revert."""
        out, sums, pool = Call(), Portions(), self.to_offset()
        coll, debt, recovery = self.coll, self.debt, self.recovery()
        for who in queue:
            if who not in self.troves:
                continue
            ratio = self.ratio(who)
            if recovery and ratio >= MCR and pool == 0:
                if sequence:
                    break
                continue
            if not recovery and ratio >= MCR:
                if sequence:
                    break
                continue
            one = self.portions(who, ratio, pool, coll * self.price // debt if recovery else None)
            if one is None:
                continue
            self.close(who)
            out.closed.append(who)
            pool -= one.offset
            debt -= one.offset
            coll -= one.sent
            if sequence or self.head:
                coll -= one.surplus
            if self.head:
                coll -= one.comp
            for name in ("debt", "coll", "comp", "offset", "sent", "left_debt", "left_coll", "surplus"):
                setattr(sums, name, getattr(sums, name) + getattr(one, name))
            if one.surplus:
                out.surplus[who] = one.surplus
            recovery = recovery and coll * self.price // debt < CCR
        if not out.closed:
            raise Reverted("nothing to liquidate")
        self.offset(sums.offset, sums.sent)
        self.redistribute(sums.left_debt, sums.left_coll)
        for who, units in out.surplus.items():
            self.surplus[who] = self.surplus.get(who, 0) + units
        self.coll -= sums.sent + sums.comp + sums.surplus
        self.debt -= sums.offset
        self.stakes_then, self.coll_then = self.stakes, self.coll
        out.debt, out.coll, out.comp = sums.debt, sums.coll - sums.comp - sums.surplus, sums.comp
        return out

    def close(self, who: int) -> None:
        if len(self.troves) <= 1:
            raise Reverted("only one trove")
        self.stakes -= self.troves.pop(who).stake

    def redistribute(self, debt: int, coll: int) -> None:
        if debt == 0:
            return
        numerators = coll * ONE + self.coll_error, debt * ONE + self.debt_error
        each = [numerator // self.stakes for numerator in numerators]
        self.coll_error, self.debt_error = (n - one * self.stakes for n, one in zip(numerators, each, strict=True))
        self.l_coll, self.l_debt = self.l_coll + each[0], self.l_debt + each[1]

    # redemption

    def redeem(self, units: int, now: float) -> tuple[int, int, int]:
        """(stablecoin handed in, collateral drawn, of which the fee). now: [s]."""
        if self.total_ratio() < MCR:
            raise Reverted("below MCR")
        supply, left, drawn = self.debt, units, 0
        for who in self.order():
            coll, debt = self.entire(who)
            if self.ratio(who) < MCR or left == 0:
                continue
            lot = min(left, debt - RESERVE)
            taken = lot * ONE // self.price
            if debt - lot == RESERVE:
                self.close(who)
                self.surplus[who] = self.surplus.get(who, 0) + coll - taken
                self.coll, self.debt = self.coll - (coll - taken), self.debt - RESERVE
            elif debt - lot < LEAST_DEBT:
                break
            else:
                self.stakes -= self.troves[who].stake
                self.troves[who] = Trove(coll - taken, debt - lot, self.new_stake(coll - taken), (self.l_coll, self.l_debt))
                self.stakes += self.troves[who].stake
            self.coll, self.debt, left, drawn = self.coll - taken, self.debt - lot, left - lot, drawn + taken
        if drawn == 0:
            raise Reverted("nothing to redeem")
        rate = self.base_rate * powered(int((now - self.rate_at) // 60)) // ONE
        self.base_rate = min(rate + drawn * self.price // supply // 2, ONE)
        if now - self.rate_at >= 60:
            self.rate_at = now
        return units - left, drawn, drawn * min(FLOOR + self.base_rate, ONE) // ONE

    def liquidate(self, who: int) -> Call:
        return self.call([who], False)

    def batch(self, troves: Iterable[int]) -> Call:
        return self.call(troves, False)

    def sequence(self, most: int) -> Call:
        return self.call(self.from_the_lowest(most), True)

    def from_the_lowest(self, most: int) -> Iterator[int]:
        order = self.order()
        yield from (order[:-1] if self.recovery() else order)[:most]
