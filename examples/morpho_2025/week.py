"""The world from a moment on, at given values of what is not known: two markets, who supplies them, and what else these have.

Book: one account a market, for transactions since 15 October do not say whose the rest is (`inputs.deals`: who traded since then
took out more than he brought). It holds all collateral and owes all debt as the market's state says.
Suppliers: vaults as their allocations of the last day say, moved on by their transactions; what the vaults known do not have of a
market is `others`. What a vault has beyond the two markets lies in a market of its own, `elsewhere`, with a part in cash.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import fit
import inputs
import numpy as np
import pyarrow as pa
from inputs import DAY, HOUR, LLTV, MARKETS

STEP = 600.0  # [s]
PLACES = ("morpho/ethereum", "morpho/plume")  # names of the two markets in the world
COLLATERAL, GOODS = "sdeUSD", "goods"  # goods: what backs loans elsewhere, at 1 USD throughout
YIELD = 0.06  # a year, by which debts elsewhere grow: assumption
LEAST_PRICE = 1e-6  # USD: a price of nothing has no log
MOST_PAID = 0.99  # part that is all: somebody owes something
OTHERS_HAVE = 10.0  # times what they bring at a time: what others have in reserve; assumption


class Unknown(NamedTuple):
    """What a draw draws."""

    often: tuple[float, float]  # estimate: times a day that something is repaid, by market
    share: float  # estimate: median share of the debt that is repaid then
    spread: float  # estimate: of the log of that share
    sweeps: float  # estimate: times a day that cash is taken out
    refills: tuple[float, float]  # estimate: times a day that some is brought to a market that is lent out whole
    brought: float  # estimate: units brought
    goes_on: float  # assumption: share of these refills that come, now that the collateral has fallen
    leaves: float  # estimate: standard errors by which every vault's outflow is off
    run: float  # assumption: times as much leaves as in September and October
    joins: float  # assumption: times as much joins
    loss: float  # assumption: share more a day for a loss of all
    unbacked: float  # assumption: share more a day for a market whose collateral is worth less than its debts
    cash: float  # assumption: what vaults can pay of what they have elsewhere, between what each once paid in a week and all
    follows: bool  # assumption: the oracles follow the market; else they are where they were
    depth: float  # assumption: USD that sell for a price 1 % lower
    curve: tuple[float, float]  # estimate: factor on the rate at 90 %, by market


FOLLOWS = 0.1  # probability that oracles follow: the task says that the collateral falls behind them; assumption
ENDS = {"goes_on": (0.0, 1.0), "run": (1.0, 5.0), "joins": (0.3, 1.0), "loss": (1.0, 50.0), "unbacked": (0.1, 5.0),
        "cash": (0.0, 1.0), "depth": (1e4, 1e6)}  # of assumptions: uniform the first, in logs the others


def gamma(found: dict[str, Any], rng: np.random.Generator | None) -> float:
    """A rate of which a count is known, a day; its estimate without a generator."""
    return float(found["estimate"] if rng is None else rng.gamma(found["count"] + 0.5) / found["days"])


def unknown(found: dict[str, Any], rng: np.random.Generator | None, calm: bool = False) -> Unknown:
    """A draw; without a generator the middle of everything. calm: nothing has fallen yet, so vaults and curators do as before."""
    def normal() -> float:
        return float(rng.standard_normal()) if rng is not None else 0.0

    def between(name: str) -> float:
        low, high = ENDS[name]
        at = float(rng.random()) if rng is not None else 0.5
        return low + at * (high - low) if low == 0.0 else low * (high / low) ** at

    share, size = found["repayments"]["log_share"], found["refills"]["log_size"]
    rates = [tuple(gamma(found[what]["often"][market.name], rng) for market in MARKETS) for what in ("repayments", "refills")]
    off = [math.exp(found["curve"][market.name]["standard_error"] * normal()) for market in MARKETS]
    return Unknown(
        (rates[0][0], rates[0][1]), math.exp(share["mean"] + share["standard_error"] * normal()), share["spread"],
        gamma(found["sweeps"], rng), (rates[1][0], rates[1][1]), math.exp(size["mean"] + size["spread"] * normal()),
        1.0 if calm else between("goes_on"), normal(), 1.0 if calm else between("run"), 1.0 if calm else between("joins"),
        between("loss"), between("unbacked"), between("cash"), rng is not None and float(rng.random()) < FOLLOWS,
        between("depth"), (off[0], off[1]))


def key_of(name: str, who: str) -> str:
    """A vault's name in the world."""
    return f"{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}_{who[-4:].lower()}"


