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
SPREAD_OF_SIZES = 1.6  # of log size, so that a tenth of the accounts hold two thirds
LARGEST = 25e6  # [USD] of a position: above it lie tiers that few use
LEVERAGE, SPREAD_OF_LEVERAGE, HIGHEST = 6.0, 0.7, 40.0  # median, of log leverage, highest: notional / margin counted
SPREAD_OF_ENTRIES = 0.03  # of log entry price around the price of the start
MARGIN = (("USD", 0.6, 0.0), ("ETH", 0.2, 0.05), ("stETH", 0.2, 0.1))  # asset, share of accounts, haircut as in world.yaml
FUND = (40_000.0, 12.0, "stETH")  # one fund, long: units of ETH, leverage, what its margin is
BASIS = 60e6  # [USD] margin of the arbitrageur, who starts without a position to speak of


def main() -> None:
    """Write the book."""
    (HERE / "perps.csv").write_text(table(), encoding="utf-8")


def table() -> str:
    """The book as CSV: a row a leg."""
    random = np.random.default_rng(SEED)
    rows = ["account,asset,side,amount,entry_price"]
    for number, side in enumerate(("long", "short")):
        count, sign = (LONGS, 1.0) if side == "long" else (SHORTS, -1.0)
        size = np.exp(random.normal(0.0, SPREAD_OF_SIZES, count))
        special = FUND[0] * PRICE if side == "long" else 0.0
        size = scaled(size, OPEN_INTEREST - special)
        leverage = np.minimum(LEVERAGE * np.exp(random.normal(0.0, SPREAD_OF_LEVERAGE, count)), highest(size))
        entry = PRICE * np.exp(random.normal(0.0, SPREAD_OF_ENTRIES, count))
        kind = random.choice(len(MARGIN), count, p=[share for _, share, _ in MARGIN])
        for i in range(count):
            name = f"{side}{i:04d}"
            rows += account(name, sign * size[i] / PRICE, float(entry[i]), size[i] / leverage[i], *MARGIN[kind[i]][::2])
    units, leverage_of_fund, asset = FUND
    haircut = {name: cut for name, _, cut in MARGIN}[asset]
    rows += account("fund", units, PRICE, units * PRICE / leverage_of_fund, asset, haircut)
    rows += account("basis", 1.0, PRICE, BASIS, "USD", 0.0)
    return "\n".join(rows) + "\n"


def scaled(size: np.ndarray, total: float) -> np.ndarray:
    """Sizes [USD] that add up to the total, none above LARGEST."""
    for _ in range(100):
        size = np.minimum(size * (total / size.sum()), LARGEST)
    return size


def highest(size: np.ndarray) -> np.ndarray:
    """Leverage at which positions [USD] may be opened by the tiers of world.yaml, and HIGHEST; a little below."""
    return np.minimum(HIGHEST, np.where(size >= 12e6, 25.0, np.where(size >= 3e6, 50.0, 75.0))) * 0.95


def account(name: str, units: float, entry: float, equity: float, asset: str, haircut: float) -> list[str]:
    """Rows of one account: a position, and margin such that its equity at the start is `equity` [USD]."""
    margin = equity - units * (PRICE - entry)  # [USD] counted, without the profit of the position
    worth = {"USD": 1.0, "ETH": PRICE, "stETH": PRICE * STETH}[asset] * (1.0 - haircut)
    cash = min(margin, 0.0)  # a profit above the equity has been paid out
    rows = [f"{name},ETH-PERP,position,{units:.4f},{entry:.4f}"]
    if margin > 0.0:
        rows.append(f"{name},{asset},collateral,{margin / worth:.4f},")
    return rows if cash == 0.0 else [f"{name},ETH-PERP,position,{units:.4f},{PRICE:.4f}",
                                     f"{name},{asset},collateral,{equity / worth:.4f},"]


if __name__ == "__main__":
    main()
