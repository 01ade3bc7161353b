"""Rules of lending protocols and engines of exchanges."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.claims import WithPhase
from conformance.house import world_with
from delever.core.phase import Phase
from delever.protocols.base import RulesPhase
from delever.protocols.margin import Engines
from delever.run.assemble import assemble


class TestProtocols(WithPhase):
    """Every file of protocols/."""

    role = "protocols"

    def members(self, world: Any) -> dict[str, Any]:
        """Rules by protocol."""
        return {name: protocol.rules for name, protocol in world.protocols.items()}

    def test_its_phase_calls_accounts_one_way_or_the_other(self, kind: str) -> None:
        phase: Phase = self.phase(kind)[0]
        assert isinstance(phase, RulesPhase | Engines)
        if isinstance(phase, RulesPhase):
            assert phase.kinds()[0] is phase.call, "the first kind is what an unhealthy account offers"
            assert phase.call.liquidates or len(phase.kinds()) > 1 or kind == "flip", "lots of flip are bid on by its keepers"

    def test_nobody_who_is_healthy_can_be_called(self, kind: str) -> None:
        """At the start of the small world everybody is healthy, and after a fall of ETH by a fifth somebody is not."""
        phase = self.phase(kind)[0]
        if not isinstance(phase, RulesPhase):
            return
        model = assemble(world_with(self.role, kind))
        tables, reserves = model.positions.tables, self.reserves(model)
        price = model.seen_price()
        assert not phase.liquidatable(tables, reserves, price).repay.any()
        eth = np.array([asset == "ETH" for _, asset in model.positions.reserves])
        fallen = phase.liquidatable(tables, reserves, np.where(eth, 0.8 * price, price))
        lending = np.isin(model.positions.protocol, phase.numbers)
        assert not fallen.seize[~lending].any()
        opened = (fallen.repay > 0.0) | (fallen.seize > 0.0)
        assert (opened & lending).any() or kind == "clip", "a call of clip opens an auction, and gives and gets nothing itself"

    def reserves(self, model: Any) -> Any:
        """Indices at the start."""
        from delever.run.start import new_state

        return new_state(model, 0, 1).reserves
