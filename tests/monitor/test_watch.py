"""A watch goes on where looks fail, says so, and withholds what is old; what it gives, Prometheus reads."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from delever.cli.main import app
from delever.model.errors import InputError
from delever.model.world import World
from delever.monitor import metrics as m
from delever.monitor.alerts import Told
from delever.monitor.watch import Watch, messages, serve
from run.small import loan, one_market

WORLD = one_market(loan("large", 10.0, 7200.0))


class Clock:
    """Goes when told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_look_that_fails_is_said_and_old_figures_are_withheld() -> None:
    clock, heard, broken = Clock(), list[Told](), [False]

    def read() -> World:
        if broken[0]:
            raise InputError("is gone", "book.csv", None, "bring it back")
        return WORLD

    def value(metric: m.Metric) -> float | None:
        return next((round(one.value, 6) for one in watch.samples() if one.metric is metric), None)

    watch = Watch(read, 60.0, ["ETH"], clock, heard.extend)
    assert (value(m.UP), value(m.LOOKED), value(m.PRICE)) == (0.0, None, None)  # no look yet is no figure
    assert watch.once() == ""
    looked = clock.now
    assert (value(m.UP), value(m.LOOKED), value(m.PRICE)) == (1.0, looked, 1000.0)
    broken[0] = True
    clock.now += 60.0
    assert "is gone" in watch.once()
    assert (value(m.UP), value(m.LOOKED), value(m.PRICE), value(m.FAILED)) == (0.0, looked, 1000.0, 1.0)
    assert not [told for told in heard if "failed" in told.text]  # one is no news
    clock.now += 60.0
    watch.once()
    assert [told.severity for told in heard if "failed" in told.text] == ["critical"]
    clock.now += 60.0
    assert value(m.PRICE) == 1000.0  # three intervals old
    clock.now += 1.0
    assert value(m.PRICE) is None
    broken[0] = False
    watch.once()
    assert (value(m.UP), value(m.PRICE), value(m.LOOKS)) == (1.0, 1000.0, 4.0)


def test_figures_over_http_are_what_prometheus_reads() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    watch = Watch(lambda: WORLD, 60.0, ["ETH"])
    watch.once()
    port = free_port()
    end = serve(watch, "127.0.0.1", port)
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    finally:
        end()
    read = {(sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}
    assert read["delever_price_usd", frozenset({("asset", "ETH")})] == pytest.approx(1000.0)
    assert read["delever_looks_total", frozenset()] == 1.0
    given = {(one.metric.name, frozenset(zip(one.metric.labels, one.labels, strict=True))): one.value for one in watch.samples()}
    assert given.items() <= read.items()
    with pytest.raises(OSError, match=r"."), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of imghdr, in the library
def test_people_are_told_by_apprise() -> None:
    heard = list[dict[str, Any]]()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        messages([f"json://127.0.0.1:{server.server_port}"])([Told("critical", "the wall is near"), Told("warning", "and more")])
    finally:
        server.shutdown()
        server.server_close()
    assert [(one["message"], one["type"]) for one in heard] == [("the wall is near\nand more", "failure")]
    with pytest.raises(InputError, match="no address that Apprise knows"):
        messages(["nonsense"])


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app, ["monitor", *words])


def test_once_prints_figures_and_what_would_be_told(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("assets: {ETH: {price: 2250 USD}}\n"
                                          "venues: {eth_pool: {reserves: {ETH: 40_000, USD: 90_000_000}}}\n")
    found = json.loads(invoke("first", "--once", "--json", "--asset", "ETH", "--with", str(tmp_path / "prices.yaml")).stdout)
    prices = {one["labels"]["asset"]: one["value"] for one in found["figures"] if one["name"] == "delever_price_usd"}
    assert prices["ETH"] == pytest.approx(2250.0)
    assert any("becomes eligible when ETH moves" in one["text"] for one in found["told"])  # 10 % nearer than it was
    assert "What would be told" in invoke("first", "--once", "--asset", "ETH").stdout
    (tmp_path / "prices.yaml").write_text("assets: {ETH: {price: 2250 USD}}\n")  # and not the pool's
    said = invoke("first", "--once", "--asset", "ETH", "--with", str(tmp_path / "prices.yaml")).stdout
    assert "the venue of ETH/USD stands 11.1% off the outside price" in said


@pytest.mark.parametrize(("words", "said"), [
    (["--every", "0 s"], "--every"), (["--every", "soon"], "--every"), (["--once", "--asset", "DOGE"], "DOGE"),
    (["--once", "--before", "false"], "ended with 1"), (["--once", "--before", "no-such-program"], "cannot be run"),
    (["--once", "--with", "nowhere.yaml"], "nowhere.yaml"), (["--notify", "nonsense"], "Apprise")])
def test_what_cannot_be_done_is_one_line(words: list[str], said: str) -> None:
    result = invoke("first", *words)
    assert result.exit_code == 2 and said in result.stderr and result.stderr.count("\n") == 1


def test_it_writes_what_prometheus_and_grafana_are_given(tmp_path: Path) -> None:
    result = invoke("first", "--write", str(tmp_path / "made"), "--port", "9999")
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["alerts.yaml", "board.json", "prometheus.yaml"]
    assert "127.0.0.1:9999" in (tmp_path / "made" / "prometheus.yaml").read_text()


def test_it_goes_on_until_it_is_told_to_stop(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "delever", "monitor", "first", "--every", "1 s", "--asset", "ETH", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ})
    try:
        until = time.monotonic() + 60.0
        text = ""
        while "delever_up 1.0" not in text and time.monotonic() < until and process.poll() is None:
            try:
                text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
            except OSError:
                time.sleep(0.1)
        assert "delever_up 1.0" in text
        taken = invoke("first", "--port", str(port))
        assert taken.exit_code == 2 and "cannot be listened at" in taken.stderr
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 143
    assert said.splitlines()[0].startswith(f"delever: figures at http://127.0.0.1:{port}/metrics")
    assert said.splitlines()[-1] == "delever: interrupted" and "Traceback" not in said
