"""Who acts now: accounts drawn by how near they are to the boundary, without a look at everybody.

    hazard    h(x) = far + near e^(-x / scale) + near' e^(-x / scale')      [1/s],  x = ln(backing / debt) > 0
    acts in a step of dt with probability  1 - e^(-h dt)
Accounts of a list of the boundary index come in the order of the least x that prices can have left them, bound - move, so that
hazards at these fall along it. With h_j that of entry j, floor(-ln u / (h_j dt)) entries are passed over before the next of
independent draws with 1 - e^(-h_j dt); whoever is landed on is kept by the ratio of his own probability, at his own x, to that.
An account of several lists is drawn in the one whose pair has moved furthest. What it costs grows with those who act.

Who was brought nearer than prices alone brought him (he borrowed more, say) is drawn as if he had not been.
"""

from __future__ import annotations

import numpy as np

from delever.core.elementary import TICKS, exp_, log_
from delever.core.health import account_health
from delever.core.jit import helper, kernel
from delever.core.philox import philox, uniform
from delever.core.state import Index, Watch
from delever.core.tables import Accounts, SeenPrices
from delever.core.touch import slot_of

FAR, NEAR, SCALE, NEAR_TOO, SCALE_TOO = range(5)  # columns of hazards, a row a protocol
FARTHEST = 60.0  # scales: nothing happens so far away
DRAWS = 16  # bits for the number of a draw within a list, path and step


@helper
def fading(near: float, x: float, scale: float) -> float:
    """near e^(-x / scale)."""
    return float(near * exp_(-min(x / scale, FARTHEST)))


@helper
def hazard(x: float, of: np.ndarray) -> float:
    """What somebody at x does in a unit of time. of: [5], [1/s] and log distances."""
    return float(of[FAR] + fading(of[NEAR], x, of[SCALE]) + fading(of[NEAR_TOO], x, of[SCALE_TOO]))


@helper
def furthest(q: int, g: int, move: np.int64, p: int, index: Index, seen: SeenPrices) -> bool:
    """Whether no pair of signature g has moved further than q; of equals the first."""
    for k in range(index.pair.shape[1]):
        other = index.pair[g, k]
        if other < 0:
            break
        if other != q:
            by = np.int64(seen.up[seen.same[index.rising[other]], p]) - np.int64(seen.down[seen.same[index.falling[other]], p])
            if by > move or (by == move and other < q):
                return False
    return True


@helper
def distance(account: int, p: int, accounts: Accounts, watch: Watch) -> float:
    """ln(backing / debt) of a loan as it is now, at seen prices; not above 0 where it is unhealthy or owes nothing."""
    book = accounts.book
    slot, g = slot_of(p, account, watch), book.signature[account]
    amount, row = (accounts.touched.amount, slot) if slot >= 0 else (book.amount, account)
    backing, debt = account_health(row, p, g, amount, book, accounts.reserves, accounts.price)
    return log_(backing / debt) if backing > debt > 0.0 else 0.0


@kernel
def draw(step: int, length: float, first_path: int, seed: np.ndarray, number: np.uint64, hazards: np.ndarray, active: np.ndarray,
         index: Index, seen: SeenPrices, accounts: Accounts, watch: Watch, picked: np.ndarray) -> int:
    """Who acts in this step of so many seconds; how many. picked: [most, 3] path, account, x; where more are drawn than it holds,
    those beyond are counted alone. number: of the stream; hazards: [protocols, 5]; accounts.price is fresh."""
    n, book, bounds = 0, accounts.book, index.bound
    for q in range(index.falling.shape[0]):
        of = hazards[accounts.reserves.protocol[index.falling[q] // 2]]
        if of[FAR] + of[NEAR] + of[NEAR_TOO] <= 0.0:
            continue
        up, down = seen.up[seen.same[index.rising[q]]], seen.down[seen.same[index.falling[q]]]
        end = (index.first[q + 1] if q + 1 < index.first.shape[0] else bounds.shape[0]) - 1  # the sentinel's place
        for p in range(active.shape[0]):
            if not active[p]:
                continue
            j, move, draws = index.first[q], np.int64(up[p]) - np.int64(down[p]), np.int64(0)
            while j < end:
                rate = hazard(max(float(bounds[j] - move), 0.0) / TICKS, of) * length
                draws += 1
                word = philox(np.uint64(first_path + p), np.uint64(step), np.uint64((q << DRAWS) + draws), number, seed[0],
                              seed[1])
                over = -log_(uniform(word[0])) / rate
                if over >= end - j:
                    break
                j += int(over)
                at_most, kept = 1.0 - exp_(-rate), uniform(word[1])
                least = max(float(bounds[j] - move), 0.0) / TICKS
                account = index.account[j]
                j += 1
                if kept * at_most >= 1.0 - exp_(-hazard(least, of) * length):
                    continue
                g = book.signature[account]
                if book.margin[g] or not furthest(q, g, move, p, index, seen):
                    continue
                x = distance(account, p, accounts, watch)
                if x > 0.0 and kept * at_most < 1.0 - exp_(-hazard(x, of) * length):
                    if n < picked.shape[0]:
                        picked[n, 0], picked[n, 1], picked[n, 2] = p, account, x
                    n += 1
    return n
