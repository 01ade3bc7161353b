"""The tables of docs/forecast.md and of this folder's README from the JSON files, so that text and figures cannot part.

    python examples/perp_crash/page.py            # prints them
    python examples/perp_crash/page.py --write    # puts them between the markers of the two pages
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATED = "2026-11-21"
PAGES = (HERE / "README.md", HERE.parents[1] / "docs" / "forecast.md")
MAIN = ("liquidated", "deleveraged", "vault loss")
SHARES = ("liquidated share of open interest", "deleveraged share of open interest")
Row = dict[str, Any]


def read(kind: str) -> dict[str, Any]:
    """predictions, sensitivity or leverage."""
    name = "leverage.json" if kind == "leverage" else f"{kind}-{DATED}.json"
    found: dict[str, Any] = json.loads((HERE / name).read_text(encoding="utf-8"))
    return found


def tables() -> dict[str, str]:
    """Marker -> what stands there."""
    predictions, sensitivity, leverage = read("predictions"), read("sensitivity"), read("leverage")
    return {"made": made(predictions), "totals": totals(predictions), "coins": coins(predictions),
            "above one": above_one(predictions), "sensitivity": moves(sensitivity), "scores": scores(leverage),
            "limit": limit(predictions, sensitivity),
            "definitions": "\n".join(f"- *{name}*: {text}." for name, text in predictions["definitions"].items())}


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, unit: str) -> str:
    """A figure for the eye; its unit is said elsewhere."""
    if value is None:
        return "never"
    if unit == "USD":
        return f"{value / 1e6:,.0f}"
    return f"{value:.2f}" if unit == "share of 1" else f"{value:,.0f}"


def interval(row: Row) -> str:
    """Median and interval of a row."""
    median, low, high = (number(row[key], row["unit"]) for key in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def made(predictions: dict[str, Any]) -> str:
    """Where the figures come from."""
    versions = ", ".join(f"{name} {number_}" for name, number_ in predictions["versions"].items())
    return (f"Made {predictions['made']}, as of {predictions['as_of']}, until {predictions['until']}; "
            f"{predictions['draws']} draws, seed {predictions['seed']}; "
            f"{versions}; SHA-256 of all inputs `{predictions['inputs_sha256'][:16]}`.")


def totals(predictions: dict[str, Any]) -> str:
    """The whole exchange, both ways."""
    bounds = {row["quantity"]: row for row in predictions["upper_bound_rows"] if row["coin"] == "all"}
    rows = [[row["quantity"], {"USD": "m USD"}.get(row["unit"], row["unit"]), interval(row), interval(bounds[row["quantity"]])]
            for row in predictions["rows"] if row["coin"] == "all"]
    return markdown(["quantity", "unit", "median (10 % to 90 %)", "upper bound: impact on spot"], rows)


def coins(predictions: dict[str, Any]) -> str:
    """The 40 coins, shares of open interest, both ways."""
    ways = [{(row["coin"], row["quantity"]): row for row in predictions[key]} for key in ("rows", "upper_bound_rows")]
    names = list(dict.fromkeys(coin for coin, _ in ways[0] if coin != "all"))
    rows = [[coin, *(interval(way[coin, quantity]) for way in ways for quantity in SHARES)] for coin in names]
    header = ["liquidated / OI", "deleveraged / OI"]
    return markdown(["coin", *header, *(f"upper bound: {name}" for name in header)], rows)


def above_one(predictions: dict[str, Any]) -> str:
    """How many coins' intervals of liquidated shares reach above one."""
    counts = [sum(row["high"] > 1.0 for row in predictions[key] if row["coin"] != "all" and row["quantity"] == SHARES[0])
              for key in ("rows", "upper_bound_rows")]
    return (f"The interval of the liquidated share reaches above 1 for {counts[0]} of 40 coins, and for {counts[1]} in the upper "
            "bound.")


def moves(sensitivity: dict[str, Any]) -> str:
    """How far the answer moves with each input, the furthest first."""
    base, *rows = sensitivity["rows"]
    rows.sort(key=lambda row: -abs(row[MAIN[0]][1] - row[MAIN[0]][0]))
    body = [[row["input"], *(row[key] if isinstance(row[key], str) else f"{row[key]:.3g}" for key in ("low", "high")),
             *(f"{row[name][0] / 1e6:,.0f} → {row[name][1] / 1e6:,.0f}" for name in MAIN)] for row in rows]
    middle = ["all at their median", "", "", *(f"{base['median'][name] / 1e6:,.0f}" for name in MAIN)]
    drawn = [base["input"], "", "", *(f"{base[name][0] / 1e6:,.0f} → {base[name][1] / 1e6:,.0f}" for name in MAIN)]
    table = markdown(["input", "low", "high", *(f"{name} [m USD]" for name in MAIN)], [middle, drawn, *body])
    return f"{table}\n\nEach figure is the median over {sensitivity['books']} books; the same books stand at every point."


def limit(predictions: dict[str, Any], sensitivity: dict[str, Any]) -> str:
    """What the documented orders without limit would give instead."""
    base = sensitivity["rows"][0]["median"]
    tried = next(row for row in sensitivity["rows"] if "none" in (row["low"], row["high"]))
    drawn = {row["quantity"]: row for row in predictions["rows"] if row["coin"] == "all"}
    told = [f"{name} {base[name] / 1e6:,.0f} → {tried[name][1] / 1e6:,.0f} m USD (80 % interval: up to "
            f"{drawn[name]['high'] / 1e6:,.0f})" for name in MAIN[:2]]
    return ("All inputs at their median, with the fillable limit → without limit, as documented: " + "; ".join(told) + ".")


def scores(leverage: dict[str, Any]) -> str:
    """How the fit of leverage does on days it has not seen."""
    rows = [[name, str(score["days"]), f"{score['total']:.2f}", f"{score['worst_days']:.2f}", f"{score['rank']:.2f}",
             f"{score['explained']:.2f}"] for name, score in leverage["scores_on_unseen_days"].items()]
    return markdown(["feed", "days", "predicted / observed", "on the worst tenth of days", "rank correlation",
                     "log variance explained"], rows)


def filled(text: str, parts: dict[str, str]) -> str:
    """A page with its tables put between `<!-- name -->` and `<!-- /name -->`."""
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if begin in text:
            head, rest = text.split(begin, 1)
            text = f"{head}{begin}{content}\n{end}{rest.split(end, 1)[1]}"
    return text


def main() -> None:
    """Print or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    parts = tables()
    if not parser.parse_args().write:
        print("\n\n".join(f"## {name}\n\n{content}" for name, content in parts.items()))
        return
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
