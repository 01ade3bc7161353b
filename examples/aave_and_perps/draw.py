"""The book of the perp exchange, drawn: nobody publishes accounts with their margin, so this is what the totals allow.

    python examples/aave_and_perps/draw.py          # writes perps.csv beside itself, the same file every time

Estimate: open interest, Binance's in ETH at the end of 19 June 2023 (Coinalyze's daily state: 1,323.4 m USD).
Assumptions, not estimates: everything else named here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SEED = 20230620
PRICE = 1719.57  # ETH [USD], as in world.yaml
STETH = 0.9997408501530325  # stETH [ETH], as there
OPEN_INTEREST = 1_323.4e6  # [USD] of each side
LONGS, SHORTS = 900, 540  # accounts; their ratio is that of Binance's accounts on 19 June 2023, 1.67
SPREAD_OF_SIZES = 1.6  # of log size: a tenth of the accounts hold three fifths
LARGEST = 25e6  # [USD] of a position: above it lie tiers that few use
LEVERAGE, SPREAD_OF_LEVERAGE, HIGHEST = 4.0, 0.6, 40.0  # median, of log leverage, highest: notional / margin counted
SPREAD_OF_ENTRIES = 0.03  # of log entry price around the price of the start
MARGIN = (("USD", 0.6, 0.0), ("ETH", 0.2, 0.05), ("stETH", 0.2, 0.1))  # asset, share of accounts, haircut as in world.yaml
BASIS = 60e6  # [USD] margin of the arbitrageur, who starts without a position to speak of


def main() -> None:
    """Write the book."""
    (HERE / "perps.csv").write_text(table(), encoding="utf-8")


def table() -> str:
    """The book as CSV: a row a leg."""
    random = np.random.default_rng(SEED)
    rows = ["account,asset,side,amount,entry_price"]
    for side, count, sign in (("long", LONGS, 1.0), ("short", SHORTS, -1.0)):
        size = scaled(np.exp(random.normal(0.0, SPREAD_OF_SIZES, count)), OPEN_INTEREST)
        leverage = np.minimum(LEVERAGE * np.exp(random.normal(0.0, SPREAD_OF_LEVERAGE, count)), highest(size))
        entry = PRICE * np.exp(random.normal(0.0, SPREAD_OF_ENTRIES, count))
        kind = random.choice(len(MARGIN), count, p=[share for _, share, _ in MARGIN])
        for i in range(count):
            asset, _, haircut = MARGIN[kind[i]]
            rows += account(f"{side}{i:04d}", sign * size[i] / PRICE, entry[i], size[i] / leverage[i], asset, haircut)
    return "\n".join([*rows, *account("basis", 1.0, PRICE, BASIS, "USD", 0.0)]) + "\n"


def scaled(size: np.ndarray, total: float) -> np.ndarray:
    """Sizes [USD] that add up to the total, none above LARGEST."""
    for _ in range(100):
        size = np.minimum(size * (total / size.sum()), LARGEST)
    return size


def highest(size: np.ndarray) -> np.ndarray:
    """Leverage at which positions [USD] may be opened by the tiers of world.yaml, and HIGHEST; a little below."""
    return np.minimum(HIGHEST, np.where(size >= 12e6, 25.0, np.where(size >= 3e6, 50.0, 75.0))) * 0.95


def account(name: str, units: float, entry: float, equity: float, asset: str, haircut: float) -> list[str]:
    """Transactions of one account: a position, and margin such that its equity at the start is `equity` [USD]."""
    if units * (PRICE - entry) >= equity:
        entry = PRICE  # such a profit would be margin enough: it has been paid out
    worth = {"USD": 1.0, "ETH": PRICE, "stETH": PRICE * STETH}[asset] * (1.0 - haircut)
    margin = (equity - units * (PRICE - entry)) / worth
    return [f"{name},ETH-PERP,position,{units:.4f},{entry:.4f}", f"{name},{asset},collateral,{margin:.4f},"]


if __name__ == "__main__":
    main()
