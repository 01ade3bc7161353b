"""The scenario: for how long, in which steps, on how many paths, under which prices and events."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, Self

from pydantic import Field, InstanceOf, model_validator

from .errors import InputError, show
from .judged import Judged
from .quantity import Amount, Change, Count, Seconds, Share, Text, Whole
from .spec import Spec

AMOUNT = r"[\d.,_]+(?:[eE][+-]?\d+)?\s?(?:k|m|bn)?"
ORDER = re.compile(rf"sell\s+(?P<amount>{AMOUNT})\s+(?P<asset>\S+)(?:\s+for\s+(?P<into>\S+))?")
MOST_STEPS = 5_000_000  # assumption: ten years of minutes, whose prices take 40 MB a path and asset
LEAST_PLAIN = 0.01  # share of paths drawn as stated: weights are at most its inverse
MOST_PATHS = 100_000_000  # assumption: days of work
WHOLE_WITHIN = 1e-9  # relative: 24 h is a whole number of 0.1 s steps although 0.1 is not a binary fraction


class Order(Spec):
    """A holder's sale on the market; as text `sell 50,000 stETH` or `sell 50,000 stETH for ETH`."""

    side: Literal["sell"] = Field("sell", description="what is done; only sales so far")
    amount: Amount = Field(examples=["50,000"], description="how much is sold")
    asset: Text = Field(examples=["stETH"], description="what is sold")
    into: Text | None = Field(None, description="what it is sold for; null: what its own market is quoted in")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.amount <= 0:
            raise InputError("is 0", path=("amount",), value=0, remedy="an order sells more than nothing")
        if self.asset == self.into:
            raise InputError("sells an asset for itself", path=("into",), value=self.into, remedy="name another asset")
        return self

    @classmethod
    def parse(cls, text: str) -> Order:
        """The order that a text states."""
        found = ORDER.fullmatch(text.strip())
        if found is None:
            remedy = "write `sell 50,000 stETH` or `sell 50,000 stETH for ETH`"
            raise InputError("is not an order", value=text, remedy=remedy)
        return cls(**found.groupdict())


def read_order(value: object) -> object:
    """An order as a block, or as a text."""
    return Order.parse(value) if isinstance(value, str) else value


class Tail(Spec):
    """Paths drawn around a move of prices, so that more of them tell of the far tail; each counts by its likelihood."""

    change: dict[str, Change] = Field(
        min_length=1, examples=["{ETH: -40 %}"],
        description="by asset: where paths drawn so end, against those drawn as stated; others go along as they are correlated")
    over: Seconds | None = Field(
        None, gt=0, examples=["1 d"],
        description="time that the move takes, on each path in another stretch of the horizon; null: all of it")
    plain: Share = Field(0.25, description="share of paths drawn as the world states; no path counts more than its inverse")

    @model_validator(mode="after")
    def _some_plain(self) -> Self:
        if not LEAST_PLAIN <= self.plain < 1.0:
            raise InputError(f"is {show(self.plain)}", path=("plain",), remedy=f"write {LEAST_PLAIN:.0%} to 99 %")
        for asset, change in self.change.items():
            if change == 0.0:
                raise InputError("is nowhere else", path=("change", asset), value=change, remedy="write a move, such as -40 %")
        return self


class Scenario(Spec):
    """What befalls a world, and how it is sampled."""

    horizon: Seconds = Field(examples=["24 h"], description="time the run looks ahead, a whole number of steps")
    step: Seconds = Field(examples=["1 min"], description="time between two moves of the outside prices")
    paths: Count = Field(examples=[1000], description="number of sampled futures")
    seed: Whole = Field(examples=[7], description="number all random draws follow from; the same seed, the same paths")
    prices: InstanceOf[Spec] = Field(
        examples=["{kind: lognormal, volatility: {ETH: 80 %}}"], description="how outside prices move"
    )
    tail: Tail | None = Field(
        None, examples=["{change: {ETH: -40 %}}"], description="draws paths around a move, for the far tail; null: all as stated")
    events: tuple[InstanceOf[Spec], ...] = Field((), description="what happens besides, and when")
    judged: Judged | None = Field(None, examples=["{}", "{event_share: 2 %}"], description="keeps the outcomes people are judged "
                                  "by (delever outcomes), by these windows and bands; {}: as assumed; null: not kept")

    @model_validator(mode="before")
    @classmethod
    def _list(cls, values: Any) -> Any:
        """Events are a list: a block there is one whose dash was forgotten."""
        events = values.get("events") if isinstance(values, dict) else None
        if events is not None and not isinstance(events, (list, tuple)):
            remedy = "write each event as `- {at: 6 h, kind: price, ...}`"
            raise InputError("must be a list", path=("events",), value=events, remedy=remedy)
        return values

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        for name in ("step", "horizon"):
            if getattr(self, name) <= 0:
                raise InputError("is 0", path=(name,), value=0, remedy="time goes forward: write `24 h` or `1 min`")
        steps = self.horizon / self.step
        if steps > MOST_STEPS:
            raise InputError(f"is {self.horizon:g} s, {steps:.3g} steps of {self.step:g} s", path=("horizon",),
                             remedy=f"at most {MOST_STEPS:,} steps are run: take a longer step or a shorter horizon")
        if self.paths > MOST_PATHS:
            raise InputError(f"is {show(self.paths)}", path=("paths",), remedy=f"at most {MOST_PATHS:,} paths are run")
        if round(steps) < 1 or not math.isclose(steps, round(steps), rel_tol=WHOLE_WITHIN):
            what = f"is {self.horizon:g} s, {steps:.6g} steps of {self.step:g} s"
            remedy = f"make it a whole number of steps, such as {max(1, round(steps)) * self.step:g} s"
            raise InputError(what, path=("horizon",), remedy=remedy)
        for number, event in enumerate(self.events):
            at = getattr(event, "at", 0.0)
            if at >= self.horizon:
                remedy = f"the run ends after {self.horizon:g} s: move the event or the horizon"
                raise InputError(f"is {at:g} s", path=("events", number, "at"), value=f"{at:g}", remedy=remedy)
        return self

    @property
    def steps(self) -> int:
        """Number of steps."""
        return round(self.horizon / self.step)
