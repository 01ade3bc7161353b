"""Who may borrow what, beside the real contract: every combination of a mode and its list, isolation, siloed debt.

Aave 3.6. An account holds WETH, perhaps in category 1, perhaps owes DAI, and borrows USDC; what the contract answers is what
loopers meet here (core/limits.py).
"""

from __future__ import annotations

from itertools import product

from evm.aave_pool import BORROWER, Pool
from evm.chain import Refused
from evm.packages import contracts
from protocols.test_modes import ETH_LIKE, levered, loopers

COLLATERAL, DEBT, BESIDE = "WETH", "USDC", "DAI"
TERMS = 7900 | 8000 << 16 | 10500 << 32 | 1 << 56 | 1 << 58 | 1 << 252  # LTV, threshold, bonus, active, may be borrowed
IN_ISOLATION, SILOED, CEILING = 1 << 61, 1 << 62, 10**9 << 212


class Market:
    """A pool in which one account may hold WETH, and what is asked of it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        order = pool.pool("getReservesList")
        self.number = {name: [one.lower() for one in order].index(pool.token[name].address.lower()) for name in pool.token}
        pool.pool("configureEModeCategory", 1, (9000, 9300, 10100, ""))
        pool.pool("configureEModeCategoryCollateralBitmap", 1, self.bits(COLLATERAL))

    def bits(self, *assets: str) -> int:
        return sum(1 << self.number[asset] for asset in assets)

    def set(self, asset: str, more: int) -> None:
        decimals = self.pool.token[asset]("decimals")
        self.pool.pool("setConfiguration", self.pool.token[asset].address, (TERMS | decimals << 48 | more,))

    def borrow(self, asset: str, units: int) -> bool:
        """Whether it is accepted."""
        try:
            self.pool.pool("borrow", self.pool.token[asset].address, units, 2, 0, BORROWER, by=BORROWER)
        except Refused:
            return False
        return True

    def answers(self, category: int, listed: bool, isolated: bool, in_isolation: bool, siloed: bool, owes: bool) -> bool:
        """Whether USDC may be borrowed. The pool is as before."""
        before = self.pool.chain.evm.snapshot()
        try:
            for asset in (COLLATERAL, DEBT, BESIDE):
                self.pool.prices("set", self.pool.token[asset].address, 2000 * 10**8 if asset == COLLATERAL else 10**8)
            self.set(COLLATERAL, 0)
            self.set(BESIDE, IN_ISOLATION)
            self.set(DEBT, in_isolation * IN_ISOLATION | siloed * SILOED)
            self.pool.pool("configureEModeCategoryBorrowableBitmap", 1, self.bits(BESIDE, *[DEBT] * listed))
            self.pool.supply(BORROWER, COLLATERAL, 10 * 10**18)
            self.set(COLLATERAL, isolated * CEILING)
            if category:
                self.pool.pool("setUserEMode", category, by=BORROWER)
            if owes:
                assert self.borrow(BESIDE, 10**18)
            return self.borrow(DEBT, 1000 * 10**6)
        finally:
            self.pool.chain.evm.revert(before)


def test_every_combination_is_answered_as_the_contract_does() -> None:
    market, answers = Market(Pool(contracts("aave_v3_6"), "v3_6")), []
    for given in product((0, ETH_LIKE), *[(False, True)] * 5):
        category, listed, isolated, in_isolation, siloed, owes = given
        ours = levered(loopers("USDC", category, [("ETH", "collateral", 10.0)], "wstETH" if owes else "",
                               ETH={"debt_ceiling": 1e7 if isolated else None},
                               USDC={"borrowable_in": [0, ETH_LIKE] if listed else [0], "siloed": siloed,
                                     "borrowable_in_isolation": in_isolation}))
        theirs = market.answers(*given)
        assert ours == theirs, given
        answers.append(theirs)
    assert (len(answers), sum(answers)) == (64, 27)
