"""The benchmarks run: the smallest of each kind of case, in a process of its own as they are measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
