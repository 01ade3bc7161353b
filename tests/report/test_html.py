"""The HTML report: every figure, right numbers; one file that asks nobody for anything and executes nothing it was given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import delever as dl
from delever import templates, worlds
from delever.analysis.bearers import Losses, bearers
from delever.analysis.worst import worst
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.comparison import surely
from delever.report.html.deleveraged import deleveraged
from delever.report.html.fans import TOLD, fans
from delever.report.html.figure import Given, nearest
from delever.report.html.judged import title as title_of_judged
from delever.report.html.loan_terms import title as title_of_terms
from delever.report.html.losses import _title
from delever.report.html.page import html_report
from delever.report.stress import worst_path
from delever.run.collect import numbers
from delever.run.stress import Run, stress
from run.small import fall, loan, one_market

MOST_SCRIPT, MOST_PAGE = 10_000, 3_000_000  # bytes


class Page(HTMLParser):
    """Tags with what is in them, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.seen, self.scripts, self.inside = "", "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in ("script", "style") else self.inside

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts += data
        elif not self.inside:
            self.seen += data

    def ids(self) -> list[str]:
        return [str(found["id"]) for _, found in self.tags if "id" in found]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Lending and perps of the template after a fall that the exchange does not bear."""
    folder = tmp_path_factory.mktemp("both")
    for name, content in templates.files("both").items():
        (folder / name).write_text(content.replace("BTC: -15 %, ETH: -20 %", "BTC: -60 %, ETH: -60 %"))
    world = worlds.load(folder, {"scenario.paths": "6", "scenario.horizon": "7 h"})
    return stress(world, folder / "run", threads=1)


@pytest.fixture(scope="module")
def text(both: Run) -> str:
    return html_report(both)


def test_every_section_and_figure_is_there(text: str) -> None:
    ids = Page(text).ids()
    assert len(ids) == len(set(ids))
    for name in ("answer", "price", "feedback", "size", "course", "bearers", "hinges", "terms", "loan-terms", "change",
                 "assumed", "proof", "wall-ETH", "wall-BTC", "reached", "losses", "worst", "who-pays", "layers-perps",
                 "accounts"):
        assert name in ids, name
    assert sum(name.startswith("exits-") and not name.endswith(("-t", "-s")) for name in ids) == 1  # of the first wall's asset


def test_it_asks_nobody_and_is_small(text: str) -> None:
    page = Page(text)
    assert len(text.encode()) < MOST_PAGE and 0 < len(page.scripts.encode()) < MOST_SCRIPT
    policy = next(found["content"] for tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'")
    for tag, found in page.tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert not found.get(name) or str(found[name]).startswith("#"), (tag, found)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket", text)


def test_each_figure_has_a_table_unit_and_notes(text: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) >= 6
    for figure in figures:
        assert figure.count("<svg") >= 2 and "Data table" in figure and 'class="sub"' in figure
        assert "<dt>Source</dt>" in figure and "<dt>Horizon</dt>" in figure


def test_the_mean_loss_of_the_page_is_that_of_the_paths(both: Run, text: str) -> None:
    """By hand: shortfall of the lending protocol, and each layer of the exchange."""
    layers = ("insurance_fund", "adl", "socialised_loss", "residual_shortfall")
    total = numbers(both.paths, "shortfall.pool") + sum(numbers(both.paths, f"{name}.perps") for name in layers)
    assert bearers(both).total == pytest.approx(total) and total.max() > 0.0
    from delever.report.html.figure import usd

    assert f"{usd(float(total.mean()))} lost on average" in Page(text).seen


def test_a_fan_says_what_the_quantiles_say(both: Run) -> None:
    """By hand, from the table: the lowest median of the market, and what the outside stands at then."""
    found = {one.key: one for one in fans(Given(both))}
    rows = [row for row in both.price_quantiles.to_pylist() if row["series"] == "price.ETH/USD"]
    least = min(row["q50"] for row in rows)
    low = next(row for row in rows if row["q50"] <= 1.0025 * least)
    outside = next(row for row in both.price_quantiles.to_pylist()
                   if row["series"] == "outside.ETH/USD" and row["time"] == low["time"])
    said = f"{low['q50']:,.0f}"  # four digits
    assert 1000.0 < low["q50"] < 9999.0
    assert found["fan-ETH/USD"].title.startswith(f"The median of ETH/USD falls to {said}\u00a0USD after")
    assert ("outside it stands at" in found["fan-ETH/USD"].title) is (abs(outside["q50"] / low["q50"] - 1.0) > TOLD)
    twin = {one.key: one for one in fans(Given(both, twin=both.twin()))}
    assert "nobody liquidated" in twin["fan-ETH/USD"].title and "Outside" not in dict(twin["fan-ETH/USD"].notes)
    still = stress(quiet(), keep=False, threads=1)
    assert fans(Given(still)) == []


def test_the_worst_path_is_told_with_its_causes(both: Run, text: str) -> None:
    found = worst(both)
    assert found is not None and found.path == int(np.argmax(bearers(both).total)) and found.loss == bearers(both).total.max()
    assert f"The worst path ({found.path}) loses" in Page(text).seen
    sentences = re.findall(r"<li>(.*?)</li>", text.split('id="worst"')[1].split('<ol class="steps">')[1].split("</ol>")[0])
    assert len(sentences) >= 3 and any("the insurance fund of perps cannot serve in full, because perps had called" in one
                                       for one in sentences)
    assert found.dry == [("perps", "insurance_fund", both.paths["insurance_fund_dry.perps"][found.path].as_py())]
    assert "insurance fund: 6 h 12 s, on 100\u00a0% of paths" in Page(text).seen  # exact, not the end of a bin


def test_who_followed_from_a_liquidation_is_counted() -> None:
    """By hand: of two loans the second falls by what selling the first one's collateral did to the price."""
    makers = {"kind": "log_linear", "pair": "ETH/USD", "depth": 100, "half_life": "1 d"}
    world = one_market([*loan("first", 10.0, 8000.0), *loan("second", 1.0, 795.0)], venues={"makers": makers},
                       execution={"rounds": 4}, scenario={"horizon": 60, "events": [fall(0.06)]})
    found = worst(stress(world, keep=False, threads=1))
    assert found is not None
    rows = [found.rows.slice(i, 1).to_pylist()[0] for i in found.forced]
    later = sum(row["usd"] for row in rows if row["because"] is not None)
    assert 0.0 < found.followed < 1.0 and found.followed == pytest.approx(later / sum(row["usd"] for row in rows))
    assert worst(stress(quiet(), keep=False, threads=1)) is None


