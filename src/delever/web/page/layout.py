"""The page of one browser: regions in the order of the reading, drawn anew one by one as the session says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from nicegui import Client, ui

from delever.report.html.theme import PALETTE
from delever.web.intake import Intake
from delever.web.page import answer, drill, parameters, walls
from delever.web.page.actions import Hands
from delever.web.page.words import file, markup
from delever.web.session import Session

BESIDE = {"soft": ("#f5f3ee", "#1d2126"), "line": ("#d8d4cb", "#3a4047")}  # tints that the report has besides the palette
DRAW: Mapping[str, Callable[[Session], str]] = {
    "bar": parameters.bar, "status": answer.status, "parameters": parameters.parameters, "controls": parameters.controls,
    "message": parameters.message, "progress": answer.progress, "answer": answer.answer, "wallhead": walls.head,
    "wall": walls.chart, "slider": walls.slider, "wallsay": walls.says, "others": walls.others, "wallmore": walls.more,
    "figures": answer.figures, "drill": drill.drill, "log": drill.log,
}
REGIONS: Mapping[str, tuple[str, ...]] = {  # what has changed -> what is drawn anew
    "world": ("bar", "status", "parameters", "controls", "wallhead", "slider", "others", "answer", "intake"),
    "changes": ("bar", "controls"), "wall": ("wall", "wallmore"), "at": ("wallsay", "drill"), "account": ("drill",),
    "answer": ("answer", "controls", "progress"), "status": ("status", "progress"), "figures": ("figures",), "log": ("log",),
    "message": ("message", "status"), "intake": ("intake",), "asset": ("wallhead", "slider", "others"),
    "shock": ("wall",), "slider": ("slider",), "unit": ("wall", "wallmore", "wallsay", "drill", "answer"),
}


class Page:
    """The regions of one browser."""

    def __init__(self, session: Session, client: Client) -> None:
        self.session, self.client, self.intake = session, client, Intake()
        self.hands = Hands(session, self.intake, lambda data, name: client.download(data, name))
        self.regions: dict[str, ui.html] = {}
        self.said = (session.view.query(), "")
        session.shown = self.show

    def build(self) -> None:
        """Lay it out; nothing is computed for it yet."""
        ui.add_head_html(f"<style>{theme()}{file('page.css')}</style><script>{file('page.js')}</script>")
        ui.html('<a class="skip" href="#answer">To the answer</a><span id="said" role="status" class="unseen"></span>',
                sanitize=False)
        with box("div", "app"):
            with box("div", "top"):
                with box("header", "bar"):
                    self.region("bar", "what")
                    self.region("status", role="status")
                self.region("intake")
            with box("form", "left", aria_label="Parameters"):
                self.region("parameters", "fields")
                self.region("controls", "controls")
            with box("section", "mid", aria_label="Answer and wall", id="answer", tabindex="-1"):
                self.region("message", role="alert")
                self.region("progress")
                for name in ("answer", "wallhead", "wall", "slider"):
                    self.region(name, name)
                self.region("wallsay", role="status")
                self.region("others")
                self.region("wallmore")
                self.region("figures", "figures")
            with box("aside", "right", aria_label="Drill-down"):
                self.region("drill")
            with box("section", "log", aria_label="Log of transactions", tabindex="0"):
                self.region("log")
        ui.on("act", self.act)

    def region(self, name: str, kind: str = "", **attributes: str) -> None:
        """One that is drawn anew as a whole."""
        made = ui.html(self.draw(name), sanitize=False).classes(kind)
        made.props.update(attributes)
        self.regions[name] = made

    def draw(self, name: str) -> str:
        """Its markup."""
        if name == "intake":
            return self.draw_intake()
        return DRAW[name](self.session)

    def draw_intake(self) -> str:
        """What may be opened, and what has been dropped."""
        taken, session = self.intake, self.session
        book = None
        if taken.files:
            book = {"files": [path.rsplit("/", 1)[-1] for path in taken.files], "protocol": taken.protocol,
                    "kind": taken.kind(session), "wrong": taken.wrong, "found": taken.found}
        return markup("intake", shown=taken.shown, sources=session.known, now=session.source.name, book=book,
                      protocols=session.world.get("protocols", []))

    def show(self, *names: str) -> None:
        """Draw anew what has changed."""
        for region in dict.fromkeys(region for name in names for region in REGIONS[name]):
            self.regions[region].set_content(self.draw(region))
        self.tell()

    def tell(self) -> None:
        """The browser's own part: the link in its bar, and which fields are marked."""
        query = self.session.view.query()
        marks = json.dumps([dict(self.session.view.settings), self.session.bad_field])
        if (query, marks) == self.said or not self.client.has_socket_connection:
            return
        if marks != self.said[1]:
            self.client.run_javascript(f"mark(...{marks})")
        if query != self.said[0]:
            link = json.dumps(f"?{query}" if query else ".")
            self.client.run_javascript(f"history.replaceState(null, '', {link})")
            self.regions["bar"].set_content(self.draw("bar"))
        self.said = (query, marks)

    async def act(self, event: Any) -> None:
        """What the browser asks for."""
        await self.hands.act(event.args)
        self.tell()


def box(tag: str, kind: str, **attributes: str) -> ui.element:
    """A plain element of the page."""
    made = ui.element(tag).classes(kind)
    made.props.update({name.replace("_", "-"): value for name, value in attributes.items()})
    return made


def theme() -> str:
    """Colours, light and dark: those of the report."""
    def side(which: int) -> str:
        return "".join(f"--{name}:{pair[which]};" for name, pair in {**PALETTE, **BESIDE}.items())
    return (f":root{{color-scheme:light;{side(0)}}}"
            f"@media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{side(1)}}}}}")
