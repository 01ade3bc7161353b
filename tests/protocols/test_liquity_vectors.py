"""Liquity v1's kernels against the executed contracts, mainnet and the head of 2025: scenarios that stand on no edge.

Tolerance: 1e-9 relative and five smallest units, and what a float64 cannot know: a difference of amounts is as good as 1e-16 of
those amounts. That counts where a call all but empties the pool. `worn` is how many times what is left has been paid in, and so
how many times the relative error of what depends on it may grow; what nothing is left of is known to 1e-14 of what came in.
On an edge the pool ends within a few smallest units of empty. There the integers (test_liquity_reference.py) are the contract's;
where floats part from them test_edges.py shows that what parts them is less than a float64 holds.
"""

from __future__ import annotations

from typing import Any

import pytest

from delever.protocols.liquity_formulas import CCR, COUNTS, KEEPS, MCR
from delever.protocols.liquity_system import (
    CALLED_DEBT,
    CLOSED,
    COLL,
    COLL_THEN,
    COMP,
    DEBT,
    EPOCH,
    L_COLL,
    L_DEBT,
    LEFT_COLL,
    LOWEST,
    OPEN,
    POOL,
    POOL_COLL,
    PRODUCT,
    SCALES,
    SENT,
    STAKES,
    STAKES_THEN,
    entire,
    from_the_lowest,
    look,
)
from protocols.liquity_systems import TERMS, Depositors, liquidated, opened, system
from protocols.test_liquity_reference import FILES, act
from protocols.vectors import cases, number
from reference.troves import Liquity

UNIT, RELATIVE, CANCELLED, ROUNDING = 1e-18, 1e-9, 1e-14, 2.0 ** -50

Case = dict[str, Any]


class Play:
    """A scenario, by the kernels."""

    def __init__(self, case: Case, head: bool) -> None:
        terms = list(TERMS)
        terms[KEEPS], terms[COUNTS] = float(head), float(head)
        given = case["in"]
        new = [one for one in given["actions"] if one["do"] == "open"]
        self.s = system(1 + max(one["id"] for one in given["troves"] + new), terms)
        self.who, self.price, self.worn = Depositors(self.s), 0.0, 1.0
        self.paid_in = {"LUSD": 0.0, "ETH": sum(number(one["coll"]) for one in given["troves"])}
        for one in given["troves"]:
            opened(self.s, one["id"], number(one["coll"]), number(one["debt"]))

    def act(self, action: Case) -> dict[str, Any]:
        """What a step says."""
        what, s, sums = action["do"], self.s, self.s.sums[0]
        if what == "price":
            self.price = number(action["price"])
            return {}
        if what == "open":
            opened(s, action["id"], number(action["coll"]), number(action["debt"]))
            return {"stake": s.stake[0, action["id"]], "total_stakes": sums[STAKES]}
        if what in ("deposit", "withdraw"):
            return self.moved(what, action["who"], number(action["amount"]))
        ratio = sums[COLL] * self.price / sums[DEBT]
        out = {"mode": "recovery" if ratio < s.terms[CCR] else "normal", "TCR": ratio}
        before, pool = s.open[0].copy(), sums[POOL]
        if what == "sequence":
            most = int(sums[OPEN]) - (out["mode"] == "recovery")
            from_the_lowest(0, float("inf"), s)
            done = liquidated(s, s.order[:min(action["n"], most)].tolist(), self.price, True)
        else:
            done = liquidated(s, [action["trove"]] if what == "liquidate" else action["troves"], self.price)
        if pool > sums[POOL] > 0.0:
            self.worn = max(self.worn, self.paid_in["LUSD"] / sums[POOL])
        if not done:
            return out | {"revert": True}
        closed = [k for k in range(len(before)) if before[k] and not s.open[0, k]]
        got = s.done[0]
        return out | {
            "closed": closed, "debt": got[CALLED_DEBT], "coll": got[SENT] + got[LEFT_COLL], "coll_gas_comp": got[COMP],
            "lusd_gas_comp": 200.0 * got[CLOSED], "sp_lusd": sums[POOL], "sp_eth": sums[POOL_COLL], "P": sums[PRODUCT],
            "epoch": int(sums[EPOCH]), "scale": int(sums[SCALES]), "L_ETH": sums[L_COLL], "L_LUSD": sums[L_DEBT],
            "total_stakes": sums[STAKES], "stakes_snapshot": sums[STAKES_THEN], "coll_snapshot": sums[COLL_THEN],
            "surplus": {k: s.surplus[0, k] for k in closed if s.surplus[0, k] > 0.0}}

    def moved(self, what: str, who: int, units: float) -> dict[str, Any]:
        """A depositor comes or goes."""
        look(0, self.s)
        if what == "deposit":
            self.paid_in["LUSD"] += units
            return {"eth_paid": self.who.put(who, units)}
        paid, sums = min(units, self.who.left(who)), self.s.sums[0]
        if sums[LOWEST] * self.price < self.s.terms[MCR] or sums[POOL] - paid < self.s.terms[KEEPS]:
            return {"revert": True}
        return {"eth_paid": self.who.put(who, -paid), "lusd_paid": paid}


