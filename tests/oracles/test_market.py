"""A path that sleeps keeps the answers of its feeds, whoever else of its chunk is awake: no path hangs on another."""

from __future__ import annotations

import math

import pytest

from delever.engine.step import step
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from oracles.test_rate import FEEDS, staked


@pytest.mark.parametrize(("feed", "awake"), [("market", 1.08 * 0.94), ("rate", 1.1 * 0.94), ("eth", 900.0)])
def test_who_sleeps_keeps_his_answer(feed: str, awake: float) -> None:
    world = staked("rate", [], scenario={"horizon": 300, "step": 60, "paths": 2, "seed": 1, "prices": {"kind": "lognormal"}})
    model = assemble(world)
    chunk = phases(model, 2, ())
    state = new_state(model, 0, 2, chunk)
    step(chunk, state)
    number = list(FEEDS).index(feed)
    before = math.exp(state.feeds.answer[number, 0])
    state.backing.log_rate[:] += math.log(0.94)
    state.markets.price[:] += [[math.log(0.9)], [math.log(0.94)]]
    state.active[:] = [False, True]
    for phase in chunk.feeds:
        phase.observe(state)
    assert [math.exp(answer) for answer in state.feeds.answer[number]] == pytest.approx([before, awake], rel=1e-12)
