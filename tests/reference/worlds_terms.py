"""Random small worlds whose terms move: votes, policies that follow markets, caps, owners who lever and those who leave."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from delever import worlds
from delever.model.world import World
from reference.events import Mapping
from reference.worlds_margin import DrawMargin
from reference.worlds_reserves import ReservesDraw

Pair = tuple[str, str]


def terms_world(seed: int) -> World:
    """The world of that number; of every three one has exchanges."""
    return worlds.load(terms_mapping(seed))


def terms_mapping(seed: int) -> Mapping:
    """As a user would write it."""
    draw = (DrawMargin(random.Random(f"terms of exchanges {seed}"), seed) if seed % 3 == 2
            else ReservesDraw(random.Random(f"terms {seed}"), seed))
    return DrawTerms(draw.rng, draw.world(), draw).whole()


@dataclass
class DrawTerms:
    """Lays over a drawn world what moves its terms, and who minds."""

    rng: random.Random
    world: Mapping
    draw: Any  # prices, dt, steps

    def whole(self) -> Mapping:
        """The world with everything added."""
        world = self.world
        self.lending = [n for n, p in world["protocols"].items() if "book" in p and not self.is_exchange(n)]
        self.plain = [n for n in self.lending if world["protocols"][n]["rules"]["kind"] != "clip"]
        self.exchanges = [n for n in world["protocols"] if self.is_exchange(n)]
        world.setdefault("policies", {})
        for name in self.plain:
            self.euler(name)
            self.to_a_target(name)
            self.limit(name)
        self.owners()
        self.policies()
        self.votes()
        return world

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def is_exchange(self, name: str) -> bool:
        return self.world["protocols"][name]["rules"]["kind"] in ("exchange", "hyperliquid", "binance")

    def parameters(self, name: str) -> Mapping:
        found: Mapping = self.world["protocols"][name]["parameters"]
        return found

    def there(self, name: str) -> Mapping:
        """Parameters of what somebody holds or owes."""
        rows = self.world["protocols"][name]["book"].legs.to_pylist()
        return {a: entry for a, entry in self.parameters(name).items() if a in {row["asset"] for row in rows}}

    # ---- rules and limits ----------------------------------------------------------------------------------------

    def euler(self, name: str) -> None:
        protocol = self.world["protocols"][name]
        if protocol["rules"]["kind"] == "aave" and self.chance(0.3):
            protocol["rules"] = {"kind": "euler", "version": "v2", "most_discount": self.rng.choice([0.03, 0.08, 0.15]),
                                 "socialises": self.chance(0.7)}
            for reserve in protocol["parameters"].values():
                reserve.pop("protocol_fee", None)

    def to_a_target(self, name: str) -> None:
        """Aave v4 in place of 3.3, by a draw of its own."""
        protocol, rng = self.world["protocols"][name], random.Random(f"v4 {name} {self.draw.seed}")
        if protocol["rules"].get("version") == "v3_3" and rng.random() < 0.5:
            protocol["rules"] = {"kind": "aave", "version": "v4", "target_health": rng.choice([1.0, 1.05, 1.24]),
                                 "least_bonus": rng.choice([0.2, 0.9, 1.0]), "full_bonus_at": rng.choice([0.7, 0.9, 0.97])}

    def limit(self, name: str) -> None:
        """Caps beside what is there, and ceilings of collateral that stands alone."""
        rng, protocol = self.rng, self.world["protocols"][name]
        held, owed, alone = defaultdict[str, float](float), defaultdict[str, float](float), defaultdict[str, float](float)
        accounts = defaultdict[str, list[Mapping]](list)
        for row in protocol["book"].legs.to_pylist():
            accounts[row["account"]].append(row)
            (owed if row["side"] == "debt" else held)[row["asset"]] += row["amount"]
        for rows in accounts.values():
            has = {row["asset"] for row in rows if row["side"] == "collateral"}
            if len(has) == 1:
                alone[next(iter(has))] += sum(row["amount"] * self.price(row["asset"]) for row in rows if row["side"] == "debt")
        for asset, reserve in protocol["parameters"].items():
            if asset == "REST":
                continue
            lent = max(protocol.get("borrowed", {}).get(asset, 0.0), owed[asset])
            supplied = protocol["cash"][asset] + lent if asset in protocol.get("cash", {}) else held[asset]
            if supplied > 0.0 and self.chance(0.5):
                reserve["supply_cap"] = supplied * rng.choice([0.97, 1.0001, 1.005, 1.02, 1.1])
            if lent > 0.0 and self.chance(0.5):
                reserve["borrow_cap"] = lent * rng.choice([0.97, 1.0001, 1.005, 1.02, 1.1])
            if alone[asset] > 0.0 and self.chance(0.5):
                reserve["debt_ceiling"] = alone[asset] * rng.choice([0.9, 1.001, 1.01, 1.05])
            if self.chance(0.17):
                reserve["siloed"] = True
            modes = random.Random(f"modes {name} {asset} {self.draw.seed}")
            if modes.random() < 0.2:
                known = any("emode" in entry for entry in protocol["parameters"].values())
                reserve["borrowable_in"] = modes.choice([(), (0,), (0,), (1,) if known else (0,)])
            if modes.random() < 0.15:
                reserve["borrowable_in_isolation"] = False

    def price(self, asset: str) -> float:
        found: float = self.draw.price.get(asset, 1.0)
        return found

    # ---- who acts ------------------------------------------------------------------------------------------------

    def pairs(self, name: str) -> list[Pair]:
        """Collateral and debt that accounts have, the most usual first."""
        found, sides = Counter[Pair](), defaultdict[str, dict[str, list[str]]](lambda: {"collateral": [], "debt": []})
        for row in self.world["protocols"][name]["book"].legs.to_pylist():
            if row["amount"] > 0.0 and row["asset"] != "REST":
                sides[row["account"]][row["side"]].append(row["asset"])
        for both in sides.values():
            found.update((c, d) for c in both["collateral"] for d in both["debt"] if c != d)
        return [pair for pair, _ in found.most_common()]

    def owners(self) -> None:
        """Loopers and carriers, anywhere among the actors."""
        rng, found = self.rng, {}
        for name in self.plain:
            pairs = self.pairs(name)
            for i, (collateral, debt) in enumerate(pairs[:3]):
                if self.chance(0.85 if i == 0 else 0.5):
                    found[f"loopers{i} of {name}"] = self.loopers(name, collateral, debt)
            if pairs and self.chance(0.45):
                found[f"carriers of {name}"] = {
                    "kind": "carry", "protocol": name, "asset": rng.choice(pairs)[1],
                    "median": rng.choice([0.01, 0.1, 0.5, 2.0]), "spread": rng.choice([0.0, 0.5, 1.5]),
                    "slippage": rng.choice([0.003, 0.02, 0.1]), "fee": rng.choice([11.0, 31.0, 1501.0])}
        actors = list((self.world["actors"] | found).items())
        rng.shuffle(actors)
        self.world["actors"] = dict(actors)

    def loopers(self, name: str, collateral: str, debt: str) -> Mapping:
        rng = self.rng
        low = rng.choice([0.97, 1.01, 1.03, 1.06])
        target = max(low, 1.03) + rng.uniform(0.03, 0.08)
        return {"kind": "loopers", "protocol": name, "collateral": collateral, "debt": debt, "low": low, "target": target,
                "high": target + rng.choice([0.005, 0.02, 0.08]) if self.chance(0.9) else None,
                "slippage": rng.choice([0.003, 0.02, 0.05, 0.1]), "fee": rng.choice([12.0, 32.0, 1502.0])}

    # ---- policies ------------------------------------------------------------------------------------------------

    def policies(self) -> None:
        taken: set[str] = set()
        for number in range(self.rng.choice([2, 3, 4])):
            name = self.rng.choice(self.lending * (not self.exchanges) + self.exchanges * 3 + self.plain)
            spec = self.policy(name)
            if spec is None or f"{name} {spec['term']}" in taken:
                continue
            taken.add(f"{name} {spec['term']}")
            self.world["policies"][f"terms{number}"] = spec

    def policy(self, name: str) -> Mapping | None:
        rng, rules = self.rng, self.world["protocols"][name]["rules"]
        kind, listed = rules["kind"], self.there(name)
        if self.is_exchange(name):
            term = rng.choice(["margin", "margin", "haircut"])
            able = [a for a, entry in listed.items() if ("tiers" in entry) == (term == "margin")]
        else:
            terms = ["threshold", "incentive", "supply_cap", "borrow_cap", "borrow_cap"]
            terms += ["close_factor"] * ("close_factor" in rules)
            term = rng.choice(terms)
            able = [a for a, entry in listed.items() if a not in ("USD", "REST") and (
                term in entry if term.endswith("cap") else entry.get("liquidation_threshold", 0.0) > 0.0)]
            if kind == "euler" and term == "incentive":
                return None
        looks = rng.choice(["realised_volatility", "implied_volatility", "depth"] + ["open_interest"] * 2 * (term == "margin"))
        if looks == "depth":
            quoted = {v["pair"].split("/")[0] for v in self.world["venues"].values()}
            able = [a for a in able if self.world["assets"][a].get("wraps", a) in quoted]
        if not able:
            return None
        return {"kind": "dynamic_terms", "protocol": name, "term": term,
                "assets": rng.sample(able, 1 if term == "close_factor" else rng.randint(1, len(able))),
                "follows": looks, **self.measure(looks), **self.answer(term)}

    def measure(self, looks: str) -> Mapping:
        rng, dt = self.rng, self.draw.dt
        if looks == "realised_volatility":
            return {"usual": rng.choice([0.3, 1.0, 2.0]), "half_life": dt * rng.choice([1.0, 4.0, 30.0])}
        if looks == "implied_volatility":
            times = [0.0, dt * rng.choice([1.0, 2.5]), dt * rng.uniform(3.0, 5.0)]
            return {"usual": rng.choice([0.5, 0.8]), "implied": {f"{t!r} s": rng.uniform(0.3, 2.0) for t in times}}
        return {"within": rng.choice([0.005, 0.02, 0.1])} if looks == "depth" else {}

    def answer(self, term: str) -> Mapping:
        rng, dt = self.rng, self.draw.dt
        bounds = {"threshold": ([0.85, 0.93, 0.99], [1.0, 1.04]), "haircut": ([0.5, 0.8, 0.95], [1.0, 1.1]),
                  "margin": ([0.5, 1.0], [1.5, 3.0]), "close_factor": ([0.2, 0.6], [1.5, 3.0]),
                  "incentive": ([0.3, 0.8], [1.5, 3.0])}.get(term, ([0.7, 0.95], [1.03, 1.5]))
        found: Mapping = {"elasticity": rng.choice([-1.0, 1.0]) * rng.choice([0.1, 0.4, 1.0]),
                          "least": rng.choice(bounds[0]), "most": rng.choice(bounds[1]),
                          "every": dt * rng.choice([1.0, 1.0, 2.0, 3.0]), "notice": dt * rng.choice([0.0, 0.0, 1.0, 2.0])}
        if self.chance(0.5):
            found["speed"] = min(rng.choice([0.02, 0.3]) * 3600.0 / dt, 1.0)
        return found

    # ---- votes ---------------------------------------------------------------------------------------------------

    def votes(self) -> None:
        rng, last = self.rng, self.draw.dt * self.draw.steps
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            name = rng.choice(self.lending * (not self.exchanges) + self.exchanges * 2 + self.plain)
            at, delay = rng.uniform(0.0, 0.5) * last, rng.choice([0.0, 0.0, rng.uniform(0.0, 0.4) * last])
            spec: Mapping = {"kind": "governance", "at": at, "protocol": name, "delay": delay}
            if self.chance(0.5):
                spec["change"] = self.change(name)
            if not spec.get("change") or self.chance(0.5):
                spec["parameters"] = self.asset_terms(name)
            if spec.get("change") or spec.get("parameters"):
                self.world["scenario"]["events"].append(spec)

    def change(self, name: str) -> Mapping:
        rng, rules = self.rng, self.world["protocols"][name]["rules"]
        kind = rules["kind"]
        if any(e["kind"] == "governance" and e.get("change") and e["protocol"] == name for e in self.world["scenario"]["events"]):
            return {}  # it would have to change something in any order
        if rules.get("version") == "v4":
            return {"target_health": 1.0 + rng.uniform(0.0, 0.3), "least_bonus": rng.uniform(0.0, 1.0)}
        if kind == "aave":
            new = {"close_factor": rules["close_factor"] * rng.uniform(0.4, 0.9)}
            if self.chance(0.5):
                return {"version": rng.choice([v for v in ("v2", "v3_0", "v3_3") if v != rules["version"]]), **new}
            return new
        if kind == "pro_rata":
            return {"close_factor": rules["close_factor"] * rng.uniform(0.4, 0.9)} | (
                {"dust": 2000.0, "full_below": 0.97} if self.chance(0.9) else {})
        if kind == "euler":
            return {"most_discount": rules["most_discount"] * rng.uniform(0.3, 1.6)} | (
                {"socialises": not rules["socialises"]} if self.chance(0.3) else {})
        if kind == "clip":
            return {"buf": rules["buf"] * rng.uniform(0.8, 1.2), "chip": rules["chip"] + 0.01, "cusp": rng.uniform(0.4, 0.6)}
        return {}

    def asset_terms(self, name: str) -> Mapping:
        found = {}
        able = [a for a in self.there(name) if a not in ("USD", "REST")]
        for asset in self.rng.sample(able, min(len(able), self.rng.choice([1, 1, 2]))):
            if new := self.new_terms(name, asset, self.parameters(name)[asset]):
                found[asset] = new
        return found

    def new_terms(self, name: str, asset: str, stated: Mapping) -> Mapping:
        rng = self.rng
        if "tiers" in stated:
            return {"margin": rng.choice([0.6, 1.3, 2.0])}
        if self.is_exchange(name):
            return {"haircut": rng.uniform(0.0, 0.6)}
        new: Mapping = {}
        category = 1 if "emode" in stated and self.chance(0.3) else None
        terms = stated["emode"][1] if category else stated
        if terms.get("liquidation_threshold", 0.0) > 0.0 and self.chance(0.7):
            new["liquidation_threshold"] = terms["liquidation_threshold"] * rng.uniform(0.9, 1.02)
        if terms.get("incentive", 0.0) > 0.0 and self.chance(0.4):
            new["incentive"] = min(terms["incentive"] * rng.uniform(0.4, 2.0), 0.3)
        if new and category:
            new["category"] = category
        for cap in ("supply_cap", "borrow_cap", "debt_ceiling"):
            if cap in stated and self.chance(0.5):
                new[cap] = stated[cap] * rng.uniform(0.8, 1.3)
        return new
