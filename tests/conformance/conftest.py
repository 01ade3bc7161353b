"""Every class of claims about a role is asked of every mechanism in the role's folder."""

from __future__ import annotations

import pytest

from delever import worlds


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`kind`: each file of the folder."""
    role = getattr(metafunc.cls, "role", None)
    if role is not None and "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", list(worlds.kinds(role)))
