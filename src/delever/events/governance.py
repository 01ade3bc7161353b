"""A protocol's rules are changed by a vote: announced at the event's time, in force from the step in which the delay ends.

    rules(t) = rules at the start                for t before at + delay
               the same with `change` laid over  after
What stands in the row of numbers by which rules work can be changed: a close factor, where a call may take all, a version.
Thresholds and incentives cannot yet: they are shared by all paths, and who can be unhealthy follows from them.
Source: timelocks of on-chain governance; nobody acts on the announcement (assumption).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field

from delever.core.phase import Phase
from delever.core.setting import Setting, Terms
from delever.core.state import State
from delever.events.base import Event
from delever.model.errors import InputError, nearest
from delever.model.quantity import Seconds, Text
from delever.model.references import known_name
from delever.model.world import World


class Governance(Event):
    """A change of one protocol's rules."""

    kind: ClassVar[str] = "governance"
    protocol: Text = Field(examples=["aave"], description="the lending protocol whose rules change")
    change: dict[str, Any] = Field(min_length=1, examples=["{close_factor: 25 %}"], description="by field of its rules")
    delay: Seconds = Field(0.0, ge=0, description="time from the announcement until it is in force")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Fields of the rules of a lending protocol, in force before the run ends."""
        known_name(self.protocol, world.protocols, "protocol", (*path, "protocol"))
        rules = world.protocols[self.protocol].rules
        if getattr(rules, "margin", False):
            raise InputError("is an exchange", path=(*path, "protocol"), value=self.protocol,
                             remedy="rules of an engine cannot be changed in a run yet; those of a lending protocol can")
        for name, value in self.change.items():
            if name not in type(rules).model_fields:
                raise InputError("cannot be changed in a run yet", path=(*path, "change", name), value=value,
                                 remedy=f"fields of {rules.kind} rules can: {nearest(name, type(rules).model_fields)}")
            try:
                rules.replace(name, value)
            except InputError as error:
                raise error.at("", *path, "change") from None
        if self.at + self.delay >= world.scenario.horizon:
            raise InputError(f"comes into force after {self.at + self.delay:g} s", path=(*path, "delay"),
                             remedy=f"the run ends after {world.scenario.horizon:g} s: shorten the delay or leave it out")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All changes, in the order in which they come into force."""
        rules = {name: protocol.rules for name, protocol in setting.world.protocols.items()}
        changes = []
        for place, spec in sorted(specs.items(), key=lambda item: item[1].at + item[1].delay):
            before = terms_of(spec.protocol, rules[spec.protocol], setting)
            for name, value in spec.change.items():
                rules[spec.protocol] = rules[spec.protocol].replace(name, value)
            after = terms_of(spec.protocol, rules[spec.protocol], setting)
            if before.parameters.tobytes() == after.parameters.tobytes() and before.writes_off == after.writes_off:
                name, value = next(iter(spec.change.items()))
                raise InputError("changes nothing", path=("scenario", "events", place, "change", name), value=value,
                                 remedy="it is so already, or rules of this kind do not read it in a run yet")
            changes.append(Change(setting.step_at(spec.at + spec.delay), spec.protocol, after))
        return Changes(changes, setting.terms)


class Change(NamedTuple):
    """One of these events."""

    step: int  # in which it comes into force
    protocol: str
    terms: Terms


def terms_of(name: str, rules: Any, setting: Setting) -> Terms:
    """The numbers by which a protocol with these rules would work."""
    apart = replace(setting, terms={})
    type(rules).phase({name: rules}, apart)
    return apart.terms[name]


class Changes(Phase):
    """All of them. terms: of the protocols as they run."""

    def __init__(self, changes: Sequence[Change], terms: dict[str, Terms]) -> None:
        self.changes, self.terms = changes, terms

    def happen(self, state: State) -> None:
        """What comes into force."""
        for change in self.changes:
            if change.step == state.step:
                for now, new in zip(self.terms[change.protocol], change.terms, strict=True):
                    now[:len(new)] = new
