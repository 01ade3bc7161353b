"""The loop in which the engine is held against the plain implementation, world by world, path by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from delever.model.world import World
from reference.conditioning import amplifies
from reference.setting import Result

EXCUSED = 1e-12  # relative distance of anything from what decides, below which rounding does

Engine = TypeVar("Engine")


def hold_together(seeds: Iterable[int], world_of: Callable[[int], World], plainly: Callable[[int], tuple[Result, ...]],
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
