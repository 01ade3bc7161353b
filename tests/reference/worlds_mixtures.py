"""Random small worlds with any of the protocols that lend: the same assets, feeds, venues, networks and liquidators."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Mapping
from reference.worlds import BESIDE, Draw
from reference.worlds_comet import CometDraw
from reference.worlds_house import HouseDraw
from reference.worlds_llamma import LlammaDraw

KINDS = ("aave", "compound", "comet", "morpho", "euler", "clip", "llamma", "liquity")
LLTV = (0.77, 0.86, 0.915, 0.945)


def mixture_world(seed: int) -> World:
    """The world of that number."""
    return worlds.load(MixtureDraw(random.Random(f"mixture {seed}"), seed).world())


@dataclass
class MixtureDraw(CometDraw, LlammaDraw):
    """Draws from one to all kinds, small."""

    kinds: tuple[str, ...] = ()

    def world(self) -> Mapping:
        """Of most one path: worlds are what there must be many of."""
        found = super().world()
        found["scenario"]["paths"] = self.rng.choice([1, 1, 2])
        return found

    def draw_protocols(self) -> Mapping:
        """In any order."""
        self.kinds = tuple(self.rng.sample(KINDS, self.rng.choice([1, 2, 2, 3, 3, 4, 5, len(KINDS)])))
        self.steps, self.most = self.rng.randint(4, 5), 10
        return {kind: self.of_kind(kind) for kind in self.kinds}

    def of_kind(self, kind: str) -> Mapping:
        """A protocol that has the name of its kind."""
        if kind == "comet":
            return self.vaults(kind)
        if kind == "clip":
            return HouseDraw.vaults(self, kind)
        if kind == "llamma":
            return self.protocol(kind)
        if kind == "liquity":
            return self.troves(kind)
        return self.markets(kind) if kind == "morpho" else self.pooled(kind)

    def pooled(self, kind: str) -> Mapping:
        """One pool of many assets."""
        rng, found = self.rng, Draw.protocol(self, kind)
        if kind != "aave":
            for terms in found["parameters"].values():
                terms.pop("protocol_fee", None)
        if kind == "compound":
            found["rules"] = {"kind": "compound", "version": "v2", "close_factor": rng.choice([0.5, 0.5, 1.0]),
                              "seize_share": rng.choice([0.0, 0.028])}
        if kind == "euler":
            found["rules"] = {"kind": "euler", "version": "v2", "most_discount": rng.choice([0.03, 0.08, 0.15]),
                              "socialises": self.chance(0.7)}
        return found

    def markets(self, name: str) -> Mapping:
        """From one to three isolated markets, in some of which the same people are."""
        rng, found, rows = self.rng, {}, []
        for number in range(rng.choice([1, 2, 2, 3])):
            held, lent = rng.sample(self.tradable(), 2)
            market, lltv = f"m{number}", rng.choice(LLTV)
            found[market] = {"collateral": held, "loan": lent, "liquidation_threshold": lltv,
                             "borrow_rate": rng.choice([0.0, rng.uniform(0.0, 3.0)])}
            if self.chance(0.7):
                found[market]["oracle"] = self.feed(held, lent)
            for i in range(rng.randint(2, 6)):
                rows += [row | {"market": market} for row in self.isolated(f"{name}-{i}", held, lent, lltv)]
        book = Book.from_table(pa.Table.from_pylist(rows), protocol=name)
        return {"rules": {"kind": "morpho", "version": "v1"}, "markets": found, "book": book}

    def isolated(self, account: str, held: str, lent: str, lltv: float) -> list[Mapping]:
        """One loan, healthy or not."""
        rng, size = self.rng, 10.0 ** self.rng.uniform(3.0, 5.3)
        health = rng.choices([rng.uniform(0.7, 1.0), 1.0 + rng.choice(BESIDE), rng.uniform(1.0, 1.1), rng.uniform(1.1, 1.6)],
                             [4, 1, 6, 1])[0]
        self.collateral_value += size
        return [{"account": account, "asset": asset, "side": side, "amount": value / self.price[asset]}
                for asset, side, value in ((held, "collateral", size), (lent, "debt", size * lltv / health))]

    def troves(self, name: str) -> Mapping:
        """One or two systems that mint dollars."""
        rng, rows, pools = self.rng, [], {}
        minted = rng.choice(["USDC", "USD"])
        held = [a for a in self.tradable() if a != minted]
        held = rng.sample(held, min(len(held), rng.choice([1, 1, 2])))
        safest = rng.choice([1.3, 2.0, 4.0])
        self.oracles[name] = {a: self.oracle(a, "USD") for a in held}
        if minted == "USDC":
            self.feeds["par"] = {"kind": "fixed", "of": "USDC/USD", "answer": 1.0}
            self.oracles[name][minted] = "par"
        for asset in held:
            owed = 0.0
            for i in range(rng.randint(2, 8)):
                debt = 2500.0 * 10.0 ** rng.uniform(0.0, 1.8)
                close = 1.1 * (1.0 + rng.choice(BESIDE) * (1.0 + 0.1 * i))  # of two alike rounding would decide which falls first
                ratio = rng.choices([rng.uniform(0.9, 1.1), close, rng.uniform(1.1, safest)], [2, 1, 7])[0]
                self.collateral_value += debt * ratio
                owed += debt
                rows += [{"protocol": name, "account": f"{asset}-{i}", "asset": asset, "side": "collateral",
                          "amount": debt * ratio / self.price[asset]},
                         {"protocol": name, "account": f"{asset}-{i}", "asset": minted, "side": "debt", "amount": debt}]
            pools[asset] = owed * rng.choice([0.0, 0.05, 0.3, 0.9])
        parameters = {asset: {"liquidation_threshold": (asset in held) / 1.1, "incentive": 0.0} for asset in (*held, minted)}
        rules = {"kind": "liquity", "version": rng.choice(["v1", "head_2025"]), "stability_pool": pools,
                 "pool_sells": rng.choice([0.0, 0.5, 1.0]), "redemptions": self.chance(0.6), "per_call": rng.choice([1, 1, 3])}
        return {"rules": rules, "parameters": parameters, "book": Book.from_table(pa.Table.from_pylist(rows))}

    def falls(self) -> list[Mapping]:
        """Prices that come back, too, where somebody is sold softly."""
        return super().falls() + (self.ways() if "llamma" in self.kinds else [])

    def policies(self, protocols: list[str]) -> Mapping:
        """Of markets by their own names; troves have no margin calls."""
        named = [name for name in protocols if name not in ("morpho", "liquity")] + ["morpho/m0"] * ("morpho" in protocols)
        return super().policies(named) if named else {}
