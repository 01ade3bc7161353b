"""Value is conserved in every path, and the check that says so can fail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from delever.core.state import State
from delever.core.tables import CASH, DEBTS, HOLDERS, VENUES
from delever.engine.conservation import LIMIT
from delever.run.assemble import assemble
from delever.run.chunk import run_state, simulate
from delever.run.outcomes import ConservationError, tabulate_paths
from delever.run.stress import stress
from reference.worlds import random_world
from run.small import everything, fall, loan, one_market, pool

WORLDS, BATCH = 200, 50


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_residual_of_every_asset_and_path_is_rounding(first: int) -> None:
    worst = 0.0
    for seed in range(first, first + BATCH):
        world = random_world(seed).replace("scenario.paths", 5)
        paths = simulate(assemble(world), 0, 5, []).paths
        residuals = [name for name in paths.column_names if name.startswith("residual.")]
        assert residuals == [f"residual.{asset}" for asset in ("USD", *world.assets)]
        worst = max(worst, *(float(np.max(paths[name])) for name in residuals))
    assert worst < LIMIT == 1e-9
    assert worst > 0.0  # sums of floats leave something: a residual of nothing would mean that nothing is looked at


def test_the_residual_stands_in_the_summary() -> None:
    run = stress(everything(), keep=False)
    row = run.summary.filter(np.asarray(run.summary["figure"]) == "conservation_residual").to_pylist()[0]
    columns = [np.max(run.paths[name]) for name in run.paths.column_names if name.startswith("residual.")]
    assert row["value"] == max(columns) < LIMIT


def test_what_only_passes_through_is_measured_by_what_was_traded() -> None:
    """T sold for U through USD: nobody gains or loses USD, whose net is rounding and whose turnover is not."""
    terms = {"liquidation_threshold": 0.85, "incentive": 0.05}
    world = one_market(
        [("a", "T", "collateral", 7.1), ("a", "U", "debt", 5.9)],
        assets={"ETH": {"price": 1000.0}, "T": {"price": 1000.0 / 7}, "U": {"price": 131.0}},
        parameters={"T": terms, "U": terms}, scenario={"events": [fall(0.13, 60.0, "T")]})
    model = assemble(world)
    state, mechanisms, *_ = run_state(model, 0, 1, [])
    usd = state.ledgers.tokens[:, 0, 0]
    assert np.abs(usd).max() < 1e-9 < 100.0 < state.ledgers.turnover[0, 0]
    assert float(np.max(tabulate_paths(model, mechanisms, state)["residual.USD"])) < 1e-12


def token_from_nothing(state: State) -> None:
    state.ledgers.tokens[HOLDERS, 0, 2] += 2e-9 * turnover(state, 0)


def token_lost_by_a_venue(state: State) -> None:
    state.ledgers.tokens[VENUES, 1, 2] -= 2e-9 * turnover(state, 1)


def cash_that_nobody_booked(state: State) -> None:
    state.ledgers.tokens[CASH, 1, 2] += 2e-9 * turnover(state, 1)
    state.ledgers.tokens[VENUES, 1, 2] -= 2e-9 * turnover(state, 1)


def debt_forgotten_by_the_books(state: State) -> None:
    state.ledgers.booked[DEBTS, 0, 2] += 1e-6 * abs(state.ledgers.booked[DEBTS, 0, 2]) + 1.0


def account_changed_behind_the_ledger(state: State) -> None:
    touched = state.pool.touched
    slot = int(np.flatnonzero((touched.path[:100] == 2) & (touched.flags[:100] > 0))[0])
    touched.amount[slot, 0] += 1e-3


def ledger_of_an_account_that_did_not_change(state: State) -> None:
    state.ledgers.scaled[1, 1, 2] -= 1.0


def turnover(state: State, asset: int) -> float:
    """Units that moved on path 2."""
    return float(np.abs(state.ledgers.tokens[:, asset, 2]).sum() + state.ledgers.turnover[asset, 2])


@pytest.mark.parametrize("corrupt", [token_from_nothing, token_lost_by_a_venue, cash_that_nobody_booked,
                                     debt_forgotten_by_the_books, account_changed_behind_the_ledger,
                                     ledger_of_an_account_that_did_not_change])
def test_a_corrupted_ledger_is_an_error_that_names_path_and_asset(corrupt: Callable[[State], None]) -> None:
    """Just beyond the limit: 2e-9 of turnover, where it is tokens that are made or lost."""
    world = one_market([leg for i in range(4) for leg in loan(f"a{i}", 10.0 + i, 8000.0 + 100 * i)],
                       venues={"pool": pool()}, scenario={"paths": 4, "events": [fall(0.15)]},
                       execution={"rounds": 3})
    world = world.replace("venues.pool.half_life", "5 min")
    model = assemble(world)
    state, mechanisms, *_ = run_state(model, 10, 4, [])
    tabulate_paths(model, mechanisms, state)  # all is well
    corrupt(state)
    with pytest.raises(ConservationError, match=r"path 12: \w+ is not conserved, residual .* a fault of the program"):
        tabulate_paths(model, mechanisms, state)
