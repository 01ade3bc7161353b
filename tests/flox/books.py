"""Books of isolated positions and the marks of a crash day, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from flox.replica import Floats


@dataclass(frozen=True)
class Book:
    """Isolated positions; the row is the account."""

    quantity: Floats  # [position] units, long > 0
    entry: Floats  # [position] USD a unit
    equity: Floats  # [position] USD posted

    def __len__(self) -> int:
        return len(self.quantity)


def draw_book(seed: int, positions: int, short_share: float, start: float = 100.0) -> Book:
    """Log-normal notionals around 10,000 USD, leverage 2 to 50, entered within some 3 % of the first price.

    Entries differ so that a book of longs has winners too: flox deleverages them for the longs that fall. Equity is
    at least 1 % of the notional above the loss at the first price, so that nobody starts below maintenance.
    """
    rng = np.random.default_rng(seed)
    notional = rng.lognormal(np.log(10_000.0), 1.0, positions)
    entry = start * np.exp(0.03 * rng.standard_normal(positions))
    side = np.where(rng.random(positions) < short_share, -1.0, 1.0)
    quantity = side * notional / entry
    return Book(quantity, entry, np.maximum(notional / rng.uniform(2.0, 50.0, positions),
                                            0.01 * notional - quantity * (start - entry)))


def draw_marks(seed: int, marks: int, day: float = -0.15, volatility: float = 0.12, start: float = 100.0) -> Floats:
    """Draw marks [mark] of a day that ends at start x (1 + day): steps in logs of that volatility [of the whole day]."""
    noise = np.random.default_rng([seed, 1]).standard_normal(marks)
    move = np.log1p(day) / marks + volatility / np.sqrt(marks) * (noise - noise.mean())
    return np.asarray(start * np.exp(np.cumsum(move)))
