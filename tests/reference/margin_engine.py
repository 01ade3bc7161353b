"""What exchanges do with unhealthy accounts: the stages of their engines, and the step of their side of a path."""

from __future__ import annotations

import math
from collections import Counter

from reference.arbitrage import arbitrage
from reference.breakers import Halts
from reference.default_waterfall import Waterfall
from reference.exchange import Exchange
from reference.margin import MOST, MarginAccount, MarginExchange, Sight, Stage, perp_of
from reference.marks import accrue_funding
from reference.setting import Arbitrageur


class Margins:
    """All exchanges of one path."""

    def __init__(self, exchanges: list[MarginExchange], arbitrageurs: list[Arbitrageur], x: Exchange,
                 counts: Counter[str]) -> None:
        self.exchanges, self.arbitrageurs, self.x, self.counts = exchanges, arbitrageurs, x, counts
        self.waterfalls = {e.name: Waterfall(e, x, counts) for e in exchanges}
        self.liquidated = {e.name: 0 for e in exchanges}
        self.nearest = math.inf  # least relative distance of two numbers whose order decided something

    # ---- once a step ---------------------------------------------------------------------------------------------

    def before_blocks(self, k: int, dt: float) -> None:
        for exchange in self.exchanges:
            self.counts["payments"] += accrue_funding(exchange, self.x, k, dt)
        for exchange in self.exchanges:
            self.unwind(exchange, dt)

    def unwind(self, exchange: MarginExchange, dt: float) -> None:
        """The vault trades away a part of each position."""
        layer = exchange.layer("backstop")
        if layer is None or layer.half_life is None:
            return
        for perp, position in list(exchange.vault.positions.items()):
            d = position.units * (1.0 - 2.0 ** (-dt / layer.half_life))
            exchange.close(exchange.vault, perp, d, self.x.trade_perp(perp, -d))
            self.counts["unwound"] += 1

    # ---- in a block ----------------------------------------------------------------------------------------------

    def call(self, sights: dict[str, Sight], t: float, halts: Halts) -> bool:
        """Engines call every unhealthy account that is not spared; whether there was one."""
        before = self.counts["called"]
        for exchange in self.exchanges:
            sight = sights[exchange.name]
            exchange.fallen.clear()
            for account in exchange.accounts:
                e, m = exchange.equity(account, sight), exchange.maintenance(account, sight)
                self.close_call(e, m, exchange.gross(account, sight))
                if e < m and not halts.spares(exchange.name, account.number, e / m if m > 0.0 else 0.0, m <= 0.0, t):
                    self.counts["called"] += 1
                    did = self.called(exchange, account, sight, t)
                    self.counts["liquidations"] += did
                    self.liquidated[exchange.name] += did
                    if exchange.equity(account, sight) < 0.0:
                        exchange.fallen.append(account)
                    self.close_call(exchange.equity(account, sight), 0.0, exchange.gross(account, sight))
        return self.counts["called"] > before

    def absorb(self, sights: dict[str, Sight], t: float) -> bool:
        """Default waterfalls; whether a vault fell."""
        fell = [self.waterfalls[e.name].absorb(sights[e.name], t) for e in self.exchanges]
        return any(fell)

    def arbitrage(self, sights: dict[str, Sight]) -> None:
        by_name = {exchange.name: exchange for exchange in self.exchanges}
        for one in self.arbitrageurs:
            self.counts["arbitrage"] += arbitrage(one, by_name[one.exchange], self.x, sights[one.exchange])

    def count(self, exchange: MarginExchange, what: str, times: int = 1) -> None:
        """That something happened, on any exchange and on those that count in a coin."""
        self.counts[what] += times
        self.counts[f"{what} of a coin"] += times * (exchange.unit != "USD")

    def close_call(self, a: float, b: float, scale: float) -> None:
        """Note how near two numbers were whose order decides."""
        if scale > 0.0:
            self.nearest = min(self.nearest, abs(a - b) / scale)

    # ---- stages --------------------------------------------------------------------------------------------------

    def called(self, exchange: MarginExchange, account: MarginAccount, sight: Sight, t: float) -> bool:
        """The stage that applies; whether it closed, sold or took anything over."""
        e, m = exchange.equity(account, sight), exchange.maintenance(account, sight)
        layer, gross = exchange.layer("backstop"), exchange.gross(account, sight)
        for stage in reversed(exchange.stages):
            if stage.kind == "backstop" and layer is None:
                continue
            self.close_call(e, stage.below * m, gross)
            if not e < stage.below * m:
                continue
            self.count(exchange, f"stage_{stage.kind}")
            both = account.both_ways
            self.count(exchange, "called both ways", both)
            if stage.kind == "backstop":
                assert layer is not None
                has, needs = exchange.vault_bears(account, layer, sight)
                self.close_call(has, needs, exchange.gross(exchange.vault, sight) + gross)
                if has >= needs:
                    self.waterfalls[exchange.name].served["backstop"] += max(-e, 0.0) * sight.usd
                    exchange.take_over(account, sight)
                    self.count(exchange, "taken_over")
                    self.count(exchange, "taken over both ways", both)
                    return True
                self.waterfalls[exchange.name].ran_dry("backstop", t)
                continue
            did = (self.market(exchange, account, stage, sight, t) if stage.kind == "market"
                   else self.flat(exchange, account, stage, sight))
            self.count(exchange, "one of both ways left", both and not account.both_ways and bool(account.positions))
            return self.sell_for_cash(exchange, account, sight) or did
        return self.sell_for_cash(exchange, account, sight)  # no stage: what is owed is still made good

    def market(self, exchange: MarginExchange, account: MarginAccount, stage: Stage, sight: Sight, t: float) -> bool:
        """Orders to the book, the position that needs most first, until the account is healthy."""
        did = partial = False
        for leg in sorted(account.positions, key=lambda leg: -exchange.need(account, leg, sight)):  # stable
            perp = perp_of(leg)
            e, m = exchange.equity(account, sight), exchange.maintenance(account, sight)
            self.close_call(e, m, exchange.gross(account, sight))
            if e >= m:
                break
            q = account.positions[leg].units
            wanted, notional = abs(q), abs(q) * sight.mark[perp] * sight.usd
            self.close_call(notional, stage.partial_above, notional)
            if t >= account.until and notional > stage.partial_above:
                wanted, partial = wanted * stage.partial_share, True
            limit = self.limit(exchange, account, leg, stage, sight)
            if limit > 0.0:
                to = math.log(limit) if math.isfinite(limit) else math.inf
            else:
                to = -math.inf
            if math.isfinite(to):  # a price that stands at the limit
                self.close_call(to, self.x.markets[perp].u(self.x.markets[perp].s), 1.0)
            d = math.copysign(min(wanted, self.x.markets[perp].room(to, selling=q > 0.0)), q)
            self.count(exchange, "limited", abs(d) < wanted)
            self.count(exchange, f"limited {stage.limit}", 0.0 < abs(d) < wanted)
            if d:
                x = self.x.trade_perp(perp, -d)
                self.fill(exchange, account, leg, d, x, stage.fee, sight)
                did = True
        if partial:
            account.until = t + stage.cooldown
            self.count(exchange, "partial")
        return did

    def limit(self, exchange: MarginExchange, account: MarginAccount, leg: str, stage: Stage, sight: Sight) -> float:
        """The worst price before fees at which the engine trades [U]."""
        q, mark = account.positions[leg].units, sight.mark[perp_of(leg)]
        if stage.limit == "none":
            return 0.0 if q > 0.0 else math.inf
        e = exchange.equity(account, sight)
        if stage.limit == "bankruptcy":
            return mark - e / q
        assert stage.limit == "fillable"
        m = exchange.maintenance(account, sight)
        part = min(max(1.0 - e / m, 0.0), 1.0) if m > 0.0 else 1.0  # longs of options alone keep nothing
        return mark - part * stage.spread * exchange.need(account, leg, sight) / q

    def flat(self, exchange: MarginExchange, account: MarginAccount, stage: Stage, sight: Sight) -> bool:
        """Everything closes beside the mark against makers outside."""
        did = False
        for leg, position in list(account.positions.items()):
            d = position.units
            x = sight.mark[perp_of(leg)] * (1.0 - math.copysign(stage.slippage, d))
            self.x.ledger.move(exchange.unit, d * x, "makers", "margin")
            self.fill(exchange, account, leg, d, x, stage.fee, sight)
            did = True
        return did

    def fill(self, exchange: MarginExchange, account: MarginAccount, leg: str, d: float, x: float, fee: float,
             sight: Sight) -> None:
        """Close d at x for a fee that leaves some equity, so that rounding does not decide whether it is below zero."""
        exchange.close(account, leg, d, x)
        perp = perp_of(leg)
        exchange.say("liquidated", perp, abs(d) * sight.mark[perp] * sight.usd)
        exchange.say("slippage", perp, d * (sight.mark[perp] - x) * sight.usd)
        self.counts[f"closed {'long' if (d > 0.0) != (perp in exchange.inverse) else 'short'} {exchange.kind(perp)}"] += 1
        charged = min(fee * abs(d) * x, MOST * max(exchange.equity(account, sight), 0.0))
        account.cash -= charged
        if exchange.layer("insurance_fund") is not None:
            self.waterfalls[exchange.name].fund[exchange.unit] += charged
        else:
            exchange.treasury += charged

    def sell_for_cash(self, exchange: MarginExchange, account: MarginAccount, sight: Sight) -> bool:
        """Without positions, negative cash is made good from the collateral."""
        did = False
        for asset, held in account.collateral.items():
            if account.positions or account.cash >= 0.0:
                break
            if exchange.weight[asset] == 0.0:  # nothing that equity counts
                continue
            units = min(held, -account.cash / (sight.price[asset] * exchange.weight[asset]))
            if units > 0.0:
                account.collateral[asset] -= units
                account.cash += self.x.trade([(asset, "USD", units, "margin")], real=True)[0]
                self.counts["collateral_sold"] += 1
                did = True
        return did
