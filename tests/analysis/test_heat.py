"""The heat map: every account stands at its liquidation price, as long as it stands there."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pyarrow.compute as pc
import pytest

from delever import example, load
from delever.analysis.heat import BANDS, HeatMap, heat_map
from delever.analysis.margin_prices import liquidation_price_hyperliquid, margin_tiers
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.heat import headline, heat_report
from delever.report.heat_chart import heat_chart
from delever.run.assemble import assemble
from delever.run.stress import Run, stress
from run.exchange_small import ETH, exchange

SVG = "{http://www.w3.org/2000/svg}"
TIERS = margin_tiers([0.0], [0.02])  # of leverage 25
RATE, HOURS = 0.0125 / 100.0, 8  # funding an hour: the interest of 0.01 % and no premium, of 8 h


@pytest.fixture(scope="module")
def run() -> Run:
    return stress(exchange(), keep=False, threads=1)


def book_of(world: World) -> dict[str, tuple[float, float]]:
    """(size, cash) by account."""
    rows = assemble(world).positions.book.legs.to_pylist()
    size = {row["account"]: row["amount"] for row in rows if row["side"] == "position"}
    return {row["account"]: (size[row["account"]], row["amount"]) for row in rows if row["side"] == "collateral"}


def expected(found: HeatMap, book: dict[str, tuple[float, float]], paid: float = 0.0, price: float = ETH) -> np.ndarray:
    """Positions by level and side, from the exchange's published formula. paid: funding a unit has paid [USD]."""
    out = np.zeros((len(found.levels) - 1, 2), int)
    for size, cash in book.values():
        at = float(liquidation_price_hyperliquid(price, size, cash - size * paid, TIERS))
        level = np.searchsorted(found.levels, at, side="right") - 1
        if 0 <= level < len(out):
            out[level, int(size > 0.0)] += 1
    return out


def counted(found: HeatMap, time: float) -> np.ndarray:
    """The same from the map."""
    out = np.zeros((len(found.levels) - 1, 2), int)
    for row in found.table.filter(pc.equal(found.table["time"], time)).to_pylist():
        out[np.searchsorted(found.levels, row["low"]), int(row["side"] == "long")] += row["positions"]
    return out


def test_at_the_start_accounts_stand_at_their_liquidation_prices(run: Run) -> None:
    found, book = heat_map(run, "ETH", levels=37), book_of(exchange())
    np.testing.assert_array_equal(counted(found, 0.0), expected(found, book))
    assert counted(found, 0.0).sum() > 60
    first = found.table.filter(pc.equal(found.table["time"], 0.0))
    worth = sum(row["positions_usd"] for row in first.to_pylist() if row["side"] == "long")
    stands = sum(size for size, cash in book.values()
                 if size > 0.0 and found.levels[0] < liquidation_price_hyperliquid(ETH, size, cash, TIERS))
    assert found.levels[0] * stands < worth < ETH * stands  # worth at the levels, which are below the price


def test_a_level_that_the_price_has_passed_is_empty_and_the_others_stand(run: Run) -> None:
    found = heat_map(run, "ETH", levels=40, times=12)
    price = found.price["price_usd"].to_numpy()
    for t, time in enumerate(found.times[:-1].tolist()):
        step = round(time / 60)
        lowest, now = price[: step + 1].min(), price[step]
        longs = found.grid("long")[:, t]
        assert not longs[found.levels[:-1] > now].any()
        passed = (found.levels[:-1] > 1.02 * lowest) & (found.levels[1:] < 0.95 * now)
        assert not longs[passed].any()
    assert found.grid("long")[:, 0].sum() > found.grid("long")[:, -1].sum()


def test_funding_moves_levels_while_prices_stand_still() -> None:
    """Longs pay 0.0125 % an hour and nobody trades: eight hours on each is liquidated at the price of less cash."""
    world = exchange(horizon=HOURS * 3600, step=600).replace(
        "protocols.perps.funding", {"interval": "1 h", "period": "1 h", "interest": RATE, "clamp": 0.01, "cap": 0.04})
    found, book = heat_map(world, "ETH", levels=400, times=HOURS), book_of(world)
    assert found.path is None and np.ptp(found.price["price_usd"].to_numpy()) == 0.0
    np.testing.assert_array_equal(counted(found, 0.0), expected(found, book))
    np.testing.assert_array_equal(counted(found, 7 * 3600.0), expected(found, book, 7 * RATE * ETH))
    assert (counted(found, 0.0) != counted(found, 7 * 3600.0)).any()


def test_bands_are_of_the_accounts_leverage() -> None:
    found, book = heat_map(exchange(), "ETH", low=0.1 * ETH, high=10.0 * ETH, times=1), book_of(exchange())
    by = dict.fromkeys(BANDS, 0)
    for row in found.table.to_pylist():
        by[row["leverage"]] += row["positions"]
    leverage = np.array([abs(size) * ETH / cash for size, cash in book.values()])
    assert by["10x to 25x"] == int(((leverage >= 10) & (leverage < 25)).sum()) > 0
    assert by["3x to 5x"] == int(((leverage >= 3) & (leverage < 5)).sum()) > 0


def test_the_path_is_the_one_that_loses_most_unless_one_is_named(run: Run) -> None:
    from delever.analysis.worst import worst_of

    assert heat_map(run, "ETH", levels=4, times=2).path == worst_of(run)
    named = heat_map(run, "ETH", 2, levels=4, times=2)
    assert named.path == 2 and named.price["price_usd"][-1].as_py() == pytest.approx(run.paths["last_price.ETH/USD"][2].as_py())


def test_the_picture_has_a_cell_for_every_one_of_the_map(run: Run) -> None:
    found = heat_map(run, "ETH", levels=10, times=3)
    drawn = ElementTree.fromstring(heat_chart("small", found))
    cells = [one for one in drawn.iter(f"{SVG}rect") if str(one.get("fill", "")).startswith("rgb") and one.get("height") != "14"]
    assert len(cells) == np.count_nonzero(found.grid("long")) + np.count_nonzero(found.grid("short")) > 0
    assert heat_report("small", found).title == "Liquidation heat map of small: ETH"
    empty = heat_map(run, "ETH", levels=2, times=1, low=ETH * 0.999, high=ETH * 1.001)
    assert not empty.table.num_rows and headline(empty).startswith("Nothing stands")
    with pytest.raises(InputError, match="nothing to draw"):
        heat_chart("small", empty)


def test_what_has_no_map_is_one_line(run: Run) -> None:
    with pytest.raises(InputError, match="no account holds a perp of it"):
        heat_map(load(example("first")), "ETH")
    with pytest.raises(InputError, match="it follows ETH: shock that"):
        heat_map(run, "ETH-PERP")
    with pytest.raises(InputError, match="from 1 to 500"):
        heat_map(run, "ETH", levels=0)
    with pytest.raises(InputError, match="below high"):
        heat_map(run, "ETH", low=9.0, high=3.0)
    with pytest.raises(InputError, match="is of a run"):
        heat_map(exchange(), "ETH", 3)
    with pytest.raises(InputError, match="paths are numbered 0 to 6"):
        heat_map(run, "ETH", 70)
