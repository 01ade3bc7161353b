"""examples/aave_and_compound: three books share the markets of ether and bitcoin, and each can be left out."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data")
NEEDED = ("aave_steth_2023-06", "compound_v2_2023-05", "crvusd_2023-11")
with_data = pytest.mark.skipif(not all((DATA / name).is_dir() for name in NEEDED) and not os.environ.get("CI"),
                               reason="the books are not here (DELEVER_DATA)")


@with_data
def test_both_are_called_after_a_quick_fall_and_value_is_conserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    spec = importlib.util.spec_from_file_location("both", ROOT / "examples" / "aave_and_compound" / "story.py")
    assert spec is not None and spec.loader is not None
    story = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(story)
    events = ({"at": 0.0, "over": "1 min", "kind": "price", "change": {"ETH": -0.15}},)
    both = story.effect(story.world((), events).replace("scenario.paths", 1).replace("scenario.horizon", "3 min"))
    assert both["accounts of Aave"] > 0 and both["of Compound"] > 0 and both["residual"] < 1e-9
    alone = story.world(("compound",), events)
    assert set(alone.protocols) == {"aave_v2", "aave_v3"}
