"""Whom it hinges on: risk figures without each of the largest owners, and the accounts nearest to their liquidation price."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from delever.analysis.largest import BASELINE
from delever.report.html.figure import Figure, Given, html_table, pct, short, signed, usd
from delever.report.html.theme import MONEY, C, chart, drawn, needed

OF = ("shortfall", "seized_collateral")  # the first of them that is not nothing is shown
CHANGED = 0.05  # of the baseline
AXIS_SPACE = 60  # below and above the rows [px]
HEADS = ("account", "protocol", "position", "side", "worth, USD", "price, USD", "liquidation price, USD", "move until then")
NUMBERS = 4  # of them, from the end
Account = tuple[str, str]  # protocol, account
OWNER = 1  # where the owner's stands, if owners have names of their own
TOLD, MOST = 3, 12  # accounts of an owner that are named: at a bar, in the table


def concentration(given: Given) -> Figure | None:
    """The figure; none where nobody was left out, or nothing happens with everybody in."""
    if given.concentration is None or given.concentration.num_rows < 2:
        return None
    found = given.concentration.to_pylist()
    base = next(row for row in found if row["owner"] == BASELINE)
    of = next((name for name in OF if (base.get(name) or 0.0) > 0.0), None)
    if of is None:
        return None
    whole, said, theirs = float(base[of]), of.replace("_", " "), accounts_of(given)
    rows = [bar(row, float(row[of]), whole, said, theirs.get(row["owner"], [])) for row in found if row["owner"] != BASELINE]
    rows = sorted(rows, key=lambda row: float(row["usd"]))

    def make(narrow: bool) -> Any:
        alt = needed()
        y = alt.Y("at:N", sort=[row["at"] for row in rows], title=None, axis=None)
        x = alt.X(
            "usd:Q",
            title=f"mean {said} without this owner, USD",
            axis=alt.Axis(labelExpr=MONEY, tickCount=4),
            scale=alt.Scale(zero=True),
        )
        base = chart([row | {"zero": 0.0} for row in rows])
        guide = base.mark_rule(yOffset=7, color=C["grid"], aria=False).encode(y=y, x="zero:Q", x2="usd:Q")
        line = base.mark_rule(yOffset=7, strokeWidth=1.5, aria=False).encode(
            y=y, x=x, x2="base:Q", color=alt.Color("c:N", scale=None))
        dots = base.mark_point(filled=True, size=90, opacity=1, yOffset=7).encode(
            y=y, x="usd:Q", color=alt.Color("c:N", scale=None), description="d:N")
        level = chart([{"base": whole}]).mark_rule(strokeDash=[4, 3], aria=False).encode(x="base:Q")
        name = base.mark_text(align="left", yOffset=-7).encode(y=y, x="zero:Q", text="brief:N" if narrow else "who:N")
        return alt.layer(guide, level, line, dots, name).properties(height=34 * len(rows) + AXIS_SPACE)

    least, on = rows[0], sample(given, of)
    moved = whole - float(least["usd"]) > CHANGED * whole
    title = (
        f"Without {least['short']}, the mean {said} falls from {usd(whole)} to {usd(float(least['usd']))}"
        if moved
        else f"No single owner moves the mean {said} by more than {pct(CHANGED)}"
    )
    return Figure(
        "concentration",
        title,
        f"Mean {said} without each of the largest owners, USD; dashed: with everybody{on}",
        drawn(make),
        (
            ("Without", "all accounts of the owner are emptied; everybody else draws the same random numbers"),
            ("Large", "owes most, or has the largest positions"),
            *((("Paths", on.removeprefix(", ")),) if on else ()),
            ("Horizon", given.horizon),
            ("Source", "concentration.parquet"),
        ),
        html_table(given.concentration, "Largest owners"),
        (("loss", f"changes it by more than {pct(CHANGED)}", "dot"), ("mute", "does not", "dot")),
    )


def bar(row: dict[str, Any], value: float, whole: float, said: str, accounts: list[Account]) -> dict[str, Any]:
    """What is drawn of one owner."""
    name = short(row["owner"])
    brief = f"{name} on {row['protocol']}: {usd(value)}"
    return {
        "at": f"{row['protocol']} {row['owner']}",
        "short": name,
        "brief": brief,
        "who": f"{named(row['owner'], str(row['protocol']), accounts)}: {usd(value)}",
        "usd": value,
        "base": whole,
        "c": C["loss"] if abs(value - whole) > CHANGED * whole else C["mute"],
        "d": f"without {row['owner']}: mean {said} {usd(value)} instead of {usd(whole)}",
    }


def named(owner: str, protocols: str, accounts: list[Account]) -> str:
    """An owner with his accounts, where these have names of their own: o30 (account a30 on aave)."""
    others = list(dict.fromkeys(short(account) for _, account in accounts))
    if not others or [account for _, account in accounts] == [owner]:
        return f"{short(owner)} on {protocols}"
    more = f" and {len(others) - TOLD} more" if len(others) > TOLD else ""
    return f"{short(owner)} (account{'s' if len(others) > 1 else ''} {', '.join(others[:TOLD])}{more} on {protocols})"


def sample(given: Given, of: str) -> str:
    """On which paths the figures without an owner are, and what the figure is on all; empty: they are on all of them."""
    if not given.sample:
        return ""
    whole = next((row["value"] for row in given.run.summary.to_pylist() if row["figure"] == of), None)
    return f", on the {given.sample}" + (f" (on all of them it is {usd(float(whole))})" if whole is not None else "")


def accounts_of(given: Given) -> dict[str, list[Account]]:
    """(protocol, account) of each of the largest owners."""
    if given.concentration is None:
        return {}
    positions, protocols = given.run.model.positions, list(given.run.world.protocols)
    wanted = set(given.concentration["owner"].to_pylist())
    number = {o: name for o, name in enumerate(positions.owners) if name in wanted}
    found: dict[str, list[Account]] = {name: [] for name in number.values()}
    for a in np.flatnonzero(np.isin(positions.owner, list(number))).tolist():
        found[number[int(positions.owner[a])]].append((protocols[int(positions.protocol[a])], positions.accounts[a]))
    return found


def owners(given: Given) -> str:
    """Rows of the largest owners with their accounts, linked where these stand among the positions; empty: names are the same."""
    theirs = accounts_of(given)
    if given.concentration is None or all([account for _, account in mine] == [name] for name, mine in theirs.items()):
        return ""
    near = {(row["protocol"], row["account"]): i for i, row in reversed(list(enumerate(given.near[0])))}
    rows = []
    for n, (name, mine) in enumerate(theirs.items()):
        links = [f"{account_link(account, near.get((protocol, account)))} on {escape(protocol)}"
                 for protocol, account in mine[:MOST]]
        more = f", and {len(mine) - MOST:,} more" if len(mine) > MOST else ""
        rows.append(f'<tr id="owner-{n}"><td>{code(name)}</td><td>{", ".join(links)}{more}</td></tr>')
    return "".join(rows)


def account_link(account: str, place: int | None) -> str:
    """An account's name, and where it stands among the positions."""
    return code(account) if place is None else f'<a href="#position-{place}">{code(account)}</a>'


