"""examples/morpho_2025: its files say what its code makes, and of the week that is foretold nothing is read but the shock."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER, PAGE = ROOT / "examples" / "morpho_2025", ROOT / "docs" / "november_2025.md"
MODULES = ("fit", "inputs", "make_world", "predict", "score", "simulate", "week")
DATA = Path(os.environ.get("DELEVER_DATA") or ROOT.parent / "shared" / "data") / "morpho_2025-11"
pytestmark = pytest.mark.skipif(not DATA.is_dir() and not os.environ.get("CI"),
                                reason="the data of November 2025 are not here (DELEVER_DATA)")
FIRST, SECOND = "predictions-2026-12-01.json", "predictions-2026-12-01-second.json"  # what is judged is the second
SHA256 = {FIRST: "65dd4cd757fcfb75fb8f2146f429224d919e6a44d397c39cb9b91281c30d7d3b",
          SECOND: "e56c1f753e8fdb2634eb4f2f514ae6c498507d26e66a5e636419bdab69886e45"}
WEEK_BEGINS = 1762214400.0  # 2025-11-04T00:00:00Z


@pytest.fixture(scope="module")
def example() -> Iterator[Callable[[str], ModuleType]]:
    """The example's modules by name; they import one another as scripts of one folder do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DELEVER_DATA", str(DATA.parent))
        patch.syspath_prepend(str(FOLDER))
        for name in MODULES:
            importlib.sys.modules.pop(name, None)  # type: ignore[attr-defined]
        yield importlib.import_module
    for name in MODULES:
        importlib.sys.modules.pop(name, None)  # type: ignore[attr-defined]


def kept(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def test_estimates_are_those_of_the_days_before(example: Callable[[str], ModuleType]) -> None:
    fit, inputs = example("fit"), example("inputs")
    assert fit.fits() == kept("estimates.json")
    for market in inputs.MARKETS:
        assert max(deal.at for deal in inputs.deals(market, math.inf)) < WEEK_BEGINS
        assert inputs.states(market, math.inf).at.max() < WEEK_BEGINS
    assert max(float(days[-1, 0]) for _, days in inputs.vaults(math.inf).values()) < WEEK_BEGINS
    assert max(day for _, _, day in inputs.allocations(math.inf)) < WEEK_BEGINS


def test_a_fit_reads_nothing_behind_its_moment(example: Callable[[str], ModuleType]) -> None:
    """Of the data up to 31 October alone, everything behind taken away, the same comes out."""
    fit, inputs = example("fit"), example("inputs")
    until, rows = inputs.moment(fit.FITS["2025-11-01"]), inputs.rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "rows", lambda name: tuple(row for row in rows(name) if float(row["timestamp"]) <= until))
        assert fit.fit(until, inputs.moment(fit.CURATORS_SINCE["2025-11-01"])) == kept("estimates.json")["2025-11-01"]


def test_the_curve_fed_with_utilisation_alone_keeps_to_what_debts_grew_by(example: Callable[[str], ModuleType]) -> None:
    for one in kept("estimates.json")["2025-11-04"]["curve"].values():
        assert abs(one["off_at_the_end"]) < 0.02 and one["hours"] >= 100


def test_claims_add_up_to_what_is_supplied(example: Callable[[str], ModuleType]) -> None:
    week, inputs = example("week"), example("inputs")
    held, rest = week.claims(WEEK_BEGINS)
    for market, place in zip(inputs.MARKETS, week.PLACES, strict=True):
        supplied = float(inputs.states(market, WEEK_BEGINS).supplied[-1])
        known = sum(mine.get(place, 0.0) for mine in held.values())
        assert known + rest[place] == pytest.approx(supplied, rel=1e-12)
        assert known > 0.9 * supplied, "nearly all of it is the known vaults'"
    listed = {(who, key[:9]) for who, key, _ in inputs.allocations(WEEK_BEGINS)}
    direct = sum(deal.units * (1.0 if deal.kind == "Supply" else -1.0) for deal in inputs.deals(inputs.MARKETS[0], WEEK_BEGINS)
                 if deal.kind in ("Supply", "Withdraw") and deal.who not in {who for who, _ in listed} and deal.units > 1e4)
    assert rest[week.PLACES[0]] == pytest.approx(direct, rel=0.05), "what no vault has is direct supplies and a little interest"


