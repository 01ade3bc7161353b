"""Margin exchanges in a world: perps, tiers, collateral, funding, the default waterfall, and books of positions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pytest
from pydantic import Field

from delever.model.asset import factor_of, market_of, perps, price_usd
from delever.model.book import LEGS, Book
from delever.model.checks import check_book
from delever.model.dump import plain
from delever.model.errors import InputError, nearest
from delever.model.exchange import instruments
from delever.model.load import mapping_from_yaml, world_from_mapping
from delever.model.quantity import Amount, Share
from delever.model.spec import Spec
from delever.model.world import CollateralParameters, Funding, PerpParameters, ReserveParameters, Tier, World

from . import conftest

TEXT = """
as_of: 2025-10-10T20:45:00Z
assets:
  BTC: {price: 100k USD}
  ETH: {price: 4000 USD}
  stETH: {peg: ETH, ratio: 1}
  wstETH: {wraps: stETH, rate: 1.25}
  BTC-PERP: {perp: BTC}
  ETH-PERP: {perp: ETH}
  wstETH-PERP: {perp: wstETH}
protocols:
  aave:
    rules: aave.v2
    book: loans.csv
    parameters:
      ETH: {liquidation_threshold: 83 %, incentive: 5 %}
  perps:
    rules: margin
    book: positions.csv
    parameters:
      BTC-PERP: {tiers: [{floor: 0 USD, max_leverage: 40}, {floor: 150m USD, max_leverage: 20}]}
      ETH-PERP: {max_leverage: 25}
      ETH: {haircut: 10 %}
      stETH: {}
    waterfall:
      - {kind: insurance_fund, start: {USD: 1m}}
      - backstop
      - {kind: adl, rule: hyperliquid}
    funding: {interval: 1 h, cap: 4 %}
arbitrageurs:
  desk: {kind: arbitrageurs, threshold: 0.1 %}
scenario:
  horizon: 24 h
  step: 1 min
  paths: 10
  seed: 7
  prices: {kind: lognormal, volatility: {ETH: 80 %}}
  shocks:
    - {at: 0, price: {ETH: -20 %}}
