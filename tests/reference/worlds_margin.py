"""Random small worlds with margin exchanges, alone or beside lending protocols, drawn so that everything happens."""

from __future__ import annotations

import random

import pyarrow as pa

from delever import worlds
from delever.model.book import Book
from delever.model.world import World
from reference.events import Mapping
from reference.exchange_terms import Terms, maintenance
from reference.worlds import BESIDE, Draw

COLUMNS = {"protocol": pa.string(), "account": pa.string(), "asset": pa.string(), "side": pa.string(),
           "amount": pa.float64(), "entry_price": pa.float64(), "label": pa.string()}


def margin_world(seed: int) -> World:
    """The world of that number; of every five two have lending protocols, too."""
    return worlds.load(margin_mapping(seed))


def margin_mapping(seed: int) -> Mapping:
    """As a user would write it."""
    return DrawMargin(random.Random(f"margin {seed}"), seed).world()


def called_world(seed: int) -> World:
    """The same with policies: owners are called before they are closed, and liquidations halt when prices move."""
    world, rng = margin_mapping(seed), random.Random(f"called {seed}")
    step, names = world["scenario"]["step"], list(world["protocols"])
    world["policies"] = {"calls": {"kind": "margin_call", "protocols": rng.sample(names, rng.randint(1, len(names))),
                                   "grace": step * rng.choice([0.4, 1.0, 2.5]), "floor": rng.choice([None, 0.5, 0.9])}}
    if rng.random() < 0.6:
        world["policies"]["breaker"] = {
            "kind": "breaker", "of": "ETH", "move": rng.choice([0.02, 0.05]), "window": step * rng.choice([1, 2]),
            "halts": "liquidations", "where": rng.sample(names, rng.randint(1, len(names))),
            "lasts": step * rng.choice([0.5, 1.0, 2.5]), "cool_off": step * rng.choice([0.0, 1.0])}
    return worlds.load(world)


