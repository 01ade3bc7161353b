"""Chains, and bridges between them."""

from __future__ import annotations

from typing import Any

from conformance.claims import WithPhase
from conformance.house import example
from delever import worlds
from delever.networks.base import Chain, Link


class TestNetworks(WithPhase):
    """Every file of networks/."""

    role = "networks"

    def test_it_has_blocks_or_two_ends(self, kind: str) -> None:
        made: Any = example(worlds.kinds(self.role)[kind])
        if isinstance(made, Chain):
            room, fee, native = made.start()
            assert made.time_between_blocks() > 0.0
            assert room >= 1
            assert fee >= 0.0
            assert native
            assert made.gas_of("a kind that nobody knows", 7.0) == 7.0
        else:
            assert isinstance(made, Link)
            assert len(set(made.ends())) == 2
            there, back, fee, capacity, window = made.terms()
            assert min(there, back, capacity, window) > 0.0
            assert 0.0 <= fee < 1.0
