"""Aave v2 and v3 on Ethereum in June 2023, and two spokes of Aave v4 on Arc in June 2026.

Of v2 and v3 only assets that were collateral in the book aave_steth_2023-06. Others (USDT, LUSD, sUSD, USDP, FRAX, GUSD, BUSD)
had a threshold of 0 and need no entry to be owed.
"""

from __future__ import annotations

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "book": "aave_steth_2023-06, 20 June 2023: thresholds that accounts report and their legs reproduce to 1 bp",
    "lido": "lidofinance/aave-liquidation-model @a44561e, utils/constants.py (penalty), written with the book",
    "lido-files": "lidofinance/aave-liquidation-model @a44561e, threshold columns of the b2*, b3* lists",
    "2023-05-29": "bgd-labs/aave-proposals @2b9b323, diffs/preAaveV3EthRiskParams_20230529Change (values after)",
    "rETH": "bgd-labs/aave-proposals @8499575, diffs/pre-rETH_post-rETH.md (listing, also shows cbETH)",
    "FEI": "bgd-labs/aave-proposals @3b768fe, diffs/preAaveV2EthFEIRiskParams_20230703Change (values before)",
    "2023-10-31": "bgd-labs/aave-proposals-v3 @ff6a99c, AaveV3Ethereum_..._20231031_before.json: protocol fee "
    "(assumption, not an estimate: the same in June 2023) and e-mode 1 (its threshold is also the book's)",
    "arc": "aave/aave-v4 @5ab6be7, scripts/config/ArcParameters.sol: LlamaRisk's parameters of 19 June 2026 "
    "(governance.aave.com/t/arfc-deploy-aave-v4-on-arc/25170)",
    "v2-code": "aave/protocol-v2, LendingPoolCollateralManager: the whole bonus goes to the liquidator",
}
ARC = (
    "As transcribed in the deployment's files, which call them preliminary. A collateral factor is both the threshold and what "
    "may be borrowed; `incentive` is the maximum bonus. What is paid of it and the target are `rules`: {target}. "
)
RATES = "Rates are 0: assumption, not an estimate; over a day interest moves a health factor by 1e-4 or less."


def _v2(threshold: float, incentive: float, *cited: str) -> Entry:
    return Entry(
        {"liquidation_threshold": threshold, "incentive": incentive, "protocol_fee": 0.0}, (*cited, "v2-code")
    )


def _v3(threshold: float, incentive: float, fee: float, *cited: str, e_mode: bool = False) -> Entry:
    """e_mode: in category 1, ETH correlated, with a threshold of 93 % and an incentive of 1 %."""
    emode = {"emode": {1: {"liquidation_threshold": 0.93, "incentive": 0.01}}} if e_mode else {}
    values = {"liquidation_threshold": threshold, "incentive": incentive, "protocol_fee": fee, **emode}
    return Entry(values, (*cited, "2023-10-31"))


def _v4(factor: float, bonus: float, fee: float, add_cap: float, draw_cap: float) -> Entry:
    """factor: collateral factor; bonus: the most that is paid; caps: units."""
    return Entry({"liquidation_threshold": factor, "incentive": bonus, "protocol_fee": fee, "supply_cap": add_cap,
                  "borrow_cap": draw_cap}, ("arc",))


PARAMETERS: dict[str, ParameterSet] = {
    "aave-v2-ethereum-2023-06": ParameterSet(
        note=RATES,
        sources=SOURCES,
        reserves={
            "stETH": _v2(0.83, 0.07, "book", "lido"),  # 7.5 % before, by the same file
            "ETH": _v2(0.86, 0.05, "book", "lido"),
            "WBTC": _v2(0.82, 0.05, "book", "lido"),
            "USDC": _v2(0.875, 0.045, "book", "lido"),
            "DAI": _v2(0.87, 0.04, "book", "lido"),
            "TUSD": _v2(0.825, 0.05, "lido-files", "lido"),
            "FEI": _v2(0.75, 0.065, "FEI"),  # 0.075 in the lists is a slip
        },
    ),
    "aave-v3-ethereum-2023-06": ParameterSet(
        note=RATES,
        sources=SOURCES,
        reserves={
            "wstETH": _v3(0.80, 0.07, 0.10, "book", "2023-05-29", "lido", e_mode=True),
            "ETH": _v3(0.83, 0.05, 0.10, "book", "2023-05-29", "lido", e_mode=True),
            "cbETH": _v3(0.74, 0.075, 0.10, "book", "rETH", "lido", e_mode=True),
            "rETH": _v3(0.74, 0.075, 0.10, "book", "rETH", "lido", e_mode=True),
            "WBTC": _v3(0.78, 0.05, 0.10, "book", "2023-05-29"),
            "USDC": _v3(0.79, 0.045, 0.20, "book", "2023-05-29", "lido"),
            "DAI": _v3(0.80, 0.04, 0.20, "book", "2023-05-29", "lido"),
        },
    ),
    "aave-v4-arc-main-2026-06": ParameterSet(
        note=ARC.format(target="aave.v4") + RATES,
        sources=SOURCES,
        reserves={
            "cirBTC": _v4(0.78, 0.0722, 0.10, 1_100, 220),
            "USDC": _v4(0.78, 0.0555, 0.10, 56e6, 51e6),
            "ETH": _v4(0.83, 0.0555, 0.10, 24_000, 4_800),
            "EURC": _v4(0.0, 0.0, 0.0, 20e6, 18e6),  # is lent, backs nothing
        },
    ),
    "aave-v4-arc-forex-2026-06": ParameterSet(
        note=ARC.format(target="{kind: aave.v4, target_health: 1.0442, full_bonus_at: 99 %, least_bonus: 100 %}") + RATES,
        sources=SOURCES,
        reserves={
            "EURC": _v4(0.90, 0.02, 0.10, 10e6, 9e6),
            "USDC": _v4(0.90, 0.02, 0.10, 13e6, 11e6),
        },
    ),
}
