"""What stands behind an asset fails: its rate is cut, a part of its reserve is lost, redemption is frozen for a time.

    rate     x (1 + cut);  the outside price of its market moves by as much
    reserve  -= lost x reserve, to the outside
    frozen   in blocks of begin < t <= begin + lasting nothing is redeemed or minted; what waits is paid afterwards
begin: of the step in which it falls. Slashing is a cut, a bank that is closed over a weekend a freeze, its failure a loss.
Source: the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.columns import Column, Value
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import ISSUER, OUTSIDE
from delever.events.base import Spell, outcome
from delever.model.errors import InputError
from delever.model.quantity import Change, Share, Text
from delever.model.references import derived
from delever.model.world import World


class Default(Spell):
    """A failure of one asset."""

    kind: ClassVar[str] = "default"
    asset: Text = Field(examples=["stETH"], description="what fails: an asset with a peg and a rate")
    cut: Change = Field(0.0, gt=-1, le=0, examples=["-5 %"], description="change of its rate")
    lost: Share = Field(0.0, description="share of its reserve that is lost")
    freezes: bool = Field(True, description="whether redemption and minting are frozen, for as long as it lasts")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.cut == 0.0 and self.lost == 0.0 and not self.freezes:
            raise InputError("does nothing", path=("freezes",), value=False, remedy="say a `cut`, a share `lost`, or freeze it")
        if self.lasting is not None and not self.freezes:
            raise InputError("has no meaning here", path=("lasting",), value=self.lasting, remedy="it belongs to `freezes: true`")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """An asset with a rate, and with a reserve where some of that is lost."""
        derived(self.asset, world, (*path, "asset"))
        if self.lost > 0.0 and world.assets[self.asset].reserve is None:
            raise InputError("loses from a reserve without end", path=(*path, "lost"), value=self.lost,
                             remedy=f"state assets.{self.asset}.reserve")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All failures."""
        failures = [Failure(setting.step_at(spec.at), setting.backed(spec.asset), setting.layout.markets.index(spec.asset),
                            math.log1p(spec.cut), spec.lost, spec.until(setting) if spec.freezes else -math.inf, place)
                    for place, spec in specs.items()]
        moves = np.zeros((setting.steps + 1, len(setting.layout.markets)))
        for one in failures:
            if one.step <= setting.steps:
                moves[one.step, one.market] += one.cut
        return Failures(failures, moves, setting.paths)


class Failure(NamedTuple):
    """One of them."""

    step: int
    backed: int  # row of state.backing
    market: int
    cut: float  # of the log rate
    lost: float
    until: float  # frozen [s]; -inf: not
    place: str  # of the event in scenario.events


FAILED = Column("failed", "count", "of a cut, a loss and a freeze, how many came about")


class Failures(Phase):
    """All of them."""

    def __init__(self, failures: list[Failure], moves: np.ndarray, paths: int) -> None:
        """moves: [steps + 1, M]."""
        self.failures = failures
        self.moves: np.ndarray = moves
        self.done = np.zeros((len(failures), paths), np.int64)  # parts of each that came about

    def happen(self, state: State) -> None:
        """What fails in this step."""
        state.moves += self.moves[state.step]
        backing, tokens = state.backing, state.ledgers.tokens
        for one, done in zip(self.failures, self.done, strict=True):
            if one.step != state.step:
                continue
            b = one.backed
            done[:] = (one.cut < 0.0) + (one.lost > 0.0) * (backing.reserve[b] > 0.0) + (one.until > state.time)
            backing.log_rate[b] += one.cut
            if one.lost > 0.0:
                lost = one.lost * backing.reserve[b]
                tokens[ISSUER, backing.underlying[b]] -= lost
                tokens[OUTSIDE, backing.underlying[b]] += lost
                backing.reserve[b] -= lost
            np.maximum(backing.frozen[b], one.until, out=backing.frozen[b])

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        return [outcome(one.place, FAILED, done, (one.cut < 0.0) + (one.lost > 0.0) + (one.until > 0.0))
                for one, done in zip(self.failures, self.done, strict=True)]
