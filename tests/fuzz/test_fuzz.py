"""The fuzzer finds what it is for, says how to see it again, and in a short run finds nothing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from delever.model.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def fuzz(*words: str) -> dict[str, Any]:
    """What a run of the command says at its end."""
    done = subprocess.run([sys.executable, "-m", "tests.fuzz", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"said": done.stderr}


def test_a_short_run_finds_nothing() -> None:
    found = fuzz("--seed", "15", "--calls", "1000")
    assert found["findings"] == 0, found["said"]
    assert found["calls"] == 1000 and found["slowest_s"] < 20.0


@pytest.mark.parametrize("factor", [1e-50, 1e-28])
def test_a_book_so_thin_that_its_mark_leaves_every_scale_is_one_line(factor: float) -> None:
    from delever.run.stress import stress
    from fuzz.corpus import WORLDS

    with pytest.raises(InputError, match="path 0, price of ETH-PERP/USD has moved further than can be reckoned with"):
        stress(WORLDS[3].replace("venues.eth_perp.depth", f"x{factor!r}"), threads=1, keep=False)


def test_an_account_that_needs_no_margin_has_no_ratio_of_it() -> None:
    from delever.analysis import liquidation_prices
    from fuzz.corpus import WORLDS

    rows = liquidation_prices(WORLDS[2].replace("protocols.perps.parameters.BTC-PERP.tiers.0.maintenance", 0.0)).to_pylist()
    of = {row["account"]: {one["asset"] for one in rows if one["account"] == row["account"]} for row in rows}
    assert {"BTC-PERP"} in of.values() and {"ETH-PERP"} in of.values()
    for row in rows:
        assert (row["equity_over_maintenance"] is None) == (of[row["account"]] == {"BTC-PERP"})


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


@pytest.mark.parametrize(("call", "what"), [
    (raising(OverflowError("too large")), "OverflowError: too large"),
    (raising(RecursionError("too deep")), "RecursionError: too deep"),
    (raising(InputError("")), "an error of no or several lines"),
    (lambda: {"a": [1.0, math.inf]}, "a figure that is none"),
    (lambda: pa.table({"usd": [1.0, -math.inf]}), "a figure that is none"),
])
def test_what_a_call_must_not_do_is_a_finding(call: Callable[[], Any], what: str) -> None:
    from fuzz.judge import judged

    finding = judged(call)
    assert finding is not None and finding.what == what


def test_a_line_that_says_what_is_wrong_and_a_finite_result_are_none() -> None:
    from fuzz.judge import judged

    assert judged(raising(InputError("is wrong", "x"))) is None
    assert judged(lambda: (pa.table({"usd": [1.0, None]}), {"a": math.nan})) is None  # what is not known is shown as such


def test_what_takes_too_long_is_ended() -> None:
    from fuzz.judge import TooLong, alarm

    begin = time.process_time()
    with pytest.raises(TooLong), alarm(0.05):
        busy(until=begin + 5.0)
    assert time.process_time() - begin < 2.0


def busy(until: float) -> None:
    """Does nothing until so much of the processor's time is gone."""
    while time.process_time() < until:
        pass
