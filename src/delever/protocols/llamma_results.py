"""What is said of LLAMMA: how far loans are in soft liquidation, what that cost them, their health, what is not covered."""

from __future__ import annotations

import numpy as np

from delever.core.columns import ASSET, OF, Column, Figure, Value, mean_of
from delever.core.jit import kernel
from delever.core.loans import counts, owed_at_start, said_of
from delever.core.state import State
from delever.core.tables import Reserves, SeenPrices
from delever.protocols.llamma_book import Market
from delever.protocols.llamma_formulas import LIQUIDATION_DISCOUNT
from delever.protocols.llamma_loans import Loans, is_dust, look
from delever.protocols.llamma_trade import (
    BOUGHT,
    COLLATERAL_RESERVE,
    LOSS,
    PROTOCOL,
    SOLD,
    STABLE_RESERVE,
    TRADES,
    Amm,
    oracle,
)

BANDS = f"Soft liquidation of {OF}"  # section of a report
OPEN, SOFT, CONVERTED, LEAST, BARE, SHORT = range(6)  # rows of a survey


def said(name: str, unit: str, meaning: str, stock: bool = False) -> Column:
    """A column whose mean is a figure."""
    return Column(name, unit, meaning, mean_of(name, meaning), section=BANDS, stock=stock)


LOWEST = "lowest health of an open loan: x_down (1 - liquidation discount) / debt - 1"
LOSSES = Column("soft_liquidation_loss", "USD", "what bands gave in trades less what they got, at market prices of the moment", (
    *mean_of("soft_liquidation_loss", "what bands gave in trades less what they got, at market prices of the moment"),
    Figure("soft_liquidation_loss_95", "quantile", "95th percentile over paths of what bands lost in trades", level=0.95,
           label="soft liquidation loss (95 %)")), section=BANDS)
TOLD = ((TRADES, said("arbitrages", "count", "trades of arbitrageurs with the bands")),
        (SOLD, said("soft_sold", ASSET, "collateral that bands gave in trades")),
        (BOUGHT, said("soft_bought_back", ASSET, "collateral that bands got back in trades")), (LOSS, LOSSES))
SURVEYED = ((OPEN, said("open_loans", "count", "loans that are open", True)),
            (SOFT, said("soft_loans", "count", "open loans of which some collateral has been sold", True)),
            (CONVERTED, said("converted", "share", "part of what stands in the bands that is stablecoin, by value seen", True)),
            (LEAST, Column("least_health", "share", LOWEST, (
                Figure("least_health", "mean_where", f"mean over paths of the {LOWEST}"),), section=BANDS, stock=True)))


@kernel
def survey(time: float, amm: Amm, loans: Loans, reserves: Reserves, seen: SeenPrices, price: np.ndarray, out: np.ndarray) -> None:
    """How loans stand. price: [P, R] seen [USD]; out: [6, P], written: OPEN, SOFT, CONVERTED, LEAST, BARE, SHORT."""
    r, s, sums = amm.of[COLLATERAL_RESERVE], amm.of[STABLE_RESERVE], loans.sums
    keeps = 1.0 - amm.terms[LIQUIDATION_DISCOUNT]
    for p in range(out.shape[1]):
        p_o, scale = oracle(p, time, amm, seen)[0], reserves.borrow_index[s, p]
        stable, collateral = 0.0, 0.0
        sums[1, 0], sums[2, 0] = 0.0, 0.0
        for b in range(amm.x.shape[1]):
            whole = loans.shares[p, b]
            sums[1, b + 1] = sums[1, b] + (amm.x[p, b] / whole if whole > 0.0 else 0.0)
            sums[2, b + 1] = sums[2, b] + (amm.y[p, b] / whole if whole > 0.0 else 0.0)
            stable, collateral = stable + amm.x[p, b] * price[p, s], collateral + amm.y[p, b] * price[p, r]
        look(p, p_o, scale, amm, loans)
        least = np.inf
        for k in range(len(loans.debt)):
            if not loans.open[p, k]:
                continue
            first, last, debt = loans.first[k], loans.last[k] + 1, loans.debt[k] * scale
            worth = (sums[0, last] - sums[0, first]) * loans.each[k]
            x, y = (sums[1, last] - sums[1, first]) * loans.each[k], (sums[2, last] - sums[2, first]) * loans.each[k]
            least = min(least, worth * keeps / debt - 1.0)
            out[OPEN, p] += 1.0
            out[SOFT, p] += 1.0 if x > 0.0 else 0.0
            missing = max((debt - x) * price[p, s] - y * price[p, r], 0.0)
            out[SHORT, p] += missing
            out[BARE, p] += missing if is_dust(k, y, amm, loans) else 0.0
        out[LEAST, p] = least if least < np.inf else np.nan
        out[CONVERTED, p] = stable / (stable + collateral) if stable > 0.0 else 0.0
        loans.looked[p, 1] = 0.0  # the next block looks at all of them again, and finds what it would have found


def surveys(state: State, markets: list[Market]) -> list[np.ndarray]:
    """How the loans of each market stand [6, P]; state.seen.price is fresh."""
    out = [np.zeros((6, state.paths)) for _ in markets]
    for (amm, loans, _, _), found in zip(markets, out, strict=True):
        survey(state.time, amm, loans, state.reserves, state.seen, state.seen.price, found)
    return out


def values(state: State, markets: list[Market], stocks: bool) -> list[Value]:
    """What there is to say of each market, by collateral. stocks: how loans stand; else what trades came to."""
    found = surveys(state, markets) if stocks else [market.amm.told for market in markets]
    return [Value(column, rows[row], int(amm.of[PROTOCOL]), int(state.reserves.asset[amm.of[COLLATERAL_RESERVE]]))
            for (amm, _, _, _), rows in zip(markets, found, strict=True)
            for row, column in (SURVEYED if stocks else TOLD)]


def loan_values(state: State, markets: list[Market], numbers: tuple[int, ...]) -> list[Value]:
    """Losses and calls of the protocols, as of every other that lends."""
    bare, short = np.zeros((2, *state.ledgers.totals.shape[1:]))
    for (amm, _, _, _), rows in zip(markets, surveys(state, markets), strict=True):
        bare[amm.of[PROTOCOL]] += rows[BARE]
        short[amm.of[PROTOCOL]] += rows[SHORT]
    owed = owed_at_start(state)
    return [value for number in numbers for value in (*said_of(state, number, bare, short, owed), *counts(state, number))]
