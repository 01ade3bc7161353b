"""Compound v2's real contracts (Venus 0.7.0) with tokens, prices and accounts of one's own, read as cases of golden vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evm.chain import ME, Chain, Contract, Refused

LENDER, BORROWER, CALLER = ("0x" + digit * 20 for digit in ("b1", "b2", "b3"))
NAMES = ("taken", "other", "repaid")  # a market each; of the second there may be a debt too
DECIMALS, VTOKEN_DECIMALS = (6, 8, 18), 8
WAD, WEALTH = 10**18, 10**45
NOW = 1_700_000_000  # [s]
RATE = 10**10  # of interest [1e-18 a block]
ALWAYS_ALLOWED = 10**12  # times the price of collateral: whoever borrows does so at that
ERRORS = {0: "", 3: "INSUFFICIENT_SHORTFALL", 17: "TOO_MUCH_REPAY"}


@dataclass(frozen=True)
class Market:
    """What a market is told, and what of it the account has. Smallest units."""

    decimals: int
    price: int  # [1e-36 USD a unit]
    factor: int  # [1e-18]
    supplied: int
    given: int  # to all who supply: what they have is worth more
    owed: int


@dataclass(frozen=True)
class Stated:
    """An account and the call on it."""

    close_factor: int  # [1e-18]
    incentive: int  # 1 + the bonus [1e-18]
    markets: tuple[Market, Market, Market]
    blocks: int  # until the call: interest accrues
    health: float  # the price of what is repaid is set so that backing / debt is this; 1: so that shortfall is `near`
    near: int  # [1e-18 USD]; within what a unit of that price makes
    share: float  # of what limits the offer: the close factor or, `by_collateral`, all that can be seized
    more: int  # than that is offered [units of the debt]
    by_collateral: bool


def pair(raw: int, digits: int) -> list[Any]:
    """A quantity as the golden vectors have it."""
    return [str(raw), raw / 10**digits]


class Pool:
    """A comptroller with a market for each name and decimals; every case starts from there."""

    def __init__(self, compiled: dict[str, Any]) -> None:
        chain = self.chain = Chain(compiled)
        chain.at(NOW, 1)
        self.comptroller, self.prices = chain.deploy("ComptrollerG1"), chain.deploy("Prices")
        rates = chain.deploy("Rates", RATE, 0)
        sure(self.comptroller, "_setPriceOracle", self.prices.address)
        sure(self.comptroller, "_setMaxAssets", len(NAMES))
        self.token = {d: chain.deploy("Token", d) for d in DECIMALS}
        for token in self.token.values():
            for who in (LENDER, BORROWER, CALLER):
                token("mint", who, WEALTH)
        self.market: dict[tuple[str, int], Contract] = {}
        for name in NAMES:
            for d in DECIMALS:
                made = self.market[name, d] = chain.deploy(
                    "VBep20Immutable", self.token[d].address, self.comptroller.address, rates.address,
                    2 * 10 ** (16 + d - VTOKEN_DECIMALS), name, name, VTOKEN_DECIMALS, ME)
                sure(self.comptroller, "_supportMarket", made.address)

    def called(self, stated: Stated) -> dict[str, Any]:
        """The case of one liquidation."""
        before = self.chain.evm.snapshot()
        try:
            return Position(self, stated).call()
        finally:
            self.chain.evm.revert(before)


def sure(contract: Contract, name: str, *given: Any, by: str = ME) -> None:
    """A call that answers with an error code, which must be none."""
    code = contract(name, *given, by=by)
    assert code == 0, (name, code)


class Position:
    """The account at the block of the call, at the stated prices."""

    def __init__(self, pool: Pool, stated: Stated) -> None:
        self.pool, self.s, self.comptroller = pool, stated, pool.comptroller
        self.markets = [pool.market[name, m.decimals] for name, m in zip(NAMES, stated.markets, strict=True)]
        pool.chain.at(NOW, 1)
        sure(self.comptroller, "_setCloseFactor", stated.close_factor)
        sure(self.comptroller, "_setLiquidationIncentive", stated.incentive)
        self.comptroller("enterMarkets", [market.address for market in self.markets], by=BORROWER)
        for market, m in zip(self.markets, stated.markets, strict=True):
            pool.prices("set", market.address, m.price * (ALWAYS_ALLOWED if m.supplied else 1))
            sure(self.comptroller, "_setCollateralFactor", market.address, m.factor)
            if m.owed:
                sure(market, "mint", 2 * m.owed, by=LENDER)
            if m.supplied:
                sure(market, "mint", m.supplied, by=BORROWER)
                pool.token[m.decimals]("mint", market.address, m.given)
        for market, m in zip(self.markets, stated.markets, strict=True):
            if m.owed:
                sure(market, "borrow", m.owed, by=BORROWER)
        pool.chain.at(NOW, 1 + stated.blocks)
        for market, m in zip(self.markets, stated.markets, strict=True):
            sure(market, "accrueInterest")
            pool.prices("set", market.address, m.price)
        self.price = [m.price for m in stated.markets]
        self.price[-1] = self.price_of_the_debt()
        pool.prices("set", self.markets[-1].address, self.price[-1])

    def snapshot(self, k: int) -> tuple[int, int, int]:
        """(vTokens, what is owed, exchange rate) of a market."""
        error, held, owed, rate = self.markets[k]("getAccountSnapshot", BORROWER)
        assert error == 0
        return held, owed, rate

    def liquidity(self) -> tuple[int, int]:
        """(liquidity, shortfall) [1e-18 USD]."""
        error, over, under = self.comptroller("getAccountLiquidity", BORROWER)
        assert error == 0
        return over, under

    def price_of_the_debt(self) -> int:
        """At which the account has the stated health."""
        self.pool.prices("set", self.markets[-1].address, 1)
        over, under = self.liquidity()
        room, owed = over - under, self.snapshot(-1)[1]
        if room <= 0:  # the other debt is more than all backing
            return self.s.markets[-1].price
        return max((room + self.s.near if self.s.health == 1.0 else int(room / self.s.health)) * WAD // owed, 1)

    def offer(self) -> int:
        """What is offered to repay."""
        s, repaid, taken = self.s, self.markets[-1].address, self.markets[0].address
        limit = s.close_factor * self.snapshot(-1)[1] // WAD
        if s.by_collateral:
            error, ratio = self.comptroller("liquidateCalculateSeizeTokens", repaid, taken, WAD)
            assert error == 0
            limit = -(-self.snapshot(0)[0] * WAD // max(ratio, 1))
        return max((limit if s.share == 1.0 else int(limit * s.share)) + s.more, 1)

    def stands(self) -> list[dict[str, Any]]:
        """The markets as the account uses them."""
        found = []
        for k, (name, m) in enumerate(zip(NAMES, self.s.markets, strict=True)):
            held, owed, rate = self.snapshot(k)
            found.append({"asset": name, "decimals": m.decimals, "price": pair(self.price[k], 36 - m.decimals),
                          "collateral_factor": pair(m.factor, 18), "vtokens": pair(held, VTOKEN_DECIMALS),
                          "exchange_rate": pair(rate, 18 + m.decimals - VTOKEN_DECIMALS), "borrow": pair(owed, m.decimals)})
        return found

    def call(self) -> dict[str, Any]:
        s, repay, (taken, _, repaid) = self.s, self.offer(), self.markets
        decimals, token = s.markets[-1].decimals, self.pool.token[s.markets[-1].decimals]
        given = {"close_factor": pair(s.close_factor, 18), "liquidation_incentive": pair(s.incentive, 18),
                 "markets": self.stands(), "borrowed": NAMES[-1], "collateral": NAMES[0], "repay": pair(repay, decimals)}
        over, under = self.liquidity()
        out: dict[str, Any] = {"liquidity": pair(over, 18), "shortfall": pair(under, 18)}
        case: dict[str, Any] = {"id": repr((s, repay)), "in": given, "out": out}
        error = ERRORS[self.comptroller("liquidateBorrowAllowed", repaid.address, taken.address, CALLER, BORROWER, repay)]
        before = token("balanceOf", CALLER)
        try:
            code = repaid("liquidateBorrow", BORROWER, repay, taken.address, by=CALLER)
        except Refused as why:
            return case | {"out": out | {"revert": why.reason}}
        assert bool(code) == bool(error), (code, error)
        if error:
            return case | {"out": out | {"error": error}}
        over, under = self.liquidity()
        return case | {"out": out | {
            "seized_vtokens": pair(taken("balanceOf", CALLER), VTOKEN_DECIMALS),
            "repaid": pair(before - token("balanceOf", CALLER), decimals),
            "borrow_after": pair(self.snapshot(-1)[1], decimals), "vtokens_after": pair(self.snapshot(0)[0], VTOKEN_DECIMALS),
            "liquidity_after": pair(over, 18), "shortfall_after": pair(under, 18)}}
