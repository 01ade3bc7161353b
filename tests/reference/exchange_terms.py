"""The terms of random exchanges: tiers, stages, funding, default waterfalls."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from reference.events import Events, Mapping

RULES = ("hyperliquid", "hyperliquid_v2", "binance", "wealth_pro_rata", "contract_pro_rata", "capped_pro_rata")


def maintenance(notional: float, tiers: list[Mapping]) -> float:
    """What a position must keep: each part of it at the rate of its tier [USD]."""
    ends = [t["floor"] for t in tiers[1:]] + [float("inf")]
    return sum((min(notional, end) - t["floor"]) * t["maintenance"] for t, end in zip(tiers, ends, strict=True)
               if notional > t["floor"])


class Terms(Events):
    """Draws what an exchange lays down."""

    underlyings: list[str]

    @cached_property
    def rows(self) -> dict[str, list[Mapping]]:
        """Legs by exchange."""
        return {}

    @cached_property
    def open_interest(self) -> defaultdict[str, float]:
        """By exchange [USD]."""
        return defaultdict(float)

    def tiers(self) -> list[Mapping]:
        """One to three, rising."""
        rng = self.rng
        floor, rate, found = 0.0, rng.choice([0.01, 0.025, 0.05, 0.1]), []
        for _ in range(rng.choice([1, 1, 2, 3])):
            found.append({"floor": floor, "maintenance": rate})
            floor, rate = floor + 10.0 ** rng.uniform(3.5, 5.3), rate * rng.uniform(1.2, 2.0)
        return found

    def engine(self) -> Mapping:
        """Stages: to the book first or not, flat closing, the backstop, in several orders."""
        rng = self.rng
        if self.chance(0.2):
            return {"kind": rng.choice(["hyperliquid", "binance"])}
        market: Mapping = {"stage": "market", "limit": rng.choice(["none", "bankruptcy", "bankruptcy", "fillable"]),
                           "fee": rng.choice([0.0, 0.005, 0.02])}
        if self.chance(0.5):
            market |= {"partial_above": 10.0 ** rng.uniform(3.5, 5.0), "partial_share": rng.choice([0.1, 0.2, 0.5]),
                       "cooldown": rng.choice([30.0, self.dt, 2.5 * self.dt])}
        flat: Mapping = {"stage": "flat", "slippage": rng.choice([0.0, 0.01, 0.05]), "fee": rng.choice([0.0, 0.01])}
        backstop: Mapping = {"stage": rng.choice(["backstop", "transfer"]), "below": rng.choice([0.3, 2.0 / 3.0])}
        return {"kind": "exchange", "stages": rng.choice([
            [market], [market, backstop], [market, backstop], [market, flat | {"below": 0.4}],
            [market | {"limit": "bankruptcy"}, market | {"below": 0.5, "limit": "none"}],
            [market, flat | {"below": 0.7}, backstop], [flat], [backstop | {"below": 1.0}],
            [market, backstop, flat | {"below": 0.1}],
        ])}

    def funding(self) -> Mapping:
        rng = self.rng
        interval = self.dt * rng.choice([1, 2, 5])
        return {"interval": interval, "period": interval * rng.choice([1.0, 8.0]), "interest": rng.choice([0.0001, 0.003]),
                "clamp": rng.choice([0.0005, 0.01]), "cap": rng.choice([0.001, 0.02])}

    def waterfall(self, size: float) -> list[Mapping]:
        """Some of the layers in any order, small enough to run dry now and then. size: what is open [USD]."""
        rng = self.rng
        scale = size * 10.0 ** rng.uniform(-4.5, -1.0)
        vault = size * 10.0 ** rng.uniform(-2.5, 0.0)
        rule = rng.choice(RULES)
        cap = {"cap": rng.choice([0.1, 0.5])} if rule == "capped_pro_rata" else {}
        layers: list[Mapping] = [
            {"kind": "insurance_fund", "start": {"USD": scale} if self.chance(0.9) else {}},
            {"kind": "backstop", "equity": vault, "reserve": rng.choice([0.1, 0.5, 1.0, 2.0]),
             "half_life": self.dt * rng.choice([0.5, 3.0, 20.0])},
            {"kind": "adl", "rule": rule, "price": rng.choice(["bankruptcy", "bankruptcy", "mark"]), **cap},
            {"kind": "socialised_loss", "over": rng.choice(["equity", "profit"])}]
        kept = [layer for layer, p in zip(layers, (0.55, 0.6, 0.85, 0.45), strict=True) if self.chance(p)]
        if self.chance(0.4):
            rng.shuffle(kept)
        elif self.chance(0.6):
            kept.sort(key=lambda layer: layer["kind"] != "adl")  # first: then it is needed often
        return kept
