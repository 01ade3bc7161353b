"""When somebody should be told: rules as rows, for Prometheus as a file, and judged here for those without.

A threshold that a figure passes for a while is told once, and once more when it is over. A figure that is no longer there is not
fine: what was told of it stands until a figure says otherwise.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from delever.monitor import metrics as m
from delever.monitor.metrics import Metric, Sample

WARNING, CRITICAL = "warning", "critical"
OPS = {"<": operator.lt, ">": operator.gt}
STALE = 3.0  # intervals without a look after which figures are withheld
MINUTE = 60.0  # [s]
HUMAN = {"percentunit": "humanizePercentage", "s": "humanizeDuration"}  # of Prometheus, by a panel's unit


class Rule(NamedTuple):
    """A threshold. All of them are assumptions: look at a quiet week before believing them."""

    name: str
    metric: Metric
    op: str
    limit: float | Metric
    lasting: float  # [s] before it is told
    severity: str
    said: str  # {LABEL} and {value}
    only: tuple[tuple[str, str], ...] = ()  # labels
    size: bool = False  # of the value without its sign

    @property
    def expression(self) -> str:
        """As Prometheus reads it."""
        chosen = "{" + ", ".join(f'{key}="{value}"' for key, value in self.only) + "}" if self.only else ""
        left = f"abs({self.metric.name}{chosen})" if self.size else f"{self.metric.name}{chosen}"
        return f"{left} {self.op} {self.limit.name if isinstance(self.limit, Metric) else f'{self.limit:g}'}"


RULES = (
    Rule("WallNear", m.TO_WALL, "<", 0.1, MINUTE, WARNING, "{protocol}: {share} becomes eligible when {asset} moves by {value} "
         "({direction})", (("share", "5%"),)),
    Rule("WallReached", m.TO_WALL, "<", 0.03, 0.0, CRITICAL, "{protocol}: {share} becomes eligible when {asset} moves by {value} "
         "({direction})", (("share", "10%"),)),
    Rule("SellingNearlyFeedsOnItself", m.BRANCHING, ">", 0.8, MINUTE, WARNING, "n of {asset} reaches {value} ({direction})"),
    Rule("SellingFeedsOnItself", m.TO_CRITICAL, "<", 0.1, 0.0, CRITICAL, "n of {asset} exceeds 1 after a move of "
         "{value} ({direction})"),
    Rule("OracleLate", m.AGE, ">", m.HEARTBEAT, MINUTE, CRITICAL, "{protocol} sees a price of {asset} that is {value} old, "
         "more than its heartbeat"),
    Rule("OracleApart", m.GAP, ">", 0.02, MINUTE, WARNING, "{protocol} sees {asset} {value} off its market",
         size=True),
    Rule("VenueApart", m.APART, ">", 0.01, MINUTE, WARNING, "the venue of {market} stands {value} off the outside price: give "
         "both of one moment", size=True),
    Rule("ReserveNearlyEmpty", m.UTILISATION, ">", 0.95, 5 * MINUTE, WARNING, "{value} of {asset} on {protocol} is lent out"),
    Rule("DeleveragingNear", m.TO_ADL, "<", 0.15, MINUTE, WARNING, "{protocol}: its fund is used up when {asset} moves by "
         "{value} ({direction})"),
    Rule("OneOwnerLarge", m.LARGEST, ">", 0.25, MINUTE, WARNING, "{protocol}: its largest owner has {value} of all",
         (("owners", "1"),)),
    Rule("InputOld", m.INPUT_AGE, ">", 24 * 60 * MINUTE, 0.0, WARNING, "{input} is {value} old", (("input", "world"),)),
)
NO_DATA = (  # what only Prometheus can see: that nobody looks
    ("NobodyLooks", f"absent({m.UP.name})", 2 * MINUTE, CRITICAL, "delever monitor gives no figures"),
    ("LookFails", f"{m.UP.name} == 0", 0.0, CRITICAL, "the last look at the world failed"),
    ("FiguresOld", f"time() - {m.LOOKED.name} > {STALE:g} * {m.EVERY.name}", 0.0, CRITICAL, "figures are old, and withheld"),
)


def rules_file() -> dict[str, Any]:
    """Alert rules as Prometheus reads them."""
    def rule(name: str, expression: str, lasting: float, severity: str, said: str) -> dict[str, Any]:
        return {"alert": f"Delever{name}", "expr": expression, **({"for": f"{lasting:g}s"} if lasting else {}),
                "labels": {"severity": severity}, "annotations": {"summary": said}}

    return {"groups": [{"name": "delever", "rules": [
        *(rule(*row) for row in NO_DATA),
        *(rule(one.name, one.expression, one.lasting, one.severity, _as_template(one)) for one in RULES)]}]}


def _as_template(rule: Rule) -> str:
    """The text with Prometheus's own placeholders."""
    text = rule.said.replace("{value}", "{{ $value | " + HUMAN.get(rule.metric.shown, "humanize") + " }}")
    for label in rule.metric.labels:
        text = text.replace(f"{{{label}}}", "{{ $labels." + label + " }}")
    return text


class Told(NamedTuple):
    """Something to tell."""

    severity: str
    text: str
    over: bool = False


class Alarms:
    """What has passed its threshold since when, and what of it has been told."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self.rules = rules
        self.since: dict[tuple[str, tuple[str, ...]], float] = {}
        self.told: dict[tuple[str, tuple[str, ...]], str] = {}

    def judge(self, samples: Iterable[Sample], now: float) -> list[Told]:
        """What is new. now: [s], of any clock that does not go back."""
        values = {(one.metric.name, one.labels): one.value for one in samples}
        found = []
        for rule in self.rules:
            for (name, labels), value in values.items():
                if name != rule.metric.name or not _chosen(rule, labels):
                    continue
                key = (rule.name, labels)
                limit = values.get((rule.limit.name, labels), math.nan) if isinstance(rule.limit, Metric) else rule.limit
                if not OPS[rule.op](abs(value) if rule.size else value, limit):
                    self.since.pop(key, None)
                    if (said := self.told.pop(key, None)) is not None:
                        found.append(Told(rule.severity, f"over: {said}", over=True))
                    continue
                if now - self.since.setdefault(key, now) >= rule.lasting and key not in self.told:
                    self.told[key] = _text(rule, labels, value)
                    found.append(Told(rule.severity, self.told[key]))
        return found


def _chosen(rule: Rule, labels: tuple[str, ...]) -> bool:
    mine = dict(zip(rule.metric.labels, labels, strict=True))
    return all(mine[key] == value for key, value in rule.only)


def _text(rule: Rule, labels: tuple[str, ...], value: float) -> str:
    shown = rule.metric.shown
    said = f"{value:.1%}" if shown == "percentunit" else lasting(value) if shown == "s" else f"{value:.3g}"
    return rule.said.format(value=said, **dict(zip(rule.metric.labels, labels, strict=True)))


def lasting(seconds: float) -> str:
    """A time in the largest unit of which there are two."""
    unit, length = next(((unit, length) for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", MINUTE))
                         if seconds >= 2.0 * length), ("s", 1.0))
    return f"{seconds / length:,.0f} {unit}"
