"""Concentration: the largest owners, how far from liquidation they are, and every risk figure without each.

An owner is all of his accounts on all protocols; where a book names none, accounts of one name are one's. Large is who owes most
to lending protocols, and who has the largest positions on margin exchanges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from delever.analysis.budget import Budget, path_work, spans
from delever.analysis.margins import MarginBook, Standing
from delever.analysis.remainders import main_asset
from delever.analysis.samples import run_model, run_watched, without
from delever.analysis.tables import Column, table
from delever.analysis.valuation import Health, Legs, health, legs_of, sensitivity
from delever.run.assemble import Model
from delever.run.figures import summarise
from delever.run.stress import Run

FIGURES = ("var", "expected_shortfall", "var_99", "evar", "bad_debt", "shortfall", "probability_of_any_bad_debt",
           "probability_of_shortfall", "lar", "seized_collateral")
OF_EXCHANGES = ("liquidated", "deleveraged", "haircut", "deficit_booked", "residual_shortfall")  # of each by name
BASELINE = "(nobody left out)"
WATCHED = 1 / 3  # share of the work allowed beside a run that finding out who is met where may take
FALLS = np.arange(0.0, 1.0, 0.005)  # at which an account is looked at before its fall is bisected
HALVINGS = 40
NO_MORE, INTERRUPTED = "no more work is allowed beside the run", "interrupted"


def concentration(run: Run, n: int = 10, paths: int | None = None, partial: bool = False) -> pa.Table:
    """The n largest owners, and the risk figures without each of them, on the first `paths` paths of the run.

    paths: by default as many, and then as many owners, as the run's own work allows (budget.py): the same of the same run
    anywhere. partial: Ctrl-C ends it with the owners done so far. What is missing then stands in the metadata: `owners`, those
    asked for, and `stopped`, why.

    The first row is the baseline on the same paths. An owner is left out by emptying his accounts: everybody else draws the
    same random numbers. A path on which none of them comes into reach of liquidation is the same path without them, bit for
    bit, and is not run again.
    """
    model, budget = run.model, Budget(run)
    count = budget.first(WATCHED) if paths is None else min(run.paths.num_rows, max(1, paths))
    legs, margin_book = legs_of(model), MarginBook(model)
    at_start, standing = health(legs, model.seen_price()), margin_book.at(model.seen_price())
    size = _size(at_start, margin_book, standing)
    owner = model.positions.owner
    whole = np.bincount(owner, size, len(model.positions.owners))
    chosen = [np.flatnonzero(owner == o) for o in np.argsort(-whole, kind="stable")[:n] if whole[o] > 0.0]
    baseline, met = run_watched(model, count, [int(a) for accounts in chosen for a in accounts])
    differ, owners, stopped = [np.unique(np.concatenate([met[int(a)] for a in mine])) for mine in chosen], len(chosen), ""
    if paths is None:
        count, owners = budget.shared(budget.rerun(np.arange(count)), count, differ)
        baseline, stopped = baseline.slice(0, count), NO_MORE if owners < len(chosen) else ""
    summaries = [summarise(model, baseline)]
    for mine, again in zip(chosen[:owners], differ, strict=False):
        try:
            summaries.append(summarise(model, rerun(without(model, mine.tolist()), baseline, again[again < count])))
        except KeyboardInterrupt:
            if not partial:
                raise
            stopped = INTERRUPTED
            break
    found = _table(model, chosen[: len(summaries) - 1], legs, at_start, summaries, margin_book, standing)
    return found.replace_schema_metadata({"paths": str(count), "owners": str(len(chosen)), "stopped": stopped})


def exposure(model: Model) -> np.ndarray:
    """What each account owes to a lending protocol, or the size of its positions on an exchange, at the start [A] USD."""
    book = MarginBook(model)
    return _size(health(legs_of(model), model.seen_price()), book, book.at(model.seen_price()))


def _size(at_start: Health, book: MarginBook, standing: Standing) -> np.ndarray:
    size = np.maximum(at_start.debt, 0.0)
    size[book.accounts] = book.size_of(standing)
    return size


def rerun(model: Model, baseline: pa.Table, differ: np.ndarray) -> pa.Table:
    """The baseline's paths, from path 0 on, with those that differ run anew. differ: ascending numbers of paths."""
    parts, at = [], 0
    for first, last in spans(model, path_work(model, baseline), differ):
        parts += [baseline.slice(at, first - at), run_model(model, first, last)]
        at = last
    return pa.concat_tables([*parts, baseline.slice(at)]).combine_chunks()


