"""Redemption: anybody hands in stablecoin and takes collateral worth as much from the troves with the lowest ratios, less a fee.

    base rate   <- decayed base rate + share of all stablecoin redeemed / BETA;        fee = base rate + FLOOR, of the collateral
    who         troves with ratio >= MCR, lowest first; one that gives all but RESERVE is closed, the rest is its owner's; one
                that would keep less than LEAST_DEBT ends it
    how much    until one unit more no longer brings what it costs:  c = x / price (1 - fee(x)), dc/dx x what one unit more of
                collateral brings on the market = 1 (assumption: whoever redeems does it as soon, and as far, as it pays)
Only while all troves together are at MCR or above. The fee is noted as the protocol's own (the contract's go to stakers).
Source: liquity/dev @5174ecd0 (TroveManager.sol: redeemCollateral, _updateBaseRateFromRedemption, _calcDecayedBaseRate).
"""

from __future__ import annotations

import numpy as np

from delever.core.edges import edge_of_route
from delever.core.jit import helper, kernel
from delever.core.outcomes import PROTOCOL_FEE
from delever.core.tables import (
    BANDS,
    CASH,
    DEBTS,
    DEPOSITS,
    EXECUTED,
    INCLUDED,
    NOTHING,
    OFFERED,
    REVERTED,
    TREASURY,
    Ledgers,
    Liquidity,
    Reserves,
    Sales,
    SeenPrices,
    Transactions,
)
from delever.protocols.liquity_calls import price_of
from delever.protocols.liquity_formulas import (
    BETA,
    FLOOR,
    HALF_LIFE,
    LEAST_DEBT,
    MCR,
    MINUTE,
    RESERVE,
    decayed,
    raised,
    redemption_fee,
)
from delever.protocols.liquity_system import (
    BASE_RATE,
    COLL,
    COLLATERAL,
    COLLATERAL_RESERVE,
    DEBT,
    FEES,
    NETWORK,
    OPEN,
    PROTOCOL,
    RATE_AT,
    REDEEMED,
    REDEMPTIONS,
    STABLE,
    STABLE_RESERVE,
    System,
    close,
    entire,
    from_the_lowest,
    place,
)

ROUNDS, CRUMB = 50, 1e-6  # halvings of the search for how much; share of all stablecoin that is nothing


@helper
def fee_of(p: int, share: float, time: float, s: System) -> float:
    """The fee once such a share of all stablecoin has been redeemed now."""
    base = decayed(s.sums[p, BASE_RATE], time - s.sums[p, RATE_AT], s.terms[HALF_LIFE])
    return redemption_fee(raised(base, share, s.terms[BETA]), s.terms[FLOOR])


@helper
def gap(p: int, x: float, price: float, scale: float, time: float, s: System, liquidity: Liquidity) -> float:
    """What redeeming one unit more behind x would bring on the market, less that unit."""
    supply = s.sums[p, DEBT] * scale
    fee = fee_of(p, x / supply, time, s)
    more = 1.0 - fee - x / (s.terms[BETA] * supply)
    edge = edge_of_route(p, s.of[COLLATERAL], s.of[STABLE], x / price * (1.0 - fee), liquidity.tree, liquidity.profiles,
                         liquidity.markets)
    return edge * max(more, 0.0) / price - 1.0


@helper
def to_redeem(p: int, price: float, scale: float, time: float, s: System, liquidity: Liquidity) -> float:
    """Units of stablecoin that it pays to hand in now; 0: none."""
    sums, terms = s.sums[p], s.terms
    supply = sums[DEBT] * scale
    most = supply - terms[RESERVE] * sums[OPEN]
    if not most > CRUMB * supply or sums[COLL] * price < terms[MCR] * supply:
        return 0.0
    if not gap(p, 0.0, price, scale, time, s, liquidity) > 0.0:
        return 0.0
    low, high = 0.0, most
    if gap(p, most, price, scale, time, s, liquidity) > 0.0:
        return most
    for _ in range(ROUNDS):
        x = 0.5 * (low + high)
        if gap(p, x, price, scale, time, s, liquidity) > 0.0:
            low = x
        else:
            high = x
    return low if low > CRUMB * supply else 0.0


@helper
def size_redemption(i: int, time: float, s: System, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity,
                    rows: Transactions) -> None:
    """Give, get and fee of a row, at most what its actor brings; or say that there is nothing to do.

    At its slot what troves can give: less where one would keep too little debt, which who bids does not look at.
    """
    p = rows.path[i]
    price, scale = price_of(p, s, seen), reserves.borrow_index[s.of[STABLE_RESERVE], p]
    x = to_redeem(p, price, scale, time, s, liquidity)
    if 0.0 < rows.most[i] < x:
        x = rows.most[i]
    rows.give_asset[i], rows.get_asset[i] = s.of[STABLE], s.of[COLLATERAL]
    got = x / price
    if rows.state[i] == INCLUDED and x > 0.0:
        x, _, got = redeem(p, x, price, scale, False, s)
    rows.give[i], rows.get[i], rows.kept[i] = x, got, 0.0
    if x > 0.0:
        rows.kept[i] = rows.get[i] * fee_of(p, x / (s.sums[p, DEBT] * scale), time, s)
    else:
        rows.state[i] = REVERTED if rows.state[i] == INCLUDED else NOTHING


