"""Dutch auctions of whole vaults, as in Maker's Liquidations 2.0: an unsafe vault is kicked off, keepers buy as its price falls.

    kick    anybody may, for tip + chip x tab, while the holes have room; lot, tab and the price it starts from: clip_formulas.py
    take    in every block anybody may buy, whole or in parts, at the price of that second
    redo    once it is too old or too cheap, anybody may start it anew at the price seen then, for the same reward
A vault has one collateral and one debt; its liquidation threshold is 1 / mat, its incentive the penalty (chop - 1). What is
left of a lot when its tab is raised goes back to its owner. Source: makerdao/dss fa4f6630 (dog.sol, clip.sol).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.columns import Value
from delever.core.english import seconds
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.settlement import still_pays
from delever.core.state import State
from delever.core.tables import NOTHING, BookTables, Reserves, Touched, Transactions
from delever.model.errors import InputError
from delever.model.quantity import Amount, Ratio, Seconds, Share
from delever.protocols.base import Liquidatable, Rules, RulesPhase
from delever.protocols.clip_auction import (
    close_lots,
    kick,
    put_up,
    raising,
    redo,
    size_kicks,
    size_redos,
    size_takes,
    take,
    whole_tabs,
)
from delever.protocols.clip_formulas import HOLE, HOLE_OF_ALL
from delever.protocols.clip_offers import offer_lots, wake_for_lots
from delever.protocols.clip_results import COUNTED, KICKS, REDOS, TAKES, lots_now, surplus_now
from delever.protocols.vaults import check_vaults

CURVES = ("linear", "stairstep", "exponential")
NEEDS = {"linear": ("tau",), "stairstep": ("cut", "step"), "exponential": ("cut",)}
# What the chain said of ETH-A, as the spells of the day tested it: makerdao/spells-mainnet.
SPELLS: dict[str, dict[str, Any]] = {
    "eth_a_2021_04": {  # @50f65be, archive/2021-04-30-DssSpell/DssSpell.t.sol; mat 150 %, chop 13 %, fee 5.5 %
        "curve": "stairstep", "cut": 0.99, "step": 90.0, "buf": 1.3, "tail": 8400.0, "cusp": 0.4, "tip": 0.0, "chip": 0.001,
        "dust": 5e3, "hole": 22e6, "hole_of_all": 100e6},
    "eth_a_2022_02": {  # @3e6e363, archive/2022-02-25-DssSpell/test/config.sol; mat 145 %, chop 13 %, fee 2.25 %
        "curve": "stairstep", "cut": 0.99, "step": 90.0, "buf": 1.2, "tail": 8400.0, "cusp": 0.4, "tip": 300.0, "chip": 0.001,
        "dust": 15e3, "hole": 65e6, "hole_of_all": 100e6},
}


class Clip(Rules):
    """Maker's dog and clip: all vaults of the protocol by the same terms. Amounts are in units of what vaults owe."""

    kind: ClassVar[str] = "clip"
    lends: ClassVar[bool] = False
    version: Literal["eth_a_2021_04", "eth_a_2022_02"] | None = Field(
        None, description="terms as they were on chain; what is stated beside goes before; null: all are stated")
    curve: Literal["linear", "stairstep", "exponential"] = Field(examples=["stairstep"], description="how the price falls")
    buf: Ratio = Field(examples=[1.2], description="price at which an auction starts, of the price seen then")
    tail: Seconds = Field(gt=0, examples=["140 min"], description="age beyond which it must be started anew")
    cusp: Share = Field(lt=1, examples=["40 %"], description="price, of the one it started at, below which it must be, too")
    cut: Share | None = Field(
        None, gt=0, lt=1, examples=["99 %"], description="factor on the price, a step (stairstep) or a second (exponential)")
    step: Seconds | None = Field(None, gt=0, examples=["90 s"], description="time between two prices (stairstep)")
    tau: Seconds | None = Field(None, gt=0, description="time until the price is 0 (linear)")
    tip: Amount = Field(0.0, description="what a keeper gets for a kick or a redo")
    chip: Share = Field(0.0, description="what he gets on top, of what the auction must raise")
    dust: Amount = Field(0.0, description="least debt of a vault, and of a lot that is not a whole vault")
    hole: Amount | None = Field(None, description="most that auctions of one collateral raise at a time, penalty included; "
                                "null: no limit")
    hole_of_all: Amount | None = Field(None, description="most that all auctions of the protocol raise at a time; null: no limit")

    @model_validator(mode="before")
    @classmethod
    def _terms_of_the_day(cls, values: Any) -> Any:
        """What a version says, where nothing is stated beside; what the curve needs."""
        if not isinstance(values, dict):
            return values
        values = SPELLS.get(str(values.get("version")), {}) | values
        for name in NEEDS.get(str(values.get("curve")), ()):
            if values.get(name) is None:
                raise InputError("is missing", path=(name,), remedy=f"the {values['curve']} curve needs it: "
                                 f"{cls.model_fields[name].description}")
        return values

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> ClipPhase:
        """All protocols with these rules."""
        for name in specs:
            check_vaults(name, "clip", setting)
        return ClipPhase(setting, {name: spec.row() for name, spec in specs.items()}, dict.fromkeys(specs, True))

    def row(self) -> list[float]:
        """The columns of clip_formulas.py."""
        holes = (np.inf if hole is None else hole for hole in (self.hole, self.hole_of_all))
        return [1.0, CURVES.index(self.curve), self.buf, self.cut or 1.0, self.step or 1.0, self.tau or 1.0, self.tail,
                self.cusp, self.tip, self.chip, self.dust, *holes]


