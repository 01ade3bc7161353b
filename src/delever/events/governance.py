"""A protocol's rules are changed by a vote: announced at the event's time, in force from the step in which the delay ends.

    rules(t) = rules at the start                for t before at + delay
               the same with `change` laid over  after
What stands in the row of numbers by which rules work can be changed (a close factor, where a call may take all, a version), and
the terms of an asset: thresholds, incentives, haircuts, margins. Who becomes liquidatable by that is so at once. Accounts with
a threshold of their own in the book have it scaled as the stated one is (assumption).
Source: timelocks of on-chain governance; nobody acts on the announcement (assumption).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Column, Value
from delever.core.phase import Phase
from delever.core.setting import RuleNumbers, Setting
from delever.core.state import State
from delever.core.terms import let_move, set_counted
from delever.events.base import Event, outcome
from delever.model.errors import InputError, nearest
from delever.model.parameters import CollateralParameters, PerpParameters, ReserveParameters, look_up
from delever.model.quantity import Amount, Ratio, Seconds, Share, Text, Usd, Whole
from delever.model.references import known_name
from delever.model.spec import Spec
from delever.model.world import World

LIMITS = {"supply_cap": "supply", "borrow_cap": "borrow", "debt_ceiling": "ceiling"}  # field: column of state.limits
TERMS = {ReserveParameters: ("liquidation_threshold", "incentive", *LIMITS), CollateralParameters: ("haircut",),
         PerpParameters: ("margin",)}


class NewTerms(Spec):
    """What an asset counts for from then on."""

    liquidation_threshold: Share | None = Field(None, gt=0, description="of collateral of a lending protocol; null: as before")
    incentive: Share | None = Field(None, description="what liquidators of it get; null: as before")
    category: Whole | None = Field(None, description="efficiency-mode category whose terms they are; null: all, pro rata")
    haircut: Share | None = Field(None, lt=1, description="of collateral on an exchange; null: as before")
    supply_cap: Amount | None = Field(None, description="most that may be supplied; null: as before")
    borrow_cap: Amount | None = Field(None, description="most that may be owed; null: as before")
    debt_ceiling: Usd | None = Field(None, ge=0, description="most owed against it alone; null: as before")
    margin: Ratio | None = Field(None, description="times the maintenance margin that a perp's tiers say; null: as before")


class Governance(Event):
    """A change of one protocol's rules."""

    kind: ClassVar[str] = "governance"
    protocol: Text = Field(examples=["aave"], description="the protocol whose rules change")
    change: dict[str, Any] = Field({}, examples=["{close_factor: 25 %}"], description="by field of a lending protocol's rules")
    parameters: dict[str, NewTerms] = Field(
        {}, examples=["{ETH: {liquidation_threshold: 75 %}}"], description="what assets count for, by asset")
    delay: Seconds = Field(0.0, ge=0, description="time from the announcement until it is in force")

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Fields of the rules, assets of the protocol, in force before the run ends."""
        known_name(self.protocol, world.protocols, "protocol", (*path, "protocol"))
        if not self.change and not self.parameters:
            raise InputError("changes nothing", path=(*path, "change"), remedy="write `change: {close_factor: 25 %}` or "
                             "`parameters: {ETH: {liquidation_threshold: 75 %}}`")
        rules = world.protocols[self.protocol].rules
        if self.change and getattr(rules, "margin", False):
            raise InputError("is an exchange", path=(*path, "protocol"), value=self.protocol,
                             remedy="rules of an engine cannot be changed in a run yet; its `parameters` can")
        for name, value in self.change.items():
            if name not in type(rules).model_fields:
                raise InputError("cannot be changed in a run yet", path=(*path, "change", name), value=value,
                                 remedy=f"fields of {rules.kind} rules can: {nearest(name, type(rules).model_fields)}")
            try:
                rules.replace(name, value)
            except InputError as error:
                raise error.at("", *path, "change") from None
        listed = look_up(world.protocols[self.protocol].parameters)
        if self.parameters and self.protocol in world.lending and self.protocol not in world.loans:
            raise InputError("keeps its loans itself", path=(*path, "protocol"), value=self.protocol,
                             remedy="what assets count for there does not change in a run yet")
        for asset, new in self.parameters.items():
            here = (*path, "parameters", asset)
            if new.margin is not None and asset in world.assets and world.assets[asset].is_option:
                raise InputError("is an option", path=(*here, "margin"), value=asset,
                                 remedy="its margin does not change in a run yet")
            known_name(asset, listed, f"parameters of {self.protocol} for", here)
            check_terms(new, listed[asset], here)
        if self.at + self.delay >= world.scenario.horizon:
            raise InputError(f"comes into force after {self.at + self.delay:g} s", path=(*path, "delay"),
                             remedy=f"the run ends after {world.scenario.horizon:g} s: shorten the delay or leave it out")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All changes, in the order in which they come into force."""
        rules = {name: protocol.rules for name, protocol in setting.world.protocols.items()}
        changes = []
        for place, spec in sorted(specs.items(), key=lambda item: item[1].at + item[1].delay):
            numbers = numbers_of(spec.protocol, rules[spec.protocol], setting) if spec.change else None
            asked, done = len(spec.change), 0
            if numbers is not None:
                for name, value in spec.change.items():
                    rules[spec.protocol] = rules[spec.protocol].replace(name, value)
                    before, numbers = numbers, numbers_of(spec.protocol, rules[spec.protocol], setting)
                    done += before.parameters.tobytes() != numbers.parameters.tobytes() or before.writes_off != numbers.writes_off
                if not done:
                    name, value = next(iter(spec.change.items()))
                    raise InputError("changes nothing", path=("scenario", "events", place, "change", name), value=value,
                                     remedy="it is so already, or rules of this kind do not read it in a run yet")
            for asset, new in spec.parameters.items():
                stated, changed = count_changes(spec.protocol, asset, new, setting)
                asked, done = asked + stated, done + changed
            terms = [term for asset, new in spec.parameters.items()
                     for term in terms_of(spec.protocol, asset, new, setting, ("scenario", "events", place, "parameters", asset))]
            limits = [NewLimit(column, setting.reserve(spec.protocol, asset), most) for asset, new in spec.parameters.items()
                      for field, column in LIMITS.items() if (most := getattr(new, field)) is not None]
            changes.append(Change(setting.step_at(spec.at + spec.delay), spec.protocol, numbers, terms, limits, place,
                                  asked, done))
        return Changes(changes, setting.numbers)


