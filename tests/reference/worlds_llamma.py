"""Random small worlds of loans that lie in bands: prices fall through them, come back, or jump below all of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Mapping
from reference.worlds import Draw

COLUMNS = pa.schema([("protocol", pa.string()), ("account", pa.string()), ("asset", pa.string()), ("side", pa.string()),
                     ("amount", pa.float64()), ("bands", pa.int32())])


def llamma_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(LlammaDraw(random.Random(seed), seed).world())


@dataclass
class LlammaDraw(Draw):
    """Draws one or two protocols as Draw does, one of them with bands."""

    def world(self) -> Mapping:
        """Everything."""
        rng, world = self.rng, super().world()
        self.dt, self.steps = rng.choice([40.0, 60.0, 300.0]), rng.randint(6, 20)
        ratio = self.dt / world["scenario"]["step"]
        for net in world.get("networks", {}).values():
            net["block_time"] *= ratio
            net["base_fee"] = rng.choice([0.0, 5.0])
        for feed in self.feeds.values():
            for name in ("heartbeat", "delay", "age"):
                if name in feed:
                    feed[name] *= ratio
        world["scenario"] |= {"horizon": self.dt * self.steps, "step": self.dt, "events": [*self.shocks(), *self.ways()]}
        if self.chance(0.3):
            world["policies"] = {"halt": {
                "kind": "breaker", "of": ["ETH"], "move": rng.choice([0.05, 0.1]), "window": self.dt * 2.0, "direction": "down",
                "halts": ["liquidations"], "where": [next(iter(world["protocols"]))], "lasts": self.dt * rng.choice([0.4, 1.7]),
                "cool_off": self.dt}}
        return world

    def shocks(self) -> list[Mapping]:
        """Fewer, for there are ways."""
        return [self.shock() for _ in range(self.rng.choice([0, 1]))]

    def ways(self) -> list[Mapping]:
        """Of the price of what is held: slow and fast, down and up again."""
        rng, found = self.rng, []
        for _ in range(rng.choice([1, 2, 2, 3])):
            base = rng.choice([a for a in self.assets if "price" in self.assets[a] and a != "REST"])
            change = rng.choice([-0.4, -0.2, -0.12, -0.12, -0.06, 0.08, 0.15, 0.3])
            found.append({"kind": "price", "at": self.dt * rng.randrange(self.steps), "change": {base: change},
                          "over": self.dt * rng.choice([0, 0, 3, 6])})
        return [one for one in found if one["at"] + one["over"] <= self.dt * self.steps]

    def feed(self, asset: str, quote: str) -> str:
        """With averages, as Curve's."""
        if not self.chance(0.3):
            return super().feed(asset, quote)
        name = f"{asset}_{quote}_ema".lower()
        self.feeds[name] = {"kind": "ema", "of": f"{asset}/{quote}", "over": self.dt * self.rng.choice([0.5, 2.0, 8.0])}
        return name

    def protocol(self, name: str) -> Mapping:
        """The second is of any kind, if there is one."""
        if name == "second":
            return super().protocol(name)
        rng = self.rng
        owed = "USDC" if "USDC" in self.assets and self.chance(0.6) else "USD"
        held = [a for a in self.tradable() if a != owed]
        held = rng.sample(held, min(len(held), rng.choice([1, 1, 2])))
        parameters: dict[str, Mapping] = {a: {"liquidation_threshold": rng.choice([0.94, 0.9]), "incentive": 0.0} for a in held}
        parameters[owed] = {"liquidation_threshold": 0.0, "incentive": 0.0, "borrow_rate": rng.choice([0.0, 0.1, 5.0])}
        self.oracles[name] = {a: self.oracle(a, "USD") for a in parameters}
        rules: Mapping = {"kind": "llamma", "amplification": rng.choice([20.0, 50.0, 100.0, 100.0]),
                          "fee": rng.choice([0.0005, 0.006, 0.006, 0.02]), "admin_fee": rng.choice([0.0, 0.5, 1.0]),
                          "bands": rng.choice([4, 10])}
        if self.chance(0.3):
            rules["loan_discount"] = rng.choice([0.07, 0.12, 0.2])
        if self.chance(0.3):
            rules["base_price"] = {held[0]: self.price[held[0]] * rng.uniform(0.7, 1.6)}
        if self.chance(0.3):
            rules["writes_off"] = False
        lent = [*held, *(rng.choice(held) for _ in range(rng.randint(0, 6)))]
        rows = [row for i, asset in enumerate(lent) for row in self.loan(name, f"{name}-{i}", asset, owed)]
        return {"rules": rules, "parameters": parameters, "book": Book.from_table(pa.Table.from_pylist(rows, COLUMNS))}

    def loan(self, protocol: str, account: str, held: str, owed: str) -> list[Mapping]:
        """At what it may borrow at most, or less."""
        rng = self.rng
        size, count = 10.0 ** rng.uniform(3.0, 5.3), rng.choice([0, 4, 4, 5, 10, 30])
        debt = size * rng.choice([0.6, rng.uniform(0.75, 0.87), rng.uniform(0.8, 0.87), 0.9])
        self.collateral_value += size
        return [{"protocol": protocol, "account": account, "asset": asset, "side": side, "bands": count,
                 "amount": value / self.price.get(asset, 1.0)}
                for asset, side, value in ((held, "collateral", size), (owed, "debt", debt))]
