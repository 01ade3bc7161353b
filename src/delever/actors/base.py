"""The role of an actor: somebody who acts of his own accord, on what he can see and with what he has.

An actor has a row of the token ledger of his own, `setting.holder(name)`: what he gains and loses stands there. His phase serves
all actors of the kind and overrides of core/phase.py what it needs: `observe` once a step; in a block `react` (owners), `bid`
(who takes what rules offer), `offer` (rows of his own), `trade` (on exchanges' books, off chain). He appends rows to
state.transactions, with his row of the ledger as `actor`; how they are carried out says the kind (`kinds`).
He may touch rows, sales and ledgers, and accounts only in `execute` of a kind or in `trade`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.model.spec import Spec


class Actor(Spec, ABC):
    """What a user states about an actor."""

    answers: ClassVar[bool] = False  # speaks for owners who answer what is about to happen to their accounts
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
