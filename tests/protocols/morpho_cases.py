"""Morpho Blue's rules held to what the contract did: one position with one call on it.

Tolerances, float64 against the contract's integers: 1e-9 relative and five smallest units of every token involved. A share is
worth total borrow assets / shares, so what is given in shares is repaid x that, and reckoned in assets here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.core.tables import DEFICIT
from delever.protocols.morpho import Morpho
from delever.rates.base import growth
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, ready
from protocols.vectors import number, raws
from reference import contracts

RELATIVE, UNITS = 1e-9, 5.0
VIRTUAL_ASSETS, VIRTUAL_SHARES = 1, 10**6  # SharesMathLib
BLUE = Morpho(version="v1")

Case = dict[str, Any]


def raw(case: Case, name: str) -> int:
    return int(case["in"][name][0])


def unit(case: Case, what: str) -> float:
    """The smallest unit of a token: "loan" or "collateral"."""
    return float(10.0 ** -case["in"][f"{what}_decimals"])


def owed(case: Case) -> float:
    """What the contract says that the borrower owes, rounded up to a unit of the loan token."""
    total, shares = raw(case, "total_borrow_assets") + VIRTUAL_ASSETS, raw(case, "total_borrow_shares") + VIRTUAL_SHARES
    return -(-raw(case, "borrow_shares") * total // shares) * unit(case, "loan")


def assets_of(case: Case, shares: int) -> float:
    """What shares of the debt are worth, units of the loan token."""
    worth = shares * (raw(case, "total_borrow_assets") + VIRTUAL_ASSETS) / (raw(case, "total_borrow_shares") + VIRTUAL_SHARES)
    return worth * unit(case, "loan")


def account(case: Case) -> Account:
    given = case["in"]
    lltv, price = number(given["lltv"]), number(given["price"])
    paid = BLUE.incentives(np.array([lltv]))
    return Account((Collateral("collateral", number(given["collateral"]), price, lltv, float(paid[0])),),
                   (Debt("loan", owed(case), 1.0),))


def asked(case: Case) -> float:
    """What the liquidator offers to repay, units of the loan token."""
    given = case["in"]
    if "repaid_shares" in given:
        return assets_of(case, raw(case, "repaid_shares"))
    who = account(case).collaterals[0]
    return number(given["seized_assets"]) * who.price / (1.0 + who.incentive)


def called(case: Case, times: float = 1.0) -> Call:
    """Ours. times: of what is asked."""
    who = account(case)
    return call(ready(BLUE, who), who, most=asked(case) * times)


def slack(case: Case) -> float:
    """Five smallest units of both tokens, in units of the loan token."""
    return UNITS * (unit(case, "loan") + unit(case, "collateral") * number(case["in"]["price"]))


def owed_after(case: Case) -> float:
    """What the borrower's shares are worth after the call, units of the loan token."""
    out = case["out"]
    total = int(out["total_borrow_assets_after"][0]) + VIRTUAL_ASSETS
    shares = int(out["total_borrow_shares_after"][0]) + VIRTUAL_SHARES
    return int(out["borrow_shares_after"][0]) * total / shares * unit(case, "loan")


def agrees(case: Case, times: float = 1.0) -> bool:
    """Whether a call that the contract accepted does here what it did there."""
    done, out, price = called(case, times), case["out"], number(case["in"]["price"])
    bad, owed, room = number(out["bad_debt_assets"]), owed_after(case), slack(case)
    return (done.settled and done.kept == 0.0 and imbalance(done) < 1e-12
            and abs(done.repay - number(out["repaid_assets"])) <= RELATIVE * done.repay + room
            and abs(done.seize - number(out["seized"])) <= RELATIVE * done.seize + room / price
            and abs(done.units_left("collateral", Collateral) - number(out["collateral_after"])) <= (
                RELATIVE * number(case["in"]["collateral"]) + room / price)
            and abs(done.booked(DEFICIT, "loan") - bad) <= RELATIVE * max(bad, done.repay) + room
            and abs(done.units_left("loan", Debt) - owed) <= RELATIVE * max(owed, done.repay) + room)


def refused(case: Case) -> str:
    """Why the contract refused; nothing where it did not."""
    return str(case["out"].get("revert", ""))


def room_to_borrow(case: Case) -> int:
    """What the position may owe beyond what it does, smallest units of the loan token: healthy at 0. The contract's integers."""
    return contracts.room_to_borrow(raws(case))


def cut_to_what_there_is(case: Case) -> bool:
    """Whether an offer of more than the position has, at which the contract panics, here clears the debt or the collateral."""
    done, who, price = called(case), account(case), number(case["in"]["price"])
    left = min(done.units_left("loan", Debt), done.units_left("collateral", Collateral) * price)
    return (done.settled and imbalance(done) < 1e-12 and left <= RELATIVE * done.repay + slack(case)
            and asked(case) >= done.repay * (1.0 - RELATIVE)
            and done.repay <= who.debts[0].units and done.seize <= who.collaterals[0].units)


def accrues_alike(case: Case) -> bool:
    """g = x + x^2 / 2 + x^3 / 6 of what is owed; the fee is a share of it, worth that at the price after."""
    given, out = case["in"], case["out"]
    before, after = number(given["total_borrow_assets"]), number(out["total_borrow_assets_after"])
    interest, room = before * growth(number(given["borrow_rate"]) * given["elapsed"]), UNITS * unit(case, "loan")
    worth = number(out["fee_shares"]) * (int(out["total_supply_assets_after"][0]) + VIRTUAL_ASSETS) / (
        int(out["total_supply_shares_after"][0]) + VIRTUAL_SHARES) * VIRTUAL_SHARES  # a share is 1e-6 of the token's unit
    return (abs(interest - number(out["interest"])) <= RELATIVE * interest + room
            and abs(before + interest - after) <= RELATIVE * after + room
            and abs(worth - number(given["fee"]) * interest) <= RELATIVE * worth + room)
