"""The liquidation wall: what accounts hold and owe that are eligible, and what is liquidatable now. Two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever.report.asked import findings_remarks
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import NONE, magnitude, price, signed_percent

if TYPE_CHECKING:
    from delever.analysis import Wall

ELIGIBLE = "Eligible: all that accounts whose health factor is below 1 after the shock hold and owe."
LIQUIDATABLE = (
    "Liquidatable: what the protocol's rules let one call per account seize and repay of it now; usually far less."
)
POSITIONS = (
    "Margin accounts: those whose equity is below maintenance margin with every mark shocked. Positions: the size of all that "
    "they have, at the shocked marks; how much of it one call closes is the engine's rule. Shortfall: by how much equity is "
    "below zero."
)
STATIC = "A wall is what the shock itself reaches: no sale, no feedback, no top-up. For these: delever stress."
REMAINDER = "Remainder: what the book's totals hold beyond the assets that its source lists."
DUST = 1.0  # rows that hold and owe less are counted, not shown [USD]
NEAREST = 10  # positions that are printed
BAR = 24  # columns of text of the longest bar
SIDES = (("collateral", "held"), ("debt", "owed")), (("collateral", "seized"), ("debt", "repaid"))
WHAT = ("eligible", "liquidatable")
SUMS = tuple(f"{what}_{side}_usd" for what in WHAT for side in ("collateral", "debt"))

Others = Mapping[str, pa.Table]  # treatment of the remainder -> totals of its wall


def wall_report(
    name: str, asset: str, shock: str, wall: Wall, others: Others | None = None, start: float | None = None,
    positions: pa.Table | None = None,
) -> Report:
    """One shock: two tables by protocol, collateral and debt. Several: a row a shock.

    start: price of the asset (of several the lead), USD; positions: those whose nearest are shown.
    """
    shocks = wall.totals["shock"].unique().to_pylist()
    exchanges = [name for name in _names(wall.totals) if name not in _names(wall.totals, lends=True)]
    notes = [ELIGIBLE, LIQUIDATABLE] if _names(wall.totals, lends=True) else []
    notes += [POSITIONS, STATIC] if exchanges else [STATIC]
    if len(shocks) == 1:
        if _names(wall.totals, lends=True):
            beyond = sum(map(bad_debt, wall.totals.to_pylist()))
            notes.append(f"Bad debt at this shock, what accounts owe beyond all of their collateral: {magnitude(beyond)} USD.")
        sections: list[Section | Remarks] = [_details(wall, number) for number in (0, 1) if _names(wall.totals, lends=True)]
        sections += [_positions(wall)] if exchanges else []
    else:
        sections = [_range(wall, shocks, start)]
        margin = "positions of these accounts" if len(notes) < 3 else ", and positions of margin accounts (█)"
        debt = "" if len(notes) < 3 and exchanges else "debt of eligible accounts (░), of which liquidatable (█)"
        longest = magnitude(_largest(wall.totals))
        notes.append(f"Bars: {debt}{margin if exchanges else ''}; the longest is {longest} USD.")
    if others:
        sections.append(_both_ways(others, shocks))
    if positions is not None:
        sections.append(_nearest(positions))
    notes += [f"{text[0].upper()}{text[1:]}." for text in wall.said]
    legs = wall.accounts.num_rows
    if legs:
        accounts = len(set(zip(*(wall.accounts[key].to_pylist() for key in ("protocol", "account")), strict=True)))
        at = "" if len(shocks) == 1 else f" at {signed_percent(wall.shock)}"
        lends = bool(_names(wall.totals, lends=True))
        reached = " or ".join((["eligible"] if lends else []) + (["below maintenance"] if exchanges else []))
        many = f"{accounts:,} account{'s' if accounts > 1 else ''} with {legs:,} leg{'s' if legs > 1 else ''}"
        them = "them" if legs > 1 else "it"
        notes.append(f"{many} {'are' if accounts > 1 else 'is'} {reached}{at}; --accounts FILE writes {them}.")
    else:
        notes.append("No account is eligible." if not exchanges else "No account is reached.")
    sections = [*findings_remarks("Warnings", wall.findings, "warn"), *sections]
    title = f"Liquidation wall of {name}" + (f": {asset} {shock}".replace(":  ", ": ") if asset or shock else "")
    return Report(title, tuple(sections), tuple(notes), _prices(wall, start, shocks))


def _names(totals: pa.Table, lends: bool = False) -> list[str]:
    """Protocols of a wall; lends: those that lend alone."""
    rows = [row["protocol"] for row in totals.to_pylist() if not lends or row.get("positions_usd") is None]
    return list(dict.fromkeys(rows))


def reach(row: Mapping[str, Any]) -> tuple[float, float]:
    """USD of a row of totals that a shock reaches, and the part of it that can be liquidated now.

    Lending: debt of eligible accounts, and what one call each may repay. Exchanges: positions of accounts below maintenance,
    twice.
    """
    positions = row.get("positions_usd")
    if positions is not None:
        return positions, positions
    return row["eligible_debt_usd"], row["liquidatable_debt_usd"]


def _positions(wall: Wall) -> Section:
    """Positions of accounts below maintenance margin, by exchange, perp and side, with totals."""
    rows = [row for row in wall.table.to_pylist() if row["perp"] is not None]
    lines: list[tuple[str, str, str, str, str, str]] = []
    sums: set[int] = set()
    for total in wall.totals.to_pylist():
        if total["positions_usd"] is None:
            continue
        mine = sorted((row for row in rows if row["protocol"] == total["protocol"]), key=lambda row: -row["positions_usd"])
        lines += [(row["protocol"], row["perp"], row["side"], f"{row['accounts']:,}", magnitude(row["positions_usd"]), NONE)
                  for row in mine]
        sums.add(len(lines))
        lines.append((total["protocol"], "all", "", f"{total['accounts']:,}", magnitude(total["positions_usd"]),
                      magnitude(total["shortfall_usd"])))
    names = ("protocol", "perp", "side", "accounts", "positions USD", "shortfall USD")
    columns = [column(names[i], [line[i] for line in lines], right=i > 2) for i in range(len(names))]
    notes = ("accounts: one with several positions stands in several rows; totals count it once",)
    return Section("Positions of accounts below maintenance margin", table_of(*columns), notes, totals=frozenset(sums))


def _nearest(positions: pa.Table) -> Section:
    """The first positions of the table, in its order."""
    names = [name for name in ("account", "owner", "asset", "side", "value_usd", "price_usd", "liquidation_price_usd", "move",
                               "along_shock_price_usd") if name in positions.column_names]
    shown = positions.slice(0, NEAREST).select(names)
    if shown["owner"].to_pylist() == shown["account"].to_pylist():
        shown = shown.drop_columns(["owner"])
    for i, field in enumerate(shown.schema):
        if field.name.endswith("price_usd"):
            values = [NONE if value is None else price(value) for value in shown[field.name].to_pylist()]
            shown = shown.set_column(i, field.with_type(pa.string()).with_metadata({**(field.metadata or {}), "right": "yes"}),
                                     pa.array(values))
    return Section(f"Positions: the first {shown.num_rows} of {positions.num_rows:,} in the file", shown, keys=1)


def _prices(wall: Wall, start: float | None, shocks: Sequence[float]) -> str:
    """What the shocked assets are worth before and after."""
    if len(wall.assets) > 1:
        last = [row for row in wall.moves.to_pylist() if row["shock"] == wall.shock]
        texts = [f"{row['asset']} {signed_percent(row['move'])} to {price(row['price_usd'])} USD" for row in last]
        deepest = "" if len(shocks) == 1 else "the largest of the shocks: "
        return f"{deepest}{', '.join(texts)}; all at once, and every oracle is taken to see it"
    asset = wall.assets[0]
    if start is None:
        return ""
    then = f", {price(start * (1.0 + shocks[0]))} USD after it" if len(shocks) == 1 else ""
    return f"{asset} is {price(start)} USD before the shock{then}; every oracle is taken to see it"


def _details(wall: Wall, number: int) -> Section:
    """The eligible half of the table, or the liquidatable one: rows by protocol, then a total."""
    what, sides = WHAT[number], SIDES[number]
    rows = [row for row in wall.table.to_pylist() if row.get("perp") is None]
    shown = [row for row in rows if max(abs(row[f"{what}_{side}_usd"]) for side, _ in sides) >= DUST]
    totals = {row["protocol"]: row for row in wall.totals.to_pylist() if row.get("positions_usd") is None}
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


def _range(wall: Wall, shocks: Sequence[float], start: float | None) -> Section:
    """A row a shock: debt of eligible accounts and what is liquidatable of it, by protocol and in all, and a bar."""
    totals, asset = wall.totals, wall.assets[0]
    rows = totals.to_pylist()
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    at = {(row["shock"], row["protocol"]): row for row in rows}
    largest = _largest(totals)

    lends = _names(totals, lends=True)

    def values(part: int, names: Sequence[str]) -> list[float]:
        return [sum(reach(at[shock, name])[part] for name in names) for shock in shocks]

    columns = [column("shock" if len(wall.assets) == 1 else asset, [signed_percent(shock) for shock in shocks], right=True)]
    if start is not None:
        columns.append(column(f"{asset} USD", [price(start * (1.0 + shock)) for shock in shocks], right=True))
    for other in wall.assets[1:]:
        moves = {row["shock"]: row["move"] for row in wall.moves.to_pylist() if row["asset"] == other}
        columns.append(column(other, [signed_percent(moves[shock]) for shock in shocks], right=True))
    groups = [(name, [name]) for name in protocols] if len(protocols) > 1 else []
    for label, names in [("all", protocols), *groups]:
        if set(names) & set(lends):
            columns.append(column(f"{label} eligible", values(0, names), "USD"))
            columns.append(column(f"{label} liq. now", values(1, names), "USD"))
            if label == "all":
                beyond = [sum(bad_debt(at[shock, name]) for name in lends) for shock in shocks]
                columns.append(column("bad debt", beyond, "USD"))
        else:
            of = f"{label} " if groups else ""
            columns.append(column(f"{of}positions", values(0, names), "USD"))
            short = [sum(at[shock, name]["shortfall_usd"] for name in names) for shock in shocks]
            columns.append(column(f"{of}shortfall", short, "USD"))
        if label == "all":
            bars = zip(values(0, names), values(1, names), strict=True)
            columns.append(column("wall", [_bar(whole, solid, largest) for whole, solid in bars], right=False))
    if not lends:
        heading = "Positions of accounts below maintenance margin, by shock"
        return Section(heading, table_of(*columns), ("By perp and side: --csv FILE",))
    notes = ("liq. now: liquidatable now; bad debt: what accounts owe beyond all of their collateral",
             "Collateral, and every pair of collateral and debt: --csv FILE")
    if len(lends) == len(protocols):
        return Section("Debt by shock", table_of(*columns), notes)
    added = "all: debt of eligible accounts and positions of margin accounts below maintenance, both columns"
    return Section("Debt and positions by shock", table_of(*columns), (added, *notes))


def bad_debt(row: Mapping[str, Any]) -> float:
    """What accounts of a lending protocol owe beyond all of their collateral [USD]; none of an exchange."""
    return float(row.get("bad_debt_usd") or 0.0)


def _largest(totals: pa.Table) -> float:
    sums: dict[float, float] = {}
    for row in totals.to_pylist():
        sums[row["shock"]] = sums.get(row["shock"], 0.0) + reach(row)[0]
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
    return {key: sum(row[key] for row in rows if row[key] is not None) for key in ("accounts", *SUMS)}


def wall_json(
    name: str, asset: str, shock: str, wall: Wall, others: Others | None = None, start: float | None = None
) -> dict[str, Any]:
    """The same for machines."""
    found = {
        "world": name,
        "asset": asset,
        "price_usd": start,
        "shock": shock,
        "moves": wall.moves.to_pylist(),
        "to_know": list(wall.said),
        "definitions": {"eligible": ELIGIBLE, "liquidatable": LIQUIDATABLE,
                        **({"positions": POSITIONS} if "positions_usd" in wall.totals.column_names else {})},
        "findings": wall.findings.to_pylist(),
        "asked": wall.asked.to_pylist(),
        "totals": wall.totals.to_pylist(),
        "wall": wall.table.to_pylist(),
        "eligible_legs_at": wall.shock,
        "eligible_legs": wall.accounts.num_rows,
    }
    if others:
        found["remainder"] = {name: totals.to_pylist() for name, totals in others.items()}
    return found
