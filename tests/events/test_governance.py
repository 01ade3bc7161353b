"""A vote: nothing until its delay has ended, then exactly the other rules."""

from __future__ import annotations

from typing import Any

import pytest

from delever.core.outcomes import DEFICITS
from delever.engine.conservation import residual
from delever.model.errors import InputError
from delever.model.world import World
from run.small import Mapping, fall, last, loan, one_market, steps


def vote(at: float = 60.0, delay: float = 120.0, **change: Any) -> Mapping:
    return {"at": at, "kind": "governance", "protocol": "pool", "delay": delay, "change": change}


def world(*events: Mapping, rules: str = "aave.v3_0", falls: float = 0.08, at: float = 240.0) -> World:
    """An account that half of is repaid when ETH falls by 8 %: 10 x 920 x 0.85 / 8000 = 0.9775."""
    return one_market(loan("a", 10.0, 8000.0), rules=rules, scenario={"events": [fall(falls, at), *events]})


def left(world: World) -> list[float]:
    return list(last(world)[1].pool.touched.amount[0])


def after(repaid: float, price: float = 920.0) -> list[float]:
    return [10.0 - repaid * 1.05 / price, 8000.0 - repaid]


def test_what_is_in_force_at_the_call_decides() -> None:
    """Announced at 60 s, in force from 180 s on; the call comes in the step that ends at 300 s."""
    assert left(world()) == pytest.approx(after(4000.0))
    assert left(world(vote(close_factor=1.0))) == pytest.approx(after(8000.0), abs=1e-9)
    assert left(world(vote(close_factor="60 %"))) == pytest.approx(after(4800.0))


@pytest.mark.parametrize(("delay", "repaid"), [(119.0, 4800.0), (120.0, 4800.0), (179.0, 4800.0), (180.0, 4000.0)])
def test_it_is_in_force_from_the_step_in_which_the_delay_ends(delay: float, repaid: float) -> None:
    """The call is in the step of 180 s to 240 s: what falls in it counts, what falls behind it does not."""
    it = world(vote(delay=delay, close_factor=0.6), at=180.0)
    assert left(it) == pytest.approx(after(repaid))


def test_later_votes_build_on_earlier_ones_by_the_time_they_come_into_force() -> None:
    """The one announced first comes second."""
    assert left(world(vote(delay=120.0, close_factor=0.6), vote(delay=30.0, close_factor=0.7))) == pytest.approx(after(4800.0))


def test_a_version_is_a_whole_row_and_whether_deficits_are_written_off() -> None:
    """ETH falls by 60 %: no collateral is left. v3.0 leaves the debt standing, v3.3 writes it off."""
    old, new = world(falls=0.6), world(vote(version="v3_3"), falls=0.6)
    assert last(old)[1].ledgers.totals[DEFICITS, 0, 0] == 0.0
    state = last(new)[1]
    assert state.ledgers.totals[DEFICITS, 0, 0] == pytest.approx(8000.0 - 4000.0 / 1.05)
    assert state.ledgers.totals[DEFICITS, 0, 0] == last(world(rules="aave.v3_3", falls=0.6))[1].ledgers.totals[DEFICITS, 0, 0]
    assert float(residual(state, 1).max()) < 1e-9


def test_it_is_announced_and_then_nothing_happens_until_it_is_in_force() -> None:
    """Each run begins anew with the rules that the world states."""
    it = world(vote(close_factor=0.6))
    for _ in range(2):
        amounts = [state.pool.touched.amount[0].tolist() for _, state in steps(it)]
        assert amounts[-1] == pytest.approx(after(4800.0))


@pytest.mark.parametrize(("event", "line"), [
    (vote(), "change"),
    (vote(liquidation_threshold=0.8), "liquidation_threshold cannot be changed in a run yet: 0.8; fields of aave"),
    (vote(close_factor=2), "close_factor is 2"), (vote(close_factor=0.5), "changes nothing"),
    (vote(delay=600.0, close_factor=0.4), "comes into force after 660 s; the run ends after 600 s"),
    (vote(close_factor=0.4) | {"protocol": "pol"}, "did you mean pool"), (vote(closefactor=0.4), "did you mean close_factor"),
])
def test_bad_input_is_one_line(event: Mapping, line: str) -> None:
    from delever.run.assemble import assemble

    with pytest.raises(InputError, match=line) as error:
        assemble(world(event))
    assert "\n" not in str(error.value)
    assert "scenario.events.1" in str(error.value)
