"""What random small worlds do: liquidators, borrowers, a chain, outside prices and shocks."""

from __future__ import annotations

import random
from typing import Any

Mapping = dict[str, Any]


class Events:
    """Draws who acts and what befalls; `Draw` in worlds.py draws what there is."""

    rng: random.Random
    assets: dict[str, Mapping]
    price: dict[str, float]
    venues: dict[str, Mapping]
    collateral_value: float
    dt: float
    steps: int
    pro_rata: bool

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def tradable(self) -> list[str]:
        return [name for name in self.assets if name != "REST"]

    def liquidators(self) -> Mapping:
        rng = self.rng
        return {"kind": "liquidators", "rule": "always" if self.pro_rata or self.chance(0.35) else "profitable",
                "min_profit": rng.choice([0.0, 0.0, 50.0]), "fee_share": rng.choice([0.0, 0.5, 0.9])}

    def prices(self) -> Mapping:
        rng = self.rng
        names = [a for a in self.assets if "wraps" not in self.assets[a]]
        moving = [a for a in names if self.chance(0.7)]
        spec: Mapping = {"kind": "lognormal", "volatility": {}}
        for asset in moving:
            pegged = "peg" in self.assets[asset]
            spec["volatility"][asset] = rng.uniform(0.01, 0.1) if pegged or asset == "REST" else rng.uniform(0.2, 3.0)
        if self.chance(0.3):
            spec["drift"] = {rng.choice(names): rng.uniform(-9.0, 5.0)}
        if len(moving) >= 2 and self.chance(0.5):
            pair = rng.sample(moving, 2)
            spec["correlation"] = {"/".join(pair): rng.uniform(-0.8, 0.9)}
        return spec

    def shocks(self) -> list[Mapping]:
        """Up to four of any kind."""
        return [self.shock() for _ in range(self.rng.randint(1, 4))]

    def shock(self) -> Mapping:
        rng, traded = self.rng, self.tradable()
        found: Mapping = {"at": self.dt * rng.choice([0, rng.randrange(self.steps), rng.uniform(0, self.steps - 1e-3)])}
        base = [a for a in traded if "price" in self.assets[a]]
        pegged = [a for a in traded if "peg" in self.assets[a]]
        what = rng.choice(["price", "price", "price", "peg", "order", "depth"])
        if what == "peg" and pegged:
            found |= {"kind": "peg"}
            found["change"] = {rng.choice(pegged): rng.choice([-0.01, -0.05, -0.15, 0.01])}
        elif what == "order":
            asset = rng.choice(traded)
            amount = self.collateral_value / self.price[asset] * rng.uniform(0.01, 0.5)
            into = rng.choice(["USD", self.assets[asset].get("peg", "USD")])
            found |= {"kind": "order"}
            found["order"] = {"side": "sell", "amount": amount, "asset": asset, "into": into}
            found["over"] = self.dt * rng.choice([0, 1, 3])
            found["fee"] = rng.choice([1.0, None, 500.0])
        elif what == "depth" and self.venues:
            found |= {"kind": "depth"}
            found["change"] = {rng.choice(list(self.venues.values()))["pair"]: rng.choice([-0.9, -0.5, 0.5])}
            found["side"] = rng.choice(["both", "bids", "asks"])
        else:
            found |= {"kind": "price"}
            found["change"] = {rng.choice(["ETH", *base]): -rng.choice([0.03, 0.1, 0.2, 0.4, -0.1])}
        return found
