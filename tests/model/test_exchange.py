"""Margin exchanges in a world: perps, tiers, collateral, funding, the default waterfall."""

from __future__ import annotations

from typing import Any

import pytest

from delever.model.asset import factor_of, market_of, perps, price_usd
from delever.model.dump import plain
from delever.model.errors import InputError
from delever.model.exchange import instruments
from delever.model.load import world_from_mapping
from delever.model.world import CollateralParameters, Funding, PerpParameters, ReserveParameters, Tier, World

from . import conftest
from .exchange import TEXT, Adl, Arbitrageurs, Backstop, InsuranceFund, load, resolve


@pytest.fixture
def world() -> World:
    return load(TEXT)


def kinds(world: World) -> list[str]:
    return [layer.kind for layer in world.protocols["perps"].waterfall]


# --- specs -------------------------------------------------------------------------------------------------------


def test_a_perp_starts_at_the_price_of_what_it_follows(world: World) -> None:
    assert perps(world.assets) == {"BTC-PERP": "BTC", "ETH-PERP": "ETH", "wstETH-PERP": "wstETH"}
    assert market_of("BTC-PERP", world.assets) == "BTC-PERP/USD"
    for perp, underlying in perps(world.assets).items():
        assert factor_of(perp, world.assets) == price_usd(perp, world.assets) == price_usd(underlying, world.assets)
    assert price_usd("wstETH-PERP", world.assets) == 5000


def test_parameters_are_told_apart_by_their_keys(world: World) -> None:
    parameters = world.protocols["perps"].parameters
    assert isinstance(parameters, dict)
    assert parameters["BTC-PERP"] == PerpParameters(
        tiers=(Tier(floor=0, maintenance=1 / 80, max_leverage=40), Tier(floor=150e6, maintenance=1 / 40, max_leverage=20))
    )
    assert parameters["ETH-PERP"] == PerpParameters(tiers=(Tier(floor=0, maintenance=0.02, max_leverage=25),))
    assert parameters["ETH"] == CollateralParameters(haircut=0.1)
    assert parameters["stETH"] == CollateralParameters(haircut=0)
    lending = world.protocols["aave"].parameters
    assert isinstance(lending, dict)
    assert lending["ETH"] == ReserveParameters(liquidation_threshold=0.83, incentive=0.05)


def test_maintenance_is_half_of_the_initial_margin_unless_it_is_said() -> None:
    """ "maintenance margin is half of the initial margin at max leverage": Hyperliquid, Margining."""
    assert PerpParameters(max_leverage=40).tiers[0].maintenance == 0.0125
    assert PerpParameters(max_leverage=3).tiers[0].maintenance == pytest.approx(0.167, abs=5e-4)
    assert PerpParameters(max_leverage=125, maintenance="0.4 %").tiers == (Tier(floor=0, maintenance=0.004, max_leverage=125),)
    assert PerpParameters(maintenance="1 %").tiers[0].max_leverage is None


def test_funding_has_the_exchanges_defaults(world: World) -> None:
    assert world.protocols["perps"].funding == Funding(interval=3600, period=28800, interest=1e-4, clamp=5e-4, cap=0.04)
    assert world.protocols["aave"].funding is None


def test_layers_and_arbitrageurs_are_lifted(world: World) -> None:
    layers = (InsuranceFund(start={"USD": 1e6}), Backstop(), Adl(rule="hyperliquid"))
    assert world.protocols["perps"].waterfall == layers
    assert world.protocols["aave"].waterfall == ()
    assert world.actors["desk"] == Arbitrageurs(threshold=0.001)


def test_an_exchange_dumps_and_loads_as_the_same_world(world: World) -> None:
    again = world_from_mapping(plain(world), resolve)
    assert plain(again) == plain(world)
    assert again.fingerprint() == world.fingerprint()


@pytest.mark.parametrize(("old", "new", "line"), conftest.cases("exchange_mistakes.txt"))
def test_a_mistake_is_answered_with_place_value_and_remedy(old: str, new: str, line: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(InputError) as caught:
        load(TEXT.replace(old, new))
    assert str(caught.value).startswith(line)  # known names may follow


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("protocols.perps.unit", "ETH", "protocols.perps.parameters.BTC-PERP is paid in USD, and the exchange counts in ETH: "
         "'BTC-PERP'; an exchange that counts in ETH has inverse perps: `{perp: ETH, inverse: true}`"),
        ("protocols.aave.funding", {"interval": "1 h", "cap": "4 %"},
         "protocols.aave.funding has no meaning here; only perps pay it, and aave lends"),
        ("protocols.perps.waterfall", "adl", "protocols.perps.waterfall must be a list: 'adl'; write each layer as `- NAME` or "
         "`- {kind: NAME, field: value, ...}`"),
        ("protocols.perps.waterfall.adk.rule", "binance",
         "protocols.perps.waterfall has no such place: 'adk'; did you mean adl?"),
        ("protocols.perps.waterfall.3", "null", "protocols.perps.waterfall has no such place: '3'; count from 0 to 2"),
        ("protocols.aave.waterfall.adl", "null", "protocols.aave.waterfall has no such place: 'adl'; the list is empty: give the "
         "whole of it first"),
        ("protocols.perps.waterfall.adl.rule", "okx",
         "protocols.perps.waterfall.adl.rule is 'okx'; choose one of hyperliquid, binance"),
    ],
)
def test_a_wrong_setting_is_answered(world: World, path: str, value: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        world.replace(path, value)
    assert str(caught.value).startswith(line)


def test_a_perp_belongs_to_one_exchange() -> None:
    twin = "  other: {rules: margin, book: b.csv, parameters: {ETH-PERP: {max_leverage: 5}}}\n  perps:\n"
    with pytest.raises(InputError, match=r"perps\.parameters\.ETH-PERP: stands on two exchanges; it is a perp of other"):
        load(TEXT.replace("  perps:\n", twin))


def test_a_set_of_the_catalog_is_read_as_what_it_is(world: World) -> None:
    named = world.replace("protocols.perps.parameters", "hyperliquid-2025-10")
    assert set(instruments("perps", named)) >= {"BTC", "ETHUSDT", "ETH-PERP"}


# --- the waterfall by kind ---------------------------------------------------------------------------------------


def test_no_backstop_is_one_setting(world: World) -> None:
    assert kinds(world.replace("protocols.perps.waterfall.backstop", "null")) == ["insurance_fund", "adl"]
    assert kinds(world.replace("protocols.perps.waterfall.0", None)) == ["backstop", "adl"]
    assert kinds(world.replace("protocols.perps.waterfall", "null")) == []
    assert kinds(world.replace("protocols.perps.waterfall", "[]")) == []


def test_a_layer_is_changed_by_its_kind(world: World) -> None:
    changed = world.replace("protocols.perps.waterfall.adl.rule", "binance")
    assert changed.protocols["perps"].waterfall[2] == Adl(rule="binance")
    changed = world.replace("protocols.perps.waterfall.backstop", "{kind: backstop, equity: 5m}")
    assert changed.protocols["perps"].waterfall[1] == Backstop(equity=5e6)
    changed = world.replace("protocols.perps.waterfall.insurance_fund.start.USD", "2m")
    assert changed.protocols["perps"].waterfall[0] == InsuranceFund(start={"USD": 2e6})
    assert kinds(world.replace("protocols.perps.waterfall", "[adl, insurance_fund]")) == ["adl", "insurance_fund"]
