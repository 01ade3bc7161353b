"""Venus's Core Pool on BNB Chain in October 2025: Compound v2's terms with a threshold, an incentive and e-modes by market.

`rules: compound.venus`. Half of the bonus is the treasury's.
"""

from __future__ import annotations

from typing import Any

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "emode": "VenusProtocol/vips, proposal \"Emode in the BNB Core Pool\" (bscmainnet): markets, incentive 1.1 of all, treasury "
    "percent 0.5, pool \"Stablecoins\" with USDe and sUSDe",
    "code": "@venusprotocol/venus-protocol 10.3.0: Liquidator.sol (the percent is of the bonus), PolicyFacet.sol (who is in a "
    "pool borrows what is borrowable in it)",
}
NOTE = ("Markets with a collateral factor above 0 and much of the pool, as the proposal restates them; caps are not in it. Rates "
        "are 0: assumption, not an estimate; `rates` takes the curve (`jump`, `two_kinked`).")


def _market(factor: float, borrowable: tuple[int, ...] = (0,), mode: tuple[float, float, float] | None = None
            ) -> Entry:
    """factor: collateral factor and threshold. borrowable: pools; 0: the core. mode: LTV, threshold, incentive of pool 1."""
    values: dict[str, Any] = {"liquidation_threshold": factor, "loan_to_value": factor, "incentive": 0.10,
                              "protocol_fee": 0.50, "borrowable_in": borrowable}
    if mode is not None:
        ltv, threshold, incentive = mode
        values["emode"] = {1: {"liquidation_threshold": threshold, "loan_to_value": ltv, "incentive": incentive}}
    return Entry(values, ("emode", "code"))


PARAMETERS: dict[str, ParameterSet] = {
    "venus-core-bnb-2025-10": ParameterSet(
        note=NOTE,
        sources=SOURCES,
        reserves={
            "BTCB": _market(0.80),
            "ETH": _market(0.80),
            "BNB": _market(0.80),
            "WBETH": _market(0.80),
            "SolvBTC": _market(0.75),
            "xSolvBTC": _market(0.72, ()),
            "asBNB": _market(0.72, ()),
            "SOL": _market(0.72),
            "XRP": _market(0.65),
            "CAKE": _market(0.55),
            "XVS": _market(0.60, ()),
            "USDC": _market(0.825),
            "USDT": _market(0.80),
            "DAI": _market(0.75),
            "FDUSD": _market(0.75),
            "USD1": _market(0.50),
            "USDe": _market(0.75, (0, 1), (0.90, 0.92, 0.06)),
            "sUSDe": _market(0.75, (), (0.89, 0.91, 0.08)),
        },
    ),
}
