"""The liquidation wall: what accounts hold and owe that are eligible, and what is liquidatable now. Two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever import __version__
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import magnitude, price, signed_percent

if TYPE_CHECKING:
    from delever.analysis import Wall

ELIGIBLE = "Eligible: all that accounts whose health factor is below 1 after the shock hold and owe."
LIQUIDATABLE = (
    "Liquidatable: what the protocol's rules let one call per account seize and repay of it now; usually far less."
)
STATIC = "A wall is what the shock itself reaches: no sale, no feedback, no top-up. For these: delever stress."
REMAINDER = "Remainder: what the book's totals hold beyond the assets that its source lists."
DUST = 1.0  # rows that hold and owe less are counted, not shown [USD]
BAR = 24  # columns of text of the longest bar
SIDES = (("collateral", "held"), ("debt", "owed")), (("collateral", "seized"), ("debt", "repaid"))
WHAT = ("eligible", "liquidatable")
SUMS = tuple(f"{what}_{side}_usd" for what in WHAT for side in ("collateral", "debt"))

Others = Mapping[str, pa.Table]  # treatment of the remainder -> totals of its wall


def wall_report(
    name: str, asset: str, shock: str, wall: Wall, others: Others | None = None, start: float | None = None
) -> Report:
    """One shock: two tables by protocol, collateral and debt. Several: a row a shock. start: price of the asset, USD."""
    shocks = wall.totals["shock"].unique().to_pylist()
    notes = [ELIGIBLE, LIQUIDATABLE, STATIC]
    if len(shocks) == 1:
        sections: list[Section | Remarks] = [_details(wall, number) for number in (0, 1)]
    else:
        sections = [_range(wall.totals, asset, shocks, start)]
        notes.append(f"Bars: debt of eligible accounts (░), of which liquidatable (█); the longest is "
                     f"{magnitude(_largest(wall.totals))} USD.")  # fmt: skip
    if others:
        sections.append(_both_ways(others, shocks))
    legs = wall.accounts.num_rows
    if legs:
        accounts = len(set(zip(*(wall.accounts[key].to_pylist() for key in ("protocol", "account")), strict=True)))
        at = "" if len(shocks) == 1 else f" at {signed_percent(wall.shock)}"
        notes.append(f"{accounts:,} accounts with {legs:,} legs are eligible{at}; --accounts FILE writes them.")
    else:
        notes.append("No account is eligible.")
    title = f"Liquidation wall of {name}" + (f": {asset} {shock}" if asset else "")
    return Report(title, tuple(sections), tuple(notes), _prices(asset, start, shocks))


def _prices(asset: str, start: float | None, shocks: Sequence[float]) -> str:
    if start is None:
        return ""
    then = f", {price(start * (1.0 + shocks[0]))} USD after it" if len(shocks) == 1 else ""
    return f"{asset} is {price(start)} USD before the shock{then}; every oracle is taken to see it"


def _details(wall: Wall, number: int) -> Section:
    """The eligible half of the table, or the liquidatable one: rows by protocol, then a total."""
    what, sides = WHAT[number], SIDES[number]
    rows = wall.table.to_pylist()
    shown = [row for row in rows if max(abs(row[f"{what}_{side}_usd"]) for side, _ in sides) >= DUST]
    totals = {row["protocol"]: row for row in wall.totals.to_pylist()}
    lines: list[list[object]] = []
    sums: set[int] = set()
    for protocol in totals:
        mine = [row for row in shown if row["protocol"] == protocol]
        mine.sort(key=lambda row: -row[f"{what}_debt_usd"])
        lines += [
            [protocol, f"{row['accounts']:,}", *(cell for side, _ in sides for cell in _cells(row, what, side))]
            for row in mine
        ]
        sums.add(len(lines))
        lines.append(_total(protocol, [totals[protocol]], what))
    if len(totals) > 1:
        sums.add(len(lines))
        lines.append(_total("all", list(totals.values()), what))
    headings = ["protocol", "accounts", *(heading for _, word in sides for heading in (word, f"{word} USD"))]
    columns = list(zip(*lines, strict=True)) if lines else [()] * len(headings)
    table = table_of(*(column(h, list(c), right=h != "protocol") for h, c in zip(headings, columns, strict=True)))
    label = "Eligible: what these accounts hold and owe" if number == 0 else \
        "Liquidatable now: what one call an account may seize and repay"  # fmt: skip
    notes = ["accounts: one with several legs a side stands in several rows; totals count it once"]
    hidden = len(rows) - len(shown)
    if number == 0 and hidden:
        notes.append(f"{hidden} rows below {DUST:g} USD are not shown; totals, --csv and --parquet hold them")
    return Section(label, table, tuple(notes) if number == 0 else (), totals=frozenset(sums))


def _cells(row: Mapping[str, Any], what: str, side: str) -> tuple[str, str]:
    """ "20k stETH", "27.6M"."""
    return f"{magnitude(row[f'{what}_{side}'])} {row[side]}", magnitude(row[f"{what}_{side}_usd"])


def _total(name: str, rows: Sequence[Mapping[str, Any]], what: str) -> list[object]:
    count = "accounts" if what == "eligible" else "callable_accounts"
    money = [magnitude(sum(row[f"{what}_{side}_usd"] for row in rows)) for side in ("collateral", "debt")]
    return [name, f"{sum(row.get(count) or 0 for row in rows):,}", "total", money[0], "total", money[1]]


def _range(totals: pa.Table, asset: str, shocks: Sequence[float], start: float | None) -> Section:
    """A row a shock: debt of eligible accounts and what is liquidatable of it, by protocol and in all, and a bar."""
    rows = totals.to_pylist()
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    at = {(row["shock"], row["protocol"]): row for row in rows}
    largest = _largest(totals)

    def values(key: str, names: Sequence[str]) -> list[float]:
        return [sum(at[shock, name][key] for name in names) for shock in shocks]

    columns = [column("shock", [signed_percent(shock) for shock in shocks], right=True)]
    if start is not None:
        columns.append(column(f"{asset} USD", [price(start * (1.0 + shock)) for shock in shocks], right=True))
    groups = [(name, [name]) for name in protocols] if len(protocols) > 1 else []
    for label, names in [("all", protocols), *groups]:
        columns.append(column(f"{label} eligible", values("eligible_debt_usd", names), "USD"))
        columns.append(column(f"{label} liq. now", values("liquidatable_debt_usd", names), "USD"))
        if label == "all":
            bars = zip(*(values(f"{what}_debt_usd", names) for what in WHAT), strict=True)
            columns.append(column("wall", [_bar(whole, solid, largest) for whole, solid in bars], right=False))
    notes = ("liq. now: liquidatable now", "Collateral, and every pair of collateral and debt: --csv FILE")
    return Section("Debt by shock", table_of(*columns), notes)


def _largest(totals: pa.Table) -> float:
    sums: dict[float, float] = {}
    for shock, value in zip(totals["shock"].to_pylist(), totals["eligible_debt_usd"].to_pylist(), strict=True):
        sums[shock] = sums.get(shock, 0.0) + value
    return max(sums.values(), default=0.0)


def _bar(eligible: float, liquidatable: float, largest: float) -> str:
    if largest <= 0.0:
        return ""
    whole, solid = (round(BAR * value / largest) for value in (eligible, liquidatable))
    if whole == 0:
        return "▏" if eligible > 0.0 else ""
    return "█" * min(solid, whole) + "░" * max(0, whole - solid)


def _both_ways(others: Others, shocks: Sequence[float]) -> Section | Remarks:
    """The totals under both treatments of the remainder collateral: a row a treatment, or for many shocks a row a shock."""
    heading = "Remainder collateral, shown both ways"
    sums = {name: [_sums(totals, shock) for shock in shocks] for name, totals in others.items()}
    short = {name: name.removeprefix("remainder ") for name in sums}
    if len(sums) > 1 and all(rows == next(iter(sums.values())) for rows in sums.values()):
        return Remarks(heading, (Remark("", f"{REMAINDER} The same wall, {' or '.join(short.values())}."),))
    if len(shocks) == 1:
        columns = [column("remainder", list(short.values()))]
        columns += [column("accounts eligible", [rows[0]["accounts"] for rows in sums.values()])]
        columns += [column(key, [rows[0][key] for rows in sums.values()], "USD") for key in SUMS]
        return Section(heading, table_of(*columns), (REMAINDER,))
    columns = [column("shock", [signed_percent(shock) for shock in shocks], right=True)]
    for name, rows in sums.items():
        columns.append(column(f"{short[name]}: eligible", [row["eligible_debt_usd"] for row in rows], "USD"))
        columns.append(column(f"{short[name]}: liq. now", [row["liquidatable_debt_usd"] for row in rows], "USD"))
    return Section(heading, table_of(*columns), (REMAINDER,))


def _sums(totals: pa.Table, shock: float) -> dict[str, float]:
    rows = [row for row in totals.to_pylist() if row["shock"] == shock]
    return {key: sum(row[key] for row in rows) for key in ("accounts", *SUMS)}


def wall_json(
    name: str, asset: str, shock: str, wall: Wall, others: Others | None = None, start: float | None = None
) -> dict[str, Any]:
    """The same for machines."""
    found = {
        "version": __version__,
        "world": name,
        "asset": asset,
        "price_usd": start,
        "shock": shock,
        "definitions": {"eligible": ELIGIBLE, "liquidatable": LIQUIDATABLE},
        "totals": wall.totals.to_pylist(),
        "wall": wall.table.to_pylist(),
        "eligible_legs_at": wall.shock,
        "eligible_legs": wall.accounts.num_rows,
    }
    if others:
        found["remainder"] = {name: totals.to_pylist() for name, totals in others.items()}
    return found
