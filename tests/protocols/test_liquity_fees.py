"""The fees of real redemptions follow the base rate as the rules have it, and the judge of that would see it if they did not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.liquity_fees import Redemption, ahead, judge, off, read

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
needs_data = pytest.mark.skipif(not (DATA / "liquity_redemptions").exists() and not os.environ.get("CI"),
                                reason="Liquity's redemptions are not here (DELEVER_DATA)")


def made(half_life: float, supply: float = 1e9, count: int = 80) -> list[Redemption]:
    """Redemptions whose fees follow the rules with this half-life [h]."""
    rng, base, at, out = np.random.default_rng(1), 0.0, 0.0, []
    for _ in range(count):
        since, lusd = float(rng.integers(1, 300)) * 60.0, float(rng.uniform(5e5, 5e6))
        at, base = at + since, base * 2.0 ** (-since / (half_life * 3600.0)) + lusd / (2.0 * supply)
        out.append(Redemption(at, lusd, 0.005 + base))
    return out


def test_fees_made_by_the_rules_are_foretold_and_by_others_are_not() -> None:
    right, wrong = (off(made(half_life), ahead(made(half_life), 12.0)) for half_life in (12.0, 6.0))
    assert np.isnan(right[:9]).all() and np.nanmax(right) < 1e-9
    assert np.nanmean(wrong) > 1.0


@needs_data
def test_real_fees_are_foretold_and_the_half_life_is_the_contracts() -> None:
    found = judge(read(DATA))
    assert found["redemptions"] == 419 and found["foretold"] > 300
    assert found["rules"]["mean"] < 0.2 < 1.0 < found["fee_before"] < found["floor"]
    assert found["half_life_h"]["from"] <= 12.0 <= found["half_life_h"]["to"]
