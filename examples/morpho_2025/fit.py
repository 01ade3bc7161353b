"""What the days before a moment say of borrowers, curators and depositors: the estimates, with their errors.

    DELEVER_DATA=... python examples/morpho_2025/fit.py         # writes estimates.json: fits to 31 October and to 3 November

    repayments   days of the last seven on which more than LARGE was repaid; and the share of the debt of that morning repaid then
    sweeps       spells of cash above LARGE until four fifths of it are gone: how many ended, in how much time
    refills      supplies above LARGE to a market of which more than 99 % is lent out, in how much time; and their sizes
    vaults       days' growth of each vault's assets: what leaves and what joins a day, and how days differ
    paid         by how much each vault has shrunk within seven days: as much at least it could pay
    locked       what leaves more where a share of a vault lies in markets of which more than 99 % is lent out
    curve        how far the adaptive curve, started once and fed with hourly utilisation, is off what debts grew by
A count k in a time T is a rate of (k + 1/2) / T with a standard error of (k + 1/2)^(1/2) / T: Jeffreys' prior, for many are 0.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import inputs
import numpy as np
from inputs import DAY, HOUR, LARGE, YEAR, Deal, Market

FILE = Path(__file__).resolve().parent / "estimates.json"
FITS = {"2025-11-01": "2025-11-01T00:00:00Z", "2025-11-04": "2025-11-04T00:00:00Z"}  # a fit by the moment at which it ends
DAYS = 7.0  # days whose repayments count
CURATORS_SINCE = {"2025-11-01": "2025-10-29T00:00:00Z", "2025-11-04": "2025-11-03T12:00:00Z"}  # xUSD fell below 1.22 in that hour
LENT_OUT, GONE = 0.99, 0.2
SEED, RESAMPLED = 20251103, 1000
LEAST_VAULT, LEAST_DAYS = 1e6, 30  # USD on the last day; days of growth


def rate(count: int, days: float) -> dict[str, Any]:
    """A rate a day, of a count."""
    return {"estimate": round((count + 0.5) / days, 4), "standard_error": round(math.sqrt(count + 0.5) / days, 4),
            "count": count, "days": round(days, 4)}


def repayments(until: float) -> dict[str, Any]:
    """By market; shares of both markets together."""
    out, shares = {}, []
    for market in inputs.MARKETS:
        state, by_day = inputs.states(market, until), dict[int, float]()
        for deal in inputs.deals(market, until):
            if deal.kind == "Repay" and deal.units > LARGE and deal.at >= until - DAYS * DAY:
                day = int((deal.at - until) // DAY)
                by_day[day] = by_day.get(day, 0.0) + deal.units
        for day, units in by_day.items():
            at = np.searchsorted(state.at, until + day * DAY, side="right") - 1
            shares.append(math.log(min(units / float(state.borrowed[at]), 1.0)))
        out[market.name] = rate(len(by_day), DAYS)
    n = len(shares)
    spread = float(np.std(shares, ddof=1))
    return {"often": out, "log_share": {"mean": round(float(np.mean(shares)), 4), "spread": round(spread, 4), "days": n,
                                        "standard_error": round(spread / math.sqrt(n), 4)}}


def running(market: Market, since: float, until: float) -> list[tuple[Deal, float, float]]:
    """Transactions from a moment on, with the cash before and after each."""
    state, out = inputs.states(market, until), []
    at = np.searchsorted(state.at, since, side="right") - 1
    cash = float(state.supplied[at] - state.borrowed[at])
    for deal in inputs.deals(market, until):
        if deal.at >= since:
            after = max(cash + {"Supply": 1, "Repay": 1, "Withdraw": -1, "Borrow": -1}.get(deal.kind, 0) * deal.units, 0.0)
            out.append((deal, cash, after))
            cash = after
    return out


def spells(market: Market, since: float, until: float) -> tuple[int, float]:
    """(Spells of cash that ended, days that all of them lasted)."""
    deals = running(market, since, until)
    ended, lasted, begun, most = 0, 0.0, since, deals[0][1] if deals and deals[0][1] > LARGE else 0.0
    for deal, _, after in deals:
        if most > 0.0 and after < GONE * most:
            ended, lasted, most = ended + 1, lasted + deal.at - begun, 0.0
        elif most == 0.0 and after > LARGE:
            most, begun = after, deal.at
        else:
            most = max(most, after) if most > 0.0 else 0.0
    return ended, (lasted + (until - begun if most > 0.0 else 0.0)) / DAY


def sweeps(since: float, until: float) -> dict[str, Any]:
    """Both markets together."""
    found = [spells(market, since, until) for market in inputs.MARKETS]
    return rate(sum(n for n, _ in found), sum(days for _, days in found))


def refills(since: float, until: float) -> dict[str, Any]:
    """By market; sizes of both, of the last seven days."""
    out, sizes = {}, []
    for market in inputs.MARKETS:
        state = inputs.states(market, until)
        full = state.borrowed >= LENT_OUT * state.supplied
        late = [deal for deal, cash, _ in running(market, until - DAYS * DAY, until)
                if deal.kind == "Supply" and deal.units > LARGE and cash <= (1.0 - LENT_OUT) * float(
                    state.supplied[np.searchsorted(state.at, deal.at, side="right") - 1])]
        sizes += [math.log(deal.units) for deal in late]
        time = float(full[(state.at >= since) & (state.at < until)].sum()) * HOUR / DAY
        out[market.name] = rate(sum(deal.at >= since for deal in late), max(time, HOUR / DAY))
    return {"often": out, "log_size": {"mean": round(float(np.mean(sizes)), 4), "spread": round(float(np.std(sizes, ddof=1)), 4),
                                       "supplies": len(sizes)}}


def growth(days: np.ndarray) -> np.ndarray:
    """[n, 2] moment at which a day begins and the log of how much more there is at its end, where there was a million."""
    whole = (np.diff(days[:, 0]) == DAY) & (days[:-1, 1] > LEAST_VAULT) & (days[1:, 1] > 0.0)
    return np.column_stack([days[:-1, 0], np.log(np.where(whole, days[1:, 1], 1.0) / np.where(whole, days[:-1, 1], 1.0))])[whole]


def paid(days: np.ndarray) -> float:
    """Largest part of its assets by which a vault has shrunk within seven days, from a million on."""
    return max((1.0 - float(days[(days[:, 0] >= at) & (days[:, 0] <= at + DAYS * DAY), 1].min()) / usd
                for at, usd in days if usd > LEAST_VAULT), default=0.0)


def moved(mean: float, unrest: float, n: int = 200_000) -> np.ndarray:
    """Draws of a day's growth by the model of actors/vaults.py, where as much joins as leaves."""
    z = np.random.default_rng(SEED).standard_normal((2, n))
    left, joined = np.exp(unrest * z - 0.5 * unrest**2)
    return mean * (joined - left)


