"""What all tests share: how hypothesis draws, and where the program keeps what it writes."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("DELEVER_CHECKED", "1")  # every call of a kernel looks at what it is given

import pytest
from hypothesis import settings

# The same examples every time, so that a failure belongs to the change that made it; `explore` draws new ones.
# No deadline: the first example of a property may have to compile.
settings.register_profile("repeat", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: what a command writes by default lands there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
