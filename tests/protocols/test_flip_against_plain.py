"""Random worlds with English auctions, against the whole of it written down once more without tables: vaults, lots, keepers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from delever.core.tables import COVERED, DEFICIT, HOLDERS, TREASURY
from protocols.flip_worlds import KEEPER, counted, flips, played
from run.small import fall, loan

USD, ETH, BEG, TTL, CHOP, BLOCK = 0, 1, 1.03, 600.0, 1.13, 60.0


@dataclass
class Lot:
    """An auction."""

    vault: int
    units: float
    owed: float
    tab: float
    began: float
    ends: float
    bid: float = 0.0
    by: int = -1
    until: float = np.inf


@dataclass
class Plain:
    """One path. vaults: [ETH, USD] each; keepers: discount, nothing, after, money."""

    vaults: list[list[float]]
    keepers: list[dict[str, Any]]
    tau: float
    lump: float
    lots: list[Lot | None] = field(default_factory=list)
    surplus: float = 0.0
    deficit: float = 0.0
    covered: float = 0.0
    nothing: int = 0

    def block(self, now: float, price: float) -> None:
        """Bites of what is unsafe, then what keepers had decided to send before these."""
        bites = [i for i, (ink, debt) in enumerate(self.vaults) if debt > 0.0 and ink * price / 1.5 < debt]
        sent = [row for i, keeper in enumerate(self.keepers) for row in self.decide(i, keeper, now, price)]
        for i in bites:
            self.bite(i, now)
        for row in sent:
            self.carry_out(now, *row)

    def bite(self, i: int, now: float) -> None:
        ink, debt = self.vaults[i]
        units, due = (ink, debt) if ink <= self.lump else (self.lump, debt * self.lump / ink)
        self.vaults[i] = [ink - units, debt - due]
        lot = Lot(i, units, due, due * CHOP, now, now + self.tau)
        if None in self.lots:
            self.lots[self.lots.index(None)] = lot
        else:
            self.lots.append(lot)

    def decide(self, i: int, keeper: dict[str, Any], now: float, price: float) -> list[tuple[int, Lot, str, float, float]]:
        """Deals, then bids and ticks in the order of lots, with the money that he has at the start of the block."""
        free, rows = keeper["money"], []
        here = [lot for lot in self.lots if lot is not None]
        over = [lot for lot in here if lot.by == i and (lot.until < now or lot.ends < now)]
        rows += [(i, lot, "deal", 0.0, lot.units) for lot in over]
        for lot in here:
            if lot.by == -1 and lot.ends < now:
                rows.append((i, lot, "tick", 0.0, 0.0))
            elif lot.by != i and lot.until > now and lot.ends > now and now - lot.began >= keeper["after"]:
                worth = price * (1.0 - keeper["discount"])
                if keeper["nothing"]:
                    give, units = (1e-9, lot.units) if lot.by == -1 else (0.0, 0.0)
                elif lot.bid < lot.tab:
                    give, units = min(lot.tab, worth * lot.units), lot.units
                else:
                    give, units = lot.tab, lot.tab / worth
                if give > 0.0 and self.beats(lot, give, units) and give <= free and units * price >= give:
                    free -= give
                    rows.append((i, lot, "bid", give, units))
        return rows

    def beats(self, lot: Lot, give: float, units: float) -> bool:
        if lot.bid < lot.tab:
            return units == lot.units and lot.bid < give <= lot.tab and (give == lot.tab or give >= BEG * lot.bid * (1 - 1e-12))
        return give == lot.tab and units < lot.units and BEG * units <= lot.units * (1 + 1e-12)

    def carry_out(self, now: float, i: int, lot: Lot, what: str, give: float, units: float) -> None:
        if not any(one is lot for one in self.lots):
            return
        if what == "tick" and lot.by == -1 and lot.ends < now:
            lot.ends = now + self.tau
        elif what == "bid" and lot.until > now and lot.ends > now and self.beats(lot, give, units):
            if lot.by >= 0:
                self.keepers[lot.by]["money"] += lot.bid
            self.keepers[i]["money"] -= give
            repaid = min(give - lot.bid, lot.owed)
            self.surplus += give - lot.bid - repaid
            lot.owed -= repaid
            self.vaults[lot.vault][0] += lot.units - units
            lot.bid, lot.by, lot.until, lot.units = give, i, now + TTL, units
        elif what == "deal":
            self.keepers[i]["eth"] += lot.units
            self.nothing += lot.bid < 0.01 * lot.tab
            self.deficit += lot.owed
            self.lots = [None if one is lot else one for one in self.lots]
        healed = min(self.surplus, self.deficit)
        self.surplus, self.deficit, self.covered = self.surplus - healed, self.deficit - healed, self.covered + healed


@pytest.mark.parametrize("seed", range(12))
def test_random_worlds_end_the_same(seed: int) -> None:
    rng = np.random.default_rng([17, seed])
    vaults = [[units := float(np.round(10.0 ** rng.uniform(-1, 2.2), 3)), float(np.round(units * rng.uniform(400.0, 660.0), 2))]
              for _ in range(int(rng.integers(1, 25)))]
    moves = [(float(60 * rng.integers(0, 60)), float(np.round(rng.uniform(-0.15, 0.35), 3)))
             for _ in range(int(rng.integers(1, 5)))]
    people = [{"discount": float(np.round(rng.uniform(0.0, 0.2), 3)), "money": float(np.round(10.0 ** rng.uniform(3, 6), 2)),
               "eth": 0.0, "nothing": bool(rng.random() < 0.3), "after": float(rng.choice([0.0, 90.0, 300.0]))}
              for _ in range(int(rng.integers(1, 4)))]
    tau, lump = float(rng.choice([300.0, 1500.0, 90_000.0])), float(rng.choice([10.0, 50.0]))
    actors = {f"k{i}": KEEPER | {"capital": {"USD": one["money"]}, "discount": one["discount"], "nothing": one["nothing"],
                                 "after": one["after"]} for i, one in enumerate(people)}
    world = flips([leg for i, (eth, usd) in enumerate(vaults) for leg in loan(f"v{i:02d}", eth, usd)], {"tau": tau, "lump": lump},
                  actors=actors, scenario={"horizon": 5400, "events": [fall(share, at) for at, share in moves]})
    state, diary = played(world)
    plain = Plain([list(vault) for vault in vaults], [dict(one) for one in people], tau, lump)
    for n in range(1, 91):
        price = 1000.0 * float(np.prod([1.0 - share for at, share in moves if at < n * BLOCK]))
        plain.block(n * BLOCK, price)
    tokens, booked = state.ledgers.tokens[HOLDERS:, :, 0], state.ledgers.booked[:, :, 0].sum(1)
    close = {"rel": 1e-9, "abs": 1e-6}
    gained = [k["money"] - one["money"] for k, one in zip(plain.keepers, people, strict=True)]
    assert tokens[:, USD].tolist() == pytest.approx(gained, **close)
    assert tokens[:, ETH].tolist() == pytest.approx([k["eth"] for k in plain.keepers], **close)
    assert booked[[TREASURY, DEFICIT, COVERED]].tolist() == pytest.approx([plain.surplus, plain.deficit, plain.covered], **close)
    assert counted(diary, state, "won_for_nothing") == [plain.nothing]
    assert int(state.lots.open.sum()) == sum(lot is not None for lot in plain.lots)
