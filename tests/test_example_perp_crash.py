"""examples/perp_crash: what its files say, that its pages say the same, and, where its data are, a small run of it."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from delever.core.tables import SLOTS
from delever.engine.step import step
from delever.run.assemble import Model, assemble, phases
from delever.run.start import new_state
from delever.worlds import load

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "perp_crash"
MODULES = ("book", "draws", "evening", "exchange", "forecast", "history", "inputs", "make_world", "page")
FEW, STEPS = 6, 20  # coins and steps of the small runs
KINDS = ("rows", "upper_bound_rows")
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data") / "crash_2025-10-10"
with_data = pytest.mark.skipif(not DATA.is_dir() and not os.environ.get("CI"),
                               reason="the data of 10 October 2025 are not here (DELEVER_DATA)")


@pytest.fixture(scope="module")
def example() -> Iterator[Callable[[str], ModuleType]]:
    """The example's modules by name; they import one another as scripts of one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELEVER_DATA", str(DATA.parent))
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module
    for name in MODULES:
        importlib.sys.modules.pop(name, None)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def predictions() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(FOLDER.glob("predictions-*.json")).read_text())
    return found


# --- the files -------------------------------------------------------------------------------------------------------


def test_the_predictions_say_how_and_when_they_were_made(predictions: dict[str, Any]) -> None:
    assert (FOLDER / f"predictions-{predictions['made']}.json").is_file()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", predictions["made"])
    assert predictions["as_of"] == "2025-10-10T20:45:00Z"
    assert predictions["draws"] >= 200
    assert predictions["seed"] == 20251010
    assert {"delever", "python", "numpy", "numba"} <= set(predictions["versions"])


def test_the_hash_of_the_inputs_is_of_the_files_named(example: Callable[[str], ModuleType], predictions: dict[str, Any]) -> None:
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in predictions["files"].values())
    assert example("forecast").hash_of(predictions["files"]) == predictions["inputs_sha256"]


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_row_a_quantity_with_its_unit(
    example: Callable[[str], ModuleType], predictions: dict[str, Any], kind: str
) -> None:
    rows = predictions[kind]
    units = example("draws").UNITS
    assert {row["quantity"]: row["unit"] for row in rows if row["coin"] == "all"} == units
    shares = {name for name in units if "share" in name}
    coins = {row["coin"] for row in rows} - {"all"}
    assert len(coins) == 40
    assert sorted((row["coin"], row["quantity"]) for row in rows if row["coin"] != "all") == sorted(
        (coin, share) for coin in coins for share in shares)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_medians_lie_within_their_intervals(predictions: dict[str, Any], kind: str) -> None:
    def end(value: float | None) -> float:
        return np.inf if value is None else value

    outside = [row for row in predictions[kind] if not end(row["low"]) <= end(row["median"]) <= end(row["high"])]
    assert outside == []
    assert [row for row in predictions[kind] if row["low"] == row["high"] != 0.0] == []  # nothing hard-coded


def test_every_uncertain_input_and_every_chosen_setting_has_a_row_in_the_sensitivity_table(
    example: Callable[[str], ModuleType], predictions: dict[str, Any]
) -> None:
    table = json.loads((FOLDER / f"sensitivity-{predictions['made']}.json").read_text())
    labels = [*example("inputs").UNCERTAIN.values(), *(label for label, _ in example("forecast").SETTINGS.values())]
    assert [row["input"] for row in table["rows"][1:]] == labels


@pytest.mark.parametrize("name", ["examples/perp_crash/README.md", "docs/forecast.md"])
def test_the_pages_say_what_the_files_say(example: Callable[[str], ModuleType], name: str) -> None:
    page, text = example("page"), (ROOT / name).read_text()
    parts = page.tables()
    assert {"made", "totals"} <= {part for part in parts if f"<!-- {part} -->\n" in text}
    assert page.filled(text, parts) == text


def test_the_page_shows_every_table(example: Callable[[str], ModuleType]) -> None:
    text = (ROOT / "docs" / "forecast.md").read_text()
    assert [part for part in example("page").tables() if f"<!-- {part} -->\n" not in text] == []


# --- the world -------------------------------------------------------------------------------------------------------


@with_data
def test_the_committed_world_is_the_one_that_the_script_draws(
    example: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["make_world.py", "--to", str(tmp_path)])
    example("make_world").main()
    for name in ("world.yaml", "book.csv"):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text()
    world = load(tmp_path)
    assert world.scenario.paths >= 20
    assert len(world.protocols["hyperliquid"].parameters) >= 24
    assert len({row.split(",")[0] for row in (FOLDER / "book.csv").read_text().splitlines()[1:]}) >= 2000


