"""The benchmarks run: the smallest of each kind of case, in a process of its own as they are measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.coverage import SCALE, Pareto, judged

from delever.model.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("case", [
    ["full", "--accounts", "1000", "--rules", "aave", "--curves", "yes", "--terms", "yes", "--scenario", "crash"],
    ["full", "--accounts", "1000", "--mode", "sequential", "--scenario", "crash"],
    ["perps", "--accounts", "300", "--scenario", "crash"]], ids=lambda case: " ".join(case[::3]))
def test_a_case_measures_what_happens_and_conserves_value(case: list[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.case", *case, "--paths", "1", "--repeat", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ns_per_path_step"] > 0
    assert found["per_path"]["health_checks"] > 0
    assert found["largest_residual"] < 1e-9


def test_cash_rates_and_terms_are_measured_beside_the_same_world_without() -> None:
    command = [sys.executable, "-m", "benchmarks.state", "--accounts", "1000", "--paths", "2", "2", "--repeat", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    quiet, crash = map(json.loads, done.stdout.splitlines())
    assert quiet["speed"].keys() == crash["speed"].keys() == {"without", "cash and rates", "terms", "both"}
    assert crash["happened"]["both"]["liquidations.lending"] > quiet["happened"]["both"]["liquidations.lending"]


def test_llamma_is_measured_beside_a_fixed_spread_in_the_same_world() -> None:
    command = [sys.executable, "-m", "benchmarks.llamma", "--loans", "60", "--paths", "2", "2", "--repeat", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    quiet, crash = map(json.loads, done.stdout.splitlines())
    assert (quiet["day"], crash["day"]) == ("quiet", "crash") and quiet["speed"] > 0 and crash["speed"] > 0
    assert crash["happened"]["llamma"]["arbitrages.lender.ETH"] > 0
    assert crash["happened"]["fixed spread"]["liquidations.lender"] > 0


@pytest.mark.parametrize("case", [["protocols", "--five"], ["markets", "--many", "3", "--rate", "adaptive"]], ids=" ".join)
def test_several_protocols_are_measured_beside_one(case: list[str]) -> None:
    smallest = ["--accounts", "100", "--paths", "2", "2", "--repeat", "1"]
    command = [sys.executable, "-m", f"benchmarks.{case[0]}", *case[1:], *smallest]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    quiet, crash = map(json.loads, done.stdout.splitlines())
    assert quiet["ns_per_path_step"].keys() == crash["ns_per_path_step"].keys()
    assert all(crash["liquidations"][count] > quiet["liquidations"][count] for count in crash["liquidations"])


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.2, 0.4])
def test_losses_of_the_fitted_form_have_these_quantiles_and_means_beyond(shape: float) -> None:
    """Against the loss at a million even chances, of which three in ten lose."""
    losses, chance = Pareto(shape), (np.arange(1_000_000) + 0.5) / 1_000_000
    x = losses.beyond(chance) * SCALE
    beyond = chance < 0.01 / Pareto.LOSING
    assert losses.var(0.99) == pytest.approx(float(x[beyond].min()), rel=1e-3)
    assert losses.expected_shortfall(0.99) == pytest.approx(float(x[beyond].mean()), rel=5e-3)


def test_a_refused_tail_counts_neither_way() -> None:
    def estimate(x: np.ndarray, _: object) -> tuple[float, float, float]:
        if x[0] > 1.0:
            raise InputError("is refused", "tails")
        return x[0], x[0] - 0.5, x[0] + 0.5

    samples = [(np.array([value]), None) for value in (0.0, 1.0, 2.0, 0.8)]
    row, none = (judged({"VaR": (0.9, one)}, iter(samples))[0] for one in (estimate, lambda x, w: estimate(x + 9.0, w)))
    assert (row["holds"], row["truth_above"], row["refused"]) == (0.6667, 0.3333, 0.25)
    assert none["refused"] == 1.0 and "holds" not in none


def test_a_report_of_a_large_book_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.report", "--accounts", "1000", "--paths", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["cpu_s"] > 0.0 and 0.1 < found["size_mb"] < 3.0
