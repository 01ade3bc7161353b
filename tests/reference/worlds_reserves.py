"""Random small worlds whose reserves have cash, which runs out; curves of all kinds, and depositors who leave."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from delever import worlds
from delever.model.world import World
from reference.events import Mapping
from reference.worlds_house import HouseDraw


def reserves_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(ReservesDraw(random.Random(seed), seed).world())


@dataclass
class ReservesDraw(HouseDraw):
    """Draws lending as HouseDraw does, then what is in its reserves."""

    def world(self) -> Mapping:
        """Everything."""
        self.pro_rata = self.chance(0.12)  # whose calls have no quote: no networks, and whoever acts acts always
        world = super().world()
        if self.pro_rata:
            self.without_quotes(world)
        lenders: Mapping = {}
        for name, protocol in world["protocols"].items():
            if protocol["rules"]["kind"] == "clip":
                continue
            lenders |= self.fill(name, protocol)
            if self.chance(0.15):
                protocol["waterfall"] = [{"kind": "socialised_loss"}]
        actors = list((world["actors"] | lenders).items())
        self.rng.shuffle(actors)
        world["actors"] = dict(actors)
        for net in world.get("networks", {}).values():  # withdrawals compete, but do not push everybody else out
            net["room"] = self.rng.choice([1, 3, 6, 20])
        return world

    def without_quotes(self, world: Mapping) -> None:
        """As rules without a quote ask for."""
        world.pop("networks", None)
        world["execution"]["rounds"] = self.rng.choice([1, 2, 4])
        world["actors"] = {name: spec for name, spec in world["actors"].items() if spec["kind"] != "joint"}
        for spec in world["actors"].values():
            if spec["kind"] == "liquidators":
                spec["rule"] = "always"
                spec.pop("network", None)
        world["actors"].setdefault("takers", {"kind": "liquidators", "rule": "always"})
        for spec in [*world["protocols"].values(), *world["feeds"].values(), *world["scenario"]["events"]]:
            spec.pop("network", None)

    # ---- reserves ----------------------------------------------------------------------------------------------

    def fill(self, name: str, protocol: Mapping) -> Mapping:
        """Cash of most reserves: none, a little or plenty; more borrowed than the book owes; curves. Its depositors."""
        rng, lenders = self.rng, {}
        held, owed = defaultdict[str, float](float), defaultdict[str, float](float)
        for row in protocol["book"].legs.to_pylist():
            (owed if row["side"] == "debt" else held)[row["asset"]] += row["amount"]
        protocol |= {"cash": {}, "borrowed": {}, "rates": {}}
        for asset in dict.fromkeys([*held, *owed]):
            if asset == "REST" or self.chance(0.2):
                continue
            whole = max(held[asset], 0.0) + max(owed[asset], 0.0)
            protocol["cash"][asset] = rng.choice([0.0, whole * 10.0 ** rng.uniform(-4.0, -0.5), whole * rng.uniform(0.05, 1.0)])
            if self.chance(0.6):
                protocol["borrowed"][asset] = max(owed[asset], 0.0) + whole * rng.choice([0.0, 0.3, 3.0])
            if self.chance(0.5):
                least = held[asset] - protocol["cash"][asset] + whole * rng.choice([0.01, 0.2])
                protocol["borrowed"][asset] = max(protocol["borrowed"].get(asset, 0.0), owed[asset], least)
                lenders[f"lenders of {asset} to {name}"] = self.lender(name, asset)
            if self.chance(0.65):
                protocol["rates"][asset] = self.curve()
        return lenders

    def curve(self) -> Mapping:
        """One of each kind, steep enough to be felt within hours."""
        rng = self.rng
        kind = rng.choice(["kinked", "jump", "adaptive"])
        found: Mapping = {"kind": kind, "reserve_factor": rng.choice([0.0, 0.1, 0.35])}
        if kind == "adaptive":
            return found | {"at_target": rng.choice([0.001, 0.04, 2.0, rng.uniform(0.01, 1.0)])}
        found |= {"base": rng.choice([0.0, 0.02]), "kink": rng.uniform(0.4, 0.95)}
        steep = rng.choice([0.5, 2.0, 9.0])
        if kind == "kinked":
            return found | {"slope": rng.uniform(0.0, 0.3), "steep": steep}
        return found | {"multiplier": rng.uniform(0.0, 0.3), "jump": steep}

    def lender(self, protocol: str, asset: str) -> Mapping:
        """Lenders who leave within hours, for some of the reasons."""
        rng = self.rng
        found: Mapping = {"kind": "depositors", "protocol": protocol, "asset": asset, "base": rng.choice([0.0, 0.1, 1.0]),
                          "content": rng.choice([0.0, 0.1, 1.0]), "uneasy": rng.choice([0.0, 2.0, 50.0]),
                          "loss": rng.choice([0.0, 20.0, 2000.0]), "herd": rng.choice([0.0, 0.5, 1.0]),
                          "memory": self.dt * rng.choice([0.5, 2.0, 10.0]), "fee": rng.choice([10.0, 30.0, 1500.0])}
        return found