@kernel
def offer_redemptions(number: int, kind: int, time: float, active: np.ndarray, s: System, reserves: Reserves, seen: SeenPrices,
                      liquidity: Liquidity, rows: Transactions, n: int) -> int:
    """A row for each path on which a redemption pays before gas. The number of rows then. number: of the system."""
    for p in range(active.shape[0]):
        if not active[p]:
            continue
        rows.path[n], rows.most[n], rows.state[n] = p, 0.0, OFFERED
        size_redemption(n, time, s, reserves, seen, liquidity, rows)
        if rows.state[n] == OFFERED:
            rows.kind[n], rows.ref[n], rows.protocol[n], rows.network[n] = kind, number, s.of[PROTOCOL], s.of[NETWORK]
            n += 1
        else:
            rows.path[n], rows.state[n], rows.give_asset[n], rows.get_asset[n] = 0, 0, 0, 0
    return n


@kernel
def size_redemptions(picked: np.ndarray, time: float, s: System, reserves: Reserves, seen: SeenPrices, liquidity: Liquidity,
                     rows: Transactions) -> None:
    """These rows, each as if it were alone."""
    for i in picked:
        size_redemption(i, time, s, reserves, seen, liquidity, rows)


@helper
def redeem(p: int, x: float, price: float, scale: float, real: bool, s: System) -> tuple[float, float, float]:
    """Hand in up to x units: (units burned, set aside for gas that is burned too, collateral taken). Base rate: see redeemed.

    real: troves give it; else it is only asked what they would.
    """
    sums, terms, seen, left, drawn, freed = s.sums[p], s.terms, price / scale, x / scale, 0.0, 0.0
    aside, all_in, spare = terms[RESERVE] / scale, x / scale, s.sums[p, OPEN] - 1.0
    for j in range(from_the_lowest(p, np.inf, s)):
        k = s.order[j]
        coll, debt = entire(p, k, s)
        if coll * seen < terms[MCR] * debt or not debt > aside:
            continue
        if not left > 0.0:
            break
        lot = min(left, debt - aside)
        taken = min(lot / seen, coll)
        if lot >= debt - aside:
            if spare <= 0.0:
                break
            spare -= 1.0
            freed += aside
            if real:
                close(p, k, s)
                s.surplus[p, k] += coll - taken
                sums[COLL] -= coll - taken
                sums[DEBT] -= aside
        elif (debt - lot) * scale < terms[LEAST_DEBT]:
            break
        elif real:
            place(p, k, coll - taken, debt - lot, s)
        left -= lot
        drawn += taken
    if real:
        sums[COLL] -= drawn
        sums[DEBT] -= all_in - left
    return (all_in - left) * scale, freed * scale, drawn


@helper
def redeemed(p: int, share: float, time: float, s: System) -> float:
    """Raise the base rate for such a share of all stablecoin, redeemed now; the fee."""
    sums, since = s.sums[p], time - s.sums[p, RATE_AT]
    sums[BASE_RATE] = raised(decayed(sums[BASE_RATE], since, s.terms[HALF_LIFE]), share, s.terms[BETA])
    if since >= MINUTE:
        sums[RATE_AT] = time
    return redemption_fee(sums[BASE_RATE], s.terms[FLOOR])


@kernel
def redeem_rows(picked: np.ndarray, time: float, s: System, reserves: Reserves, seen: SeenPrices, ledgers: Ledgers,
                rows: Transactions, sales: Sales, n_sales: int) -> int:
    """Carry out included rows, one after the other; levels of seen prices are fresh. The number of sales then."""
    a, b, r, t = s.of[COLLATERAL], s.of[STABLE], s.of[COLLATERAL_RESERVE], s.of[STABLE_RESERVE]
    tokens, booked = ledgers.tokens, ledgers.booked
    for i in picked:
        if rows.state[i] != INCLUDED:
            continue
        p, who = rows.path[i], rows.actor[i]
        price, scale = price_of(p, s, seen), reserves.borrow_index[t, p]
        supply = s.sums[p, DEBT] * scale
        paid, freed, drawn = redeem(p, rows.give[i], price, scale, True, s)
        if not paid > 0.0:
            rows.state[i] = REVERTED
            continue
        kept = drawn * redeemed(p, paid / supply, time, s)
        rows.give[i], rows.get[i], rows.kept[i], rows.state[i] = paid, drawn, kept, EXECUTED
        tokens[who, b, p] -= paid
        tokens[BANDS, b, p] -= freed
        tokens[CASH, b, p] += paid + freed
        booked[DEBTS, t, p] -= paid + freed
        tokens[CASH, a, p] -= drawn - kept
        tokens[who, a, p] += drawn - kept
        booked[DEPOSITS, r, p] -= drawn
        booked[TREASURY, r, p] += kept
        ledgers.turnover[b, p] += paid + freed
        ledgers.turnover[a, p] += drawn
        ledgers.totals[PROTOCOL_FEE, s.of[PROTOCOL], p] += kept * seen.price[p, r]
        s.told[REDEEMED, p] += paid
        s.told[FEES, p] += kept
        s.told[REDEMPTIONS, p] += 1.0
        if not rows.holds[i]:
            sales.row[n_sales], sales.path[n_sales], sales.holder[n_sales], sales.forced[n_sales] = i, p, who, 0
            sales.sold_asset[n_sales], sales.bought_asset[n_sales], sales.sold[n_sales] = a, b, drawn - kept
            n_sales += 1
    return n_sales
