"""The world of docs/markets.md is run as it stands there, its vault with it."""

from __future__ import annotations

import re
from pathlib import Path

from delever import worlds
from delever.model.yaml_text import parse
from run.small import conserved

PAGE = Path(__file__).resolve().parents[2] / "docs" / "markets.md"


def test_the_world_of_the_page_runs_and_conserves_value(tmp_path: Path) -> None:
    text = PAGE.read_text()
    world, vault = (parse(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    (book,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "book.csv").write_text(book)
    (tmp_path / "world.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    read = worlds.load(tmp_path, {"scenario.paths": 3})
    assert list(read.protocols) == ["morpho/steth", "morpho/eth_high"]
    both = worlds.load(world | vault | {"scenario": world["scenario"] | {"paths": 3}}).located(tmp_path, worlds.resolve)
    state, found = conserved(both)
    assert float(state.ledgers.totals.sum()) > 0.0 and (found["vault_withdrawn"] > 0.0).all()
