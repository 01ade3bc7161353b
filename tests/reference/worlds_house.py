"""Random small worlds of the opened house: auctions, several networks, breakers, margin calls, pairs of calls; each a mix."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Mapping
from reference.worlds import BESIDE, Draw

COLUMNS = pa.schema([("protocol", pa.string()), ("account", pa.string()), ("asset", pa.string()), ("side", pa.string()),
                     ("amount", pa.float64()), ("liquidation_threshold", pa.float64()), ("emode", pa.int32()),
                     ("label", pa.string())])


def house_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(HouseDraw(random.Random(seed), seed).world())


@dataclass
class HouseDraw(Draw):
    """Draws lending beside vaults, on one, two or no networks."""

    block_times: tuple[float, ...] = ()  # [s] of the networks
    dollars: float = 0.0  # share of borrowers who hold dollars and owe what falls

    def world(self) -> Mapping:
        """Everything."""
        rng = self.rng
        self.dt, self.steps = rng.choice([120.0, 300.0, 900.0]), rng.randint(4, 9)
        self.draw_assets()
        if "USDC" not in self.assets:
            self.pegged("USDC", "USD", rng.uniform(0.99, 1.01))
        chains = rng.choice([0, 1, 2, 2])
        self.block_times = tuple(self.dt / n for n in rng.choice([(1, 3), (2, 4), (6, 4), (5, 1), (2, 3)])[:chains])
        self.dollars = rng.choice([0.1, 0.3, 0.7])
        protocols = self.draw_protocols()
        self.venues = self.draw_venues()
        world: Mapping = {
            "name": f"house {self.seed}", "as_of": "2024-01-01T00:00:00Z", "assets": self.assets,
            "protocols": protocols, "feeds": self.feeds, "oracles": self.oracles, "venues": self.venues,
            "actors": self.actors(chains), "execution": {"mode": rng.choice(["sequential", "sequential", "batched"])},
            "policies": self.policies(list(protocols)),
            "scenario": {
                "horizon": self.dt * self.steps, "step": self.dt, "paths": 2, "seed": rng.getrandbits(40),
                "prices": self.prices(), "events": [*self.shocks(), *self.falls()]}}
        if not chains:
            world["execution"]["rounds"] = rng.choice([1, 2, 4, 6])
            return world
        names = ["main", "side"][:chains]
        world["networks"] = {name: {
            "block_time": time, "room": rng.choice([1, 2, 3, 5, 20]), "base_fee": rng.choice([0.0, 5.0, 20.0]),
            "native": rng.choice(["ETH", "ETH", "USDC"])} for name, time in zip(names, self.block_times, strict=True)}
        if chains > 1 or self.chance(0.3):
            orders = [event for event in world["scenario"]["events"] if event["kind"] == "order"]
            for spec in [*protocols.values(), *orders, *(f for f in self.feeds.values() if f["kind"] == "push")]:
                spec["network"] = rng.choice(names)
            if self.chance(0.6):  # pairs need two protocols on one network
                for spec in protocols.values():
                    spec["network"] = names[0]
        return world

    def draw_protocols(self) -> Mapping:
        """One or two that lend, in most cases beside vaults."""
        protocols = {"lend": self.protocol("lend")}
        if self.chance(0.75):
            protocols["vaults"] = self.vaults("vaults")
        if len(protocols) == 1 or self.chance(0.35):
            protocols["other"] = self.protocol("other")
        return protocols

    def falls(self) -> list[Mapping]:
        """What is borrowed against falls, once or twice; the dollar that is borrowed may, too."""
        rng = self.rng
        found: list[Mapping] = [
            {"kind": "price", "at": self.dt * rng.randrange(self.steps - 1), "change": {"ETH": -rng.uniform(0.03, 0.25)}}
            for _ in range(rng.choice([1, 1, 2]))]
        if self.chance(0.6):
            found.append({"kind": "peg", "at": self.dt * rng.choice([1, 1, 2, 3]), "change": {"USDC": -rng.uniform(0.01, 0.05)}})
        return found

    # ---- who acts ----------------------------------------------------------------------------------------------

    def actors(self, chains: int) -> Mapping:
        """One or two groups of liquidators, who pair calls, and owners, in any order."""
        rng = self.rng
        found: Mapping = {"pairs": {"kind": "joint", "min_profit": rng.choice([0.0, 20.0]), "fee_share": rng.choice([0.5, 0.9])}}
        if self.chance(0.8):
            found["liquidators"] = self.liquidators() | {"fee_share": rng.choice([0.0, 0.0, 0.6])}  # pairs often bid more
        if self.chance(0.2):
            found["rivals"] = self.liquidators()
        if self.chance(0.2) and len(found) > 1:
            del found["pairs"]
        for spec in found.values():
            if spec["kind"] == "liquidators" and chains > 1 and self.chance(0.3):
                spec["network"] = rng.choice(["main", "side"])
        if self.chance(0.5):
            found["borrowers"] = {"kind": "borrowers", "attentive": rng.choice([0.3, 0.7]), "target": rng.uniform(1.01, 1.2),
                                  "budget": rng.choice([0.05, 0.3]), "fee": rng.choice([10.0, 40.0, 2000.0])}
        names = list(found)
        rng.shuffle(names)
        return {name: found[name] for name in names}

    def account(self, protocol: str, name: str, parameters: dict[str, Mapping], rules: str) -> list[Mapping]:
        """Some hold dollars and owe what falls, unhealthy from the start: their calls bring what vaults and others owe."""
        if "USDC" not in parameters or not self.chance(self.dollars):
            return super().account(protocol, name, parameters, rules)
        rng, size = self.rng, 10.0 ** self.rng.uniform(3.0, 5.3)
        owed = rng.choice([a for a in parameters if a not in ("USDC", "USD", "REST")])
        debt = size * parameters["USDC"]["liquidation_threshold"] / rng.choice([rng.uniform(0.8, 1.0), rng.uniform(1.0, 1.03)])
        self.collateral_value += size
        return [self.leg(protocol, name, "USDC", "collateral", size, None, 0),
                self.leg(protocol, name, owed, "debt", debt, None, 0)]

    # ---- policies ----------------------------------------------------------------------------------------------

    def policies(self, protocols: list[str]) -> Mapping:
        rng, found = self.rng, {}
        for number in range(rng.choice([0, 1, 1, 2])):
            found[f"breaker{number}"] = self.breaker(protocols)
        called = [name for name in protocols if self.chance(0.4)]
        if called:
            found["calls"] = {"kind": "margin_call", "protocols": called, "grace": self.dt * rng.choice([0.3, 1.0, 1.6, 3.0])}
            if self.chance(0.5):
                found["calls"]["floor"] = rng.uniform(0.8, 0.97)
        return found

    def breaker(self, protocols: list[str]) -> Mapping:
        rng = self.rng
        priced = [a for a in self.tradable() if a != "USDC"]
        pairs = [f"{a}/{self.assets[a].get('peg', 'USD')}" for a in self.tradable() if "wraps" not in self.assets[a]]
        trigger = rng.choice(["move", "move", "volatility", "liquidations"])
        limit = {"move": rng.choice([0.02, 0.05, 0.1]), "volatility": rng.choice([1.0, 3.0, 8.0]),
                 "liquidations": self.collateral_value * 10.0 ** rng.uniform(-3.0, -1.0)}[trigger]
        looked = protocols if trigger == "liquidations" else ["ETH", "ETH", "ETH/USD", *priced]
        halts = rng.choice([["liquidations"], ["trading"], ["liquidations", "trading"]])
        where = rng.sample(protocols, rng.randint(1, len(protocols))) if "liquidations" in halts else []
        where += rng.sample(pairs, rng.choice([1, min(2, len(pairs))])) if "trading" in halts else []
        found: Mapping = {
            "kind": "breaker", "of": list(dict.fromkeys(rng.choices(looked, k=rng.choice([1, 1, 2])))), trigger: limit,
            "window": self.dt * rng.choice([1, 2, 3]), "halts": halts, "where": where,
            "lasts": self.dt * rng.choice([0.2, 0.4, 1.0, 1.7]), "cool_off": self.dt * rng.choice([0.0, 0.25, 1.0])}
        if trigger == "move":
            found["direction"] = rng.choice(["down", "both", "up"])
        return found

    # ---- vaults ------------------------------------------------------------------------------------------------

    def vaults(self, name: str) -> Mapping:
        """Vaults of one or two collaterals, that owe USDC or USD, auctioned by terms that turn within the run."""
        rng = self.rng
        owed = rng.choice(["USDC", "USDC", "USDC", "USD"])
        held = list(dict.fromkeys(rng.choice([a for a in self.tradable() if a != "USDC"]) for _ in range(rng.choice([1, 2]))))
        parameters: dict[str, Mapping] = {a: {
            "liquidation_threshold": rng.uniform(0.6, 0.8), "incentive": rng.choice([0.05, 0.13]),
            "supply_rate": rng.choice([0.0, 0.2])} for a in held}
        parameters[owed] = {"liquidation_threshold": 0.0, "incentive": 0.0,
                            "borrow_rate": rng.choice([0.0, rng.uniform(0.0, 3.0)])}
        self.oracles[name] = {asset: self.oracle(asset, "USD") for asset in parameters}
        rows, debts = [], []
        for i in range(rng.randint(3, 12)):
            asset, size = rng.choice(held), 10.0 ** rng.uniform(3.5, 5.3)
            health = rng.choices([rng.uniform(0.8, 1.0), 1.0 + rng.choice(BESIDE), rng.uniform(1.0, 1.1), rng.uniform(1.1, 1.6)],
                                 [3, 1, 6, 2])[0]
            debt = size * parameters[asset]["liquidation_threshold"] / health
            rows.append(self.leg(name, f"{name}-{i}", asset, "collateral", size, None, 0))
            rows.append(self.leg(name, f"{name}-{i}", owed, "debt", debt, None, 0))
            self.collateral_value += size
            debts.append(debt)
        return {"rules": self.clip(debts), "parameters": parameters, "book": Book.from_table(pa.Table.from_pylist(rows, COLUMNS))}

    def clip(self, debts: list[float]) -> Mapping:
        rng = self.rng
        turns = self.dt * rng.choice([0.3, 1.0, 3.0])  # time in which the price falls by a third or so
        curve = rng.choice(["linear", "stairstep", "stairstep", "exponential"])
        step = turns / rng.choice([3.0, 5.5, 12.0])
        found: Mapping = {
            "kind": "clip", "curve": curve, "buf": rng.choice([1.0, 1.1, 1.3]), "tail": turns * rng.uniform(0.8, 3.0),
            "cusp": rng.choice([0.3, 0.7]), "tip": rng.choice([1.0, 100.0]), "chip": rng.choice([0.0, 0.001, 0.02])}
        found |= {"linear": {"tau": turns * 3.0}, "stairstep": {"step": step, "cut": 0.67 ** (step / turns)},
                  "exponential": {"cut": 0.67 ** (1.0 / turns)}}[curve]
        some = sorted(debts)
        if self.chance(0.7):  # nobody starts below it: what rounding leaves of a full hole is then never enough
            found["dust"] = rng.choice([0.3, 0.9]) * some[0]
        else:
            return found
        if self.chance(0.7):
            found["hole"] = rng.choice([0.7, 1.5, 4.0]) * some[len(some) // 2]
        if self.chance(0.4):
            found["hole_of_all"] = rng.choice([1.2, 3.0]) * some[-1]
        return found
