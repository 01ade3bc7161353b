"""Compound v2's rules held to what the contract did: one account with one call on it.

Tolerances, float64 against the contract's integers: 1e-9 relative and five smallest units of the quantity. What is seized
is repay x a ratio that the contract rounds to its own smallest unit, 1e-18 raw vTokens a raw unit repaid: five of those for
every unit repaid too. Of a cheap debt of 18 decimals against a dear collateral of 8 that ratio keeps about five digits. What
is left of vTokens agrees to the last digits of what there was.
"""

from __future__ import annotations

from typing import Any

import pytest

from delever.protocols.compound import Compound
from protocols.one_account import Account, Call, Collateral, Debt, call, imbalance, ready
from protocols.vectors import number
from reference import contracts

RELATIVE, UNITS = 1e-9, 5.0
USD_UNIT = 1e-18  # of liquidity and shortfall
VTOKEN_UNIT = 1e-8
RATIO_UNIT = 1e-18  # raw vTokens a raw unit repaid
DIGITS = 2.0**-50  # of what there was: what is left is a difference of float64s
OF_CALLS = ("close_factor", "liquidation_incentive", "repay")
OF_MARKETS = ("price", "collateral_factor", "vtokens", "exchange_rate", "borrow")

Case = dict[str, Any]


def market(case: Case, role: str) -> Case:
    """The market of the case's "borrowed" or "collateral"."""
    found: Case = next(m for m in case["in"]["markets"] if m["asset"] == case["in"][role])
    return found


def raw_numbers(case: Case) -> dict[str, int]:
    """What the case gives, in the contract's integers; those of markets one behind the other."""
    given = case["in"]
    return {f"{k} {name}": int(m[name][0]) for k, m in enumerate(given["markets"]) for name in OF_MARKETS} | {
        name: int(given[name][0]) for name in OF_CALLS} | {"ratio_more": 0}


def raw_markets(g: dict[str, int]) -> list[dict[str, int]]:
    """Of such numbers those of each market."""
    count = sum(name.endswith(" borrow") for name in g)
    return [{name: g[f"{k} {name}"] for name in OF_MARKETS} for k in range(count)]


def decided(case: Case, g: dict[str, int]) -> str:
    """What the contract decides, by its arithmetic in integers, where the numbers of the case are these."""
    names = [m["asset"] for m in case["in"]["markets"]]
    taken, repaid = (names.index(case["in"][role]) for role in ("collateral", "borrowed"))
    return contracts.compound_call(raw_markets(g), taken, repaid, g)


def account(case: Case) -> Account:
    """The account, of which only the pair of the case may be called. Units of collateral are of the underlying."""
    given, held, owed = case["in"], [], []
    incentive = number(given["liquidation_incentive"]) - 1.0
    for m in given["markets"]:
        price = number(m["price"])
        if number(m["vtokens"]) > 0.0:
            held.append(Collateral(m["asset"], number(m["vtokens"]) * number(m["exchange_rate"]), price,
                                   number(m["collateral_factor"]), incentive, m["asset"] == given["collateral"],
                                   index=number(m["exchange_rate"])))
        if number(m["borrow"]) > 0.0:
            owed.append(Debt(m["asset"], number(m["borrow"]), price, m["asset"] == given["borrowed"]))
    return Account(tuple(held), tuple(owed))


def called(case: Case) -> Call:
    """A call with the offer of the case as the most that is repaid."""
    who = account(case)
    rules = Compound(version="v2", close_factor=number(case["in"]["close_factor"]))
    return call(ready(rules, who), who, most=number(case["in"]["repay"]))


def outcome(case: Case) -> str:
    """What the contract answered."""
    return str(case["out"].get("error") or case["out"].get("revert") or "accepted")


def room(theirs: float, unit: float) -> float:
    return RELATIVE * abs(theirs) + UNITS * unit


def vtoken_room(case: Case, theirs: float) -> float:
    """Of a quantity of vTokens after a call. [vTokens]"""
    raw_repaid, held = float(case["in"]["repay"][0]), number(market(case, "collateral")["vtokens"])
    return room(theirs, VTOKEN_UNIT) + UNITS * RATIO_UNIT * raw_repaid * VTOKEN_UNIT + DIGITS * held


def check_accepted(case: Case) -> None:
    """What is repaid and seized, and how the account stands then."""
    done, out, repaid, taken = called(case), case["out"], case["in"]["borrowed"], case["in"]["collateral"]
    token, rate = 10.0 ** -market(case, "borrowed")["decimals"], number(market(case, "collateral")["exchange_rate"])
    assert done.settled and done.kept == 0.0, case["id"]
    for what, ours in (("repaid", done.repay), ("borrow_after", done.units_left(repaid, Debt)),
                       ("seized_vtokens", done.seize / rate), ("vtokens_after", done.units_left(taken, Collateral) / rate)):
        theirs = number(out[what])
        allowed = vtoken_room(case, theirs) if "vtokens" in what else room(theirs, token)
        assert abs(ours - theirs) <= allowed, f"{case['id']}: {what} is {ours!r}, contract {theirs!r}"
    backing, debt = done.account.sides(done.amount)
    gap = number(out["shortfall_after"]) - number(out["liquidity_after"])
    price = number(market(case, "collateral")["price"]) * rate
    slack = room(debt, USD_UNIT) + room(backing, USD_UNIT) + vtoken_room(case, 0.0) * price
    slack += UNITS * token * number(market(case, "borrowed")["price"])
    assert abs(debt - backing - gap) <= slack, case["id"]
    assert imbalance(done) < 1e-12, case["id"]


def check_healthy(case: Case) -> None:
    """Nobody is called."""
    assert (called(case).settled, called(case).repay) == (False, 0.0), case["id"]


def check_above_the_close_factor(case: Case) -> None:
    """The offer is cut."""
    done, token = called(case), 10.0 ** -market(case, "borrowed")["decimals"]
    limit = number(case["in"]["close_factor"]) * number(market(case, "borrowed")["borrow"])
    held = done.seize >= next(leg.units for leg in done.account.collaterals if leg.callable)
    assert number(case["in"]["repay"]) >= limit - room(limit, token), case["id"]
    assert done.settled and (held or abs(done.repay - limit) <= room(limit, token)), case["id"]


def check_too_much(case: Case) -> None:
    """What there is, is taken."""
    done, incentive = called(case), number(case["in"]["liquidation_incentive"])
    taken, repaid = market(case, "collateral"), market(case, "borrowed")
    held = number(taken["vtokens"]) * number(taken["exchange_rate"])
    assert done.seize == pytest.approx(held, rel=1e-15), case["id"]
    worth = held * number(taken["price"]) / incentive / number(repaid["price"])
    assert done.repay == pytest.approx(worth, rel=1e-12) and done.repay <= number(case["in"]["repay"]), case["id"]
    assert done.units_left(taken["asset"], Collateral) == 0.0, case["id"]
    assert done.units_left(repaid["asset"], Debt) > 0.0, case["id"]  # what is left is owed on: nothing is written off


CHECKS = {"accepted": check_accepted, "INSUFFICIENT_SHORTFALL": check_healthy, "TOO_MUCH_REPAY": check_above_the_close_factor,
          "LIQUIDATE_SEIZE_TOO_MUCH": check_too_much}


def check_call(case: Case) -> None:
    """By what the contract answered."""
    CHECKS[outcome(case)](case)
