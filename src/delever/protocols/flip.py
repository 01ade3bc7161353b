"""English auctions of vaults, as Maker's on 12 March 2020 (Liquidations 1.2): a bite puts a lot up, bids rise, then lots fall.

    bite    anybody may, for nothing: lot = min(collateral, lump), tab = its share of the debt x chop (flip_auction.py)
    bids    two phases, tend and dent, ttl and tau: core/english.py; what they do to the books: core/bids.py
Who bids is an actor's: `auction_keepers`. A vault has one collateral and one debt; its liquidation threshold is 1 / mat, its
incentive the penalty (chop - 1). A first bid may be next to nothing. Source: makerdao/dss (cat.sol @016178e,
flip.sol @03c6df6); real arithmetic, where the contracts round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from delever.core.bids import BID, DEALT, FOR_NOTHING, KICKED, TICKED
from delever.core.columns import Value
from delever.core.english import seconds
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import BookTables, Reserves, Touched, Transactions
from delever.model.quantity import Amount, Ratio, Seconds
from delever.protocols.base import Liquidatable, Rules, RulesPhase
from delever.protocols.clip_results import counted, lots_now, surplus_now
from delever.protocols.flip_auction import bite, put_up_one, size_bites, wake_for_bids
from delever.protocols.vaults import check_vaults

# ETH-A before anything was changed for 12 March 2020. ttl: none of the 467 lots of the four months before closed sooner than
# 601 s after its last bid; lump: none of them has more than 50 ETH; beg: makerdao/dss-deploy-scripts, config/main.json @01e55f5,
# of autumn 2020 (ttl and tau were 6 h by then). assumption, not an estimate: tau 3 d, as that file says of Maker's other ones.
SPELLS: dict[str, dict[str, Any]] = {"eth_a_2020_03": {"beg": 1.03, "ttl": 600.0, "tau": 259_200.0, "lump": 50.0}}
COUNTED = (counted("bites", "lots that were put up for sale"), counted("bids", "bids on lots"),
           counted("deals", "lots that their winners took"),
           counted("won_for_nothing", "lots won for less than 1 % of what they should have raised"),
           counted("ticks", "auctions without a bid that were given another term"))
assert tuple(range(len(COUNTED))) == (KICKED, BID, DEALT, FOR_NOTHING, TICKED)


class Flip(Rules):
    """Maker's cat and flip: all vaults of the protocol by the same terms. Amounts are in units of what vaults owe."""

    kind: ClassVar[str] = "flip"
    lends: ClassVar[bool] = False
    bid_for: ClassVar[bool] = True
    version: Literal["eth_a_2020_03"] | None = Field(
        None, description="terms as they were on chain; what is stated beside goes before; null: all are stated")
    beg: Ratio = Field(ge=1, examples=[1.03], description="least a bid is, of the one that stands; a lot falls by as much")
    ttl: Seconds = Field(gt=0, examples=["10 min"], description="time for which a bid stands unless another beats it")
    tau: Seconds = Field(gt=0, examples=["3 d"], description="time from a bite to the end of the auction, whatever is bid")
    lump: Amount = Field(gt=0, examples=[50], description="most collateral that goes into one lot, units")

    @model_validator(mode="before")
    @classmethod
    def _terms_of_the_day(cls, values: Any) -> Any:
        """What a version says, where nothing is stated beside."""
        return SPELLS.get(str(values.get("version")), {}) | values if isinstance(values, dict) else values

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> FlipPhase:
        """All protocols with these rules."""
        for name in specs:
            check_vaults(name, "flip", setting)
        return FlipPhase(setting, {name: (spec.beg, spec.ttl, spec.tau, spec.lump) for name, spec in specs.items()})


class FlipPhase(RulesPhase):
    """The auctions, ready to run."""

    counters = COUNTED

    def __init__(self, setting: Setting, terms: Mapping[str, tuple[float, float, float, float]]) -> None:
        """terms: of each protocol, as in core/english.py up to its counters."""
        super().__init__(setting, dict.fromkeys(terms, ()), dict.fromkeys(terms, True))
        self.terms, self.call = {setting.protocols.index(name): row for name, row in terms.items()}, Bite(self)

    def reserve(self, state: State) -> None:
        """Its counters, and what its bids are judged by."""
        super().reserve(state)
        for number, terms in self.terms.items():
            state.english[number] = (*terms, self.first_row)

    def sales_per_call(self, book: BookTables) -> int:
        """None: a bite sells nothing."""
        return 0

    def assess(self, rows: Transactions, picked: np.ndarray, touched: Touched, book: BookTables, reserves: Reserves,
               seen_price: np.ndarray) -> None:
        """Bites."""
        size_bites(picked, rows, touched, book, reserves, seen_price)

    def wake(self, state: State) -> None:
        """When bids lapse."""
        if state.n_lots:
            wake_for_bids(state.n_lots, state.lots, state.bids, state.english, state.time, state.wake)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. What is for sale."""
        return [value for number in self.numbers for value in lots_now(state, number)]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. Of loans, and what auctions earned."""
        return [*super().columns(state), *(surplus_now(state, number) for number in self.numbers)]

    def liquidatable(self, book: BookTables, reserves: Reserves, seen_price: np.ndarray) -> Liquidatable:
        """See RulesPhase: the lot that one bite would put up of each unsafe vault, and its debt."""
        accounts, first = len(book.signature), int(book.first_debt[0])
        every, zeros, sizes = np.arange(accounts), np.zeros(accounts, np.int32), np.zeros((2, accounts))
        touched = Touched(every.astype(np.int32), zeros, zeros, zeros, book.amount, book.cost, np.zeros(accounts))
        protocol, lump = book.protocol[book.signature], np.zeros(accounts)
        for number, (*_, most) in self.terms.items():
            lump[protocol == number] = most
        put_up_one(np.flatnonzero(lump > 0.0), lump, touched, book, reserves, np.ascontiguousarray(seen_price[None, :]), sizes)
        called = sizes[0] > 0.0
        return Liquidatable(np.where(called, 0, -1), np.where(called, first, -1), sizes[0], sizes[1], np.zeros(accounts))


class Bite(Kind):
    """The call of an unsafe vault: a lot of it is put up for sale."""

    name: ClassVar[str] = "bite"
    gas: ClassVar[float] = 300_000.0  # assumption
    looks: ClassVar[bool] = True
    accounts = Kind.in_slots

    def __init__(self, rules: FlipPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot."""
        price_rows(state, picked)
        self.rules.size_calls(state, picked)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """Each vault is looked at anew."""
        price_rows(state, picked)
        state.room_for_lots(len(picked))
        state.n_lots = bite(picked, state.transactions, state.english, seconds(state.time), state.pool.touched, state.book,
                            state.reserves, state.seen.price, state.ledgers, state.lots, state.bids, state.n_lots)
        self.rules.count(state, picked, KICKED)
