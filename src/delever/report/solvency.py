"""What protocols are worth at their oracles' prices, the market's and at exit: tables, and the figures for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import magnitude, percent, signed_percent

if TYPE_CHECKING:
    from delever.analysis import Solvency

EQUITY = (
    "Equity: what a protocol is owed and will get, less what it owes, before its funds; below 0 by what accounts owe beyond what "
    "stands against it. Of an exchange: losses of traders beyond their margin. [USD, at the prices of the moment]"
)
AT_EXIT = (
    "At exit: all who owe sell at once as much as they must, everybody who meets on a market gets its mean price, and a pair's "
    "venues share an order so that it brings most. On exchanges accounts below maintenance margin are closed on the books."
)
ASSUMED = (
    "Assumptions: nobody tops up or trades back meanwhile, depth is that of the start, purchases do not net against sales: an "
    "upper bound of what is short. What the rules would call, and when: delever stress."
)
GAP = "Gap: equity at the oracles' prices less equity at exit."
SHOWN = 10  # accounts


def headline(found: Solvency) -> str:
    """The finding, a sentence with a number."""
    total = found.totals.to_pylist()[-1]
    after = f"After {found.shock}: " if found.shock else ""
    missing, seen = -total["equity_exit_usd"], -total["equity_oracle_usd"]
    if missing <= 0.0:
        return f"{after}nothing is short at exit prices, everybody who owes could pay" if after else \
            "Nothing is short at exit prices: everybody who owes could pay"
    of = f"{magnitude(missing)} USD of {magnitude(total['debt_usd'])} USD owed are short at exit prices"
    hides = f"the oracles' prices show {magnitude(seen)} USD of it" if seen > 0.0 else "the oracles' prices show nothing of it"
    return f"{after}{of}; {hides}"


def solvency_report(name: str, found: Solvency) -> Report:
    """For people."""
    sections: list[Section | Remarks] = [_protocols(found)]
    if found.markets.num_rows:
        sections.append(_markets(found))
    if found.accounts.num_rows:
        sections.append(_accounts(found))
    if found.unsold.num_rows:
        sections.append(_unsold(found))
    if found.said:
        sections.append(Remarks("To know", tuple(Remark("", f"{text[0].upper()}{text[1:]}.") for text in found.said)))
    after = f" after {found.shock}" if found.shock else ""
    return Report(f"Solvency of {name}{after}", tuple(sections), (EQUITY, AT_EXIT, GAP, ASSUMED), headline(found))


def _when(shock: float) -> str:
    return "now" if shock == 0.0 else signed_percent(shock)


def _protocols(found: Solvency) -> Section:
    rows, totals = found.table.to_pylist(), {row["shock"]: row for row in found.totals.to_pylist()}
    several = len({row["protocol"] for row in rows}) > 1
    lines, sums = [], set()
    for shock, total in totals.items():
        lines += [row for row in rows if row["shock"] == shock]
        if several:
            sums.add(len(lines))
            lines.append({**total, "protocol": "all", "equity_alone_usd": None})
    columns = [
        column("shock", [_when(row["shock"]) for row in lines], right=True),
        column("protocol", [row["protocol"] for row in lines]),
        column("owed", [row["debt_usd"] for row in lines], "USD"),
        column("equity at oracle", [row["equity_oracle_usd"] for row in lines], "USD"),
        column("at market", [row["equity_market_usd"] for row in lines], "USD"),
        column("at exit", [row["equity_exit_usd"] for row in lines], "USD"),
        column("gap", [row["gap_usd"] for row in lines], "USD"),
        *([column("at exit alone", [row["equity_alone_usd"] for row in lines], "USD")] if several else []),
        column("funds", [row["funds_usd"] for row in lines], "USD"),
        column("short at oracle", [f"{row['short_oracle']:,}" for row in lines], right=True),
        column("short at exit", [f"{row['short_exit']:,}" for row in lines], right=True),
        column("hidden debt", [row["hidden_debt_usd"] for row in lines], "USD")]
    notes = ("short: accounts that owe more than stands against it; hidden debt: of those short at exit, not at the oracle",
             *(["alone: if nobody of the other protocols sold"] if several else []))
    return Section("Equity by protocol", table_of(*columns), notes, keys=2, totals=frozenset(sums))


def _last(table: Any, found: Solvency) -> list[dict[str, Any]]:
    """Rows of the last shock."""
    shock = found.totals["shock"][-1].as_py()
    return [row for row in table.to_pylist() if row["shock"] == shock]


def _markets(found: Solvency) -> Section:
    rows = [row for row in _last(found.markets, found) if row["below"] > 0.0 or row["depth_used"] > 0.0]
    columns = [
        column("market", [row["market"] for row in rows]), column("way", [row["way"] for row in rows]),
        column("traded in", [row["given_usd"] for row in rows], "USD"), column("brings", [row["got_usd"] for row in rows], "USD"),
        column("below the market", [percent(row["below"]) for row in rows], right=True),
        column("depth used", [percent(row["depth_used"]) for row in rows], right=True)]
    notes = ("depth used: of all that its venues would ever pay, at any price, also beyond the last quote of a book; markets "
             "without a venue are left out",)
    return Section(f"Where it is sold, {_when(found.totals['shock'][-1].as_py())}", table_of(*columns), notes, keys=2)


def _accounts(found: Solvency) -> Section:
    every = found.accounts.to_pylist()
    rows = every[:SHOWN]
    columns = [
        column("protocol", [row["protocol"] for row in rows]), column("account", [row["account"] for row in rows]),
        column("owes", [row["debt_usd"] for row in rows], "USD"),
        column("collateral at oracle", [row["collateral_oracle_usd"] for row in rows], "USD"),
        column("fetches", [row["fetched_usd"] for row in rows], "USD"),
        column("short at exit", [row["short_exit_usd"] for row in rows], "USD"),
        column("at oracle", [row["short_oracle_usd"] or None for row in rows], "USD")]
    hidden = len(every) - SHOWN
    notes = (f"{hidden:,} accounts that are short by less are not shown; --json holds them",) if hidden > 0 else ()
    return Section("Who is short at exit", table_of(*columns), notes, keys=2)


def _unsold(found: Solvency) -> Section:
    rows = _last(found.unsold, found)
    return Section("What cannot be sold at all", table_of(
        column("protocol", [row["protocol"] for row in rows]), column("asset", [row["asset"] for row in rows]),
        column("worth", [row["usd"] for row in rows], "USD"), column("why", [row["why"] for row in rows])),
        ("worth at the market's price; at exit it counts nothing",), keys=2)


def solvency_json(name: str, found: Solvency) -> dict[str, Any]:
    """The same for machines."""
    return {"world": name, "shock": found.shock or None, "finding": headline(found),
            "definitions": {"equity": EQUITY, "exit": AT_EXIT, "gap": GAP, "assumed": ASSUMED},
            "protocols": found.table.to_pylist(), "totals": found.totals.to_pylist(), "accounts": found.accounts.to_pylist(),
            "markets": found.markets.to_pylist(), "unsold": found.unsold.to_pylist(), "to_know": list(found.said)}
