"""Liquity v2 (BOLD): one stablecoin minted against several collaterals, each a branch with its troves and its stability pool.

    liquidation   ratio < MCR = 1 / `liquidation_threshold`, always: debt against the branch's pool as far as it goes, for what
                  is worth 1 + `pool_penalty` of it; the rest to the branch's other troves for 1 + `spread_penalty`; what is left
                  is the owner's (liquity_formulas.py)
    interest      each owner states his rate, and who states least is redeemed first (liquity_v2_branch.py)
    redemption    of a basket of all branches, by what their pools do not cover (liquity_v2_redeem.py)
    shutdown      of a branch, for good, with urgent redemptions at a bonus (liquity_v2_urgent.py)
Every collateral of a protocol's book is a branch; what all of them mint is one stablecoin. CCR restricts who borrows, which
nobody does here. The contract reads no price of its stablecoin: give that a feed of kind `fixed`.
Source: liquity/bold @00aa9df0 (contracts/src), @043b7464 (Constants.sol).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from delever.core.columns import Value
from delever.core.phase import Kind
from delever.core.seen_prices import price_rows
from delever.core.setting import Setting
from delever.core.settlement import still_pays
from delever.core.state import State
from delever.model.quantity import Amount, Count, PerYear, Ratio, Seconds, Share, Text
from delever.protocols.base import Rules, rounds
from delever.protocols.liquity_book import read_systems
from delever.protocols.liquity_formulas import MCR
from delever.protocols.liquity_phase import TrovesPhase
from delever.protocols.liquity_results import results
from delever.protocols.liquity_system import COLLATERAL_RESERVE, PROTOCOL
from delever.protocols.liquity_v2_book import known, lay_branch, registries
from delever.protocols.liquity_v2_branch import DOWN_AT, accrue, shut_down
from delever.protocols.liquity_v2_redeem import (
    OF_PROTOCOL,
    Registry,
    measure,
    offer_baskets,
    redeem_branch,
    settle_baskets,
    size_baskets,
    split,
)
from delever.protocols.liquity_v2_results import branch_stands, branch_told, keep_rate
from delever.protocols.liquity_v2_urgent import offer_urgent, size_urgent, urgent_rows


class LiquityV2(Rules):
    """Terms of all branches of the protocol."""

    kind: ClassVar[str] = "liquity_v2"
    lends: ClassVar[bool] = False
    watches: ClassVar[bool] = True
    unseen: ClassVar[str] = "what is redistributed or redeemed"
    stability_pool: dict[str, Amount] = Field({}, description="stablecoin deposited at the start, by collateral; assumption")
    pool_sells: Share = Field(0.0, le=1, description="share of what pools gain that their depositors sell at once; assumption")
    pool_keeps: Amount = Field(1.0, ge=0, description="stablecoin of a pool that no liquidation burns")
    pool_yield: Share = Field(0.75, le=1, description="share of interest that a branch's depositors get; governance the rest")
    interest_rate: PerYear = Field(0.05, ge=0, le=2.5, description="of troves for which the book says none; assumption")
    pool_penalty: Share = Field(0.05, description="collateral that a pool gets beyond the worth of what it burns, at most")
    spread_penalty: dict[str, Share] = Field(
        {}, description="the same of those to whom debt is redistributed, by collateral; not stated: MCR - 1, as on mainnet")
    shutdown_ratio: dict[str, Ratio] = Field(
        {}, description="SCR by collateral: a branch all together below it is shut down; not stated: MCR, as on mainnet")
    compensation: Share = Field(0.005, lt=1, description="share of a trove's collateral that the caller gets")
    compensation_cap: Amount = Field(2.0, ge=0, description="units of collateral a trove that he gets so, at most")
    set_aside: Amount = Field(0.0375, ge=0, description="units that each trove has set aside for the caller")
    set_aside_asset: Text | None = Field("WETH", examples=["ETH"], description="what that is, a collateral; null: the stablecoin")
    per_call: Count = Field(1, ge=1, description="troves that one call liquidates at most, lowest ratio first")
    redemptions: bool = Field(True, description="stablecoin may be redeemed")
    fee_floor: Share = Field(0.005, le=1, description="least fee of a redemption, of the collateral; it stays with the trove")
    base_rate: Share = Field(0.0, le=1, description="what the fee has above it at the start")
    half_life: Seconds = Field(21_600.0, gt=0, description="of the base rate")
    beta: Ratio = Field(1.0, gt=0, description="the base rate rises by the share of all stablecoin redeemed / this")
    least_debt: Amount = Field(2000.0, ge=0, description="debt below which a redemption leaves a trove as a zombie, next in line")
    urgent_bonus: Share = Field(0.02, description="collateral beyond face value that an urgent redemption gets")

    def unread(self) -> tuple[str, ...]:
        """See Rules: what liquidations take beyond the debt is stated here."""
        return ("incentive",)

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> LiquityV2Phase:
        """All protocols with these rules."""
        return LiquityV2Phase(specs, setting)

    def terms(self, collateral: str, mcr: float) -> np.ndarray:
        """The columns of liquity_formulas.py for a branch. There is no recovery mode: CCR 0."""
        penalty = self.spread_penalty.get(collateral, mcr - 1.0)
        return np.array([mcr, 0.0, self.compensation, self.set_aside, self.pool_keeps, 0.0, self.fee_floor, self.half_life,
                         self.beta, self.least_debt, self.base_rate, float(self.per_call), self.pool_sells, self.compensation_cap,
                         1.0 + self.pool_penalty, 1.0 + penalty])

    def branch(self, collateral: str, mcr: float) -> np.ndarray:
        """The terms of liquity_v2_branch.py."""
        return np.array([self.shutdown_ratio.get(collateral, mcr), self.pool_yield, self.urgent_bonus])


class LiquityV2Phase(TrovesPhase):
    """All branches, ready to run."""

    def __init__(self, specs: Mapping[str, LiquityV2], setting: Setting) -> None:
        super().__init__(tuple(specs), [system for name, spec in specs.items() for system in read_systems(
            name, spec.terms, spec.stability_pool, spec.set_aside_asset, setting)], setting)
        spec_of = [specs[setting.protocols[system.of[PROTOCOL]]] for system, _ in self.systems]
        for name, spec in specs.items():
            for field in ("spread_penalty", "shutdown_ratio"):
                known(name, field, getattr(spec, field), setting)
        self.branches = [lay_branch(spec.branch(setting.reserves[system.of[COLLATERAL_RESERVE]][1], system.terms[MCR]),
                                    spec.interest_rate, system, setting)
                         for (system, _), spec in zip(self.systems, spec_of, strict=True)]
        self.registries, self.members = registries([system for system, _ in self.systems], setting)
        self.redeems = [specs[setting.protocols[reg.of[OF_PROTOCOL]]].redemptions for reg in self.registries]
        self.redemption, self.urgent = Redemption(self), UrgentRedemption(self)

    def kinds(self) -> Sequence[Kind]:
        """What a trove that may be liquidated offers, what all of them do, what a branch that is shut down does."""
        return (self.call, self.redemption, self.urgent)

    def measure(self, state: State, number: int, paths: np.ndarray) -> Registry:
        """A registry as its branches stand on these paths."""
        reg = self.registries[number]
        for b, i in enumerate(self.members[number]):
            measure(b, paths, self.systems[i].system, self.branches[i], reg, state.reserves, state.seen)
        split(paths, reg)
        return reg

    def size(self, state: State, picked: np.ndarray) -> None:
        """Those of these rows that are of its kinds, at what stands."""
        super().size(state, picked)
        rows = state.transactions
        mine = picked[rows.kind[picked] == self.redemption.number]
        for number, some in self.split(rows.ref[mine], mine):
            reg = self.measure(state, number, np.unique(rows.path[some]))
            size_baskets(some, state.time, reg, state.liquidity, state.halts.trading, rows)
        mine = picked[rows.kind[picked] == self.urgent.number]
        for number, some in self.split(rows.ref[mine], mine):
            size_urgent(some, self.systems[number].system, self.branches[number], state.reserves, state.seen, state.liquidity,
                        rows)

    def offer(self, state: State) -> None:
        """Interest and shutdowns; then troves that may be liquidated, and redemptions that pay, of the paths that take part."""
        reserves, seen, liquidity = state.reserves, state.seen, state.liquidity
        for number, ((system, _), branch) in enumerate(zip(self.systems, self.branches, strict=True)):
            accrue(state.time, state.active, system, branch, reserves, state.ledgers)
            shut_down(state.time, state.active, system, branch, reserves, seen)
            self.offer_calls(state, number)
        paths = np.flatnonzero(state.active)
        for number, redeems in enumerate(self.redeems):
            if redeems:
                state.room_for_rows(len(paths) + 1)
                reg = self.measure(state, number, paths)
                state.n_rows = offer_baskets(number, self.redemption.number, state.time, paths, reg, liquidity,
                                             state.halts.trading, state.transactions, state.n_rows)
        for number, ((system, _), branch) in enumerate(zip(self.systems, self.branches, strict=True)):
            down = np.flatnonzero(state.active & (branch.now[:, DOWN_AT] < np.inf))
            if len(down):
                state.room_for_rows(len(down) + 1)
                state.n_rows = offer_urgent(number, self.urgent.number, down, system, branch, reserves, seen, liquidity,
                                            state.transactions, state.n_rows)

    def amounts(self, state: State) -> list[Value]:
        """See core/columns.py. How pools, troves and branches stand."""
        for reg, members in zip(self.registries, self.members, strict=True):
            keep_rate(reg, [self.systems[i].system for i in members])
        own = [value for (system, _), branch in zip(self.systems, self.branches, strict=True)
               for value in branch_stands(state, system, branch, self.assets)]
        return [*super().amounts(state), *own]

    def columns(self, state: State) -> list[Value]:
        """See core/columns.py. What liquidations, redemptions and interest came to."""
        own = [value for (system, _), branch in zip(self.systems, self.branches, strict=True)
               for value in branch_told(state, system, branch, self.assets)]
        return [*results(state, [system for system, _ in self.systems], self.numbers, self.assets), *own]


class Redeeming(Kind):
    """Of stablecoin, for what branches have."""

    trades: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    def __init__(self, rules: LiquityV2Phase) -> None:
        self.rules = rules

    def check(self, state: State, picked: np.ndarray) -> None:
        """As at its slot: others may have redeemed before, or moved the market."""
        self.rules.size(state, picked)
        still_pays(picked, state.transactions, state.tree, state.profiles, state.markets)


class Redemption(Redeeming):
    """Of stablecoin for a basket of collateral."""

    name: ClassVar[str] = "basket_redemption"
    gas: ClassVar[float] = 1_500_000.0  # assumption

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Of several who redeem in a batch each finds what those before him have left."""
        rows, rules = state.transactions, self.rules
        price_rows(state, picked)
        for place, _ in rounds(rows.path[picked] * len(rules.registries) + rows.ref[picked]):
            mine = picked[place]
            self.check(state, mine)
            state.room_for_sales(len(rules.systems) * len(mine))
            for number, some in rules.split(rows.ref[mine], mine):
                reg = rules.registries[number]
                for b, i in enumerate(rules.members[number]):
                    state.n_sales = redeem_branch(b, some, rules.systems[i].system, rules.branches[i], reg, state.reserves,
                                                  state.ledgers, rows, state.sales, state.n_sales)
                settle_baskets(some, state.time, reg, state.ledgers, rows)


class UrgentRedemption(Redeeming):
    """Of stablecoin for collateral of a branch that is shut down."""

    name: ClassVar[str] = "urgent_redemption"
    gas: ClassVar[float] = 800_000.0  # assumption

    def execute(self, state: State, picked: np.ndarray) -> None:
        """See Kind. Of several who redeem in a batch each finds what those before him have left."""
        rows, rules = state.transactions, self.rules
        price_rows(state, picked)
        for place, _ in rounds(rows.path[picked] * len(rules.systems) + rows.ref[picked]):
            mine = picked[place]
            self.check(state, mine)
            state.room_for_sales(len(mine))
            for number, some in rules.split(rows.ref[mine], mine):
                state.n_sales = urgent_rows(some, rules.systems[number].system, rules.branches[number], state.reserves,
                                            state.seen, state.ledgers, rows, state.sales, state.n_sales)
