"""What owners and lenders offer of their own accord, kind by kind in the order of the world; and whom brokers keep from calls."""

from __future__ import annotations

from reference.accounts import Account, View
from reference.margin import Sight
from reference.persons import Shift
from reference.setting import Transaction
from reference.settlement import Settlement


class Answers(Settlement):
    """The part of a path in which owners act, and whoever else comes of his own accord."""

    def top_up(self, account: Account, views: dict[str, View]) -> Transaction | None:
        raise NotImplementedError

    def owners_answer(self, called: list[Account], views: dict[str, View]) -> list[Transaction]:
        """What owners of called accounts do."""
        sent = {"borrowers": [t for account in called if (t := self.top_up(account, views)) is not None],
                "owners": self.shifts(called, views)}
        return [t for who in self.w.people for t in sent.get(who, ())]

    def placed(self, answered: list[Transaction], b: int, views: dict[str, View]) -> list[Transaction]:
        """What lenders want, and owners of their own accord in the first block of a step."""
        done = {t.ref.here.number for t in answered if isinstance(t.ref, Shift)}
        near = self.w.persons.near_calls(self.w.accounts, done, views) if self.w.persons is not None and b == 1 else []
        leaving, looping = (self.owners.leaving(views), self.owners.looping(views)) if b == 1 else ([], [])
        sent = {"depositors": self.withdrawals(), "carry": leaving, "loopers": looping, "owners": self.shifts(near, views),
                "recursive": self.winders.offers(b, self.time, views), "redeemers": self.issuers.offers(self.time),
                "algorithmic": self.burners.offers(self.time)}
        return [t for who in self.w.people for t in sent.get(who, ())]

    def shifts(self, accounts: list[Account], views: dict[str, View]) -> list[Transaction]:
        """Out of other accounts of their owners into these."""
        persons = self.w.persons
        if persons is None or persons.defenders is None:
            return []
        return [Transaction("shift", shift, persons.defenders.fee, payer=persons.defenders.name,
                            chain=self.w.home.get(shift.here.protocol, ""))
                for account in accounts if (shift := persons.mended(account, self.w.accounts, self.lending, views)) is not None]

    def netted(self, views: dict[str, View], sights: dict[str, Sight]) -> set[int]:
        """Numbers of accounts whose brokers have nobody call them."""
        if self.w.persons is None or not self.w.persons.brokers:
            return set()
        unit = {protocol: self.x.usd(self.w.unit[protocol]) for protocol in views}
        return self.w.persons.good(self.w.accounts, self.w.exchanges, views, sights, unit)
