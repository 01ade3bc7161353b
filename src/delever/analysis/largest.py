"""Concentration: the largest accounts, how far from liquidation they are, and every risk figure without each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from delever.analysis.remainders import main_asset
from delever.analysis.samples import run_model, run_watched, without
from delever.analysis.tables import Column, table
from delever.analysis.valuation import Health, Legs, health, legs_of, sensitivity
from delever.run.assemble import Model
from delever.run.figures import summarise
from delever.run.stress import Run

FIGURES = ("var", "expected_shortfall", "evar", "bad_debt", "shortfall", "probability_of_bad_debt", "lar",
           "seized_collateral")
PATHS = 100  # at most, if not told otherwise
BASELINE = "(nobody left out)"
GAP = 4  # paths between two that differ are run again with them: a chunk costs more than a path
FALLS = np.arange(0.0, 1.0, 0.005)  # at which an account is looked at before its fall is bisected
HALVINGS = 40


def concentration(run: Run, n: int = 10, paths: int | None = None) -> pa.Table:
    """The n accounts that owe most, and the risk figures without each of them, on the first `paths` paths of the run.

    The first row is the baseline on the same paths. An account is left out by emptying it: everybody else draws the
    same random numbers. A path on which it never comes into reach of liquidation is the same path without it, bit for
    bit, and is not run again.
    """
    model = run.model
    count = min(model.world.scenario.paths, PATHS if paths is None else max(1, paths))
    legs = legs_of(model)
    at_start = health(legs, model.seen_price())
    owed = np.maximum(at_start.debt, 0.0)
    chosen = [int(a) for a in np.argsort(-owed, kind="stable")[:n] if owed[a] > 0.0]
    baseline, met = run_watched(model, count, chosen)
    summaries = [summarise(model, baseline)]
    for account in chosen:
        emptied = without(model, [account])
        summaries.append(summarise(model, rerun(emptied, baseline, met[account])))
    return _table(model, chosen, legs, at_start, summaries)


def rerun(model: Model, baseline: pa.Table, differ: np.ndarray) -> pa.Table:
    """The baseline's paths with those that differ run anew. differ: ascending numbers of paths."""
    parts, at = [], 0
    for group in np.split(differ, np.flatnonzero(np.diff(differ) > GAP) + 1):
        if len(group):
            first, last = int(group[0]), int(group[-1]) + 1
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


def _table(model: Model, chosen: list[int], legs: Legs, at_start: Health, summaries: list[pa.Table]) -> pa.Table:
    """The baseline's row, then a row an account. summaries: in that order."""
    positions, markets, asset = model.positions, model.layout.markets, main_asset(model)
    fall = falls(model, chosen)
    distance, soonest = fall[markets.index(asset)], fall.argmin(axis=0)
    protocols, protocol = list(model.world.protocols), positions.protocol[chosen]
    collateral, owed = legs.total(at_start.value, ~legs.debt), at_start.debt
    figures = [dict(zip(s["figure"].to_pylist(), s["value"].to_pylist(), strict=True)) for s in summaries]
    units = dict(zip(summaries[0]["figure"].to_pylist(), summaries[0]["unit"].to_pylist(), strict=True))
    return table(
        Column("protocol", "", [None, *(protocols[p] for p in protocol)], kind=pa.string()),
        Column("account", "", [BASELINE, *(positions.accounts[a] for a in chosen)]),
        Column("collateral_usd", "USD", np.append(collateral.sum(), collateral[chosen])),
        Column("debt_usd", "USD", np.append(owed.sum(), owed[chosen])),
        Column("health_factor", "1", [None, *at_start.factor[chosen].tolist()], kind=pa.float64()),
        Column("liquidation_distance", "share", [None, *map(_finite, distance)],
               f"fall of {asset}, and of what follows it, at which the account becomes eligible", pa.float64()),
        Column("nearest_fall", "share", [None, *(_finite(fall[m, i]) for i, m in enumerate(soonest))],
               "smallest fall of a single asset against what it is priced in that makes the account eligible",
               pa.float64()),
        Column("nearest_asset", "", [None, *(markets[m] if np.isfinite(fall[m, i]) else None
                                             for i, m in enumerate(soonest))], kind=pa.string()),
        Column("share_of_debt", "share", np.append(1.0, owed[chosen] / owed.sum())),
        *(Column(name, units[name], [values[name] for values in figures]) for name in FIGURES),
    )


def _finite(fall: float) -> float | None:
    return float(fall) if np.isfinite(fall) else None
