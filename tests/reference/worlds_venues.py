"""Random small worlds whose pairs have several venues that are apart, pools of many, and those who act on them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from delever import worlds
from delever.model.world import World
from reference.events import Mapping
from reference.worlds_house import HouseDraw

TICK = math.log(1.0001)


def venues_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(VenuesDraw(random.Random(seed), seed).world())


@dataclass
class VenuesDraw(HouseDraw):
    """Draws lending as HouseDraw does, where pairs have several venues."""

    of_pair: dict[str, list[str]] = field(default_factory=dict)  # venues

    def world(self) -> Mapping:
        """Everything."""
        world = super().world() | {"liquidity": "fragmented"}
        for spec in self.feeds.values():
            names = self.of_pair.get(spec["of"], [])
            if spec["kind"] in ("market", "push") and len(names) > 1 and self.chance(0.4):
                spec["venue"] = self.rng.choice(names)
        return world

    def draw_assets(self) -> None:
        """With a second dollar and a second staked ETH, now and then: pools of three."""
        super().draw_assets()
        if "USDC" in self.assets and self.chance(0.5):
            self.pegged("DAI", "USD", self.rng.uniform(0.99, 1.01))
        if "stETH" in self.assets and self.chance(0.5):
            self.pegged("rETH", "ETH", self.rng.uniform(0.97, 1.03))

    # ---- where things trade ------------------------------------------------------------------------------------

    def pairs(self) -> list[tuple[str, str]]:
        return [(a, self.assets[a].get("peg", "USD")) for a in self.tradable() if "wraps" not in self.assets[a]]

    def draw_venues(self) -> Mapping:
        """One to three venues of each pair, in any order; two pairs may share a pool."""
        rng, found = self.rng, self.pools()
        for name, quote in self.pairs():
            for number in range(rng.choice([0, 1, 2, 2, 3])):
                found[f"{name} {number}"] = self.venue(name, quote)
        names = list(found)
        rng.shuffle(names)
        found = {name: found[name] for name in names}
        for name, venue in found.items():
            self.of_pair.setdefault(venue["pair"], []).append(name)
        return found

    def venue(self, name: str, quote: str) -> Mapping:
        """Of any kind: positions between ticks as often as the others together."""
        if not self.chance(0.45):
            found = super().venue(name, quote)
            found["fee"] = found["fee"] or 0.0002  # without one bid and ask are one: rounding decides after they have met
            if found["kind"] == "constant_product":
                found["keeps_fee"] = round(1e4 * sum(found["reserves"].values())) % 2 == 1  # no draw: the others stay as they are
            return found
        rng, price = self.rng, self.price[name]
        ratio = price / self.price.get(quote, 1.0)
        base = self.collateral_value * 10.0 ** rng.uniform(-2.0, 0.7) / price
        here = round(math.log(ratio) / TICK)
        positions = []
        for _ in range(rng.choice([1, 2, 3])):
            width = rng.choice([150, 600, 2500])
            middle = here + rng.choice([0, 0, rng.randint(-width, width), -3 * width, -700, 700])
            low, high = middle - rng.randint(10, width), middle + rng.randint(10, width)
            positions.append((low, high, base * math.sqrt(ratio) / -math.expm1(-0.5 * TICK * (high - low)) * 1e18))
        found = {"kind": "uniswap_v3", "pair": f"{name}/{quote}", "fee": rng.choice([0.0005, 0.003, 0.01])}
        if self.chance(0.3):
            found["price"] = ratio * rng.uniform(0.98, 1.02)
        if self.chance(0.4):
            found["base_token"], positions = "token1", [(-high, -low, size) for low, high, size in positions]
        if self.chance(0.6):
            found["half_life"] = self.dt * rng.choice([0.7, 3.0, 20.0])
        return found | {"positions": [list(one) for one in positions]}

    def pools(self) -> Mapping:
        """Of three: two pairs of it are venues."""
        rng, found = self.rng, {}
        for number, (a, b, c) in enumerate((("USDC", "DAI", "USD"), ("stETH", "rETH", "ETH"), ("dETH", "stETH", "ETH"))):
            if (c != "USD" and c not in self.assets) or a not in self.assets or b not in self.assets or not self.chance(0.7):
                continue
            worth = self.collateral_value * 10.0 ** rng.uniform(-1.5, 0.5)
            shared: Mapping = {"kind": "stableswap", "A": rng.choice([5.0, 20.0, 60.0]),
                               "fee": rng.choice([0.0001, 0.0004, 0.01]),
                               "balances": {x: worth / self.price.get(x, 1.0) * rng.uniform(0.6, 1.4) for x in (a, b, c)},
                               "cells": rng.choice([16, 64]), "pool": f"pool {number}"}
            for x in (a, b):
                quote = self.assets[x].get("peg", "USD")
                found[f"{x} of pool {number}"] = shared | {"pair": f"{x}/{quote}"} | (
                    {"half_life": self.dt * rng.choice([1.0, 5.0, 40.0])} if self.chance(0.5) else {})
        return found

    # ---- what happens ------------------------------------------------------------------------------------------

    def shocks(self) -> list[Mapping]:
        """Venues lose their depth, are down, and are sold into."""
        rng, found = self.rng, super().shocks()
        names = list(self.venues)
        if not names:
            return found

        def when() -> float:
            return self.dt * rng.choice([0, 1, rng.randrange(self.steps), rng.uniform(0, self.steps - 1e-3)])
        for _ in range(rng.choice([0, 1, 2])):
            found.append({"kind": "depth", "at": when(), "side": rng.choice(["both", "bids", "asks"]),
                          "change": {rng.choice(names): rng.choice([-1.0, -1.0, -0.6, 0.4])}})
        for _ in range(rng.choice([0, 1, 2])):
            found.append({"kind": "outage", "at": when(), "venue": rng.choice(names),
                          "lasting": self.dt * rng.choice([0.4, 1.0, 2.3])})
        for _ in range(rng.choice([0, 1, 2, 3])):
            found.append(self.sale(rng.choice(names), when()))
        return found

    def sale(self, venue: str, at: float) -> Mapping:
        """On one venue or wherever it brings most, of either asset of its pair; often more than there is."""
        rng = self.rng
        base, quote = self.venues[venue]["pair"].split("/")
        if quote != "USD" and self.chance(0.4):
            base, quote = rng.choice([(quote, base), (base, "USD")])
        elif self.chance(0.4) and len(others := [a for a in self.tradable() if a != base]) > 0:
            base, quote = rng.choice([(base, rng.choice(others)), (rng.choice(others), base)])
        elif self.chance(0.3) and "wstETH" in self.assets and base == "stETH":
            base = "wstETH"
        amount = self.collateral_value / self.price.get(base, 1.0) * 10.0 ** rng.uniform(-2.5, 0.3)
        found: Mapping = {"kind": "order", "at": at, "order": {"side": "sell", "amount": amount, "asset": base, "into": quote},
                          "over": self.dt * rng.choice([0, 1, 3]), "fee": rng.choice([20.0, 100.0, 500.0])}
        ways = [self.way(base), self.way(quote)]
        if self.chance(0.6) and self.venues[venue]["pair"].split("/")[0] in set(ways[0]) ^ set(ways[1]):
            found["venue"] = venue
        return found

    def way(self, asset: str) -> list[str]:
        """Markets up to USD, by their base."""
        found, asset = [], self.assets.get(asset, {}).get("wraps", asset)
        while asset != "USD":
            found.append(asset)
            asset = self.assets[asset].get("peg", "USD")
        return found

    def actors(self, chains: int) -> Mapping:
        """With those who provide, and those who trade between venues."""
        rng, found = self.rng, super().actors(chains)
        for number in range(rng.choice([0, 1, 2])):
            if self.venues:
                found[f"lps{number}"] = self.providers()
        for pair, names in self.of_pair.items():
            if len(names) > 1 and self.chance(0.6):
                found[f"between {pair}"] = self.desk(pair)
        names = list(found)
        rng.shuffle(names)
        return {name: found[name] for name in names}

    def providers(self) -> Mapping:
        rng = self.rng
        found: Mapping = {"kind": "providers", "venue": rng.choice(list(self.venues)), "share": rng.choice([0.3, 0.8, 1.0]),
                          "side": rng.choice(["both", "bids", "asks"]), "window": self.dt * rng.choice([1.0, 2.0, 4.0]),
                          "delay": self.dt * rng.choice([0.0, 0.4, 1.3])}
        if self.chance(0.7):
            found["fall"] = rng.choice([0.005, 0.03, 0.1])
        if "fall" not in found or self.chance(0.3):
            found["volatility"] = rng.choice([0.3, 1.0, 5.0])
        if self.chance(0.6):
            found["returns"] = self.dt * rng.choice([0.5, 1.5, 2.5])
        return found

    def desk(self, pair: str) -> Mapping:
        rng = self.rng
        capital = {a: self.collateral_value / self.price.get(a, 1.0) * 10.0 ** rng.uniform(-4.0, 1.0) for a in pair.split("/")}
        return {"kind": "venue_arbitrageurs", "pair": pair, "capital": capital, "threshold": rng.choice([0.0, 0.0001, 0.005]),
                "delay": self.dt * rng.choice([0.0, 0.0, 0.23, 0.71, 1.37])}

    def policies(self, protocols: list[str]) -> Mapping:
        """With fees that follow volatility, and breakers that look at venues and halt them."""
        rng, found = self.rng, super().policies(protocols)
        names, free = list(self.venues), [name for name, v in self.venues.items() if v.get("fee", 0.0) > 0.0]
        for number, name in enumerate(rng.sample(free, min(len(free), rng.choice([0, 1, 2])))):
            found[f"fee{number}"] = {"kind": "venue_fee", "venue": name, "usual": rng.choice([0.05, 0.4, 1.0]),
                                     "most": rng.choice([0.02, 0.1]), "half_life": self.dt * rng.choice([0.5, 3.0])}
        for spec in found.values():
            if spec["kind"] == "breaker" and names and "liquidations" not in spec and self.chance(0.4):
                spec["of"] = [rng.choice(names)]
            if spec["kind"] == "breaker" and names and "trading" in spec["halts"] and self.chance(0.5):
                spec["where"] = [*(w for w in spec["where"] if "/" not in w), rng.choice(names)]
        return found
