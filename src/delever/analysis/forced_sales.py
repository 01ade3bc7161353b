"""What the rules sell by force at given prices, call after call: the book as calls leave it, no market.

    lending    an account whose health is below 1 is called as its protocol's rules size a call (close factor, incentive, dust);
               whoever calls it sells at once all that he seizes, less what the protocol keeps, for the debt that he repaid
    exchanges  of an account below its maintenance margin the position of the highest is closed whole at the mark, then the
               next, until it is healthy; on the book if the stage it has come to is `market`, else nothing is sold
Assumptions: everybody who may be called is called, by somebody with the money, and nobody tops up; a vault that takes an account
over sells nothing; soft liquidation (LLAMMA) counts where a loan is closed, not what its bands sell before.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from delever.analysis.margins import MarginBook
from delever.analysis.valuation import legs_of, level_indices
from delever.protocols.base import Liquidatable, Rules, RulesPhase
from delever.protocols.exchange import Exchange
from delever.run.assemble import Model

ROUNDS = 200  # of calls at one price, at most: rules that halve what is owed go on for ever
MANY = 0.125  # share of accounts near enough that everybody is looked at
ROUNDING = 1e-9  # of a distance
NOTHING = 1e-12  # share of a leg that is rounding


class Kind(NamedTuple):
    """One way of selling by force: whose, what, for what."""

    protocol: str
    asset: str  # sold; of a short bought back
    other: str  # the debt it is sold for; empty on exchanges
    bought: bool  # a short that is bought back
    reserve: int

    @property
    def words(self) -> str:
        """As a reader sees it."""
        if self.other:
            return f"{self.protocol}: {self.asset} for {self.other}"
        return f"{self.protocol}: {self.asset} {'shorts' if self.bought else 'longs'}"


class Lending:
    """Accounts that borrow. Axes: A accounts, K legs in a row, R reserves.

    Who is far from a call is not looked at for every price. From those at which everybody was looked at last,

        an account that was not called since may be called only if   ln(backing / owed) <= largest fall + largest rise  [logs]
    and only if it holds or owes something whose price is another.
    """

    def __init__(self, model: Model) -> None:
        self.legs, self.book = legs_of(model), model.positions.tables
        self.amount = self.book.amount.copy()  # [A, legs]
        self.protocol, self.reserves = model.positions.protocol, level_indices(model)
        setting = model.setting(1)
        self.rules: list[tuple[int, RulesPhase]] = [
            (number, protocol.rules.phase({name: protocol.rules}, setting))
            for number, (name, protocol) in enumerate(model.world.protocols.items()) if isinstance(protocol.rules, Rules)]
        legs, self.first = self.legs, int(self.book.first_debt[0])
        place = np.arange(len(legs.account)) - legs.first[legs.account]
        self.column = np.where(legs.debt, place - legs.collaterals[legs.account] + self.first, place)  # [K]
        self.then = np.full(len(model.positions.reserves), np.nan)  # [R] prices at which everybody was looked at
        self.far = np.zeros(legs.accounts)  # [A] how far they were then
        self.called = np.zeros(legs.accounts, np.bool_)  # [A] since then
        self.last, self.due = self.then, np.zeros(0, np.int64)  # [R] prices at which some were looked at, and who could be called
        at = np.arange(self.book.reserve.shape[1])
        self.used = np.where(at < self.first, at < self.book.collaterals[:, None], at - self.first < self.book.debts[:, None])
        self.odd = legs.total(np.ones(len(legs.amount)), legs.amount < 0.0) > 0.0  # [A] holds a remainder that is below 0
        self.before: list[tuple[np.ndarray, np.ndarray]] | None = None  # accounts and what they had before a call, to be undone

    def values(self, price: np.ndarray) -> np.ndarray:
        """Worth of each leg [K], USD. price: [R] USD."""
        return np.asarray(self.amount[self.legs.account, self.column] * price[self.legs.reserve])

    def unhealthy(self, price: np.ndarray) -> np.ndarray:
        """Numbers of the accounts that may be called."""
        some = self.due if np.array_equal(price, self.last) else self.near(price)
        if len(some) > MANY * self.legs.accounts:
            some = np.arange(self.legs.accounts)
        backing, owed = self.standing(some, price)
        if len(some) == self.legs.accounts:
            with np.errstate(divide="ignore", invalid="ignore"):
                self.far = np.where(self.odd, -np.inf, np.where(owed > 0.0, np.log(backing / owed), np.inf))
            self.then, self.called = price, np.zeros(self.legs.accounts, np.bool_)
        self.last, self.due = price, some[(owed > 0.0) & (backing < owed)]
        self.called = self.called.copy()  # others may share it
        self.called[self.due] = True
        return self.due

    def near(self, price: np.ndarray) -> np.ndarray:
        """Numbers of accounts, ascending, without those who can surely not be called."""
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.log(price / self.then)
        if not np.isfinite(moved).all():
            return np.arange(self.legs.accounts)
        way = (moved.max(initial=0.0) - moved.min(initial=0.0)) * (1.0 + ROUNDING) + ROUNDING
        touched = ((moved != 0.0)[self.book.reserve] & self.used).any(axis=1)[self.book.signature]  # [A] holds or owes what moved
        return np.flatnonzero((self.far <= way) & touched | self.called)

    def standing(self, some: np.ndarray, price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(collateral times thresholds, debt) of some accounts, USD."""
        legs = self.legs
        if len(some) == legs.accounts:
            value = self.values(price)
            return legs.total(value * legs.threshold, ~legs.debt), legs.total(value, legs.debt)
        size = legs.collaterals[some] + legs.debts[some]
        account = np.repeat(np.arange(len(some)), size)  # [k] of each of their legs, among them
        of = np.repeat(legs.first[some] - np.cumsum(size) + size, size) + np.arange(len(account))
        debt, value = legs.debt[of], self.amount[some[account], self.column[of]] * price[legs.reserve[of]]
        owed = np.bincount(account[debt], value[debt], len(some))
        return np.bincount(account[~debt], (value * legs.threshold[of])[~debt], len(some)), owed

    def call(self, price: np.ndarray) -> np.ndarray:
        """One call on everybody who may be called: units sold by (collateral, debt) [R, R]."""
        out, rows = np.zeros((len(price), len(price))), self.unhealthy(price)
        if self.before is not None:
            self.before.append((rows, self.amount[rows]))
        for number, phase in self.rules:
            mine = rows[self.protocol[rows] == number]
            if len(mine):
                book = self.book._replace(amount=np.ascontiguousarray(self.amount[mine]), signature=self.book.signature[mine])
                call = phase.liquidatable(book, self.reserves, price)
                one = call.collateral_leg >= 0
                self._pairs(mine[one], Liquidatable(*(column[one] for column in call)), out)
                self._pro_rata(mine[~one], call.repay[~one], call.seize[~one], price, out)
                if phase.writes_off[number]:
                    self._write_off(mine)
        return out

    def _pairs(self, at: np.ndarray, call: Liquidatable, out: np.ndarray) -> None:
        """Calls that take one collateral for one debt."""
        g = self.book.signature[at]
        sold, owed = self.book.reserve[g, call.collateral_leg], self.book.reserve[g, call.debt_leg]
        np.add.at(out, (sold, owed), call.seize - call.kept)
        for leg, taken in ((call.collateral_leg, call.seize), (call.debt_leg, call.repay)):
            had = self.amount[at, leg]
            left = had - taken
            self.amount[at, leg] = np.where(left > NOTHING * had, left, 0.0)

    def _pro_rata(self, at: np.ndarray, repay: np.ndarray, seize: np.ndarray, price: np.ndarray, out: np.ndarray) -> None:
        """Calls that take a share of every collateral for a share of every debt. repay, seize: shares."""
        at, repay, seize = at[seize > 0.0], repay[seize > 0.0], seize[seize > 0.0]
        g, amount = self.book.signature[at], self.amount[at]
        place, reserve = np.arange(amount.shape[1]), self.book.reserve[g]
        count = np.where(place < self.first, self.book.collaterals[g][:, None], self.book.debts[g][:, None])
        there = (np.where(place < self.first, place, place - self.first) < count) & (self.book.seizable[g] != 0) & (amount > 0.0)
        owed = np.where(there, amount * price[reserve], 0.0)[:, self.first:]
        part = owed / np.where(owed.sum(1) > 0.0, owed.sum(1), 1.0)[:, None]
        taken = np.where(there, amount, 0.0) * np.where(place < self.first, seize[:, None], repay[:, None])
        for c in range(self.first):
            for d in range(part.shape[1]):
                np.add.at(out, (reserve[:, c], reserve[:, self.first + d]), taken[:, c] * part[:, d])
        self.amount[at] = amount - taken

    def _write_off(self, at: np.ndarray) -> None:
        """Debts of accounts that hold nothing any more are a deficit, and nobody's."""
        g, place = self.book.signature[at], np.arange(self.amount.shape[1])
        held = (place < self.book.collaterals[g][:, None]) & (place < self.first) & (self.amount[at] > 0.0)
        self.amount[at[~held.any(1)], self.first:] = 0.0


