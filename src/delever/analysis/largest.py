"""Concentration: the largest accounts, how far they are from liquidation, and every risk figure without each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from delever.analysis.remainders import main_asset
from delever.analysis.samples import run_model, run_watched, without
from delever.analysis.tables import Column, table
from delever.analysis.valuation import Health, Legs, health, legs_of, market_of, sensitivity
from delever.run.assemble import Model
from delever.run.figures import summarise
from delever.run.stress import Run

FIGURES = ("var", "expected_shortfall", "evar", "bad_debt", "shortfall", "probability_of_bad_debt", "lar",
           "seized_collateral")
PATHS = 100  # at most, if not told otherwise
BASELINE = "(nobody left out)"
GAP = 4  # paths between two that differ are run again with them: a chunk costs more than a path
FALLS = np.arange(0.0, 1.0, 0.001)  # at which an account is looked at before its fall is bisected
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
    figures = [summarise(model, baseline)]
    for account in chosen:
        emptied = without(model, [account])
        figures.append(summarise(emptied, rerun(emptied, baseline, met[account])))
    return _table(model, chosen, legs, at_start, [_values(summary) for summary in figures])


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
    """Fall of the main asset, and of what follows it, that makes each account eligible; 0: it is, nan: none does."""
    market = market_of(model, main_asset(model), "main asset")
    move, legs = sensitivity(model)[:, market], only(legs_of(model), accounts)

    def eligible(fall: float) -> np.ndarray:
        return health(legs, model.seen_price(move * np.log1p(-fall))).eligible

    hit = np.array([eligible(fall) for fall in FALLS])  # [falls, accounts]
    out = np.full(len(accounts), np.nan)
    for i in np.flatnonzero(hit.any(axis=0)):
        first = int(hit[:, i].argmax())
        low, high = (FALLS[first - 1], FALLS[first]) if first else (0.0, 0.0)
        for _ in range(HALVINGS if first else 0):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if eligible(middle)[i] else (middle, high)
        out[i] = high
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


@dataclass(frozen=True)
class _Row:
    """What an account is, before the figures."""

    protocol: str | None
    account: str
    collateral: float
    debt: float
    health: float | None
    distance: float | None
    share: float


def _table(model: Model, chosen: list[int], legs: Legs, at_start: Health, figures: list[dict[str, float]]) -> pa.Table:
    collateral, protocols = legs.total(at_start.value, ~legs.debt), list(model.world.protocols)
    owed = float(at_start.debt.sum())
    distance = falls(model, chosen)
    rows = [_Row(None, BASELINE, float(collateral.sum()), owed, None, None, 1.0)]
    for i, a in enumerate(chosen):
        rows.append(_Row(protocols[int(model.positions.protocol[a])], model.positions.accounts[a], float(collateral[a]),
                         float(at_start.debt[a]), float(at_start.factor[a]),
                         None if np.isnan(distance[i]) else float(distance[i]), float(at_start.debt[a]) / owed))
    units = {row["figure"]: row["unit"] for row in summarise_units(model)}
    asset = main_asset(model)
    return table(
        Column("protocol", "", [row.protocol for row in rows], kind=pa.string()),
        Column("account", "", [row.account for row in rows]),
        Column("collateral_usd", "USD", [row.collateral for row in rows]),
        Column("debt_usd", "USD", [row.debt for row in rows]),
        Column("health_factor", "1", [row.health for row in rows], kind=pa.float64()),
        Column("liquidation_distance", "share", [row.distance for row in rows],
               f"fall of {asset}, and of what follows it, at which the account becomes eligible", pa.float64()),
        Column("share_of_debt", "share", [row.share for row in rows]),
        *(Column(name, units[name], [values[name] for values in figures]) for name in FIGURES),
    )
