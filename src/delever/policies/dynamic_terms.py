"""Terms that answer the market: thresholds, haircuts, margins, incentives or close factors that follow what a policy looks at.

    x          what it looks at, on each path: realised volatility (squared log-moves of the asset's market price, older ones
               fading by half in half_life; at the start `usual`), implied volatility (as quoted), depth (units that can be
               sold before the price has fallen by `within`), open interest (long and short positions, accounts' and vaults')
    announced  = clamp((x / usual)^elasticity, least, most)          once in `every`; in force `notice` later
    factor     moves to what is in force, by at most `speed` an hour (of its log)
    term       = stated x factor,      a close factor at most 1;  what an event states anew is what is stated from then on
Depth and open interest are measured by their value at the start, unless `usual` is stated. A margin factor is at most what makes
the perp's highest tier ask 95 % of a position. Who becomes liquidatable by a term is so at once.
Source: margin models of exchanges that follow volatility and open interest (dYdX v4: initial margin by open interest; SPAN-like
margins: a quantile of recent moves); the form is an assumption, and so are the numbers unless a rule book states them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from delever.core.columns import Column, Value, mean_of
from delever.core.elementary import exp_, log_
from delever.core.jit import kernel
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.terms import let_move, set_counted
from delever.model.errors import InputError
from delever.model.parameters import CollateralParameters, PerpParameters, ReserveParameters, look_up
from delever.model.quantity import PerYear, Ratio, Seconds, Share, Text
from delever.model.references import known_name
from delever.model.world import World
from delever.policies.base import Policy, names
from delever.policies.looks import LOOKS, REALISED, SOURCE, can_be_looked_at, look, sample

HOUR = 3600.0  # [s]
OF = {"threshold": ReserveParameters, "incentive": ReserveParameters, "close_factor": ReserveParameters,
      "supply_cap": ReserveParameters, "borrow_cap": ReserveParameters, "haircut": CollateralParameters, "margin": PerpParameters}
LIMITS = ("supply_cap", "borrow_cap")
USUAL, ELASTICITY, LEAST, MOST = range(4)  # columns of the rules; the last two: logs
NOTHING = 1e-12  # of x / usual: only so that its log exists


def quoted(value: object) -> object:
    """`{0 h: 60 %, 1 h: 95 %}` as pairs of a time and a volatility, in order."""
    return tuple(value.items()) if isinstance(value, Mapping) else value


class DynamicTerms(Policy):
    """A term of some assets of a protocol, and what it follows."""

    kind: ClassVar[str] = "dynamic_terms"
    protocol: Text = Field(examples=["aave"], description="whose terms they are")
    term: Literal["threshold", "incentive", "close_factor", "supply_cap", "borrow_cap", "haircut", "margin"] = Field(
        examples=["incentive"], description="what moves: of a lending protocol its thresholds, incentives, caps or close "
        "factor (by the first asset named); of an exchange what collateral counts for (haircut) or maintenance margins")
    assets: Annotated[tuple[Text, ...], BeforeValidator(names)] = Field(
        (), examples=["[ETH]"], description="whose terms move; none: all that have such a term")
    follows: Literal["realised_volatility", "implied_volatility", "depth", "open_interest"] = Field(
        examples=["depth"], description="what is looked at, of each asset; of a perp's volatility that of its own market")
    usual: Ratio | None = Field(None, description="at which the term is as stated: a volatility (1 is 100 % a year), units; "
                                "null: depth and open interest at the start")
    elasticity: float = Field(ge=-10, le=10, examples=[-0.5], description="per cent of the term that 1 % more of it adds")
    least: Ratio = Field(1.0, le=1, description="lowest factor: the floor")
    most: Ratio = Field(3.0, ge=1, description="highest factor")
    speed: Share | None = Field(None, gt=0, description="most that the factor moves in an hour, of its log; null: at once")
    every: Seconds = Field(3600.0, gt=0, description="time between two announcements")
    notice: Seconds = Field(0.0, description="time from the announcement until it is in force")
    half_life: Seconds = Field(86400.0, gt=0, description="realised volatility: time in which a past move counts half")
    within: Share = Field(0.02, gt=0, lt=1, description="depth: how far the price may fall")
    implied: Annotated[tuple[tuple[Seconds, PerYear], ...], BeforeValidator(quoted)] = Field(
        (), description="implied volatility as quoted, from moments on, the same on every path: {0 h: 60 %, 1 h: 95 %}")

    @model_validator(mode="after")
    def _can_be_measured(self) -> Self:
        volatile = self.follows in LOOKS[:2]
        if volatile and self.usual is None:
            raise InputError("is missing", path=("usual",), remedy="say at which volatility terms are as stated: `usual: 0.6`")
        if (self.follows == "implied_volatility") != bool(self.implied):
            raise InputError("is missing" if not self.implied else "is not looked at", path=("implied",),
                             remedy="`follows: implied_volatility` needs `implied: {0 h: 60 %, ...}`")
        times = [at for at, _ in self.implied]
        if times and (times[0] != 0.0 or times != sorted(set(times))):
            raise InputError("is out of order", path=("implied",), value=times, remedy="times rise, from 0 on")
        return self

    def check(self, world: World, path: tuple[str | int, ...]) -> None:
        """A protocol whose assets have such a term, and something to look at."""
        known_name(self.protocol, (*world.loans, *world.exchanges), "protocol whose terms move", (*path, "protocol"))
        listed = look_up(world.protocols[self.protocol].parameters)
        for asset in self.assets:
            known_name(asset, listed, f"parameters of {self.protocol} for", (*path, "assets"))
            if asset in world.assets and world.assets[asset].is_option:
                raise InputError("is an option", path=(*path, "assets"), value=asset,
                                 remedy="its margin does not move in a run yet")
        wanted = self.whose(world)
        if not wanted or any(not isinstance(listed[asset], OF[self.term]) for asset in self.assets):
            raise InputError(f"has no {self.term.replace('_', ' ')}", path=(*path, "assets" if self.assets else "term"),
                             value=", ".join(self.assets) or self.term,
                             remedy="thresholds, incentives and close factors are of lending, haircuts and margins of exchanges")
        if self.follows == "open_interest" and self.term != "margin":
            raise InputError("is of perps alone", path=(*path, "follows"), value=self.follows, remedy="it moves `term: margin`")

    def whose(self, world: World) -> list[str]:
        """The assets whose terms move."""
        listed = look_up(world.protocols[self.protocol].parameters)
        found = self.assets or tuple(asset for asset, entry in listed.items() if isinstance(entry, OF[self.term])
                                     and not (asset in world.assets and world.assets[asset].is_option))
        return list(found[:1] if self.term == "close_factor" else found)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """All of them."""
        taken: dict[tuple[str, str, str], str] = {}
        for name, spec in specs.items():
            for asset in spec.whose(setting.world):
                other = taken.setdefault((spec.protocol, spec.term, "" if spec.term == "close_factor" else asset), name)
                if other != name:
                    raise InputError("is moved twice", path=("policies", name, "term"), value=f"{spec.term} of {asset}",
                                     remedy=f"{other} moves it already")
        ones = [One(name, spec, asset, term, setting) for name, spec in specs.items() for asset in spec.whose(setting.world)
                for term in terms_of(spec, asset, setting)]
        for name, spec in specs.items():
            if all(one.spec is not spec for one in ones):
                raise InputError(f"has no {spec.follows.replace('_', ' ')} to follow", path=("policies", name, "follows"),
                                 value=spec.follows, remedy="nothing that somebody holds there trades on a venue or a market")
        return Moving(ones, setting)


def terms_of(spec: DynamicTerms, asset: str, setting: Setting) -> list[int]:
    """Numbers of the terms that move: every category of an asset that somebody holds; -1: the close factor of all.

    None of an asset that has nothing to look at, where it is not asked for by name.
    """
    if not spec.assets and not can_be_looked_at(spec.follows, setting.layout.asset(asset), setting):
        return []
    if spec.term == "close_factor":
        return [-1]
    if (spec.protocol, asset) not in setting.reserves:
        return []
    return setting.terms(spec.protocol, asset, 0 if spec.term in LIMITS else None).tolist()


@kernel
def announce(rules: np.ndarray, of: np.ndarray, x: np.ndarray, announced: np.ndarray) -> None:
    """The log of the factor by what was looked at. of: [n] row of x [looks, P]; announced (written): [n, P]."""
    for i in range(of.shape[0]):
        for p in range(x.shape[1]):
            wanted = rules[i, ELASTICITY] * log_(max(x[of[i], p] / rules[i, USUAL], NOTHING))
            announced[i, p] = min(max(wanted, rules[i, LEAST]), rules[i, MOST])


@kernel
def move(most: float, target: np.ndarray, factor: np.ndarray, stated: np.ndarray, wanted: np.ndarray) -> bool:
    """The log of the factor moves towards what is in force; wanted = stated x factor. All but most: [P]. Whether it is there."""
    there = True
    for p in range(target.shape[0]):
        factor[p] += min(max(target[p] - factor[p], -most), most)
        there = there and factor[p] == target[p]
        wanted[p] = stated[p] * exp_(factor[p])
    return there


class One:
    """One term of one asset. P: paths."""

    def __init__(self, name: str, spec: DynamicTerms, asset: str, term: int, setting: Setting) -> None:
        layout, dt, here = setting.layout, setting.step_length, ("policies", name)
        number, margins, book = layout.asset(asset), setting.margins, setting.book
        self.name, self.spec, self.term, self.protocol, self.asset = name, spec, term, setting.protocol(spec.protocol), number
        rules = setting.world.protocols[spec.protocol].rules
        self.read = spec.term not in getattr(rules, "unread", tuple)()
        self.numbers = setting.numbers.get(spec.protocol)
        market = int(layout.tree.chain[number, 0]) if layout.tree.length[number] else -1
        if not can_be_looked_at(spec.follows, number, setting):
            raise InputError(f"has no {spec.follows.replace('_', ' ')}", path=(*here, "assets"), value=asset,
                             remedy="it trades on no venue" if market >= 0 else "it has no market")
        if term < 0 and (self.numbers is None or self.numbers.close_factor < 0 or not self.read):
            raise InputError("has no close factor", path=(*here, "protocol"), value=spec.protocol,
                             remedy=f"{rules.kind} sizes calls by other terms: let one of those move")
        reserve, mine = 0, slice(0, 0)
        if spec.term == "margin":
            reserve = setting.reserve(spec.protocol, asset, *here, "assets")
            mine = slice(margins.position_first[reserve], margins.position_first[reserve + 1])
        account, leg = margins.position_account[mine], margins.position_leg[mine]
        self.size = float(np.abs(book.amount[account, leg]).sum())  # open interest of accounts at the start [units]
        self.whole = [LOOKS.index(spec.follows), number, market, reserve]
        self.rules = [spec.usual or np.nan, spec.elasticity, math.log(spec.least), math.log(spec.most)]
        self.speed = np.inf if spec.speed is None else spec.speed * dt / HOUR  # of the log, in a step
        self.looks = [2.0 ** (-dt / spec.half_life), spec.within]
        self.every, self.notice = setting.parts(spec.every), round(spec.notice / dt)
        self.pending: deque[tuple[int, np.ndarray]] = deque()  # (step from which it is in force, log of the factor [P])

    def implied(self, time: float) -> float:
        """The last quote at a moment [s]; 0 where none is asked for."""
        return next((quote for at, quote in reversed(self.spec.implied) if at <= time + 1e-9), 0.0)

    def now(self, state: State) -> np.ndarray:
        """The term as it is: a factor on what is stated, or a close factor [P]."""
        if self.term < 0:
            assert self.numbers is not None
            return self.numbers.parameters[:, self.numbers.close_factor]
        if self.spec.term in LIMITS:
            return np.asarray((state.limits.supply if self.spec.term == "supply_cap" else state.limits.borrow)[self.term])
        reserves = state.reserves
        return np.asarray((reserves.bonus if self.spec.term == "incentive" else reserves.counted)[self.term])

    def write(self, state: State, wanted: np.ndarray) -> None:
        """Make it so. wanted: [P]."""
        if self.term < 0:
            self.now(state)[:] = np.minimum(wanted, 1.0)
        elif self.spec.term in ("incentive", *LIMITS):
            self.now(state)[:] = wanted
        else:
            set_counted(state, self.term, wanted)


FARTHEST = Column("farthest", "share", "how far it moved a term that is read, highest by lowest, less 1")


class Moving(Phase):
    """All such terms. n: how many, P: paths."""

    def __init__(self, ones: Sequence[One], setting: Setting) -> None:
        n, paths = len(ones), setting.paths
        self.ones, self.rules = ones, np.array([one.rules for one in ones]).reshape(n, 4)
        # what is looked at: once for all who look at the same in the same way
        looks = [(*one.whole, *one.looks, one.size, one.spec.implied, one.spec.usual) for one in ones]
        self.looking = [ones[looks.index(one)] for one in dict.fromkeys(looks)]
        self.of = np.array([self.looking.index(ones[looks.index(one)]) for one in looks], np.int64)
        self.whole = np.array([one.whole for one in self.looking], np.int64).reshape(-1, 4)
        self.looks = np.array([one.looks for one in self.looking]).reshape(-1, 2)
        self.size = np.array([one.size for one in self.looking])
        self.samples = bool((self.whole[:, SOURCE] == REALISED).any())
        self.x, self.last, self.variance = np.zeros((3, len(self.looking), paths))
        # as in `announce` and `move`
        self.announced, self.target, self.factor, self.wanted = np.zeros((4, n, paths))
        self.stated, self.written = np.ones((n, paths)), np.full((n, paths), np.nan)
        self.highest, self.lowest = np.full((n, paths), -np.inf), np.full((n, paths), np.inf)
        self.there, self.restated = np.zeros(n, np.bool_), -1  # which stand where they should
        self.next = 0  # step in which something may happen, unless somebody states a term anew

    def reserve(self, state: State) -> None:
        """See Phase. Series that will move; what is looked at, at the start."""
        super().reserve(state)
        counted = [one.term for one in self.ones if one.term >= 0 and one.spec.term not in ("incentive", *LIMITS)]
        if counted:
            let_move(state, np.array(counted))
        self.sample(state)  # where prices stand; nobody has seen them move
        usual = [one.spec.usual if one.spec.follows == LOOKS[REALISED] else 0.0 for one in self.looking]
        self.variance[:] = np.array(usual, np.float64)[:, None] ** 2
        self.look(state)
        self.rules[:, USUAL] = np.where(np.isnan(self.rules[:, USUAL]), self.x[self.of, 0], self.rules[:, USUAL])

    def sample(self, state: State) -> None:
        """What the last move of prices has done to realised volatility."""
        sample(self.whole, self.looks, state.step_length, self.last, self.variance, state.liquidity)

    def look(self, state: State) -> None:
        """What is looked at, now."""
        implied = np.array([one.implied((state.step - 1) * state.step_length) for one in self.looking])
        look(self.whole, self.looks, implied, self.size, self.variance, state.liquidity, state.ledgers, self.x)

    def adapt(self, state: State) -> None:
        """Once a step: announce, bring into force, move."""
        if self.samples:
            self.sample(state)
        if state.step < self.next and self.restated == state.restated:
            return
        due = [i for i, one in enumerate(self.ones) if (state.step - 1) % one.every == 0]
        if due:
            self.look(state)
            announce(self.rules, self.of, self.x, self.announced)
        for i in due:
            self.ones[i].pending.append((state.step + self.ones[i].notice, self.announced[i].copy()))
        if self.restated != state.restated:
            self.there[:], self.restated = False, state.restated
        for i, one in enumerate(self.ones):
            while one.pending and one.pending[0][0] <= state.step:
                self.target[i], self.there[i] = one.pending.popleft()[1], False
            if not self.there[i]:
                self.move(i, one, state)
        moving = [state.step + 1] if not self.there.all() else []
        pending = [one.pending[0][0] for one in self.ones if one.pending]
        announced = [state.step + one.every - (state.step - 1) % one.every for one in self.ones]
        self.next = min([*moving, *pending, *announced])

    def move(self, i: int, one: One, state: State) -> None:
        """One term towards where it should stand, from what is stated now."""
        now = one.now(state)
        self.stated[i] = np.where(now == self.written[i], self.stated[i], now)
        self.there[i] = move(one.speed, self.target[i], self.factor[i], self.stated[i], self.wanted[i])
        one.write(state, self.wanted[i])
        self.written[i] = one.now(state)
        np.maximum(self.highest[i], self.written[i], out=self.highest[i])
        np.minimum(self.lowest[i], self.written[i], out=self.lowest[i])

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. How far each term went."""
        out = []
        for i, one in enumerate(self.ones):
            what = one.spec.term.replace("_", " ") if one.term < 0 or one.spec.term in LIMITS else f"factor on {one.spec.term}s"
            name, of = what.replace(" ", "_"), (one.protocol,) if one.term < 0 else (one.protocol, one.asset)
            for extreme, values in (("highest", self.highest[i]), ("lowest", self.lowest[i])):
                figures = mean_of(f"{extreme}_{name}", f"the {extreme} {what} at any time", under=extreme)
                unit = "{asset}" if one.spec.term in LIMITS else "1"
                column = Column(f"{extreme}_{name}", unit, f"{extreme} {what} at any time", figures, section="Terms")
                out.append(Value(column, values, *of))
        for name in dict.fromkeys(one.name for one in self.ones):
            apart = [self.highest[i] / self.lowest[i] - 1.0 if one.read else np.zeros(state.paths)
                     for i, one in enumerate(self.ones) if one.name == name]
            out.append(Value(FARTHEST, np.max(apart, axis=0), of=name, place=f"policies.{name}"))
        return out
