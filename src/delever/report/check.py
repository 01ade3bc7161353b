"""The result of a check: findings with remedies, who sees which price, ages in words, how well the book reproduces."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever.report.asked import LEVELS, asked_section, findings_remarks
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import NONE, human, magnitude, price, signed_percent

if TYPE_CHECKING:
    from delever.analysis import Check

SEEN = (
    "gap: of the price seen to the market's at the start. heartbeat: an answer is renewed at the latest after this time.",
    "deviation: a move of the market up to this may go unanswered until then. delay: from the observation of a move to "
    "the offer of its answer. age: of the answer at the start.",
)
SPLIT = (
    "totals: accounts whose known legs, remainders left out, give back both totals of their source, and their share of "
    "the reported collateral and debt. health: the same for the reported health factor.",
)


def check_report(name: str, as_of: datetime | None, check: Check) -> Report:
    """Findings first: what is wrong comes before what is so."""
    sections: list[Section | Remarks] = [*findings_remarks("Findings", check.findings)]
    protocols = list(dict.fromkeys(check.prices["protocol"].to_pylist()))
    for protocol in protocols:
        sections.append(_prices(protocol, check.prices, SEEN if protocol == protocols[-1] else ()))
    sections.append(Remarks("Age of every input", tuple(_input(row) for row in check.inputs.to_pylist())))
    if check.health.num_rows:
        sections.append(_health(check.health))
    if check.accounts.num_rows:
        sections.append(_accounts(check.accounts))
    if check.positions.num_rows:
        sections += [_positions(check.positions), _margins(check.margins)]
    sections.append(asked_section(check.asked))
    at = f", as of {as_of:%Y-%m-%d %H:%M} UTC" if as_of else ""
    return Report(f"Check of {name}{at}", tuple(sections), (), verdict(check))


def verdict(check: Check) -> str:
    """How many findings of each level."""
    levels = check.findings["level"].to_pylist() if check.findings.num_rows else []
    if not levels:
        return "No findings."
    counts = [(LEVELS.get(level, level), levels.count(level)) for level in dict.fromkeys(levels)]
    said = ", ".join(f"{count:,} {word}{'s' if count > 1 else ''}" for word, count in counts)
    tail = "this world cannot be right" if "error" in levels else "it can be run"
    return f"{said}: {tail}."


def _input(row: dict[str, Any]) -> Remark:
    moment = human(row.get("as_of"))
    text = str(row.get("text") or "")
    return Remark(str(row["input"]), text if moment == NONE else f"{moment}, {text}" if text else moment)


def _prices(protocol: str, prices: pa.Table, notes: tuple[str, ...]) -> Section:
    rows = [row for row in prices.to_pylist() if row["protocol"] == protocol]
    return Section(
        f"Who sees which price: {protocol}",
        table_of(
            column("asset", [row["asset"] for row in rows]),
            column("feed", [row["feed"] for row in rows]),
            column("seen USD", [_price(row.get("seen_usd")) for row in rows], right=True),
            column("market USD", [_price(row.get("market_usd")) for row in rows], right=True),
            column("gap", [signed_percent(row["gap"]) if row.get("gap") is not None else NONE for row in rows], right=True),
            column("heartbeat", [row.get("heartbeat") for row in rows], "s"),
            column("deviation", [row.get("deviation") for row in rows], "share"),
            column("delay", [row.get("lag") for row in rows], "s"),
            column("age", [row.get("age") for row in rows], "s"),
        ),
        notes,
    )


def _price(value: float | None) -> str:
    return NONE if value is None else price(value)


def _health(health: pa.Table) -> Section:
    """Counts and share of value at each tolerance."""
    rows = health.to_pylist()
    of = ", ".join(f"{count:,} in {protocol}" for protocol, count in {r["protocol"]: r["accounts"] for r in rows}.items())

    def shares(key: str) -> list[object]:
        return [row[key] for row in rows]

    return Section(
        "How many accounts the known legs reproduce",
        table_of(
            column("protocol", shares("protocol")),
            column("within", [_tolerance(row["tolerance"]) for row in rows], right=True),
            column("totals", [f"{row['totals']:,}" for row in rows], right=True),
            column("of collateral", shares("totals_collateral"), "share"),
            column("of debt", shares("totals_debt"), "share"),
            column("health", [f"{row['health']:,}" for row in rows], right=True),
            # two columns cannot have one name: the second pair says the same of the health factor
            column("of collateral ", shares("health_collateral"), "share"),
            column("of debt ", shares("health_debt"), "share"),
        ),
        (f"Accounts with reported totals: {of}.", *SPLIT),
        keys=2,
    )


def _tolerance(value: float) -> str:
    return f"{value * 100:g} %" if value >= 1e-3 else f"{value:.0e}"


def _accounts(accounts: pa.Table) -> Section:
    """The book by health, with a total a protocol."""
    lines: list[list[str]] = []
    totals: set[int] = set()
    rows = accounts.to_pylist()
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        mine = [row for row in rows if row["protocol"] == protocol]
        lines += [_line(protocol, row["health_factor"], [row]) for row in mine]
        totals.add(len(lines))
        lines.append(_line(protocol, "all", mine))
    stated = any(line[-1] != NONE for line in lines)
    names = ["protocol", "health factor", "accounts that owe", "collateral USD", "debt USD", "missing at threshold USD",
             *(["missing at loan to value USD"] if stated else [])]
    columns = [column(name, [line[i] for line in lines], right=i > 1) for i, name in enumerate(names)]
    notes = ("missing: what is owed beyond collateral times its liquidation threshold"
             + (", or times its loan to value, up to which more may be borrowed." if stated else "."),)
    return Section("Accounts by health at the start", table_of(*columns), notes, keys=2, totals=frozenset(totals))


def _positions(positions: pa.Table) -> Section:
    """Open positions of margin exchanges by perp."""
    rows = positions.to_pylist()
    return Section(
        "Open positions at the start",
        table_of(
            column("protocol", [row["protocol"] for row in rows]),
            column("perp", [row["perp"] for row in rows]),
            column("longs", [f"{row['longs']:,}" for row in rows], right=True),
            column("shorts", [f"{row['shorts']:,}" for row in rows], right=True),
            column("long_usd", [row["long_usd"] for row in rows], "USD"),
            column("short_usd", [row["short_usd"] for row in rows], "USD"),
            column("net", [signed_percent(row["net"]) for row in rows], right=True),
        ),
        ("longs, shorts: accounts. net: longs less shorts, of both together; what lacks to balance is held by makers outside.",),
        keys=2,
    )


def _margins(margins: pa.Table) -> Section:
    """Accounts of margin exchanges by equity over maintenance margin."""
    rows = margins.to_pylist()
    return Section(
        "Margin accounts at the start",
        table_of(
            column("protocol", [row["protocol"] for row in rows]),
            column("equity / maintenance", [row["equity_over_maintenance"] for row in rows]),
            column("accounts", [f"{row['accounts']:,}" for row in rows], right=True),
            column("equity_usd", [row["equity_usd"] for row in rows], "USD"),
            column("positions_usd", [row["positions_usd"] for row in rows], "USD"),
        ),
        ("Only accounts with positions; below 1 the engine calls them.",),
        keys=2,
    )


def _line(protocol: str, band: str, rows: list[dict[str, Any]]) -> list[str]:
    money = [magnitude(sum(row[key] for row in rows))
             for key in ("collateral_usd", "debt_usd", "shortfall_usd", "shortfall_at_factor_usd")]
    return [protocol, band, f"{sum(row['accounts'] for row in rows):,}", *money]


def check_json(name: str, check: Check, as_of: datetime | None = None) -> dict[str, Any]:
    """The same for machines."""
    return {
        "world": name,
        "as_of": as_of,
        "sound": not has_errors(check),
        "findings": check.findings.to_pylist(),
        "asked": check.asked.to_pylist(),
        "prices": check.prices.to_pylist(),
        "inputs": check.inputs.to_pylist(),
        "health": check.health.to_pylist(),
        "accounts": check.accounts.to_pylist(),
        **({"positions": check.positions.to_pylist(), "margins": check.margins.to_pylist()} if check.positions.num_rows else {}),
    }


def has_errors(check: Check) -> bool:
    """Whether a finding makes the world unusable."""
    if "level" not in check.findings.column_names:
        return False
    return "error" in check.findings["level"].to_pylist()
