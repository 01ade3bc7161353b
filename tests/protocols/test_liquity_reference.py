"""The plain second implementation of Liquity v1 against the executed contracts, unit for unit: 266 scenarios, edges included."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.vectors import cases
from reference.troves import CCR, Call, Liquity, Reverted

FILES = ("normal", "recovery", "pool", "dev2025")


def raw(quantity: list[Any]) -> int:
    return int(quantity[0])


def act(system: Liquity, action: dict[str, Any]) -> dict[str, Any]:
    """What a step of the vectors says, by the integers; `revert` where nothing happens."""
    what = action["do"]
    if what == "price":
        system.price = raw(action["price"])
        return {}
    if what == "open":
        system.open(action["id"], raw(action["coll"]), raw(action["debt"]))
        return {"stake": system.troves[action["id"]].stake, "total_stakes": system.stakes}
    if what == "deposit":
        return {"eth_paid": system.deposit(action["who"], raw(action["amount"]))}
    if what == "withdraw":
        try:
            lusd, eth = system.withdraw(action["who"], raw(action["amount"]))
        except Reverted:
            return {"revert": True}
        return {"lusd_paid": lusd, "eth_paid": eth}
    out = {"mode": "recovery" if system.total_ratio() < CCR else "normal", "TCR": system.total_ratio()}
    try:
        done: Call = {"liquidate": lambda: system.liquidate(action["trove"]), "batch": lambda: system.batch(action["troves"]),
                      "sequence": lambda: system.sequence(action["n"])}[what]()
    except Reverted:
        return out | {"revert": True}
    return out | {
        "closed": sorted(done.closed), "debt": done.debt, "coll": done.coll, "coll_gas_comp": done.comp,
        "lusd_gas_comp": 200 * 10**18 * len(done.closed), "sp_lusd": system.pool, "sp_eth": system.pool_coll,
        "P": system.product, "epoch": system.epoch, "scale": system.scale, "L_ETH": system.l_coll, "L_LUSD": system.l_debt,
        "total_stakes": system.stakes, "stakes_snapshot": system.stakes_then, "coll_snapshot": system.coll_then,
        "surplus": sorted((who, units) for who, units in done.surplus.items())}


def read(step: dict[str, Any]) -> dict[str, Any]:
    """A step of the vectors in the same form."""
    out: dict[str, Any] = {}
    for name, value in step.items():
        if name == "revert":
            out[name] = True
        elif name == "surplus":
            out[name] = sorted((one["trove"], raw(one["coll"])) for one in value)
        elif name == "closed":
            out[name] = sorted(value)
        else:
            out[name] = raw(value) if isinstance(value, list) else value
    return out


@pytest.mark.parametrize("name", FILES)
def test_every_step_is_the_contracts(name: str) -> None:
    for case in cases(f"liquity_v1_{name}"):
        system = Liquity(head=name == "dev2025")
        for one in case["in"]["troves"]:
            system.open(one["id"], raw(one["coll"]), raw(one["debt"]))
        for number, (action, step) in enumerate(zip(case["in"]["actions"], case["out"]["steps"], strict=True)):
            assert act(system, action) == read(step), f"{case['id']}, step {number}: {action}"
        final = case["out"]["final"]
        troves = {one["id"]: (raw(one["coll"]), raw(one["debt"]), raw(one["stake"])) for one in final["troves"]}
        assert {who: (*system.entire(who), trove.stake) for who, trove in system.troves.items()} == troves, case["id"]
        paid = {one["who"]: (raw(one["deposit"]), raw(one["eth_gain"])) for one in final["depositors"]}
        assert {who: (system.compounded(who), system.gained(who)) for who in paid} == paid, case["id"]