def test_names_are_text_and_nothing_is_executed() -> None:
    evil = '<script>alert("x")</script>'
    run = stress(one_market(loan(evil, 10.0, 8000.0), scenario={"events": [fall(0.2)]}, name="a & b"), keep=False, threads=1)
    page = html_report(run)
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert [tag for tag, _ in Page(page).tags].count("script") == 1


def quiet(**more: Any) -> World:
    return one_market(loan("a", 10.0, 1000.0), **more)


def test_nothing_that_happens_is_said_and_one_path_has_no_interval() -> None:
    page = Page(html_report(stress(quiet(), keep=False, threads=1)))
    assert "No loss on any of 1 paths" in page.seen
    assert "Nobody bears anything" in page.seen and "no interval: too few paths" in page.seen
    assert not re.search(r"\bnan\b", page.seen)


def test_a_book_of_which_no_price_reaches_anybody() -> None:
    legs = [("a", "USD", "collateral", 100.0), ("a", "USD", "debt", 10.0)]
    page = Page(html_report(stress(one_market(legs), keep=False, threads=1)))
    assert "Nobody of the book can be brought to liquidation by the move of a single price." in page.seen


def variants() -> Iterator[Run]:
    venues = {"eth": {"kind": "log_linear", "pair": "ETH/USD", "depth": 2000.0}}
    for closing in (0.5, 1.0):
        world = one_market([leg for i in range(8) for leg in loan(f"a{i}", 100.0, 78_000.0 + 500.0 * i)], venues=venues,
                           rules={"kind": "pro_rata", "close_factor": closing, "dust": 1.0, "full_below": 0.5},
                           scenario={"events": [fall(0.1)], "paths": 3})
        yield stress(world, keep=False, threads=1)


def test_variants_stand_beside_the_baseline() -> None:
    base, other = variants()
    page = html_report(base, other, labels=["all at once"])
    seen = Page(page).seen
    assert "falls" in Page(page).ids() and "Selling takes ETH/USD" in seen
    assert "all at once" in seen and "protocols.pool.rules.close_factor" in seen
    assert re.search(r"\d+ of \d+ differences are more than sampling", seen)
    short = stress(quiet(scenario={"paths": 2}), keep=False, threads=1)
    with pytest.raises(InputError, match="has other paths than the first run"):
        html_report(base, short)


def test_it_is_written_into_the_run_s_folder(both: Run) -> None:
    assert both.folder is not None
    assert dl.open_run(both.folder).report() == both.folder / "report.html"
    with pytest.raises(InputError, match="this run has no folder"):
        replace(both, folder=None).report()


def test_whom_deleveraging_closed_is_named(both: Run) -> None:
    """By hand: 60 and 30 USD of one account on two of six paths, nothing of another."""
    adl = pa.table({"path": [0, 0, 3], "protocol": ["perps"] * 3, "account": ["001", "002", "001"], "haircut": [60.0, 0.0, 30.0],
                    "notional": [600.0, 100.0, 300.0]})
    found = deleveraged(Given(replace(both, adl=adl)))
    assert found is not None and found.title == "001 on perps bears 100\u00a0% of what auto-deleveraging takes"
    assert "001 on perps: 15\u00a0USD taken, closed on 33.3\u00a0% of paths" in found.svg
    assert deleveraged(Given(replace(both, adl=adl.slice(0, 0)))) is None


