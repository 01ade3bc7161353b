"""One vault, and the transactions of its auction, through the phase and kernels that a run uses."""

from __future__ import annotations

from typing import Any

import numpy as np

from delever.core.empty import new_ledgers
from delever.core.tables import HOLDERS, INCLUDED, OFFERED, SLOTS
from delever.engine.conservation import residual
from delever.protocols.clip import CURVES, ClipPhase
from delever.protocols.clip_formulas import OURS
from delever.run.assemble import assemble, phases
from delever.run.start import new_state
from run.small import loan, one_market

TERMS: dict[str, Any] = {"kind": "clip", "curve": "stairstep", "cut": 0.99, "step": 90, "buf": 1.2, "tail": 8400, "cusp": 0.4}
USD, ETH, BTC = 0, 1, 2
KEEPER = HOLDERS


class OneVault:
    """ETH against USD on one path; the clock and what is seen are set by whoever asks."""

    def __init__(self) -> None:
        world = one_market(loan("a", 1.0, 1.0), rules=TERMS, assets={"ETH": {"price": 1000.0}, "BTC": {"price": 1.0}})
        model = assemble(world)
        chunk = phases(model, 1, ())
        self.rules = next(phase for phase in chunk.rules if isinstance(phase, ClipPhase))
        self.state = new_state(model, 0, 1, chunk)
        self.eth, self.usd = model.positions.reserve("pool", "ETH"), model.positions.reserve("pool", "USD")
        self.debt = int(self.state.book.first_debt[0])

    def set(self, terms: dict[str, float], *, ink: float = 0.0, art: float = 0.0, rate: float = 1.0, mat: float = 1.5,
            chop: float = 1.0) -> None:
        """A new vault, a new auction house. terms: what differs from no tip, no dust, no limits."""
        state, book = self.state, self.state.book
        usual = {"curve": 0.0, "buf": 1.0, "cut": 1.0, "step": 1.0, "tau": 1.0, "tail": np.inf, "cusp": 0.0, "tip": 0.0,
                 "chip": 0.0, "dust": 0.0, "hole": np.inf, "hole_of_all": np.inf}
        self.rules.parameters[0] = [1.0, *(usual | terms).values()]
        assert OURS == 0
        ones = np.ones_like(state.reserves.supply_index)
        borrow = ones.copy()
        borrow[self.usd] = rate
        state.reserves = state.reserves._replace(supply_index=ones, borrow_index=borrow)
        book.threshold[0, 0], book.incentive[0, 0] = 1.0 / mat, chop - 1.0
        touched = state.pool.touched
        touched.account[0], touched.path[0], touched.flags[0] = 0, 0, 0
        for amount in (touched.amount, book.amount):
            amount[0, 0], amount[0, self.debt] = ink, art
        state.watch.counts[SLOTS] = 1
        for column in state.lots:
            column[:] = 0
        state.n_lots, state.time = 0, 1e6
        state.ledgers = new_ledgers(3, 2, 1, state.ledgers.totals.shape[0], 1, 1)
        state.seen.stamp[:] = state.seen.number[0]

    def see(self, price: float, par: float = 1.0) -> None:
        """What the protocol sees ETH and its own money at [USD]."""
        self.state.seen.price[0, self.eth], self.state.seen.price[0, self.usd] = price, par

    def put_up(self, units: float, tab: float, top: float, asset: int = ETH, age: float = 0.0) -> int:
        """A lot of the vault that is for sale already, without penalty; its row."""
        state = self.state
        k = state.n_lots
        lots = state.lots
        lots.path[k], lots.protocol[k], lots.slot[k], lots.leg[k], lots.reserve[k], lots.open[k] = 0, 0, 0, 0, self.usd, 1
        lots.get_asset[k], lots.give_asset[k], lots.units[k], lots.tab[k], lots.owed[k] = asset, USD, units, tab, tab
        lots.top[k], lots.started[k] = top, state.time - age
        state.n_lots += 1
        return k

    def row(self, kind: int, ref: int, most: float = 0.0, highest: float = np.inf) -> int:
        """The only row: a kick (0), take (1) or redo (2). highest: price that its sender had seen."""
        rows = self.state.transactions
        for column in rows:
            column[0] = 0
        rows.kind[0], rows.state[0], rows.ref[0], rows.actor[0] = self.rules.kinds()[kind].number, OFFERED, ref, KEEPER
        rows.give_asset[0], rows.get_asset[0], rows.number[0], rows.most[0] = USD, ETH if kind == 1 else USD, 7, most
        if kind:
            rows.cause[0] = self.state.lots.cause[ref]  # as what is for sale is offered
        if highest < np.inf:
            rows.give[0], rows.get[0] = highest, 1.0
        self.state.n_rows = 1
        return 0

    def offered(self, kind: int, ref: int = 0, most: float = 0.0) -> tuple[int, float, float]:
        """(state, give, get) of a row as it is sized for bidders."""
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

    def leak(self) -> float:
        """See engine/conservation.py."""
        return float(residual(self.state, 1).max())


def curve_of(case: dict[str, Any]) -> dict[str, float]:
    """The columns of a case's price curve."""
    curve = case["curve"]
    terms = {"curve": float(CURVES.index(curve))}
    if curve == "linear":
        return terms | {"tau": float(case["tau"])}
    return terms | {"cut": float(case["cut"][1])} | ({"step": float(case["step"])} if curve == "stairstep" else {})
