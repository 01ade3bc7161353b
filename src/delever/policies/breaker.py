"""A circuit breaker: when prices move too far, swing too much or too much is liquidated, something is halted for a time.

In every block, with u the log price now, u_i that at the end of each of the last n = window / step steps, v likewise [USD] but
one step further back (the volume of n whole steps, and what the present one has brought so far):

    move           u - max u_i <= log(1 - move),  or  u - min u_i >= log(1 + move)
    volatility     sum (u_i+1 - u_i)^2 + (u - u_last)^2  >=  volatility^2 x window / year        the newest n returns
    liquidations   v - min v_i >= liquidations        v: debt repaid to lending, positions that exchanges closed, so far
Of several names each is looked at alone; one is enough. It then halts for `lasts`, and is armed again `cool_off` later, with
a window that begins anew there. Before the start prices stood still (assumption).
Memory: a ring of n (n + 1) observations a path, one a step. Source: stock exchanges' "Limit Up-Limit Down" (SEC,
2012: moves within five minutes, pauses of five); lending is paused by guardians, by hand: a trigger there is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from delever.core.columns import OF, Column, Figure, Value, mean_of
from delever.core.jit import kernel
from delever.core.outcomes import REPAID
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.model.errors import InputError
from delever.model.quantity import PerYear, Seconds, Share, Text, Usd
from delever.model.world import World
from delever.policies.base import Policy, names
from delever.policies.scope import check_halted, check_looked_at, markets_of, prices_of, protocols_of

YEAR = 365.0 * 86400.0  # [s]
ROUNDING = 1e-12  # share of a moment: a halt that ends at a block is over in that block
SLACK = 1e-9  # of a log price: a move of exactly the limit trips
DOWN, UP, SQUARES = range(3)  # columns of the limits
WHAT = ("liquidations", "opening", "trading")  # that can be halted


def what_halts(value: object) -> object:
    """One or several of WHAT."""
    given = names(value)
    remedy = f"choose of {', '.join(WHAT)}"
    if not isinstance(given, (tuple, list)) or not given:
        raise InputError("has nothing to halt", value=value, remedy=remedy)
    for one in given:
        if one not in WHAT:
            raise InputError(f"is {one!r}", value=one, remedy=remedy)
    return given


class Breaker(Policy):
    """A trigger, what it looks at, what it halts and for how long. All numbers are assumptions unless a rule book states them."""

    kind: ClassVar[str] = "breaker"
    of: Annotated[tuple[Text, ...], BeforeValidator(names)] = Field(
        min_length=1, examples=["ETH"], description="what it looks at: assets, markets or venues for prices, protocols for "
        "liquidations")
    move: Share | None = Field(
        None, gt=0, lt=1, examples=["5 %"], description="trips when a price is so far from its extreme in the window")
    direction: Literal["down", "up", "both"] = Field("both", description="which moves count; move")
    volatility: PerYear | None = Field(None, gt=0, description="trips when the realised volatility of the window is so high")
    liquidations: Usd | None = Field(None, gt=0, description="trips when so much was liquidated in the window")
    window: Seconds = Field(gt=0, examples=["5 min"], description="how far back it looks, a whole number of steps")
    halts: Annotated[tuple[str, ...], BeforeValidator(what_halts)] = Field(
        examples=["liquidations"], description="what it stops: calls of unhealthy accounts, new and larger "
        "positions, trades on markets")
    where: Annotated[tuple[Text, ...], BeforeValidator(names)] = Field(
        (), description="protocols, assets, markets or venues on which; none: those it looks at. Of an asset: the protocols that "
        "hold or owe it or its perps, the markets that sell it")
    lasts: Seconds = Field(gt=0, examples=["15 min"], description="how long a halt lasts")
    cool_off: Seconds = Field(0.0, description="time after a halt in which it cannot trip")

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        given = [name for name in ("move", "volatility", "liquidations") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(f"has {' and '.join(given) or 'no trigger'}",
                             remedy="give one of `move: 10 %`, `volatility: 200 %`, `liquidations: 5m USD`")
        if self.direction != "both" and self.move is None:
            raise InputError("has no meaning here", path=("direction",), value=self.direction,
                             remedy="it belongs to `move: SHARE`: leave it out")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """Names that exist, something to halt, a window that can be kept."""
        step = world.scenario.step
        n = self.window / step
        if round(n) < 1 or not math.isclose(n, round(n), rel_tol=1e-9):
            raise InputError(f"is {self.window:g} s, {n:.6g} steps of {step:g} s", path=(*path, "window"),
                             remedy=f"make it a whole number of steps, such as {max(1, round(n)) * step:g} s")
        check_looked_at(self.of, world, (*path, "of"), self.liquidations is not None)
        check_halted(self.where or self.of, world, (*path, "where" if self.where else "of"), self.halts)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Breakers:
        """All of them, in their order."""
        return Breakers({name: Armed(spec, name, setting) for name, spec in specs.items()})


@kernel
def prices_now(chain: np.ndarray, length: np.ndarray, constant: np.ndarray, price: np.ndarray, active: np.ndarray,
               now: np.ndarray) -> None:
    """Log prices of what is looked at, on active paths. chain: [items, L] markets; price: [M, P]; now: [items, P]."""
    for i in range(now.shape[0]):
        for p in range(now.shape[1]):
            if active[p]:
                now[i, p] = constant[i]
                for k in range(length[i]):
                    now[i, p] += price[chain[i, k], p]


@kernel
def volumes_now(number: np.ndarray, first: np.ndarray, lends: np.ndarray, totals: np.ndarray, liquidated: np.ndarray,
                active: np.ndarray, now: np.ndarray) -> None:
    """What protocols have liquidated so far [USD]. number, lends: [items]; first: [protocols + 1]; now: [items, P]."""
    for i in range(now.shape[0]):
        for p in range(now.shape[1]):
            if active[p] and lends[i]:
                now[i, p] = totals[REPAID, number[i], p]
            elif active[p]:
                now[i, p] = 0.0
                for r in range(first[number[i]], first[number[i] + 1]):
                    now[i, p] += liquidated[r, p]


@kernel
def look_back(ring: np.ndarray, oldest: int, highest: np.ndarray, lowest: np.ndarray, squares: np.ndarray) -> None:
    """What the ring says. ring: [n, items, P], row `oldest` first; the others: [items, P]; squares: of its n - 1 returns."""
    n = ring.shape[0]
    for i in range(ring.shape[1]):
        for p in range(ring.shape[2]):
            before = ring[oldest, i, p]
            highest[i, p], lowest[i, p], squares[i, p] = before, before, 0.0
            for k in range(1, n):
                u = ring[(oldest + k) % n, i, p]
                highest[i, p], lowest[i, p] = max(highest[i, p], u), min(lowest[i, p], u)
                squares[i, p] += (u - before) * (u - before)
                before = u


@kernel
def trip(now: np.ndarray, last: np.ndarray, highest: np.ndarray, lowest: np.ndarray, squares: np.ndarray, limits: np.ndarray,
         active: np.ndarray, armed: np.ndarray, time: float, tripped: np.ndarray) -> int:
    """Which armed paths are beyond a limit; how many. armed: [P] from when on [s]; last: [items, P] at the end of a step."""
    n = 0
    for p in range(active.shape[0]):
        tripped[p] = False
        if not active[p] or armed[p] > time:
            continue
        for i in range(now.shape[0]):
            u, back = now[i, p], now[i, p] - last[i, p]
            if (u - highest[i, p] <= limits[DOWN] or u - lowest[i, p] >= limits[UP]
                    or squares[i, p] + back * back >= limits[SQUARES]):
                tripped[p] = True
        n += tripped[p]
    return n


class Armed:
    """One breaker, ready to run. P: paths."""

    def __init__(self, spec: Breaker, name: str, setting: Setting) -> None:
        here, paths, target = ("policies", name), setting.paths, spec.where or spec.of
        self.spec, self.end = spec, setting.steps * setting.step_length
        self.protocols, self.markets = protocols_of(target, setting, here), markets_of(target, setting, here)
        self.counted = protocols_of(spec.of, setting, here)
        self.lends = setting.margins.cash[self.counted] < 0
        self.looked = None if spec.liquidations is not None else prices_of(spec.of, setting, here)
        self.limits = self._limits()
        items = len(spec.of) if self.looked is not None else len(self.counted)
        rows = round(spec.window / setting.step_length) + (self.looked is None)
        self.ring = np.zeros((rows, items, paths))  # at the end of each step
        self.now, self.last = np.zeros((items, paths)), np.zeros((items, paths))
        self.highest, self.lowest, self.squares = (np.zeros((items, paths)) for _ in range(3))
        self.tripped = np.zeros(paths, np.bool_)
        self.ends = np.full(paths, -np.inf)  # [P] of the last halt [s]
        self.armed = np.full(paths, -np.inf)  # [P] from when on it may trip [s]
        self.anew = np.zeros(paths, np.bool_)  # [P] its window begins anew when it is armed
        self.trips = np.zeros(paths, np.int64)  # [P]
        self.halted = np.zeros(paths)  # [P] time halted, within the run [s]

    def _limits(self) -> np.ndarray:
        spec, limits = self.spec, np.array([-np.inf, np.inf, np.inf])
        if spec.move is not None:
            if spec.direction != "up":
                limits[DOWN] = math.log(1.0 - spec.move) + SLACK
            if spec.direction != "down":
                limits[UP] = math.log(1.0 + spec.move) - SLACK
        if spec.volatility is not None:
            limits[SQUARES] = spec.volatility**2 * spec.window / YEAR
        if spec.liquidations is not None:
            limits[UP] = spec.liquidations
        return limits

    def observe(self, state: State) -> None:
        """What it looks at, as it is now, on active paths."""
        if self.looked is None:
            volumes_now(self.counted, state.margins.first, self.lends, state.ledgers.totals, state.flows.liquidated,
                        state.active, self.now)
        else:
            prices_now(*self.looked, state.markets.price, state.active, self.now)

    def begin(self, state: State) -> None:
        """Once a step: the end of the one before enters the ring."""
        if state.step == 1 and self.looked is not None:
            start = np.repeat(state.markets.start[:, None], state.paths, axis=1)  # [M, P]
            prices_now(*self.looked, start, np.ones(state.paths, np.bool_), self.now)
            self.ring[:] = self.now
        self.last[:] = self.now
        oldest = state.step % len(self.ring)
        self.ring[oldest - 1] = self.last
        self._renew((state.step - 1) * state.step_length, self.last)
        look_back(self.ring, oldest, self.highest, self.lowest, self.squares)

    def _renew(self, time: float, value: np.ndarray) -> bool:
        """Windows of paths that are armed again begin with this value. Whether there were any."""
        begins = self.anew & (self.armed <= time)
        if not begins.any():
            return False
        self.ring[:, :, begins], self.last[:, begins], self.anew[begins] = value[:, begins], value[:, begins], False
        return True

    def look(self, state: State) -> None:
        """In every block: trips, and writes the halts."""
        self.observe(state)
        if self._renew(state.time, self.now):
            look_back(self.ring, state.step % len(self.ring), self.highest, self.lowest, self.squares)
        if not trip(self.now, self.last, self.highest, self.lowest, self.squares, self.limits, state.active, self.armed,
                    state.time, self.tripped):
            return
        spec, who = self.spec, self.tripped
        until = (state.time + spec.lasts) * (1.0 - ROUNDING)
        self.ends[who], self.anew[who] = until, True
        self.armed[who] = (state.time + spec.lasts + spec.cool_off) * (1.0 - ROUNDING)
        self.trips[who] += 1
        self.halted[who] += min(spec.lasts, self.end - state.time)
        table, on = state.halts, {"trading": self.markets}
        tables = {"liquidations": table.liquidation, "opening": table.opening, "trading": table.trading}
        for what in spec.halts:
            for row in on.get(what, self.protocols):
                tables[what][row, who] = np.maximum(tables[what][row, who], until)


BREAKERS = "Circuit breakers"  # section of a report
TRIPS = Column("trips", "count", f"times that {OF} tripped", (
    *mean_of("trips", f"times that {OF} tripped"),
    Figure("tripped", "share_above", f"paths on which {OF} tripped", "share")), section=BREAKERS)
HALTED = Column("time_halted", "s", f"time for which {OF} halted something, within the run", mean_of(
    "time_halted", f"time for which {OF} halted something, within the run"), section=BREAKERS)


class Breakers(Phase):
    """All circuit breakers, by name."""

    def __init__(self, breakers: Mapping[str, Armed]) -> None:
        self.breakers = dict(breakers)

    def adapt(self, state: State) -> None:
        """See Phase."""
        for breaker in self.breakers.values():
            breaker.begin(state)

    def restrain(self, state: State, first: int, last: int) -> None:
        """See Phase."""
        for breaker in self.breakers.values():
            breaker.look(state)

    def wake(self, state: State) -> None:
        """Prices as the block leaves them; and whoever waits for the end of a halt, or may trade again."""
        for breaker in self.breakers.values():
            breaker.observe(state)
            pending = breaker.ends > state.time
            if pending.any():
                state.wake[pending] = np.minimum(state.wake[pending], breaker.ends[pending])

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. How often each tripped, and for how long it halted something."""
        return [value for name, breaker in self.breakers.items()
                for value in (Value(TRIPS, breaker.trips, of=name, place=f"policies.{name}"),
                              Value(HALTED, breaker.halted, of=name))]


__all__ = ["Breaker", "Breakers"]
