"""Accounts, their health, and what the rules of a protocol let one call repay and seize."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(eq=False)
class Leg:
    """One asset that an account holds or owes."""

    asset: str
    amount: float  # units at index 1; a signed remainder may be negative
    threshold: float = 0.0  # liquidation threshold of a collateral leg
    incentive: float = 0.0  # liquidation incentive of a collateral leg
    fee: float = 0.0  # part of the incentive that the protocol keeps
    callable: bool = True  # a liquidator may seize or repay it
    category: int = 0  # of efficiency mode; 0: none


@dataclass(eq=False)
class Account:
    """One account of one protocol."""

    protocol: str
    name: str
    number: int  # in the order of the books
    collateral: list[Leg]
    debt: list[Leg]
    answered: bool = False  # has topped up on this path
    category: int = 0  # of efficiency mode; 0: none


@dataclass
class Rules:
    """What a protocol lets liquidators do."""

    kind: str  # v2, v3_0, v3_3, v4, pro_rata, clip, comet, compound, morpho, euler
    close_factor: float = 0.5
    full_above: float = 0.95  # v3: below this health the whole leg may be repaid
    dust: float = 0.0  # pro_rata [value]
    full_below: float = 0.0  # pro_rata: health factor
    most_discount: float = 0.0  # euler
    seize_share: float = 0.0  # compound: of all that is seized, what the protocol keeps
    socialises: bool = True  # euler: what is owed without collateral is a deficit
    target_health: float = math.nan  # v4
    least_bonus: float = 1.0  # v4: share of the incentive
    full_bonus_at: float = 0.0  # v4: health factor
    close_factor_at_start: float = math.nan
    nearest: float = math.inf  # relative distance of what a call may repay from nothing, where what must be left decides


@dataclass
class View:
    """What a protocol sees of an asset: price, how much a unit at index 1 has grown to, and what its terms have come to."""

    price: dict[str, float]
    supply_index: dict[str, float]
    borrow_index: dict[str, float]
    counted: dict[tuple[str, int], float] = field(default_factory=dict)  # asset, category: factor on thresholds
    bonus: dict[tuple[str, int], float] = field(default_factory=dict)  # on incentives
    usd: float = 1.0  # what the unit of these prices is worth

    def as_at_start(self) -> View:
        """With the terms that were stated then."""
        return View(self.price, self.supply_index, self.borrow_index, usd=self.usd)

    def held(self, leg: Leg) -> float:
        return leg.amount * self.supply_index[leg.asset]

    def owed(self, leg: Leg) -> float:
        return leg.amount * self.borrow_index[leg.asset]

    def threshold(self, leg: Leg) -> float:
        return leg.threshold * self.counted.get((leg.asset, leg.category), 1.0)

    def incentive(self, leg: Leg) -> float:
        return leg.incentive * self.bonus.get((leg.asset, leg.category), 1.0)

    def held_value(self, leg: Leg) -> float:
        return self.held(leg) * self.price[leg.asset]

    def owed_value(self, leg: Leg) -> float:
        return self.owed(leg) * self.price[leg.asset]


@dataclass
class Claim:
    """One liquidation call. Units, not scaled by the indices."""

    account: Account
    seize: list[tuple[Leg, float, float]]  # collateral leg, taken from the account, of that kept by the protocol
    repay: list[tuple[Leg, float]]
    sales: list[tuple[Leg, Leg, float]] = field(default_factory=list)  # sell units of a collateral for a debt asset
    cleared: list[Leg] = field(default_factory=list)  # legs of which nothing remains


def backing(account: Account, view: View) -> float:
    return sum(view.held_value(leg) * view.threshold(leg) for leg in account.collateral)


def owing(account: Account, view: View) -> float:
    return sum(view.owed_value(leg) for leg in account.debt)


def health(account: Account, view: View) -> float:
    debt = owing(account, view)
    return backing(account, view) / debt if debt > 0.0 else math.inf


def assess(account: Account, rules: Rules, view: View, most: float = math.inf) -> Claim | None:
    """The claim on an unhealthy account, None if there is nothing to call. most: units of the debt that are brought."""
    if rules.kind == "pro_rata":
        return _share_of_everything(account, rules, view)
    best: tuple[float, Claim] | None = None
    for taken in account.collateral:
        for repaid in account.debt:
            if not (taken.callable and repaid.callable and taken.amount > 0.0 and repaid.amount > 0.0):
                continue
            call = _one_pair(account, taken, repaid, rules, view, most)
            if call is not None and (best is None or call[0] > best[0]):
                best = call
    return best[1] if best is not None else None


def _one_pair(account: Account, taken: Leg, repaid: Leg, rules: Rules, view: View, most: float
              ) -> tuple[float, Claim] | None:
    """(repay value x incentive, claim) of Aave's call on a collateral and a debt leg."""
    incentive = _discount(account, rules, view) if rules.kind == "euler" else view.incentive(taken)
    if rules.kind == "v4":
        incentive *= _share_of_bonus(account, rules, view)
    factor = 1.0 + incentive
    held, owed = view.held_value(taken), view.owed_value(repaid)
    brought = most * view.price[repaid.asset]
    limit = min(_to_target(account, factor * view.threshold(taken), rules, view) if rules.kind == "v4"
                else _close_limit(account, held, owed, rules, view), brought)
    repay = min(owed, limit)
    all_repaid, all_taken = limit >= owed, False
    if repay * factor >= held:
        repay, all_taken = held / factor, True
        all_repaid = repay >= owed
    left = 1000.0 / view.usd
    if rules.kind == "v4" and not (all_repaid or all_taken):
        more, all_repaid, all_taken = _with_dust(held, owed, repay, factor, left, rules)
        repay, all_repaid, all_taken = (more, all_repaid, all_taken) if more <= brought else (repay, False, False)
    if rules.kind in ("v3_3", "v4") and not (all_repaid or all_taken):
        # both leftovers at least 1000 USD, or the call repays less
        repay = min(repay, owed - left, (held - left) / factor)
        rules.nearest = min(rules.nearest, abs(repay) / left)
    if repay <= 0.0:
        return None
    seize = view.held(taken) if all_taken else repay * factor / view.price[taken.asset]
    kept = taken.fee * (seize - seize / factor) + rules.seize_share * seize
    units = view.owed(repaid) if all_repaid else repay / view.price[repaid.asset]
    cleared = [taken] * all_taken + [repaid] * all_repaid
    return repay * incentive, Claim(account, [(taken, seize, kept)], [(repaid, units)],
                                          [(taken, repaid, seize - kept)], cleared)


