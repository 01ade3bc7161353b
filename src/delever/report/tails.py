"""The far tail of a run's losses: figures with their intervals, the tail itself, and how far it hinges on its threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import magnitude, percent

if TYPE_CHECKING:
    from delever.analysis.tails import Tails

RULE = ("Threshold: beyond it lie 10 % of paths, or half of those that lose anything where these are fewer than 20 %. Beyond it "
        "a generalised Pareto tail is fitted by maximum likelihood; its intervals are of sampling, by profile likelihood.")


def headline(result: Tails) -> str:
    """The finding: the quantile, with its interval where there is one."""
    row = result.table.to_pylist()[0]
    low, high = row["low"], row["high"]
    span = f", 95 % interval {magnitude(low)} to {magnitude(high)} USD" if low == low else ""
    return f"{row['figure']} of {result.of.replace('_', ' ')}: {magnitude(row['value'])} USD by the tail{span}"


def tails_report(name: str, result: Tails) -> Report:
    """For people."""
    losing, low, high = result.losing
    figures = Section("Far out", result.table, ("sample: of the paths alone; tail: of the fitted tail",), keys=2)
    rows = result.thresholds.to_pylist()
    hinges = Section("The tail, and from fewer exceedances", table_of(
        column("threshold", [row["threshold"] for row in rows], "USD"),
        column("exceedances", [row["exceedances"] for row in rows]),
        column("of paths", [percent(row["share"]) for row in rows], right=True),
        column("shape", [f"{row['shape']:.3g} ± {magnitude(row['shape_error'])}" for row in rows], right=True),
        column("scale", [row["scale"] for row in rows], "USD"),
        column("VaR", [row["var"] for row in rows], "USD"),
        column("ES", [row["expected_shortfall"] for row in rows], "USD")),
        ("shape: 0 is an exponential tail, above 0 a heavier one, below 0 one that ends; ±: its standard error",))
    said = Remarks("To know", tuple(Remark("", f"{text[0].upper()}{text[1:]}.") for text in result.said))
    lose = f"{percent(losing)} of {result.paths:,} paths lose anything (95 % interval {percent(low)} to {percent(high)})."
    return Report(f"Tail of {name}", (figures, hinges, said), (lose, RULE), headline(result))


def tails_json(name: str, result: Tails) -> dict[str, Any]:
    """The same for machines."""
    fit = result.fit
    return {"run": name, "of": result.of, "level": result.level, "paths": result.paths, "finding": headline(result),
            "losing": dict(zip(("value", "low", "high"), result.losing, strict=True)),
            "tail": {"threshold": fit.threshold, "exceedances": len(fit.excess), "alike": fit.alike, "share": fit.share,
                     "shape": fit.shape, "shape_error": fit.shape_error, "scale": fit.scale, "scale_error": fit.scale_error},
            "figures": result.table.to_pylist(), "thresholds": result.thresholds.to_pylist(), "to_know": list(result.said)}
