"""The check says what one should know, each with a remedy, and how well a book gives back what its source reports."""

from __future__ import annotations

import math
from typing import Any

import pytest

from delever import templates
from delever.analysis import check
from delever.model.errors import InputError
from delever.model.world import World
from delever.worlds import load

from .conftest import staked

HEALTHY = [("a", "collateral", "stETH", 10.0), ("a", "debt", "USDC", 1_000.0)]


def findings(world: World) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in check(world).findings.to_pylist()}


def test_every_finding_has_a_remedy_and_a_level(first: World) -> None:
    rows = check(first).findings.to_pylist()
    assert rows
    assert all(row["remedy"] and row["where"] and row["level"] in ("ok", "warn") for row in rows)


def test_the_embedded_world_shows_who_sees_which_price(first: World) -> None:
    rows = {row["asset"]: row for row in check(first).prices.to_pylist()}
    assert rows["ETH"]["feed"] == "eth_usd"
    assert (rows["ETH"]["heartbeat"], rows["ETH"]["deviation"]) == (3600.0, pytest.approx(0.005))
    assert rows["ETH"]["seen_usd"] == pytest.approx(2500.0)
    assert rows["USDC"]["heartbeat"] == float("inf")


def test_accounts_below_one_are_counted(first: World) -> None:
    found = findings(staked([*HEALTHY, ("b", "collateral", "ETH", 1.0), ("b", "debt", "USDC", 1_900.0)]))
    row = found["accounts below health 1 at the start"]
    assert row["level"] == "warn"
    assert "1 accounts owe 1.9k USD against 2k USD" in row["value"]
    assert "accounts below health 1 at the start" not in findings(staked(HEALTHY))


def test_what_is_missing_is_said_at_the_threshold_and_at_the_loan_to_value() -> None:
    """a: 10 ETH of 2000 against 15,500: at 80 % (16,000) nothing is missing, at 75 % 500; b: 1 ETH against 1,700: 100, 200."""
    legs = [("a", "collateral", "ETH", 10.0), ("a", "debt", "USDC", 15_500.0), ("b", "collateral", "ETH", 1.0),
            ("b", "debt", "USDC", 1_700.0)]
    terms = "protocols.pool.parameters.ETH"
    world = staked(legs).replace(f"{terms}.liquidation_threshold", 0.8)
    rows = {row["health_factor"]: row for row in check(world).accounts.to_pylist()}
    assert rows["HF < 1"]["shortfall_usd"] == pytest.approx(100.0)
    assert rows["1 to 1.2"]["shortfall_usd"] == 0.0
    assert math.isnan(rows["HF < 1"]["shortfall_at_factor_usd"])
    rows = {row["health_factor"]: row for row in check(world.replace(f"{terms}.loan_to_value", 0.75)).accounts.to_pylist()}
    assert rows["HF < 1"]["shortfall_at_factor_usd"] == pytest.approx(200.0)
    assert rows["1 to 1.2"]["shortfall_at_factor_usd"] == pytest.approx(500.0)


def test_a_loan_to_value_above_the_threshold_is_refused() -> None:
    with pytest.raises(InputError, match="is above the liquidation threshold"):
        staked(HEALTHY).replace("protocols.pool.parameters.ETH.loan_to_value", 0.99)


def test_a_market_without_a_venue_and_an_asset_without_an_oracle_are_named() -> None:
    found = findings(staked(HEALTHY))
    assert found["market without a venue is infinitely deep"]["where"] in ("ETH/USD", "USDC/USD")
    assert found["no oracle is stated: it is seen at the market"]["where"] == "oracles.pool.stETH"


def test_a_pool_beside_the_outside_price_is_named() -> None:
    found = findings(staked(HEALTHY).replace("venues.curve.reserves.ETH", 9_900))
    row = found["venue stands beside the outside price"]
    assert (row["level"], row["value"]) == ("warn", "-1.000%")


def test_nobody_who_liquidates_is_a_warning() -> None:
    assert findings(staked(HEALTHY).replace("actors.liquidators", "null"))["nobody liquidates"]["level"] == "warn"


def test_ages_are_told_in_words() -> None:
    world = staked(HEALTHY, ages={"book:pool": "2024-01-15T11:00:00Z", "venue:curve": "2024-06-15T11:00:00Z"})
    rows = {row["input"]: row for row in check(world).inputs.to_pylist()}
    assert rows["venue:curve"]["text"] == "depth is five months younger than the book"
    assert rows["book:pool"]["text"] == "one hour older than the world's date"
    assert rows["book:pool"]["age"] == 3600.0
    assert findings(world)["input is of another time than the world"]["where"] == "ages.venue:curve"


