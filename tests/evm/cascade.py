"""A cascade drawn by seed, and what Aave 3.6 with pairs of Uniswap v2 as its oracle and its exit makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evm.aave_pool import ALL, CALLER, TREASURY, Pool, Reserve
from evm.chain import Refused
from evm.pairs import Pairs

WHOLE, USD = 10**18, 10**8  # units of every token here, of the pool's unit of account
COLLATERALS = ("WETH", "TBTC")  # dear enough for a price in 1e-8 USD to have eleven digits
BLOCKS = 40
LEAST_LEFT = 1000 * USD + 3  # that a mended call leaves of either side; the contract's unit is rounded up and down


@dataclass(frozen=True)
class Terms:
    """Of a collateral [basis points], and its pair with DAI [smallest units]."""

    threshold: int
    bonus: int
    pooled: int
    dai: int


@dataclass(frozen=True)
class Borrower:
    """Who owes DAI. Smallest units."""

    name: str
    held: dict[str, int]
    owed: int

    @property
    def address(self) -> str:
        return "0x" + self.name[1:].rjust(40, "b")


@dataclass(frozen=True)
class Drawn:
    """What both worlds are made of."""

    terms: dict[str, Terms]
    fee: int  # of the bonus [basis points]
    borrowers: tuple[Borrower, ...]
    orders: tuple[tuple[int, str, int], ...]  # block from 1 on, what is sold at its end, smallest units


@dataclass(frozen=True)
class Call:
    """A liquidation, units; what was seized includes what the protocol kept."""

    block: int
    account: str
    collateral: str
    repaid: float
    seized: float
    kept: float


@dataclass(frozen=True)
class Told:
    """What happened: every call in its order; after each block the deficit so far [DAI] and the prices [DAI]."""

    calls: list[Call]
    deficit: list[float]
    prices: list[list[float]]
    orders: list[float]  # what each brought [DAI]
    mended: int = 0  # calls whose first offer would have left dust
    written_off: int = 0  # accounts that left a deficit


def drawn(seed: int) -> Drawn:
    """Two pools, borrowers from barely to amply healthy, and sellers who push the prices: several small, one large each."""
    rng = np.random.default_rng(seed)

    def units(value: float) -> int:
        return int(value * 1e6) * 10**12

    price = dict(zip(COLLATERALS, np.exp([rng.uniform(7.0, 8.3), rng.uniform(10.0, 11.5)]).tolist(), strict=True))
    terms = {}
    for name in COLLATERALS:
        pooled = rng.uniform(2e7, 6e7) / price[name]
        terms[name] = Terms(int(rng.integers(7500, 8700)), int(rng.integers(10400, 11100)), units(pooled),
                            units(pooled * price[name]))
    borrowers = []
    for i in range(int(rng.integers(200, 261))):
        some = rng.choice(3, p=[0.4, 0.3, 0.3])
        held = {name: units(10 ** rng.uniform(2.6, 5.3) / price[name]) for k, name in enumerate(COLLATERALS) if some in (k, 2)}
        backing = sum(h / WHOLE * price[name] * terms[name].threshold / 1e4 for name, h in held.items())
        borrowers.append(Borrower(f"a{i:03d}", held, units(backing / (1.002 + rng.exponential(0.2)))))
    orders = []
    for name in COLLATERALS:
        pushes = rng.permutation([*rng.uniform(0.01, 0.05, 3), rng.uniform(0.12, 0.2)])
        when = np.sort(rng.choice(np.arange(1, BLOCKS - 15), len(pushes), replace=False))
        orders += [(int(block), name, units(terms[name].pooled / WHOLE * push)) for block, push in zip(when, pushes, strict=True)]
    return Drawn(terms, int(rng.choice([0, 1000, 2000])), tuple(borrowers), tuple(sorted(orders)))


class Contracts:
    """Aave's pool and a pair for each collateral, deployed once; every world starts from there."""

    def __init__(self, compiled: dict[str, Any]) -> None:
        self.aave = Pool(compiled, "v3_6", dict.fromkeys((*COLLATERALS, "DAI"), 18))
        self.chain, self.token = self.aave.chain, self.aave.token
        self.dai, self.watch = self.token["DAI"], self.chain.deploy("Watch")
        pairs = Pairs(self.chain)
        self.pair = {name: pairs.made(self.token[name], self.dai) for name in COLLATERALS}

    def run(self, world: Drawn) -> Told:
        """The world from its start to its last block; what was there before is there again."""
        before = self.chain.evm.snapshot()
        try:
            self.open(world)
            return self.play(world)
        finally:
            self.chain.evm.revert(before)

    def open(self, world: Drawn) -> None:
        """The pairs are full, Aave reads them, and everybody has borrowed."""
        self.aave.prices("set", self.dai.address, USD)
        for name, terms in world.terms.items():
            self.pair[name].fill(terms.pooled, terms.dai)
            self.aave.prices("follow", self.token[name].address, self.pair[name].address)
            self.aave.configure(Reserve(name, 0, 9900, 10000, 0))  # while they borrow
        for one in world.borrowers:
            for name, units in one.held.items():
                self.aave.supply(one.address, name, units)
            self.aave.pool("borrow", self.dai.address, one.owed, 2, 0, one.address, by=one.address)
        for name, terms in world.terms.items():
            self.aave.configure(Reserve(name, 0, terms.threshold, terms.bonus, world.fee))

    def play(self, world: Drawn) -> Told:
        """Block by block: who is unhealthy at its start, in the order of the book; then the orders."""
        calls: list[Call] = []
        deficit, prices, brought, mended, written_off, so_far = [], [], [], 0, 0, 0
        who = [one.address for one in world.borrowers]
        for block in range(1, BLOCKS + 1):
            for one, health in zip(world.borrowers, self.watch("healths", self.aave.pool.address, who), strict=True):
                if health < WHOLE and (best := self.best(world, one)):
                    name, offer = best
                    mended += offer != ALL
                    repaid, seized, kept = self.liquidate(one, name, offer)
                    self.sell(name, seized - kept)
                    calls.append(Call(block, one.name, name, repaid / WHOLE, seized / WHOLE, kept / WHOLE))
                    written_off, so_far = written_off + (self.deficit() > so_far), self.deficit()
            for when, name, units in world.orders:
                if when == block:
                    brought.append(self.sell(name, units) / WHOLE)
            deficit.append(self.deficit() / WHOLE)
            prices.append([quote / base for base, quote in (pair.holds() for pair in self.pair.values())])
        return Told(calls, deficit, prices, brought, mended, written_off)

    def deficit(self) -> int:
        return int(self.aave.pool("getReserveDeficit", self.dai.address))

    def best(self, world: Drawn, one: Borrower) -> tuple[str, int] | None:
        """The collateral by which a call earns most, and the offer that it takes; of equals the first."""
        most, best = 0, None
        for name, terms in world.terms.items():
            for offer in (ALL, self.without_dust(one, name, terms)) if self.held(one, name) else ():
                before = self.chain.evm.snapshot()
                try:
                    earned = self.liquidate(one, name, offer)[0] * (terms.bonus - 10_000)
                    if earned > most:
                        most, best = earned, (name, offer)
                    break
                except Refused:
                    continue
                finally:
                    self.chain.evm.revert(before)
        return best

    def without_dust(self, one: Borrower, name: str, terms: Terms) -> int:
        """The largest offer that leaves enough of the debt and of the collateral."""
        worth = self.held(one, name) * self.aave.prices("getAssetPrice", self.token[name].address) // WHOLE
        owed = self.aave.debt["DAI"]("balanceOf", one.address)
        return max(min(owed - LEAST_LEFT * WHOLE // USD, (worth - LEAST_LEFT) * WHOLE // USD * 10_000 // terms.bonus), 0)

    def held(self, one: Borrower, name: str) -> int:
        return int(self.aave.claim[name]("balanceOf", one.address))

    def liquidate(self, one: Borrower, name: str, offer: int) -> tuple[int, int, int]:
        """One call: what it repaid, what it seized, and what of that the protocol keeps."""
        claim, token = self.aave.claim[name], self.token[name]
        had, owned, kept = token("balanceOf", CALLER), self.dai("balanceOf", CALLER), claim("balanceOf", TREASURY)
        self.aave.pool("liquidationCall", token.address, self.dai.address, one.address, offer, False, by=CALLER)
        kept = claim("balanceOf", TREASURY) - kept
        return owned - self.dai("balanceOf", CALLER), token("balanceOf", CALLER) - had + kept, kept

    def sell(self, name: str, units: int) -> int:
        """The caller sells to the pair for the most that it gives."""
        out = self.pair[name].most_for(units)
        self.pair[name].swap(CALLER, units, out)
        return out