def vaults(until: float) -> dict[str, Any]:
    """Each vault that is large: what leaves a day, as much as joins, from the mean of |growth|; and what days differ by, for all.

    unrest is where |growth| over its mean, of all vaults, has a quarter, half and nine tenths nearest to the model's.
    """
    kept = {who: (name, growth(days)[:, 1], days) for who, (name, days) in inputs.vaults(until).items()}
    kept = {who: (name, x, days) for who, (name, x, days) in kept.items()
            if len(x) >= LEAST_DAYS and days[-1, 1] >= LEAST_VAULT and days[-1, 0] >= until - 2 * DAY}
    scaled = np.concatenate([np.abs(x) / np.abs(x).mean() for _, x, _ in kept.values()])
    levels, grid = (0.25, 0.5, 0.75, 0.9), np.arange(0.5, 3.01, 0.1)
    seen = np.quantile(scaled, levels)

    def off(unrest: float) -> float:
        model = np.abs(moved(1.0, unrest))
        return float(np.abs(np.quantile(model / model.mean(), levels) - seen).sum())

    unrest = float(grid[np.argmin([off(x) for x in grid])])
    each = float(np.abs(moved(1.0, unrest)).mean())
    out = {}
    for who, (name, x, days) in sorted(kept.items()):
        error = float(np.abs(x).std(ddof=1)) / math.sqrt(len(x))
        out[who] = {"name": name, "assets_usd": round(float(days[-1, 1])), "as_of": inputs.told(days[-1, 0]), "days": len(x),
                    "leaves": round(float(np.abs(x).mean()) / each, 5), "standard_error": round(error / each, 5),
                    "paid": round(paid(days), 4)}
    return {"unrest": {"estimate": round(unrest, 2), "of": "absolute daily growth of all vaults over its mean",
                       "days": len(scaled)},
            "each": out}


