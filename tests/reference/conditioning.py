"""Paths on which rounding grows: where the plain implementation does not agree with itself after a tiny push."""

from __future__ import annotations

from delever.model.world import World
from reference.margin import OTHER
from reference.margin_results import TOLERANCE, ExchangeResult, exchange_differences
from reference.plain import simulate
from reference.setting import Result
from reference.setup import setting_of

PUSH = 1e-14  # of every price: a hundredth of what may differ, and more than rounding does in one operation


def amplifies(world: World, path: int, plain: Result) -> bool:
    """Whether prices at the start pushed by PUSH, outside alone or those of pools with them, end in a difference that two
    implementations may not have."""
    return any(moves(world, path, plain, pools) for pools in (False, True))


def moves(world: World, path: int, plain: Result, pools: bool) -> bool:
    """Whether one such push does. pools: where they stand is pushed, too."""
    setting = setting_of(world, path)
    for number, market in enumerate(setting.markets.values()):
        for venue in (market, *setting.further.get(market.asset, ())):
            venue.e += PUSH * (-1.0) ** number
            if pools and venue.keeper == "venues" and venue.profile is not None and min(venue.profile.liquidity) > 0.0:
                venue.s = venue.profile.within(0.5 * PUSH * venue.virtual())  # the price of a pool is where it stands
    pushed = simulate(setting)
    prices = any(abs(u - pushed.log_price[m]) > TOLERANCE for m, u in plain.log_price.items())
    prices |= any(abs(a.u(a.s) - b.u(b.s)) > TOLERANCE for a, b in zip(plain.venues, pushed.venues, strict=True))
    counts = plain.liquidated != pushed.liquidated
    return prices or counts or any(True for _ in exchange_differences(world, plain, as_result(pushed)))


def as_result(plain: Result) -> ExchangeResult:
    """A plain result in the place of the engine's."""
    found = ExchangeResult(fund=plain.fund, served={})
    for name, exchange in plain.exchanges.items():
        for a in exchange.accounts:
            found.cash[a.name] = a.cash
            none = dict.fromkeys([*exchange.tiers, *(perp + OTHER for perp in exchange.tiers)], 0.0)
            found.units[a.name] = none | a.collateral | {leg: p.units for leg, p in a.positions.items()}
            found.cost[a.name] = none | {leg: p.cost for leg, p in a.positions.items()}
        vault = exchange.vault
        found.vault |= {(name, asset): units for asset, units in (
            {exchange.unit: vault.cash} | vault.collateral | {perp: p.units for perp, p in vault.positions.items()}).items()}
        found.deficit[name] = plain.deficit[name, exchange.unit]
        found.closings += [(c.account, c.perp, c.units, c.haircut) for c in exchange.closings]
        found.served |= {(name, layer): plain.served.get((name, layer), 0.0)
                         for layer in ("insurance_fund", "backstop", "adl", "socialised_loss")}
        found.paid |= {(name, perp): paid for perp, paid in exchange.paid.items()}
    return found