class ClipPhase(RulesPhase):
    """The auctions, ready to run."""

    counters = COUNTED

    def __init__(self, setting: Setting, rows: Mapping[str, Sequence[float]], writes_off: Mapping[str, bool]) -> None:
        super().__init__(setting, rows, writes_off)
        self.assets = len(setting.layout.assets)
        self.call, self.take, self.redo = Kick(self), Take(self), Redo(self)

    def kinds(self) -> Sequence[Kind]:
        """What an unsafe vault offers, what a lot offers, what one offers that must be started anew."""
        return (self.call, self.take, self.redo)

    def sales_per_call(self, book: BookTables) -> int:
        """None: a kick sells nothing."""
        return 0

    def raised(self, state: State) -> np.ndarray:
        """[protocols, A, P] what open lots must raise, by the asset that is sold."""
        out = np.zeros((len(self.parameters), self.assets, state.paths))
        if state.n_lots:
            raising(state.n_lots, state.lots, self.parameters, out)
        return out

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Kicks while nothing is for sale yet."""
        raised = np.zeros((len(self.parameters), self.assets, len(seen_price)))
        size_kicks(picked, rows, self.parameters, raised, touched, book, reserves, seen_price)

    def size(self, state: State, picked: np.ndarray) -> None:
        """Kicks (the largest first: none is offered for whom it leaves no room), takes, redos, at what is seen now.

        A vault that may not be called now takes up no room; its owner sees the call whatever room there is.
        """
        rows, touched, book, now = state.transactions, state.pool.touched, state.book, seconds(state.time)
        kind = rows.kind[picked]
        kicks, takes, redos = (picked[kind == one.number] for one in self.kinds())
        if len(kicks):
            tabs = np.zeros(len(kicks))
            whole_tabs(kicks, rows, touched, book, state.reserves, tabs)
            kicks = kicks[np.lexsort((kicks, -tabs, rows.path[kicks]))]
            struck = rows.state[kicks] == NOTHING
            for some, parameters in ((kicks[~struck], self.parameters), (kicks[struck], without_holes(self.parameters))):
                if len(some):
                    size_kicks(some, rows, parameters, self.raised(state), touched, book, state.reserves, state.seen.price)
        if len(takes):
            size_takes(takes, rows, self.parameters, now, touched, book, state.reserves, state.lots)
        if len(redos):
            size_redos(redos, rows, self.parameters, now, touched, book, state.reserves, state.seen.price, state.lots)

    def offer(self, state: State) -> None:
        """Every open lot of the paths that take part."""
        if not state.n_lots:
            return
        state.room_for_rows(state.n_lots)
        first = state.n_rows
        state.n_rows = offer_lots(state.n_lots, state.lots, self.parameters, state.time, self.take.number, self.redo.number,
                                  state.active, state.halts.liquidation, state.home, state.transactions, first)
        if state.n_rows > first:
            offered = np.arange(first, state.n_rows)
            price_rows(state, offered[state.transactions.kind[offered] == self.redo.number])
            self.size(state, offered)

    def wake(self, state: State) -> None:
        """At the next price of a lot, and when it gets too old."""
        if state.n_lots:
            wake_for_lots(state.n_lots, state.lots, self.parameters, state.time, state.halts.liquidation, state.wake)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What is for sale."""
        return [value for number in self.numbers for value in lots_now(state, number)]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. Of loans, and what auctions earned."""
        return [*super().columns(state), *(surplus_now(state, number) for number in self.numbers)]

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """See RulesPhase: what goes into a lot, and the debt that goes with it, of vaults that may be kicked now.

        Each as if it were alone: what others raise does not count.
        """
        accounts, first = len(book.signature), int(book.first_debt[0])
        every, zeros, sizes = np.arange(accounts), np.zeros(accounts, np.int32), np.zeros((2, accounts))
        touched = Touched(every.astype(np.int32), zeros, zeros, zeros, book.amount, book.cost, np.zeros(accounts))
        protocol = book.protocol[book.signature]
        put_up(np.flatnonzero(np.isin(protocol, self.numbers)), protocol, self.parameters, touched, book, reserves,
               np.ascontiguousarray(seen_price[None, :]), sizes)
        called = sizes[0] > 0.0
        return Liquidatable(np.where(called, 0, -1), np.where(called, first, -1), sizes[0], sizes[1], np.zeros(accounts))


def without_holes(parameters: np.ndarray) -> np.ndarray:
    """The same rules where any number of auctions may run. [protocols, paths, columns]"""
    free = parameters.copy()
    free[:, :, [HOLE, HOLE_OF_ALL]] = np.inf
    return free


def of_lots(kind: Kind, state: State, picked: np.ndarray) -> np.ndarray:
    """Whose collateral is in the lots that the rows name [rows]."""
    return state.pool.touched.account[state.lots.slot[state.transactions.ref[picked]]]


class Kick(Kind):
    """The call of an unsafe vault: it is put up for sale."""

    name: ClassVar[str] = "kick"
    gas: ClassVar[float] = 300_000.0  # assumption
    looks: ClassVar[bool] = True
    accounts = Kind.in_slots

    def __init__(self, rules: ClipPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot."""
        price_rows(state, picked)
        self.rules.size(state, picked)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Each vault is looked at anew, with the room that is left."""
        state.room_for_lots(len(picked))
        state.n_lots = kick(picked, state.transactions, self.rules.parameters, self.rules.raised(state), seconds(state.time),
                            state.pool.touched, state.book, state.reserves, state.seen.price, state.ledgers, state.lots,
                            state.n_lots)
        self.rules.count(state, picked, KICKS)


class Take(Kind):
    """Buys from a lot."""

    name: ClassVar[str] = "take"
    gas: ClassVar[float] = 400_000.0  # assumption
    liquidates: ClassVar[bool] = True
    trades: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    accounts = of_lots

    def __init__(self, rules: ClipPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: others may have bought before, or moved the market."""
        self.rules.size(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        again = picked if state.slot else picked[state.changed[state.transactions.path[picked]]]
        if len(again):
            self.check(state, again)
        state.room_for_sales(len(picked))
        state.n_sales = take(picked, state.transactions, self.rules.parameters, seconds(state.time), state.pool.touched,
                             state.book, state.reserves, state.seen.price, state.ledgers, state.lots, state.sales, state.n_sales)
        close_lots(picked, state.transactions, state.pool, state.watch, state.book, state.reserves, state.seen.price,
                   state.ledgers, state.lots)
        self.rules.count(state, picked, TAKES)


class Redo(Kind):
    """Starts an auction anew."""

    name: ClassVar[str] = "redo"
    gas: ClassVar[float] = 150_000.0  # assumption
    looks: ClassVar[bool] = True
    accounts = of_lots

    def __init__(self, rules: ClipPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: once started anew it need not be."""
        price_rows(state, picked)
        self.rules.size(state, picked)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind."""
        redo(picked, state.transactions, self.rules.parameters, seconds(state.time), state.pool.touched, state.book,
             state.reserves, state.seen.price, state.ledgers, state.lots)
        self.rules.count(state, picked, REDOS)
