"""A coin worth one USD with a StableSwap pool of its own, peg keepers on it, and the pool's contract in forty digits."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

from actors.redeem import coin_world
from delever.model.world import World
from run.small import Mapping

COIN_HELD, PEG_HELD, A = 8e6, 12e6, 100.0


def keeper(**more: Any) -> Mapping:
    """One that acts whenever it may, on the pool `coin`."""
    return {"kind": "peg_keepers", "venue": "coin", "ceiling": 25e6, "rule": "always", "alpha": 1.0, **more}


def pegged_world(keepers: Mapping | None = None, *, coin: float = COIN_HELD, peg: float = PEG_HELD, fee: float = 0.0,
                 second: tuple[float, float] | None = None, **changes: Any) -> World:
    """One keeper on the pool `coin`, an hour in which nobody else trades, unless a test says otherwise.

    second: what another pool of the coin holds, `second`, which is apart.
    """
    def pool(coin: float, peg: float) -> Mapping:
        return {"kind": "stableswap", "pair": "COIN/USD", "A": A, "fee": fee, "balances": {"COIN": coin, "USD": peg}}

    venues = {"coin": pool(coin, peg), **({"second": pool(*second)} if second else {})}
    actors = {"liquidators": {"kind": "liquidators", "rule": "always"}, **({"keeper": keeper()} if keepers is None else keepers)}
    scenario = {"horizon": 3600, "step": 60, "paths": 1, "seed": 1, "prices": {"kind": "lognormal"}, "events": []}
    return coin_world(venues=changes.pop("venues", venues), actors=actors, scenario=scenario | changes.pop("scenario", {}),
                      liquidity="fragmented" if second else "unified", **changes)


class PoolOfTwo:
    """What the contract does with balances, D and single-sided changes; fees leave the pool."""

    def __init__(self, coin: float = COIN_HELD, peg: float = PEG_HELD, fee: float = 0.0) -> None:
        self.x, self.y, self.fee, self.ann = Decimal(coin), Decimal(peg), Decimal(fee), Decimal(2) * Decimal(A)
        self.d = self.total(self.x, self.y)

    def total(self, x: Decimal, y: Decimal) -> Decimal:
        """D of these balances."""
        with localcontext() as context:
            context.prec = 40
            d = x + y
            for _ in range(100):
                product = d * d / (2 * x) * d / (2 * y)
                d = (self.ann * (x + y) + 2 * product) * d / ((self.ann - 1) * d + 3 * product)
            return d

    def change(self, units: float) -> float:
        """So many units of the coin come in alone (below 0: go out); what D grew by."""
        with localcontext() as context:
            context.prec = 40
            x, before = self.x + Decimal(units), self.d
            grown = self.total(x, self.y) / before
            off_x, off_y = abs(self.x * grown - x), abs(self.y * grown - self.y)
            self.x, self.y = x - self.fee / 2 * off_x, self.y - self.fee / 2 * off_y
            self.d = self.total(self.x, self.y)
            return float(self.d - before)

    def sell(self, units: float) -> None:
        """So many units of the coin are sold into it; the fee is left out of what it holds."""
        with localcontext() as context:
            context.prec = 40
            self.x += Decimal(units)
            y = self.d
            for _ in range(200):  # get_y: y^2 + (x + D / Ann - D) y = D^3 / (4 x Ann)
                y = (y * y + self.d**3 / (4 * self.x * self.ann)) / (2 * y + self.x + self.d / self.ann - self.d)
            self.y = y

    def price(self) -> float:
        """Of the coin in its peg."""
        with localcontext() as context:
            context.prec = 40
            bend = self.d * self.d / (2 * self.x) * self.d / (2 * self.y)
            return float((self.ann + bend / self.x) / (self.ann + bend / self.y))


__all__ = ["COIN_HELD", "PEG_HELD", "A", "PoolOfTwo", "keeper", "pegged_world"]