def _close_limit(account: Account, held: float, owed: float, rules: Rules, view: View) -> float:
    """Most debt value that one call may repay."""
    if rules.kind in ("euler", "morpho"):
        return math.inf
    if rules.kind in ("v2", "compound"):
        return rules.close_factor * owed
    if rules.kind == "v3_0":
        return rules.close_factor * owed if health(account, view) > rules.full_above else owed
    whole = not (min(held, owed) * view.usd >= 2000.0 and health(account, view) > rules.full_above)
    return math.inf if whole else rules.close_factor * owing(account, view)


def _with_dust(held: float, owed: float, repay: float, factor: float, left: float, rules: Rules) -> tuple[float, bool, bool]:
    """What is repaid where less than `left` may stay of nothing, the debt first; does all of the debt go, of the collateral?"""
    rules.nearest = min(rules.nearest, abs(owed - repay - left) / left)
    all_repaid = owed - repay < left
    repay = owed if all_repaid else repay
    rest = held - repay * factor
    rules.nearest = min(rules.nearest, abs(rest if all_repaid else rest - left) / left)
    if rest < 0.0 or (rest < left and not all_repaid):
        return held / factor, False, True
    return repay, all_repaid, False


def _to_target(account: Account, called: float, rules: Rules, view: View) -> float:
    """Debt value that brings the account to its target; called: backing that each unit of it takes away."""
    missing = rules.target_health * owing(account, view) - backing(account, view)
    return missing / (rules.target_health - called) if called < rules.target_health else math.inf


def _share_of_bonus(account: Account, rules: Rules, view: View) -> float:
    """Of an incentive, the more the less healthy the account is."""
    gone = (1.0 - health(account, view)) / (1.0 - rules.full_bonus_at)
    return rules.least_bonus + (1.0 - rules.least_bonus) * min(gone, 1.0)


def _discount(account: Account, rules: Rules, view: View) -> float:
    """What Euler gives on top of what is repaid: the more, the less healthy the account is."""
    return 1.0 / max(health(account, view), 1.0 - rules.most_discount) - 1.0


def _share_of_everything(account: Account, rules: Rules, view: View) -> Claim | None:
    """A share of every debt for the same share of every collateral."""
    holds = [leg for leg in account.collateral if leg.callable and leg.amount > 0.0]
    owes = [leg for leg in account.debt if leg.callable and leg.amount > 0.0]
    debt = sum(view.owed_value(leg) for leg in owes)
    # what the collateral can repay, incentive deducted
    worth = sum(view.held_value(leg) / (1.0 + view.incentive(leg)) for leg in holds)
    if debt <= 0.0 or worth <= 0.0:
        return None
    whole = owing(account, view) * view.usd <= rules.dust or health(account, view) < rules.full_below
    repay_share = 1.0 if whole else rules.close_factor
    seize_share, cleared = repay_share * debt / worth, list(owes) if whole else []
    if seize_share >= 1.0:
        repay_share, seize_share = worth / debt, 1.0
        cleared = list(holds) + (list(owes) if repay_share >= 1.0 else [])
    seize = [(leg, view.held(leg) * seize_share, 0.0) for leg in holds]
    repay = [(leg, view.owed(leg) * repay_share) for leg in owes]
    sales = [(leg, other, units * (view.owed_value(other) / debt)) for leg, units, _ in seize for other in owes]
    return Claim(account, seize, repay, sales, cleared)
