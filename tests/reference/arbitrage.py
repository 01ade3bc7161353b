"""Those who tie a perp to its underlying with what capital they have."""

from __future__ import annotations

from reference.exchange import Exchange
from reference.margin import MarginExchange, Sight
from reference.setting import Arbitrageur


def arbitrage(one: Arbitrageur, exchange: MarginExchange, x: Exchange, sight: Sight) -> bool:
    """Trade both legs if the gap is worth it; whether he did."""
    asset, market = exchange.underlying[one.perp], x.markets[one.perp]
    account = next(a for a in exchange.accounts if a.name == one.account)
    spot = x.log_price(asset)
    gap = market.u(market.s) - spot
    if market.profile is None or abs(gap) <= one.threshold:
        return False
    buying = gap < 0.0
    to = spot - one.threshold if buying else spot + one.threshold
    held = account.positions[one.perp].units if one.perp in account.positions else 0.0
    allowed = one.leverage * max(exchange.equity(account, sight), 0.0) / sight.mark[one.perp]
    wanted = one.share * market.room(to, selling=not buying)
    units = min(wanted, max(0.0, allowed - held if buying else allowed + held))
    if buying:
        units = min(units, one.spot)
    if units <= 1e-9 * wanted:  # equity that is rounding allows a crumb
        return False
    d = units if buying else -units
    exchange.trade(account, one.perp, d, x.trade_perp(one.perp, d))
    if buying:
        one.outside += x.trade([(asset, "USD", units, "arbitrageurs")], real=True)[0]
        one.spot -= units
    else:
        one.outside -= x.purchase(asset, units, "arbitrageurs")
        one.spot += units
    return True
