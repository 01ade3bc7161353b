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
SOFT, LEAST, BARE, SHORT = range(4)  # rows of a survey


def said(name: str, unit: str, meaning: str, stock: bool = False) -> Column:
    """A column whose mean is a figure."""
    return Column(name, unit, meaning, mean_of(name, meaning, under=name.replace("_", " ")), section=BANDS, stock=stock)


LOWEST = "lowest health of an open loan: x_down (1 - liquidation discount) / debt - 1"
LOST = "what bands gave in trades less what they got, at market prices of the moment"
LOSSES = Column("soft_liquidation_loss", "USD", LOST, (
    *mean_of("soft_liquidation_loss", LOST, under="lost"),
    Figure("soft_liquidation_loss_95", "quantile", "95th percentile over paths of what bands lost in trades", level=0.95,
           under="lost (95 %)")), section=BANDS)
TOLD = ((TRADES, said("arbitrages", "count", "trades of arbitrageurs with the bands")),
        (SOLD, said("soft_sold", ASSET, "collateral that bands gave in trades")),
        (BOUGHT, said("soft_bought_back", ASSET, "collateral that bands got back in trades")), (LOSS, LOSSES))
OPEN, PART = "loans that are open", "part of what stands in the bands that is stablecoin, by value seen"
STANDING = (Column("open_loans", "count", OPEN, mean_of("open_loans", OPEN), section=BANDS, stock=True),
            Column("converted", "share", PART, mean_of("converted", PART), section=BANDS, stock=True))
SURVEYED = ((SOFT, said("soft_loans", "count", "open loans of which some collateral has been sold", True)),
            (LEAST, Column("least_health", "share", LOWEST, (
                Figure("least_health", "mean_where", f"mean over paths of the {LOWEST}", under="least health"),), section=BANDS,
                           stock=True)))


@kernel
def survey(time: float, amm: Amm, loans: Loans, reserves: Reserves, seen: SeenPrices, price: np.ndarray, out: np.ndarray) -> None:
    """How loans stand. price: [P, R] seen [USD]; out: [4, P], written: SOFT, LEAST, BARE, SHORT."""
    r, s, sums = amm.of[COLLATERAL_RESERVE], amm.of[STABLE_RESERVE], loans.sums
    keeps = 1.0 - amm.terms[LIQUIDATION_DISCOUNT]
    for p in range(out.shape[1]):
        p_o, scale = oracle(p, time, amm, seen)[0], reserves.borrow_index[s, p]
        sums[1, 0], sums[2, 0] = 0.0, 0.0
        for b in range(amm.x.shape[1]):
            whole = loans.shares[p, b]
            sums[1, b + 1] = sums[1, b] + (amm.x[p, b] / whole if whole > 0.0 else 0.0)
            sums[2, b + 1] = sums[2, b] + (amm.y[p, b] / whole if whole > 0.0 else 0.0)
        look(p, p_o, scale, amm, loans)
        least = np.inf
        for k in range(len(loans.debt)):
            if not loans.open[p, k]:
                continue
            first, last, debt = loans.first[k], loans.last[k] + 1, loans.debt[k] * scale
            worth = (sums[0, last] - sums[0, first]) * loans.each[k]
            x, y = (sums[1, last] - sums[1, first]) * loans.each[k], (sums[2, last] - sums[2, first]) * loans.each[k]
            least = min(least, worth * keeps / debt - 1.0)
            out[SOFT, p] += 1.0 if x > 0.0 else 0.0
            missing = max((debt - x) * price[p, s] - y * price[p, r], 0.0)
            out[SHORT, p] += missing
            out[BARE, p] += missing if is_dust(k, y, amm, loans) else 0.0
        out[LEAST, p] = least if least < np.inf else np.nan
        loans.looked[p, 1] = 0.0  # the next block looks at all of them again, and finds what it would have found


@kernel
def standing(amm: Amm, loans: Loans, price: np.ndarray, out: np.ndarray) -> None:
    """Open loans, and the worth of stablecoin and collateral in the bands. price: [P, R] seen [USD]; out: [3, P], added to."""
    r, s = amm.of[COLLATERAL_RESERVE], amm.of[STABLE_RESERVE]
    for p in range(out.shape[1]):
        stable, collateral, count = 0.0, 0.0, 0
        for b in range(amm.x.shape[1]):
            stable, collateral = stable + amm.x[p, b], collateral + amm.y[p, b]
        for k in range(loans.open.shape[1]):
            count += loans.open[p, k]
        out[0, p] += float(count)
        out[1, p] += stable * price[p, s]
        out[2, p] += collateral * price[p, r]


def stocks(state: State, markets: list[Market], numbers: tuple[int, ...]) -> list[Value]:
    """What stands in the bands of each protocol now; state.seen.price is fresh."""
    found = {number: np.zeros((3, state.paths)) for number in numbers}
    for amm, loans, _ in markets:
        standing(amm, loans, state.seen.price, found[int(amm.of[PROTOCOL])])
    return [Value(column, values, number) for number, (count, stable, collateral) in found.items()
            for column, values in zip(STANDING, (count, stable / np.maximum(stable + collateral, 1e-300)), strict=True)]


def of_market(column: Column, values: np.ndarray, amm: Amm, state: State) -> Value:
    """A value of one market: of its protocol and collateral."""
    return Value(column, values, int(amm.of[PROTOCOL]), int(state.reserves.asset[amm.of[COLLATERAL_RESERVE]]))


def results(state: State, markets: list[Market], numbers: tuple[int, ...]) -> list[Value]:
    """What trades came to, how loans stand, losses and calls; state.seen.price is fresh."""
    bare, short, out = *np.zeros((2, *state.ledgers.totals.shape[1:])), []
    for amm, loans, _ in markets:
        found = np.zeros((4, state.paths))
        survey(state.time, amm, loans, state.reserves, state.seen, state.seen.price, found)
        bare[amm.of[PROTOCOL]] += found[BARE]
        short[amm.of[PROTOCOL]] += found[SHORT]
        out += [of_market(column, rows[row].copy(), amm, state)
                for rows, columns in ((amm.told, TOLD), (found, SURVEYED)) for row, column in columns]
    owed = owed_at_start(state)
    return [*out, *(value for number in numbers
                    for value in (*said_of(state, number, bare, short, owed), *counts(state, number)))]
