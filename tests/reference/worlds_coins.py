"""Random small worlds with exchanges that count in a coin, beside those that count in USD and lending protocols."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from delever import worlds
from delever.model.world import World
from reference.events import Mapping
from reference.exchange_terms import maintenance
from reference.margin import YEAR, Option
from reference.worlds import BESIDE
from reference.worlds_margin import DrawMargin

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


def coin_world(seed: int) -> World:
    """The world of that number; of every five two have lending protocols, too."""
    return worlds.load(coin_mapping(seed))


def coin_mapping(seed: int) -> Mapping:
    """As a user would write it."""
    return DrawCoins(random.Random(f"coins {seed}"), seed).world()


class DrawCoins(DrawMargin):
    """A world with linear exchanges first, whose perps may be held both ways; then one exchange, at times two, for each coin."""

    def world(self) -> Mapping:
        world, rng = super().world(), self.rng
        coins = [a for a in self.tradable() if self.assets[a].get("peg") != "USD" and not {"wraps", "perp"} & {*self.assets[a]}]
        exchanges = {}
        for coin in rng.sample(coins, min(len(coins), rng.choice([1, 1, 2]))):
            exchanges[f"coin_{coin}"] = self.coin_exchange(f"coin_{coin}", coin)
        world["protocols"] = exchanges | world["protocols"] if self.chance(0.3) else world["protocols"] | exchanges
        world["scenario"]["events"] += self.swings(coins, exchanges)
        return world

    def margin_account(self, exchange: str, name: str, parameters: Mapping, perps: dict[str, Mapping], held: list[str]
                       ) -> None:
        """As there, and now and then both ways: half of one position is held once more, and as much against it."""
        super().margin_account(exchange, name, parameters, perps, held)
        mine = [row for row in self.rows[exchange] if row["account"] == name and row["side"] == "position"]
        if self.chance(0.25):
            row = self.rng.choice(mine)
            price = self.price[row["asset"]]
            other = self.row(exchange, name, row["asset"], "position", -row["amount"] * self.rng.uniform(0.2, 1.5),
                             price * self.rng.uniform(0.9, 1.1))
            self.rows[exchange].insert(self.rng.randint(0, len(self.rows[exchange])), other)

    # ---- an exchange that counts in a coin ------------------------------------------------------------------------

    def coin_exchange(self, name: str, coin: str) -> Mapping:
        """Up to two inverse perps and four options on one coin; all numbers of USD are the coin's worth of them."""
        rng, spot = self.rng, self.price[coin]
        names = rng.choice([[], ["COIN"], ["COIN"], ["COIN", "NEXT"]])
        perps = {f"{coin}-{of}": self.inverse_perp(f"{coin}-{of}", coin) for of in names}
        options = {}
        for i in range(rng.choice([0, 1, 2, 4]) if perps else rng.randint(2, 4)):
            what = rng.choice(["call", "put"])
            options[f"{coin}-{what.upper()}{i}"] = self.option(f"{coin}-{what.upper()}{i}", coin, what)
        parameters = perps | options if self.chance(0.6) else options | perps
        self.rows[name] = []
        for i in range(rng.randint(6, 22)):
            self.coin_account(name, f"{name}-{i}", coin, parameters)
        if self.chance(0.9):
            self.rows[name].append(self.row(name, f"{name}-rich", coin, "collateral", 10.0 ** rng.uniform(5.5, 7.0) / spot, None))
        self.oracles[name] = {perp: feed for perp in parameters if (feed := self.coin_mark(name, perp, coin))}
        size = sum(self.worth_of(r) for r in self.rows[name] if r["side"] == "position")
        for perp in parameters:
            if self.chance(0.9):
                self.coin_book(perp, coin, size / len(parameters))
        layers = self.waterfall(size)
        if not any(layer["kind"] == "adl" for layer in layers) or self.chance(0.3):
            layers = self.waterfall(size)
        for layer in layers:
            if layer["kind"] == "insurance_fund":
                layer["start"] = {coin: layer["start"]["USD"] / spot} if layer["start"] else {}
        found: Mapping = {"rules": self.engine(), "unit": coin, "parameters": parameters, "waterfall": layers,
                          "book": self.table(self.rows[name])}
        return found | ({"funding": self.funding()} if self.chance(0.6) else {})

    def inverse_perp(self, name: str, coin: str) -> Mapping:
        """Floors are in the coin."""
        self.assets[name], self.price[name] = {"perp": coin, "inverse": True}, 1.0 / self.price[coin]
        tiers = self.tiers()
        return {"floors_in": coin, "tiers": [tier | {"floor": tier["floor"] / self.price[coin]} for tier in tiers]}

    def option(self, name: str, coin: str, what: str) -> Mapping:
        """Strikes beside and far from the price, a day to a year to go; from then on nothing is known of its end."""
        rng, spot = self.rng, self.price[coin]
        horizon = self.dt * self.steps
        expires = round(horizon + YEAR * 10.0 ** rng.uniform(-2.5, 0.0))
        strike, volatility = spot * rng.choice([rng.uniform(0.97, 1.03), rng.uniform(0.6, 1.6)]), rng.uniform(0.3, 1.5)
        self.assets[name] = {what: coin, "strike": strike, "volatility": volatility,
                             "expires": f"{AS_OF + timedelta(seconds=expires):%Y-%m-%dT%H:%M:%SZ}"}
        charge = rng.choice([0.03, 0.075, 0.15])
        self.options[name] = Option(what == "put", strike, expires, volatility, charge)
        self.price[name] = self.options[name].value(spot, 0.0)
        return {"short_margin": charge}

    @property
    def options(self) -> dict[str, Option]:
        """By name; prices in the coin are those at the start."""
        return self.__dict__.setdefault("_options", {})  # type: ignore[no-any-return]

    def coin_mark(self, exchange: str, perp: str, coin: str) -> str | None:
        """How an exchange sees a contract; None: at the market."""
        rng = self.rng
        kind = rng.choices(["mark", "market", "push", None], [0 if perp in self.options else 65, 8, 7, 20])[0]
        if kind is None:
            return None
        name = f"{perp}_{kind}".lower().replace("-", "_")
        spec: Mapping = {"kind": kind, "of": f"{perp}/{coin}"}
        if kind == "mark":
            spec["formula"] = rng.choice(["index", "hyperliquid", "binance"])
            if self.chance(0.5):
                spec |= {"index": f"{coin}/USD", "exchange": exchange}
        elif kind == "push":
            spec |= {"heartbeat": self.dt * 3.0, "deviation": 0.005, "delay": self.dt * rng.choice([0.0, 0.5])}
        self.feeds[name] = spec
        return name

    def coin_book(self, perp: str, coin: str, worth: float) -> None:
        """As deep as those of linear perps. worth: of what is open [USD]"""
        rng, units = self.rng, worth / (self.price[perp] * self.price[coin]) * 10.0 ** self.rng.uniform(-1.0, 0.9)
        common: Mapping = {"pair": f"{perp}/{coin}"}
        if self.chance(0.7):
            common["half_life"] = self.dt * rng.choice([0.3, 1.0, 5.0, 40.0])
        table = self.depth_table(units, common)
        table["asks"] += [[table["asks"][-1][0] + 20.0 * units, table["asks"][-1][1] + 3.0]]  # shorts can buy back
        linear = {"kind": "log_linear", "depth": 3.0 * units, "fee": rng.choice([0.0, 0.0005]), **common}
        self.venues[f"book_{perp}"] = table if self.chance(0.75) else linear

    # ---- accounts -------------------------------------------------------------------------------------------------

    def worth_of(self, row: Mapping) -> float:
        """Of a position [USD]; an option counts as what it is on."""
        inverse = self.assets[row["asset"]].get("inverse", False)
        return abs(row["amount"]) if inverse else abs(row["amount"]) * self.price[self.coin_of(row["asset"])]

    def coin_of(self, contract: str) -> str:
        return next(self.assets[contract][key] for key in ("perp", "call", "put") if key in self.assets[contract])

    def coin_account(self, exchange: str, name: str, coin: str, parameters: dict[str, Mapping]) -> None:
        """Up to four legs, a contract at times both ways; equity drawn beside or away from what it must keep [coins]."""
        rng, spot = self.rng, self.price[coin]
        traded = rng.sample(list(parameters), 1 if self.chance(0.3) else rng.randint(1, min(3, len(parameters))))
        legs = [(contract, rng.choice([-1.0, 1.0])) for contract in traded]
        if self.chance(0.35):
            legs.append((legs[0][0], -legs[0][1]))
        size = 10.0 ** rng.uniform(3.0, 5.5)  # [USD]
        rows, need, gain = [], 0.0, 0.0
        for contract, way in legs:
            usd = way * size * rng.uniform(0.2, 1.0)
            move = rng.choice([rng.uniform(0.98, 1.02), rng.uniform(0.8, 1.25)])
            if contract in self.options:
                units, mark = usd / spot, self.price[contract]
                entry = mark * move
                rows.append(self.row(exchange, name, contract, "position", units, entry))
                need += self.options[contract].need(units, mark)
                gain += units * (mark - entry)
            else:
                rows.append(self.row(exchange, name, contract, "position", usd, spot * move))
                need += maintenance(abs(usd) / spot, parameters[contract]["tiers"])
                gain += usd * (1.0 / (spot * move) - 1.0 / spot)
        need = need or 0.05 * size / spot  # longs of options alone keep nothing
        ratio = rng.choices([rng.uniform(-1.0, 0.6), rng.uniform(0.6, 1.0), 1.0 + rng.choice(BESIDE), rng.uniform(1.0, 1.5),
                             rng.uniform(1.3, 4.0), rng.uniform(4.0, 30.0)], [1, 1, 1, 6, 5, 5])[0]
        cash = ratio * need - gain
        rows.append(self.row(exchange, name, coin, "collateral", cash, None) | {"label": "remainder" if cash < 0 else ""})
        if self.chance(0.4):
            rng.shuffle(rows)
        self.rows[exchange] += rows

    # ---- what befalls ---------------------------------------------------------------------------------------------

    def swings(self, coins: list[str], exchanges: dict[str, Mapping]) -> list[Mapping]:
        """Large falls and rises of what coins follow, and books of contracts that are withdrawn."""
        rng, found = self.rng, []
        for _ in range(rng.randint(1, 3)):
            at = self.dt * rng.randrange(self.steps)
            base = rng.choice(["ETH", *(c for c in coins if "price" in self.assets[c])])
            found.append({"at": at, "kind": "price", "change": {base: rng.choice([-0.5, -0.3, -0.15, -0.08, 0.1, 0.25, 0.6])}})
        for exchange in exchanges.values():
            contract = rng.choice(list(exchange["parameters"]))
            if f"book_{contract}" in self.venues and self.chance(0.5):
                found.append({"at": self.dt * rng.randrange(self.steps), "kind": "depth",
                              "change": {self.venues[f"book_{contract}"]["pair"]: rng.choice([-0.8, -0.5, 0.5])},
                              "side": rng.choice(["both", "bids", "asks"])})
        return found
