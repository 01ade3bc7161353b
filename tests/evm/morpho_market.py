"""Morpho Blue's real contract with tokens, prices and rates of one's own, read as cases of the golden vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi import encode

from evm.chain import ME, Chain, Refused

LENDER, OTHER, BORROWER, CALLER, EARNER = ("0x" + digit * 20 for digit in ("b1", "b2", "b3", "b4", "b5"))
WAD, SCALE = 10**18, 10**36  # of shares and rates, of an oracle's price
ALWAYS_ALLOWED = 10**9  # times the price: whoever borrows does so at that


@dataclass(frozen=True)
class Stated:
    """A market, its lender, another borrower who makes its shares worth more than 1, and the position. Smallest units."""

    loan_decimals: int
    collateral_decimals: int
    lltv: int  # [1e-18]
    price: int  # units of the loan for one of the collateral [1e-36]
    rate: int  # [1e-18 a second]
    fee: int  # on interest [1e-18]
    elapsed: int  # that interest has accrued when the position is taken, and then until the call [s]
    later: int
    supplied: int
    other: int
    collateral: int
    owed: int


def pair(raw: int, unit: float) -> list[Any]:
    """A quantity as the golden vectors have it."""
    return [str(raw), raw / unit]


class Blue:
    """The contract, and what a market needs beside it; every case starts from there."""

    def __init__(self, compiled: dict[str, Any]) -> None:
        chain = self.chain = Chain(compiled)
        self.contract, self.oracle, self.digest = chain.deploy("Morpho", ME), chain.deploy("Price"), chain.deploy("Digest")
        self.contract("setFeeRecipient", EARNER)
        self.token = {(side, d): chain.deploy("Token", d) for side in ("loan", "collateral") for d in (6, 8, 18)}
        for token in self.token.values():
            for who in (LENDER, OTHER, BORROWER, CALLER):
                token("mint", who, 10**60)

    def called(self, stated: Stated, seized: int = 0, shares: float = 0.0, more: int = 0) -> dict[str, Any]:
        """The case of one liquidation, of so much collateral or of a share of the debt and `more` of its shares."""
        before = self.chain.evm.snapshot()
        try:
            one = Position(self, stated)
            repaid = 0 if seized else max(int(one.borrow_shares() * shares) + more, 1)
            return one.call(seized, repaid)
        finally:
            self.chain.evm.revert(before)

    def accrued(self, stated: Stated) -> dict[str, Any]:
        """The case of what accrues until `later`."""
        before = self.chain.evm.snapshot()
        try:
            return Position(self, stated).accrue()
        finally:
            self.chain.evm.revert(before)


class Position:
    """A market with its position, at the time when that was taken."""

    def __init__(self, blue: Blue, stated: Stated) -> None:
        self.blue, self.contract, self.s = blue, blue.contract, stated
        irm = blue.chain.deploy("Rates", stated.rate, 0)
        self.tokens = [blue.token["loan", stated.loan_decimals], blue.token["collateral", stated.collateral_decimals]]
        self.terms = (*(token.address for token in self.tokens), blue.oracle.address, irm.address, stated.lltv)
        self.id = blue.digest("digest", encode(["address"] * 4 + ["uint256"], self.terms))
        call, now = self.contract, 1_700_000_000
        blue.chain.at(now)
        call("enableLltv", stated.lltv)
        call("enableIrm", irm.address)
        call("createMarket", self.terms)
        if stated.fee:
            call("setFee", self.terms, stated.fee)
        blue.oracle("set", stated.price * ALWAYS_ALLOWED)
        call("supply", self.terms, stated.supplied, 0, LENDER, b"", by=LENDER)
        self.borrow(OTHER, stated.other * SCALE // stated.price + 1, stated.other)
        blue.chain.at(now + stated.elapsed)
        call("accrueInterest", self.terms)
        self.borrow(BORROWER, stated.collateral, stated.owed)
        self.time = now + stated.elapsed

    def borrow(self, who: str, collateral: int, units: int) -> None:
        self.contract("supplyCollateral", self.terms, collateral, who, b"", by=who)
        self.contract("borrow", self.terms, units, 0, who, who, by=who)

    def borrow_shares(self) -> int:
        return int(self.contract("position", self.id, BORROWER)[1])

    def totals(self, suffix: str) -> dict[str, list[Any]]:
        """What the market says of itself; shares are 1e-6 of a unit of the loan."""
        found = self.contract("market", self.id)[:4]
        names = ("total_supply_assets", "total_supply_shares", "total_borrow_assets", "total_borrow_shares")
        return {name + suffix: pair(raw, 10.0 ** (self.s.loan_decimals + 6 * ("shares" in name)))
                for name, raw in zip(names, found, strict=True)}

    def accrue(self) -> dict[str, Any]:
        s, unit = self.s, 10.0**self.s.loan_decimals
        given = self.totals("") | {"borrow_rate": pair(s.rate, WAD), "elapsed": s.later, "fee": pair(s.fee, WAD),
                                   "loan_decimals": s.loan_decimals, "collateral_decimals": s.collateral_decimals}
        owed, earned = self.contract("market", self.id)[2], self.contract("position", self.id, EARNER)[0]
        self.blue.chain.at(self.time + s.later)
        self.contract("accrueInterest", self.terms)
        interest = self.contract("market", self.id)[2] - owed
        shares = self.contract("position", self.id, EARNER)[0] - earned
        out = self.totals("_after") | {"interest": pair(interest, unit), "fee_shares": pair(shares, 1e6 * unit)}
        return {"id": repr(s), "kind": "accrue", "in": given, "out": out}

    def call(self, seized: int, repaid: int) -> dict[str, Any]:
        """At the stated price, when interest has accrued once more."""
        s, loan, held = self.s, 10.0**self.s.loan_decimals, 10.0**self.s.collateral_decimals
        self.blue.chain.at(self.time + s.later)
        self.contract("accrueInterest", self.terms)
        self.blue.oracle("set", s.price)
        shares = self.borrow_shares()
        given = self.totals("") | {
            "lltv": pair(s.lltv, WAD), "price": pair(s.price, SCALE * loan / held),
            "loan_decimals": s.loan_decimals, "collateral_decimals": s.collateral_decimals,
            "borrow_shares": pair(shares, 1e6 * loan), "collateral": pair(s.collateral, held)}
        given |= {"seized_assets": pair(seized, held)} if seized else {"repaid_shares": pair(repaid, 1e6 * loan)}
        case: dict[str, Any] = {"id": repr((s, seized, repaid)), "kind": "liquidate", "in": given}
        had, owned = (token("balanceOf", CALLER) for token in reversed(self.tokens))
        try:
            self.contract("liquidate", self.terms, BORROWER, seized, repaid, b"", by=CALLER)
        except Refused as why:
            return case | {"out": {"revert": why.reason}}
        taken, paid = self.tokens[1]("balanceOf", CALLER) - had, owned - self.tokens[0]("balanceOf", CALLER)
        _, shares, left = self.contract("position", self.id, BORROWER)
        bad = int(given["total_supply_assets"][0]) - self.contract("market", self.id)[0]
        return case | {"out": self.totals("_after") | {
            "seized": pair(taken, held), "repaid_assets": pair(paid, loan), "bad_debt_assets": pair(bad, loan),
            "borrow_shares_after": pair(shares, 1e6 * loan), "collateral_after": pair(left, held)}}
