"""What a report has of `tails`, `reverse` and `change`, whose accounts are whose, and how its figures go together."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import delever as dl
from delever.analysis.change_beside import between, change_of, kept_change
from delever.analysis.first_walls import within_reach
from delever.analysis.largest import concentration
from delever.analysis.reverse import SCHEMA, Reverse
from delever.analysis.reverse_beside import WITHOUT, kept_reverse, reverse_of
from delever.analysis.solvency import solvency_of
from delever.analysis.tails import FIGURES, THRESHOLDS
from delever.analysis.walls import wall_of
from delever.cli.main import app
from delever.model.world import World
from delever.report.html import breaks, exits, hinges, tails, why
from delever.report.html.figure import Given, usd
from delever.report.html.page import html_report
from delever.report.html.walls import SAID, bad_debt, reached
from delever.run.stress import Run, stress
from run.small import fall, loan, one_market, pool


@pytest.fixture(scope="module")
def first() -> World:
    return dl.load(dl.example("first"), set={"scenario.paths": 4})


@pytest.fixture(scope="module")
def run(first: World, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stress(first, tmp_path_factory.mktemp("run") / "first", threads=1)


# --- far tail ------------------------------------------------------------------------------------------------------------


def tail(low: float | None, high: float | None, sample: tuple[float | None, float | None], others: list[float]) -> Any:
    ends = {"tail": (5e6, low, high), "sample": (4e6, *sample)}
    table = pa.Table.from_pylist([{"figure": "VaR (99.9 %)", "method": name, "value": value, "low": a, "high": b}
                                  for name, (value, a, b) in ends.items()], schema=FIGURES)
    thresholds = pa.Table.from_pylist([{"var": value} for value in others], schema=THRESHOLDS)
    return SimpleNamespace(table=table, thresholds=thresholds, level=0.999, paths=2000, fit=SimpleNamespace(excess=np.ones(200)))


@pytest.mark.parametrize(("found", "says"), [
    (tail(4e6, 8e6, (3e6, None), [5e6, 6e6]),
     "One path in 1,000 loses more than 5M USD (95 % interval 4M to 8M USD), by a tail fitted to the worst 200"),
    (tail(4e6, 8e6, (3e6, None), [5e6, 9e6]),
     "One path in 1,000 loses more than 5M USD (95 % interval 4M to 8M USD), by a tail fitted to the worst 200; from fewer of "
     "them 5M to 9M USD"),
    (tail(4e6, math.inf, (3e6, 6e6), [5e6]),
     "One path in 1,000 loses more than 4M USD (95 % interval 3M to 6M USD), by the paths themselves"),
    (tail(None, None, (3e6, None), [5e6]),
     "How much one path in 1,000 loses is not told by 2,000 paths; the worst of them loses 7M USD"),
])
def test_a_far_tail_is_claimed_only_where_its_interval_has_both_ends(found: Any, says: str) -> None:
    assert tails.title(found, 7e6).replace("\u00a0", " ") == says


def test_a_run_of_few_paths_says_why_it_has_no_far_tail() -> None:
    lost = stress(one_market(loan("a", 10.0, 8000.0), scenario={"events": [fall(0.5)], "paths": 3}), keep=False, threads=1)
    assert "Not there: losses that come once in 1,000 paths; 0 paths lie beyond the threshold" in html_report(lost)
    calm = html_report(stress(one_market(loan("a", 10.0, 1000.0)), keep=False, threads=1))
    assert "losses that come once" not in calm  # nothing is lost: there is nothing to tell
    assert "delever report RUN --limit" in calm  # nor was it asked what would break a limit


# --- the least that breaks a limit ---------------------------------------------------------------------------------------


def test_the_least_that_breaks_a_limit_is_asked_without_the_run_s_own_events_and_kept(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: 10 ETH at 85 % bear 8,000 USD down to 941 USD, a fall of 5.9 %; the event is one of 20 %."""
    world = one_market(loan("a", 10.0, 8000.0), venues={"uni": pool(fee=0, follows=True)}, scenario={"events": [fall(0.2)]})
    run = stress(world, tmp_path / "run", threads=1)
    assert kept_reverse(run) is None
    found = reverse_of(run, "liquidations > 0.5", ["ETH"])
    assert WITHOUT in found.said and set(found.table["what"].to_pylist()) == {"ETH falls", "ETH sold"}
    row = next(row for row in found.table.to_pylist() if row["what"] == "ETH falls")
    assert row["bracket_low"] <= 1.0 - 8000.0 / 8500.0 <= row["size"]
    monkeypatch.setattr("delever.analysis.reverse_beside.reverse", None)  # it is not run again
    again = reverse_of(run, "liquidations  >  0.5", ["ETH"])
    assert str(again.table.to_pylist()) == str(found.table.to_pylist()) and again.said == found.said
    assert again.points.equals(found.points)
    shown = breaks.breaks(Given(run, reverse=again))
    assert shown is not None and shown.title.startswith("Without the scenario’s events it takes a fall of ETH by 5.9")
    with pytest.raises(TypeError):
        reverse_of(run, "any bad debt", ["ETH"])  # another limit is run