def locked(until: float) -> dict[str, Any]:
    """Least squares of what leaves a day, less the vault's mean, on the share that is lent out whole; errors: vaults drawn anew.

    Which of the two markets is lent out whole is known from 15 October, at the beginning of each day.
    """
    parts = inputs.allocations(until)
    rows: dict[str, list[tuple[float, float]]] = {}
    whole = {market: inputs.states(market, until) for market in inputs.MARKETS}
    for who, (_, days) in inputs.vaults(until).items():
        found = growth(days)
        for at, x in found:
            total, share = float(days[days[:, 0] == at, 1][0]), 0.0
            for market, state in whole.items():
                here = np.flatnonzero(state.at == at)
                if len(here) and state.borrowed[here[0]] >= LENT_OUT * state.supplied[here[0]]:
                    share += sum(usd for (vault, key, day), usd in parts.items()
                                 if vault == who and key.startswith(market.key) and day == at) / total
            if at >= whole[inputs.MARKETS[0]].at[0]:
                rows.setdefault(who, []).append((share, float(found[:, 1].mean()) - x))
    groups = [np.array(found) for found in rows.values()]

    def slope(some: list[np.ndarray]) -> float:
        x, y = np.concatenate(some).T
        return float((x * y).sum() / (x * x).sum()) if (x > 0.0).any() else math.nan

    rng = np.random.default_rng(SEED)
    drawn = np.array([slope([groups[i] for i in rng.integers(len(groups), size=len(groups))]) for _ in range(RESAMPLED)])
    said = {"vault_days": int(sum((one[:, 0] > 0.0).sum() for one in groups)),
            "vaults": int(sum(one[:, 0].max() > 0.0 for one in groups))}
    if not said["vault_days"]:
        return said
    return {"estimate": round(slope(groups), 4), "standard_error": round(float(np.nanstd(drawn, ddof=1)), 4)} | said


def curve_of(used: float) -> float:
    """The borrow rate over the rate at 90 %."""
    error = (used - 0.9) / (0.1 if used > 0.9 else 0.9)
    return (0.75 if error < 0.0 else 3.0) * error + 1.0


def step_of(used: float) -> float:
    """By how much the rate at 90 % grows in an hour, at a utilisation."""
    return math.exp(50.0 * (used - 0.9) / (0.1 if used > 0.9 else 0.9) * HOUR / YEAR)


def seen(market: Market, until: float) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """(Utilisation [hours], the rate at 90 % a year that debts grew by [hours - 1], hours of these when nobody did a thing)."""
    state = inputs.states(market, until)
    busy = {int((deal.at - state.at[0]) // HOUR) for deal in inputs.deals(market, until) if "Collateral" not in deal.kind}
    used = state.borrowed / state.supplied
    target = np.log(state.borrowed[1:] / state.borrowed[:-1]) * YEAR / HOUR / np.array([curve_of(u) for u in used[:-1]])
    return used, target, [k for k in range(len(target)) if k not in busy]


def targets(market: Market, until: float) -> np.ndarray:
    """[hours] rate at 90 % a year: as seen in a quiet hour, carried over the others by the curve."""
    used, target, quiet = seen(market, until)
    out = np.empty(len(used))
    out[quiet[0]] = target[quiet[0]]
    for k in range(quiet[0], 0, -1):
        out[k - 1] = out[k] / step_of(float(used[k - 1]))
    for k in range(quiet[0] + 1, len(used)):
        out[k] = target[k] if k in quiet else out[k - 1] * step_of(float(used[k - 1]))
    return out


def curve(until: float) -> dict[str, Any]:
    """Rate at 90 % now; and how far off the curve is that starts in the first quiet hour since 15 October and is left alone."""
    out = {}
    for market in inputs.MARKETS:
        used, target, quiet = seen(market, until)
        replayed = [float(target[quiet[0]])]
        for k in range(quiet[0], quiet[-1]):
            replayed.append(replayed[-1] * step_of(float(used[k])))
        off = np.array([replayed[k - quiet[0]] / target[k] - 1.0 for k in quiet])
        out[market.name] = {"at_target": round(float(targets(market, until)[-1]), 6), "hours": len(quiet),
                            "standard_error": round(float(np.sqrt((off**2).mean())), 5),
                            "off_at_the_end": round(float(off[-1]), 5)}
    return out


def fit(until: float, since: float) -> dict[str, Any]:
    """One fit."""
    return {"repayments": repayments(until), "sweeps": sweeps(since, until), "refills": refills(since, until),
            "vaults": vaults(until), "locked": locked(until), "curve": curve(until)}


def fits() -> dict[str, Any]:
    """estimates.json."""
    return {name: fit(inputs.moment(at), inputs.moment(CURATORS_SINCE[name])) for name, at in FITS.items()}


def known() -> dict[str, Any]:
    """estimates.json, as it stands."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(fits(), indent=1) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"))
