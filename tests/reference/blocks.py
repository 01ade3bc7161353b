"""Blocks: what each network takes in, and what goes on when."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reference.setting import Network, Transaction


@dataclass
class Included:
    """What a block of the world's clock takes in, network by network."""

    rows: list[Transaction] = field(default_factory=list)  # in the order carried out
    unfit: int = 0  # found no room
    underbid: int = 0
    waits: int = 0  # for the next block of their network
    wake: float = math.inf  # when something that found no place is wanted next [s]


def fill(offered: list[Transaction], chains: dict[str, Network], clock: int, tick: float) -> Included:
    """clock: blocks so far, this one included; tick: between two of them [s]."""
    found = Included()
    for name, net in chains.items():
        mine = [t for t in offered if t.chain == name]
        able = [t for t in mine if t.bid >= net.base_fee]
        again = ((clock // net.every + 1) * net.every - 0.5) * tick if net.every > 1 else clock * tick
        if clock % net.every:
            found.waits += len(mine)
            if able:
                found.wake = min(found.wake, again)
            continue
        # without a network there is no fee to bid: what is offered is executed in the order offered
        ranked = sorted(able, key=lambda t: -t.bid) if net.gas else able  # stable
        room = int(min(net.room, len(ranked)))
        found.rows += ranked[:room]
        found.unfit += len(ranked) - room
        found.underbid += len(mine) - len(able)
        if room < len(ranked):
            found.wake = min(found.wake, again)
    return found
