"""The page in a browser: what a person sees and does."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delever.model.errors import InputError
from delever.web import serve

from .conftest import BROWSER, NAME, Served, other_world, served, workers_of

if BROWSER is None:
    pytest.skip("there is no Chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api")

WIDTHS = (390, 768, 1280)
PATIENCE = 60_000.0  # for a busy machine [ms]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as found:
        started = found.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served("first", str(other_world(tmp_path_factory.mktemp("worlds") / "other"))) as found:
        yield found


class Looked:
    """A page that is open, and what went wrong on it."""

    def __init__(self, browser: Any, link: str, width: int = 1280, dark: bool = False) -> None:
        self.wrong: list[str] = []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        here = re.escape(link.split("?")[0])
        self.page.on("console", lambda one: self.wrong.append(one.text) if one.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda one: self.wrong.append(str(one)))
        self.page.on("dialog", lambda one: self.wrong.append(one.message))
        self.page.on("request", lambda one: None if re.match(f"{here}|data:|blob:", one.url) else self.wrong.append(one.url))
        self.page.goto(link)
        self.page.wait_for_selector(".says:not(:empty)")

    def says(self) -> str:
        """What the wall says of the price that is chosen."""
        return str(self.page.inner_text(".says"))


def test_the_wall_follows_the_keyboard_and_the_link_keeps_the_price(browser: Any, page_of_two: Served) -> None:
    looked = Looked(browser, page_of_two.link)
    page, before = looked.page, looked.says()
    page.focus(".slide input")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("text => document.querySelector('.says').textContent !== text", arg=before)
    assert "\u221231" in looked.says()
    page.wait_for_function("location.search.includes('shock=-0.31')")
    again = Looked(browser, page.url)
    assert again.says() == looked.says()
    page.click("text=share of debt")
    page.wait_for_function("!document.querySelector('.says').textContent.split(')')[1].includes('USD')")
    assert looked.wrong == again.wrong == []


def test_a_what_if_runs_few_paths_then_all_beside_the_world(browser: Any, page_of_two: Served) -> None:
    looked = Looked(browser, page_of_two.link + "?set=scenario.paths=22")
    page = looked.page
    field = 'input[data-with="scenario.horizon"]'
    page.fill(field, "1 hr")
    page.press(field, "Enter")
    page.wait_for_selector(".msg")
    assert page.get_attribute(field, "aria-invalid") == "true" and "horizon" in page.inner_text(".msg")
    page.fill(field, "12 h")
    page.press(field, "Enter")
    page.wait_for_selector(".msg", state="detached")
    field = 'input[data-with="scenario.prices.volatility.ETH"]'
    page.fill(field, "x1.5")
    page.press(field, "Enter")
    page.wait_for_selector("text=3 changes")
    page.click(".controls .main")
    page.wait_for_selector("text=20 paths of 22")
    page.wait_for_selector("text=22 paths, seed 7")
    assert page.locator(".res").first.locator("thead th").all_inner_texts() == [
        "within 12\u00a0h", "world", "yours", "difference, 95 % interval"]
    page.wait_for_selector(".log tbody tr")
    page.wait_for_selector(".figures figure svg", state="attached")
    page.fill("#label", NAME)
    page.click("text=Keep as variant")
    page.wait_for_selector(f".controls li b:text-is('{NAME}')")
    page.locator(".def summary").first.click()
    assert "Unit:" in page.locator(".def p").first.inner_text()
    with page.expect_download() as saved:
        page.click("text=Save report.html")
    said = Path(saved.value.path()).read_text()
    assert "delever serve</" in said
    assert NAME not in said and NAME.replace("<", "&lt;").replace(">", "&gt;") in said
    assert looked.wrong == [] and serious(page) == []


def test_two_browsers_hold_worlds_of_their_own_and_names_are_text(browser: Any, page_of_two: Served) -> None:
    one, two = Looked(browser, page_of_two.link), Looked(browser, page_of_two.link + "?open=other", 390, dark=True)
    assert (one.page.inner_text(".name"), two.page.inner_text(".name")) == ("first", NAME)
    before = one.says()
    field = 'input[data-with="scenario.paths"]'
    two.page.fill(field, "7")
    two.page.press(field, "Enter")
    two.page.wait_for_selector("tr.new")
    two.page.click(".right table button >> nth=1")
    two.page.wait_for_selector("h2.one")
    assert NAME in {two.page.get_attribute(".one code", "title"), *two.page.locator(".right code").all_inner_texts(),
                    *(code.get_attribute("title") for code in two.page.locator(".right button").all())}
    assert one.says() == before and not one.page.locator("tr.new").count()
    assert one.page.inner_text(".controls .kind") == "20 paths, then 500"
    assert one.wrong == two.wrong == [] and serious(two.page) == []
    for width in WIDTHS:
        two.page.set_viewport_size({"width": width, "height": 900})
        assert two.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_dropped_book_is_shown_before_it_is_used(browser: Any, page_of_two: Served, tmp_path: Path) -> None:
    book = tmp_path / "loans.csv"
    book.write_text(f"wallet,token,kind,balance,note\n{NAME},ETH,supply,10,a\n{NAME},USDC,borrow,15000,b\n")
    looked = Looked(browser, page_of_two.link)
    page = looked.page
    page.click("text=Open world")
    page.set_input_files("input[type=file]", str(book))
    page.wait_for_selector(".intake .map")
    assert page.locator('select[data-with="wallet"]').input_value() == "account"
    assert "columns note" in page.inner_text(".intake") and "15,000" in page.inner_text(".intake")
    page.click("text=Use this book")
    page.wait_for_selector(".right >> text=1 accounts")
    assert "book" not in page.url and looked.wrong == [] and serious(page) == []


def serious(page: Any) -> list[str]:
    """What would keep somebody with a screen reader out."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in axe.run(page).response["violations"] if one["impact"] in SERIOUS]


def test_from_elsewhere_only_the_printed_link_opens_it_and_ctrl_c_ends_all_of_it(browser: Any) -> None:
    with served("first", "--host", "0.0.0.0") as found:
        link = re.sub(r"//[^:/]+:", "//127.0.0.1:", found.link)
        assert len(link.split("token=")[1]) > 30
        for wrong in (link.split("?")[0], link + "x"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(wrong)
        looked = Looked(browser, link)
        assert "token" not in looked.page.url and looked.wrong == []
        looked.page.click(".controls .main")
        looked.page.wait_for_selector("progress")
        workers = workers_of(found.process.pid)
        assert len(workers) == 2
        assert found.stop().endswith("delever: stopped\n") and found.process.returncode == 0
        end = time.monotonic() + 5.0
        while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_a_taken_port_and_a_missing_extra_are_said_in_a_line(page_of_two: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(page_of_two.link.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(InputError, match="--port 0 takes a free one"):
        serve.bound("127.0.0.1", port)
    monkeypatch.setitem(__import__("sys").modules, "nicegui", None)
    with pytest.raises(InputError, match=r'pip install "delever\[web\]"'):
        serve.needed()
