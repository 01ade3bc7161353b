"""Who bears what an account cannot pay: the layers of an exchange's or a lending protocol's default waterfall."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable

from reference.adl import closings
from reference.exchange import Exchange
from reference.margin import MOST, Closing, Layer, MarginAccount, MarginExchange, Sight, perp_of


class Waterfall:
    """An exchange's layers, with the fund and the deficit that stands [U]. What is reported is in USD."""

    def __init__(self, exchange: MarginExchange, x: Exchange, counts: Counter[str]) -> None:
        self.exchange, self.x, self.counts, self.unit = exchange, x, counts, exchange.unit
        layer = exchange.layer("insurance_fund")
        self.fund: defaultdict[str, float] = defaultdict(float, layer.start if layer else {})
        self.deficit = 0.0
        self.booked = 0.0  # all that was ever booked
        self.served: defaultdict[str, float] = defaultdict(float)  # by layer: what it bore [USD]
        self.dry: dict[str, float] = {}  # layer: the first time that it could not serve in full [s]
        self.time = 0.0

    def ran_dry(self, kind: str, t: float) -> None:
        self.dry.setdefault(kind, t)
        self.counts[f"dry_{kind}"] += 1

    def absorb(self, sight: Sight, t: float) -> bool:
        """All layers in their order, then whoever is left is closed out; whether the vault fell."""
        self.time, fell = t, False
        for layer in self.exchange.waterfall:
            if layer.kind == "insurance_fund":
                self.insure(sight)
            elif layer.kind == "backstop":
                self.take_over(layer, sight)
            elif layer.kind == "adl":
                fell |= self.deleverage(layer, sight)
            else:
                assert layer.kind == "socialised_loss"
                self.socialise(layer, sight)
        self.counts["residual_close_outs"] += len(self.exchange.fallen)
        self.close_out_all(sight)
        return fell

    # ---- layers --------------------------------------------------------------------------------------------------

    def insure(self, sight: Sight) -> None:
        """The fund lets accounts be closed out whose loss it can bear."""
        for account in list(self.exchange.fallen):
            if self.fund[self.unit] > 0.0 and self.fund[self.unit] >= -self.exchange.equity(account, sight):
                self.close_out(account, sight)
                self.counts["insured"] += 1
                self.pay(sight)
            else:
                self.ran_dry("insurance_fund", self.time)
        self.pay(sight)

    def pay(self, sight: Sight) -> None:
        paid = min(self.fund[self.unit], self.deficit)
        if paid < self.deficit:
            self.ran_dry("insurance_fund", self.time)
        self.fund[self.unit] -= paid
        self.deficit -= paid
        self.served["insurance_fund"] += paid * sight.usd

    def take_over(self, layer: Layer, sight: Sight) -> None:
        for account in list(self.exchange.fallen):
            has, needs = self.exchange.vault_bears(account, layer, sight)
            if has >= needs:
                self.served["backstop"] -= self.exchange.equity(account, sight) * sight.usd
                self.exchange.take_over(account, sight)
                self.exchange.fallen.remove(account)
                self.counts["rescued"] += 1
            else:
                self.ran_dry("backstop", self.time)

    def deleverage(self, layer: Layer, sight: Sight) -> bool:
        """Winners close against fallen accounts, then against a fallen vault; whether the vault fell."""
        exchange = self.exchange
        for account in list(exchange.fallen):
            e = exchange.equity(account, sight)
            n = sum(abs(p.units) * sight.mark[perp_of(leg)] for leg, p in account.positions.items())
            for leg, position in list(account.positions.items()):
                mark = sight.mark[perp_of(leg)]
                x = mark if layer.price == "mark" else mark - math.copysign(1.0, position.units) * mark * e / n
                self.match(account, leg, x, layer, sight)
            if not account.positions:
                self.close_out(account, sight)
        if not (exchange.vault.positions and exchange.equity(exchange.vault, sight) < 0.0):
            return False
        self.counts["vault_fell"] += 1
        for perp in list(exchange.vault.positions):
            self.match(exchange.vault, perp, sight.mark[perp], layer, sight)
        if not exchange.vault.positions:
            self.sell_out(exchange.vault)
        return True

    def match(self, account: MarginAccount, leg: str, x: float, layer: Layer, sight: Sight) -> None:
        """Close a position at x against those on the other side."""
        exchange, perp, q = self.exchange, perp_of(leg), account.positions[leg].units
        mark = sight.mark[perp]
        left = abs(q)
        parts, whole = closings(exchange, perp, q, x, layer, sight)
        for (winner, other), units in parts:
            d = math.copysign(units, -q)
            self.counts["deleveraged of both ways"] += winner.both_ways
            exchange.close(winner, other, d, x)
            exchange.closings.append(Closing(winner.name, perp, d, d * (mark - x) * sight.usd))
            self.served["adl"] += d * (mark - x) * sight.usd
            exchange.say("deleveraged", perp, abs(d) * mark * sight.usd)
            exchange.say("haircut", perp, d * (mark - x) * sight.usd)
            self.counts[f"deleveraged {exchange.kind(perp)}"] += 1
            self.counts[f"adl_{layer.rule}"] += 1
            left -= units
        if whole:
            left = 0.0
        else:
            self.ran_dry("adl", self.time)
        if left < abs(q):
            exchange.close(account, leg, math.copysign(abs(q) - left, q), x)

    def socialise(self, layer: Layer, sight: Sight) -> None:
        """The deficit is taken from those who have something."""
        self.close_out_all(sight)
        exchange = self.exchange
        if layer.over == "equity":
            weights = [max(exchange.equity(a, sight), 0.0) for a in exchange.accounts]
        else:
            weights = [sum(max(exchange.profit(a, leg, sight), 0.0) for leg in a.positions)
                       for a in exchange.accounts]
        total = sum(weights)
        taken = min(self.deficit, MOST * total)
        if taken < self.deficit:
            self.ran_dry("socialised_loss", self.time)
        if taken > 0.0:
            for account, weight in zip(exchange.accounts, weights, strict=True):
                account.cash -= taken * weight / total
            self.deficit -= taken
            self.served["socialised_loss"] += taken * sight.usd
            self.counts["socialised"] += 1

    # ---- closing out ---------------------------------------------------------------------------------------------

    def close_out_all(self, sight: Sight) -> None:
        for account in list(self.exchange.fallen):
            self.close_out(account, sight)

    def close_out(self, account: MarginAccount, sight: Sight) -> None:
        """Sell everything at whatever price; what is still owed is booked."""
        for leg, position in list(account.positions.items()):
            d, mark = position.units, sight.mark[perp_of(leg)]
            x = self.x.trade_perp(perp_of(leg), -d)
            self.exchange.close(account, leg, d, x)
            self.exchange.say("liquidated", perp_of(leg), abs(d) * mark * sight.usd)
            self.exchange.say("slippage", perp_of(leg), d * (mark - x) * sight.usd)
        self.sell_out(account)
        self.exchange.fallen.remove(account)

    def sell_out(self, account: MarginAccount) -> None:
        """Sell all collateral; negative cash becomes a deficit."""
        for asset, units in account.collateral.items():
            if units > 0.0:
                account.collateral[asset] = 0.0
                account.cash += self.x.trade([(asset, "USD", units, "margin")], real=True)[0]
        if account.cash < 0.0:
            self.deficit -= account.cash
            self.booked -= account.cash
            account.cash = 0.0


def absorb_lending(waterfalls: dict[str, list[Layer]], fund: dict[tuple[str, str], float],
                   deficit: dict[tuple[str, str], float], socialised: dict[tuple[str, str], float],
                   cut: Callable[[str, str, float], None]) -> None:
    """The layers of lending protocols bear the deficits of their reserves. By protocol and asset [units]."""
    for protocol, layers in waterfalls.items():
        for layer in layers:
            for reserve in [key for key, owed in deficit.items() if key[0] == protocol and owed > 0.0]:
                if layer.kind == "insurance_fund":
                    paid = min(fund.get(reserve, 0.0), deficit[reserve])
                    fund[reserve] = fund.get(reserve, 0.0) - paid
                else:
                    assert layer.kind == "socialised_loss"
                    paid = deficit[reserve]
                    cut(*reserve, paid)
                    socialised[reserve] = socialised.get(reserve, 0.0) + paid
                deficit[reserve] -= paid
