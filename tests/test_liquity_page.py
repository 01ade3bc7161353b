"""The world of docs/liquity.md runs as it is printed there, and says what the page says it says."""

from __future__ import annotations

import re
from pathlib import Path

from delever import load, stress
from protocols.liquity_worlds import sizes

PAGE = Path(__file__).resolve().parent.parent / "docs" / "liquity.md"
SAYS = ("burned", "redistributed", "pool_gained", "collateral_redistributed", "redeemed", "redemptions", "redemption_fees",
        "recovery_mode")


def test_the_world_of_the_page_runs_and_says_what_it_says(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "world.yaml").write_text(text)
    rows = ["account,asset,side,amount"]
    for i, (held, ratio) in enumerate(sizes(40)):
        rows += [f"t{i},ETH,collateral,{held}", f"t{i},LUSD,debt,{held * 3400 / ratio}"]
    (tmp_path / "troves.csv").write_text("\n".join(rows) + "\n")
    found = stress(load(tmp_path / "world.yaml").replace("scenario.paths", 3), tmp_path / "run", threads=1)
    paths = found.paths.to_pydict()
    for name in SAYS:
        assert f"{name}.liquity.ETH" in paths, sorted(paths)
    assert min(paths["burned.liquity.ETH"]) > 0.0 and max(paths["redistributed.liquity.ETH"]) > 0.0