def test_the_world_is_what_its_code_makes(example: Callable[[str], ModuleType], tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make_world.py", "--to", str(tmp_path)])
    example("make_world").main()
    made, stands = (yaml.safe_load((folder / "world.yaml").read_text()) for folder in (tmp_path, FOLDER))
    assert made == stands


def test_a_collapse_is_written_off_only_where_the_oracle_follows_and_then_costs_less(
        example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the price in six hours, made up here: where nobody is called what is lost is only seen at the market."""
    week, simulate, lost = example("week"), example("simulate"), {}
    fall = pa.table({"time": [0.0, *(3600.0 * k for k in range(2, 9))], "sdeUSD": [1.069 * 0.5 ** (k / 7) for k in range(8)]})
    monkeypatch.setattr(week, "prices", lambda start, end: fall)
    middle = week.unknown(week.estimates("2025-11-04"), None)
    for follows in (False, True):
        monkeypatch.setattr(week, "unknown", lambda found, rng, calm=False, f=follows: middle._replace(follows=f))
        told = simulate.simulate(simulate.WEEK, -1, hours=12)
        assert told.used.shape == (12, 2), "the first hour is not foretold"
        assert (np.diff(told.booked, axis=0) >= 0.0).all() and (told.booked <= told.bad + 1e-6).all()
        assert (told.booked[-1].max() > 1e6) == follows
        lost[follows] = float(told.bad[-1].sum())
    assert 1e6 < lost[True] < lost[False]


def test_rows_are_of_a_week_and_name_it_in_the_words_of_the_task(example: Callable[[str], ModuleType]) -> None:
    simulate = example("simulate")
    hours, days = simulate.hours(simulate.WEEK), simulate.days(simulate.WEEK)
    assert (len(hours), hours[0], hours[-1]) == (168, "2025-11-04T00", "2025-11-10T23")
    assert [day for day, _, _ in days] == [f"2025-11-{n:02d}" for n in range(4, 11)]
    assert (days[0][1:], days[-1][1:]) == ((0, 24), (144, 168))


def test_crps_of_an_ensemble_is_that_of_all_pairs(example: Callable[[str], ModuleType]) -> None:
    crps = example("score").crps
    x = np.random.default_rng(7).normal(size=50)
    pairs = np.abs(x[:, None] - x[None, :]).mean()
    assert crps(x, 0.3) == pytest.approx(np.abs(x - 0.3).mean() - pairs / 2.0, rel=1e-12)
    assert crps(np.full(9, 2.0), 5.0) == pytest.approx(3.0, rel=1e-12)


def test_what_came_on_the_known_days_is_read_from_the_data(example: Callable[[str], ModuleType]) -> None:
    score = example("score")
    came = score.came(score.KNOWN)
    assert came["utilisation", "sdeUSD/pUSD Plume 2025-11-02T16"] == 1.0
    assert came["utilisation", "sdeUSD/USDC Ethereum 2025-11-02T12"] == pytest.approx(0.9175, abs=1e-3)
    assert {of for quantity, of in came if quantity == "bad debt"} == {
        f"{market} 2025-11-0{day}" for market in ("sdeUSD/USDC Ethereum", "sdeUSD/pUSD Plume") for day in (1, 2)}
    assert max(came[key] for key in came if key[0] == "bad debt") == 0.0


def test_the_score_is_that_of_its_rows_and_these_are_what_came(example: Callable[[str], ModuleType]) -> None:
    found, came = kept("score.json"), example("score").came(example("score").KNOWN)
    assert len(found["rows"]) == len(came) == sum(one["rows"] for name, one in found["groups"].items() if "sdeUSD" not in name)
    for row in found["rows"]:
        assert row["came"] == pytest.approx(came[row["quantity"], row["of"]], abs=1e-6 if row["unit"] != "USD" else 0.5)
    for quantity in ("utilisation", "rate", "bad debt"):
        mine = [row for row in found["rows"] if row["quantity"] == quantity]
        inside = np.mean([row["values"][1] - 1e-6 <= row["came"] <= row["values"][5] + 1e-6 for row in mine])
        assert inside == pytest.approx(found["groups"][quantity]["in_80_interval"], abs=0.01)


def test_the_page_gives_the_estimates_and_the_score(example: Callable[[str], ModuleType]) -> None:
    page, found = PAGE.read_text(), kept("estimates.json")["2025-11-04"]
    for line in example("score").page(kept("score.json")).splitlines():
        assert line in page
    for market in ("sdeUSD/USDC Ethereum", "sdeUSD/pUSD Plume"):
        assert f"{100 * found['curve'][market]['at_target']:.2f} %" in page
        for what, digits in (("repayments", 2), ("refills", 1)):
            one = found[what]["often"][market]
            assert f"| {one['estimate']:.{digits}f} | {one['standard_error']:.{digits}f} |" in page
    assert f"| {found['sweeps']['estimate']:.1f} | {found['sweeps']['standard_error']:.1f} |" in page
    share = found["repayments"]["log_share"]
    assert f"| {share['mean']:.2f} | {share['standard_error']:.2f} |".replace("-", "−") in page
    locked = found["locked"]
    assert f"| {locked['estimate']:.2f} | {locked['standard_error']:.2f} |".replace("-", "−") in page


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_predictions_stand_as_they_were_made_and_keep_to_the_format(name: str, example: Callable[[str], ModuleType]) -> None:
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == SHA256[name], "once committed it is never changed"
    found, simulate, inputs = kept(name), example("simulate"), example("inputs")
    assert name.startswith(f"predictions-{found['made']}") and found["inputs_sha256"] == inputs.hashes()
    assert re.search(r"commit [0-9a-f]{7}", found["method"]) and re.fullmatch(r"[0-9a-f]{64}", found["method_sha256"])
    assert found["quantiles"] == [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    vaults = [*simulate.vault_names(simulate.WEEK), simulate.ALL]
    hours = {(quantity, f"{market.name} {hour}") for quantity in ("utilisation", "rate") for market in inputs.MARKETS
             for hour in simulate.hours(simulate.WEEK)}
    days = {(quantity, f"{of} {day}") for quantity, names in (
        ("assets leaving the vault", vaults), ("bad debt", [market.name for market in inputs.MARKETS]),
        ("bad debt written off", [market.name for market in inputs.MARKETS])) for of in names
            for day, _, _ in simulate.days(simulate.WEEK)}
    assert {(row["quantity"], row["of"]) for row in found["rows"]} == hours | days
    assert len(found["rows"]) == len(hours | days)
    for row in found["rows"]:
        values = np.array(row["values"])
        assert len(values) == 7 and (np.diff(values) >= 0.0).all()
        if row["quantity"] != "assets leaving the vault":
            assert values[0] >= 0.0
        if row["unit"] == "share of 1":
            assert values[-1] <= 1.0


def test_the_page_gives_what_was_foretold() -> None:
    page, row = PAGE.read_text(), {(r["quantity"], r["of"]): r["values"] for r in kept(SECOND)["rows"]}
    quantities = "utilisation|rate|bad debt written off|bad debt|assets leaving the vault"
    told = re.findall(rf"^\| ({quantities}), (.*2025-11-.*?) \| (.*) \|$", page, re.MULTILINE)
    assert len(told) == 23
    for quantity, of, figures in told:
        for k, figure in zip((1, 3, 5), figures.split(" | "), strict=True):
            number, million = float(figure.removesuffix(" m")), figure.endswith(" m")
            digits = len(figure.removesuffix(" m").partition(".")[2])
            assert number == round(row[quantity, of][k] / (1e6 if million else 1.0), digits)
