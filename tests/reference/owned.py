"""What owners and lenders do of their own accord: they add collateral, withdraw, close a loan or take more of it."""

from __future__ import annotations

from collections import Counter

from reference import accounts as rule
from reference.accounts import Account, View
from reference.exchange import Exchange, Sale
from reference.lending import ROUNDING, Lending
from reference.limits import Allowed
from reference.owners import Deal, Owners
from reference.setting import Setting, Transaction


class Owned:
    """The part of a path that offers and carries out what owners send."""

    w: Setting
    x: Exchange
    counts: Counter[str]
    lending: Lending
    allowed: Allowed
    owners: Owners

    def seen(self, protocol: str) -> View:
        raise NotImplementedError

    def health(self, account: Account, view: View) -> float:
        raise NotImplementedError

    def withdrawals(self) -> list[Transaction]:
        """What depositors who wait would get."""
        return [Transaction("withdrawal", lender, lender.fee, amount=units, chain=lender.chain, payer=lender.name)
                for lender in self.w.lenders if (units := self.lending.wanted(lender)) > 0.0]

    def topped_up(self, t: Transaction, account: Account) -> list[Sale] | None:
        view = self.seen(account.protocol)
        if self.health(account, view) >= 1.0:
            return None
        leg = t.leg
        assert isinstance(leg, rule.Leg)
        if not self.allowed.may_supply(account.protocol, leg.asset, t.amount):
            self.counts["top_up beyond the cap"] += 1
            return None
        leg.amount += t.amount / view.supply_index[leg.asset]
        account.answered = True
        self.x.ledger.move(leg.asset, t.amount, "owners", "cash")
        self.lending.move(account.protocol, leg.asset, t.amount)
        self.counts["top_ups"] += 1
        return []

    def closed(self, deal: Deal) -> list[Sale] | None:
        """A loan is repaid out of its own collateral."""
        account, leg, owing, view = deal.account, deal.leg, deal.owing, self.seen(deal.account.protocol)
        debt, out = min(deal.debt, view.owed(owing)), deal.collateral
        if debt <= 0.0 or view.held(leg) < out * (1.0 - ROUNDING):
            self.counts["close too late"] += 1
            return None
        if not self.enough(account.protocol, leg.asset, out):
            self.counts["close without cash"] += 1
            return None
        if not self.pays(leg.asset, owing.asset, out, debt):
            return None
        has = rule.backing(account, view) - out * view.price[leg.asset] * view.threshold(leg)
        owes = rule.owing(account, view) - debt * view.price[owing.asset]
        self.owners.near(has, owes)
        if has < owes * (1.0 - ROUNDING):
            self.counts["close would be unhealthy"] += 1
            return None
        leg.amount -= min(out / view.supply_index[leg.asset], leg.amount)
        owing.amount -= min(debt / view.borrow_index[owing.asset], owing.amount)
        self.x.ledger.move(leg.asset, out, "cash", deal.owner)
        self.x.ledger.move(owing.asset, debt, deal.owner, "cash")
        self.lending.move(account.protocol, leg.asset, -out)
        self.lending.move(account.protocol, owing.asset, debt)
        self.counts["closes"] += 1
        return [(leg.asset, owing.asset, out, deal.owner)]

    def enough(self, protocol: str, asset: str, units: float) -> bool:
        """Whether so much is there to be taken out."""
        self.owners.near(self.lending.there(protocol, asset), units)
        return self.lending.there(protocol, asset) >= units

    def alone(self, sold: str, bought: str, units: float) -> float:
        """What selling alone would bring now."""
        return self.x.trade([(sold, bought, units, "asks")], real=False)[0]

    def pays(self, sold: str, bought: str, units: float, needed: float) -> bool:
        """Whether selling alone, now, brings what is needed."""
        out = self.alone(sold, bought, units)
        self.owners.near(out, needed)
        self.counts["sale too dear"] += out < needed
        return out >= needed

    def lent_more(self, deal: Deal) -> list[Sale] | None:
        """A loan is taken and becomes collateral."""
        account, leg, owing, view = deal.account, deal.leg, deal.owing, self.seen(deal.account.protocol)
        if not self.enough(account.protocol, owing.asset, deal.debt):
            self.counts["lever without cash"] += 1
            return None
        if not self.allowed.may_supply(account.protocol, leg.asset, deal.collateral):
            self.counts["lever beyond the supply cap"] += 1
            return None
        if not self.allowed.may_borrow(account, owing.asset, deal.debt, view):
            self.counts["lever beyond what may be borrowed"] += 1
            return None
        if not self.pays(owing.asset, leg.asset, deal.debt, deal.collateral):
            return None
        has = rule.backing(account, view) + deal.collateral * view.price[leg.asset] * view.threshold(leg)
        owes = rule.owing(account, view) + deal.debt * view.price[owing.asset]
        self.owners.near(has, owes)
        if has < owes:
            self.counts["lever would be unhealthy"] += 1
            return None
        leg.amount += deal.collateral / view.supply_index[leg.asset]
        owing.amount += deal.debt / view.borrow_index[owing.asset]
        self.x.ledger.move(owing.asset, deal.debt, "cash", deal.owner)
        self.x.ledger.move(leg.asset, deal.collateral, deal.owner, "cash")
        self.lending.move(account.protocol, owing.asset, -deal.debt)
        self.lending.move(account.protocol, leg.asset, deal.collateral)
        self.counts["levers"] += 1
        return [(owing.asset, leg.asset, deal.debt, deal.owner)]
