"""Compound v3 (Comet) on Ethereum, as the deployment files of its repository state it: the markets of USDC and of USDT.

`liquidation_threshold` is liquidateCF, `loan_to_value` borrowCF, `incentive` 1 / liquidationFactor - 1: see protocols/comet.py.
What storeFrontPriceFactor and targetReserves are, `comet.usdc` and `comet.usdt` say.
"""

from __future__ import annotations

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "usdc": "compound-finance/comet @d5a30b0, deployments/mainnet/usdc/configuration.json",
    "usdt": "compound-finance/comet @d5a30b0, deployments/mainnet/usdt/configuration.json",
}
NOTE = (
    "As deployed: votes since then are not in the files (absorptions of October 2025 show a storefront factor of 60 % for USDC, "
    "too). Rates are 0: assumption, not an estimate; `rates` takes the curve (`two_kinked`)."
)


def _held(borrow: float, liquidate: float, factor: float, cited: str, cap: float | None = None) -> Entry:
    """borrow, liquidate: collateral factors; factor: liquidation factor; cap: supply cap, units."""
    values = {"liquidation_threshold": liquidate, "loan_to_value": borrow, "incentive": 1.0 / factor - 1.0}
    return Entry(values | ({} if cap is None else {"supply_cap": cap}), (cited,))


def _base(cited: str) -> Entry:
    """It backs nothing."""
    return Entry({"liquidation_threshold": 0.0, "incentive": 0.0}, (cited,))


PARAMETERS: dict[str, ParameterSet] = {
    "compound-v3-ethereum-usdc": ParameterSet(
        note=f"{NOTE} Caps of 0 in the file are those of the first day, and are left out.",
        sources=SOURCES,
        reserves={
            "USDC": _base("usdc"),
            "ETH": _held(0.825, 0.895, 0.95, "usdc"),
            "WBTC": _held(0.70, 0.77, 0.95, "usdc"),
            "COMP": _held(0.65, 0.70, 0.93, "usdc"),
            "UNI": _held(0.75, 0.81, 0.93, "usdc"),
            "LINK": _held(0.79, 0.85, 0.93, "usdc"),
        },
    ),
    "compound-v3-ethereum-usdt": ParameterSet(
        note=NOTE,
        sources=SOURCES,
        reserves={
            "USDT": _base("usdt"),
            "ETH": _held(0.83, 0.90, 0.95, "usdt", 500_000),
            "wstETH": _held(0.80, 0.85, 0.95, "usdt", 9_000),
            "WBTC": _held(0.80, 0.85, 0.95, "usdt", 18_000),
            "COMP": _held(0.65, 0.70, 0.75, "usdt", 100_000),
            "UNI": _held(0.75, 0.81, 0.85, "usdt", 3_000_000),
            "LINK": _held(0.79, 0.85, 0.93, "usdt", 2_000_000),
        },
    ),
}
