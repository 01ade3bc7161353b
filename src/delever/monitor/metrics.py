"""What is measured, a row each: names as Prometheus wants them (base units, no figure without its unit)."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A gauge."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    shown: str = "short"  # unit of a Grafana panel


class Sample(NamedTuple):
    """One value of it."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


PRICE = Metric("delever_price_usd", "Price of an asset on the markets of the world.", ("asset",), "currencyUSD")
APART = Metric("delever_venue_gap_ratio", "Price of a venue that no maker re-centres over the outside price, less 1.",
               ("market",), "percentunit")
TO_WALL = Metric(
    "delever_move_to_wall_ratio", "Smallest move of the asset, in that direction, at which that share of the protocol's debt, or "
    "of its positions, is eligible for liquidation; infinite: none that was looked at.",
    ("protocol", "asset", "direction", "share"), "percentunit")
ELIGIBLE = Metric("delever_eligible_usd", "Debt or positions that are eligible after a move, nobody acting.",
                  ("protocol", "asset", "move"), "currencyUSD")
SHORT = Metric("delever_shortfall_usd", "Debt beyond collateral, or equity below zero, after a move, nobody acting.",
               ("protocol", "asset", "move"), "currencyUSD")
BRANCHING = Metric("delever_branching_ratio", "Largest branching ratio n on the way: above 1 selling feeds on itself.",
                   ("asset", "direction"))
TO_CRITICAL = Metric("delever_move_to_critical_ratio", "Smallest move of the asset at which n exceeds 1; infinite: none.",
                     ("asset", "direction"), "percentunit")
UTILISATION = Metric("delever_utilisation_ratio", "Part of a reserve that is lent out.", ("protocol", "asset"), "percentunit")
GAP = Metric("delever_oracle_gap_ratio", "Price that a protocol sees over the market's, less 1.", ("protocol", "asset"),
             "percentunit")
AGE = Metric("delever_oracle_age_seconds", "Age of the oldest answer behind the price that a protocol sees.",
             ("protocol", "asset"), "s")
HEARTBEAT = Metric("delever_oracle_heartbeat_seconds", "Longest time between answers that its feeds promise.",
                   ("protocol", "asset"), "s")
FUND = Metric("delever_fund_usd", "What the insurance funds of a protocol hold.", ("protocol",), "currencyUSD")
TO_ADL = Metric("delever_move_to_adl_ratio", "Smallest move of the asset at which equity below zero exceeds the fund, nobody "
                "acting; infinite: none that was looked at.", ("protocol", "asset", "direction"), "percentunit")
QUEUE = Metric("delever_adl_queue_usd", "Positions in profit, which auto-deleveraging may close.", ("protocol", "perp", "side"),
               "currencyUSD")
LARGEST = Metric("delever_largest_share_ratio", "Share of a protocol's debt, or positions, that its largest owners have.",
                 ("protocol", "owners"), "percentunit")
INPUT_AGE = Metric("delever_input_age_seconds", "Age of an input, by the date that the world gives it.", ("input",), "s")

OF_A_WORLD = (PRICE, APART, TO_WALL, ELIGIBLE, SHORT, BRANCHING, TO_CRITICAL, UTILISATION, GAP, AGE, HEARTBEAT, FUND, TO_ADL,
              QUEUE, LARGEST, INPUT_AGE)

UP = Metric("delever_up", "1: the last look at the world succeeded.")
LOOKED = Metric("delever_look_timestamp_seconds", "When the figures were looked at (Unix time).", (), "dateTimeAsIso")
TOOK = Metric("delever_look_duration_seconds", "How long the last look took.", (), "s")
EVERY = Metric("delever_look_interval_seconds", "How often the world is looked at.", (), "s")
LOOKS = Metric("delever_looks_total", "Looks that were begun.")
FAILED = Metric("delever_look_failures_total", "Looks that failed.")
OF_THE_WATCH = (UP, LOOKED, TOOK, EVERY, LOOKS, FAILED)
EVERY_METRIC = (*OF_A_WORLD, *OF_THE_WATCH)
