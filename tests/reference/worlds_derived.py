"""Random small worlds of assets that are redeemed at a rate, of coins with a sister, and of lending that sees either."""

from __future__ import annotations

import random
from dataclasses import dataclass

from delever import worlds
from delever.model.world import World
from reference.events import Mapping
from reference.worlds_venues import VenuesDraw


def derived_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(DerivedDraw(random.Random(seed), seed).world())


@dataclass
class DerivedDraw(VenuesDraw):
    """Draws lending and venues as VenuesDraw does, of assets most of which have a rate."""

    def actors(self, chains: int) -> Mapping:
        """With those who redeem and burn, on any network."""
        for name in self.derived():
            if self.chance(0.6):
                self.assets[name]["reserve"] = self.units(self.assets[name]["peg"], -3.0, 0.5)
        mine = self.redeem() | self.burn()
        for spec in mine.values() if chains > 1 else ():
            spec["network"] = self.rng.choice(["main", "side"])
        found = list((super().actors(chains) | mine).items())
        self.rng.shuffle(found)
        return dict(found)

    def shocks(self) -> list[Mapping]:
        """With what moves these assets, and what fails."""
        return [*super().shocks(), *self.pushes(), *self.failures()]

    # ---- assets ------------------------------------------------------------------------------------------------

    def draw_assets(self) -> None:
        """With a coin that always has a rate, and a sister of it now and then."""
        super().draw_assets()
        self.pegged("COIN", "USD", self.rng.choice([1.0, self.rng.uniform(0.93, 1.03)]))
        if self.chance(0.45):
            self.base_asset("SIS", self.rng.uniform(0.5, 20.0))

    def pegged(self, name: str, peg: str, ratio: float) -> None:
        """Most have a rate, which the price is below, above, or at."""
        super().pegged(name, peg, ratio)
        if name == "COIN" or self.chance(0.7):
            self.assets[name] |= {"rate": ratio * self.rng.choice([1.0, 1.0, self.rng.uniform(0.97, 1.06)]),
                                  "growth": self.rng.choice([0.0, 0.05, 3.0])}

    def derived(self) -> list[str]:
        return [name for name, asset in self.assets.items() if "peg" in asset and "rate" in asset]

    def units(self, asset: str, low: float, high: float) -> float:
        """Of an asset, worth 10^low to 10^high of all collateral."""
        return self.collateral_value / self.price.get(asset, 1.0) * 10.0 ** self.rng.uniform(low, high)

    def feed(self, asset: str, quote: str) -> str:
        """Of what is redeemed, often the rate."""
        if asset not in self.derived() or quote != self.assets[asset]["peg"] or not self.chance(0.5):
            return super().feed(asset, quote)
        name = f"{asset}_rate".lower()
        self.feeds[name] = {"kind": "rate", "of": f"{asset}/{quote}"}
        return name

    # ---- who redeems -------------------------------------------------------------------------------------------

    def redeem(self) -> Mapping:
        """Up to two of each asset, with little or much, at once or after a queue."""
        found = {}
        for name in self.derived():
            for number in range(self.rng.choice([0, 1, 1, 2])):
                found[f"redeem {name} {number}"] = self.redeemer(name)
        return found

    def redeemer(self, name: str) -> Mapping:
        rng = self.rng
        found: Mapping = {"kind": "redeemers", "asset": name, "capital": self.units(self.assets[name]["peg"], -2.5, 0.5),
                          "delay": self.dt * rng.choice([0.0, 0.0, 0.37, 1.71, 4.13]), "fee": rng.choice([0.0, 0.001, 0.01]),
                          "carry": rng.choice(["0 %", "5 %", "2000 %", "30000 %", "30000 %"]),
                          "threshold": rng.choice([1e-5, 0.0005, 0.005]), "bid": rng.choice([10.0, 30.0, 500.0])}
        if self.chance(0.7):
            found["capacity"] = self.units(name, -2.5, 0.0) / self.dt * 86400.0
        if self.chance(0.6):
            found["mint_fee"] = rng.choice([0.0, 0.0005, 0.01])
        return found

    def burn(self) -> Mapping:
        """The coin is burned for its sister, at a price that may be old."""
        rng = self.rng
        if "SIS" not in self.assets:
            return {}
        found: Mapping = {"kind": "algorithmic", "asset": "COIN", "sister": "SIS", "supply": self.units("COIN", -2.0, 1.0),
                          "capital": self.units("USD", -2.0, 0.5), "spread": rng.choice([0.0, 0.005, 0.02]),
                          "recovery": self.dt * rng.choice([1.0, 10.0, 1000.0]), "threshold": rng.choice([1e-5, 0.0005, 0.005]),
                          "bid": rng.choice([10.0, 30.0, 500.0])}
        if self.chance(0.6):
            found["pool"] = self.units("USD", -1.5, 1.0)
        if self.chance(0.5):
            found["feed"] = super().feed("SIS", "USD")
        return {"burn": found}

    # ---- what befalls ------------------------------------------------------------------------------------------

    def when(self) -> float:
        return self.dt * self.rng.choice([0, 1, self.rng.randrange(self.steps), self.rng.uniform(0, self.steps - 1e-3)])

    def pushes(self) -> list[Mapping]:
        """Of the price of one, or of how much of it is sold or bought."""
        rng, found = self.rng, []
        for _ in range(rng.choice([1, 2, 3])):
            name = rng.choice(["COIN", *self.derived()])
            if self.chance(0.4):
                found.append({"kind": "peg", "at": self.when(), "change": {name: rng.choice([-0.1, -0.02, 0.02, 0.05])}})
                continue
            sold, bought = (name, self.assets[name]["peg"]) if self.chance(0.7) else ("ETH", name)
            found.append({"kind": "order", "at": self.when(), "fee": rng.choice([20.0, 100.0]), "order": {
                "side": "sell", "amount": self.units(sold, -2.0, 0.0), "asset": sold, "into": bought}})
        return [e for e in found if e["kind"] == "peg" or e["order"]["asset"] != e["order"]["into"]]

    def failures(self) -> list[Mapping]:
        """Rates are cut, reserves lost, redemption is frozen."""
        rng, found = self.rng, []
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            name = rng.choice(["COIN", *self.derived()])
            one: Mapping = {"kind": "default", "at": self.when(), "asset": name, "cut": rng.choice([0.0, -0.01, -0.1]),
                            "freezes": self.chance(0.6)}
            if "reserve" in self.assets[name]:
                one["lost"] = rng.choice([0.0, 0.3, 1.0])
            if one["freezes"] and self.chance(0.7):
                one["lasting"] = self.dt * rng.choice([0.4, 1.0, 2.3])
            if one["freezes"] or one["cut"] or one.get("lost"):
                found.append(one)
        return found
