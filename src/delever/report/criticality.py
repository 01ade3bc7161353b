"""Where selling feeds on itself: the levels, the stretches above 1, the loop that drives it, the pace of replenishment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever.report.asked import findings_remarks
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.numbers import NONE, duration, magnitude, percent, price, signed_percent

if TYPE_CHECKING:
    from delever.analysis import Criticality

RATIO = (
    "n: USD sold by force for each USD sold by force at that price: what is sold per further 1 % of fall, times how far the "
    "price falls per USD. Below 1 a sale leads to n / (1 - n) of itself in the end; above 1 to more than itself each time."
)
RULE = (
    "L P / D: the rule of thumb. L: what borrowers have put up and traders hold that would be sold on the main market [USD]. P: "
    "its mean liquidation incentive or fee [share]. D: what must be sold there for a fall of 1 %, times 100 [USD]. It is n if "
    "each 1 % of fall forces a share P x 1 % of L."
)
PLAYED = (
    "A spiral is played from the untouched book: all who may be called are, whoever calls sells at once all that he seizes, "
    "until nobody is left. Assumptions: every oracle sees each fall at once; nobody declines a call that loses money, nobody "
    "tops up; orders of engines have no limit price; nothing comes back meanwhile. For these: delever stress."
)
LEAST = 0.005  # share of the spectral radius; what carries less is counted, not shown
FEW = 10  # accounts
SHOWN = 12  # rows of the matrix
LEVELS = 16  # rows of tables behind the first, about


def headline(result: Criticality) -> str:
    """The finding, a sentence with a number."""
    rows = [row for row in result.levels.to_pylist() if row["n"] is not None]
    top = max(rows, key=lambda row: row["n"])
    where = f"{price(top['price_usd'])} USD ({signed_percent(top['shock'])})"
    last = float(result.levels["shock"][-1].as_py())
    what, way = ("Selling", "down") if last < 0.0 else ("Buying back", "up")
    if not result.runs.num_rows:
        return f"{what} does not feed on itself {way} to {signed_percent(last)}: n is at most {magnitude(top['n'])}, at {where}"
    first = result.runs.to_pylist()[0]
    spans = f"from {price(result.price * (1.0 + first['from']))} to {price(result.price * (1.0 + first['to']))} USD"
    others = result.runs.num_rows - 1
    more = f" and on {others} stretch{'es' if others > 1 else ''} beyond" if others else ""
    return f"{what} feeds on itself {spans}{more}: n is up to {magnitude(top['n'])}, at {where}"


def criticality_report(name: str, result: Criticality) -> Report:
    """For people."""
    sections: list[Section | Remarks] = [*findings_remarks("Warnings", result.findings, "warn"), _levels(result),
                                         _spirals(result)]
    sections += [_runs(result)] if result.runs.num_rows else []
    sections += [_matrix(result)] if result.matrix.num_rows else []
    sections += [_pace(result)]
    if result.said:
        sections.append(Remarks("To know", tuple(Remark("", f"{text[0].upper()}{text[1:]}.") for text in result.said)))
    title = f"Criticality of {name}: {result.asset}"
    return Report(title, tuple(sections), (RATIO, RULE, PLAYED), headline(result))


def _levels(result: Criticality) -> Section:
    rows = result.levels.to_pylist()[:-1]
    columns = [
        column(result.asset, [signed_percent(row["shock"]) for row in rows], right=True),
        column("USD", [price(row["price_usd"]) for row in rows], right=True),
        column("n", [magnitude(row["n"]) + (" *" if row["n"] > 1.0 else "") for row in rows], right=True),
        column("forced per 1 %", [row["forced_usd"] for row in rows], "USD"),
        column("fall per 1m USD", [percent(row["fall_per_million"]) for row in rows], right=True),
        column("L P / D", [magnitude(row["lpd"]) for row in rows], right=True),
        column("L", [row["exposure_usd"] for row in rows], "USD"),
        column("P", [percent(row["penalty"]) for row in rows], right=True),
        column("sold for a fall of 1 %", [row["depth_usd"] for row in rows], "USD"),
        column("spectral radius", [magnitude(row["spectral_radius"]) for row in rows], right=True)]
    notes = ("* above 1: a sale forces more than itself", f"Depth, L and P are those of {result.market}", rests_on(result))
    return Section("Branching ratio by price", table_of(*columns), notes)


def rests_on(result: Criticality) -> str:
    """How many accounts n at its highest rests on, and over which step it is counted."""
    top = result.top
    if not top["accounts"]:
        return f"n is counted over steps of {percent(top['step'])} of the price; in none of them is anybody called"
    many = top["accounts"]
    whose = "one account" if many == 1 else f"{many:,} accounts, the largest {percent(top['largest'])} of what is taken there"
    narrow = "; so few jump into a step or out of it: see n over a wider one, --step" if many < FEW else ""
    return (f"n is counted over steps of {percent(top['step'])} of the price: at its highest, {signed_percent(top['shock'])}, it "
            f"rests on {whose}{narrow}")


def few(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Rows that are few enough to read, the last among them, and what is said of the others."""
    every = -(-len(rows) // LEVELS)
    return rows[::-1][::every][::-1], (f"one in {every} of the levels; --json holds all",) if every > 1 else ()


def _spirals(result: Criticality) -> Section:
    rows, thinned = few([row for row in result.levels.to_pylist() if row["shock"] != 0.0 or row["due_usd"] > 0.0])
    columns = [
        column("shock", [signed_percent(row["shock"]) for row in rows], right=True),
        column("due at once", [row["due_usd"] for row in rows], "USD"),
        column("sold in all", [row["sold_usd"] for row in rows], "USD"),
        column("per USD due", [magnitude(row["sold_usd"] / row["due_usd"]) if row["due_usd"] > 0.0 else NONE for row in rows],
               right=True),
        column("ends at", [signed_percent(row["ends_at"]) for row in rows], right=True),
        column("beyond the shock", [signed_percent(row["beyond"]) for row in rows], right=True),
        column("generations", [row["generations"] for row in rows])]
    notes = ("due at once: sold by force if prices stayed at the shock", f"ends at: {result.asset} on {result.market}, from now")
    return Section("What a shock of this size comes to", table_of(*columns), (*notes, *thinned))


def _runs(result: Criticality) -> Section:
    rows = result.runs.to_pylist()
    columns = [
        *(column(name, [signed_percent(row[name]) for row in rows], right=True) for name in ("from", "to")),
        column("highest n", [magnitude(row["n"]) for row in rows], right=True),
        column("at", [signed_percent(row["at"]) for row in rows], right=True),
        column("set off by a shock of", [signed_percent(row["set_off_by"]) for row in rows], right=True),
        column("which runs to", [signed_percent(row["runs_to"]) for row in rows], right=True),
        column("beyond the shock", [signed_percent(row["beyond"]) for row in rows], right=True)]
    return Section("Where n is above 1", table_of(*columns), ("set off by: the smallest shock looked at that runs through it",))


def _matrix(result: Criticality) -> Section:
    rows = [row for row in result.matrix.to_pylist() if row["share"] >= LEAST]
    columns = [
        column("sold", [row["sold"] for row in rows[:SHOWN]]), column("on", [row["on"] for row in rows[:SHOWN]]),
        column("forces", [row["forces"] for row in rows[:SHOWN]]),
        column("ratio", [magnitude(row["ratio"]) for row in rows[:SHOWN]], right=True),
        column("of the radius", [percent(row["share"]) for row in rows[:SHOWN]], right=True)]
    notes = [f"ratio: USD forced of the one for each USD sold of the other; spectral radius {magnitude(result.radius)}",
             loop_words(result)]
    hidden = result.matrix.num_rows - len(rows[:SHOWN])
    if hidden:
        notes.append(f"{hidden:,} pairs that carry less are not shown; --json holds them")
    return Section(f"Branching matrix at {signed_percent(result.peak)}", table_of(*columns), tuple(notes), keys=3)


def loop_words(result: Criticality) -> str:
    """The loop that dominates, in words."""
    if not result.loop:
        return "no loop: nothing that is sold leads back to itself"
    way = " -> ".join([*result.loop, result.loop[0]])
    return f"strongest loop, by itself {magnitude(result.loop_ratio)} a turn: {way}"


def _pace(result: Criticality) -> Section:
    """Forced selling against replenishment; levels at which nothing is forced are left out."""
    rows, thinned = few([row for row in result.pace.to_pylist() if row["forced_usd"] > 0.0])
    life = result.pace["half_life"][0].as_py()
    columns = [
        column(result.asset, [signed_percent(row["shock"]) for row in rows], right=True),
        column("forced per 1 %", [row["forced_usd"] for row in rows], "USD"),
        column("comes back an hour", [row["replenished_usd"] for row in rows], "USD"),
        column("fastest fall an hour", [NONE if row["fastest_fall"] is None else percent(row["fastest_fall"]) for row in rows],
               right=True)]
    mends = f"half of a displacement of {result.market} comes back in {duration(life)}" if life else \
        f"nothing that is sold on {result.market} is bought back: it states no half-life"
    notes = (mends, "comes back: bought in an hour where forced selling holds the price 1 % lower",
             "fastest fall from outside under which forced selling holds the price less than 1 % lower; "
             f"{NONE}: none, for n is above 1 or nothing comes back")
    return Section("Forced selling against replenishment", table_of(*columns), (*notes, *thinned))


def criticality_json(name: str, result: Criticality) -> dict[str, Any]:
    """The same for machines."""
    def rows(table: pa.Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    return {
        "world": name, "asset": result.asset, "price_usd": result.price, "market": result.market,
        "finding": headline(result), "definitions": {"n": RATIO, "lpd": RULE, "spiral": PLAYED},
        "rests_on": {key: result.top[key] for key in ("shock", "n", "step", "accounts", "largest")},
        "levels": rows(result.levels), "above_1": rows(result.runs),
        "spectral_radius": {"at": result.peak, "value": result.radius, "loop": list(result.loop),
                            "loop_ratio": result.loop_ratio},
        "matrix": rows(result.matrix), "pace": rows(result.pace), "to_know": list(result.said),
        "asked": rows(result.asked), "findings": rows(result.findings)}
