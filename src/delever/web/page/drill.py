"""From a price to whom it reaches: protocol, pair of assets, account, and the account's transactions on one path."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from delever.report.html.figure import signed
from delever.report.html.walls import bad_debt, parts, reached
from delever.report.numbers import magnitude, price
from delever.web.page.words import NONE, Unit, markup, unit_of
from delever.web.session import Session

NAMES = ("collateral", "debt")


def drill(session: Session) -> str:
    """The region."""
    if not session.at:
        return markup("drill", at=None)
    view, unit = session.view, unit_of(session)
    protocols = [{"name": row["protocol"], "accounts": f"{int(row['accounts']):,}", "reach": unit.bare(reached(row)),
                  "now": unit.bare(sum(value for value, opacity, _ in parts(row) if opacity == 1.0)),
                  "bad": unit.bare(bad_debt(row)), "chosen": row["protocol"] == view.protocol} for row in session.at["rows"]]
    pairs = [pair_of(row, unit, view.collateral, view.debt) for row in session.at["pairs"] if row["protocol"] == view.protocol]
    accounts = [row for row in session.at["accounts"] if not view.protocol or row["protocol"] == view.protocol]
    accounts = [row for row in accounts if not view.collateral or {view.collateral, view.debt} <= {*row["assets"], ""}]
    return markup(
        "drill", at=session.at, view=view, unit=unit.name, asset=f"{view.asset} {signed(view.shock)}", protocols=protocols,
        pairs=pairs, accounts=[account_of(row, unit, view.account, view.protocol) for row in accounts],
        legs=[leg_of(row, unit) for row in session.legs], health=health_of(session), reached=reached_of(session),
        left_out=session.without == (view.protocol, view.account))


def pair_of(row: dict[str, Any], unit: Unit, collateral: str, debt: str) -> dict[str, Any]:
    """A pair of assets, or a perp and its side."""
    if row.get("perp") is not None:
        return {"name": f"{row['perp']}, {row['side']}", "collateral": row["perp"], "debt": "",
                "accounts": f"{row['accounts']:,}", "reach": unit.bare(row["positions_usd"]), "now":
                unit.bare(row["positions_usd"]), "chosen": row["perp"] == collateral}
    return {"name": f"{row['collateral']} for {row['debt']}", "collateral": row["collateral"], "debt": row["debt"],
            "accounts": f"{row['accounts']:,}", "reach": unit.bare(row["eligible_debt_usd"]),
            "now": unit.bare(row["liquidatable_debt_usd"]),
            "chosen": (row["collateral"], row["debt"]) == (collateral, debt)}


def account_of(row: dict[str, Any], unit: Unit, chosen: str, protocol: str) -> dict[str, Any]:
    """An account of the list."""
    health = row["health"]
    return {"protocol": row["protocol"], "account": row["account"], "reach": unit.bare(row["usd"]),
            "health": NONE if health is None else f"{health:.3f}",
            "chosen": row["account"] == chosen and row["protocol"] == protocol}


def leg_of(row: dict[str, Any], unit: Unit) -> dict[str, str]:
    """A position of the account: how much, and at which price it can be called."""
    target, move = row.get("liquidation_price_usd"), row.get("move")
    return {"side": row["side"], "asset": row["asset"], "amount": magnitude(row["amount"]), "value": unit.bare(row["value_usd"]),
            "target": NONE if target is None or move is None else f"{price(target)} USD ({signed(move)})"}


def health_of(session: Session) -> str:
    """Of the account now, in words."""
    if not session.legs:
        return ""
    row = session.legs[0]
    if row.get("health_factor") is not None:
        return f"health factor now {row['health_factor']:.3f}"
    ratio = row.get("equity_over_maintenance")
    return "" if ratio is None else f"equity over maintenance margin now {ratio:.3f}"


def reached_of(session: Session) -> str:
    """What the chosen price does to the account."""
    view, unit = session.view, unit_of(session)
    chosen = (view.protocol, view.account)
    row = next((row for row in session.at["accounts"] if (row["protocol"], row["account"]) == chosen), None)
    if row is None:
        return "not reached at this price"
    return f"at this price {unit.value(row['usd'])} within reach, {unit.value(row['now'])} of it in one call"


def log(session: Session) -> str:
    """Transactions of one path."""
    found, view = session.log, session.view
    if not session.result:
        return markup("log", log=None, view=view, ran=False)
    if not found:
        return markup("log", log=None, view=view, ran=True)
    rows = [transaction_of(row, found["start"]) for row in found["rows"]]
    paths = [("worst", f"{session.result['worst']:,}, the worst"), ("median", f"{session.result['median']:,}, the median loss")]
    number = view.path if view.path.isdecimal() else ""
    return markup("log", log=found, rows=rows, paths=paths, number=number, view=view, ran=True,
                  label=session.result["labels"][-1], most=session.result["paths"] - 1)


def transaction_of(row: dict[str, Any], start: float) -> dict[str, str]:
    """One in words."""
    at = datetime.fromtimestamp(start + row["time"], UTC)
    gives = f"{magnitude(row['give'])} {row['gives']}" if row["gives"] else ""
    gets = f"{magnitude(row['get'])} {row['gets']}" if row["gets"] else ""
    return {"time": f"{at:%d %b %H:%M:%S}", "block": f"{row['block']:,}", "kind": row["kind"], "protocol": row["protocol"],
            "about": row["about"], "actor": row["actor"], "what": " → ".join(part for part in (gives, gets) if part) or NONE,
            "bid": magnitude(row["bid"]) if row["bid"] else NONE, "number": "" if row["number"] is None else str(row["number"]),
            "cause": NONE if row["cause"] is None else f"#{row['cause']}", "outcome": row["outcome"]}
