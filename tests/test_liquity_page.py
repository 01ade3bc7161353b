"""The worlds of docs/liquity.md run as they are printed there, and say what the page says they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from delever import load, stress
from delever.run.assemble import assemble
from protocols.liquity_v2_worlds import PRICE
from protocols.liquity_worlds import sizes

PAGE = Path(__file__).resolve().parent.parent / "docs" / "liquity.md"
SHARED = ("burned", "redistributed", "pool_gained", "collateral_redistributed", "redeemed", "redemptions", "redemption_fees")
OWN = (("recovery_mode",), ("interest_minted", "pool_yield", "urgently_redeemed", "urgent_collateral", "shutdown"))


def books() -> tuple[list[str], list[str]]:
    """Troves of 40 accounts each: of v1, and of v2 in turn of each collateral."""
    v1, v2 = ["account,asset,side,amount"], ["account,asset,side,amount,interest_rate"]
    for i, (held, ratio) in enumerate(sizes(40)):
        v1 += [f"t{i},ETH,collateral,{held}", f"t{i},LUSD,debt,{held * 3400 / ratio}"]
        name = list(PRICE)[i % 3]
        rate, worth = 0.01 * (1 + i % 5), {"WETH": 2500, "wstETH": 3000, "rETH": 2800}[name]
        v2 += [f"t{i},{name},collateral,{held},{rate}", f"t{i},BOLD,debt,{held * worth / (ratio + 0.1)},{rate}"]
    return v1, v2


@pytest.mark.parametrize("version", [0, 1])
def test_the_worlds_of_the_page_run_and_say_what_it_says(version: int, tmp_path: Path) -> None:
    text = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[version]
    (tmp_path / "world.yaml").write_text(text)
    (tmp_path / ("troves.csv", "bold.csv")[version]).write_text("\n".join(books()[version]) + "\n")
    world = load(tmp_path / "world.yaml").replace("scenario.paths", 3)
    if version == 1:
        assert assemble(world).positions.interest_rate.tolist() == [0.01 * (1 + i % 5) for i in range(40)]
    found = stress(world, tmp_path / "run", threads=1)
    paths, of = found.paths.to_pydict(), ("liquity.ETH", "bold.WETH")[version]
    for name in (*SHARED, *OWN[version]):
        assert f"{name}.{of}" in paths, sorted(paths)
    assert min(paths[f"burned.{of}"]) > 0.0 and max(paths[f"redistributed.{('liquity.ETH', 'bold.rETH')[version]}"]) > 0.0
    assert (f"recovery_mode.{of}" in paths) == (version == 0)
