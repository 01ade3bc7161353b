"""Keepers never spend what they do not have, and no bit depends on how a run is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from actors.test_keepers import keepers
from delever.core.empty import new_transactions
from delever.core.holdings import BORROWED, afford, new_purses
from delever.core.state import State
from delever.core.tables import EXECUTED, HOLDERS, INCLUDED, REVERTED
from delever.model.world import World
from delever.run.assemble import assemble
from delever.run.stress import stress
from networks.small import CHAINS, play, two_chains
from run.small import bits, fall, loan, pool, unlike

TESTS = Path(__file__).resolve().parents[1]


def test_a_row_that_cannot_be_paid_for_at_its_slot_reverts() -> None:
    """100 units: 60 once, not twice; 40 fit beside them; who borrows needs none."""
    rows, purses = new_transactions(4), new_purses(1, 1, 2, 1)
    purses.held[0, 0, 1, 0] = 100.0
    for column, value in ((rows.state, INCLUDED), (rows.actor, HOLDERS), (rows.give_asset, 1)):
        column[:4] = value
    rows.give[:4], rows.must_pay[3] = [60.0, 60.0, 40.0, 50.0], BORROWED
    afford(np.arange(4), rows, purses)
    assert rows.state[:4].tolist() == [INCLUDED, REVERTED, INCLUDED, INCLUDED]
    assert purses.spent[0, 0, 1, 0] == 100.0


def crowded(seed: int, paths: int = 3, mode: str = "sequential") -> World:
    """Loans on two chains, groups of all sorts with little money, a bridge, a pool with slippage, prices that move."""
    rng = np.random.default_rng([7, seed])
    legs = [[leg for i in range(12) for leg in loan(f"{chain}{i}", float(rng.uniform(1, 60)), 0.0)] for chain in "sf"]
    for chain in legs:
        for i in range(0, len(chain), 2):
            account, _, _, eth = chain[i]
            chain[i + 1] = (account, "USD", "debt", eth * 850.0 / float(rng.uniform(1.0, 1.25)))
    flash = mode == "sequential"
    groups = {
        "whale": keepers(network="slow", capital={"USD": float(rng.uniform(1e3, 1e5)), "ETH": 1.0},
                         elsewhere={"fast": {"POL": 5.0}}),
        "holder": keepers(network="fast", capital={"USD": float(rng.uniform(1e3, 3e4)), "POL": float(rng.uniform(1e-3, 0.01))},
                          elsewhere={"slow": {"USD": 4000.0, "ETH": 0.05}}, inventory="hold", pace=60_000, fee_share=0.7),
        "runner": {"kind": "keepers", "flash": flash, "channel": "private", "network": "slow",
                   "capital": {"USD": 500.0, "ETH": float(rng.uniform(0.02, 0.5))}, "elsewhere": {"fast": {"POL": 1.0}}}}
    bridge = {"kind": "bridge", "between": ["slow", "fast"], "delay": float(rng.choice([7.0, 60.0, 200.0])), "fee": 0.002,
              "capacity": float(rng.uniform(1e3, 3e4))}
    return two_chains(legs[0], legs[1], actors=groups, venues={"pool": pool(half_life=300)}, execution={"mode": mode},
                      networks={"slow": CHAINS["slow"] | {"room": 3}, "fast": CHAINS["fast"] | {"room": 2}, "bridge": bridge},
                      scenario={"horizon": 600, "paths": paths, "seed": seed, "events": [fall(0.1)],
                                "prices": {"kind": "lognormal", "volatility": {"ETH": 8.0, "POL": 3.0}}})


@given(seed=st.integers(0, 10_000), mode=st.sampled_from(["sequential", "batched"]))
@settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a smaller seed is no simpler world
def test_nobody_ever_spends_what_he_does_not_have(seed: int, mode: str) -> None:
    """In every block own money covers what it paid, purses follow the ledger, and nothing is below 0."""
    world = crowded(seed, mode=mode)
    start = assemble(world)
    wanted = np.zeros((3, 3))
    for k, spec in enumerate(world.actors.values()):
        for money in (spec.capital, *spec.elsewhere.values()):  # type: ignore[attr-defined]
            for asset, units in money.items():
                wanted[k, start.layout.asset(asset)] += units

    def look(state: State) -> int:
        held, rows, paid = state.purses.held, state.transactions, np.zeros_like(state.purses.held)
        assert held.min() >= -1e-9
        mine = np.flatnonzero((rows.state[:state.n_rows] == EXECUTED) & (rows.actor[:state.n_rows] >= HOLDERS))
        for i in mine[(rows.must_pay[mine] != BORROWED)].tolist():
            paid[rows.network[i], rows.actor[i] - HOLDERS, rows.give_asset[i], rows.path[i]] += rows.give[i]
        assert (paid <= held).all()
        return len(mine)

    _, state, diary = play(world, look)
    assert sum(diary.seen) > 0
    gained = state.ledgers.tokens[HOLDERS:HOLDERS + 3]
    assert state.purses.held.sum(0) == pytest.approx(wanted[..., None] + gained, rel=1e-9, abs=1e-6)
    assert not state.purses.reserved.any() and not state.purses.spent.any()


def test_the_worlds_of_that_property_are_eventful() -> None:
    """Calls on both chains, bridges used, calls in part, reverts, inventory sold."""
    kinds, failed = set(), 0
    for seed in range(4):
        diary = play(crowded(seed))[2]
        kinds |= {(network, kind) for _, network, kind, *_ in diary.done}
        failed += len(diary.failed)
    assert len(kinds) >= 5
    assert failed > 0


@pytest.mark.parametrize("mode", ["sequential", "batched"])
def test_no_bit_depends_on_the_chunk_size(mode: str) -> None:
    world = crowded(3, 5, mode)
    whole = stress(world, keep=False)
    assert sum(whole.paths["liquidations.slow"].to_pylist()) > 0
    for chunk in (1, 2):
        assert unlike(whole.paths, stress(world, keep=False, chunk=chunk).paths) == []


def floats() -> list[str]:
    """Every value of the paths of a run, exactly."""
    run = stress(crowded(3, 2), keep=False, threads=1)
    return [f"{name} {content.hex()}" for name, content in bits(run.paths).items()]


def test_the_compiler_changes_no_bit() -> None:
    code = "from actors.test_keepers_money import floats; print('\\n'.join(floats()))"
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == floats()