def test_of_many_accounts_the_ratio_is_measured_in_coarser_steps_and_the_nearest_stand_first(
        both: Run, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "<dt>Steps</dt><dd>1\u00a0% of the price</dd>" in text
    monkeypatch.setattr("delever.report.html.given.COARSER", ((1, 0.05), (10_000, 0.1)))
    assert "<dt>Steps</dt><dd>5\u00a0% of the price</dd>" in html_report(both)
    table = pa.table({"account": ["a", "b", "c"], "move": pa.array([-0.3, None, 0.1])})
    assert nearest(table, 9)["account"].to_pylist() == ["c", "a"] and nearest(table, 1).num_rows == 1


def test_a_run_names_its_worst_path(both: Run) -> None:
    worst = int(np.argmax(bearers(both).total))
    assert worst_path(both)[0].startswith(f"Worst path: {worst} loses ")
    assert worst_path(stress(quiet(), keep=False, threads=1)) == []


@pytest.mark.parametrize(("difference", "sure"), [(2e-11, False), (2e-3, True)])
def test_what_rounding_makes_is_no_difference(difference: float, sure: bool) -> None:
    low, high = 0.5 * difference, 2.0 * difference
    assert surely({"baseline": 4e-10, "value": 4e-10 + difference, "difference": difference, "low": low, "high": high}) is sure


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch, both: Run) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    with pytest.raises(InputError, match=r'pip install "delever\[report\]"'):
        html_report(both)


@pytest.mark.parametrize(("usd", "says"), [
    ([0.0] * 4, "Nothing is lost on any of 4 paths"),
    ([1e6] * 4, "Every path loses something; half of them more than 1M\u00a0USD"),
    ([0.0] * 18 + [1e6, 3e6], "2 of 20 paths lose something; the worst bears at least half of all that is lost"),
    ([0.0, 0.0, 1e6, 1e6], "2 of 4 paths lose something, 1M\u00a0USD on average; the mean over all is 500k\u00a0USD"),
])
def test_titles_count(usd: list[float], says: str) -> None:
    assert _title(np.array(usd), float(np.mean(usd))) == says


def test_who_bears_adds_up_to_the_loss() -> None:
    losses = Losses(("a", "a"), ("fund", "suppliers"), np.array([[1.0, 2.0], [3.0, 0.0]]))
    assert losses.total.tolist() == [3.0, 3.0]
    table = losses.table
    assert isinstance(table, pa.Table) and table["mean_usd"].to_pylist() == [2.0, 1.0]
    assert losses.mean[0] == 3.0


def test_on_paper_it_needs_a_browser(both: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from delever.cli.report import print_page

    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="needs a browser"):
        print_page(tmp_path / "x.html", tmp_path / "x.pdf")


def test_terms_that_are_exceeded_are_counted_in_the_title() -> None:
    row = {"where": "a", "level": "warn"}
    found = SimpleNamespace(terms=pa.table({"asset": ["ETH", "BTC"]}))
    assert title_of_terms(found, []) == "None of 2 terms of collateral is beyond what oracles and venues bear"
    assert title_of_terms(found, [row, row]).startswith("1 of 2 terms")
    assert title_of_terms(found, [row | {"where": name} for name in "abc"]).startswith("3 terms and caps")


def test_what_people_are_judged_by_stands_in_the_report_of_a_run_that_kept_it() -> None:
    lent = dl.load(dl.example("first"), set={"scenario.paths": 3, "scenario.judged": "{}"})
    page = html_report(stress(lent, keep=False, threads=1))
    assert 'id="judged"' in page and "after a closing" in page and "()" not in Page(page).seen
    assert "would be healthy 1\u00a0h later had nobody called them" in page
    row = {"protocol": "aave", "who": "borrowers", "after": 3600.0, "loss": 0.1, "low": -0.1, "high": 0.3}
    assert title_of_judged([row]) == "1 h after a closing prices say neither that it came too early nor too late"
    assert title_of_judged([row | {"low": 0.05}]) == "1 h after a closing borrowers of aave have lost 10\u00a0% by it"
    assert "been spared" in title_of_judged([row | {"loss": -0.1, "high": -0.05}])


def test_the_answer_says_what_happens_by_script_what_is_owed_and_what_is_measured(text: str) -> None:
    seen = " ".join(Page(text).seen.split())
    assert "By script: BTC −60 %, ETH −60 % after 6 h; besides, outside prices move." in seen
    assert "owed or in positions at the start" in seen and "inputs" in seen
    assert "By script: nothing; outside prices move" in Page(html_report(stress(quiet(), keep=False, threads=1))).seen
