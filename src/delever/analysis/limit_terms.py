"""Terms of loans against what oracles may not show yet, and against the liquidations that they lead to.

The free option. Until a feed answers, the market may stand off what is seen by its deviation, and by what it moves while an
answer is on its way: z standard deviations of the delay h. Who borrows all he may holds, at the market's prices,

    worst = LTV (1 + up) / (1 - down)                         debt over collateral; from 1 on he gains by leaving both behind
    1 - down = (1 - deviation) exp(-z sigma sqrt(h))          of the collateral
    1 + up   = (1 + deviation) exp(+z sigma sqrt(h))          of the debt asset, of all that may be borrowed the worst
Derived here; deviation as in Chainlink's feeds. LTV: as stated, else the threshold, up to which it could be borrowed.

The toxic frontier. A call repays dR and takes (1 + i) dR of collateral. It lowers health, so that the next call takes still more
(a spiral), where the loan's debt over collateral exceeds

    frontier = 1 / ((1 + i) (1 + V S))     V: collateral of the loan [USD];  S: fall of its price against the debt per USD sold
Without impact 1 / (1 + i); on x y = k with y the quote S = 2 / y. Here S is the mean over the first 1 % of each market's move.
Source: Warmuz, Chaudhary, Pinna, Toxic liquidation spirals (2022); derived for any venue here. Loans are called from the
threshold on: where threshold (1 + i) >= 1 no call ever helps. Assumption: the oracle sees a sale at once. Of venues that are
apart the first is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from delever.analysis.impact import Impact
from delever.analysis.seen_prices import SeenPrice, seen_prices
from delever.analysis.valuation import Legs, sensitivity
from delever.model.finding import OK, WARN, Finding
from delever.model.parameters import EmodeParameters, ReserveParameters, look_up
from delever.model.world import Protocol
from delever.prices.base import YEAR
from delever.protocols.base import Rules
from delever.protocols.fixed_spread import FixedSpreadRules, Terms
from delever.run.assemble import Model

Chosen = ReserveParameters | EmodeParameters
WITHIN = 0.01  # log price: over which depth is measured
DEVIATIONS = 3.0  # z: standard deviations of a move during a delay; assumption, not an estimate


def worst_ltv(ltv: float, down: float, up: float) -> float:
    """Debt over collateral at the market, where as much was borrowed as seen prices allow; infinite where down is 1."""
    return ltv * (1.0 + up) / (1.0 - down) if down < 1.0 else math.inf


def toxic_frontier(incentive: float, collateral: float = 0.0, steepness: float = 0.0) -> float:
    """Debt over collateral beyond which a call lowers health. collateral: USD; steepness: fall of the price per USD sold."""
    return 1.0 / ((1.0 + incentive) * (1.0 + collateral * steepness))


@dataclass(frozen=True)
class Term:
    """One collateral of one protocol, perhaps in an efficiency-mode category."""

    protocol: str
    asset: str
    category: int  # 0: none
    ltv: float  # as stated, else the threshold
    threshold: float
    incentive: float | None  # none: the rules read none
    debt: str  # that is worst to borrow; empty: nothing is lent
    down: float
    up: float
    fixed: bool  # seen at a price that is never renewed
    collateral: float  # of the largest loan on it, USD
    steepness: float  # fall of its price against the debt per USD sold
    full_at: float  # health at which the whole of the incentive is paid; 0: at any

    @property
    def worst(self) -> float:
        """See worst_ltv."""
        return worst_ltv(self.ltv, self.down, self.up)

    @property
    def where(self) -> str:
        """In the world."""
        mode = f".emode.{self.category}" if self.category else ""
        return f"protocols.{self.protocol}.parameters.{self.asset}{mode}"


def terms_of(model: Model, legs: Legs, depth: bool = True) -> Iterator[Term]:
    """Every collateral that a lending protocol has parameters for and somebody holds; without `depth` no sale moves a price."""
    positions, seen = model.positions, seen_prices(model)
    volatility = dict(getattr(model.world.scenario.prices, "volatility", None) or {})
    gaps = [behind(model, one, volatility) for one in seen]
    steep = Steepness(model, legs) if depth else None
    for name in model.world.lending:
        protocol, entries = model.world.protocols[name], look_up(model.world.protocols[name].parameters)
        unread = protocol.rules.unread() if isinstance(protocol.rules, Rules) else ()
        if "liquidation_threshold" in unread:  # LLAMMA: loans are called by their bands
            continue
        lent = [r for r, (of, asset) in enumerate(positions.reserves) if of == name and positions.owed[r] > 0.0]
        for r, (of, asset) in enumerate(positions.reserves):
            entry = entries.get(asset)
            if of != name or not isinstance(entry, ReserveParameters) or not positions.held[r] > 0.0:
                continue
            rises = [(gaps[d][1], positions.reserves[d][1]) for d in lent if d != r]
            up, debt = max(rises, key=lambda one: one[0]) if rises else (0.0, "")
            for category, chosen in modes(entry):
                yield _term(name, asset, category, chosen, None if "incentive" in unread else paid(protocol, chosen), debt,
                            (gaps[r][0], up), seen[r].heartbeat == math.inf and asset != protocol.unit,
                            steep.of(r) if steep is not None else (0.0, 0.0), full_bonus_at(protocol))


def paid(protocol: Protocol, chosen: Chosen) -> float:
    """The incentive of these terms: as stated, or as the rules work it out."""
    threshold, rules = np.array([chosen.liquidation_threshold]), protocol.rules
    worked_out = rules.incentives(threshold) if isinstance(rules, Rules) else None
    return chosen.incentive if worked_out is None else float(worked_out[0])


def full_bonus_at(protocol: Protocol) -> float:
    """Health at which the whole of an incentive that grows as health falls is paid; 0: it does not."""
    row = protocol.rules.terms() if isinstance(protocol.rules, FixedSpreadRules) else Terms()
    return row.full_bonus_at if row.least_bonus < 1.0 else 0.0


def modes(entry: ReserveParameters) -> list[tuple[int, Chosen]]:
    """Its ordinary terms as category 0, then those of efficiency modes."""
    return [(0, entry), *entry.emode.items()]


def _term(protocol: str, asset: str, category: int, entry: Chosen, incentive: float | None,
          debt: str, gap: tuple[float, float], fixed: bool, largest: tuple[float, float], full_at: float) -> Term:
    ltv, threshold = entry.loan_to_value, entry.liquidation_threshold
    return Term(protocol, asset, category, threshold if ltv is None else ltv, threshold, incentive, debt, *gap, fixed,
                *largest, full_at)


def behind(model: Model, one: SeenPrice, volatility: dict[str, float]) -> tuple[float, float]:
    """(down, up): how far the market may stand below and above what is seen, shares."""
    layout, a = model.layout, model.layout.asset(one.asset)
    chain = [layout.markets[int(m)] for m in layout.tree.chain[a, : layout.tree.length[a]]]
    sigma = math.sqrt(sum(volatility.get(name, 0.0) ** 2 for name in chain))  # a root year; moves count as independent
    drift = math.exp(DEVIATIONS * sigma * math.sqrt((one.lag or 0.0) / YEAR))
    deviation = one.deviation or 0.0
    return 1.0 - (1.0 - min(deviation, 1.0)) / drift, (1.0 + deviation) * drift - 1.0


class Steepness:
    """Of the largest loan on each collateral: what stands in it, and how its sale moves its own price as the protocol sees it."""

    def __init__(self, model: Model, legs: Legs) -> None:
        self.model, self.legs = model, legs
        self.impact, self.seen = Impact(model), sensitivity(model)  # [R, M]
        zero = np.zeros(self.impact.count)
        s = self.impact.fresh(zero)
        depth = np.array([[self.impact.depth(zero, s, m, way * WITHIN) for m in range(self.impact.count)] for way in (-1.0, 1.0)])
        with np.errstate(divide="ignore"):
            self.steep = WITHIN / depth  # [2, M] per USD sold, bought
        self.value = legs.amount * model.seen_price()[legs.reserve]
        self.owes = legs.total(np.where(legs.debt, self.value, 0.0)) > 0.0

    def of(self, r: int) -> tuple[float, float]:
        """(USD in the collateral, fall of its price against the debt per USD sold)."""
        legs, tree = self.legs, self.model.layout.tree
        mine = np.flatnonzero(~legs.debt & (legs.reserve == r) & self.owes[legs.account])
        if not len(mine):
            return 0.0, 0.0
        leg = mine[np.argmax(self.value[mine])]
        debts = np.flatnonzero(legs.debt & (legs.account == legs.account[leg]))
        d = int(legs.reserve[debts[np.argmax(self.value[debts])]])
        a, b = (self.model.layout.asset(self.model.positions.reserves[one][1]) for one in (r, d))
        apart = self.seen[r] - self.seen[d]
        fall = sum(self.steep[0, m] * apart[m] for m in tree.chain[a, : tree.sells[a, b]] if apart[m])
        rise = sum(self.steep[1, m] * apart[m] for m in tree.chain[b, : tree.buys[a, b]] if apart[m])
        return float(self.value[leg]), max(float(fall - rise), 0.0)


def terms_found(terms: Iterable[Term]) -> Iterator[Finding]:
    """What is wrong with them."""
    for one in terms:
        if one.worst >= 1.0 and one.debt:
            yield Finding(WARN, "limit.free_option", one.where, f"{one.ltv:.2%} borrowed in {one.debt} at seen prices may be "
                          f"{one.worst:.2%} of the collateral at the market's",
                          "lower loan_to_value, or the deviation and delay of its feeds")
        if one.fixed:
            yield Finding(OK, "limit.fixed_price", one.where, f"LTV {one.ltv:.2%}",
                          "nothing, if it cannot fall; else name a feed that follows the market")
        if one.incentive is None:
            continue
        plain, own = toxic_frontier(one.incentive), toxic_frontier(one.incentive, one.collateral, one.steepness)
        if one.threshold >= plain:
            yield Finding(WARN, "limit.spiral", one.where, f"threshold {one.threshold:.2%}, frontier {plain:.2%}",
                          "lower the threshold or the incentive")
        elif one.full_at and one.threshold > plain * one.full_at:
            yield Finding(WARN, "limit.split", one.where, f"health {one.threshold / plain:.4g}, full bonus at {one.full_at:.4g}",
                          "lower the threshold or the incentive, or raise full_bonus_at")
        elif one.threshold >= own:
            yield Finding(WARN, "limit.spiral_of_largest", one.where, f"threshold {one.threshold:.2%}, frontier {own:.2%} for "
                          f"its largest loan, {one.collateral:,.0f} USD of collateral",
                          "lower the threshold, the incentive or the cap, or find depth")
