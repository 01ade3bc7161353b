"""The report in Chromium: nothing serious for a screen reader, no error, no request to anywhere, nothing wider than the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delever import templates, worlds
from delever.report.html.page import html_report
from delever.run.stress import stress
from run.small import fall, loan, one_market

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
EVIL = '<script>document.title="run"</script>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of lending and perps after a fall, and of a book in which nothing happens and names are markup."""
    folder = tmp_path_factory.mktemp("pages")
    for name, content in templates.files("both").items():
        content = content.replace("horizon: 24 h", "horizon: 20 min").replace("at: 6 h", "at: 5 min")
        (folder / name).write_text(content.replace("BTC: -15 %, ETH: -20 %", "BTC: -60 %, ETH: -60 %"))
    runs = {"full": stress(worlds.load(folder, {"scenario.paths": "3"}), keep=False, threads=1),
            "evil": stress(one_market(loan(EVIL, 10.0, 8000.0), scenario={"events": [fall(0.2)]}), keep=False, threads=1),
            "empty": stress(one_market(loan("a", 1.0, 1.0)), keep=False, threads=1)}
    for name, run in runs.items():
        (folder / f"{name}.html").write_text(html_report(run))
    return {name: folder / f"{name}.html" for name in runs}


@pytest.fixture
def visit(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Open one of the pages; what it said or asked for is kept."""
    opened: list[Any] = []

    def look(name: str, width: int = 1280, dark: bool = False) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
        opened.append(page)
        page.told, page.asked = [], []
        page.on("console", lambda message: page.told.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.told.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(pages[name].as_uri())
        return page

    yield look
    for page in opened:
        page.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["full", "evil", "empty"])
def test_a_screen_reader_finds_nothing_serious(visit: Any, name: str, dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(visit(name, dark=dark)).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found
            if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["full", "evil", "empty"])
def test_it_says_no_error_asks_nobody_and_fits(visit: Any, name: str, width: int) -> None:
    page = visit(name, width)
    assert page.told == [] and page.asked == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title().startswith("Stress test of") and page.evaluate("document.scripts.length") == 1


def test_positions_are_sorted_searched_and_saved(visit: Any, tmp_path: Path) -> None:
    page = visit("full")
    rows = page.locator("#accounts tbody tr")
    count = rows.count()
    place = page.locator("#accounts th button").all_inner_texts().index("worth, USD")
    page.locator("#accounts th button").nth(place).click()  # the largest first
    worth = [float(value) for value in page.locator(f"#accounts tbody tr td:nth-child({place + 1})").evaluate_all(
        "cells => cells.map(cell => cell.dataset.v)")]
    assert worth == sorted(worth, reverse=True) and len(worth) == count > 3
    page.fill("#find", "001")
    shown = page.locator("#accounts tbody tr:visible").count()
    assert 0 < shown < count and page.inner_text("#count") == f"{shown} rows"
    with page.expect_download() as saved:
        page.click("#save")
    saved.value.save_as(tmp_path / "positions.csv")
    lines = (tmp_path / "positions.csv").read_text().splitlines()
    assert len(lines) == 1 + shown and lines[0].startswith('"account","owner","protocol"')


def test_marks_are_walked_with_the_keyboard(visit: Any) -> None:
    page = visit("full")
    page.focus("#losses")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#tip").startswith("path ")
    page.keyboard.press("Escape")
    assert not page.is_visible("#tip")