def code(name: str) -> str:
    """A name as people compare them, the whole of it as a title."""
    return f'<code title="{escape(name, quote=True)}">{escape(short(name))}</code>'


def heads(given: Given) -> list[tuple[str, bool]]:
    """(heading, whether numbers stand below it) of the table of positions."""
    found = [(head, i >= len(HEADS) - NUMBERS) for i, head in enumerate(HEADS)]
    return [*found[:OWNER], ("owner", False), *found[OWNER:]] if apart(given) else found


def apart(given: Given) -> bool:
    """Whether some owner is called otherwise than his account."""
    return any(row["owner"] != row["account"] for row in given.near[0])


def accounts(given: Given) -> tuple[str, int, int]:
    """(rows of the table, shown, of all): positions by how far their price is from liquidation, the nearest first."""
    rows, place = given.near[0], {name: n for n, name in enumerate(accounts_of(given))}
    more = apart(given)
    return "".join(account_row(i, row, place if more else None) for i, row in enumerate(rows)), len(rows), given.near[1]


def account_row(number: int, row: dict[str, Any], owners: dict[str, int] | None) -> str:
    """One position as a row of the table; data-v is what it is sorted by. owners: place of the largest; None: no such column."""

    def figure(value: float | None, text: str) -> str:
        return f'<td class="n" data-v="{value if value is not None else 0:.10g}">{escape(text)}</td>'

    move, price, worth = row["move"], row.get("price_usd"), row.get("value_usd")
    target, owner = row.get("liquidation_price_usd"), ""
    if owners is not None:
        name = str(row["owner"])
        owner = f'<td><a href="#owner-{owners[name]}">{code(name)}</a></td>' if name in owners else f"<td>{code(name)}</td>"
    return (
        f'<tr id="position-{number}"><td>{code(str(row["account"]))}</td>{owner}'
        f"<td>{escape(str(row['protocol']))}</td>"
        f"<td>{escape(str(row['asset']))}</td><td>{escape(str(row['side']))}</td>"
        + figure(worth, usd(float(worth), False) if worth is not None else "–")
        + figure(price, f"{price:,.6g}" if price is not None else "–")
        + figure(target, f"{target:,.6g}" if target is not None else "–")
        + figure(move, signed(float(move)))
        + "</tr>"
    )
