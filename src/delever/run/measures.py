"""Measures that others publish, by who uses them: which figure of a run stands for each, and where a run differs.

The figures are those that mechanisms declare (core/loans.py); here stands only what others call them.
"""

from __future__ import annotations

from typing import NamedTuple


class Measure(NamedTuple):
    """What somebody calls a figure."""

    who: str
    called: str
    figure: str  # of a run
    since: str  # since when, and where they say so
    meant: str  # what they define
    horizon: str  # theirs
    differs: str  # where a run is not as they do it


DEEPDIVE = "since January 2022 (VaR Deepdive; risk.gauntlet.network/faq)"
EXPECTED = "with the methodology that came after it (comp.xyz/t/4259; app.gauntlet.xyz/faq)"
ON_AAVE = "on Aave, February 2023 or before (governance.aave.com/t/11603)"
DAY, YEAR = "1 day", "1 year"
OWN_PRICES = "a run draws the prices that its world states (scenario.prices, scenario.events), over its own horizon"
LEVELS = f"theirs ranges over many levels of volatility; {OWN_PRICES}"
ADVERSE = f"theirs draws adverse market conditions; {OWN_PRICES}"
PRESET = ("theirs are scenarios set beforehand, a broad downturn and broken correlations, from historical drawdowns and weighted "
          "by value locked; a run is of one world over its own horizon: state each as scenario.events, weigh the runs yourself")
WRITTEN = "; counts also what was written off before the end"
SEIZED = "; counts the collateral seized, protocol fee included, at prices seen"
MEASURES = (
    Measure("Gauntlet", "VaR", "var", f"{DEEPDIVE}; before that, with liquidations in it",
            "95th percentile over simulations of net insolvent debt at the end: debt less collateral, over insolvent accounts",
            DAY, LEVELS + WRITTEN),
    Measure("Gauntlet", "LaR", "lar", DEEPDIVE, "95th percentile over simulations of the amount of liquidations",
            DAY, LEVELS + SEIZED),
    Measure("Gauntlet", "expected VaR", "shortfall", EXPECTED,
            "expected insolvent debt, what accounts owe beyond their collateral, under extremely adverse market conditions",
            DAY, PRESET + WRITTEN),
    Measure("Gauntlet", "expected LaR", "seized_collateral", EXPECTED,
            "expected liquidations under extremely adverse market conditions", DAY, PRESET + SEIZED),
    Measure("Chaos Labs", "VaR", "var", ON_AAVE, "95th percentile of losses by bad debt of under-collateralised accounts",
            DAY, ADVERSE + WRITTEN),
    Measure("Chaos Labs", "EVaR", "var_99", ON_AAVE,
            "extreme VaR: 99th percentile of losses by bad debt of under-collateralised accounts; not entropic, as evar is here",
            DAY, ADVERSE + WRITTEN),
    Measure("Credora", "PSL", "psl", "of Morpho markets and vaults, 2025 or before (credora.network/docs, DeFi rating scale)",
            "probability of significant loss: of a loss of 1 % or more of principal, in a year", YEAR,
            "theirs is of what is supplied to each market, which a vault weighs and adjusts; this is of all debt at the start, "
            "of all protocols together, over the run's own horizon, made yearly as if every stretch of a year were as risky: "
            "it means little where scenario.events states a crash"),
)


def known_as(figure: str) -> list[Measure]:
    """Whose measures a figure stands for."""
    return [measure for measure in MEASURES if measure.figure == figure]


def measures_named(word: str) -> list[Measure]:
    """By who uses them or what they call them, in lower case: gauntlet, psl, chaos labs, lar."""
    return [one for one in MEASURES
            if word in (one.who.casefold(), one.called.casefold(), f"{one.who} {one.called}".casefold())]