def least(*rows: dict[str, Any]) -> Reverse:
    unknown = dict.fromkeys(("low", "high", "cost_usd", "capital_usd"), math.nan)
    none = {field.name: None for field in SCHEMA} | unknown | {"unit": "share", "monotone": True, "sign": -1}
    table = pa.Table.from_pylist([none | row for row in rows], schema=SCHEMA)
    return Reverse("w", "any bad debt", "", 0.5, 20, 3600.0, None, table, None, ())  # type: ignore[arg-type]


def test_its_title_says_what_the_interval_carries() -> None:
    everything = {"by": "shock", "of": "all", "found": "breaks", "size": 0.1}
    eth = {"by": "shock", "of": "ETH", "found": "breaks", "size": 0.12, "low": 0.1, "high": 0.15}
    sale = {"by": "order", "of": "ETH", "found": "breaks", "size": 2e3, "unit": "ETH", "cost_usd": 5e5, "capital_usd": 4e6}
    push = {"by": "oracle", "of": "eth_usd", "found": "breaks", "size": 0.2, "cost_usd": 9e5}
    said = {name: breaks.title(found).replace("\u00a0", " ") for name, found in {
        "all": least(everything, eth, sale, push), "joint": least(everything), "none": least(everything | {"found": "holds"}),
        "already": least(everything | {"found": "already"}), "push": least(push)}.items()}
    assert said == {
        "all": "It takes a fall of ETH by 12 % (95 % interval 10 % to 15 %) to reach “any bad debt” on half of paths; the "
               "cheapest way, a sale of 2,000 ETH, costs 500k USD",
        "joint": "It takes a fall of all prices by 10 % to reach “any bad debt” on half of paths",
        "none": "Nothing that was tried reaches “any bad debt” on half of paths",
        "already": "“any bad debt” is reached on half of paths before anything is done",
        "push": "It takes a push of eth_usd down by 20 % to reach “any bad debt” on half of paths; the cheapest way, a push of "
                "eth_usd down by 20 %, costs 900k USD"}


# --- why figures differ --------------------------------------------------------------------------------------------------


