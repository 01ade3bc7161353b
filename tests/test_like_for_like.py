"""On the dense baseline's own inputs its model, as a world, liquidates as often and leaves the same bad debt on every path."""

from __future__ import annotations

import importlib.util
import os
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
BASELINES = Path(os.environ.get("DELEVER_BASELINES", ROOT.parent / "shared" / "bench"))


@pytest.fixture(scope="module")
def dense() -> ModuleType:
    path = BASELINES / "dense_baseline.py"
    if not path.exists():
        message = f"no {path}: set DELEVER_BASELINES to the folder of the baselines"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    spec = importlib.util.spec_from_file_location("dense_baseline", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dense_baseline"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("drift", "volatility", "jump"), [(0.0, 0.03, 0.0), (-0.2, 0.03, 0.0), (-0.2, 0.08, -0.25)])
def test_the_dense_baselines_model_gives_its_outcomes(dense: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      drift: float, volatility: float, jump: float) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.like_for_like import make_world

    from delever.run.stress import stress

    inputs = dense.make_inputs(Namespace(accounts=4000, steps=240, paths=6, seed=7, drift=drift, vol=volatility, jump=jump,
                                         correlation=0.8, depth=2.0))
    expected = dense.run_numpy(inputs, dense.Rules(0.5, 0.05, 1.0, 0.01), 1)
    found = stress(make_world(inputs._asdict(), tmp_path), keep=False, threads=1).paths
    calls = expected[:, dense.LIQUIDATIONS]
    assert calls.sum() > 0
    assert found["liquidations.lending"].to_numpy().tolist() == calls.tolist()
    bad = expected[:, dense.WRITTEN_OFF] + expected[:, dense.OPEN_BAD]
    assert (bad.sum() > 0.0) == (jump < 0.0)
    np.testing.assert_allclose(found["shortfall.lending"].to_numpy(), bad, rtol=1e-9, atol=1e-9)
