"""What accounts hold and owe, all at once: legs in a row, worth at given prices, health, what one call may take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from delever.core.empty import new_reserves
from delever.core.tables import Reserves
from delever.model.asset import USD
from delever.model.book import REMAINDER
from delever.model.errors import InputError, nearest
from delever.protocols.base import Rules
from delever.run.assemble import Model
from delever.run.pricing import moving_feeds


@dataclass(frozen=True)
class Legs:
    """Every leg of every account in one row; an account's collateral first, then its debts.

    Axes: K legs, A accounts.
    """

    account: np.ndarray  # [K] ascending
    reserve: np.ndarray  # [K]
    debt: np.ndarray  # [K] bool
    amount: np.ndarray  # [K] units; a remainder may be negative
    threshold: np.ndarray  # [K] share of 1; 0 for debts
    seizable: np.ndarray  # [K] bool
    term: np.ndarray  # [K] whose terms count: the reserve's, or those of a category of it (Positions.categories)
    first: np.ndarray  # [A] an account's first leg
    collaterals: np.ndarray  # [A] number of collateral legs
    debts: np.ndarray  # [A]

    @property
    def accounts(self) -> int:
        """Number of accounts."""
        return len(self.first)

    def total(self, values: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """Sum a leg's values by account, [A]; of: [K] bool, which legs count."""
        if of is None:
            return np.bincount(self.account, values, self.accounts)
        return np.bincount(self.account[of], values[of], self.accounts)


