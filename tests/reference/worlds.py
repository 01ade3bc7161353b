"""Random small worlds, drawn so that things happen, on both sides of every edge.

A world is drawn as the mapping that a user would write, books included as tables.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Events, Mapping

# close to an edge but not on it: what rounding decides is not worth comparing
BESIDE = [-1e-6, -1e-9, 1e-9, 1e-6]


def random_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(Draw(random.Random(seed), seed).world())


@dataclass
class Draw(Events):
    """What was drawn so far."""

    rng: random.Random
    seed: int
    assets: dict[str, Mapping] = field(default_factory=dict)
    price: dict[str, float] = field(default_factory=dict)  # USD at the start
    feeds: dict[str, Mapping] = field(default_factory=dict)
    oracles: dict[str, dict[str, str]] = field(default_factory=dict)
    venues: dict[str, Mapping] = field(default_factory=dict)
    collateral_value: float = 0.0  # of all accounts [USD]
    pro_rata: bool = False
    most: int = 25  # accounts of a protocol
    dt: float = 60.0  # [s]
    steps: int = 10

    def world(self) -> Mapping:
        """Everything."""
        rng = self.rng
        self.dt, self.steps = rng.choice([60.0, 300.0, 3600.0]), rng.randint(5, 30)
        self.draw_assets()
        names = ["first", "second"] if self.chance(0.4) else ["only"]
        self.pro_rata = self.chance(0.25)  # whose claims have no quote: liquidators act always, gas is free
        protocols = {name: self.protocol(name) for name in names}
        self.venues = self.draw_venues()
        world: Mapping = {
            "name": f"random {self.seed}", "as_of": "2024-01-01T00:00:00Z", "assets": self.assets,
            "protocols": protocols, "feeds": self.feeds, "oracles": self.oracles, "venues": self.venues,
            "actors": {"liquidators": self.liquidators()}, "execution": {"mode": rng.choice(["sequential", "batched"])},
            "scenario": {
                "horizon": self.dt * self.steps, "step": self.dt, "paths": 2, "seed": rng.getrandbits(40),
                "prices": self.prices(), "events": self.shocks()}}
        if self.chance(0.65) and not self.pro_rata:
            block_time = self.dt / rng.choice([1, 2, 4, 5])
            world["networks"] = {"chain": {"block_time": block_time, "room": rng.choice([1, 2, 3, 5, 20]),
                                           "base_fee": rng.choice([0.0, 5.0, 20.0, 35.0]), "native": "ETH"}}
        else:
            world["execution"]["rounds"] = rng.choice([1, 1, 2, 4])
        if self.chance(0.6):
            world["actors"]["borrowers"] = {"kind": "borrowers", "attentive": rng.choice([0.3, 0.7, 1.0]),
                                            "target": rng.uniform(1.01, 1.2),
                                  "budget": rng.choice([0.05, 0.2, 0.5]), "fee": rng.choice([10.0, 40.0, 2000.0])}
        return world

    # ---- assets and where they trade ---------------------------------------------------------------------------

    def draw_assets(self) -> None:
        """ETH, and two to five of: a second base asset, a dollar, a pegged asset, one pegged to that, a wrapped one."""
        rng = self.rng
        self.base_asset("ETH", rng.uniform(1000.0, 3000.0))
        if self.chance(0.7):
            self.pegged("USDC", "USD", rng.uniform(0.99, 1.01))
        if self.chance(0.5):
            self.base_asset("BTC", rng.uniform(20_000.0, 60_000.0))
        if self.chance(0.7):
            self.pegged("stETH", "ETH", rng.uniform(0.95, 1.0))
            if self.chance(0.6):
                self.assets["wstETH"] = {"wraps": "stETH", "rate": rng.uniform(1.05, 1.2)}
                self.price["wstETH"] = self.assets["wstETH"]["rate"] * self.price["stETH"]
            if self.chance(0.3):
                self.pegged("dETH", "stETH", rng.uniform(0.9, 1.1))
        if self.chance(0.3):  # what a snapshot's totals have beyond the known assets
            self.base_asset("REST", 1.0)
            self.assets["REST"]["seizable"] = False

    def base_asset(self, name: str, price: float) -> None:
        self.assets[name], self.price[name] = {"price": price}, price

    def pegged(self, name: str, peg: str, ratio: float) -> None:
        self.assets[name] = {"peg": peg, "ratio": ratio}
        self.price[name] = ratio * (1.0 if peg == "USD" else self.price[peg])

    def draw_venues(self) -> Mapping:
        """Most markets have one venue, some are infinitely deep."""
        found = {}
        for name in self.tradable():
            quote = self.assets[name].get("peg", "USD")
            if "wraps" not in self.assets[name] and self.chance(0.85):
                found[f"venue_{name}"] = self.venue(name, quote)
        return found

    def venue(self, name: str, quote: str) -> Mapping:
        rng, price = self.rng, self.price[name]
        ratio = price / self.price.get(quote, 1.0)
        worth = self.collateral_value * 10.0 ** rng.uniform(-0.6, 1.3)  # of either side [USD]
        base, other = worth / price, worth / price * ratio
        common: Mapping = {"pair": f"{name}/{quote}"}
        if self.chance(0.6):
            common["half_life"] = self.dt * rng.choice([0.3, 1.0, 5.0, 40.0])
        if "peg" in self.assets[name] and self.chance(0.75):
            return {"kind": "stableswap", "A": rng.choice([5.0, 30.0, 200.0]), "fee": rng.choice([0.0, 0.0004, 0.01]),
                    "balances": {name: base, quote: other * rng.uniform(0.7, 1.4)}, **common}
        if self.chance(0.5):
            return {"kind": "constant_product", "reserves": {name: base, quote: other},
                    "fee": rng.choice([0.0, 0.003, 0.01]), **common}
        return self.depth_table(base, common)

    def depth_table(self, base: float, common: Mapping) -> Mapping:
        """Makers around the outside price; a few levels a side, liquidity neither even nor monotone."""
        rng, sides = self.rng, {}
        for side, way in (("bids", -1.0), ("asks", 1.0)):
            quantity, moved, levels = 0.0, 0.0, []
            for _ in range(rng.randint(1, 4)):
                quantity += base * rng.uniform(0.01, 0.3)
                moved += rng.uniform(0.005, 0.15)
                levels.append([quantity, 1.0 + way * moved])
            sides[side] = levels
        return {"kind": "depth_table", **sides, "fee": rng.choice([0.0, 0.001]), **common}

    # ---- protocols -----------------------------------------------------------------------------------------------

    def protocol(self, name: str) -> Mapping:
        rng = self.rng
        rules = rng.choice(["v2", "v3_0", "v3_3", "v3_3"] + ["pro_rata"] * 4 * self.pro_rata)
        unit = "ETH" if rules in ("v2", "v3_0") and self.chance(0.3) else "USD"
        seen = [a for a in self.tradable() if a == "ETH" or self.chance(0.9)]
        if "REST" in self.assets and rules != "pro_rata":
            seen.append("REST")
        if "USDC" not in seen or self.chance(0.15):
            seen.append("USD")
        parameters = {asset: self.reserve(asset, rules) for asset in seen}
        if rules == "pro_rata":
            alike = rng.choice([0.02, 0.05, 0.1])
            for reserve in parameters.values():
                reserve["incentive"] = alike
                reserve.pop("emode", None)
        self.oracles[name] = {asset: self.oracle(asset, unit) for asset in seen}
        book = self.book(name, parameters, rules)
        spec: Mapping = {"kind": "aave", "version": rules, "close_factor": rng.choice([0.5, 0.5, 0.25, 1.0])}
        if rules == "pro_rata":
            spec = {"kind": "pro_rata", "close_factor": rng.choice([0.3, 0.5, 1.0]),
                    "dust": rng.choice([0.0, 500.0]), "full_below": rng.choice([0.0, 0.9])}
        return {"rules": spec, "parameters": parameters, "unit": unit, "book": book}

    def reserve(self, asset: str, rules: str) -> Mapping:
        rng = self.rng
        found: Mapping = {
            "liquidation_threshold": rng.uniform(0.7, 0.9), "incentive": rng.choice([0.05, rng.uniform(0.02, 0.12)]),
            "supply_rate": rng.choice([0.0, rng.uniform(0.0, 0.5)]),
            "borrow_rate": rng.choice([0.0, rng.uniform(0.0, 5.0)])}
        if rules != "pro_rata":
            found["protocol_fee"] = rng.choice([0.0, 0.1])
        if asset in ("ETH", "stETH", "wstETH"):
            found["emode"] = {1: {"liquidation_threshold": rng.uniform(0.9, 0.95),
                                  "incentive": rng.uniform(0.005, 0.02)}}
        return found

    def oracle(self, asset: str, unit: str) -> str:
        """How a protocol sees an asset: one feed, or through what it wraps or is pegged to."""
        if asset == unit:
            return "1"
        if asset in ("USD", "REST"):
            return self.feed(asset, unit) if asset == "REST" or unit != "USD" else "1"
        if unit == "USD" and self.chance(0.5):
            below = self.assets[asset]
            if "peg" in below and below["peg"] != "USD":
                return f"{self.feed(asset, below['peg'])} * {self.oracle(below['peg'], unit)}"
            if "wraps" in below:
                return f"rate * {self.feed('stETH', 'ETH')} * {self.feed('ETH', 'USD')}"
        return self.feed(asset, unit)

    def feed(self, asset: str, quote: str) -> str:
        """The name of a feed of the pair; several protocols may read the same."""
        rng = self.rng
        kind = rng.choices(["market", "push", "late", "fixed"], [40, 20, 35, 5])[0]
        name = f"{asset}_{quote}_{kind}".lower()
        if name in self.feeds:
            return name
        spec: Mapping = {"kind": "push" if kind == "late" else kind, "of": f"{asset}/{quote}"}
        now = self.price.get(asset, 1.0) / self.price.get(quote, 1.0)
        if kind in ("push", "late"):
            spec |= {"heartbeat": self.dt * rng.choice([1.0, 3.0, 1000.0]),
                     "deviation": rng.choice([0.001, 0.005, 0.02]),
                     "delay": 0.0 if kind == "push" else self.dt * rng.choice([0.1, 0.5, 1.0, 2.5]),
                     "fee": rng.choice([5.0, 30.0, 1000.0]), "age": self.dt * rng.choice([0.0, 2.0])}
            if spec["fee"] == 30.0 and spec["heartbeat"] > self.dt:
                spec["first"] = 1.3 * self.dt  # its heartbeat keeps a clock
            if self.chance(0.3):
                spec["answer"] = now * rng.uniform(0.97, 1.03)
        if kind == "fixed":
            spec["answer"] = now * rng.uniform(0.98, 1.02)
        self.feeds[name] = spec
        return name

    # ---- accounts ------------------------------------------------------------------------------------------------

    def book(self, protocol: str, parameters: dict[str, Mapping], rules: str) -> Book:
        rng, rows = self.rng, []
        for i in range(rng.randint(5, self.most)):
            rows += self.account(protocol, f"{protocol}-{i}", parameters, rules)
        if self.chance(0.5):  # legs of an account need not stand together
            rng.shuffle(rows)
        columns = ["protocol", "account", "asset", "side", "amount", "liquidation_threshold", "emode", "label"]
        types = [pa.string()] * 4 + [pa.float64()] * 2 + [pa.int32(), pa.string()]
        return Book.from_table(pa.table({c: pa.array([r[c] for r in rows], t)
                                         for c, t in zip(columns, types, strict=True)}))

    def account(self, protocol: str, name: str, parameters: dict[str, Mapping], rules: str) -> list[Mapping]:
        """One or two collaterals, one or two debts, a health factor drawn beside or away from 1."""
        rng = self.rng
        assets = [a for a in parameters if a != "REST"]
        stable = [a for a in assets if a in ("USDC", "USD")]
        emode = 1 if rules in ("v3_0", "v3_3") and "stETH" in assets and self.chance(0.25) else 0
        holds = rng.sample([a for a in assets if not emode or "emode" in parameters[a]], rng.choice([1, 1, 2]))
        owes = ["ETH"] if emode and self.chance(0.8) else rng.sample(
            stable if self.chance(0.7) else assets, 1) + ([rng.choice(assets)] if self.chance(0.3) else [])
        size = rng.choice([10.0 ** rng.uniform(2.0, 5.3), 10.0 ** rng.uniform(4.0, 5.5), rng.uniform(1800.0, 4500.0)])
        health = rng.choices([rng.uniform(0.6, 0.96), rng.uniform(0.94, 1.0), 1.0 + rng.choice(BESIDE),
                              0.95 * (1.0 + rng.choice(BESIDE)), rng.uniform(1.0, 1.06), rng.uniform(1.05, 1.5)],
                             [1, 2, 1, 1, 8, 4])[0]
        rows, backed, held = [], 0.0, {a: size * rng.uniform(0.3, 1.0) for a in dict.fromkeys(holds)}
        for asset, value in held.items():
            own = rng.uniform(0.7, 0.85) if self.chance(0.1) else None
            reserve = parameters[asset]["emode"][1] if emode else parameters[asset]
            backed += value * (own or reserve["liquidation_threshold"])
            rows.append(self.leg(protocol, name, asset, "collateral", value, own, emode))
        self.collateral_value += sum(held.values())
        owed = backed / health
        if "REST" in parameters and self.chance(0.3):  # may be negative, on either side
            rest = size * rng.uniform(-0.1, 0.2)
            side = rng.choice(["collateral", "debt"])
            rows.append({**self.leg(protocol, name, "REST", side, rest, 0.5, emode), "label": "remainder"})
            if side == "debt":
                owed -= rest
                rows[-1]["liquidation_threshold"] = None
            else:
                owed += 0.5 * rest / health
        owed = max(owed, 0.01 * size)
        parts = [rng.uniform(0.2, 1.0) for _ in dict.fromkeys(owes)]
        rows += [self.leg(protocol, name, asset, "debt", owed * part / sum(parts), None, emode)
                 for asset, part in zip(dict.fromkeys(owes), parts, strict=True)]
        return rows

    def leg(self, protocol: str, name: str, asset: str, side: str, value: float, own: float | None, emode: int
            ) -> Mapping:
        return {"protocol": protocol, "account": name, "asset": asset, "side": side,
                "amount": value / self.price.get(asset, 1.0), "liquidation_threshold": own, "emode": emode, "label": ""}
