"""What is left when a path of the plain implementation has ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reference.accounts import View, health
from reference.setting import Result

if TYPE_CHECKING:
    from reference.default_waterfall import Waterfall
    from reference.margin import MarginExchange
    from reference.plain import Path


def result_of(path: Path, longest: int) -> Result:
    """How the path ended. longest: consecutive steps with an executed claim."""
    price = {"USD": 1.0} | {asset: path.x.usd(asset) for _, asset in path.w.rates}
    nearest = min([path.nearest, path.margins.nearest, path.auctions.nearest, path.storefronts.nearest, path.halts.nearest,
                   path.allowed.nearest, path.owners.nearest,
                   *(rules.nearest for rules in path.w.rules.values()),
                   *(breaker.nearest for breaker in path.w.breakers), *(e.least_left for e in path.w.exchanges),
                   path.w.persons.nearest if path.w.persons else math.inf,
                   *(one.nearest for one in (*path.w.providers, *path.w.desks, *path.w.pools, *path.w.amms, *path.w.systems)),
                   path.issuers.nearest, path.burners.nearest])
    falls = path.margins.waterfalls
    price |= {fall.unit: path.x.usd(fall.unit) for fall in falls.values()}
    deficit = dict(path.deficit) | {(name, fall.unit): fall.deficit for name, fall in falls.items()}
    bad = sum(units * price[asset] for (_, asset), units in deficit.items())
    for exchange in path.w.exchanges:
        report(exchange, falls[exchange.name], price[exchange.unit])
    short = 0.0
    for account in path.w.accounts:
        view = path.seen(account.protocol)
        has = sum(view.held(leg) * price[leg.asset] for leg in account.collateral)
        owes = sum(view.owed(leg) * price[leg.asset] for leg in account.debt)
        if any(leg.amount > 0.0 for leg in account.collateral):
            short += max(owes - has, 0.0)
        else:
            bad += max(owes, 0.0)
    return Result(
        amounts=[([leg.amount for leg in a.collateral], [leg.amount for leg in a.debt]) for a in path.w.accounts],
        consumed={m: market.s for m, market in path.w.markets.items()},
        log_price={m: market.u(market.s) for m, market in path.w.markets.items()},
        answers={name: path.answer(name) for name in path.w.feeds}, ledger=dict(path.x.ledger.change),
        turnover=dict(path.x.ledger.turnover),
        virtual={m: market.virtual() for m, market in path.w.markets.items()},
        deficit=deficit, liquidated=path.liquidated | path.margins.liquidated, counts=path.counts + path.x.counts, bad_debt=bad,
        shortfall=short, longest_steps=longest, longest_blocks=path.longest_blocks,
        extrapolated=path.x.extrapolated, traded=path.x.traded, nearest=nearest,
        exchanges={exchange.name: exchange for exchange in path.w.exchanges},
        fund=dict(path.fund) | {(name, fall.unit): fall.fund[fall.unit] for name, fall in falls.items()},
        socialised=dict(path.socialised) | {(name, "USD"): fall.served["socialised_loss"] for name, fall in falls.items()},
        served={(name, layer): usd for name, fall in falls.items() for layer, usd in fall.served.items()},
        dry={(name, layer): t for name, fall in falls.items() for layer, t in fall.dry.items()},
        spot={one.name: one.spot for one in path.w.arbitrageurs},
        treasury=dict(path.auctions.treasury) | dict(path.llammas.treasury)
        | dict(path.liquities.treasury) | path.storefronts.treasury(),
        usd={fall.unit: price[fall.unit] for fall in falls.values()},
        lots=[(lot.account.name, lot.units, lot.owed, lot.tab, lot.started, lot.top) for lot in path.auctions.lots],
        reserves=path.w.reserves, lenders=path.w.lenders, no_cash={name: path.lending.no_cash[name] for name in path.w.rules},
        venues=path.x.everywhere(), desks=path.w.desks, providers=path.w.providers, fee_rules=path.w.fee_rules,
        pools=path.w.pools, backed=path.w.backed, redeemers=path.w.redeemers, coins=path.w.coins, amms=path.w.amms,
        systems=path.w.systems)


def report(exchange: MarginExchange, fall: Waterfall, usd: float) -> None:
    """What is said of an exchange at the end, beside what was added up on the way. usd: price of its unit"""
    for layer in exchange.waterfall:
        exchange.said[layer.kind] = fall.served[layer.kind]
        exchange.said[f"{layer.kind}_dry"] = fall.dry.get(layer.kind, math.nan)
        if layer.kind == "insurance_fund":
            exchange.said["fund_left"] = fall.fund[exchange.unit] * usd
    exchange.said |= {"deficit_booked": fall.booked * usd, "residual_shortfall": fall.deficit * usd}


def late(path: Path, views: dict[str, View]) -> bool:
    """Whether somebody's verdict differs between seen and market prices."""
    market = {p: View({a: path.x.usd(a) for a in view.price}, view.supply_index, view.borrow_index,
                      view.counted, view.bonus)
              for p, view in views.items()}
    return any((health(a, views[a.protocol]) < 1.0) != (health(a, market[a.protocol]) < 1.0) for a in path.w.accounts)
