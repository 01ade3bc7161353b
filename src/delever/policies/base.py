"""The role of a policy: a rule that changes or stops other rules, as a protocol, a venue or a regulator sets it.

The phase of a kind serves all policies of that kind. Of core/phase.py it overrides what it needs; the step calls

  adapt     once a step, once prices stand and interest has grown, on all paths: terms of the step (margins, caps, fees)
  restrain  in every block, on the paths of state.active, once who is unhealthy is known and before anything is sized: rows
            first..last-1 of state.transactions are calls of lending, state.pool.called[:n_called] accounts of exchanges.
            state.seen.price is fresh on the paths of both. What may not be called now is struck: a row gets the state NOTHING
            (owners see it all the same, nobody takes it); an account is left out of `called`, in order, and n_called lessened.
            What is halted (state.halts) the engine strikes itself, after all policies
  afford    at their slot, before rows of a kind are carried out: revert what is not allowed by then. Only here are copies seen:
            several who take one call have a row each, made after `restrain`
  wake      at the end of every block, once accounts are back on watch: lower state.wake of a path to the moment at which the
            policy wants a block there; state.pool.standing[:watch.counts[STANDING]] are all accounts that are unhealthy then

It may write state.halts, state.networks, rows' states and `called` as said, terms that vary by path, and its counters; no
accounts, no prices, no other ledgers. What it remembers is its own, by path or by touched slot (which grow).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.model.spec import Spec


class Policy(Spec, ABC):
    """What a user states about a policy."""

    touches: ClassVar[bool] = False  # looks up accounts of the book, healthy ones too

    @classmethod
    @abstractmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """One phase for all policies of this kind, by name."""


def names(value: object) -> object:
    """One name stands for a list of it."""
    return (value,) if isinstance(value, (str, int, float)) else value