def claims(start: float) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """(Vault: {place: units}, place: units that no vault known has), as of a moment.

    An allocation of the last day plus what the vault supplied less what it withdrew since then; interest since then is others'.
    """
    held: dict[str, dict[str, float]] = {}
    rest: dict[str, float] = {}
    known = inputs.allocations(start)
    last = max(day for _, _, day in known)
    for market, place in zip(MARKETS, PLACES, strict=True):
        mine = {who: usd for (who, key, day), usd in known.items() if key.startswith(market.key) and day == last}
        for deal in inputs.deals(market, start):
            if deal.at >= last and deal.who in mine and deal.kind in ("Supply", "Withdraw"):
                mine[deal.who] += deal.units if deal.kind == "Supply" else -deal.units
        whole = float(inputs.states(market, start).supplied[-1])
        mine = {who: units for who, units in mine.items() if units > 1.0}
        scale = min(1.0, whole / sum(mine.values()))
        for who, units in mine.items():
            held.setdefault(who, {})[place] = units * scale
        rest[place] = whole - sum(mine.values()) * scale
    return held, rest


def book(start: float, drawn: Unknown, found: dict[str, Any]) -> pa.Table:
    """One account a market: of the two, and of each in which vaults lend elsewhere, where what backs it is ample."""
    rows: list[dict[str, Any]] = []

    def account(protocol: str, market: str, name: str, **legs: tuple[str, float]) -> None:
        rows.extend({"protocol": protocol, "market": market, "account": name, "asset": asset, "side": side, "amount": units}
                    for side, (asset, units) in legs.items())

    for name, one in suppliers(start, drawn, found)[1].items():
        account("elsewhere", name, f"whom {name} lends to", collateral=(GOODS, 2.0 * one["borrowed"]),
                debt=(one["loan"], one["borrowed"]))
    for market, place in zip(MARKETS, PLACES, strict=True):
        state = inputs.states(market, start)
        account("morpho", place.split("/")[1], f"all of {market.chain}", collateral=(COLLATERAL, float(state.collateral[-1])),
                debt=(market.loan, float(state.borrowed[-1])))
    return pa.Table.from_pylist(rows)


def prices(start: float, end: float) -> pa.Table:
    """The shock: sdeUSD as it traded, hour by hour; where an hour is missing, the last one."""
    found = inputs.prices(COLLATERAL, start, end)
    _, first = np.unique(found[:, 0], return_index=True)
    return pa.table({"time": found[first, 0], COLLATERAL: np.maximum(found[first, 1], LEAST_PRICE)})


def loan_of(place: str) -> str:
    """What is lent there."""
    return MARKETS[PLACES.index(place)].loan


