"""Compound v3 (Comet): anybody may absorb an unsafe account, and the protocol sells what it has seized at a discount.

    absorb   where sum of collateral x liquidate collateral factor < debt (strictly): the protocol seizes every collateral,
             credits value x liquidation factor, and pays the debt out of its reserves; a surplus becomes a supply balance
    buy      while reserves < target anybody may buy at the storefront price, as much as there is; base goes to the reserves
The arithmetic and the double entry are comet_storefront.py's. One base asset is owed; it may be supplied, and backs nothing. An
asset's `liquidation_threshold` is its liquidate collateral factor, `loan_to_value` its borrow collateral factor, and
`incentive` 1 / liquidation factor - 1: what is seized is worth the credit x (1 + incentive).
Nobody is paid to absorb: he is noted down for points. Who does it and why is an assumption: whoever means to buy what is seized
counts on a share (`counted_on`) of its discount and weighs that against gas. A small one, for he is not sure to be the one who
buys, in the next block at the earliest, and the market may not bear it all; bots that absorb, buy and sell in one transaction
risk less.
Source: compound-finance/comet @d5a30b0, Comet.sol (isLiquidatable, absorb, quoteCollateral, buyCollateral), executed results.
Not modelled: interest that flows to reserves, accounts' supply balances being drawn upon, minimum borrows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.columns import Value
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.settlement import still_pays
from delever.core.state import State
from delever.core.tables import BOOKED, TREASURY, BookTables, Reserves, Touched, Transactions
from delever.model.errors import InputError
from delever.model.parameters import ReserveParameters, look_up
from delever.model.quantity import Amount, Balance, Share, Text, Whole
from delever.model.references import Path, known_asset
from delever.model.world import World
from delever.protocols.base import ISOLATION, MODES, Liquidatable, Rules, RulesPhase, refuse_fee
from delever.protocols.comet_book import check_accounts
from delever.protocols.comet_results import COUNTED, holdings, overdrawn
from delever.protocols.comet_storefront import BASE, absorb, buy, offer_stock, seize_all, size_absorptions, size_purchases

# Terms of markets on Ethereum as their deployment files state them; votes since then are not in these.
DEPLOYED: dict[str, dict[str, Any]] = {
    "usdc": {"base": "USDC", "decimals": 6, "store_front": 0.5, "target": 5e6},  # deployments/mainnet/usdc/configuration.json
    "usdt": {"base": "USDT", "decimals": 6, "store_front": 0.6, "target": 20e6},  # deployments/mainnet/usdt/configuration.json
}


class Comet(Rules):
    """Compound v3's absorb and buyCollateral. Amounts are in units of the base asset."""

    kind: ClassVar[str] = "comet"
    version: Literal["usdc", "usdt"] | None = Field(
        None, description="terms of a market on Ethereum as deployed; what is stated beside goes before; null: all are stated")
    base: Text = Field(examples=["USD"], description="the asset that is lent out, the only one that may be owed")
    decimals: Whole = Field(6, ge=0, le=18, description="of the base asset: an account owes whole units of 10^-decimals")
    store_front: Share = Field(examples=["50 %"], description="part of 1 - liquidation factor that buyers are given")
    target: Amount = Field(ge=0, examples=["5m"], description="reserves from which on collateral is not for sale")
    reserves: Balance = Field(0.0, description="the protocol's own base at the start, below 0 if it lacks some; assumption")
    counted_on: Share = Field(0.1, description="share of the discount on what he seizes that whoever absorbs counts on, in "
                              "place of a reward that there is not; 0: nobody pays gas for it; assumption")

    @model_validator(mode="before")
    @classmethod
    def _as_deployed(cls, values: Any) -> Any:
        """What a version says, where nothing is stated beside."""
        return DEPLOYED.get(str(values.get("version")), {}) | values if isinstance(values, dict) else values

    def lacks(self) -> tuple[str, ...]:
        """See Rules."""
        return (*MODES[1:], *ISOLATION)

    def check(self, world: World, path: Path) -> None:
        """Terms that the contract has not, and layers that would take what it has for sale."""
        name = str(path[1])
        known_asset(self.base, world, (*path, "base"))
        refuse_fee(world, path, "comet keeps what `rules.store_front` leaves of the penalty")
        for asset, given in look_up(world.protocols[name].parameters).items():
            if isinstance(given, ReserveParameters) and given.emode:
                raise InputError("has no meaning here", path=("protocols", name, "parameters", asset, "emode"),
                                 value=sorted(given.emode), remedy="comet has no efficiency modes: leave it out")
        for place, layer in enumerate(world.protocols[name].waterfall):
            if layer.kind == "insurance_fund":
                raise InputError("would take the collateral that is for sale", path=("protocols", name, "waterfall", place),
                                 value=layer.kind, remedy="comet pays out of its reserves: state `rules.reserves`")

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> CometPhase:
        """All protocols with these rules."""
        rows = {}
        for name, spec in specs.items():
            base = setting.reserve(name, spec.base, "protocols", name, "rules", "base")
            check_accounts(name, base, setting)
            rows[name] = [1.0, spec.store_front, spec.target, spec.reserves, spec.counted_on, float(base), 10.0 ** spec.decimals]
        return CometPhase(setting, rows, dict.fromkeys(specs, True))