# --- a small run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(example: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory
          ) -> Callable[[int], tuple[Any, Any, Model]]:
    """Draw -> what was known, what was drawn, and the world assembled: few coins, and the evening in few steps."""
    known, shape = example("draws").prepared()
    inputs, exchange = example("inputs"), example("exchange")
    cut = {name: getattr(known, name)[:FEW] for name in ("coins", "open_interest", "measured", "price", "tiers", "depth",
                                                         "spot_volume")}  # fmt: skip
    few = replace(known, **cut)

    def make(number: int) -> tuple[Any, Any, Model]:
        random = inputs.generator(example("draws").SEED, number)
        drawn = inputs.draw(known, random)
        every = (len(drawn.index) - 1) // STEPS
        drawn = replace(drawn, index=drawn.index[::every][: STEPS + 1, :FEW], hedged_margin=1.0)  # few coins hedge little
        prices = tmp_path_factory.mktemp("index") / "index.parquet"
        pyarrow.parquet.write_table(exchange.index_table(few, drawn), prices)
        legs = example("book").book(few, drawn, random)
        return few, drawn, assemble(load(exchange.world_of(few, drawn, legs, str(prices), shape, exchange.WAYS[0])))

    return make


@with_data
@pytest.mark.parametrize("number", range(3))
def test_a_book_adds_up_to_the_open_interest_of_each_coin(
    example: Callable[[str], ModuleType], small: Callable[[int], tuple[Any, Any, Model]], number: int
) -> None:
    known, drawn, model = small(number)
    units = held(model, model.positions.tables.amount, np.arange(len(model.positions.accounts)))
    wanted = 2.0 * known.open_interest * np.where(known.measured, 1.0, drawn.oi_level) / known.price  # longs and shorts
    rows = {asset: r for r, (_, asset) in enumerate(model.positions.reserves)}
    assert units[[rows[f"{coin}-PERP"] for coin in known.coins]] == pytest.approx(wanted, rel=1e-9)


@with_data
@pytest.mark.parametrize("number", range(3))
def test_every_unit_that_owners_lose_by_force_is_counted_once(
    example: Callable[[str], ModuleType], small: Callable[[int], tuple[Any, Any, Model]], number: int
) -> None:
    """Liquidated and deleveraged units add up to what accounts held less what they hold."""
    _, _, model = small(number)
    chunk = phases(model, 1, ())
    state = new_state(model, 0, 1, chunk)
    reserves = len(model.positions.reserves)
    counted, before = np.zeros(reserves), np.zeros(reserves)
    for _ in range(model.steps):
        step(chunk, state)
        usd = state.flows.liquidated[:, 0] + state.flows.taken[:, 0]
        counted += (usd - before) / state.seen.price[0]
        before = usd.copy()
    n = state.n_closings
    reserve, units = state.closings.reserve[:n].astype(int), np.abs(state.closings.units[:n])
    fallen = state.closings.haircut[:n] != 0.0
    counted += np.bincount(reserve, units, reserves) + np.bincount(reserve[fallen], units[fallen], reserves)
    amount = model.positions.tables.amount.copy()
    slots = state.watch.counts[SLOTS]
    amount[state.pool.touched.account[:slots]] = state.pool.touched.amount[:slots]
    accounts = np.arange(len(amount))
    gone = held(model, model.positions.tables.amount, accounts) - held(model, amount, accounts)
    assert gone.max() > 0.0
    assert n > 0
    assert counted == pytest.approx(gone, rel=1e-9, abs=1e-9 * gone.max())


def held(model: Model, amount: np.ndarray, accounts: np.ndarray) -> np.ndarray:
    """Units of each perp that the accounts hold, longs and shorts [reserves]. amount: [accounts, legs]."""
    book, out = model.positions.tables, np.zeros(len(model.positions.reserves))
    first = book.first_debt[0]
    for a in accounts:
        g = book.signature[a]
        for k in range(first, first + book.debts[g]):
            out[book.reserve[g, k]] += abs(amount[a, k])
    return out


@with_data
def test_answers_of_a_draw_are_positive_and_add_up(
    example: Callable[[str], ModuleType], small: Callable[[int], tuple[Any, Any, Model]]
) -> None:
    draws = example("draws")
    for number in range(3):
        known, drawn, model = small(number)
        answer = {name: value for (coin, name), value in draws.quantities(known, drawn, model).items() if coin == draws.ALL}
        ways = ("closed on the books", "taken over by the vault", "closed against winners")
        assert answer["liquidated"] == pytest.approx(sum(answer[way] for way in ways), rel=1e-12)
        assert answer["liquidated"] > 0.0
        assert answer["closed against winners"] <= answer["deleveraged"] * (1 + 1e-9)
        assert answer["vault loss"] <= example("exchange").vault_equity(known, drawn) * (1 + 1e-9)


@with_data
def test_an_input_at_its_quantile_lies_within_its_range_and_rises_with_it(example: Callable[[str], ModuleType]) -> None:
    inputs, (known, _) = example("inputs"), example("draws").prepared()
    for name in inputs.UNCERTAIN:
        ends = [inputs.at(known, {name: q}, inputs.index_at(known, q if name == "index" else 0.5, 1, 21)).values()
                for q in (0.1, 0.9)]  # fmt: skip
        moved = {other for other in ends[0] if ends[0][other] != ends[1][other]}
        assert name in moved
        assert moved <= ({"leverage", "turnover"} if name == "turnover" else {name})
        assert ends[0][name] < ends[1][name]