def suppliers(start: float, drawn: Unknown, found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Actors, markets elsewhere)."""
    held, rest = claims(start)
    whole = {place: rest[place] + sum(mine.get(place, 0.0) for mine in held.values()) for place in PLACES}
    actors, elsewhere = dict[str, Any](), dict[str, Any]()

    def supplier(name: str, asset: str, beyond: float, cash: float, mine: dict[str, float], more: dict[str, Any]) -> None:
        first = f"elsewhere/{name}"
        elsewhere[name] = {"collateral": GOODS, "loan": asset, "liquidation_threshold": LLTV, "cash": cash * beyond,
                           "borrowed": (1.0 - cash) * beyond, "borrow_rate": YIELD, "oracle": "1"}
        actors[name] = {"kind": "vaults", "asset": asset, "supplied": {first: beyond, **mine}, "loss": drawn.loss,
                        "unbacked": drawn.unbacked,
                        "sweeps": {place: drawn.sweeps * units / whole[place] for place, units in mine.items()},
                        **more}

    for who, one in found["vaults"]["each"].items():
        mine = held.get(who, {})
        leaves = max(one["leaves"] + drawn.leaves * one["standard_error"], 0.0)
        asset = "pUSD" if one["name"].endswith("pUSD") else "USDC"
        supplier(key_of(one["name"], who), asset, max(one["assets_usd"] - sum(mine.values()), 1.0),
                 one["paid"] + drawn.cash * (MOST_PAID - one["paid"]), mine,
                 {"base": min(leaves * drawn.run, 1.0), "joins": min(leaves * drawn.joins, 1.0),
                  "unrest": found["vaults"]["unrest"]["estimate"]})
    known = set(found["vaults"]["each"])
    for i, place in enumerate(PLACES):
        left = rest[place] + sum(mine.get(place, 0.0) for who, mine in held.items() if who not in known)
        supplier(f"others_{place.split('/')[1]}", loan_of(place), OTHERS_HAVE * drawn.brought, MOST_PAID,
                 {place: max(left, 1e-6)},
                 {"refills": {place: drawn.refills[i] * drawn.goes_on}, "brought": drawn.brought})
    return actors, elsewhere


def world(as_of: str, until: str, drawn: Unknown, found: dict[str, Any], files: dict[str, Any], seed: int) -> dict[str, Any]:
    """What `delever.load` reads. files: the book and the prices, or their names."""
    start, end = inputs.moment(as_of), inputs.moment(until)
    actors, elsewhere = suppliers(start, drawn, found)
    states = {place: inputs.states(market, start) for market, place in zip(MARKETS, PLACES, strict=True)}
    price = float(inputs.prices(COLLATERAL, start, start)[0, 1])
    markets = {place.split("/")[1]: {
        "collateral": COLLATERAL, "loan": loan_of(place), "liquidation_threshold": LLTV, "oracle": place.split("/")[1],
        "cash": float(state.supplied[-1] - state.borrowed[-1]), "borrowed": float(state.borrowed[-1]),
        "rate": {"kind": "adaptive", "at_target": drawn.curve[i] * found["curve"][MARKETS[i].name]["at_target"]}}
        for i, (place, state) in enumerate(states.items())}
    owners = {f"owners_{place.split('/')[1]}": {
        "kind": "closers", "protocol": place, "collateral": COLLATERAL, "debt": loan_of(place), "often": drawn.often[i],
        "size": drawn.share * float(states[place].borrowed[-1]), "spread": drawn.spread} for i, place in enumerate(PLACES)}
    feed = {"kind": "push", "heartbeat": DAY, "deviation": 0.01} if drawn.follows else {"kind": "fixed"}
    return {
        "name": "morpho_2025", "as_of": as_of,
        "assets": {COLLATERAL: {"price": price}, GOODS: {"price": 1.0},
                   **{loan: {"peg": "USD", "ratio": 1.0} for loan in ("USDC", "pUSD")}},
        "protocols": {"morpho": {"rules": "morpho.v1", "book": files["morpho"], "markets": markets},
                      "elsewhere": {"rules": "morpho.v1", "book": files["elsewhere"], "markets": elsewhere}},
        "feeds": {place.split("/")[1]: {**feed, "of": f"{COLLATERAL}/{loan_of(place)}"} for place in PLACES},
        "venues": {"dex": {"kind": "log_linear", "pair": f"{COLLATERAL}/USD", "depth": 100.0 * drawn.depth / price,
                           "half_life": HOUR}},
        "actors": {"liquidators": {"kind": "keepers"}, **owners, **actors},
        "scenario": {"horizon": end - start, "step": STEP, "paths": 1, "seed": seed,
                     "prices": {"kind": "replay", "data": files["prices"]}}}


def estimates(name: str) -> dict[str, Any]:
    """Of estimates.json, the fit that ends at a moment."""
    return dict(fit.known()[name])
