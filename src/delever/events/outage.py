"""Something is down for a time: a venue, an exchange's engine, a network or a bridge.

    venue      nothing trades on its market, in blocks of begin < t <= begin + lasting
    exchange   its engine calls nobody and opens nothing; its book, where others trade, is a venue of its own
    network    it produces no block; what was sent waits and bids again
    bridge     nothing leaves, nothing arrives; one that is down to the end keeps what is on its way
begin: of the step in which the event falls. Where the venues of a pair are apart, others of the pair trade on.
Source: the scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.events.base import Halt, Halting, Spell
from delever.model.errors import InputError
from delever.model.quantity import Text
from delever.model.references import known_name, market_of_venue
from delever.model.world import World


class Outage(Spell):
    """One of four is down."""

    kind: ClassVar[str] = "outage"
    venue: Text | None = Field(None, description="venue where nothing trades")
    exchange: Text | None = Field(None, description="exchange whose engine stands still")
    network: Text | None = Field(None, examples=["ethereum"], description="chain that produces no blocks")
    bridge: Text | None = Field(None, description="bridge over which nothing leaves and nothing arrives")

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = [name for name in ("venue", "exchange", "network", "bridge") if getattr(self, name) is not None]
        if len(named) != 1:
            raise InputError("names nothing" if not named else "names more than one thing", value=", ".join(named) or None,
                             remedy="an outage is of one `venue`, `exchange`, `network` or `bridge`")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """What is down is there, and is what it is said to be."""
        if self.venue is not None:
            market_of_venue(self.venue, world, (*path, "venue"))
        if self.exchange is not None:
            known_name(self.exchange, world.protocols, "protocol", (*path, "exchange"))
            if not getattr(world.protocols[self.exchange].rules, "margin", False):
                raise InputError("is no exchange", path=(*path, "exchange"), value=self.exchange,
                                 remedy="a lending protocol has no engine: write `kind: pause`")
        if self.network is not None:
            known_name(self.network, _linked(world, False), "network", (*path, "network"))
        if self.bridge is not None:
            known_name(self.bridge, _linked(world, True), "bridge", (*path, "bridge"))

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All outages."""
        return Halting([halt for place, spec in specs.items() for halt in halts(spec, setting, place)])


def _linked(world: World, wanted: bool) -> list[str]:
    """Names of networks that are bridges, or that are chains."""
    return [name for name, network in world.networks.items() if hasattr(network, "between") == wanted]


def halts(spec: Outage, setting: Setting, place: str) -> list[Halt]:
    """What stands still."""
    def halt(column: str, row: int) -> Halt:
        return Halt(setting.step_at(spec.at), column, row, spec.until(setting), place)

    if spec.venue is not None:
        return [halt("trading", setting.layout.venues[spec.venue])]
    if spec.exchange is not None:
        number = setting.protocol(spec.exchange)
        return [halt("liquidation", number), halt("opening", number)]
    if spec.bridge is not None:
        return [halt("bridge", setting.bridges.index(spec.bridge))]
    return [halt("network", setting.network(spec.network, "scenario", "events", place, "network"))]
