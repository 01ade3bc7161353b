"""What stands beside the figures of a stress test: concentration, both treatments of remainders, the critical order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from delever.report.document import Remark, Remarks, Section, column, metadata, table_of
from delever.report.numbers import NONE, human, magnitude, signed_percent

LABELS = {
    "var": "VaR (95 %)",
    "var_99": "VaR (99 %)",
    "evar": "EVaR (99 %, entropic)",
    "probability_of_any_bad_debt": "P(any bad debt)",
    "probability_of_shortfall": "P(shortfall > 1 % of debt)",
    "psl": "PSL (annualised)",
    "lar": "LaR (95 %)",
    "expected_shortfall": "expected shortfall (5 %)",
}
SHORT = {"probability_of_any_bad_debt": "P(any)", "probability_of_shortfall": "P(> 1 %)",
         "expected_shortfall": "expected shortfall"}  # as headings
MAIN = ("bad_debt", "probability_of_any_bad_debt", "probability_of_shortfall", "var", "expected_shortfall", "lar",
        "seized_collateral")
ACCOUNT_COLUMNS = (
    "protocol", "owner", "accounts", "collateral_usd", "debt_usd", "health_factor", "liquidation_distance", "nearest_fall",
    "nearest_asset", "share_of_debt", "positions_usd", "equity_usd", "equity_over_maintenance", "nearest_move", "moving_asset",
    "share_of_positions",
)  # fmt: skip
SAME = 1e-9  # relative difference that is none


@dataclass(frozen=True)
class Extras:
    """Results beside those of the run itself; None: not asked for."""

    concentration: pa.Table | None = None  # the baseline, then a row an owner
    remainder: pa.Table | None = None  # a column a treatment
    critical: dict[str, Any] | None = None

    def for_json(self) -> dict[str, Any]:
        """Only what there is."""
        found: dict[str, Any] = {}
        if self.concentration is not None:
            found["concentration_paths"] = sample(self.concentration)
            found["concentration"] = [
                {**{key: value for key, value in row.items() if key in ACCOUNT_COLUMNS},
                 "figures": {key: value for key, value in row.items() if key not in ACCOUNT_COLUMNS}}
                for row in self.concentration.to_pylist()]
        if self.remainder is not None:
            found["remainder"] = {
                "paths": sample(self.remainder),
                "figures": {
                    name: dict(zip(self.remainder["figure"].to_pylist(), values.to_pylist(), strict=True))
                    for name, values in _treatments(self.remainder).items()
                },
            }
        if self.critical is not None:
            found["critical_order"] = self.critical
        return found


NO_EXTRAS = Extras()


def extra_sections(extras: Extras) -> list[Section | Remarks]:
    """The critical order first: who asks for it wants it."""
    sections: list[Section | Remarks] = []
    if extras.critical is not None:
        sections.append(critical_section(extras.critical))
    if extras.concentration is not None and extras.concentration.num_rows > 1:
        sections += concentration_sections(extras.concentration)
    if extras.remainder is not None:
        sections.append(remainder_section(extras.remainder))
    return sections


def label(figure: str) -> str:
    """A figure's name in words."""
    return LABELS.get(figure, " ".join("ADL" if word == "adl" else word for word in figure.split("_")))


def short_name(account: str) -> str:
    """0x1234…cdef: an address as people compare them."""
    return f"{account[:6]}…{account[-4:]}" if len(account) > 20 else account


def sample(table: pa.Table) -> int | None:
    """Number of paths that a table was made from, where it says so."""
    found = (table.schema.metadata or {}).get(b"paths")
    return None if found is None else int(found)


def first(paths: int) -> str:
    """Of a run's paths."""
    return f"the first {paths:,} paths" if paths > 1 else "the first path"


def concentration_sections(table: pa.Table) -> list[Section | Remarks]:
    """Who the largest owners are, and the figures without each of them."""
    rows = table.to_pylist()
    accounts, paths = rows[1:], sample(table)
    of = "" if paths is None else f"On {first(paths)}. "
    meaning = {field.name: metadata(field, "meaning") for field in table.schema}
    traders = [row for row in accounts if row.get("positions_usd") is not None]
    accounts = [row for row in accounts if row.get("positions_usd") is None]
    who = Section(
        f"Concentration: the {len(accounts)} owners who owe most",
        table_of(
            column("owner", [_name(row) for row in accounts]),
            column("collateral_usd", [row.get("collateral_usd") for row in accounts], "USD"),
            column("debt_usd", [row.get("debt_usd") for row in accounts], "USD"),
            column("share of debt", [row.get("share_of_debt") for row in accounts], "share"),
            column("health", [_two(row.get("health_factor")) for row in accounts], right=True),
            column("distance", [row.get("liquidation_distance") for row in accounts], "share"),
            column("nearest", [_nearest(row) for row in accounts], right=True),
        ),
        tuple(f"{name}: {meaning.get(key)}" for name, key in (("distance", "liquidation_distance"),
                                                              ("nearest", "nearest_fall")) if meaning.get(key)),
    )  # fmt: skip
    found: list[Section | Remarks] = [*([who] if accounts else []), *([_traders(traders, meaning)] if traders else [])]
    accounts = rows[1:]
    figures = [name for name in table.column_names if name not in ACCOUNT_COLUMNS]
    moving = [name for name in figures if any(not _same(row[name], rows[0][name]) for row in accounts)]
    still = [name for name in figures if name not in moving]
    made = {key: ((table.schema.metadata or {}).get(key.encode()) or b"").decode() for key in ("owners", "stopped")}
    short = f"Only {len(accounts)} of {made['owners']} owners were left out: {made['stopped']}." if made["stopped"] else ""
    notes = [*([short] if short else []), f"{of}Everybody else draws the same random numbers. Full names: concentration.parquet."]
    if still:
        said = ", ".join(f"{label(name).replace('.', ' ')} {human(rows[0][name], _unit(table, name))}" for name in still)
        notes.insert(0, f"Unchanged by leaving out any of them: {said}.")
    without = table_of(
        column("without", ["nobody", *(_name(row) for row in accounts)]),
        *(column(SHORT.get(name, name).replace("_", " ").replace(".", " "), [row[name] for row in rows], _unit(table, name))
          for name in moving),
    )  # fmt: skip
    heading = "Each risk figure without one of them"
    if not moving:
        return [*found, Remarks(heading, tuple(Remark("", note) for note in notes))]
    return [*found, Section(heading, without, tuple(notes), totals=frozenset({0}))]