def test_a_mistake_that_only_a_run_would_meet_is_met_here() -> None:
    prices = {"kind": "lognormal", "volatility": {"ETH": 0.5, "USDC": 0.5}, "correlation": {"ETH/USDC": 1.5}}
    with pytest.raises(InputError):
        check(staked(HEALTHY).replace("scenario.prices", prices))


def test_reported_totals_are_reproduced_as_the_readers_notes_say(real: Any) -> None:
    """638 accounts of v2 and 326 of v3 give back both totals to 1e-6, and with them their health factors."""
    result = check(real("world.yaml"))
    rows = {(row["protocol"], row["tolerance"]): row for row in result.health.to_pylist()}
    assert (rows["aave_v2", 1e-6]["totals"], rows["aave_v3", 1e-6]["totals"]) == (638, 326)
    assert rows["aave_v2", 1e-6]["health"] >= 638
    assert rows["aave_v3", 1e-6]["health"] >= 326
    assert rows["aave_v2", 1e-9]["health"] >= 251  # those that owe ETH alone
    assert rows["aave_v3", 1e-2]["accounts"] == 502
    texts = result.inputs["text"].to_pylist()
    assert "depth is five months younger than the book" in texts


def test_the_bands_hold_every_account_that_owes(first: World) -> None:
    assert sum(check(first).accounts["accounts"].to_pylist()) == 40


@pytest.mark.parametrize(("cap", "asset", "what"), [
    ("supply_cap", "stETH", "more is supplied than the cap"), ("borrow_cap", "USDC", "more is owed than the cap")])
def test_a_cap_below_what_is_there_is_a_warning(cap: str, asset: str, what: str) -> None:
    """10 stETH are supplied, 1000 USDC owed."""
    there = {"stETH": 10.0, "USDC": 1000.0}[asset]
    for most, said in ((there, False), (0.999 * there, True)):
        found = findings(staked(HEALTHY).replace(f"protocols.pool.parameters.{asset}.{cap}", most))
        assert (what in found) == said
    assert found[what]["level"] == "warn"
    assert found[what]["where"] == f"protocols.pool.parameters.{asset}.{cap}"


LOG = {"kind": "log_linear", "pair": "ETH/USD", "depth": 100.0}  # its nodes reach to 800 units either way


def quotes(legs: list[tuple[str, str, str, float]]) -> str | None:
    venues = {"eth": LOG, "curve": {"kind": "constant_product", "pair": "stETH/ETH", "reserves": {"stETH": 1e4, "ETH": 1e4}}}
    row = findings(staked(legs, venues=venues)).get("depth is extrapolated beyond the last quote")
    return None if row is None else str(row["value"])


def test_depth_is_said_to_be_extrapolated_only_where_more_than_is_quoted_may_have_to_be_traded() -> None:
    def loan(coins: float, name: str = "ETH") -> list[tuple[str, str, str, float]]:
        return [("a", "collateral", name, coins), ("a", "debt", "USDC", 1_000.0)]

    assert quotes(loan(799.0)) is None
    assert "sales up to 800, where 801 are collateral of who owes" in str(quotes(loan(801.0)))
    assert quotes([*loan(10.0), ("b", "collateral", "ETH", 1e6)]) is None  # who owes nothing is never sold out
    assert "where 801 are" in str(quotes(loan(801.0, "stETH")))  # it passes through ETH/USD on its way
    looped = [("a", "collateral", "stETH", 5_000.0), ("a", "debt", "ETH", 4_500.0)]
    assert quotes(looped) is None  # sold for ETH: 500 are left
    short = [("a", "collateral", "USDC", 5e6), ("a", "debt", "ETH", 900.0)]
    assert "it has quotes for purchases up to 800, where 900 are debt" in str(quotes(short))


@pytest.mark.parametrize("kind", ["lending", "perps", "both"])
def test_the_worlds_that_init_leaves_trade_within_their_quotes(kind: str) -> None:
    codes = {row["code"] for row in check(load(templates.FOLDER / kind)).findings.to_pylist()}
    assert not codes & {"venue.extrapolated", "venue.bounded"}


def test_positions_beyond_the_quotes_of_their_book_are_said_either_way() -> None:
    world = load(templates.FOLDER / "perps").replace("venues.eth_perp.depth", 1.0)
    (row,) = [row for row in check(world).findings.to_pylist() if row["code"] == "venue.extrapolated"]
    assert row["where"] == "venue of ETH-PERP/USD"
    assert "sales up to 8, where" in row["value"] and "purchases up to 8" in row["value"]