def check_terms(new: NewTerms, listed: Spec, path: tuple[str | int, ...]) -> None:
    """Terms that such an asset has, and that can be scaled."""
    fields = TERMS[type(listed)]
    for name, value in new.fields().items():
        if value is not None and name not in (*fields, "category"):
            raise InputError("has no such term", path=(*path, name), value=value, remedy=f"it has {' and '.join(fields)}")
    if all(getattr(new, name) is None for name in fields):
        raise InputError("changes nothing", path=path, remedy=f"state its new {' or '.join(fields)}")
    if new.category and new.category not in getattr(listed, "emode", {}):
        raise InputError("has no such category", path=(*path, "category"), value=new.category, remedy="see its `emode`")
    for name in ("liquidation_threshold", "incentive"):
        if getattr(new, name) is not None and not getattr(stated_of(listed, new.category), name) > 0.0:
            raise InputError("is 0 now", path=(*path, name), value=getattr(new, name),
                             remedy="leave it at 0: a run changes it in proportion")


def count_changes(protocol: str, asset: str, new: NewTerms, setting: Setting) -> tuple[int, int]:
    """Terms of an asset that a vote states, and those of them that change something: not what is so already or is never read."""
    listed: Any = look_up(setting.world.protocols[protocol].parameters)[asset]
    read = getattr(setting.world.protocols[protocol].rules, "unread", tuple)
    stated = {name: value for name, value in new.fields().items() if value is not None and name != "category"}
    now = {name: 1.0 if name == "margin" else getattr(listed if name in LIMITS else stated_of(listed, new.category), name)
           for name in stated}
    return len(stated), sum(name not in read() and value != now[name] for name, value in stated.items())


def stated_of(listed: Any, category: int | None) -> Any:
    """The entry that a change is measured by."""
    return listed.emode[category] if category else listed


class NewTerm(NamedTuple):
    """A factor that a term has from then on."""

    term: int
    incentive: bool  # on the incentive, else on what it counts for
    factor: float


def terms_of(protocol: str, asset: str, new: NewTerms, setting: Setting, path: tuple[str | int, ...]) -> list[NewTerm]:
    """The factors of one asset."""
    listed: Any = look_up(setting.world.protocols[protocol].parameters)[asset]
    setting.reserve(protocol, asset, *path)
    rows, stated, found = setting.terms(protocol, asset, new.category), stated_of(listed, new.category), []
    if new.liquidation_threshold is not None:
        found.append((False, new.liquidation_threshold / stated.liquidation_threshold))
    if new.incentive is not None:
        found.append((True, new.incentive / stated.incentive))
    if new.haircut is not None:
        found.append((False, (1.0 - new.haircut) / (1.0 - listed.haircut)))
    if new.margin is not None:
        found.append((False, new.margin))
    return [NewTerm(int(row), incentive, factor) for incentive, factor in found for row in rows]


class NewLimit(NamedTuple):
    """What a reserve takes in or lends no more than, from then on."""

    column: str  # of state.limits
    reserve: int
    most: float


class Change(NamedTuple):
    """One of these events."""

    step: int  # in which it comes into force
    protocol: str
    numbers: RuleNumbers | None  # of its rules
    terms: Sequence[NewTerm]
    limits: Sequence[NewLimit]
    place: str  # of the event in scenario.events
    asked: int  # fields of rules and terms of assets that it states
    done: int  # of them, those that change something


CHANGED = Column("terms_changed", "count", "fields of rules and terms of assets that it changed")


def numbers_of(name: str, rules: Any, setting: Setting) -> RuleNumbers:
    """The numbers by which a protocol with these rules would work."""
    apart = replace(setting, numbers={})
    type(rules).phase({name: rules}, apart)
    return apart.numbers[name]


class Changes(Phase):
    """All of them. numbers: of protocols' rules, as they run."""

    def __init__(self, changes: Sequence[Change], numbers: dict[str, RuleNumbers]) -> None:
        self.changes, self.rules = changes, numbers

    def reserve(self, state: State) -> None:
        """See Phase. Series of what will count for something else."""
        super().reserve(state)
        terms = [new.term for change in self.changes for new in change.terms if not new.incentive]
        if terms:
            let_move(state, np.array(terms))

    def happen(self, state: State) -> None:
        """What comes into force."""
        for change in self.changes:
            if change.step != state.step:
                continue
            state.restated += 1
            if change.numbers is not None:
                now, new = self.rules[change.protocol], change.numbers
                now.parameters[:, :new.parameters.shape[1]] = new.parameters
                now.writes_off[:] = new.writes_off
            for column, reserve, most in change.limits:
                getattr(state.limits, column)[reserve] = most
            for term, incentive, factor in change.terms:
                if incentive:
                    state.reserves.bonus[term] = factor
                else:
                    set_counted(state, term, np.full(state.paths, factor))

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What is in force by the end, of what was stated."""
        return [outcome(one.place, CHANGED, np.full(state.paths, one.done * (one.step <= state.step)), one.asked)
                for one in self.changes]
