"""Policies: circuit breakers that halt liquidations or trading for a time, and margin calls with a period of grace."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reference.pool import Market

YEAR = 365.0 * 86400.0  # [s]
BEFORE = 1.0 - 1e-12  # what ends at a block is over in it


@dataclass
class Breaker:
    """What it looks at, when it trips, what it halts and for how long."""

    of: list[str]  # assets or markets, or protocols
    trigger: str  # move, volatility, liquidations
    limit: float
    direction: str  # down, up, both: of a move
    steps: int  # of the window
    dt: float  # length of a step [s]
    lasts: float  # [s]
    cool_off: float  # [s]
    liquidations: list[str]  # protocols that it halts
    trading: list[str]  # markets, by their base
    window: dict[str, list[float]] = field(default_factory=dict)  # at the ends of the last steps, the newest last
    ends: float = -math.inf  # of the last halt [s]
    armed: float = -math.inf  # from when on it may trip [s]
    anew: bool = False  # the window begins anew once it is armed
    nearest: float = math.inf

    @property
    def length(self) -> int:
        """Ends of steps that it remembers: a volume is counted from the beginning of the first."""
        return self.steps + (self.trigger == "liquidations")

    def begin(self, values: dict[str, float]) -> None:
        """Before the start nothing has moved."""
        self.window = {name: [value] * self.length for name, value in values.items()}

    def next_step(self, values: dict[str, float], time: float) -> None:
        """values: at the end of the one before; time: of that [s]."""
        for name, value in values.items():
            self.window[name] = [*self.window[name], value][-self.length:]
        self.renew(values, time)

    def renew(self, values: dict[str, float], time: float) -> None:
        if self.anew and self.armed <= time:
            self.begin(values)
            self.anew = False

    def look(self, values: dict[str, float], time: float) -> bool:
        """Whether it trips now."""
        self.renew(values, time)
        beyond = [self.beyond(name, value) for name, value in values.items()]  # all of them, to know how near each is
        if self.armed > time or not any(beyond):
            return False
        self.ends, self.anew = (time + self.lasts) * BEFORE, True
        self.armed = (time + self.lasts + self.cool_off) * BEFORE
        return True

    def beyond(self, name: str, value: float) -> bool:
        past = self.window[name]
        if self.trigger == "liquidations":
            return self.reaches(value - min(past), self.limit)
        if self.trigger == "volatility":
            returns = [b - a for a, b in zip(past, [*past[1:], value], strict=True)]
            return self.reaches(sum(r * r for r in returns), self.limit**2 * self.steps * self.dt / YEAR)
        falls = self.direction != "up" and self.reaches(max(past) - value, -math.log(1.0 - self.limit) - 1e-9)
        rises = self.direction != "down" and self.reaches(value - min(past), math.log(1.0 + self.limit) - 1e-9)
        return falls or rises

    def reaches(self, x: float, limit: float) -> bool:
        self.nearest = min(self.nearest, abs(x / limit - 1.0))
        return x >= limit


class Halts:
    """Until when something is halted [s], on one path; and whose owners have been called."""

    def __init__(self, breakers: list[Breaker], margin_calls: dict[str, tuple[float, float]], counts: Counter[str]) -> None:
        self.breakers, self.terms, self.counts = breakers, margin_calls, counts
        self.liquidations: dict[str, float] = {}  # by protocol
        self.trading: dict[str, float] = {}  # by the base of a market
        self.deadline: dict[int, float] = {}  # by account that has been called [s]
        self.ends: list[float] = []  # of outages [s]
        self.sold: set[int] = set()  # of these, let to liquidators
        self.netted: set[int] = set()  # those whom a broker keeps from being called
        self.once: set[int] = set()  # those whom one has
        self.lends: set[str] = set()  # protocols that are no exchanges
        self.nearest = math.inf

    def look(self, values: Callable[[Breaker], dict[str, float]], time: float) -> None:
        for breaker in self.breakers:
            if breaker.look(values(breaker), time):
                self.counts["trips"] += 1
                for table, names in ((self.liquidations, breaker.liquidations), (self.trading, breaker.trading)):
                    for name in names:
                        table[name] = max(table.get(name, -math.inf), breaker.ends)

    def stop(self, venues: list[Market], until: float) -> None:
        """Nothing trades there until then [s]."""
        self.ends.append(until)
        for venue in venues:
            self.trading[venue.key] = max(self.trading.get(venue.key, -math.inf), until)

    def grace(self, protocol: str, number: int, health: float, gone: bool, time: float) -> bool:
        """Whether an unhealthy account is spared for now; it is called if it has not been."""
        if protocol not in self.terms:
            return False
        grace, floor = self.terms[protocol]
        if number not in self.deadline:
            self.deadline[number] = (time + grace) * BEFORE
            self.counts["margin calls"] += 1
        if floor > 0.0:
            self.nearest = min(self.nearest, abs(health / floor - 1.0))
        if number not in self.sold and (gone or health < floor or time >= self.deadline[number]):
            self.sold.add(number)
            self.counts["sold after a margin call"] += 1
        return number not in self.sold

    def spares(self, protocol: str, number: int, health: float, gone: bool, time: float) -> bool:
        """Whether an unhealthy account may not be called now. health: backing by debt, or equity by maintenance margin.

        gone: nothing is left that could mend it: no backing, or cash that is owed and no position.
        """
        graced = self.grace(protocol, number, health, gone, time)
        halted = self.liquidations.get(protocol, -math.inf) > time
        self.counts["halted calls"] += halted
        self.spared_once(protocol, number, graced or halted)
        return graced or halted or number in self.netted

    def spared_once(self, protocol: str, number: int, otherwise: bool) -> None:
        """Count what brokers do. otherwise: it is spared for another reason, too."""
        if number in self.netted:
            self.counts["netted loans" if protocol in self.lends else "netted margin accounts"] += 1
            self.once.add(number)
        elif not otherwise and number in self.once:
            self.counts["let go"] += 1

    def lapse(self, healthy: Iterable[int]) -> None:
        """At the end of a block: calls of accounts of these numbers."""
        for number in healthy:
            if self.deadline.pop(number, None) is not None:
                self.counts["lapsed margin calls"] += number not in self.sold
                self.sold.discard(number)

    def wake(self, time: float) -> float:
        """When something ends that the path may wait for [s]."""
        ends = [end for end in (*self.ends, *(b.ends for b in self.breakers)) if end > time]
        return min([*ends, *(at for number, at in self.deadline.items() if number not in self.sold)], default=math.inf)
