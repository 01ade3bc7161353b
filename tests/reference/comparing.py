"""Random worlds by both implementations: the engine is held against the plain one, world by world, path by path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from delever.core.tables import SLOTS
from delever.engine.conservation import LIMIT, residual
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.chunk import Played, run_state
from reference.conditioning import amplifies
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of

EXCUSED = 1e-12  # relative distance of anything from what decides, below which rounding does
MADE = 1e-12  # of what was moved: the rounding of a sum of it

Engine = TypeVar("Engine")
Paths = tuple[Result, ...]


def counted(world: World, paths: Paths) -> set[str]:
    """What happened on some path."""
    return {name for path in paths for name, count in path.counts.items() if count > 0}


@dataclass(eq=False)
class Worlds(Generic[Engine]):
    """Worlds of one kind, each by its number; what the plain implementation says of them is kept."""

    of: Callable[[int], World]
    on_path: Callable[[World, Model, Played, int], Engine]  # what stands in the engine's tables of a path
    differences: Callable[[World, Result, Engine], Iterator[str]]  # what the two do not agree on
    kept: dict[int, Paths] = field(default_factory=dict)

    def plain(self, seed: int) -> Paths:
        """Every path of the world of that number, by the plain implementation."""
        if seed not in self.kept:
            world = self.of(seed)
            self.kept[seed] = tuple(simulate(setting_of(world, path)) for path in range(world.scenario.paths))
        return self.kept[seed]

    def engine(self, seed: int) -> list[Engine]:
        """The same by the engine, in one chunk; every token is accounted for."""
        world = self.of(seed)
        model = assemble(world)
        played = run_state(model, 0, world.scenario.paths, [])
        assert float(residual(played.state, int(played.state.watch.counts[SLOTS])).max()) < LIMIT
        return [self.on_path(world, model, played, p) for p in range(world.scenario.paths)]

    def hold_together(self, seeds: Iterable[int], most_excused: int, pushed: bool = False) -> None:
        """See below."""
        hold_together(seeds, self.of, self.plain, self.engine, self.differences, most_excused, pushed)

    def seen(self, seeds: Iterable[int], happened: Callable[[World, Paths], set[str]] = counted) -> Counter[str]:
        """In how many of these worlds each thing happened."""
        return Counter(name for seed in seeds for name in happened(self.of(seed), self.plain(seed)))

    def made(self, seeds: Iterable[int]) -> list[str]:
        """Tokens that were made or lost, or that a trade kept on its way."""
        return [f"world {seed}: {asset}" for seed in seeds for result in self.plain(seed) for asset in made(result)]


def made(result: Result) -> Iterator[str]:
    """Assets of which a path made or lost some."""
    for asset in {asset for _, asset in result.ledger}:
        change = sum(units for (_, a), units in result.ledger.items() if a == asset)
        moved = sum(units for (_, a), units in result.turnover.items() if a == asset)
        if max(abs(change), abs(result.ledger.get(("route", asset), 0.0))) > MADE * moved:
            yield asset


def hold_together(seeds: Iterable[int], world_of: Callable[[int], World], plainly: Callable[[int], Paths],
                  by_engine: Callable[[int], list[Engine]], differences: Callable[[World, Result, Engine], Iterator[str]],
                  most_excused: int, pushed: bool = False) -> None:
    """Every path of every world: the two agree, or rounding decides.

    differences: what they do not agree on; most_excused: paths on which rounding may decide; pushed: it does, too, where a push
    of prices moves the plain result itself.
    """
    wrong, excused = [], 0
    for seed in seeds:
        world = world_of(seed)
        for path, (plain, engine) in enumerate(zip(plainly(seed), by_engine(seed), strict=True)):
            found = list(differences(world, plain, engine))
            if found and (plain.nearest < EXCUSED or (pushed and amplifies(world, path, plain))):
                excused += 1
            elif found:
                wrong.append(f"world {seed}, path {path}: " + "; ".join(found[:3]) + f" ({len(found)} differences)")
    assert not wrong, f"{len(wrong)} paths differ, {excused} excused:\n" + "\n".join(wrong[:10])
    assert excused <= most_excused  # worlds are drawn beside the edges, not on them
