"""What a call does to the health of who is called, for all rules that are a row of terms: outside capped and full closes
seizing collateral c lowers health exactly where it is below the threshold of c x (1 + incentive).

    HF' - HF has the sign of  HF - LT_c (1 + i):   HF' = (B - LT_c v (1 + i)) / (D - v),  v what is repaid, as worth
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from delever.protocols.aave import Aave
from delever.protocols.base import Rules
from delever.protocols.compound import Compound
from delever.protocols.euler import Euler
from delever.protocols.fixed_spread import FixedSpread
from delever.protocols.morpho import Morpho
from protocols.one_account import Account, Collateral, Debt, call, imbalance, ready

pytestmark = pytest.mark.usefixtures("tables_of_their_own")

RULES: dict[str, Rules] = {
    "aave v2": Aave(version="v2"), "aave v3.0": Aave(version="v3_0"), "aave v3.3": Aave(version="v3_3"),
    "compound v2": Compound(version="v2", seize_share=0.028), "morpho": Morpho(version="v1"),
    "euler": Euler(version="v2"), "a fork": FixedSpread(close_factor=0.3, full_below=0.6, least_left=10.0)}
HELD = st.tuples(st.floats(50.0, 1e5), st.floats(0.1, 5e3), st.floats(0.4, 0.95), st.floats(0.01, 0.3))
NEAR = 1e-9  # relative: nearer to the frontier rounding decides


@pytest.mark.parametrize("name", RULES)
@given(st.lists(HELD, min_size=1, max_size=3), st.lists(st.floats(0.1, 1.0), min_size=1, max_size=2), st.floats(0.5, 1.0),
       st.floats(0.01, 1.0))
def test_a_call_lowers_health_exactly_below_the_toxic_frontier_of_what_it_seizes(
        name: str, held: list[tuple[float, float, float, float]], owed: list[float], health: float, share: float) -> None:
    """held: worth, price, threshold, incentive of each; owed: parts of the debt; share: of the debt that is offered."""
    collaterals = tuple(Collateral(f"c{k}", worth / price, price, lt, i) for k, (worth, price, lt, i) in enumerate(held))
    debt = sum(worth * lt for worth, _, lt, _ in held) / health
    debts = tuple(Debt(f"d{k}", debt * part / sum(owed), 1.0) for k, part in enumerate(owed))
    who = Account(collaterals, debts)
    done = call(ready(RULES[name], who), who, most=share * debt)
    assert imbalance(done) < 1e-12
    if not done.settled:
        return
    taken = next(c for c in collaterals if c.asset == done.collateral)
    assume(done.units_left(taken.asset, Collateral) > 0.0 and done.health < float("inf"))  # neither capped nor in full
    frontier = taken.threshold * done.seize * taken.price / done.repay
    before = who.health()
    assume(abs(before / frontier - 1.0) > NEAR)
    change = done.health - before
    moved = done.repay / debt  # what rounding leaves of a change is as small
    assert (change < 0.0) == (before < frontier) or abs(change) < 1e-13 * max(1.0, done.health) / max(moved, 1e-9)
