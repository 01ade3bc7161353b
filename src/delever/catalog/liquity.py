"""Liquity v1, whose terms are constants of its contracts: nobody can change them.

Liquidation threshold = 1 / MCR. What the rules need beside (CCR, gas compensation, fees of redemption) are the defaults of
`liquity.v1`, from the same files. Debts bear no interest.
"""

from __future__ import annotations

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "base": "liquity/dev @5174ecd0, LiquityBase.sol, as its execution shows: MCR 110 %, CCR 150 %, LUSD_GAS_COMPENSATION "
            "200e18, PERCENT_DIVISOR 200",
    "manager": "TroveManager.sol of the same, read in forks that kept it (MIN_NET_DEBT 1800e18, REDEMPTION_FEE_FLOOR 0.5 %, "
               "MINUTE_DECAY_FACTOR 999037758833783000 for a half-life of 12 h, BETA 2)",
}
NOTE = "Constants of the contracts as deployed on 5 April 2021. The system reads no price of LUSD: give it a feed `fixed` at 1."

PARAMETERS: dict[str, ParameterSet] = {
    "liquity-v1": ParameterSet(note=NOTE, sources=SOURCES, reserves={
        "ETH": Entry({"liquidation_threshold": 1.0 / 1.1, "incentive": 0.0}, ("base", "manager")),
        "LUSD": Entry({"liquidation_threshold": 0.0, "incentive": 0.0}, ("base",))}),
}
