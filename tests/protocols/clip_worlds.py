"""Small worlds with auctions, and what happened in them block by block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from delever.core.phase import Phase
from delever.core.state import State
from delever.core.tables import EXECUTED
from delever.engine.step import Phases, step
from delever.model.world import World
from delever.run.assemble import Model, assemble, phases
from delever.run.collect import mechanisms_of
from delever.run.start import new_state
from run.small import Leg, Mapping, one_market

STAIRS: Mapping = {"kind": "clip", "curve": "stairstep", "cut": 0.99, "step": 90, "buf": 1.2, "tail": 8400, "cusp": 0.4,
                   "tip": 100, "chip": 0.001}
KEEPERS: Mapping = {"kind": "liquidators", "rule": "profitable", "min_profit": 1}


class Event(NamedTuple):
    """A transaction that was included."""

    time: float
    path: int
    kind: str
    executed: bool
    give: float
    get: float
    ref: int


@dataclass
class Diary:
    """Writes down every block that is looked at."""

    model: Model
    names: list[str]
    times: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    mechanisms: list[Phase] = field(default_factory=list)

    def record(self, state: State) -> None:
        """See Recorder."""
        rows = state.transactions
        self.times.append(state.time)
        for i in range(state.n_rows):
            if rows.number[i] > 0:
                self.events.append(Event(state.time, int(rows.path[i]), self.names[rows.kind[i]], bool(rows.state[i] == EXECUTED),
                                         float(rows.give[i]), float(rows.get[i]), int(rows.ref[i])))

    def of(self, kind: str, executed: bool = True) -> list[Event]:
        """Included transactions of a kind."""
        return [event for event in self.events if (event.kind, event.executed) == (kind, executed)]


def auctions(legs: Iterable[Leg], rules: Mapping | None = None, **changes: Any) -> World:
    """ETH at 1000 USD, mat 150 %, penalty 13 %; steps of five minutes over two hours; keepers who want a dollar."""
    scenario = {"horizon": 7200, "step": 300} | changes.pop("scenario", {})
    parameters = {"ETH": {"liquidation_threshold": 1 / 1.5, "incentive": 0.13}} | changes.pop("parameters", {})
    actors = changes.pop("actors", {"keepers": KEEPERS})
    return one_market(legs, rules=STAIRS | (rules or {}), parameters=parameters, scenario=scenario, actors=actors, **changes)


def begin(world: World, paths: int = 1) -> tuple[Phases, State, Diary]:
    """A run that has not begun."""
    model = assemble(world)
    chunk = phases(model, paths, ())
    diary = Diary(model, [kind.name for kind in chunk.kinds], mechanisms=mechanisms_of(chunk))
    return replace(chunk, recorder=diary), new_state(model, 0, paths, chunk), diary


def play(world: World, paths: int = 1, steps: int | None = None) -> tuple[State, Diary]:
    """The state at the end, and the diary."""
    chunk, state, diary = begin(world, paths)
    for _ in range(world.scenario.steps if steps is None else steps):
        step(chunk, state)
    return state, diary