def falls(model: Model, accounts: list[int]) -> np.ndarray:
    """Fall of each market, with all that follows it, that makes each account eligible, [M, accounts].

    0: the account is eligible already; infinite: no fall of that market makes it so.
    """
    moves, legs = sensitivity(model), only(legs_of(model), accounts)

    def eligible(market: int, fall: float) -> np.ndarray:
        return health(legs, model.seen_price(moves[:, market] * np.log1p(-fall))).eligible

    out = np.full((moves.shape[1], len(accounts)), np.inf)
    for m in range(moves.shape[1]):
        hit = np.array([eligible(m, fall) for fall in FALLS])  # [falls, accounts]
        for i in np.flatnonzero(hit.any(axis=0)):
            first = int(hit[:, i].argmax())
            low, high = float(FALLS[max(0, first - 1)]), float(FALLS[first])
            for _ in range(HALVINGS if first else 0):
                middle = 0.5 * (low + high)
                low, high = (low, middle) if eligible(m, middle)[i] else (middle, high)
            out[m, i] = high
    return out


def only(legs: Legs, accounts: list[int]) -> Legs:
    """The legs of some accounts, renumbered in the order given."""
    collaterals, debts = legs.collaterals[accounts], legs.debts[accounts]
    size = collaterals + debts
    first = np.cumsum(size) - size
    account = np.repeat(np.arange(len(accounts)), size)
    at = legs.first[accounts][account] + np.arange(int(size.sum())) - first[account]
    return replace(legs, account=account, reserve=legs.reserve[at], debt=legs.debt[at], amount=legs.amount[at],
                   threshold=legs.threshold[at], seizable=legs.seizable[at], first=first, collaterals=collaterals,
                   debts=debts)


def margin_moves(model: Model, book: MarginBook, accounts: list[int]) -> np.ndarray:
    """Move of each market, with all that follows it, that puts each margin account below maintenance, [M, accounts], signed.

    The nearer of a fall and of a rise up to a doubling; 0: it is below already; nan: neither does, or it is no margin account.
    """
    moves = sensitivity(model)
    place = {int(account): i for i, account in enumerate(book.accounts)}
    at = [i for i, account in enumerate(accounts) if account in place]
    out = np.full((moves.shape[1], len(accounts)), np.nan)
    if not at:
        return out
    mine = np.array([place[accounts[i]] for i in at])
    perps = {market for market, _, _ in model.layout.follows} | set(model.options.market.tolist())  # move with what they follow
    for m in range(moves.shape[1]):
        if m in perps or not moves[:, m].any():
            continue
        for size in FALLS:
            for sign in (-1.0, 1.0):
                hit = book.at(model.seen_price(moves[:, m] * np.log1p(sign * size))).unhealthy[mine]
                for i in np.flatnonzero(hit & np.isnan(out[m, at])):
                    out[m, at[i]] = sign * size
    return out


def _of_exchanges(model: Model, chosen: list[np.ndarray], book: MarginBook, standing: Standing) -> list[Column]:
    """Columns of margin accounts, an owner's together; none in a world that only lends. chosen: the accounts of each owner."""
    if not book.exchanges:
        return []
    count = len(model.positions.accounts)
    size, equity, maintenance = (np.full(count, np.nan) for _ in range(3))
    size[book.accounts], equity[book.accounts] = book.size_of(standing), standing.equity
    maintenance[book.accounts] = standing.maintenance
    moves = [margin_moves(model, book, mine.tolist()) for mine in chosen]
    move = np.array([nearest_of(one) for one in moves]).T  # [M, owners]
    nearest = np.where(np.isnan(move), np.inf, np.abs(move)).argmin(axis=0)
    found = [float(move[m, i]) for i, m in enumerate(nearest)]
    held, own = (np.array([total_of(column[mine]) for mine in chosen]) for column in (size, equity))
    with np.errstate(divide="ignore", invalid="ignore"):
        each = equity / maintenance
    ratio = np.array([np.min(each[mine], initial=np.inf, where=~np.isnan(each[mine])) for mine in chosen])
    ratio[np.isinf(ratio)] = np.nan
    total = float(np.nansum(size))

    def numbers(first: float | None, rest: Iterable[float]) -> list[float | None]:
        return [first, *(None if np.isnan(x) else float(x) for x in rest)]

    return [
        Column("positions_usd", "USD", numbers(total, held), kind=pa.float64()),
        Column("equity_usd", "USD", numbers(float(np.nansum(equity)), own), kind=pa.float64()),
        Column("equity_over_maintenance", "1", numbers(None, ratio), "of the account that is nearest", pa.float64()),
        Column("nearest_move", "share", numbers(None, found),
               "smallest move of one asset, to half a percent, that puts a margin account below maintenance", pa.float64()),
        Column("moving_asset", "", [None, *(None if np.isnan(x) else model.layout.markets[m]
                                            for x, m in zip(found, nearest, strict=True))], kind=pa.string()),
        Column("share_of_positions", "share", numbers(1.0, held / max(total, 1e-300)), kind=pa.float64()),
    ]


