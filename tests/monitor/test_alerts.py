"""When somebody is told, and what Prometheus is given: judged by promtool where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from delever.monitor import metrics as m
from delever.monitor.alerts import NO_DATA, RULES, Alarms, lasting, rules_file
from delever.monitor.board import files, tables
from delever.monitor.metrics import EVERY_METRIC, Sample

PROMTOOL = shutil.which("promtool")
NEAR = next(rule for rule in RULES if rule.name == "WallNear")
LABELS = ("pool", "ETH", "fall", "5%")


def far(move: float, labels: tuple[str, ...] = LABELS) -> list[Sample]:
    return [Sample(m.TO_WALL, move, labels)]


def test_what_lasts_is_told_once_and_once_more_when_it_is_over() -> None:
    alarms = Alarms([NEAR])
    assert not alarms.judge(far(0.05), 0.0) and not alarms.judge(far(0.05), 59.0)
    (told,) = alarms.judge(far(0.05), 60.0)
    assert told.text == "pool: 5% becomes eligible when ETH moves by 5.0% (fall)" and not told.over
    assert not alarms.judge(far(0.02), 120.0)
    (over,) = alarms.judge(far(0.1), 180.0)  # at the threshold, not below it
    assert over.over and over.text == f"over: {told.text}"
    assert not alarms.judge(far(0.05), 240.0)  # anew: it has to last again


def test_other_labels_are_other_figures_and_a_figure_that_is_gone_is_not_fine() -> None:
    alarms = Alarms([NEAR._replace(lasting=0.0)])
    assert not alarms.judge(far(0.05, ("pool", "ETH", "fall", "1%")), 0.0)
    assert len(alarms.judge([*far(0.05), *far(0.05, ("pool", "BTC", "fall", "5%"))], 1.0)) == 2
    assert not alarms.judge([], 2.0)
    assert not alarms.judge(far(0.05), 3.0)  # it was told, and nothing said that it is over
    assert len(alarms.judge(far(0.5), 4.0)) == 1


def test_a_threshold_may_be_another_figure_of_the_same_labels() -> None:
    alarms = Alarms([next(rule for rule in RULES if rule.name == "OracleLate")._replace(lasting=0.0)])
    at = ("pool", "ETH")
    beat, age = Sample(m.HEARTBEAT, 3600.0, at), Sample(m.AGE, 3601.0, at)
    assert not alarms.judge([age], 0.0) and not alarms.judge([beat, age._replace(value=3600.0)], 0.0)
    assert [told.severity for told in alarms.judge([beat, age], 0.0)] == ["critical"]


def test_a_size_counts_on_both_sides() -> None:
    alarms = Alarms([next(rule for rule in RULES if rule.name == "OracleApart")._replace(lasting=0.0)])
    assert len(alarms.judge([Sample(m.GAP, -0.03, ("pool", "ETH")), Sample(m.GAP, 0.019, ("pool", "BTC"))], 0.0)) == 1


def test_times_in_words() -> None:
    assert [lasting(x) for x in (5.0, 119.0, 120.0, 7200.0, 9e7)] == ["5 s", "119 s", "2 min", "2 h", "1,042 days"]


def test_every_rule_and_panel_is_of_a_metric_and_each_has_a_name() -> None:
    names = [rule["alert"] for rule in rules_file()["groups"][0]["rules"]]
    assert len(set(names)) == len(names) == len(RULES) + len(NO_DATA)
    for rule in RULES:
        assert set(dict(rule.only)) <= set(rule.metric.labels)
        rule.said.format(value="", **dict.fromkeys(rule.metric.labels, ""))  # KeyError: a word that is no label
    board = json.loads(files(60.0, 9464)["board.json"])
    assert [panel["targets"][0]["expr"].split()[0] for panel in board["panels"]] == [metric.name for metric in EVERY_METRIC]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len(EVERY_METRIC)


def test_the_page_has_every_figure_and_alert() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "monitor.md").read_text()
    assert all(table in page for table in tables())


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_prometheus_takes_the_files_and_tells_when_it_should(tmp_path: Path) -> None:
    for name, text in files(60.0, 9464).items():
        (tmp_path / name).write_text(text)

    def series(name: str, values: str) -> dict[str, str]:
        return {"series": name, "values": values}

    def alerts(at: str, name: str, said: str = "", labels: dict[str, str] | None = None) -> dict[str, object]:
        told = [{"exp_labels": {"severity": "critical"} | (labels or {}), "exp_annotations": {"summary": said}}] if said else []
        return {"eval_time": at, "alertname": f"Delever{name}", "exp_alerts": told}

    wall = {"protocol": "pool", "asset": "ETH", "direction": "fall", "share": "5%", "severity": "warning"}
    late = {"protocol": "pool", "asset": "ETH"}
    nobody, failed, old = "delever monitor gives no figures", "the last look at the world failed", "figures are old, and withheld"
    quiet = {"interval": "30s", "input_series": [], "alert_rule_test": [alerts("5m", "NobodyLooks", nobody)]}
    loud = {"interval": "30s", "input_series": [
        series("delever_up", "1x8 0x20"), series("delever_look_interval_seconds", "60x30"),
        series("delever_look_timestamp_seconds", "0+30x8 240x20"),
        series('delever_move_to_wall_ratio{protocol="pool",asset="ETH",direction="fall",share="5%"}', "0.2x4 0.05x20"),
        series('delever_move_to_wall_ratio{protocol="pool",asset="ETH",direction="fall",share="1%"}', "0.01x30"),
        series('delever_oracle_age_seconds{protocol="pool",asset="ETH"}', "4000x30"),
        series('delever_oracle_heartbeat_seconds{protocol="pool",asset="ETH"}', "3600x30")],
        "alert_rule_test": [
            alerts("2m", "WallNear"), alerts("5m", "WallNear", "pool: 5% becomes eligible when ETH moves by 5% (fall)", wall),
            alerts("5m", "OracleLate", "pool sees a price of ETH that is 1h 6m 40s old, more than its heartbeat", late),
            alerts("4m", "LookFails"), alerts("6m", "LookFails", failed), alerts("7m", "FiguresOld"),
            alerts("8m", "FiguresOld", old), alerts("8m", "NobodyLooks")]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["alerts.yaml"], "tests": [quiet, loud]}))
    for command in (["check", "config", "prometheus.yaml"], ["check", "rules", "alerts.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run([str(PROMTOOL), *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
