"""Results for people and machines: terminal tables, Markdown, JSON, files. No modelling here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from delever.report.branching_chart import criticality_chart
    from delever.report.chart import wall_chart
    from delever.report.check import check_json, check_report, has_errors
    from delever.report.criticality import criticality_json, criticality_report
    from delever.report.document import Remark, Remarks, Report, Section
    from delever.report.files import check_target, json_document, json_text, write_table, write_text
    from delever.report.limits import limits_json, limits_report
    from delever.report.passage import passage_json, passage_report
    from delever.report.passage_chart import passage_chart
    from delever.report.pictures import picture
    from delever.report.replay import replay_report
    from delever.report.sections import Extras
    from delever.report.solvency import solvency_json, solvency_report
    from delever.report.stress import stress_json, stress_report, write_summary
    from delever.report.wall import wall_json, wall_report

__all__ = [
    "Extras",
    "Remark",
    "Remarks",
    "Report",
    "Section",
    "check_json",
    "check_report",
    "check_target",
    "criticality_chart",
    "criticality_json",
    "criticality_report",
    "has_errors",
    "json_document",
    "json_text",
    "limits_json",
    "limits_report",
    "passage_chart",
    "passage_json",
    "passage_report",
    "picture",
    "replay_report",
    "show",
    "solvency_json",
    "solvency_report",
    "stress_json",
    "stress_report",
    "wall_chart",
    "wall_json",
    "wall_report",
    "write_summary",
    "write_table",
    "write_text",
]
_HOME = {
    "Extras": "sections",
    "Remark": "document",
    "Remarks": "document",
    "Report": "document",
    "Section": "document",
    "check_json": "check",
    "check_report": "check",
    "check_target": "files",
    "criticality_chart": "branching_chart",
    "criticality_json": "criticality",
    "criticality_report": "criticality",
    "has_errors": "check",
    "json_document": "files",
    "json_text": "files",
    "limits_json": "limits",
    "limits_report": "limits",
    "passage_chart": "passage_chart",
    "passage_json": "passage",
    "passage_report": "passage",
    "picture": "pictures",
    "replay_report": "replay",
    "solvency_json": "solvency",
    "solvency_report": "solvency",
    "stress_json": "stress",
    "stress_report": "stress",
    "wall_chart": "chart",
    "wall_json": "wall",
    "wall_report": "wall",
    "write_summary": "stress",
    "write_table": "files",
    "write_text": "files",
}


def __getattr__(name: str) -> object:
    """Load a name on first use: a check does not wait for charts."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def show(result: object, title: str = "") -> None:
    """Print a run, a wall, a comparison, any other result or a table as the commands do: human numbers, units, definitions.

    A run shows its figures; what the command adds (concentration, remainders) are calls of their own.
    """
    _report(result, title).print()


def _report(result: object, title: str) -> Report:
    import pyarrow as pa

    from delever.analysis import Check, Comparison, Criticality, FirstPassage, Solvency, Sweep, Wall
    from delever.analysis.change import Change
    from delever.analysis.heat import HeatMap
    from delever.analysis.limits import Limits
    from delever.analysis.looping import Loop
    from delever.analysis.outcomes import Outcomes
    from delever.analysis.reverse import Reverse
    from delever.analysis.tails import Tails
    from delever.report.change import change_report
    from delever.report.check import check_report
    from delever.report.comparison import comparison_report
    from delever.report.criticality import criticality_report
    from delever.report.document import Report, Section
    from delever.report.heat import heat_report
    from delever.report.limits import limits_report
    from delever.report.looping import loop_report
    from delever.report.outcomes import outcomes_report
    from delever.report.passage import passage_report
    from delever.report.reverse import reverse_report
    from delever.report.solvency import solvency_report
    from delever.report.stress import stress_report
    from delever.report.sweep import sweep_report
    from delever.report.tails import tails_report
    from delever.report.wall import wall_report
    from delever.run.result import Result
    from delever.run.stress import Run

    if isinstance(result, Tails):
        return tails_report(title or result.of, result)
    if isinstance(result, HeatMap):
        return heat_report(title or "the world", result)
    if isinstance(result, Sweep):
        return sweep_report(result)
    if isinstance(result, Comparison):
        return comparison_report(result)
    if isinstance(result, pa.Table):
        return Report(title, (Section("", result, under="definition"),))
    if isinstance(result, Run):
        return stress_report(title or result.world.name, result)
    if isinstance(result, Wall):
        return wall_report(title or "the world", "", "", result)
    if isinstance(result, Criticality):
        return criticality_report(title or "the world", result)
    if isinstance(result, Change):
        return change_report(result)
    if isinstance(result, Outcomes):
        return outcomes_report(title or "the run", result)
    if isinstance(result, Loop):
        return loop_report(title or "the world", result)
    if isinstance(result, Limits):
        return limits_report(title or "the world", result)
    if isinstance(result, Solvency):
        return solvency_report(title or "the world", result)
    if isinstance(result, Reverse):
        return reverse_report(result)
    if isinstance(result, FirstPassage):
        return passage_report(title or "the world", result)
    if isinstance(result, Check):
        return check_report(title or "the world", None, result)
    if isinstance(result, Result):
        tables = [(name, value) for name, value in vars(result).items() if isinstance(value, pa.Table)]
        return Report(title or repr(result), tuple(Section("" if name == "table" else name, value) for name, value in tables))
    raise TypeError(f"show: {type(result).__name__} is neither a result nor a table")