def total_of(values: np.ndarray) -> float:
    """Their sum; nan where none of them is a number."""
    return float(np.nansum(values)) if (~np.isnan(values)).any() else float("nan")


def nearest_of(moves: np.ndarray) -> np.ndarray:
    """Of each market the move of the account that it reaches first. moves: [M, accounts]; nan: none."""
    at = np.where(np.isnan(moves), np.inf, np.abs(moves)).argmin(axis=1)
    return np.asarray(moves[np.arange(len(moves)), at])


def _table(model: Model, chosen: list[np.ndarray], legs: Legs, at_start: Health, summaries: list[pa.Table], book: MarginBook,
           standing: Standing) -> pa.Table:
    """The baseline's row, then a row an owner. chosen: the accounts of each; summaries: in that order."""
    positions, markets, asset = model.positions, model.layout.markets, main_asset(model)
    fall = np.array([falls(model, mine.tolist()).min(axis=1) for mine in chosen]).reshape(-1, len(markets)).T  # [M, owners]
    distance, soonest = fall[markets.index(asset)], fall.argmin(axis=0)
    protocols, protocol = list(model.world.protocols), [np.unique(positions.protocol[mine]) for mine in chosen]
    collateral, owed = legs.total(at_start.value, ~legs.debt), at_start.debt
    backed, debt = (np.array([column[mine].sum() for mine in chosen]) for column in (collateral, owed))
    names = [*FIGURES, *(f"{figure}.{name}" for _, name in book.exchanges for figure in OF_EXCHANGES)]
    lends = [mine[positions.tables.margin[positions.tables.signature[mine]] == 0] for mine in chosen]
    factor = [float(at_start.factor[mine].min()) if len(mine) else None for mine in lends]
    figures = [dict(zip(s["figure"].to_pylist(), s["value"].to_pylist(), strict=True)) for s in summaries]
    units = dict(zip(summaries[0]["figure"].to_pylist(), summaries[0]["unit"].to_pylist(), strict=True))
    return table(
        Column("protocol", "", [None, *(" and ".join(protocols[p] for p in on) for on in protocol)], kind=pa.string()),
        Column("owner", "", [BASELINE, *(positions.owners[positions.owner[mine[0]]] for mine in chosen)]),
        Column("accounts", "count", [len(positions.accounts), *map(len, chosen)]),
        Column("collateral_usd", "USD", np.append(collateral.sum(), backed)),
        Column("debt_usd", "USD", np.append(owed.sum(), debt)),
        Column("health_factor", "1", [None, *factor], "of the account that is lowest", pa.float64()),
        Column("liquidation_distance", "share", [None, *map(_finite, distance)],
               f"fall of {asset}, and of what follows it, at which the first of the accounts becomes eligible", pa.float64()),
        Column("nearest_fall", "share", [None, *(_finite(fall[m, i]) for i, m in enumerate(soonest))],
               "smallest fall of a single asset against what it is priced in that makes one eligible",
               pa.float64()),
        Column("nearest_asset", "", [None, *(markets[m] if np.isfinite(fall[m, i]) else None
                                             for i, m in enumerate(soonest))], kind=pa.string()),
        Column("share_of_debt", "share", np.append(1.0, debt / owed.sum() if owed.any() else debt)),
        *_of_exchanges(model, chosen, book, standing),
        *(Column(name, units[name], [values[name] for values in figures]) for name in names if name in units),
    )


def _finite(fall: float) -> float | None:
    return float(fall) if np.isfinite(fall) else None