def test_of_two_runs_that_differ_in_several_ways_the_parts_are_asked_for_and_kept(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = {"kind": "lognormal", "volatility": {"ETH": 2.0}}
    world = one_market([*loan("a", 10.0, 8000.0), *loan("b", 10.0, 6500.0)],
                       scenario={"events": [fall(0.1)], "paths": 5, "prices": prices})
    cheaper = world.replace("assets.ETH.price", 950.0)
    tighter = cheaper.replace("protocols.pool.parameters.ETH.liquidation_threshold", 0.8)
    run, alone, both = (stress(one, tmp_path / name, threads=1) for one, name in (
        (world, "run"), (cheaper, "alone"), (tighter, "both")))
    assert between(run, alone) == (["prices"], 0) and between(run, both) == (["prices", "parameters"], 1)
    page = html_report(run, alone, both)
    assert "In alone prices alone differ: every difference is made by them." in page
    assert "In both prices and parameters differ." in page and 'id="why-0"' not in page
    assert "Not there: how much of each difference is of prices and parameters; it takes up to 1 further run" in page
    found = change_of(run, both, threads=1)
    monkeypatch.setattr("delever.analysis.change_beside.change", None)  # it is not run again
    again = change_of(run, both)
    assert again.table.select(found.table.column_names).equals(found.table)
    assert (again.order, again.settings, again.names) == (found.order, found.settings, found.names)
    assert kept_change(run, alone) is None
    page = html_report(run, both, labels=["tighter"])
    assert 'id="why-0"' in page and "differs by" in page and "in tighter" in page and "Not there: how much" not in page


def part(name: str, before: float, after: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {"figure": "bad_debt", "protocol": "", "part": name, "unit": "USD", "before": before, "after": after,
            "change": after - before, "low": low, "high": high}


@pytest.mark.parametrize(("low", "high", "says"), [
    (2e6, 4e6, "Bad debt differs by +2M USD in b: most by prices, +3M USD (95 % interval 2M to 4M)"),
    (-1e6, 7e6, "Bad debt differs by +2M USD in b: no part of it is more than sampling"),
    (None, None, "Bad debt differs by +2M USD in b: most by prices, +3M USD; paths are too few for an interval")])
def test_a_part_is_named_where_its_interval_leaves_out_nothing(low: float | None, high: float | None, says: str) -> None:
    rows = [part("prices", 1e6, 4e6, low, high), part("parameters", 4e6, 3e6, low and -2e6, high and -5e5)]
    assert why.title(rows, "b").replace("\u00a0", " ") == says


# --- whose accounts, which paths, what each figure counts ----------------------------------------------------------------


def test_owners_stand_with_their_accounts_and_accounts_with_their_owners(run: Run) -> None:
    """By the book: o08 has a08 and a17; o30 has a30."""
    given = replace_given(run, concentration=concentration(run, 6, 2))
    assert hinges.accounts_of(given)["o08"] == [("aave", "a08"), ("aave", "a17")]
    assert hinges.named("o08", "aave", hinges.accounts_of(given)["o08"]) == "o08 (accounts a08, a17 on aave)"
    rows, _, _ = hinges.accounts(given)
    place = re.search(r'<tr id="(position-\d+)"><td><code title="a17">', rows)
    assert place and f'<a href="#{place[1]}"><code title="a17">' in hinges.owners(given)
    owner = re.search(r'<tr id="(owner-\d+)"><td><code title="o08">', hinges.owners(given))
    assert owner and f'<a href="#{owner[1]}"><code title="o08">' in rows and ("owner", False) in hinges.heads(given)
    whole = next(row["value"] for row in run.summary.to_pylist() if row["figure"] == "shortfall")
    assert hinges.sample(given, "shortfall") == f", on the first 2 of 4 paths (on all of them it is {usd(whole)})"


def test_where_owners_are_called_as_their_accounts_they_are_not_told_twice() -> None:
    alone = stress(one_market([*loan("a", 10.0, 8000.0), *loan("b", 10.0, 6000.0)], scenario={"events": [fall(0.2)]}),
                   keep=False, threads=1)
    given = replace_given(alone, concentration=concentration(alone, 2))
    assert hinges.owners(given) == "" and ("owner", False) not in hinges.heads(given)
    assert hinges.named("a", "pool", hinges.accounts_of(given)["a"]) == "a on pool"


def replace_given(run: Run, **more: Any) -> Given:
    from delever.analysis.position_prices import prices_of

    return Given(run, positions=prices_of(run.model), **more)


def test_the_wall_s_bad_debt_is_where_the_bridge_to_exit_prices_begins() -> None:
    """By hand: 10 ETH at 700 USD against 8,000 USD leave 1,000 USD; sold into a pool they bring 10 P / (1 + 10 / x) less."""
    run = stress(one_market(loan("a", 10.0, 8000.0), venues={"uni": pool(fee=0, follows=True)}), keep=False, threads=1)
    given = Given(run, walls={"ETH": wall_of(run.model, "ETH", [SAID, 0.0])},
                  solvency={"ETH": solvency_of(run.model, [SAID, 0.0], "ETH")})
    at = next(row for row in given.solvency["ETH"].totals.to_pylist() if row["shock"] == SAID)
    told = [text.replace("\u00a0", " ") for text in exits.bridge(given, "ETH", at)]
    assert at["equity_oracle_usd"] == pytest.approx(-1000.0)
    assert "USD (the bad debt of the wall) is owed at ETH −30 %" in told[0]
    short = 8000.0 + at["equity_exit_usd"]
    assert 0.0 < short < 7000.0 and told[1].startswith(f"{usd(7000.0 - short)} more because".replace("\u00a0", " "))
    assert "the run lost 0 USD on average" in told[-1]


def test_which_walls_are_shown_is_read_off_the_same_books(run: Run) -> None:
    for name, usd_reached in within_reach(run.model, ["ETH", "WBTC"], SAID).items():
        rows = wall_of(run.model, name, SAID).totals.to_pylist()
        assert usd_reached == pytest.approx(sum(map(reached, rows))) and usd_reached > sum(map(bad_debt, rows))


@pytest.mark.parametrize(("more", "says"), [
    (["--change"], "--change needs a second run; name what it is compared with"),
    (["--limit", "any good debt"], 'any good debt'), (["--limit", "liquidated > 20 apples"], "20 apples")])
def test_what_cannot_be_added_is_one_clear_line(run: Run, more: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["report", str(run.folder), *more])
    assert done.exit_code == 2 and says in done.output and done.output.startswith("delever: ") and done.output.count("\n") == 1


def test_a_limit_that_is_asked_for_is_searched_for_the_assets_whose_walls_are_shown(
        run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("delever.analysis.reverse_beside.reverse_of", lambda *given: asked.append(given[1:3]))
    monkeypatch.setattr("delever.report.html.page.write_report", lambda *runs, to, labels: to)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(run.folder), "--limit", "any bad debt", "--out", str(page)])
    assert done.exit_code == 0 and asked == [("any bad debt", ["ETH", "WBTC"])]