class CometPhase(RulesPhase):
    """The rules, ready to run."""

    counters = COUNTED

    def __init__(self, setting: Setting, rows: Mapping[str, Sequence[float]], writes_off: Mapping[str, bool]) -> None:
        super().__init__(setting, rows, writes_off)
        self.counters, self.limited = COUNTED, False  # what is seized is never lent out: there is always all of it
        self.base = {setting.protocols.index(name): int(row[BASE]) for name, row in rows.items()}
        self.incentive = np.zeros(len(setting.reserves))  # [R]
        for r, (name, asset) in enumerate(setting.reserves):
            given = look_up(setting.world.protocols[name].parameters).get(asset) if name in rows else None
            if isinstance(given, ReserveParameters):
                self.incentive[r] = given.incentive
        self.stock = np.array([r for r, (name, _) in enumerate(setting.reserves) if name in rows and r not in self.base.values()],
                              np.int64)  # reserves whose assets may be for sale
        self.cause = np.zeros((len(setting.reserves), setting.paths), np.int64)  # number of the last absorption that filled it
        self.call, self.buy = Absorb(self), Buy(self)

    def kinds(self) -> Sequence[Kind]:
        """What an unsafe account offers, and what the protocol's stock does."""
        return (self.call, self.buy)

    def sales_per_call(self, book: BookTables) -> int:
        """None: the protocol keeps what an absorption seizes."""
        return 0

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Absorptions where the protocol's reserves are as at the start."""
        none = np.zeros((BOOKED, *reserves.supply_index.shape))
        size_absorptions(picked, rows, self.parameters, touched, book, reserves, seen_price, none)

    def size(self, state: State, picked: np.ndarray) -> None:
        """See RulesPhase: absorptions, each as if it were alone, and purchases."""
        rows = state.transactions
        absorbs, buys = (picked[rows.kind[picked] == kind.number] for kind in self.kinds())
        if len(absorbs):
            size_absorptions(absorbs, rows, self.parameters, state.pool.touched, state.book, state.reserves, state.seen.price,
                             state.ledgers.booked)
        if len(buys):
            size_purchases(buys, rows, self.parameters, self.incentive, state.reserves, state.seen.price, state.ledgers.booked)

    def offer(self, state: State) -> None:
        """What is for sale on the paths that take part."""
        if not state.ledgers.booked[TREASURY, self.stock].any():
            return
        state.room_for_rows(len(self.stock) * state.paths)
        first = state.n_rows
        state.n_rows = offer_stock(self.stock, self.parameters, state.time, self.buy.number, state.active,
                                   state.halts.liquidation, state.home, state.reserves, state.ledgers.booked, self.cause,
                                   state.transactions, first)
        if state.n_rows > first:
            offered = np.arange(first, state.n_rows)
            price_rows(state, offered)
            self.size(state, offered)

    def wake(self, state: State) -> None:
        """When a halt ends where there is something for sale."""
        for number in self.numbers:
            until = state.halts.liquidation[number]
            waits = (until > state.time) & (until < np.inf)
            if waits.any():
                mine = self.stock[state.reserves.protocol[self.stock] == number]
                waits &= (state.ledgers.booked[TREASURY, mine] > 0.0).any(0)
                state.wake[waits] = np.minimum(state.wake[waits], until[waits])

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What the protocol has."""
        return [value for number, base in self.base.items() for value in holdings(state, number, base, self.parameters)]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. Of loans, and what suppliers would lack."""
        return [*super().columns(state), *(value for number, base in self.base.items()
                                           for value in overdrawn(state, number, base, self.parameters))]

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """See RulesPhase: all of every collateral, for the share of the debt that its credit covers."""
        accounts = len(book.signature)
        every, zeros, shares = np.arange(accounts), np.zeros(accounts, np.int32), np.zeros((2, accounts))
        touched = Touched(every.astype(np.int32), zeros, zeros, zeros, book.amount, book.cost, np.zeros(accounts))
        mine = np.flatnonzero(np.isin(book.protocol[book.signature], self.numbers))
        seize_all(mine, self.parameters, touched, book, reserves, np.ascontiguousarray(seen_price[None, :]), shares)
        nowhere = np.full(accounts, -1)
        return Liquidatable(nowhere, nowhere, shares[0], shares[1], np.zeros(accounts))


class Absorb(Kind):
    """The call of an unsafe account: the protocol takes it over."""

    name: ClassVar[str] = "absorb"
    gas: ClassVar[float] = 300_000.0  # assumption
    liquidates: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    accounts = Kind.in_slots

    def __init__(self, rules: CometPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: somebody may have absorbed it before, or it is safe again."""
        price_rows(state, picked)
        self.rules.size(state, picked)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Each account is looked at anew."""
        absorb(picked, state.transactions, self.rules.parameters, state.pool.touched, state.book, state.reserves,
               state.seen.price, state.ledgers, self.rules.cause)


class Buy(Kind):
    """Buys collateral that the protocol has seized. `ref` is its reserve."""

    name: ClassVar[str] = "buy_collateral"
    gas: ClassVar[float] = 350_000.0  # assumption
    trades: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    sold_by_protocol: ClassVar[bool] = True

    def __init__(self, rules: CometPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: others may have bought before, or moved the market."""
        price_rows(state, picked)
        self.rules.size(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        again = picked if state.slot else picked[state.changed[state.transactions.path[picked]]]
        if len(again):
            self.check(state, again)
        state.room_for_sales(len(picked))
        state.n_sales = buy(picked, state.transactions, self.rules.parameters, self.rules.incentive, state.reserves,
                            state.seen.price, state.ledgers, self.rules.row(state), state.sales, state.n_sales)
