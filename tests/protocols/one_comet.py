"""One account of a Comet and its storefront, through the phase and kernels that a run uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from delever.core.empty import new_ledgers
from delever.core.tables import DEPOSITS, HOLDERS, INCLUDED, OFFERED, SLOTS, TREASURY
from delever.engine.conservation import residual
from delever.protocols.comet import CometPhase
from delever.protocols.comet_storefront import COUNTED_ON, OURS, START, STORE_FRONT, TARGET, UNITS
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from run.small import one_market

ASSETS = ("A", "B", "C")  # collaterals
ABSORB, BUY = range(2)
CALLER = HOLDERS


class Held(NamedTuple):
    """A collateral of the account."""

    units: float
    price: float  # [USD]
    threshold: float  # liquidate collateral factor
    factor: float  # liquidation factor


class OneComet:
    """An account with up to three collaterals, on one path; what is seen and held is set by whoever asks."""

    def __init__(self) -> None:
        legs = [*(("a", asset, "collateral", 1.0) for asset in ASSETS), ("a", "USDC", "debt", 1.0)]
        world = one_market(
            legs, rules={"kind": "comet", "base": "USDC", "store_front": 0.5, "target": 1.0},
            assets={"ETH": {"price": 1000.0}, "USDC": {"peg": "USD", "ratio": 1.0}, **{a: {"price": 1.0} for a in ASSETS}},
            parameters={"USDC": {"liquidation_threshold": 0.0, "incentive": 0.0},
                        **{asset: {"liquidation_threshold": 0.8, "incentive": 0.05} for asset in ASSETS}})
        model = assemble(world)
        chunk = phases(model, 1, ())
        self.rules = next(phase for phase in chunk.rules if isinstance(phase, CometPhase))
        self.state = new_state(model, 0, 1, chunk)
        self.base = model.positions.reserve("pool", "USDC")
        self.reserve = [model.positions.reserve("pool", asset) for asset in ASSETS]
        self.debt = int(self.state.book.first_debt[0])
        self.shape = (len(model.layout.assets), len(model.positions.reserves))
        asset = self.state.reserves.asset
        self.asset, self.base_asset = [int(asset[r]) for r in self.reserve], int(asset[self.base])

    def set(self, held: Sequence[Held], owed: float, *, base_price: float = 1.0, index: float = 1.0, store_front: float = 0.5,
            target: float = np.inf, reserves: float = 0.0, counted_on: float = 1.0, decimals: int = 6) -> None:
        """A new account of a new protocol. owed: units at index 1; index: of what is owed; decimals: of the base."""
        state, book = self.state, self.state.book
        row = self.rules.parameters[0, 0]
        row[OURS], row[STORE_FRONT], row[TARGET], row[START], row[COUNTED_ON] = 1.0, store_front, target, reserves, counted_on
        row[UNITS] = 10.0 ** decimals
        borrow = np.ones_like(state.reserves.borrow_index)
        borrow[self.base] = index
        state.reserves = state.reserves._replace(borrow_index=borrow)
        state.seen.price[0, self.base] = base_price
        touched = state.pool.touched
        touched.account[0], touched.path[0], touched.flags[0] = 0, 0, 0
        for amount in (touched.amount, book.amount):
            amount[0, :] = 0.0
            amount[0, self.debt] = owed
        for k in range(len(ASSETS)):
            place = int(np.flatnonzero(book.reserve[0, :len(ASSETS)] == self.reserve[k])[0])
            units, price, threshold, factor = held[k] if k < len(held) else Held(0.0, 1.0, 0.5, 0.9)
            book.threshold[0, place], book.incentive[0, place] = threshold, 1.0 / factor - 1.0
            self.rules.incentive[self.reserve[k]] = 1.0 / factor - 1.0
            state.seen.price[0, self.reserve[k]] = price
            touched.amount[0, place] = book.amount[0, place] = units
        state.watch.counts[SLOTS], state.slot = 1, 0
        state.changed[:] = True
        totals = state.ledgers.totals.shape[0]
        state.ledgers = new_ledgers(*self.shape, 1, totals, 1, 1)
        state.seen.stamp[:] = state.seen.number[0]

    def stock(self, k: int, units: float) -> None:
        """The protocol has so much of a collateral for sale, which an account has lost."""
        booked = self.state.ledgers.booked[:, self.reserve[k], 0]
        booked[TREASURY], booked[DEPOSITS] = units, -units

    def row(self, kind: int, ref: int, most: float = 0.0, highest: float = np.inf) -> int:
        """The only row. highest: price in base that its sender had seen."""
        rows = self.state.transactions
        for column in rows:
            column[0] = 0
        rows.kind[0], rows.state[0], rows.ref[0], rows.actor[0] = self.rules.kinds()[kind].number, OFFERED, ref, CALLER
        rows.give_asset[0], rows.most[0] = self.base_asset, most
        rows.get_asset[0] = self.base_asset if kind == ABSORB else int(self.state.reserves.asset[ref])
        if highest < np.inf:
            rows.give[0], rows.get[0] = highest, 1.0
        self.state.n_rows, self.state.n_sales = 1, 0
        return 0

    def offered(self, kind: int, ref: int = 0, most: float = 0.0) -> tuple[int, float, float]:
        """(state, give, get) of a row as it is sized for bidders. ref: 0, the account; of a purchase the reserve."""
        i = self.row(kind, ref, most)
        self.rules.size(self.state, np.array([i]))
        rows = self.state.transactions
        return int(rows.state[i]), float(rows.give[i]), float(rows.get[i])

    def done(self, kind: int, ref: int = 0, most: float = 0.0, highest: float = np.inf) -> tuple[int, float, float]:
        """(state, give, get) of a row that is carried out."""
        i = self.row(kind, ref, most, highest)
        rows = self.state.transactions
        rows.state[i] = INCLUDED
        self.rules.kinds()[kind].execute(self.state, np.array([i]))
        return int(rows.state[i]), float(rows.give[i]), float(rows.get[i])

    def booked(self, what: int, k: int | None = None) -> float:
        """Of the base, or of a collateral."""
        return float(self.state.ledgers.booked[what, self.base if k is None else self.reserve[k], 0])

    def total(self, outcome: int) -> float:
        return float(self.state.ledgers.totals[outcome, 0, 0])

    def leak(self) -> float:
        """See engine/conservation.py."""
        return float(residual(self.state, 1).max())


def terms(case: dict[str, Any]) -> dict[str, Any]:
    """What a case of the storefront says of the protocol."""
    return {"base_price": float(case["base_price"][1]), "store_front": float(case["store_front_price_factor"][1]),
            "target": float(case["target_reserves"][1]), "reserves": float(case["reserves"][1]),
            "decimals": case["base_decimals"]}
