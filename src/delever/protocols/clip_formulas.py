"""The arithmetic of Maker's Dutch auctions: barks, prices that fall, purchases, resets. Nothing is written here.

    bark    room = min(hole of all - raised of all, hole - raised) > 0;   due = min(debt, room / chop);
            a rest below dust goes in too, beyond the holes; a due below dust is none.   lot = ink due / debt,  tab = due chop
    price   linear top (tau - t) / tau;   stairstep top cut^floor(t / step);   exponential top cut^t        t in whole seconds
    reset   t > tail  or  price / top < cusp
    take    owe = slice x price <= tab;  a part leaves a tab of chost = dust x chop, or there is none
Real arithmetic: the contracts round every division down and every product of a power to 1e-27.
Source: makerdao/dss fa4f6630 (dog.sol, clip.sol, abaci.sol), whose executed results the tests hold this to.
"""

from __future__ import annotations

import math

import numpy as np

from delever.core.elementary import ROUNDING
from delever.core.jit import helper

# columns of a protocol's rules; OURS: 1, its vaults are auctioned here
OURS, CURVE, BUF, CUT, STEP, TAU, TAIL, CUSP, TIP, CHIP, DUST, HOLE, HOLE_OF_ALL = range(13)
LINEAR, STAIRSTEP, EXPONENTIAL = range(3)


@helper
def fraction(age: float, rules: np.ndarray) -> float:
    """price / top at an age [whole s]; powers by squaring, so that the bits are the same everywhere. rules: [columns]."""
    if rules[CURVE] == LINEAR:
        return max(rules[TAU] - age, 0.0) / rules[TAU]
    n = int(math.floor(age / rules[STEP])) if rules[CURVE] == STAIRSTEP else int(age)
    base, out = rules[CUT], 1.0
    while n > 0:
        if n & 1:
            out *= base
        base, n = base * base, n >> 1
    return out


@helper
def must_reset(age: float, rules: np.ndarray) -> bool:
    """Whether nothing can be bought before somebody starts the auction anew."""
    return age > rules[TAIL] or fraction(age, rules) < rules[CUSP]


@helper
def next_look(started: float, now: float, rules: np.ndarray) -> float:
    """When an auction is next another: at a new price or when it must be reset; inf: it must be already [whole s]."""
    age = now - started
    if must_reset(age, rules):
        return np.inf
    at = math.floor(rules[TAIL]) + 1.0
    if rules[CURVE] == STAIRSTEP:
        at = min(at, math.ceil((math.floor(age / rules[STEP]) + 1.0) * rules[STEP]))
    elif rules[CURVE] == EXPONENTIAL or age < rules[TAU]:
        at = min(at, age + 1.0)
    return started + at


@helper
def bark(ink: float, debt: float, chop: float, dust: float, room: float) -> tuple[float, float]:
    """(units that go into the lot, debt that goes with them) of a vault that is unsafe; (0, 0): it must wait."""
    if not (room > 0.0 and ink > 0.0 and debt > 0.0):
        return 0.0, 0.0
    due = room / chop
    if due >= debt or debt - due < dust:
        return ink, debt
    if due < dust * (1.0 + ROUNDING):  # the contract rounds down what it puts up: where there is room for dust alone it is less
        return 0.0, 0.0
    return ink * due / debt, due


@helper
def purchase(lot: float, tab: float, chost: float, price: float, units: float, owe: float) -> tuple[float, float]:
    """(paid, bought) of a taker who asks for `units` <= lot, worth `owe` at the price; (-1, 0): refused."""
    if owe > tab:
        return tab, min(tab / price, lot)
    if owe < tab and units < lot and tab - owe < chost:
        if tab <= chost:
            return -1.0, 0.0
        return tab - chost, (tab - chost) / price
    return owe, units


@helper
def asked(lot: float, price: float, most: float) -> tuple[float, float]:
    """(units, what they cost) that a taker asks for who brings at most `most`; 0: whatever it takes."""
    if 0.0 < most < lot * price:
        return most / price, most
    return lot, lot * price


@helper
def again_reward(tab: float, lot: float, chost: float, feed: float, rules: np.ndarray) -> float:
    """What is paid for a redo: nothing for dust."""
    return rules[TIP] + rules[CHIP] * tab if tab >= chost and lot * feed >= chost else 0.0


@helper
def room_of(number: int, asset: int, p: int, rules: np.ndarray, raised: np.ndarray) -> float:
    """What may still be raised from a collateral: strictly above 0, or nobody is barked at. raised: [protocols, A, P]."""
    of_all = 0.0
    for a in range(raised.shape[1]):
        of_all += raised[number, a, p]
    return min(rules[HOLE_OF_ALL] - of_all, rules[HOLE] - raised[number, asset, p])
