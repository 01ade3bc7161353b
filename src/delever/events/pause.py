"""A protocol is paused for a time: no liquidations, no opening of loans or positions, or neither.

    in blocks of begin < t <= begin + lasting     begin: of the step in which the event falls
Owners may add collateral all the while; whoever is unhealthy stands, and is called when it ends.
Source: pause guardians, such as Aave v3's `setReservePause`, where repaying and supplying to a paused reserve stop too: here they
do not, as where liquidations alone are paused (Aave's grace periods after an outage of the sequencer).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.events.base import Halt, Halting, Spell
from delever.model.errors import InputError
from delever.model.quantity import Text
from delever.model.references import known_name
from delever.model.world import World


class Pause(Spell):
    """A pause of one protocol."""

    kind: ClassVar[str] = "pause"
    protocol: Text = Field(examples=["aave"], description="what is paused")
    liquidations: bool = Field(True, description="whether nobody can be liquidated")
    opening: bool = Field(True, description="whether no loan or position can be opened")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol of the world, and something that stops."""
        known_name(self.protocol, world.protocols, "protocol", (*path, "protocol"))
        if not (self.liquidations or self.opening):
            raise InputError("pauses nothing", path=(*path, "liquidations"), value=False,
                             remedy="leave `liquidations` or `opening` true")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All pauses."""
        return Halting([Halt(setting.step_at(spec.at), column, setting.protocol(spec.protocol), spec.until(setting), place)
                        for place, spec in specs.items()
                        for column, stops in (("liquidation", spec.liquidations), ("opening", spec.opening)) if stops])
