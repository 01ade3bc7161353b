"""What Prometheus and Grafana are given: alert rules, where to look, a board with a panel a metric."""

from __future__ import annotations

import json
from typing import Any

import yaml

from delever.monitor import metrics as m
from delever.monitor.alerts import rules_file
from delever.monitor.metrics import Metric


def board() -> dict[str, Any]:
    """A Grafana board with a panel a metric."""
    panels = [_panel(number, metric) for number, metric in enumerate(m.EVERY_METRIC)]
    return {"title": "delever", "uid": "delever", "schemaVersion": 39, "refresh": "1m", "time": {"from": "now-24h", "to": "now"},
            "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]}, "panels": panels}


def _panel(number: int, metric: Metric) -> dict[str, Any]:
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels) or metric.name
    return {"id": number + 1, "type": "timeseries", "title": metric.name.removeprefix("delever_").replace("_", " "),
            "description": metric.meaning, "datasource": {"type": "prometheus", "uid": "${source}"},
            "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
            "fieldConfig": {"defaults": {"unit": metric.shown, "custom": {"spanNulls": False}}, "overrides": []},
            "targets": [{"refId": "A", "expr": f"{metric.name} * 1000" if metric.shown == "dateTimeAsIso" else metric.name,
                         "legendFormat": legend}]}


def files(every: float, port: int) -> dict[str, str]:
    """Name -> text of what Prometheus and Grafana are given. every: [s]."""
    scrape = {"rule_files": ["alerts.yaml"], "scrape_configs": [{
        "job_name": "delever", "scrape_interval": f"{max(every / 2.0, 5.0):g}s",
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}
    return {"alerts.yaml": yaml.safe_dump(rules_file(), sort_keys=False, width=120),
            "prometheus.yaml": yaml.safe_dump(scrape, sort_keys=False), "board.json": json.dumps(board(), indent=1) + "\n"}


def tables() -> tuple[str, str]:
    """Rows of docs/monitor.md: figures, and alerts."""
    figures = "".join(f"| `{one.name}` | {', '.join(one.labels)} | {one.meaning} |\n" for one in m.EVERY_METRIC)
    alerts = "".join(f"| {row['alert']} | `{row['expr']}` | {row.get('for', '')} | {row['labels']['severity']} |\n"
                     for row in rules_file()["groups"][0]["rules"])
    return figures, alerts
