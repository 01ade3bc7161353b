"""What owners who act change: the same fall over a quarter of an hour or a day, with them and without.

    DELEVER_DATA=... python examples/crvusd/owners_effect.py

Book: crvUSD's borrowers against ETH of one day (borrower_days.py), as loans of a lending protocol that are as far from
liquidation as these were from their bands. ETH falls in a straight line of logs and stays there for an hour; the market is deep.
Told is the debt that liquidators repay. Owners: as estimated (owners.py); and who would lose a penalty at once, an assumption to
sweep: all watch, so many defences a day at the boundary and AT_ONCE, each as large as estimated, or LARGE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import borrower_days
import numpy as np
import owners
import pyarrow as pa

import delever as dl
from delever.model.book import Book

DAY, PRICE, THRESHOLD = 45, 2000.0, 0.85  # the snapshot; USD; of the protocol
FALLS, SPREADS, AFTER = (0.10, 0.20), (0.25, 1, 4, 24), 1  # how much; over how many hours; how many the price stays down
AT_ONCE = {"watching": 1.0, "defend_scale": 0.04, "defend_far": 0.1, "close": 0.0, "close_far": 0.0}  # assumption
RATES, LARGE = (0.5, 2.0, 4.0), 0.2  # defences a day at the boundary; a gain that settles most falls: assumptions
PATHS, SEED = 100, 1


def of_the_day(risk: borrower_days.Panel) -> borrower_days.Panel:
    """Loans against ETH of the day."""
    return risk.at((risk.day == DAY) & (risk.market != list(borrower_days.MARKETS).index("wbtc")))


def book(there: borrower_days.Panel) -> Book:
    """As much debt each, as near."""
    legs = [{"account": f"loan{i}", "asset": asset, "side": side, "amount": float(amount)}
            for i, (debt, x) in enumerate(zip(there.debt, there.now, strict=True)) for asset, side, amount in (
            ("ETH", "collateral", debt * np.exp(x) / THRESHOLD / PRICE), ("USD", "debt", debt))]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="pool")


def world(loans: Book, fall: float, over: float, who: Mapping[str, Any] | None) -> dl.World:
    """A deep market, liquidators who always come, and (`who`) owners who act."""
    people: dict[str, Any] = {"liquidators": {"kind": "liquidators", "rule": "always"}}
    if who:
        people["owners"] = {"kind": "defenders", **who}
    terms = {name: {"liquidation_threshold": THRESHOLD, "incentive": 0.05} for name in ("ETH", "USD")}
    return dl.load({
        "as_of": "2023-11-15T00:00:00Z", "assets": {"ETH": {"price": PRICE}}, "actors": people,
        "protocols": {"pool": {"rules": "aave.v3_0", "book": loans, "parameters": terms}},
        "scenario": {"horizon": f"{over + AFTER} h", "step": "1 min", "paths": PATHS if who else 1, "seed": SEED,
                     "prices": {"kind": "lognormal"},
                     "events": [{"kind": "price", "at": 0.0, "over": f"{over} h", "change": {"ETH": -fall}}]}})


def repaid(loans: Book, fall: float, over: float, who: Mapping[str, Any] | None) -> np.ndarray:
    """Debt that liquidators repaid, by path [USD]."""
    return np.asarray(dl.stress(world(loans, fall, over, who), keep=False).paths["repaid_debt.pool"].to_numpy())


def main() -> None:
    """Debt repaid by liquidators, relative to the same fall with nobody who acts; standard errors over paths."""
    risk = borrower_days.at_risk(borrower_days.panel())
    there, who = of_the_day(risk), owners.preset(owners.fit(risk))
    loans = book(there)
    for name, x in (("All", np.inf), ("Within 5%", 0.05), *((f"Reached by {fall:.0%}", -np.log1p(-fall)) for fall in FALLS)):
        debt = there.debt[there.now < x] / 1e6
        print(f"{name}: {len(debt)} loans that owe {debt.sum():.1f}m USD, the largest {debt.max():.1f}m")
    print()
    groups = {"as estimated": who} | {f"assumed {rate:g} a day": who | AT_ONCE | {"defend": rate} for rate in RATES}
    groups[f"assumed 2 a day, gain {LARGE:g}"] = who | AT_ONCE | {"defend": 2.0, "gain": LARGE}
    owners.head("fall, spread over", *(f"{60 * over:g} min" if over < 1 else f"{over:g} h" for over in SPREADS))
    for fall in FALLS:
        alone = [repaid(loans, fall, over, None)[0] for over in SPREADS]
        owners.row(f"{fall:.0%}, nobody acts [m USD]", *(f"{usd / 1e6:.2f}" for usd in alone))
        for name, fields in groups.items():
            share = [repaid(loans, fall, over, fields) / usd for over, usd in zip(SPREADS, alone, strict=True)]
            owners.row(f"{fall:.0%}, {name}", *(f"{one.mean():.3f} ({one.std(ddof=1) / PATHS**0.5:.3f})" for one in share))


if __name__ == "__main__":
    main()