def _traders(rows: list[dict[str, Any]], meaning: dict[str, str]) -> Section:
    """The largest margin accounts."""
    return Section(
        f"Concentration: the {len(rows)} owners with the largest positions",
        table_of(
            column("owner", [_name(row) for row in rows]),
            column("positions_usd", [row["positions_usd"] for row in rows], "USD"),
            column("share of positions", [row["share_of_positions"] for row in rows], "share"),
            column("equity_usd", [row["equity_usd"] for row in rows], "USD"),
            column("equity / maintenance", [_two(row["equity_over_maintenance"]) for row in rows], right=True),
            column("called at", [_move(row) for row in rows], right=True),
        ),
        tuple(f"called at: {meaning[key]}" for key in ("nearest_move",) if meaning.get(key)),
    )


def _move(row: dict[str, Any]) -> str:
    move = row.get("nearest_move")
    return NONE if move is None else f"{signed_percent(move)} {row.get('moving_asset') or ''}".rstrip()


def _name(row: dict[str, Any]) -> str:
    protocol = row.get("protocol")
    accounts = row.get("accounts") or 1
    of = "" if accounts == 1 else f"{accounts} accounts on "
    return short_name(str(row.get("owner"))) + (f" ({of}{protocol})" if protocol else "")


def _two(value: float | None) -> str:
    return NONE if value is None else "∞" if math.isinf(value) else f"{value:.3f}"


def _nearest(row: dict[str, Any]) -> str:
    fall = row.get("nearest_fall")
    return NONE if fall is None else f"{human(fall, 'share')} {row.get('nearest_asset') or ''}".rstrip()


def _unit(table: pa.Table, name: str) -> str:
    return metadata(table.schema.field(name), "unit")


def _same(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=SAME, abs_tol=SAME))


def _treatments(table: pa.Table) -> dict[str, Any]:
    return {name: table[name] for name in table.column_names if name not in ("figure", "unit", "horizon")}


def remainder_section(table: pa.Table) -> Section:
    """The main figures under both treatments, side by side."""
    rows, paths = table.to_pylist(), sample(table)
    chosen = [row for name in MAIN for row in rows if row["figure"] == name]
    of = "" if paths is None else f" On {first(paths)}, the same for both."
    return Section(
        "Remainder collateral, shown both ways",
        table_of(
            column("figure", [label(row["figure"]) for row in chosen]),
            *(
                column(name.removeprefix("remainder "), [_money(row[name], row["unit"]) for row in chosen], right=True)
                for name in _treatments(table)
            ),
            column("horizon", [row["horizon"] for row in chosen]),
        ),
        (f"Remainder: what the book's totals hold beyond the assets that its source lists.{of}",),
    )


def _money(value: float, unit: str) -> str:
    text = human(value, unit)
    return f"{text} USD" if unit == "USD" and text != NONE else text


def critical_section(critical: dict[str, Any]) -> Section:
    """How large an order may be."""
    asset, kinds = str(critical.get("asset", "")), ("runaway", "bad_debt")
    meaning = critical.get("definition", {})
    horizon = critical.get("horizon_s")

    def size(key: str) -> str:
        found = critical.get(key)
        if found is not None:
            return f"{magnitude(float(found))} {asset}"
        most = critical.get("largest_tried")
        return "at no size tried" if most is None else f"none up to {magnitude(float(most))} {asset}"

    def bracket(key: str) -> str:
        ends = critical.get(f"{key}_bracket")
        return NONE if ends is None else " to ".join(magnitude(float(end)) for end in ends)

    paths = critical.get("paths")
    notes = [] if paths is None else [f"Over {paths:,} path{'s' if paths > 1 else ''}, the same for every size."]
    notes.append("Neither need be monotone: sizes are tried upwards, doubling, and the first edge found is halved.")
    return Section(
        f"Critical order: selling {asset}",
        table_of(
            column("what", ["selling runs away", "bad debt appears"]),
            column("from an order of", [size(key) for key in kinds], right=True),
            column("edge between", [bracket(key) for key in kinds], right=True),
            column("horizon", [human(horizon, "s")] * 2),
            column("definition", [str(meaning.get(key, "")) for key in kinds]),
        ),
        tuple(notes),
        under="definition",
    )
