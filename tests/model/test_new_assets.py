"""A new coin of a book is asked for once, with all that it takes; what is printed is pasted, filled in, and found right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from delever import templates
from delever.analysis import check
from delever.model.errors import InputError
from delever.worlds import load

FILLED = {"PRICE USD": "20 USD", "UNITS x PRICE": "2_000_000", "UNITS": "100_000", "THRESHOLD": "75 %", "BONUS": "5 %",
          "HAIRCUT": "20 %", "LEVERAGE": "20", "VOLATILITY": "90 %"}
LOANS = """account,asset,side,amount
a,ETH,collateral,5
a,USDC,debt,6000
b,LINK,collateral,900
b,USDC,debt,2000
c,ARB,collateral,500
c,FRAX,debt,20
d,LINK,debt,1
d,ETH,collateral,1
"""
TRADES = """account,instrument,size,entry_price,margin_mode,collateral,collateral_asset
a,SOL-PERP,3,20,cross,400,USD
b,SOL-PERP,-3,20,cross,400,USD
b,,,,cross,9,DOGE
"""


def folder_of(kind: str, book: str, name: str, where: Path) -> Path:
    shutil.copytree(templates.FOLDER / kind, where / kind)
    (where / kind / name).write_text(book)
    return where / kind


def merged(world: Any, more: Any) -> Any:
    for key, inner in more.items():
        world[key] = merged(world[key], inner) if isinstance(inner, dict) and key in world else inner
    return world


def pasted(folder: Path, lines: tuple[str, ...]) -> None:
    """The lines, with the capitals filled in, laid below the keys that they stand under."""
    text = "\n".join(lines)
    for placeholder, value in FILLED.items():
        text = re.sub(rf"\b{placeholder}\b", value, text)
    path = folder / "world.yaml"
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), yaml.safe_load(text)), sort_keys=False))


def refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        check(load(folder))
    return caught.value


def test_all_new_coins_of_a_lending_book_are_asked_for_at_once(tmp_path: Path) -> None:
    folder = folder_of("lending", LOANS, "book.csv", tmp_path)
    error = refused(folder)
    assert "row 4, column asset: unknown asset LINK, and so are ARB, FRAX; known: ETH, USDC, WBTC" in str(error)
    for place in ("assets", "protocols.pool.parameters", "oracles.pool", "feeds", "venues", "scenario.prices.volatility"):
        assert re.search(rf"[ ,]{re.escape(place)}[,:]", str(error)), place
    assert "\n" not in str(error) and not any("FRAX: {liquidation_threshold" in line for line in error.lines)  # it is debt alone
    pasted(folder, error.lines)
    found = check(load(folder)).findings.to_pylist()
    mine = [row for row in found if any(name in row["where"] + row["value"] for name in ("LINK", "ARB", "FRAX"))]
    assert [row["code"] for row in mine if row["code"] != "input.undated"] == []


def test_capitals_that_are_not_filled_in_are_refused(tmp_path: Path) -> None:
    folder = folder_of("lending", LOANS, "book.csv", tmp_path)
    lines, kept = refused(folder).lines, dict(FILLED)
    for placeholder in ("PRICE USD", "UNITS", "THRESHOLD", "BONUS", "VOLATILITY"):
        FILLED.pop(placeholder)
        try:
            pasted(folder, lines)
        finally:
            FILLED.update(kept)
        assert placeholder.split()[0] in str(refused(folder))
        shutil.copy(templates.FOLDER / "lending" / "world.yaml", folder / "world.yaml")


def test_what_is_there_already_is_not_asked_for_again(tmp_path: Path) -> None:
    folder = folder_of("lending", LOANS, "book.csv", tmp_path)
    usdc = "  USDC: {price: 1 USD}"
    coins = f"{usdc}\n  LINK: {{price: 20 USD}}\n  ARB: {{price: 1 USD}}\n  FRAX: {{peg: USDC, ratio: 1}}"
    world = (folder / "world.yaml").read_text().replace(usdc, coins)
    (folder / "world.yaml").write_text(world.replace("feeds: ", "feeds:\n  chainlink: {kind: push, of: LINK/USD, heartbeat: 1 h, "
                                                     "deviation: 1 %}\n#", 1))
    error = refused(folder)
    assert "protocols.pool.parameters: no parameters for collateral: 'LINK, ARB'; add it to the parameter set" in str(error)
    assert "    LINK: chainlink  # or \"1\" where it is taken for a dollar" in error.lines
    assert not any(line.startswith(("assets", "  link_usd")) for line in error.lines)


def test_an_exchange_s_new_perp_and_collateral_are_asked_for_at_once(tmp_path: Path) -> None:
    folder = folder_of("perps", TRADES, "positions.csv", tmp_path)
    error = refused(folder)
    assert "unknown instrument: 'SOL-PERP'" in str(error)
    pasted(folder, error.lines)
    world = load(folder)
    assert world.assets["SOL-PERP"].perp == "SOL" and world.assets["DOGE"].price == 20.0
    assert check(world).findings.num_rows


COINS = """account,instrument,size,entry_price,margin_mode,collateral,collateral_asset
a,ETH,3,3300,cross,4000,USD
b,BTCUSDT,-3,94000,cross,90000,USD
c,DOGE,5,0.3,cross,9,USD
"""


def test_symbols_of_an_exchange_are_the_world_s_perps_under_other_names(tmp_path: Path) -> None:
    """Coins that have a perp need nothing but its name; one that has none needs the coin, its perp, and the name too."""
    error = refused(folder_of("perps", COINS, "positions.csv", tmp_path))
    assert "import it with --name ETH=ETH-PERP --name BTCUSDT=BTC-PERP --name DOGE=DOGE-PERP" in str(error)
    assert "  DOGE-PERP: {perp: DOGE}" in error.lines and any(line.startswith("  DOGE: {price") for line in error.lines)
    assert not any("BTC" in line or "ETH:" in line for line in error.lines)
    (tmp_path / "known").mkdir()
    known = refused(folder_of("perps", COINS.replace("c,DOGE", "c,ETH"), "positions.csv", tmp_path / "known"))
    assert str(known).endswith("import it with --name ETH=ETH-PERP --name BTCUSDT=BTC-PERP") and known.lines == ()
