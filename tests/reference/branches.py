"""Liquity v2 a second time, in the contract's integers: branches, interest, redemption by rate, shutdown, urgent redemption.

    raw       18 decimals of everything; divisions floor
    interest  simple, on what a trove owed when it was touched last; a shutdown ends it
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reference.troves import ONE, Reverted

YEAR = 365 * 86400
CAP, SHARE_OF_CALLER = 2 * ONE, 200
KEPT = ONE  # of a pool
POOL_PENALTY, BONUS, FLOOR, LEAST = ONE // 20, ONE // 50, ONE // 200, 2000 * ONE
MINUTE_DECAY = 998_076_443_575_628_800  # of the base rate: half in six hours


def powered(minutes: int) -> int:
    """MINUTE_DECAY ** minutes."""
    out = ONE
    for _ in range(minutes):
        out = (out * MINUTE_DECAY + ONE // 2) // ONE
    return out


@dataclass
class Trove:
    coll: int
    debt: int
    rate: int  # a year
    stake: int
    last: int  # [s] when it was touched
    at: tuple[int, int] = (0, 0)  # L terms it has had
    zombie: bool = False


@dataclass
class Branch:
    """One collateral. All moments in whole seconds."""

    mcr: int
    scr: int
    penalty: int  # of a redistribution
    price: int
    pool: int = 0
    troves: dict[int, Trove] = field(default_factory=dict)
    surplus: dict[int, int] = field(default_factory=dict)
    pool_coll: int = 0
    l_coll: int = 0
    l_debt: int = 0
    stakes_then: int = 0
    coll_then: int = 0
    down: int | None = None
    next: int | None = None  # zombie
    called: int = 0

    def open(self, who: int, coll: int, debt: int, rate: int) -> None:
        self.troves[who] = Trove(coll, debt, rate, coll, 0, zombie=debt < LEAST)

    def entire(self, who: int, now: int) -> tuple[int, int]:
        """(collateral, debt), what was redistributed to it and interest included."""
        t = self.troves[who]
        until = now if self.down is None else min(now, self.down)
        interest = t.debt * t.rate * max(until - t.last, 0) // YEAR // ONE
        return (t.coll + t.stake * (self.l_coll - t.at[0]) // ONE,
                t.debt + interest + t.stake * (self.l_debt - t.at[1]) // ONE)

    def ratio(self, who: int, now: int) -> int:
        coll, debt = self.entire(who, now)
        return coll * self.price // debt if debt else 10**40

    def debt(self, now: int) -> int:
        return sum(self.entire(who, now)[1] for who in self.troves)

    def coll(self, now: int) -> int:
        return sum(self.entire(who, now)[0] for who in self.troves)

    def total_ratio(self, now: int) -> int:
        debt = self.debt(now)
        return self.coll(now) * self.price // debt if debt else 10**40

    def touch(self, who: int, coll: int, debt: int, now: int) -> None:
        t = self.troves[who]
        t.coll, t.debt, t.last, t.at = coll, debt, now, (self.l_coll, self.l_debt)
        t.stake = coll * self.stakes_then // self.coll_then if self.coll_then else coll

    def look(self, now: int) -> None:
        """Shut down where it must be."""
        if self.down is None and self.total_ratio(now) < self.scr:
            self.down = now

    def split(self, coll: int, debt: int) -> tuple[int, int, int, int, int]:
        """(burned, to the pool, redistributed debt, collateral with it, surplus) of a trove less what the caller gets."""
        burned = min(debt, max(self.pool - KEPT, 0))
        part = coll * burned // debt
        sent = min(part, burned * (ONE + POOL_PENALTY) // self.price)
        surplus, left = part - sent, debt - burned
        if not left:
            return burned, sent, 0, 0, surplus
        rest = coll - part + surplus
        spread = min(rest, left * (ONE + self.penalty) // self.price)
        return burned, sent, left, spread, rest - spread

    def liquidate(self, who: int, now: int) -> None:
        if who not in self.troves or len(self.troves) <= 1 or not self.entire(who, now)[1] or self.ratio(who, now) >= self.mcr:
            raise Reverted("not to be liquidated")
        coll, debt = self.entire(who, now)
        comp = min(coll // SHARE_OF_CALLER, CAP)
        burned, sent, left, spread, surplus = self.split(coll - comp, debt)
        stakes = sum(t.stake for other, t in self.troves.items() if other != who)
        if left and not stakes:
            raise Reverted("nobody is left to bear it")
        del self.troves[who]
        self.next = None if self.next == who else self.next
        self.pool, self.pool_coll = self.pool - burned, self.pool_coll + sent
        if left:
            self.l_coll += spread * ONE // stakes
            self.l_debt += left * ONE // stakes
        if surplus:
            self.surplus[who] = self.surplus.get(who, 0) + surplus
        self.stakes_then, self.coll_then = stakes, self.coll(now)
        self.called += 1

    def by_rate(self) -> list[int]:
        return sorted(self.troves, key=lambda who: (self.troves[who].rate, who))

    def redeem(self, units: int, fee: int, now: int) -> int:
        """What was handed in."""
        left = units
        line = [self.next] if self.next is not None else []
        line += [who for who in self.by_rate() if not self.troves[who].zombie]
        for who in line:
            coll, debt = self.entire(who, now)
            if not left or not debt or coll * self.price // debt < ONE:
                continue
            lot = min(left, debt)
            taken = lot * ONE // self.price
            taken -= taken * fee // ONE
            self.touch(who, coll - taken, debt - lot, now)
            left -= lot
            if debt - lot < LEAST:
                if not self.troves[who].zombie:
                    self.troves[who].zombie = True
                    self.next = who if debt - lot else self.next
                elif debt == lot:
                    self.next = None
        return units - left

    def urgent(self, units: int, now: int) -> int:
        """What was handed in after the shutdown."""
        if self.down is None:
            raise Reverted("not shut down")
        left = units
        for who in self.by_rate():
            coll, debt = self.entire(who, now)
            lot = min(left, debt)
            taken = lot * (ONE + BONUS) // self.price
            if taken > coll:
                lot, taken = coll * self.price // (ONE + BONUS), coll
            if lot:
                self.touch(who, coll - taken, debt - lot, now)
                left -= lot
        return units - left


class Bold:
    """All branches, and the registry that redemptions go through."""

    def __init__(self, branches: list[Branch], base_rate: int = 0) -> None:
        self.branches, self.base_rate, self.rate_at = branches, base_rate, 0

    def weights(self, now: int) -> tuple[list[int], int]:
        """By which a redemption is split, and their sum."""
        may = [b.down is None and b.total_ratio(now) >= b.scr for b in self.branches]
        unbacked = [max(b.debt(now) - b.pool, 0) if open_to else 0 for b, open_to in zip(self.branches, may, strict=True)]
        if not sum(unbacked):
            unbacked = [b.debt(now) if open_to else 0 for b, open_to in zip(self.branches, may, strict=True)]
        return unbacked, sum(unbacked)

    def redeem(self, units: int, now: int) -> int:
        """What was handed in, of so many units asked for."""
        supply, (weights, total) = sum(b.debt(now) for b in self.branches), self.weights(now)
        base = self.base_rate * powered((now - self.rate_at) // 60) // ONE
        fee = min(min(base + units * ONE // supply, ONE) + FLOOR, ONE)
        done = sum(b.redeem(units * w // total, fee, now) for b, w in zip(self.branches, weights, strict=True) if w)
        self.base_rate = min(base + done * ONE // supply, ONE)
        self.rate_at += (now - self.rate_at) // 60 * 60
        return done
