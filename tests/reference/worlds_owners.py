"""Random small worlds in which people have several accounts: on two or three lending protocols, or beside margin exchanges."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Mapping
from reference.worlds_margin import DrawMargin
from reference.worlds_reserves import ReservesDraw


def owners_world(seed: int) -> World:
    """The world of that number: owners of several loans."""
    return worlds.load(OwnersDraw(random.Random(f"owners {seed}"), seed).world())


def broker_world(seed: int) -> World:
    """The world of that number: somebody margins all that his clients have on lending protocols and exchanges."""
    world, rng = DrawMargin(random.Random(f"broker {seed}"), seed // 4 * 5 + seed % 4).world(), random.Random(f"clients {seed}")
    names = list(world["protocols"])
    clients = [f"client{i}" for i in range(rng.choice([2, 4, 8]))]
    for protocol in world["protocols"].values():
        rows = protocol["book"].legs.to_pylist()
        owner = {row["account"]: rng.choice(clients) if rng.random() < 0.8 else row["account"] for row in rows}
        protocol["book"] = owned(protocol["book"], owner)
    world["policies"] = {f"broker{i}": {
        "kind": "prime_broker", "margin": 10.0 ** rng.uniform(-2.0, 0.0),
        **({} if rng.random() < 0.5 else {"protocols": rng.sample(names, rng.randint(1, len(names)))})}
        for i in range(rng.choice([1, 1, 2]))}
    if rng.random() < 0.3:
        world["policies"]["calls"] = {"kind": "margin_call", "protocols": rng.sample(names, rng.randint(1, len(names))),
                                      "grace": world["scenario"]["step"] * rng.choice([0.4, 1.0, 2.5])}
    lends = [name for name, protocol in world["protocols"].items() if protocol["rules"]["kind"] in ("aave", "pro_rata")]
    if lends and rng.random() < 0.5:
        world["actors"]["people"] = {"kind": "owners", "attentive": rng.choice([0.5, 1.0]), "target": 1.1, "keep": 1.05}
    return worlds.load(world)


def owned(book: Book, owner: dict[str, str]) -> Book:
    """The same book with the owner of each account."""
    rows = book.legs.to_pylist()
    legs = book.legs.drop(["owner"]).append_column("owner", [[owner[row["account"]] for row in rows]])
    return Book.from_table(legs)


@dataclass
class OwnersDraw(ReservesDraw):
    """Draws lending with cash as ReservesDraw does, and whom its accounts belong to."""

    owner: dict[str, str] = field(default_factory=dict)  # by account
    drawn: list[tuple[str, list[Mapping]]] = field(default_factory=list)  # protocol, rows of an account

    def world(self) -> Mapping:
        """Everything."""
        rng = self.rng
        world = super().world()
        low = rng.choice([1.0, rng.uniform(1.01, 1.1)])
        people = {"kind": "owners", "attentive": rng.choice([0.6, 0.9, 1.0]), "low": low,
                  "target": low + rng.choice([0.01, 0.1, 0.3]), "keep": rng.choice([1.0, 1.0, 1.05, 1.3]),
                  "fee": rng.choice([10.0, 40.0, 1500.0])}
        actors = [*world["actors"].items(), ("people", people)]
        rng.shuffle(actors)
        world["actors"] = dict(actors)
        crowd = [f"person{i}" for i in range(rng.choice([3, 6, 12]))]
        for protocol in world["protocols"].values():
            names = dict.fromkeys(protocol["book"].legs["account"].to_pylist())
            owner = {name: self.owner.get(name) or (rng.choice(crowd) if self.chance(0.2) else name) for name in names}
            protocol["book"] = owned(protocol["book"], owner)
        if self.chance(0.4):
            self.cap(world["protocols"])
        return world

    def cap(self, protocols: Mapping) -> None:
        """Some reserves take little more."""
        for protocol in protocols.values():
            if protocol["rules"]["kind"] == "clip":
                continue
            rows = protocol["book"].legs.to_pylist()
            for asset, reserve in protocol["parameters"].items():
                held = sum(row["amount"] for row in rows if row["asset"] == asset and row["side"] == "collateral")
                owed = protocol.get("borrowed", {}).get(asset) or sum(
                    row["amount"] for row in rows if row["asset"] == asset and row["side"] == "debt")
                supplied = protocol["cash"][asset] + owed if asset in protocol.get("cash", {}) else held
                if asset != "REST" and supplied > 0.0 and self.chance(0.7):
                    reserve["supply_cap"] = supplied * self.rng.choice([1.0001, 1.0001, 1.02])

    def account(self, protocol: str, name: str, parameters: dict[str, Mapping], rules: str) -> list[Mapping]:
        """Some belong to those who have one elsewhere: the same collateral, what they owe there, or the way back of a loop."""
        others = [rows for where, rows in self.drawn if where != protocol]
        rows = self.second(protocol, name, parameters, self.rng.choice(others)) if others and self.chance(0.75) else []
        if not rows:
            rows = super().account(protocol, name, parameters, rules)
        self.drawn.append((protocol, rows))
        return rows

    def vaults(self, name: str) -> Mapping:
        """Many belong to those who hold elsewhere what vaults owe."""
        found = super().vaults(name)
        rows = found["book"].legs.to_pylist()
        owed = next(row["asset"] for row in rows if row["side"] == "debt")
        rich = [other[0]["account"] for _, other in self.drawn
                if any(row["asset"] == owed and row["side"] == "collateral" for row in other)]
        for account in dict.fromkeys(row["account"] for row in rows):
            if rich and self.chance(0.6):
                first = self.rng.choice(rich)
                self.owner[account] = self.owner.setdefault(first, first)
        return found

    def second(self, protocol: str, name: str, parameters: dict[str, Mapping], first: list[Mapping]) -> list[Mapping]:
        """An account that can mend another; none where its assets are not known here."""
        rng = self.rng
        held = [row["asset"] for row in first if row["side"] == "collateral" and row["asset"] in parameters and not row["label"]]
        owed = [row["asset"] for row in first if row["side"] == "debt" and row["asset"] in parameters and not row["label"]]
        way = rng.choice(["add", "add", "repay", "net", "net"])
        if not held or not owed or set(held) & set(owed):
            return []
        value = sum(row["amount"] * self.price.get(row["asset"], 1.0) for row in first if row["side"] == "collateral")
        value *= 10.0 ** rng.uniform(-1.5, 0.5)
        if value <= 0.0:
            return []
        asset = rng.choice(held if way == "add" else owed)
        other = rng.choice(held) if way == "net" else rng.choice([a for a in parameters if a not in (asset, "REST")] or [asset])
        self.owner[name] = self.owner.setdefault(first[0]["account"], first[0]["account"])
        rows = [self.leg(protocol, name, asset, "collateral", value, None, 0)]
        if other != asset and (way == "net" or self.chance(0.6)):
            health = rng.choice([rng.uniform(1.0, 1.3), rng.uniform(1.2, 4.0)])
            debt = value * parameters[asset]["liquidation_threshold"] / health
            rows.append(self.leg(protocol, name, other, "debt", debt, None, 0))
        self.collateral_value += value
        return rows
