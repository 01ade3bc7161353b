"""A market of Aave v3 of two reserves and three users, as UiPoolDataProvider answers; amounts worked out by hand.

WETH: indices 1.1 (supplies) and 1.2 (debts), no interest since. 0xaa.. pledges 10 scaled = 11 WETH and owes 2000 scaled USDC at
1.05 = 2100; 0xbb.. supplies 100 scaled at 1.02 = 102 USDC, not as collateral; 0xcc.. has nothing.
"""

from __future__ import annotations

from typing import Any

RAY = 10**27
ETHER, DOLLAR = 10**18, 10**6
BLOCK, NOW = 19_000_000, 1_705_173_443
A, B, C = ("0x" + digit * 40 for digit in "abc")
WETH, USDC = "0x" + "1" * 40, "0x" + "2" * 40


def reserve(symbol: str, address: str, decimals: int, **more: Any) -> dict[str, Any]:
    return {
        "underlyingAsset": address, "name": symbol, "symbol": symbol, "decimals": decimals, "baseLTVasCollateral": 8000,
        "reserveLiquidationThreshold": 8300, "reserveLiquidationBonus": 10500, "reserveFactor": 1000,
        "usageAsCollateralEnabled": True, "borrowingEnabled": True, "isActive": True, "isFrozen": False,
        "liquidityIndex": RAY, "variableBorrowIndex": RAY, "liquidityRate": 0, "variableBorrowRate": 0,
        "lastUpdateTimestamp": NOW, "availableLiquidity": 0, "totalScaledVariableDebt": 0, "accruedToTreasury": 0,
        "virtualUnderlyingBalance": 0, "deficit": 0, **more,
    }  # fmt: skip


def held(address: str, supplied: int = 0, owed: int = 0, collateral: bool = True) -> dict[str, Any]:
    return {
        "underlyingAsset": address, "scaledATokenBalance": supplied, "usageAsCollateralEnabledOnUser": collateral,
        "scaledVariableDebt": owed,
    }  # fmt: skip


def market() -> dict[str, Any]:
    """The pool has 12.1 WETH, of which 1 scaled = 1.1 is the treasury's. All USDC is lent: 2100, 1998 of it the treasury's."""
    weth = reserve(
        "WETH", WETH, 18, liquidityIndex=RAY * 11 // 10, variableBorrowIndex=RAY * 12 // 10,
        virtualUnderlyingBalance=121 * ETHER // 10, availableLiquidity=13 * ETHER, accruedToTreasury=ETHER,
    )  # fmt: skip
    usdc = reserve(
        "USDC", USDC, 6, liquidityIndex=RAY * 102 // 100, variableBorrowIndex=RAY * 105 // 100,
        totalScaledVariableDebt=2000 * DOLLAR, liquidityRate=RAY // 50, accruedToTreasury=1_958_823_529,
    )  # fmt: skip
    return {
        "block": BLOCK,
        "timestamp": NOW,
        "getReservesData": [[weth, usdc], {"marketReferenceCurrencyUnit": 10**8}],
        "getUserReservesData": {
            A: [[held(WETH, 10 * ETHER), held(USDC, 0, 2000 * DOLLAR)], 0],
            B: [[held(WETH), held(USDC, 100 * DOLLAR, collateral=False)], 0],
            C: [[held(WETH), held(USDC)], 0],
        },
    }
