"""The engine against the plain implementation on random worlds of loans that lie in bands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from delever.core import tables
from delever.model.world import World
from delever.protocols.llamma import LlammaPhase
from delever.protocols.llamma_trade import BOUGHT, LOSS, SOLD, TRADES
from delever.run.assemble import Model
from delever.run.chunk import Played
from reference.bands import Amm
from reference.comparing import Worlds
from reference.setting import Result
from reference.setup_bands import is_llamma
from reference.worlds_llamma import llamma_world
from test_against_reference import close
from test_house_against_reference import HouseResult, house_differences, of_path

WORLDS = 120
BATCH = 30


@dataclass
class Bands:
    """One market as it stands in the engine's tables of a path."""

    x: dict[int, float]
    y: dict[int, float]
    active: int
    last: tuple[float, float, float]  # oracle price, limiter and time of the last trade
    open: list[bool]
    told: tuple[float, float, float, float]  # trades, sold, bought, loss


@dataclass
class LlammaResult:
    """What else stands in the engine's tables of a path."""

    house: HouseResult
    markets: list[Bands]


def on_bands(world: World, model: Model, played: Played, p: int) -> LlammaResult:
    """What stands in the tables of path p. Accounts in bands, and troves, have no legs that move."""
    house = of_path(world, model, played, p)
    of = [list(world.protocols.values())[i] for i in model.positions.tables.protocol[model.positions.tables.signature]]
    amounts = [row for row, spec in zip(house.lending.amounts, of, strict=True) if not spec.rules.watches]
    house.lending.ledger |= {("bands", asset): float(played.state.ledgers.tokens[tables.BANDS, a, p])
                             for a, asset in enumerate(model.layout.assets)}
    markets = []
    for market in (market for one in played.mechanisms if isinstance(one, LlammaPhase) for market in one.markets):
        amm, number = market.amm, market.amm.grid.number
        markets.append(Bands(
            dict(zip(map(int, number), map(float, amm.x[p]), strict=True)),
            dict(zip(map(int, number), map(float, amm.y[p]), strict=True)), int(number[amm.active[p]]),
            (float(amm.last[p]), float(amm.last_fee[p]), float(amm.since[p])), [bool(one) for one in market.loans.open[p]],
            tuple(float(amm.told[row, p]) for row in (TRADES, SOLD, BOUGHT, LOSS))))  # type: ignore[arg-type]
    return LlammaResult(replace(house, lending=replace(house.lending, amounts=amounts)), markets)


def llamma_differences(world: World, plain: Result, engine: LlammaResult) -> Iterator[str]:
    """What the two do not agree on. A trade is known to what is known of g + y, or f + x: of a whole market at one price."""
    turnover = Counter(plain.turnover)
    for amm in plain.amms:
        for asset, whole in zip((amm.a, amm.b), whole_of(amm), strict=True):
            turnover["route", asset] += whole
    yield from house_differences(world, replace(plain, turnover=dict(turnover)), engine.house)
    for amm, theirs in zip(plain.amms, engine.markets, strict=True):
        name, (of_a, of_b) = f"{amm.protocol} {amm.a}", whole_of(amm)
        for n, band in amm.bands.items():
            if not (close(band.x, theirs.x[n], of_b) and close(band.y, theirs.y[n], of_a)):
                yield f"band {n} of {name}: {band.x!r}, {band.y!r} plain, {theirs.x[n]!r}, {theirs.y[n]!r} engine"
        if (amm.active, [loan.open for loan in amm.loans]) != (theirs.active, theirs.open):
            yield f"active band and loans of {name}: {amm.active}, {[loan.open for loan in amm.loans]} plain, {theirs} engine"
        if amm.trades != theirs.told[0]:
            yield f"trades of {name}: {amm.trades} plain, {theirs.told[0]} engine"
        usd = math.exp(plain.log_price[amm.a]) if amm.a in plain.log_price else 1.0
        for what, a, b, scale in (
                ("last price", amm.p_l, theirs.last[0], 0.0), ("limiter", amm.limiter, theirs.last[1], 1.0),
                ("time", amm.last, theirs.last[2], 0.0), ("sold", amm.sold, theirs.told[1], of_a),
                ("bought", amm.bought, theirs.told[2], of_a), ("loss", amm.loss, theirs.told[3], of_b + of_a * usd)):
            if a != b and not close(a, b, scale):
                yield f"{what} of {name}: {a!r} plain, {b!r} engine"


def whole_of(amm: Amm) -> tuple[float, float]:
    """g + y and f + x of all collateral in one band."""
    y = sum(loan.held for loan in amm.loans)
    return amm.amplification * y, amm.amplification * y * amm.base


BANDS = Worlds(llamma_world, on_bands, llamma_differences)


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_the_engine_agrees_with_the_plain_implementation(first: int) -> None:
    BANDS.hold_together(range(first, first + BATCH), most_excused=1)


# in how many worlds it must have happened on some path
LEAST = {
    "trades down": 40, "trades up": 12, "crosses bands down": 40, "crosses bands up": 6, "hard liquidations": 60,
    "closed with both": 15, "written off": 2, "loans below zero in a halt": 4, "limiter": 15, "clamped": 3, "fee of the way": 25,
    "reverted_band_trade": 20, "reverted_hard_liquidation": 3, "admin fee": 30, "own base": 15, "interest": 30, "ema": 20,
    "two markets": 30, "writes nothing off": 15, "another protocol": 25, "declined": 30,
    "sequential": 40, "batched": 30, "networks": 50, "no network": 20}


def test_random_worlds_show_what_they_are_meant_to_show() -> None:
    """limiter: a fee because of the last trade's price; fee of the way: of how far the price is; clamped: by the last trade's."""
    seen = BANDS.seen(range(WORLDS), happened)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}, seen


def happened(world: World, paths: tuple[Result, ...]) -> set[str]:
    """What there is in a world, and what happened on some path."""
    found = {name for path in paths for name, count in path.counts.items() if count > 0} | {world.execution.mode}
    found |= {"networks" if world.networks else "no network"} | {feed.kind for feed in world.feeds.values()}
    found |= {"two markets"} if len(paths[0].amms) > 1 else set()
    found |= {"another protocol"} if len(world.protocols) > 1 else set()
    for protocol in world.protocols.values():
        if is_llamma(protocol):
            found |= {what for what, so in (
                ("admin fee", protocol.rules.admin_fee > 0.0), ("own base", bool(protocol.rules.base_price)),
                ("writes nothing off", not protocol.rules.writes_off),
                ("interest", any(one.borrow_rate > 0.0 for one in protocol.parameters.values()))) if so}
    return found


def test_tokens_are_moved_and_never_made() -> None:
    assert BANDS.made(range(0, WORLDS, 4)) == []


def test_bands_hold_what_the_ledger_says() -> None:
    for seed in range(WORLDS):
        for result in BANDS.plain(seed):
            held: Counter[str] = Counter()
            for amm in result.amms:
                held[amm.a] += sum(band.y for band in amm.bands.values()) - sum(loan.held for loan in amm.loans)
                held[amm.b] += sum(band.x for band in amm.bands.values())
            whole = sum(loan.held for amm in result.amms for loan in amm.loans)
            for asset, units in held.items():
                moved = result.turnover.get(("bands", asset), 0.0)
                assert abs(units - result.ledger.get(("bands", asset), 0.0)) <= 1e-11 * (moved + whole), (seed, asset)
