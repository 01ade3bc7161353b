"""What is left when a path of the plain implementation has ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reference.accounts import View, health
from reference.setting import Result

if TYPE_CHECKING:
    from reference.plain import Path


def result_of(path: Path, longest: int) -> Result:
    """How the path ended. longest: consecutive steps with an executed claim."""
    price = {"USD": 1.0} | {asset: path.x.usd(asset) for _, asset in path.w.rates}
    nearest = min([path.nearest, path.margins.nearest, path.auctions.nearest, path.halts.nearest,
                   *(rules.nearest for rules in path.w.rules.values()),
                   *(breaker.nearest for breaker in path.w.breakers),
                   path.w.persons.nearest if path.w.persons else math.inf, *(e.least_left for e in path.w.exchanges)])
    falls = path.margins.waterfalls
    deficit = dict(path.deficit) | {(name, "USD"): fall.deficit for name, fall in falls.items()}
    bad = sum(units * price[asset] for (_, asset), units in deficit.items())
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
        deficit=deficit, liquidated=path.liquidated | path.margins.liquidated, counts=path.counts, bad_debt=bad,
        shortfall=short, longest_steps=longest, longest_blocks=path.longest_blocks,
        extrapolated=path.x.extrapolated, traded=path.x.traded, nearest=nearest,
        exchanges={exchange.name: exchange for exchange in path.w.exchanges},
        fund=dict(path.fund) | {(name, "USD"): fall.fund["USD"] for name, fall in falls.items()},
        socialised=dict(path.socialised) | {(name, "USD"): fall.served["socialised_loss"] for name, fall in falls.items()},
        served={(name, layer): usd for name, fall in falls.items() for layer, usd in fall.served.items()},
        dry={(name, layer): t for name, fall in falls.items() for layer, t in fall.dry.items()},
        spot={one.name: one.spot for one in path.w.arbitrageurs}, treasury=dict(path.auctions.treasury),
        lots=[(lot.account.name, lot.units, lot.owed, lot.tab, lot.started, lot.top) for lot in path.auctions.lots],
        reserves=path.w.reserves, lenders=path.w.lenders, no_cash={name: path.lending.no_cash[name] for name in path.w.rules})


def late(path: Path, views: dict[str, View]) -> bool:
    """Whether somebody's verdict differs between seen and market prices."""
    market = {p: View({a: path.x.usd(a) for a in view.price}, view.supply_index, view.borrow_index)
              for p, view in views.items()}
    return any((health(a, views[a.protocol]) < 1.0) != (health(a, market[a.protocol]) < 1.0) for a in path.w.accounts)
