"""LLAMMA's arithmetic against the executed contracts: bands, deposits, the oracle limiter, trades, health, whole paths.

Tolerance, float64 against the contracts' integers: 2e-11 relative (the contract works out p_up to 1e-11), and three smallest
units of a token that has fewer decimals than the bands, which is rounded once a trade.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from delever.protocols.llamma_formulas import (
    DEAD,
    UNPAID,
    Grid,
    effective,
    first_band,
    highest_first_band,
    limited,
    own_range,
    price_of,
    sell_collateral,
    sell_stable,
    shares_for,
    upper,
    x_down,
    y0_of,
    y_up,
)
from protocols.vectors import cases, number


def near(theirs: Any, unit: float = 0.0, scale: float = 0.0) -> Any:
    """unit: smallest one of the token; scale: what the digits are counted of, where it is more than the number itself."""
    return pytest.approx(number(theirs), rel=2e-11, abs=max(3 * unit, 2e-11 * scale))


def plain(name: str, kind: str | None = None) -> list[dict[str, Any]]:
    """Cases that are not on an edge."""
    return [case for case in cases(f"llamma_{name}") if not case.get("edge") and kind in (None, case["kind"])]


class Amm(NamedTuple):
    """All bands of a case, one beside the other."""

    grid: Grid
    terms: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lowest: int  # number of the first band

    def price(self, b: int, p_o: float) -> float:
        return price_of(self.x[b], self.y[b], p_o, self.grid.edge[b], self.terms[0])


def amm(given: dict[str, Any]) -> Amm:
    lowest = given["min_band"]
    n = np.arange(lowest, given["max_band"] + 1)
    ratio, base = number(given["log_A_ratio"]), number(given["base_price"])
    x, y = np.zeros((2, len(n)))
    for band, stable, collateral in given["bands"]:
        x[band - lowest], y[band - lowest] = number(stable), number(collateral)
    terms = np.array([given["A"], 0.0, number(given.get("admin_fee", ["", 0.0])), 0.0, 0.0, ratio])
    return Amm(Grid(n, np.array([upper(base, ratio, k) for k in n])), terms, x, y, lowest)


def trade(house: Amm, sold: str, amount: float, b: int, p_o: float, fee: float) -> tuple[float, float, float, int]:
    sell = sell_stable if sold == "stable" else sell_collateral
    return sell(amount, b, p_o, 1.0, fee, house.grid, house.terms, house.x, house.y)


def test_bands_and_their_prices() -> None:
    found = plain("bands", "band")
    for case in found:
        given, out, a = case["in"], case["out"], float(case["in"]["A"])
        p_o, p_up = number(given["p_oracle"]), upper(number(given["base_price"]), number(given["log_A_ratio"]), given["band"])
        assert p_up == near(out["p_oracle_up"]) and p_up * (a - 1) / a == near(out["p_oracle_down"])
        low, high = own_range(p_o, p_up, a)
        assert low == near(out["p_current_down"]) and high == near(out["p_current_up"])
    assert len(found) >= 21


def test_the_invariant_of_a_band() -> None:
    found = plain("bands", "y0")
    for case in found:
        given, out, a = case["in"], case["out"], float(case["in"]["A"])
        p_o, p_up = number(given["p_oracle"]), upper(number(given["base_price"]), number(given["log_A_ratio"]), given["band"])
        x, y = number(given["x"]), number(given["y"])
        assert y0_of(x, y, p_o, p_up, a) == near(out["y0"]) and price_of(x, y, p_o, p_up, a) == near(out["p"])
    assert len(found) >= 8


def test_the_limiter_of_the_oracle() -> None:
    found = plain("bands", "oracle_limit")
    for case in found:
        last, left, base = number(case["in"]["start"]), 0.0, number(case["in"]["base_fee"])
        for given, out in zip(case["in"]["sequence"], case["out"]["steps"], strict=True):
            last, left = limited(number(given["oracle"]), last, left, float(given["wait"]))
            assert last == near(out["p_oracle"]) and max(left, base) == near(out["fee"]), case["id"]
    assert len(found) >= 7


def test_deposits() -> None:
    found = plain("bands", "deposit")
    for case in found:
        given, out = case["in"], case["out"]
        before = {band: (number(y), number(total) * unit_of_shares(total)) for band, y, total in given["existing"]}
        each = number(given["amount"]) / (given["n2"] - given["n1"] + 1)
        for n, after, added in zip(range(given["n1"], given["n2"] + 1), out["y_after"], out["shares_added"], strict=True):
            held, total = before.get(n, (0.0, 0.0))
            assert held + each == near(after, 50e-18), case["id"]
            assert shares_for(each, held, total) == pytest.approx(float(added[0]) * 1e-18, rel=1e-9, abs=5e-14), case["id"]
    assert len(found) >= 7


def unit_of_shares(total: list[Any]) -> float:
    """Whole shares of 1e18, of a quantity that is given in raw ones."""
    return float(total[0]) * 1e-18 / number(total) if number(total) else 1.0


def test_where_loans_are_placed() -> None:
    found = plain("bands", "loan_bands")
    for case in found:
        given, out, a = case["in"], case["out"], float(case["in"]["A"])
        base, ratio = number(given["base_price"]), number(given["log_A_ratio"])
        worth = effective(number(given["collateral"]), given["N"], number(given["loan_discount"]), a)
        top = highest_first_band(number(given["p_oracle"]), base, ratio)
        assert worth * upper(base, ratio, top) * (1.0 - UNPAID) == near(out["max_borrowable"])
        n1 = first_band(worth, number(given["debt"]), base, ratio)
        assert (n1, n1 + given["N"] - 1) == (out["n1"], out["n2"]) and n1 >= top, case["id"]
    assert len(found) >= 8


def test_trades() -> None:
    found = plain("exchange")
    for case in found:
        given, out, house = case["in"], case["out"], amm(case["in"])
        units = [10.0 ** -given[name] for name in ("stable_decimals", "collateral_decimals")]
        units = units if given["sell"] == "stable" else units[::-1]
        p_o, b = number(given["p_oracle"]), given["active_band"] - house.lowest
        assert house.price(b, p_o) == near(out["p_before"])
        brought, got, admin, b = trade(house, given["sell"], number(given["amount"]), b, p_o, number(given["fee"]))
        assert brought == near(out["amount_in"], units[0]) and got == near(out["amount_out"], units[1]), case["id"]
        assert admin == near(out["admin_fee"], units[0]) and b + house.lowest == out["active_band_after"], case["id"]
        assert house.price(b, p_o) == near(out["p_after"])
        whole = number(out["amount_in"]) * (1.0 if given["sell"] == "stable" else p_o)  # in stablecoin
        for band, x, y in out["changed_bands"]:
            assert house.x[band - house.lowest] == near(x, scale=whole), case["id"]
            assert house.y[band - house.lowest] == near(y, scale=whole / p_o), case["id"]
    assert len(found) >= 26


def position_of(house: Amm, p_o: float, mine: list[int], share: list[float], worth: Any) -> float:
    """What shares of bands are worth, by a function of a band."""
    return sum(s * float(worth(house.x[b], house.y[b], p_o, house.grid.edge[b], house.terms[0]))
               for b, s in zip(mine, share, strict=True))


def test_health_and_hard_liquidation() -> None:
    found, open_to_all = plain("health"), 0
    for case in found:
        given, out, house = case["in"], case["out"], amm(case["in"])
        p_o, debt, unit = number(given["p_oracle"]), number(given["debt"]), 10.0 ** -given["collateral_decimals"]
        mine = [given["n1"] - house.lowest + k for k in range(given["n2"] - given["n1"] + 1)]
        share = [number(s) / (number(total) + DEAD) for s, total in zip(given["user_shares"], given["total_shares"], strict=True)]

        position = partial(position_of, house, p_o, mine, share)
        held_x, held_y = position(lambda x, y, *_: x), position(lambda x, y, *_: y)
        assert position(x_down) == near(out["x_down"]) and position(y_up) == near(out["y_up"], unit), case["id"]
        health = position(x_down) * (1.0 - number(given["liquidation_discount"])) / debt - 1.0
        assert health == near(out["health"], scale=1.0)
        if given["n1"] > given["active_band"]:
            health += max(p_o - house.grid.edge[mine[0]], 0.0) * held_y / debt
        assert health == near(out["health_full"], scale=1.0)
        assert (health < 0.0) == ("liquidate" in out), case["id"]
        if health < 0.0:
            open_to_all += 1
            assert held_x - debt == near(out["liquidate"]["stable_change"])
            assert held_y == near(out["liquidate"]["collateral_received"], unit)
    assert len(found) >= 25 and open_to_all >= 12


def check_path(case: dict[str, Any]) -> None:
    """Step by step."""
    given, house, a = case["in"], amm(case["in"]), float(case["in"]["A"])
    unit, stable = (10.0 ** -given[name] for name in ("collateral_decimals", "stable_decimals"))
    last, left, b = number(given["p_oracle"]), 0.0, given["active_band"] - house.lowest
    for step, out in zip(given["path"], case["out"]["steps"], strict=True):
        last, left = limited(number(step["oracle"]), last, left, float(step["wait"]))
        fee = max(left, number(given["base_fee"]))
        assert last == near(out["p_oracle"]) and fee == near(out["fee"]), case["id"]
        brought, got, _, b = trade(house, out["sell"], number(out["amount"]), b, last, fee)
        units = (stable, unit) if out["sell"] == "stable" else (unit, stable)
        whole = number(given["debt"])
        scales = (whole, whole / last) if out["sell"] == "stable" else (whole / last, whole)
        assert brought == near(out["amount_in"], units[0], scales[0]), case["id"]
        assert got == near(out["amount_out"], units[1], scales[1]), case["id"]
        assert b + house.lowest == out["active_band"], case["id"]
        assert house.price(b, last) == near(out["p_amm"]), case["id"]
        worth = sum(x_down(house.x[k], house.y[k], last, house.grid.edge[k], a) for k in range(len(house.x)))
        assert worth == near(out["x_down"], scale=whole), case["id"]
        health = worth * (1.0 - number(given["liquidation_discount"])) / whole - 1.0
        assert health == near(out["health"], scale=1.0), case["id"]
        assert house.x.sum() == near(out["sum_x"], scale=whole) and house.y.sum() == near(out["sum_y"], unit, whole / last)


def test_soft_liquidation_along_paths() -> None:
    found = plain("softliq")
    for case in found:
        check_path(case)
    assert len(found) >= 10
