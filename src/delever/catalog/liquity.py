"""Liquity v1 and v2, whose terms are constants of their contracts: nobody can change them.

Liquidation threshold = 1 / MCR. What the rules need beside (CCR, gas compensation, fees of redemption) are the defaults of
`liquity.v1` and `liquity_v2`, from the same files. Debts of v1 bear no interest, those of v2 what each owner states.
"""

from __future__ import annotations

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "base": "liquity/dev @5174ecd0, LiquityBase.sol, as its execution shows: MCR 110 %, CCR 150 %, LUSD_GAS_COMPENSATION "
            "200e18, PERCENT_DIVISOR 200",
    "manager": "TroveManager.sol of the same, read in forks that kept it (MIN_NET_DEBT 1800e18, REDEMPTION_FEE_FLOOR 0.5 %, "
               "MINUTE_DECAY_FACTOR 999037758833783000 for a half-life of 12 h, BETA 2)",
}
CONSTANTS = {
    "constants": "liquity/bold @043b7464, contracts/src/Dependencies/Constants.sol: MCR 110 % (WETH), 120 % (wstETH, rETH), SCR "
                 "the same, CCR 150 and 160 %; penalties 5 % (pool), 10 and 20 % (redistribution); ETH_GAS_COMPENSATION 0.0375, "
                 "COLL_GAS_COMPENSATION_DIVISOR 200, _CAP 2; MIN_DEBT 2000, REDEMPTION_FEE_FLOOR 0.5 %, REDEMPTION_BETA 1, "
                 "REDEMPTION_MINUTE_DECAY_FACTOR 998076443575628800 for a half-life of 6 h, URGENT_REDEMPTION_BONUS 2 %, "
                 "MIN_BOLD_IN_SP 1; SP_YIELD_SPLIT 75 % as copies of the file state it",
}
BRANCHES = "Constants of the contracts, MCR as 1 / liquidation threshold. No price of BOLD is read: give it a feed `fixed` at 1."
NOTE = "Constants of the contracts as deployed on 5 April 2021. The system reads no price of LUSD: give it a feed `fixed` at 1."

PARAMETERS: dict[str, ParameterSet] = {
    "liquity-v1": ParameterSet(note=NOTE, sources=SOURCES, reserves={
        "ETH": Entry({"liquidation_threshold": 1.0 / 1.1, "incentive": 0.0}, ("base", "manager")),
        "LUSD": Entry({"liquidation_threshold": 0.0, "incentive": 0.0}, ("base",))}),
    "liquity-v2": ParameterSet(note=BRANCHES, sources=CONSTANTS, reserves={
        **{name: Entry({"liquidation_threshold": 1.0 / mcr, "incentive": 0.0}, ("constants",))
           for name, mcr in (("WETH", 1.1), ("wstETH", 1.2), ("rETH", 1.2))},
        "BOLD": Entry({"liquidation_threshold": 0.0, "incentive": 0.0}, ("constants",))}),
}
