"""Two isolated markets of Morpho Blue whose collateral collapsed in November 2025: sdeUSD on Ethereum and on Plume.

LLTV is a market's for good. The incentive follows from it: min(1.15, 1 / (1 - 0.3 (1 - LLTV))) - 1; the rules work it out anew.
"""

from __future__ import annotations

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "markets": "290-byte/morpho-risk-case-study @f4fbbfd, market terms (markets.csv: lltv, irm_address), November 2025",
    "code": "morpho-org/morpho-blue 1.0.0, Morpho.sol and ConstantsLib.sol: the incentive that an LLTV implies, no protocol fee",
}
NOTE = ("The asset that is lent backs nothing. Rates are the adaptive curve's (rates: adaptive); 0 here: assumption, not an "
        "estimate, of a world that states no curve.")


def _market(collateral: str, loan: str, lltv: float) -> ParameterSet:
    """lltv: share of the value up to which may be owed."""
    incentive = round(min(1.15, 1.0 / (1.0 - 0.3 * (1.0 - lltv))) - 1.0, 12)
    held = {"liquidation_threshold": lltv, "incentive": incentive}
    owed = {"liquidation_threshold": 0.0, "incentive": 0.0}
    reserves = {collateral: Entry(held, ("markets", "code")), loan: Entry(owed, ("markets",))}
    return ParameterSet(note=NOTE, sources=SOURCES, reserves=reserves)


PARAMETERS: dict[str, ParameterSet] = {
    "morpho-ethereum-sdeusd-usdc-2025-11": _market("sdeUSD", "USDC", 0.915),  # 0x0f956344..., vault price and feed
    "morpho-plume-sdeusd-pusd-2025-11": _market("sdeUSD", "pUSD", 0.915),  # 0x8d009383..., vault price and feed
}
