"""The role of an actor: somebody who acts of his own accord, on what he can see and with what he has.

An actor has a row of the token ledger of his own, `setting.holder(name)`: what he gains and loses stands there. His phase serves
all actors of the kind and overrides of core/phase.py what it needs: `observe` once a step; in a block `react` (owners), `bid`
(who takes what rules offer), `offer` (rows of his own), `trade` (on exchanges' books, off chain). He appends rows to
state.transactions, with his row of the ledger as `actor`; how they are carried out says the kind (`kinds`).
He may touch rows, sales and ledgers, and accounts only in `execute` of a kind or in `trade`. What those who bid earn, Earnings
says for all of them; what else is to be said of him says his phase (`columns`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from delever.core.columns import OF, Column, Value, added, market_price, mean_of
from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.core.state import State
from delever.core.tables import HOLDERS
from delever.model.spec import Spec


class Actor(Spec, ABC):
    """What a user states about an actor."""

    answers: ClassVar[bool] = False  # speaks for owners who answer what is about to happen to their accounts
    touches: ClassVar[bool] = False  # acts for accounts of the book, healthy ones too
    buys_lots: ClassVar[bool] = False  # bids on lots that go to whoever bids most
    bids: ClassVar[bool] = False  # takes what rules offer: without any such actor nobody liquidates

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """One phase for all actors of this kind, by name."""

    def trades_for(self) -> tuple[tuple[str, str], ...]:
        """(exchange, account) of accounts whose positions he may turn to the other side."""
        return ()

    def quotes(self) -> bool:
        """Whether he asks what a sale would bring before he takes something."""
        return False

    def says(self) -> str:
        """What of him is assumed, in a few words, for reports."""
        return f"assumed: {self.kind}"


CALLS = "Liquidations"  # section of a report
HELD = "at the end, after gas and with what is on its way over bridges, at market prices of the end"
PROFIT = Column("liquidator_profit", "USD", f"what liquidators hold {HELD}")
EARNED = PROFIT._replace(figures=mean_of(PROFIT.name, PROFIT.meaning), section=CALLS)  # where somebody lends
END = "at market prices of the end"
SPLIT = tuple(Column(name, "USD", f"{text}, {END}", mean_of(name, f"{text}, {END}"), section=CALLS) for name, text in (
    ("liquidator_gains", "what liquidators gained before they paid for room in blocks: what they hold at the end, with what is "
                         "on its way over bridges, and what they paid"),  # less the others it is the profit
    ("liquidator_gas", "gas of liquidators' transactions that were carried out, at the least bid (base fee)"),
    ("liquidator_tips", "what liquidators bid beyond the least for transactions that were carried out"),
    ("liquidator_reverts", "fees of liquidators' transactions that were included and reverted")))
EACH = Column("profit", "USD", f"what {OF} gained: what they hold {HELD}", mean_of("profit", f"what {OF} holds {HELD}"),
              section=CALLS)


ACTED = Column("acted", "count", f"whether {OF} gave or got anything")


class Earnings(Phase):
    """What those who take what rules offer earn: all of them together, and each of several; and who did anything at all."""

    def __init__(self, setting: Setting) -> None:
        self.holders = {name: setting.holder(name) for name, actor in setting.world.actors.items()
                        if getattr(actor, "bids", False)}  # by name: row of the token ledger
        self.column = EARNED if setting.world.lending else PROFIT
        self.made_of = SPLIT if setting.world.lending else tuple(one._replace(figures=(), section="") for one in SPLIT)
        self.pays = any(setting.networks)  # else gas is free
        self.everybody = {name: setting.holder(name) for name in setting.world.actors}

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py."""
        whole = Value(self.column, worth(state, list(self.holders.values())))
        several = self.holders if len(self.holders) > 1 else {}
        acted = {name: (state.ledgers.tokens[holder] != 0.0).any(axis=0) for name, holder in self.everybody.items()}
        return [whole, *(self.split(state, whole.values) if self.pays else ()),
                *(Value(EACH, worth(state, [holder]), of=name) for name, holder in several.items()),
                *(Value(ACTED, did.astype(np.int64), of=name, place=f"actors.{name}") for name, did in acted.items())]

    def split(self, state: State, profit: np.ndarray) -> list[Value]:
        """What the profit [P] is made of, USD. Kinds of fees in the order of core/tables.py."""
        usd = [market_price(state, int(a)) for a in state.networks.native]
        paid = [added([fees[holder, c] * usd[c] for holder in self.holders.values() for c in range(len(usd))], state.paths)
                for fees in state.tally.fees]
        rows = (added([profit, *paid], state.paths), *paid)
        return [Value(column, row) for column, row in zip(self.made_of, rows, strict=True)]


def worth(state: State, holders: list[int]) -> np.ndarray:
    """Market value of what these have gained [P], USD; what is in flight over a bridge, also over a dead one, is still theirs."""
    usd = np.zeros(state.paths)
    for a in range(state.ledgers.tokens.shape[1]):
        price = market_price(state, a)
        for holder in holders:  # row by row: NumPy's sum has another order, which moves a bit
            units = state.ledgers.tokens[holder, a]
            if len(state.bridges.fee):
                units = units + state.purses.coming[:, holder - HOLDERS, a].sum(0)
            usd += units * price
    return usd
