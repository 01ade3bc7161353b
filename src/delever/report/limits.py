"""Static checks of lending: findings, terms, caps, the sandbox of caps and collateral factors, who backs what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever.report.asked import findings_remarks
from delever.report.document import Remarks, Report, Section, column, table_of
from delever.report.numbers import NONE, magnitude, percent

if TYPE_CHECKING:
    from delever.analysis.limits import Limits

FREE = (
    "Free option: until a feed answers, its market may stand off by the deviation, and by three standard deviations of the "
    "delay. worst: debt over collateral at the market, of who borrowed all he may; from 100 % on he gains by leaving both behind."
)
FRONTIER = (
    "Toxic frontier: debt over collateral beyond which a liquidation lowers health, 1 / (1 + incentive); less, where its sale "
    "moves the price that the oracle sees. A threshold beyond it spirals from the first call on."
)
FACTOR = (
    "Factor: the highest loan to value at which, after the shock and before anybody could be called, liquidating the share of "
    "the cap at once leaves no bad debt: what the shock leaves of the price x what can be sold within the slippage allowed x the "
    "lesser of 1 / (1 + incentive) and what the sale brings. One shock, one sale: delever stress plays paths."
)
PAIRS = 16  # rows of the matrix, the largest debts first


def headline(found: Limits) -> str:
    """The finding, a sentence with a number."""
    levels = found.findings["level"].to_pylist() if found.findings.num_rows else []
    count = levels.count("warn")
    if not count:
        return f"No term and no cap of {found.terms.num_rows} is beyond its limit"
    some, of = len(_places(found)), found.terms.num_rows
    return f"{count} limit{'s are' if count > 1 else ' is'} exceeded, on {some} of {of} terms of collateral"


def _places(found: Limits) -> set[str]:
    return {row["where"].removesuffix(".supply_cap") for row in found.findings.to_pylist() if row["level"] == "warn"}


def limits_report(name: str, found: Limits) -> Report:
    """For people."""
    sections: list[Section | Remarks] = [*findings_remarks("Findings", found.findings), _terms(found.terms), _caps(found)]
    sections += [_factors(found), _assets(found.assets), _matrix(found.matrix)]
    return Report(f"Limits of {name}", tuple(sections), (FREE, FRONTIER, FACTOR), headline(found))


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)


def _shares(rows: list[dict[str, Any]], key: str, name: str = "") -> tuple[pa.Field, pa.Array]:
    return column(name or key, [_share(row[key]) for row in rows], right=True)


def _texts(rows: list[dict[str, Any]], key: str) -> tuple[pa.Field, pa.Array]:
    return column(key, [row[key] for row in rows])


def _terms(terms: pa.Table) -> Section:
    rows = terms.to_pylist()
    modes = any(row["category"] for row in rows)
    columns = [
        _texts(rows, "protocol"), _texts(rows, "asset"), *([column("mode", [row["category"] for row in rows])] if modes else []),
        _shares(rows, "ltv", "LTV"), _shares(rows, "worst"), _shares(rows, "threshold"), _shares(rows, "incentive"),
        _shares(rows, "called", "threshold (1 + incentive)"), _shares(rows, "frontier"),
        column("largest loan", [row["largest_usd"] for row in rows], "USD"),
        _shares(rows, "frontier_largest", "its frontier")]
    notes = ("LTV: up to which may be borrowed; where none is stated, the threshold",
             "largest loan: its collateral in that asset; its frontier: as its sale moves what the oracle sees")
    return Section("Terms against oracles and spirals", table_of(*columns), notes, keys=2)


def _caps(found: Limits) -> Section:
    rows = found.caps.to_pylist()
    columns = [
        _texts(rows, "protocol"), _texts(rows, "asset"), column("supplied", [row["supplied"] for row in rows], "units"),
        column("cap", [row["supply_cap"] for row in rows], "units"), _shares(rows, "allowed", "slippage allowed"),
        _shares(rows, "slippage_supplied", "of supplied"), _shares(rows, "slippage_cap", "of cap"),
        column("largest cap", [magnitude(row["largest"]) for row in rows], right=True)]
    notes = (f"of supplied, of cap: what selling {found.share:.0%} of it at once loses; largest cap: of which that loses what is "
             "allowed",)
    return Section("Caps against depth", table_of(*columns), notes, keys=2)


def _factors(found: Limits) -> Section:
    rows = found.factors.to_pylist()
    columns = [
        _texts(rows, "protocol"), _texts(rows, "asset"), column("cap", [row["cap"] for row in rows], "units"),
        column("of supplied", [f"x {magnitude(row['times'])}" for row in rows], right=True),
        _shares(rows, "left", "price left"), _shares(rows, "sold", "can be sold"), _shares(rows, "slippage"),
        _shares(rows, "factor"), _shares(rows, "stated", "LTV now")]
    after = f"after {found.shock}" if found.shock else "without a shock"
    notes = (f"{found.share:.0%} of the cap is liquidated at once; price left: of the collateral against the debts it backs",)
    return Section(f"Highest collateral factor by cap, {after}", table_of(*columns), notes, keys=2)


def _assets(assets: pa.Table) -> Section:
    rows = assets.to_pylist()
    columns = [_texts(rows, "protocol"), _texts(rows, "asset"),
               *(column(name, [row[f"{name}_usd"] for row in rows], "USD") for name in ("supplied", "pledged", "borrowed"))]
    notes = ("supplied: loans and cash where cash is stated, else what accounts hold; pledged: held by accounts that owe",)
    return Section("Supplied and owed", table_of(*columns), notes, keys=2)


def _matrix(matrix: pa.Table) -> Section:
    rows = sorted(matrix.to_pylist(), key=lambda row: -row["debt_usd"])
    shown = rows[:PAIRS]
    columns = [_texts(shown, "protocol"), _texts(shown, "collateral"), _texts(shown, "debt"),
               column("backs with", [row["collateral_usd"] for row in shown], "USD"),
               column("owed", [row["debt_usd"] for row in shown], "USD"), _shares(shown, "ltv", "owed of it")]
    hidden = len(rows) - len(shown)
    notes = ("collateral is divided among an account's debts by value, and debts among its collateral",
             *([f"{hidden:,} pairs with less debt are not shown; --json holds them"] if hidden > 0 else []))
    return Section("Which collateral backs which debt", table_of(*columns), notes, keys=3)


def limits_json(name: str, found: Limits) -> dict[str, Any]:
    """The same for machines."""
    return {"world": name, "finding": headline(found),
            "definitions": {"free_option": FREE, "frontier": FRONTIER, "factor": FACTOR},
            "share": found.share, "shock": found.shock or None, "findings": found.findings.to_pylist(),
            "terms": found.terms.to_pylist(), "caps": found.caps.to_pylist(), "factors": found.factors.to_pylist(),
            "assets": found.assets.to_pylist(), "matrix": found.matrix.to_pylist()}