@dataclass(frozen=True)
class Health:
    """Accounts at given prices."""

    value: np.ndarray  # [K] worth of each leg, USD
    backing: np.ndarray  # [A] collateral x threshold, USD
    debt: np.ndarray  # [A] USD

    @property
    def eligible(self) -> np.ndarray:
        """Accounts that may be liquidated, [A] bool: they owe, and their health factor is below 1."""
        return (self.debt > 0.0) & (self.backing < self.debt)

    @property
    def factor(self) -> np.ndarray:
        """Health factor, [A]; infinite without debt."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.debt > 0.0, self.backing / self.debt, np.inf)


def legs_of(model: Model) -> Legs:
    """The legs of accounts that borrow; those of margin exchanges have none here: see analysis/margins.py."""
    book = model.positions.tables
    place, first_debt = np.arange(book.amount.shape[1]), int(book.first_debt[0])
    held = np.where(place < first_debt, place < book.collaterals[:, None], place - first_debt < book.debts[:, None])
    held &= book.margin[:, None] == 0
    account, column = np.nonzero(held[book.signature])
    of = book.signature[account], column
    lends = book.margin[book.signature] == 0
    collaterals, debts = book.collaterals[book.signature] * lends, book.debts[book.signature] * lends
    first = np.cumsum(collaterals + debts) - collaterals - debts
    return Legs(account, book.reserve[of], column >= first_debt, book.amount[account, column], book.threshold[of],
                book.seizable[of] != 0, book.term[of], first, collaterals, debts)


def health(legs: Legs, price: np.ndarray) -> Health:
    """Worth and health. price: [R] USD."""
    value = legs.amount * price[legs.reserve]  # summed as the engine does, leg by leg
    return Health(value, legs.total(value * legs.threshold, ~legs.debt), legs.total(value, legs.debt))


def sensitivity(model: Model) -> np.ndarray:
    """[R, M]: log-move of what a protocol sees of a reserve, in USD, for one of a market, if every oracle saw it.

    A feed of kind `fixed` sees nothing, at any time; what is pegged to an asset or wraps it moves with it.
    """
    oracles, layout = model.oracles, model.layout
    moving = moving_feeds(oracles)
    feeds = np.zeros((len(oracles.names), len(layout.markets)))
    for f in moving:
        for m, sign in zip(oracles.market[f], oracles.sign[f], strict=True):
            if m >= 0:
                feeds[f, layout.tree.pair[m]] += sign  # of venues that are apart a shock moves all
    out = np.zeros((len(model.positions.reserves), len(layout.markets)))
    for r, (protocol, _) in enumerate(model.positions.reserves):
        for f, sign in zip(oracles.seen_feed[r], oracles.seen_sign[r], strict=True):
            if f >= 0:
                out[r] += sign * feeds[f]
        for m in chain(model, model.world.protocols[protocol].unit):
            out[r, m] += 1.0
    for market, coin in zip(model.options.market.tolist(), model.options.coin.tolist(), strict=True):  # see Model.seen_price
        marked = np.flatnonzero(out[:, market])
        out[marked] = 0.0
        for m in chain(model, layout.assets[coin]):
            out[marked, m] = 1.0
    for perp, underlying, sense in layout.follows:  # its market goes where the underlying's goes
        for m in chain(model, layout.assets[underlying]):
            out[:, m] += sense * out[:, perp]
    return out


def chain(model: Model, asset: str) -> list[int]:
    """Markets from an asset up to USD."""
    tree, number = model.layout.tree, model.layout.asset(asset)
    return [int(m) for m in tree.chain[number, : tree.length[number]]]


def market_of(model: Model, asset: str, where: str) -> int:
    """The market on which an asset has its own price; the one that a shock to it moves."""
    layout = model.layout
    followed = model.world.assets[asset].follows if asset in model.world.assets else None
    if followed is not None:
        raise InputError("is a perp" if model.world.assets[asset].perp else "is an option", where, asset,
                         f"it follows {followed}: shock that")
    if asset in layout.markets:
        return layout.markets.index(asset)
    if asset not in layout.assets:
        raise InputError("unknown asset", where, asset, nearest(asset, layout.markets))
    traded = layout.assets[int(layout.tree.unwrapped[layout.asset(asset)])]
    remedy = "prices are counted in it" if asset == traded else f"it wraps {traded}: shock that"
    raise InputError("has no market of its own", where, asset, remedy)


def callable_now(model: Model, legs: Legs, price: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """[K] units of each leg that one call on its account may seize or repay, as the protocol's rules size it.

    price: [R] USD; eligible: [A] bool.
    """
    positions, out = model.positions, np.zeros(len(legs.account))
    reserves, book = level_indices(model), positions.tables
    first_debt = int(book.first_debt[0])
    setting = model.setting(1)
    for number, (name, protocol) in enumerate(model.world.protocols.items()):
        rows = np.flatnonzero(eligible & (positions.protocol == number))
        if len(rows) == 0 or not isinstance(protocol.rules, Rules):
            continue
        mine = book._replace(amount=np.ascontiguousarray(book.amount[rows]), signature=book.signature[rows])
        call = protocol.rules.phase({name: protocol.rules}, setting).liquidatable(mine, reserves, price)
        one = call.collateral_leg >= 0  # one collateral for one debt
        at = rows[one]
        out[legs.first[at] + call.collateral_leg[one]] = call.seize[one]
        out[legs.first[at] + legs.collaterals[at] + call.debt_leg[one] - first_debt] = call.repay[one]
        share = np.zeros((2, legs.accounts))  # of every leg that can be taken; repay and seize are shares
        share[:, rows[~one]] = call.seize[~one], call.repay[~one]
        part = share[legs.debt.astype(int), legs.account]
        out += np.where(legs.seizable & (legs.amount > 0.0), part * legs.amount, 0.0)
    return out


def level_indices(model: Model) -> Reserves:
    """Reserves at the start: interest indices of 1."""
    reserves = model.positions.reserves
    protocols = list(model.world.protocols)
    return new_reserves(np.array([protocols.index(p) for p, _ in reserves]),
                        np.array([model.layout.asset(a) for _, a in reserves]), model.positions.stocks,
                        model.positions.of_term, 1)


def remainders(model: Model) -> dict[tuple[str, str], set[str]]:
    """(protocol, asset) of the legs labelled remainder -> the sides they stand on.

    What a margin account owes is signed too, and a dollar is a dollar: neither is something that is not known.
    """
    legs = model.positions.book.legs
    labelled = legs.filter(pc.equal(legs["label"], REMAINDER)).group_by(["protocol", "asset", "side"]).aggregate([])
    out: dict[tuple[str, str], set[str]] = {}
    for row in labelled.to_pylist():
        if row["protocol"] not in model.world.exchanges and row["asset"] != USD:
            out.setdefault((row["protocol"], row["asset"]), set()).add(row["side"])
    return out
