"""Policies."""

from __future__ import annotations

from conformance.claims import WithPhase


class TestPolicies(WithPhase):
    """Every file of policies/."""

    role = "policies"

    def test_it_does_something_at_some_moment(self, kind: str) -> None:
        assert {"adapt", "restrain", "offer"} & set(vars(type(self.phase(kind)[0])))
