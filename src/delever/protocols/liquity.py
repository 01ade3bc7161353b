"""Liquity v1: troves mint a stablecoin against one collateral; a stability pool burns debt of those that fall, and gets theirs.

    liquidation   ratio < MCR = 1 / `liquidation_threshold`: debt against the pool as far as it goes, the rest redistributed
                  to the others by stake; all troves together below `critical_ratio`: recovery mode, harsher (liquity_formulas.py)
    redemption    anybody hands in stablecoin for collateral of the troves with the lowest ratios, at a fee (liquity_redeem.py)
Nobody needs capital to liquidate, and nothing is sold by it: what depositors of the pool do with collateral they gained is
`pool_sells`. A redistribution touches no trove: it raises two indices a unit of stake (liquity_system.py). Each pair of
collateral and stablecoin of a book is a system of its own. The incentive of a collateral means nothing. The contract reads
no price of its stablecoin: give that a feed of kind `fixed`.
Source: liquity/dev @5174ecd0 (mainnet, 5 April 2021); `head_2025`: @39f1f7f8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Value
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.settlement import still_pays
from delever.core.state import State
from delever.model.quantity import Amount, Count, Ratio, Seconds, Share
from delever.protocols.base import Rules, rounds
from delever.protocols.liquity_book import read_systems
from delever.protocols.liquity_phase import TrovesPhase
from delever.protocols.liquity_redeem import offer_redemptions, redeem_rows, size_redemptions
from delever.protocols.liquity_results import recovery, results
from delever.protocols.liquity_system import PROTOCOL, System


class Liquity(Rules):
    """Terms of all systems of the protocol."""

    kind: ClassVar[str] = "liquity"
    lends: ClassVar[bool] = False
    watches: ClassVar[bool] = True
    unseen: ClassVar[str] = "what is redistributed, redeemed or taken in recovery mode"
    version: Literal["v1", "head_2025"] = Field("v1", examples=["v1"], description=(
        "v1: as deployed; head_2025: the pool keeps 1 unit, and recovery mode counts all that a call takes"))
    stability_pool: dict[str, Amount] = Field({}, description="stablecoin deposited at the start, by collateral; assumption")
    pool_sells: Share = Field(0.0, le=1, description="share of what the pool gains that its depositors sell at once; assumption")
    critical_ratio: Ratio = Field(1.5, gt=1, description="CCR: all troves together below it are in recovery mode")
    compensation: Share = Field(0.005, lt=1, description="share of a trove's collateral that the caller gets")
    set_aside: Amount = Field(200.0, ge=0, description="stablecoin of each debt that the caller gets, too")
    per_call: Count = Field(1, ge=1, description="troves that one call liquidates at most, lowest ratio first")
    redemptions: bool = Field(True, description="stablecoin may be redeemed")
    fee_floor: Share = Field(0.005, le=1, description="least fee of a redemption, of the collateral")
    base_rate: Share = Field(0.0, le=1, description="what the fee has above it at the start")
    half_life: Seconds = Field(43_200.0, gt=0, description="of the base rate")
    beta: Ratio = Field(2.0, gt=0, description="the base rate rises by the share of all stablecoin redeemed / this")
    least_debt: Amount = Field(2000.0, ge=0, description="what a trove must owe at least after a redemption")

    def unread(self) -> tuple[str, ...]:
        """See Rules: what a trove gives for its debt is all it has."""
        return ("incentive",)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> LiquityPhase:
        """All protocols with these rules."""
        return LiquityPhase(specs, setting)

    def terms(self, collateral: str, mcr: float) -> np.ndarray:
        """The columns of liquity_formulas.py, the same for every collateral but for its MCR."""
        head = float(self.version == "head_2025")
        return np.array([mcr, self.critical_ratio, self.compensation, self.set_aside, head, head, self.fee_floor, self.half_life,
                         self.beta, self.least_debt, self.base_rate, float(self.per_call), self.pool_sells, *[np.inf] * 3])


class LiquityPhase(TrovesPhase):
    """All systems, ready to run."""

    def __init__(self, specs: Mapping[str, Liquity], setting: Setting) -> None:
        super().__init__(tuple(specs), [system for name, spec in specs.items() for system in read_systems(
            name, spec.terms, spec.stability_pool, None, setting)], setting)
        self.redeems = [specs[setting.protocols[system.of[PROTOCOL]]].redemptions for system, _ in self.systems]
        self.redemption = Redemption(self)

    def kinds(self) -> Sequence[Kind]:
        """What a trove that may be liquidated offers, what all of them do."""
        return (self.call, self.redemption)

    def redeemed(self, state: State, picked: np.ndarray) -> Iterator[tuple[System, np.ndarray]]:
        """Rows that redeem, by system."""
        for number, mine in self.split(state.transactions.ref[picked], picked):
            yield self.systems[number].system, mine

    def size(self, state: State, picked: np.ndarray) -> None:
        """Those of these rows that are of its kinds, at what stands."""
        super().size(state, picked)
        rows = state.transactions
        for system, mine in self.redeemed(state, picked[rows.kind[picked] == self.redemption.number]):
            size_redemptions(mine, state.time, system, state.reserves, state.seen, state.liquidity, rows)

    def offer(self, state: State) -> None:
        """Troves that may be liquidated, and redemptions that pay, of the paths that take part."""
        for number, (system, _) in enumerate(self.systems):
            self.offer_calls(state, number)
            if self.redeems[number]:
                state.n_rows = offer_redemptions(number, self.redemption.number, state.time, state.active, system, state.reserves,
                                                 state.seen, state.liquidity, state.transactions, state.n_rows)

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What liquidations and redemptions came to."""
        systems = [system for system, _ in self.systems]
        return [*results(state, systems, self.numbers, self.assets), *recovery(state, systems, self.assets)]


class Redemption(Kind):
    """Of stablecoin for collateral."""

    name: ClassVar[str] = "trove_redemption"
    gas: ClassVar[float] = 600_000.0  # assumption
    trades: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    def __init__(self, rules: LiquityPhase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: others may have redeemed before, or moved the market."""
        self.rules.size(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Of several who redeem in a batch each finds what those before him have left."""
        rows = state.transactions
        price_rows(state, picked)
        for place, later in rounds(rows.path[picked] * len(self.rules.systems) + rows.ref[picked]):
            mine = picked[place]
            late = mine if state.slot or later else mine[state.changed[rows.path[mine]]]
            if len(late):
                self.check(state, late)
            state.room_for_sales(len(mine))
            for system, some in self.rules.redeemed(state, mine):
                state.n_sales = redeem_rows(some, state.time, system, state.reserves, state.seen, state.ledgers, rows,
                                            state.sales, state.n_sales)