class Margined:
    """Accounts of exchanges. Axes: N accounts, K positions, R reserves."""

    def __init__(self, model: Model) -> None:
        self.book, self.cash = MarginBook(model), model.positions.margins.cash
        self.size, self.units = self.book.size.copy(), self.book.units.copy()
        self.wallet = np.searchsorted(self.book.owner, np.arange(len(self.book.accounts)))  # [N] row of the cash leg
        self.stages: dict[int, list[tuple[float, bool]]] = {}  # (below, sold on the book) from the first resort to the last
        self.fee = np.zeros(len(model.world.protocols))  # of the first stage, share
        for number, name in self.book.exchanges:
            protocol = model.world.protocols[name]
            stages = protocol.rules.stages if isinstance(protocol.rules, Exchange) else ()
            self.fee[number] = stages[0].fee if stages else 0.0
            vault = any(layer.kind == "backstop" for layer in protocol.waterfall)
            self.stages[number] = [(stage.below, stage.stage == "market") for stage in stages
                                   if stage.stage in ("market", "flat") or vault]

    def call(self, price: np.ndarray) -> np.ndarray:
        """One position of everybody below his margin is closed: units sold, then units bought on books [2, R]."""
        out, book = np.zeros((2, len(price))), copy.copy(self.book)
        if not book.exchanges:
            return out
        book.size, book.units = self.size, self.units
        standing = book.at(price)
        hit = np.flatnonzero(standing.unhealthy[book.trader] & (self.size != 0.0))
        if not len(hit):
            return out
        order = hit[np.lexsort((hit, -standing.margin[hit], book.trader[hit]))]
        closed = order[np.append(True, np.diff(book.trader[order]) > 0)]  # the first of each account
        who = book.trader[closed]
        units = self.size[closed] * book.sense[closed]
        on_book = self._on_book(book.protocol[who], standing.equity[who], standing.maintenance[who])
        for row, mine in enumerate((on_book & (units > 0.0), on_book & (units < 0.0))):
            np.add.at(out[row], book.perp[closed[mine]], np.abs(units[mine]))
        self.units[self.wallet[who]] += units * price[book.perp[closed]] / price[self.cash[book.protocol[who]]]
        self.size[closed] = 0.0
        return out

    def _on_book(self, protocol: np.ndarray, equity: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """Whether the stage that each account has come to sells on the book."""
        out = np.zeros(len(protocol), np.bool_)
        for number, stages in self.stages.items():
            for below, on_book in stages:
                out[(protocol == number) & (equity < below * margin)] = on_book
        return out


class ForcedSales:
    """Everybody, as calls up to now have left them."""

    def __init__(self, model: Model) -> None:
        self.model, self.lending, self.margined = model, Lending(model), Margined(model)
        self.reserves = len(model.positions.reserves)

    def copy(self) -> ForcedSales:
        """The same, to be called without touching this one."""
        other = self.aside()
        other.lending.amount = self.lending.amount.copy()
        return other

    def aside(self) -> ForcedSales:
        """The same but for what accounts that borrow have, which is shared."""
        other = copy.copy(self)
        other.lending, other.margined = copy.copy(self.lending), copy.copy(self.margined)
        other.margined.size, other.margined.units = self.margined.size.copy(), self.margined.units.copy()
        return other

    def would(self, price: np.ndarray) -> np.ndarray:
        """What `settle` would sell, and everybody is as before."""
        other = self.aside()
        other.lending.before = []
        sold = other.settle(price)
        for rows, amount in reversed(other.lending.before):
            self.lending.amount[rows] = amount
        return sold

    def call(self, price: np.ndarray) -> np.ndarray:
        """Call everybody once: units sold by force of each kind [kinds]. price: [R] seen, USD."""
        return np.append(self.lending.call(price).ravel(), self.margined.call(price).ravel())

    def settle(self, price: np.ndarray) -> np.ndarray:
        """Call until nobody is left who may be called: units sold by force of each kind [kinds]."""
        total = self.call(price)
        for _ in range(ROUNDS):
            more = self.call(price)
            if not (more > NOTHING * total.max()).any():
                break
            total += more
        return total

    def taken(self, after: ForcedSales, price: np.ndarray) -> np.ndarray:
        """What calls have taken from each account [accounts], USD: collateral, or positions closed. after: this one, called."""
        lending, margined, book = self.lending, self.margined, self.margined.book
        out = np.zeros(len(self.model.positions.accounts))
        if lending.legs.accounts:
            mine = ~lending.legs.debt
            gone = np.maximum(lending.values(price) - after.lending.values(price), 0.0)
            out[: lending.legs.accounts] += lending.legs.total(gone, mine)
        if book.exchanges:
            closed = np.abs(margined.size - after.margined.size) * price[book.perp]
            np.add.at(out, book.accounts[book.trader], closed)
        return out

    def kind(self, number: int) -> Kind:
        """What a number among the kinds stands for."""
        many, reserves = self.reserves, self.model.positions.reserves
        if number < many * many:
            sold, owed = divmod(number, many)
            return Kind(*reserves[sold], reserves[owed][1], False, sold)
        row, perp = divmod(number - many * many, many)
        return Kind(*reserves[perp], "", bool(row), perp)

    def reserve(self, kinds: np.ndarray) -> np.ndarray:
        """The reserve that each of these kinds sells."""
        many = self.reserves
        return np.where(kinds < many * many, kinds // many, (kinds - many * many) % many)

    def exposure(self, price: np.ndarray, market: int) -> tuple[float, float]:
        """(USD of what borrowers have put up and traders hold that would be sold on a market, its mean penalty [share]).

        Penalty: the incentive of a collateral; of a position the fee of its engine's first stage.
        """
        tree, lending, margined = self.model.layout.tree, self.lending, self.margined
        assets = [self.model.layout.asset(asset) for _, asset in self.model.positions.reserves]
        here = np.array([market in tree.chain[a, : tree.length[a]] for a in assets], np.bool_)
        legs, value = lending.legs, lending.values(price)
        owes = legs.total(value, legs.debt) > 0.0
        mine = ~legs.debt & legs.seizable & here[legs.reserve] & owes[legs.account]
        g = lending.book.signature[legs.account[mine]]
        penalty = lending.book.incentive[g, lending.column[mine]]
        notional = np.abs(margined.size) * price[margined.book.perp] * here[margined.book.perp]
        charged = margined.fee[margined.book.protocol[margined.book.trader]] if len(notional) else notional
        total = float(value[mine].sum() + notional.sum())
        return total, float(value[mine] @ penalty + notional @ charged) / total if total > 0.0 else 0.0