def differences(case: Case, head: bool) -> list[str]:
    """Where kernels and contract part."""
    play, out = Play(case, head), []

    def hold(what: str, ours: Any, theirs: Any) -> None:
        if isinstance(theirs, list) and len(theirs) == 2 and isinstance(theirs[1], float):
            name, stakes = what.split()[-1], play.s.sums[0, STAKES]
            room = (RELATIVE + ROUNDING * play.worn) * abs(number(theirs)) + 5.0 * UNIT
            room += CANCELLED * {
                "sp_lusd": play.paid_in["LUSD"], "deposit": play.paid_in["LUSD"], "L_LUSD": play.paid_in["LUSD"] / stakes,
                "sp_eth": play.paid_in["ETH"], "L_ETH": play.paid_in["ETH"] / stakes}.get(name, 0.0)
            if not abs(ours - number(theirs)) <= room:
                out.append(f"{what}: {ours!r}, contract {theirs[1]!r}")
        elif ours != theirs:
            out.append(f"{what}: {ours!r}, contract {theirs!r}")

    for i, (action, step) in enumerate(zip(case["in"]["actions"], case["out"]["steps"], strict=True)):
        done = play.act(action)
        hold(f"step {i} says", sorted(done), sorted(step))
        for name in done.keys() & step.keys():
            if name == "surplus":
                theirs = {one["trove"]: one["coll"] for one in step[name]}
                hold(f"step {i} surplus of", sorted(done[name]), sorted(theirs))
                for k in done[name].keys() & theirs.keys():
                    hold(f"step {i} surplus", done[name][k], theirs[k])
            elif name == "closed":
                hold(f"step {i} closed", done[name], sorted(step[name]))
            elif name == "revert":
                hold(f"step {i} revert", done[name], True)
            else:
                hold(f"step {i} {name}", done[name], step[name])
        if out:
            return out
    for one in case["out"]["final"]["troves"]:
        coll, debt = entire(0, one["id"], play.s)
        for name, ours in (("coll", coll), ("debt", debt), ("stake", play.s.stake[0, one["id"]])):
            hold(f"trove {one['id']} {name}", ours, one[name])
    for one in case["out"]["final"]["depositors"]:
        hold(f"depositor {one['who']} deposit", play.who.left(one["who"]), one["deposit"])
        hold(f"depositor {one['who']} gain", play.who.gains(one["who"]), one["eth_gain"])
    return out


@pytest.mark.parametrize("name", FILES)
def test_scenarios_end_as_the_contracts_do(name: str) -> None:
    plain = [case for case in cases(f"liquity_v1_{name}") if not case.get("edge")]
    for case in plain:
        assert not differences(case, name == "dev2025"), case["id"]
    assert len(plain) >= 10


def on_edge(case: Case, head: bool) -> float:
    """By the integers: the least that a call leaves of the pool, or redistributes, as a share of what was deposited; 0 where the
    contract refuses a call because the pool's product would be 0."""
    exact, least = Liquity(head), 1.0
    for one in case["in"]["troves"]:
        exact.open(one["id"], int(one["coll"][0]), int(one["debt"][0]))
    for action in case["in"]["actions"]:
        pool, borne = exact.pool, exact.l_debt
        if act(exact, action).get("revert") and "P " in exact.refused:
            return 0.0
        if exact.pool < pool and action["do"] != "withdraw":
            near = exact.pool if exact.pool else (exact.l_debt - borne) * exact.stakes // 10**18
            least = min(least, near / pool)
    return least
