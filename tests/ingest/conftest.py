"""The data sets: DELEVER_DATA, or shared/data beside the project. Missing, tests fail in CI and are skipped elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from delever.ingest.source import Source

DATA = Path(os.environ.get("DELEVER_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    if not DATA.exists():
        message = f"no data at {DATA}: set DELEVER_DATA to the folder of data sets"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    monkeypatch.setenv("DELEVER_DATA", str(DATA))
    return Source(None)
