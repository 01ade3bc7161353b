"""How far each decision of Aave's liquidation call is from its edge, in the contract's own integers.

    health        worth of the collateral x threshold - edge x debt, edges 1 and 0.95          [1e-8 USD]
    close factor  worth of either leg - 2000 USD (3.6); what may be repaid - the debt          [1e-8 USD; units of the debt]
    offer         what is offered - what may be repaid                                         [units of the debt]
    seized        what would be seized - what there is                                         [units of the collateral]
    dust          worth of what is left of either leg - 1000 USD; what is left of the debt (3.6)       [units of the leg]
Source: LiquidationLogic.executeLiquidationCall and GenericLogic.calculateUserAccountData of 3.6 and of 3.0.2.
"""

from __future__ import annotations

from evm.aave_pool import ALL, Asked, Reserve

PERCENT, USD = 10_000, 10**8  # a whole in basis points; of the unit of account


def worth(units: int, r: Reserve, up: bool = False) -> int:
    """Of so many units [1e-8 USD]."""
    return -(-units * r.price // 10**r.decimals) if up else units * r.price // 10**r.decimals


def apart(one: int, other: int) -> float:
    """Smallest units between two amounts; of amounts beyond 2^53 as many as float64 tells apart count as one."""
    return (one - other) / max(1, max(one, other) >> 52)


def distances(version: str, asked: Asked) -> list[float]:
    """Of one call at what stands when it is made; health by leg, each of which is rounded once."""
    recent = version == "v3_6"
    held, owed = [r for r in asked.reserves if r.supplied], [r for r in asked.reserves if r.owed]
    c, d = asked.reserve(asked.taken), asked.reserve(asked.repaid)
    worths = [worth(r.supplied, r) for r in held]
    backing = sum(w * asked.terms(r)[0] for w, r in zip(worths, held, strict=True))
    if not recent:
        backing = backing // sum(worths) * sum(worths)  # the average threshold, floored
    debt = sum(worth(r.owed, r, recent) for r in owed)
    rooms = {edge: (backing - edge * debt) / PERCENT for edge in (PERCENT, 9500)}
    found = [room / (len(held) + len(owed)) for room in rooms.values()]
    most = d.owed
    if recent:
        either = worth(c.supplied, c), worth(d.owed, d, up=True)
        found += [w - 2000 * USD for w in either]
        half = (debt + 1) // 2
        if min(either) >= 2000 * USD and rooms[9500] > 0:
            found.append(either[1] - half)
            most = min(most, half * 10**d.decimals // d.price) if either[1] > half else most
    elif rooms[9500] > 0:
        most = (d.owed + 1) // 2
    if asked.most != ALL:
        found.append(apart(asked.most, most))
        most = min(most, asked.most)
    bonus = asked.terms(c)[1]
    seized = (d.price * most * 10**c.decimals // (c.price * 10**d.decimals) * bonus + PERCENT // 2) // PERCENT
    found.append(apart(seized, c.supplied))
    if recent and seized < c.supplied:
        found.append(apart(d.owed, most))
        for left, r in ((d.owed - most, d), (c.supplied - seized, c)):
            found.append((worth(left, r, up=r is d) - 1000 * USD) / max(1, r.price // 10**r.decimals))
    return found