class DrawMargin(Draw, Terms):
    """A world of lending first where there is one, then exchanges beside it."""

    def world(self) -> Mapping:
        world = super().world() if self.seed % 5 < 2 else self.without_lending()
        names = ["dex", "cex"] if self.chance(0.3) else ["dex"]
        self.underlyings = [a for a in self.tradable() if self.assets[a].get("peg") != "USD"]
        perps = {name: self.perps(name) for name in names}
        exchanges = {name: self.exchange(name, perps[name]) for name in names}
        self.draw_perp_venues(perps)
        arbitrageurs: Mapping = {}
        for name in names:
            arbitrageurs |= self.arbitrageurs(name, perps[name])
            exchanges[name]["book"] = self.table(self.rows[name])
        for protocol in world["protocols"].values():
            if self.chance(0.6):
                protocol["waterfall"] = self.lending_waterfall()
        scenario = world["scenario"]
        scenario["events"] += self.crashes(perps)
        # perps and exchanges before or after what was there
        world["protocols"] = exchanges | world["protocols"] if self.chance(0.3) else world["protocols"] | exchanges
        return world | {"assets": self.assets, "venues": self.venues, "feeds": self.feeds, "oracles": self.oracles,
                        "actors": {"liquidators": self.liquidators()} | arbitrageurs}

    def without_lending(self) -> Mapping:
        """Spot alone."""
        rng = self.rng
        self.dt, self.steps = rng.choice([60.0, 300.0, 3600.0]), rng.randint(10, 40)
        self.draw_assets()
        self.assets.pop("REST", None)
        for name in ("SOL", "DOGE"):
            if self.chance(0.4):
                self.base_asset(name, rng.uniform(0.1, 200.0))
        self.collateral_value = 10.0 ** rng.uniform(5.0, 6.5)
        self.venues = self.draw_venues()
        return {"name": f"margin {self.seed}", "as_of": "2024-01-01T00:00:00Z", "protocols": {},
                "execution": {"mode": rng.choice(["sequential", "batched"]), "rounds": rng.choice([1, 2, 4, 5])},
                "scenario": {"horizon": self.dt * self.steps, "step": self.dt, "paths": 2, "seed": rng.getrandbits(40),
                             "prices": self.prices(), "events": self.shocks() if self.chance(0.7) else []}}

    # ---- perps ---------------------------------------------------------------------------------------------------

    def perps(self, exchange: str) -> dict[str, Mapping]:
        """Up to four perps on different assets, each with its tiers."""
        rng, found = self.rng, {}
        for asset in rng.sample(self.underlyings, min(len(self.underlyings), rng.randint(2, 4))):
            name = f"{asset}-PERP" if exchange == "dex" else f"{asset}-PERP2"
            self.assets[name], self.price[name] = {"perp": asset}, self.price[asset]
            found[name] = {"tiers": self.tiers()}
        return found

    def exchange(self, name: str, perps: dict[str, Mapping]) -> Mapping:
        """Everything but its book, whose rows are drawn."""
        rng = self.rng
        funding = self.funding() if self.chance(0.6) else None
        held = [a for a in self.tradable() if a not in perps and "perp" not in self.assets[a] and self.chance(0.6)]
        parameters: Mapping = {a: {"haircut": rng.choice([0.0, 0.05, 0.2, 0.5])} for a in held} | perps
        self.rows[name] = []
        for i in range(rng.randint(5, 22)):
            self.margin_account(name, f"{name}-{i}", parameters, perps, held)
        if self.chance(0.9):  # somebody who can bear what is socialised
            self.rows[name].append(self.row(name, f"{name}-rich", "USD", "collateral", 10.0 ** rng.uniform(5.5, 7.0), None))
        self.oracles[name] = {a: self.oracle(a, "USD") for a in held}
        for perp in perps:
            if feed := self.mark(name, perp):
                self.oracles[name][perp] = feed
        size = sum(abs(r["amount"]) * self.price[r["asset"]] for r in self.rows[name] if r["side"] == "position")
        self.open_interest[name] = size
        found: Mapping = {"rules": self.engine(), "parameters": parameters, "waterfall": self.waterfall(size)}
        return found | ({"funding": funding} if funding else {})

    def mark(self, exchange: str, perp: str) -> str | None:
        """How an exchange sees its perp; None: at the market."""
        rng, asset = self.rng, self.assets[perp]["perp"]
        kind = rng.choices(["mark", "market", "push", None], [65, 8, 7, 20])[0]
        if kind is None:
            return None
        name = f"{perp}_{kind}".lower().replace("-", "_")
        spec: Mapping = {"kind": kind, "of": f"{perp}/USD"}
        if kind == "mark":
            spec["formula"] = rng.choice(["index", "hyperliquid", "binance"])
            if self.chance(0.5):
                spec |= {"index": f"{asset}/USD", "exchange": exchange}
        elif kind == "push":
            spec |= {"heartbeat": self.dt * 3.0, "deviation": 0.005, "delay": self.dt * rng.choice([0.0, 0.5])}
        self.feeds[name] = spec
        return name

    def draw_perp_venues(self, perps: dict[str, dict[str, Mapping]]) -> None:
        """Books from a tenth of what is open to ten times it; some perps trade at the index without limit."""
        for exchange, own in perps.items():
            for perp in own:
                if not self.chance(0.93):
                    continue
                rng, base = self.rng, self.open_interest[exchange] / len(own) / self.price[perp]
                base *= 10.0 ** rng.uniform(-0.5, 1.2)
                common: Mapping = {"pair": f"{perp}/USD"}
                if self.chance(0.7):
                    common["half_life"] = self.dt * rng.choice([0.3, 1.0, 5.0, 40.0])
                table = self.depth_table(base, common)
                table["asks"] += [[table["asks"][-1][0] + 20.0 * base, table["asks"][-1][1] + 3.0]]  # shorts can buy back
                linear = {"kind": "log_linear", "depth": 3.0 * base, "fee": rng.choice([0.0, 0.0005]), **common}
                self.venues[f"book_{perp}"] = table if self.chance(0.75) else linear

    # ---- accounts ------------------------------------------------------------------------------------------------

    def margin_account(self, exchange: str, name: str, parameters: Mapping, perps: dict[str, Mapping], held: list[str]
                       ) -> None:
        """Cross with up to four positions or isolated with one; equity drawn beside or away from what it must keep."""
        rng = self.rng
        isolated = self.chance(0.3)
        traded = rng.sample(list(perps), 1 if isolated else rng.randint(1, len(perps)))
        margin = rng.sample(held, min(len(held), rng.choice([0, 0, 1, 2]))) if not isolated else []
        size = 10.0 ** rng.uniform(3.0, 5.5)
        way = rng.choice([-1.0, 1.0])  # most are long or short in everything
        rows, need, gain = [], 0.0, 0.0
        for perp in traded:
            value = size * rng.uniform(0.2, 1.0) * (way if self.chance(0.8) else -way)
            price = self.price[perp]
            entry = price * rng.choice([rng.uniform(0.98, 1.02), rng.uniform(0.8, 1.25)])
            rows.append(self.row(exchange, name, perp, "position", value / price, entry))
            need += maintenance(abs(value), perps[perp]["tiers"])
            gain += value / price * (price - entry)
        backed = 0.0
        ratio = rng.choices([rng.uniform(-1.0, 0.6), rng.uniform(0.6, 1.0), 1.0 + rng.choice(BESIDE),
                             rng.uniform(1.0, 1.5), rng.uniform(1.3, 4.0), rng.uniform(4.0, 30.0)], [1, 1, 1, 6, 5, 5])[0]
        for asset in margin:
            value = max(ratio, 1.0) * need * rng.uniform(0.1, 1.2)
            rows.append(self.row(exchange, name, asset, "collateral", value / self.price[asset], None))
            backed += value * (1.0 - parameters[asset]["haircut"])
        cash = ratio * need - gain - backed
        rows.append(self.row(exchange, name, "USD", "collateral", cash, None) | {"label": "remainder" if cash < 0 else ""})
        if self.chance(0.4):
            rng.shuffle(rows)
        self.rows[exchange] += rows

    def row(self, exchange: str, name: str, asset: str, side: str, amount: float, entry: float | None) -> Mapping:
        return {"protocol": exchange, "account": name, "asset": asset, "side": side, "amount": amount,
                "entry_price": entry, "label": ""}

    def table(self, rows: list[Mapping]) -> Book:
        return Book.from_table(pa.table({c: pa.array([r[c] for r in rows], t) for c, t in COLUMNS.items()}))

    def arbitrageurs(self, exchange: str, perps: dict[str, Mapping]) -> Mapping:
        """Up to two, who hold spot against a perp; some with little margin."""
        rng, found = self.rng, {}
        books = [p for p in perps if f"book_{p}" in self.venues]
        for perp in rng.sample(books, min(len(books), rng.choice([0, 1, 1, 2]))):
            name = f"arb-{perp}"
            value = self.open_interest[exchange] * rng.uniform(0.02, 0.3) * rng.choice([-1.0, -1.0, 1.0])
            q = value / self.price[perp]
            need = maintenance(abs(value), perps[perp]["tiers"])
            cash = need * rng.choice([rng.uniform(1.02, 1.5), rng.uniform(1.5, 8.0)])
            entry = self.price[perp] * rng.uniform(0.98, 1.02)
            paid_in = cash - q * (self.price[perp] - entry)
            self.rows[exchange] += [self.row(exchange, name, perp, "position", q, entry),
                                    self.row(exchange, name, "USD", "collateral", abs(paid_in), None)]
            found[name] = {"kind": "arbitrageurs", "exchange": exchange, "account": name, "spot": abs(q) * rng.uniform(0.0, 2.0),
                           "threshold": rng.choice([0.001, 0.005, 0.02]), "share": rng.choice([0.3, 1.0]),
                           "leverage": rng.choice([2.0, 10.0, abs(value) / cash * rng.uniform(0.8, 1.5)])}
        return found

    # ---- what befalls --------------------------------------------------------------------------------------------

    def crashes(self, perps: dict[str, dict[str, Mapping]]) -> list[Mapping]:
        """Jumps of what perps follow, and books that are withdrawn."""
        rng, found = self.rng, []
        names = [p for own in perps.values() for p in own]
        base = sorted({a for p in names if "price" in self.assets[a := self.assets[p]["perp"]]})
        for _ in range(rng.randint(1, 3)):
            at = self.dt * rng.randrange(self.steps)
            if base:
                jump = rng.choice([-1.0, -1.0, 1.0]) * rng.choice([0.03, 0.08, 0.15, 0.3])
                found.append({"at": at, "kind": "price", "change": {rng.choice(base): jump}})
            if self.chance(0.4):
                perp = rng.choice(names)
                if f"book_{perp}" in self.venues:
                    found.append({"at": at, "kind": "depth", "change": {f"{perp}/USD": rng.choice([-0.8, -0.5, 0.5])},
                                  "side": rng.choice(["both", "bids", "asks"])})
        return found

    def lending_waterfall(self) -> list[Mapping]:
        """A fund of some assets and suppliers who bear the rest, one or both, in either order."""
        rng = self.rng
        start = {a: self.collateral_value * 10.0 ** rng.uniform(-5.0, -1.0) / self.price.get(a, 1.0)
                 for a in [*self.tradable(), "USD"] if "perp" not in self.assets.get(a, {}) and self.chance(0.6)}
        layers: list[Mapping] = [{"kind": "insurance_fund", "start": start}, {"kind": "socialised_loss"}]
        return rng.sample(layers, rng.choice([1, 1, 2]))
