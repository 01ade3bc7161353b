"""Paths drawn around a move: same bits where they are drawn plainly, and weights that give back what the world states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from delever.model.errors import InputError
from delever.model.world import World
from delever.prices.base import plainly
from delever.run.assemble import assemble
from delever.run.chunk import simulate
from delever.run.estimates import Weights, share
from delever.run.start import new_state
from delever.run.stress import stress
from run.small import bits, loan, one_market

STEPS, S = 4, 0.06  # a day each; standard deviation of a day's log move
VOLATILITY = {"ETH": S * math.sqrt(365.0)}


def world(tail: dict[str, Any] | None = None, paths: int = 40, **more: Any) -> World:
    """Three loans, days of 6 %."""
    prices = {"kind": "lognormal", "volatility": {"ETH": f"{VOLATILITY['ETH']:.4%}"}} | more.pop("prices", {})
    legs = [leg for i, debt in enumerate((8000.0, 7500.0, 6500.0)) for leg in loan(f"a{i}", 10.0, debt)]
    return one_market(legs, scenario={"horizon": STEPS * 86_400, "step": 86_400, "paths": paths, "prices": prices, "tail": tail},
                      **more)


def moves(tail: dict[str, Any], paths: int) -> tuple[np.ndarray, Weights]:
    """([steps, paths] log moves of ETH, weights)."""
    model = assemble(world(tail))
    state, phase = new_state(model, 0, paths), model.prices.phase(paths)
    found = [state.markets.exogenous[0].copy()]
    for step in range(1, STEPS + 1):
        state.step = step
        phase.move(state)
        found.append(state.markets.exogenous[0].copy())
    plain = model.world.scenario.tail.plain  # type: ignore[union-attr]
    return np.diff(found, axis=0), Weights(state.weight, plainly(np.arange(paths), plain))


def below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@pytest.mark.parametrize("tail", [{"change": {"ETH": "-30 %"}}, {"change": {"ETH": "-18 %"}, "over": "1 d"},
                                  {"change": {"ETH": "25 %"}, "over": "2 d", "plain": "50 %"},
                                  {"change": {"ETH": "-20 %"}, "over": "3 d", "plain": "10 %"}])  # stretches of 3 steps and 1
def test_weights_give_back_the_normal_distribution(tail: dict[str, Any]) -> None:
    """Of the move in all, and of the worst and the best day; to within 4 standard errors."""
    move, drawn = moves(tail, 2500)
    z = (move + 0.5 * S**2) / S
    assert drawn.w.min() > 0.0
    assert drawn.w.max() <= 1.0 / float(str(tail.get("plain", "25")).removesuffix(" %")) * 100
    assert abs(drawn.w.mean() - 1.0) < 4.0 * drawn.w.std() / 50.0
    for at in (-3.0, -2.0, 0.0, 2.0):
        for hit, chance in ((z.sum(0) < at * 2.0, below(at)), (z.min(0) < at, 1.0 - below(-at) ** STEPS),
                            (z.max(0) > -at, 1.0 - below(-at) ** STEPS)):
            found, low, high = share(hit, drawn)
            half = max(high - found, found - low) * 4.0 / 1.96
            assert abs(found - chance) <= half + 1e-3, (at, found, chance)


def test_more_paths_tell_of_the_tail() -> None:
    move, drawn = moves({"change": {"ETH": "-30 %"}}, 1500)
    hit = move.sum(0) < -3.0 * 2.0 * S  # one in 740
    plain = below(-3.0 + 0.5 * S * 2.0)
    assert hit.sum() > 100 * plain * 1500
    _, low, high = share(hit, drawn)
    assert low < plain < high and (high - low) / plain < 0.5


def test_paths_drawn_plainly_keep_every_bit() -> None:
    """One in four, and all that their mechanisms make of them."""
    plain, drawn = (stress(world(tail), keep=False, threads=1).paths for tail in (None, {"change": {"ETH": "-40 %"}}))
    assert plain["weight"].to_pylist() == [1.0] * 40
    one_in_four = pa.array(range(3, 40, 4))
    assert plain.column_names == drawn.column_names
    for name in set(plain.column_names) - {"weight"}:
        assert plain[name].take(one_in_four).equals(drawn[name].take(one_in_four)), name
    assert drawn["seized_collateral.pool"].to_numpy().sum() > plain["seized_collateral.pool"].to_numpy().sum()


def test_no_bit_depends_on_the_chunk() -> None:
    model = assemble(world({"change": {"ETH": "-25 %"}, "over": "2 d", "plain": "30 %"}))
    whole = bits(simulate(model, 0, 40, []).paths)
    for first, count in ((0, 1), (7, 1), (13, 9)):
        part = bits(simulate(model, first, count, []).paths)
        for name, content in part.items():
            width = len(content) // count
            assert content == whole[name][first * width:(first + count) * width], name


def test_other_assets_go_along_as_they_are_correlated() -> None:
    spec = world({"change": {"ETH": "-30 %"}}, prices={
        "volatility": {"ETH": "100 %", "BTC": "50 %"}, "correlation": {"ETH/BTC": 0.8}}, assets={
        "ETH": {"price": 1000.0}, "BTC": {"price": 1e4}})
    process = assemble(spec).prices
    eth, btc = (process.shift[i] * STEPS for i in (0, 1))  # type: ignore[attr-defined]
    assert eth == pytest.approx(math.log(0.7))
    assert btc == pytest.approx(0.8 * 0.5 * math.log(0.7))


def test_figures_count_by_weights_and_say_so() -> None:
    run = stress(world({"change": {"ETH": "-30 %"}}, paths=400), keep=False, threads=1)
    w, x = run.paths["weight"].to_numpy(), run.paths["seized_collateral.pool"].to_numpy()
    value = {row["figure"]: row["value"] for row in run.summary.to_pylist()}
    assert value["seized_collateral"] == pytest.approx(float(w @ x / w.sum())) != pytest.approx(x.mean(), rel=0.2)
    (found,) = [one for one in run.found if one.code == "paths.weighted"]
    assert "400 paths are worth" in found.value
    from delever import html_report

    with pytest.raises(InputError, match="pictures count paths"):
        html_report(run)


@pytest.mark.parametrize(("tail", "said"), [
    ({"change": {"BTC": "-10 %"}}, "does not move by itself"), ({"change": {"ETH": "0 %"}}, "is nowhere else"),
    ({"change": {"ETH": "-10 %"}, "plain": "0 %"}, "write 1% to 99 %"), ({"change": {}}, "change")])
def test_mistakes_are_one_line(tail: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        assemble(world(tail))


def test_a_replay_draws_nothing_that_could_lean(tmp_path: Any) -> None:
    (tmp_path / "p.csv").write_text("time,ETH\n0,1000\n")
    spec = world({"change": {"ETH": "-30 %"}})
    with pytest.raises(InputError, match="take prices of kind lognormal"):
        assemble(spec.replace("scenario.prices", {"kind": "replay", "data": str(tmp_path / "p.csv")}))
