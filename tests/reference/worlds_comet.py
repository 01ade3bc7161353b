"""Random small worlds with Compound v3 beside other lending, on one, two or no networks; each a mix."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Mapping
from reference.worlds import BESIDE
from reference.worlds_house import COLUMNS, HouseDraw


def comet_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(CometDraw(random.Random(seed), seed).world())


@dataclass
class CometDraw(HouseDraw):
    """In place of vaults, accounts with one to three collaterals that owe the base."""

    def world(self) -> Mapping:
        """In most there is a Comet, and somebody who only liquidates."""
        found = super().world()
        if not any(spec["kind"] == "liquidators" for spec in found["actors"].values()):
            found["actors"] = {"liquidators": self.liquidators(), **found["actors"]}
        if self.chance(0.4):
            found["actors"]["more"] = self.liquidators()
        return found

    def vaults(self, name: str) -> Mapping:
        """A Comet whose base is USDC or USD."""
        rng = self.rng
        base = rng.choice(["USDC", "USDC", "USD"])
        held = [a for a in self.tradable() if a != "USDC"]
        parameters: dict[str, Mapping] = {a: {
            "liquidation_threshold": rng.uniform(0.6, 0.9), "incentive": rng.choice([0.03, 0.05, 0.15, 0.3]),
            "supply_rate": rng.choice([0.0, 0.2])} for a in held}
        parameters[base] = {"liquidation_threshold": 0.0, "incentive": 0.0, "supply_rate": rng.choice([0.0, 0.5]),
                            "borrow_rate": rng.choice([0.0, rng.uniform(0.0, 3.0)])}
        self.oracles[name] = {asset: self.oracle(asset, "USD") for asset in parameters}
        rows, total = [], 0.0
        for i in range(rng.randint(3, 14)):
            chosen, size = rng.sample(held, min(rng.choice([1, 1, 2, 3]), len(held))), 10.0 ** rng.uniform(3.0, 5.3)
            values = {asset: size * rng.uniform(0.2, 1.0) for asset in chosen}
            health = rng.choices([rng.uniform(0.7, 1.0), 1.0 + rng.choice(BESIDE), rng.uniform(1.0, 1.1), rng.uniform(1.1, 1.6)],
                                 [6, 1, 6, 1])[0]
            debt = sum(value * parameters[asset]["liquidation_threshold"] for asset, value in values.items()) / health
            rows += [self.leg(name, f"{name}-{i}", asset, "collateral", value, None, 0) for asset, value in values.items()]
            rows.append(self.leg(name, f"{name}-{i}", base, "debt", debt, None, 0))
            self.collateral_value += sum(values.values())
            total += debt
        if self.chance(0.5):
            rows.append(self.leg(name, f"{name}-supplier", base, "collateral", total, None, 0))
        if self.chance(0.5):
            rng.shuffle(rows)
        rules = {"kind": "comet", "base": base, "store_front": rng.choice([0.0, 0.5, 0.8, 1.0]),
                 "target": total * rng.choice([0.0, 0.2, 0.5, 10.0, 10.0]), "reserves": total * rng.choice([-0.1, 0.0, 0.3, 0.8]),
                 "counted_on": rng.choice([0.0, 0.5, 1.0, 1.0, 1.0])}
        return {"rules": rules, "parameters": parameters, "book": Book.from_table(pa.Table.from_pylist(rows, COLUMNS))}
