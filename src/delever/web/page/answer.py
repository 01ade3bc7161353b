"""The answer: nothing yet, a run that goes on, or figures of the world and of what stands beside it; and the report's figures."""

from __future__ import annotations

from typing import Any

from delever.web.page.words import Unit, markup, safe, unit_of
from delever.web.session import IDLE, RUNNING, Session


def answer(session: Session) -> str:
    """The region."""
    result = session.result
    if not result:
        return markup("answer", state=session.state, result=None)
    unit = unit_of(session, result["exposure"])
    rows = [row_of(row, unit) for row in result["rows"]]
    stale = session.state != RUNNING and session.result_of != session.variants()
    return markup("answer", state=session.state, result=result, stale=stale, title=title_of(result, unit),
                  main=[row for row in rows if row["main"]], rest=[row for row in rows if not row["main"]],
                  labels=result["labels"], few=result["paths"] < result["of"])


def progress(session: Session) -> str:
    """How far a run is."""
    result = session.result
    return markup("progress", running=session.state == RUNNING, progress=said(session),
                  paths=result["paths"] if result and result["paths"] < result["of"] else 0)


def said(session: Session) -> dict[str, Any]:
    """Progress in words."""
    stage, done, of = session.progress
    if of > 1:
        return {"text": f"{stage}, {done:,} of {of:,} paths", "done": done, "of": of}
    return {"text": stage, "done": None, "of": 1}


def row_of(row: dict[str, Any], unit: Unit) -> dict[str, Any]:
    """One figure in words."""
    name = row["unit"]
    return {"label": kept(row["label"]), "definition": row["definition"], "horizon": row["horizon"], "unit": name,
            "main": row["main"], "base": unit.value(row["base"], name),
            "interval": unit.interval(row["low"], row["high"], name), "variants": [
                {"value": unit.value(one["value"], name), "difference": unit.difference(one["difference"], name),
                 "interval": unit.interval(one["low"], one["high"], name) if one["low"] == one["low"] else "",
                 "kind": ("worse" if one["difference"] > 0 else "better") if one["sure"] else ""} for one in row["variants"]]}


def kept(text: str) -> str:
    """A number and its sign on one line."""
    return text.replace(" %", "\u00a0%")


def title_of(result: dict[str, Any], unit: Unit) -> str:
    """The first figure that surely differs for the last variant; that of the report where there is none."""
    if len(result["labels"]) < 2:
        return str(result["headline"])
    for row in result["rows"]:
        one = row["variants"][-1]
        if row["main"] and one["sure"]:
            way = "rises" if one["difference"] > 0 else "falls"
            before, after = unit.value(row["base"], row["unit"]), unit.value(one["value"], row["unit"])
            return f"With {result['labels'][-1]}, {kept(row['label'])} {way} from {before} to {after}"
    return f"With {result['labels'][-1]}, nothing differs by more than sampling"


def status(session: Session) -> str:
    """A line in the bar."""
    if session.state == RUNNING:
        text, sign = said(session)["text"], "◐"
    elif session.error:
        text, sign = "not done", "!"
    elif session.state == IDLE:
        text, sign = ("ready" if session.world else "opening"), "●"
    else:
        text, sign = f"{session.result['paths']:,} paths done", "✓"
    return markup("status", text=text, sign=sign, bad=sign == "!")


def figures(session: Session) -> str:
    """What the report says, in its order."""
    sections = [{**section, "figures": [{**figure, "svg": safe(figure["svg"]), "table": safe(figure["table"])}
                                        for figure in section["figures"]]} for section in session.figures]
    return markup("figures", sections=sections, missing=session.no_figures, ran=bool(session.result))
