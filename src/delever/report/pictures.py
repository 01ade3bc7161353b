"""The picture of a result: self-contained SVG, one call whatever it is of."""

from __future__ import annotations

from functools import singledispatch

from delever.analysis.attribution import Attribution
from delever.analysis.clearing import Clearing
from delever.analysis.debtrank import DebtRank
from delever.analysis.fire_sales import FireSale, FireSales
from delever.analysis.limits import Limits
from delever.analysis.network import Network
from delever.analysis.overlap import Overlap, Vulnerability
from delever.analysis.reverse import Reverse
from delever.analysis.solvency import Solvency
from delever.report.bars import bar_chart
from delever.report.lines import line_chart
from delever.report.reverse import reverse_chart
from delever.report.svg import COLOURS


@singledispatch
def picture(result: object) -> str:
    """SVG of any result that is drawn here: attribution, clearing, fire sales, networks, limits, reverse stress, solvency."""
    raise TypeError(f"picture: {type(result).__name__} is nothing that is drawn here")


@picture.register
def of_network(found: Network) -> str:
    """DebtRank and systemicness by protocol, shares of all equity."""
    return bar_chart("Share of all equity that falls with a protocol", found.table["protocol"].to_pylist(),
                     {"DebtRank: if it sells all": found.table["DebtRank"].to_pylist(),
                      f"systemicness: by its sales after {found.shock}": found.table["systemicness"].to_pylist()}, "share")


@picture.register
def of_solvency(found: Solvency) -> str:
    """What is short by protocol after the last shock, at exit, at the market's and at the oracle's prices."""
    shock = found.totals["shock"][-1].as_py()
    rows = [row for row in found.table.to_pylist() if row["shock"] == shock]
    bars = {f"{words} prices": [-row[f"equity_{basis}_usd"] for row in rows]
            for words, basis in (("at exit", "exit"), ("at market", "market"), ("at oracle", "oracle"))}
    after = f" after {found.shock}" if found.shock else ""
    return bar_chart(f"Owed beyond what stands against it{after}", [row["protocol"] for row in rows], bars)


@picture.register
def of_limits(found: Limits) -> str:
    """The highest collateral factor by cap, in what is supplied now; a line a collateral, at the caps that all of them have."""
    rows = found.factors.to_pylist()
    lines: dict[str, dict[float, float]] = {}
    for row in rows:
        lines.setdefault(f"{row['protocol']} {row['asset']}", {})[row["times"]] = row["factor"]
    shared = sorted(set.intersection(*(set(line) for line in lines.values()))) if lines else []
    after = f" after {found.shock}" if found.shock else ""
    title = f"Highest collateral factor that leaves no bad debt{after}, {found.share:.0%} liquidated at once"
    return line_chart(title, "cap, times what is supplied now", shared,
                      {name: [line[at] for at in shared] for name, line in list(lines.items())[:len(COLOURS)]}, unit_x="")


@picture.register
def of_reverse(found: Reverse) -> str:
    """Smallest sizes with their intervals."""
    return reverse_chart(found)


@picture.register
def of_attribution(found: Attribution) -> str:
    """Both figures by kind of first cause."""
    rows = found.table.to_pylist()
    names = [" ".join(part for part in (row["first cause"], row["of"], "→", row["affected"]) if part) for row in rows]
    what = f"path {found.paths[0]}" if len(found.paths) == 1 else f"{len(found.paths):,} paths, means"
    return bar_chart(f"First causes of losses: {what}", names, {
        "liquidated": [row["liquidated"] for row in rows], "loss": [row["loss"] for row in rows]})


@picture.register
def of_clearing(found: Clearing) -> str:
    """What is due, and what is paid by both vectors."""
    kinds = {"due": "due", "paid by the greatest vector": "pays", "by the least": "pays at least"}
    return bar_chart("What is due and what is paid", found.table["name"].to_pylist(),
                     {label: found.table[name].to_pylist() for label, name in kinds.items()})


@picture.register
def of_debtrank(found: DebtRank) -> str:
    """DebtRank of everybody."""
    return bar_chart("DebtRank: share of the whole that falls with each", found.table["name"].to_pylist(),
                     {"DebtRank": found.table["DebtRank"].to_pylist()}, "share")


@picture.register
def of_fire_sale(found: FireSale) -> str:
    """Step by step."""
    count = found.table.num_rows
    lines = {"failed": [value / count for value in found.steps["failed"].to_pylist()], "sold": found.steps["sold"].to_pylist()}
    return line_chart("Failed and sold, share of all", "step", found.steps["step"].to_pylist(), lines, unit_x="")


@picture.register
def of_fire_sales(found: FireSales) -> str:
    """By price impact."""
    lines = {"failed": [value / found.holders for value in found.table["failed"].to_pylist()],
             "sold": found.table["sold"].to_pylist()}
    below = f"fall of the price when {100.0 * found.share:.4g} % of all is sold"
    return line_chart("Failed and sold, share of all", below, found.table["fall"].to_pylist(), lines)


@picture.register
def of_overlap(found: Overlap) -> str:
    """What the sale of all that each holds takes from the others."""
    return bar_chart("What each takes from the others by selling all", found.table["name"].to_pylist(),
                     {"takes": found.table["takes"].to_pylist()})


@picture.register
def of_vulnerability(found: Vulnerability) -> str:
    """What the shock and all sales take from each."""
    return bar_chart("Share of equity that is lost", found.table["name"].to_pylist(), {
        "by the shock": found.table["direct"].to_pylist(), "by sales": found.table["indirect"].to_pylist()}, "share")
