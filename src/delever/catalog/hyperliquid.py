"""Margin tiers of Hyperliquid's perpetuals, in March 2026 and in October 2025.

The 60 coins of the largest open interest in September and October 2025 and some that were large elsewhere, of 229 listed.
Maintenance margin is half of the initial margin at the tier's maximum leverage. `delever.ingest.risk_parameters` reads the
others.
"""

from __future__ import annotations

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "2026-03": "Agentic-Sciences/crypto-research @cb7f68d: the exchange's answer to metaAndAssetCtxs, March 2026: margin tables",
    "2025-10": "stalequant/stalequant.github.io @97b839d, means of 30 days to about 13 October 2025: maximum leverage",
    "docs": "hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers: half of the initial margin at maximum leverage",
    "docs-2025": "the same page in 2025, which has WIF and POPCAT in the table '0-20M 10, >20M 5'",
}
# Margin tables by the exchange's number: (from this size on [USD], maximum leverage [ratio]). A number below 50 is one tier.
TABLES: dict[int, tuple[tuple[float, float], ...]] = {
    56: ((0, 40), (150_000_000, 20)),
    55: ((0, 25), (100_000_000, 15)),
    54: ((0, 20), (70_000_000, 10)),
    53: ((0, 20), (40_000_000, 10)),
    52: ((0, 10), (20_000_000, 5)),
    51: ((0, 10), (3_000_000, 5)),
    5: ((0, 5),),
    3: ((0, 3),),
}
COINS_2026_03: dict[int, str] = {
    56: "BTC",
    55: "ETH",
    54: "SOL",
    53: "XRP",
    52: "HYPE PUMP ENA DOGE FARTCOIN AVAX kPEPE SUI LINK LTC WLD ZEC AAVE kBONK CRV UNI ADA TRUMP NEAR APT TIA BCH",
    51: "XPL BNB PAXG LDO TON ONDO TRX ARB JUP SEI DOT OP INJ kSHIB",
    5: "ASTER WLFI MNT PENGU EIGEN TAO BERA AVNT WIF PENDLE ETHFI SPX HBAR ZRO ENS VIRTUAL ATOM XLM",
    3: "IP LAUNCHCOIN APEX LINEA PURR STBL ZORA POPCAT SNX CAKE",
}
# Where the maximum leverage of October 2025 was another: the table instead of that of March 2026, and its source.
OTHER_2025_10: dict[str, tuple[int, str]] = {
    "ZEC": (5, "2025-10"),
    "WIF": (52, "docs-2025"),
    "POPCAT": (52, "docs-2025"),
}


def _entry(table: int, *cited: str) -> Entry:
    """Maintenance margin = 1 / (2 x maximum leverage)."""
    tiers = [{"floor": floor, "maintenance": 0.5 / most, "max_leverage": most} for floor, most in TABLES[table]]
    return Entry({"tiers": tiers}, (*cited, "docs"))


_2026_03 = {coin: table for table, coins in COINS_2026_03.items() for coin in coins.split()}
_2025_10 = {coin: (table, "2026-03") for coin, table in _2026_03.items()} | OTHER_2025_10

PARAMETERS: dict[str, ParameterSet] = {
    "hyperliquid-2026-03": ParameterSet(
        note="Margin tables as the exchange published them. LAUNCHCOIN was delisted by then.",
        sources=SOURCES,
        reserves={f"{coin}-PERP": _entry(table, "2026-03") for coin, table in _2026_03.items()},
    ),
    "hyperliquid-2025-10": ParameterSet(
        note="Maximum leverage of October 2025. Assumption, not an estimate: where it is that of March 2026, so are the sizes "
        "from which lower leverage holds. The documentation's page of 2025 confirms them for BTC, ETH, SOL, XRP and the tables "
        "of 20m and 3m; it does not list coins that came later (PUMP, XPL, PAXG, ZEC).",
        sources=SOURCES,
        reserves={
            f"{coin}-PERP": _entry(table, *dict.fromkeys(("2025-10", tiers))) for coin, (table, tiers) in _2025_10.items()
        },
    ),
}