"""


class Margin(Spec):
    kind: ClassVar[str] = "margin"
    margin: ClassVar[bool] = True
    fee: Share = 0.0


class InsuranceFund(Spec):
    kind: ClassVar[str] = "insurance_fund"
    start: dict[str, Amount] = Field({})


class Backstop(Spec):
    kind: ClassVar[str] = "backstop"
    equity: Amount = 0.0


class Adl(Spec):
    kind: ClassVar[str] = "adl"
    rule: Literal["hyperliquid", "binance"] = "hyperliquid"


class Arbitrageurs(Spec):
    kind: ClassVar[str] = "arbitrageurs"
    threshold: Share


KNOWN: dict[str, list[type[Spec]]] = {
    **conftest.KNOWN,
    "protocols": [conftest.Aave, Margin],
    "waterfall": [InsuranceFund, Backstop, Adl],
    "behaviour": [conftest.Liquidators, Arbitrageurs],
}


def resolve(role: str, kind: str) -> type[Spec]:
    known = {spec.kind: spec for spec in KNOWN[role]}
    if kind not in known:
        raise InputError(f"unknown kind of {role}", value=kind, remedy=nearest(kind, known))
    return known[kind]


def load(text: str) -> World:
    return world_from_mapping(mapping_from_yaml(text, "world.yaml"), resolve, "world.yaml")


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
    assert world.arbitrageurs == {"desk": Arbitrageurs(threshold=0.001)}


def test_an_exchange_dumps_and_loads_as_the_same_world(world: World) -> None:
    again = world_from_mapping(plain(world), resolve)
    assert plain(again) == plain(world)
    assert again.fingerprint() == world.fingerprint()


@pytest.mark.parametrize(("old", "new", "line"), conftest.cases("exchange_mistakes.txt"))
def test_a_mistake_is_answered_with_place_value_and_remedy(old: str, new: str, line: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(InputError) as caught:
        load(TEXT.replace(old, new))
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("protocols.perps.unit", "ETH", "protocols.perps.unit is ETH; a margin exchange counts in USD: leave it out"),
        ("protocols.aave.funding", {"interval": "1 h", "cap": "4 %"},
         "protocols.aave.funding has no meaning here; only perps pay it, and aave lends"),
        ("protocols.perps.waterfall", "adl", "protocols.perps.waterfall must be a list: 'adl'; write each layer as `- NAME` or "
         "`- {kind: NAME, field: value, ...}`"),
        ("protocols.perps.waterfall.adk.rule", "binance", "protocols.perps.waterfall has no such place: 'adk'; did you mean adl?"),
        ("protocols.perps.waterfall.3", "null", "protocols.perps.waterfall has no such place: '3'; count from 0 to 2"),
        ("protocols.aave.waterfall.adl", "null", "protocols.aave.waterfall has no such place: 'adl'; the list is empty: give the "
         "whole of it first"),
        ("protocols.perps.waterfall.adl.rule", "okx",
         "protocols.perps.waterfall.2.rule is 'okx'; choose one of hyperliquid, binance"),
    ],
)
def test_a_wrong_setting_is_answered(world: World, path: str, value: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        world.replace(path, value)
    assert str(caught.value) == line


def test_a_perp_belongs_to_one_exchange() -> None:
    twin = TEXT.replace("  perps:\n", "  other: {rules: margin, book: b.csv, parameters: {ETH-PERP: {max_leverage: 5}}}\n  perps:\n")
    with pytest.raises(InputError, match=r"perps\.parameters\.ETH-PERP: stands on two exchanges; it is a perp of other: give perps"):
        load(twin)


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


# --- books -------------------------------------------------------------------------------------------------------

BOOK = """account,asset,side,amount,entry_price
ann,USD,collateral,20000,
ann,BTC-PERP,position,-2,101000
bob,ETH,collateral,10,
bob,ETH-PERP,position,50,3900
bob,BTC-PERP,position,0.1,99000
"""
Read = Callable[[str], Book]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(text: str) -> Book:
        (tmp_path / "book.csv").write_text(text)
        return Book.read(tmp_path / "book.csv", "perps")

    return from_text


def test_positions_are_signed_and_have_an_entry_price(read: Read, world: World) -> None:
    book = read(BOOK)
    assert book.legs.schema.equals(LEGS, check_metadata=True)
    assert book.legs["amount"].to_pylist() == [20000, -2, 10, 50, 0.1]
    assert book.legs["entry_price"].to_pylist() == [None, 101000, None, 3900, 99000]
    check_book(book, world, "book.csv", "perps")
    assert world.replace("protocols.perps.book", book).protocols["perps"].book == book


@pytest.mark.parametrize("name", ["copy.csv", "copy.parquet"])
def test_a_book_of_positions_comes_back_as_it_was_written(read: Read, tmp_path: Path, name: str) -> None:
    book = read(BOOK)
    book.write(tmp_path / name)
    assert Book.read(tmp_path / name) == book


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("-2,101000", "-2,", "book.csv, row 3, column entry_price: size without entry price; write what a unit was opened at, in USD"),
        ("-2,101000", "-2,0", "book.csv, row 3, column entry_price is not above 0: 0.0; write what a unit was opened at, in USD"),
        ("-2,101000", "0,101000", "book.csv, row 3, column amount is 0; leave out what is not held"),
        ("20000,", "20000,1", "book.csv, row 2, column entry_price has no meaning here: 1.0; it belongs to side position"),
        ("20000,", "-20000,", "book.csv, row 2, column amount is negative: -20000.0; amounts are positive, the side says which way; "
         "only rows labelled remainder are signed"),
    ],
)
def test_a_bad_position_is_answered_with_its_row(read: Read, tmp_path: Path, old: str, new: str, line: str) -> None:
    assert BOOK.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(BOOK.replace(old, new))
    assert str(caught.value) == f"{tmp_path}/{line}"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("bob,BTC-PERP", "bob,BTC-PREP", "b.csv, account bob: unknown instrument: 'BTC-PREP'; did you mean BTC-PERP?"),
        ("bob,BTC-PERP", "bob,BTC", "b.csv, account bob: unknown instrument: 'BTC'; add it to protocols.perps.parameters, or "
         "correct the name: did you mean BTC-PERP?"),
        ("bob,ETH,", "bob,wstETH,", "b.csv, account bob: unknown collateral: 'wstETH'; add it to protocols.perps.parameters, or "
         "correct the name: did you mean stETH?"),
        ("ETH-PERP,position,50,3900", "USD,debt,50,", "b.csv, account bob has a debt: 'USD'; perps is a margin exchange: the other "
         "side of its collateral is `position`"),
        ("20000", "1500", "b.csv, account ann: leverage above the tier: '57.14'; BTC-PERP allows 40 from 0 USD on: add collateral "
         "or correct size and entry price"),
    ],
)
def test_a_book_that_the_exchange_could_not_have_is_refused(read: Read, world: World, old: str, new: str, line: str) -> None:
    assert BOOK.count(old) == 1
    with pytest.raises(InputError) as caught:
        check_book(read(BOOK.replace(old, new)), world, "b.csv", "perps")
    assert str(caught.value) == line


def test_lending_holds_no_positions(read: Read, world: World) -> None:
    with pytest.raises(InputError, match="account ann has a position: 'BTC-PERP'; aave lends: the other side of its collateral"):
        check_book(read(BOOK), world, "b.csv", "aave")


def one_position(size: float, entry: float, cash: float) -> Book:
    legs = [{"account": "a", "asset": "USD", "side": "collateral", "amount": cash, "entry_price": None},
            {"account": "a", "asset": "BTC-PERP", "side": "position", "amount": size, "entry_price": entry}]
    return Book.from_table(pa.Table.from_pylist(legs), protocol="perps")


@pytest.mark.parametrize(
    ("size", "entry", "cash", "allowed"),
    [
        (1, 100_000, 2500, True),  # opened at 40x just now
        (1, 100_000, 2500 - 45, True),  # and paid a taker's fee of 0.045 %
        (1, 100_000, 2000, False),  # 50x
        (-1, 100_000, 2000, False),
        (1, 101_000, 2600, True),  # 62x now, as it has lost 1000; it was opened at 39x
        (1, 50_000, 100, True),  # 500x by what was paid in, but 2x by equity: opened out of profits
        (1000, 100_000, 2_500_000, True),  # 100m USD at 40x
        (2000, 100_000, 5_000_000, False),  # 200m USD at 40x, where 20x is allowed
        (2000, 100_000, 10_000_000, True),
    ],
)
def test_leverage_is_that_of_the_tier(world: World, size: float, entry: float, cash: float, allowed: bool) -> None:
    book = one_position(size, entry, cash)
    if allowed:
        check_book(book, world, "b", "perps")
        return
    with pytest.raises(InputError, match="account a: leverage above the tier"):
        check_book(book, world, "b", "perps")


def test_collateral_counts_after_its_haircut(world: World, read: Read) -> None:
    """40 ETH-PERP are 160,000 USD; 1.7 ETH are 6800 USD, enough at 25x before the haircut of 10 % and not after it."""
    book = read("account,asset,side,amount,entry_price\na,ETH,collateral,1.7,\na,ETH-PERP,position,40,4000\n")
    with pytest.raises(InputError, match="leverage above the tier: '26.14'"):
        check_book(book, world, "b", "perps")
    check_book(book, world.replace("protocols.perps.parameters.ETH.haircut", 0), "b", "perps")


# --- the plain long table ----------------------------------------------------------------------------------------

POSITIONS = """account,instrument,size,entry_price,margin_mode,collateral,collateral_asset
alice,BTC-PERP,0.5,101000,isolated,5500,
alice,ETH-PERP,-10,4200,cross,1000,
alice,BTC-PERP,0.25,99000,cross,,
alice,,,,cross,20000,
007,ETH-PERP,1,4000,cross,1,ETH
"""


def test_rows_become_accounts_by_their_margin_mode(read: Read, world: World) -> None:
    book = read(POSITIONS)
    rows = zip(*(book.legs[name].to_pylist() for name in ("account", "owner", "asset", "side", "amount", "entry_price")), strict=True)
    assert list(rows) == [
        ("alice/BTC-PERP", "alice", "BTC-PERP", "position", 0.5, 101000),
        ("alice/BTC-PERP", "alice", "USD", "collateral", 5500, None),
        ("alice", "alice", "ETH-PERP", "position", -10, 4200),
        ("alice", "alice", "USD", "collateral", 21000, None),
        ("alice", "alice", "BTC-PERP", "position", 0.25, 99000),
        ("007", "007", "ETH-PERP", "position", 1, 4000),
        ("007", "007", "ETH", "collateral", 1, None),
    ]
    assert book.legs["protocol"].unique().to_pylist() == ["perps"]
    check_book(book, world, "positions.csv", "perps")


def test_a_balance_that_losses_have_eaten_is_a_signed_remainder(read: Read) -> None:
    legs = read("account,instrument,size,entry_price,margin_mode,collateral\na,BTC-PERP,1,90000,cross,-500\n").legs.to_pylist()
    assert [(leg["side"], leg["amount"], leg["label"]) for leg in legs] == [("position", 1, ""), ("collateral", -500, "remainder")]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("-10,4200", "-10,", ", row 3, column entry_price: size without entry price; write what a unit was opened at, in USD"),
        ("-10,4200", ",4200", ", row 3, column size: instrument without size; write the units held, short below 0"),
        ("-10,4200", "0,4200", ", row 3, column size is 0; leave the instrument empty: the row is collateral alone"),
        ("-10,4200", "-10,-1", ", row 3, column entry_price is not above 0: -1.0; write what a unit was opened at, in USD"),
        ("-10,4200", "ten,4200", ", row 3, column size is not a number: 'ten'; write a number without unit or commas"),
        ("isolated", "isolatd", ", row 2, column margin_mode is 'isolatd'; did you mean isolated?"),
        ("alice,,,,cross", "alice,,,,isolated", ", row 5, column instrument: isolated without instrument: ''; name the perp that it "
         "is the margin of, or write cross"),
        ("alice,,,,cross", "alice,,2,1,cross", ", row 5, column instrument: position without instrument: ''; name the perp, or leave "
         "size and entry_price empty"),
        ("cross,20000", "cross,0", ", row 5, column collateral: neither position nor collateral: 0.0; leave the row out"),
        ("cross,1,ETH", "cross,-1,ETH", ", row 6, column collateral is negative: -1.0; only a balance in USD may be owed"),
        ("alice,BTC-PERP,0.25", "alice,ETH-PERP,0.25", ", row 4, column account: account alice stands twice in perps with cross "
         "ETH-PERP; keep one of rows 3 and 4, or their sum"),
        ("instrument,size", "instrument,sise", ": unknown column: 'sise'; did you mean size?"),
        ("margin_mode,", "margin_mod,", ": unknown column: 'margin_mod'; did you mean margin_mode?"),
    ],
)
def test_a_bad_row_of_positions_is_answered(read: Read, tmp_path: Path, old: str, new: str, line: str) -> None:
    assert POSITIONS.count(old) == 1
    with pytest.raises(InputError) as caught:
        read(POSITIONS.replace(old, new))
    assert str(caught.value) == f"{tmp_path / 'book.csv'}{line}"
