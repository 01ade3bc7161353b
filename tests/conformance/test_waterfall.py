"""Layers of a default waterfall."""

from __future__ import annotations

from typing import Any

from conformance.claims import EveryMechanism
from conformance.house import example
from delever import worlds
from delever.waterfall.base import LayerPhase


class TestWaterfall(EveryMechanism):
    """Every file of waterfall/ that a world can name."""

    role = "waterfall"

    def test_it_becomes_a_layer_of_one_protocol(self, kind: str) -> None:
        made: Any = example(worlds.kinds(self.role)[kind])
        layer = made.compile(1, 60.0)
        assert isinstance(layer, LayerPhase)
        assert layer.number == 1
        assert all(units >= 0.0 for units in made.fund().values())
        equity, reserve = made.vault()
        assert equity >= 0.0
        assert (reserve < 0.0) == (equity == 0.0)
