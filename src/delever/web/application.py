"""The application: a session a browser, and where its files arrive."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from nicegui import Client, ui
from nicegui import app as pages

from delever.web.intake import place_of
from delever.web.page.layout import Page
from delever.web.session import Session
from delever.web.sources import Source
from delever.web.view import view_of

LARGEST = 1 << 30  # bytes of a file that is dropped
AWAY = 30.0  # a browser that was gone longer begins anew, from its link [s]
ICON = ("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='4' height='12' x='1' y='3' fill='#0b5fa5'/>"
        "<rect width='4' height='8' x='6' y='7' fill='#2a93cc'/><rect width='4' height='4' x='11' y='11' fill='#b8390b'/></svg>")


def application(known: Mapping[str, Source], threads: int | None) -> FastAPI:
    """The page. threads: of each browser's runs."""
    sessions: dict[str, Session] = {}
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @ui.page("/", title="delever")
    def page(request: Request, client: Client) -> None:
        session = Session(known, view_of(request.query_params.multi_items()), threads)
        sessions[client.id] = session
        Page(session, client).build()

        def begin() -> None:
            if not session.world and not session.dirty:
                session.want("world")

        async def end() -> None:
            sessions.pop(client.id, None)
            await session.close()

        client.on_connect(begin)
        client.on_delete(end)

    @app.post("/drop/{client_id}")
    async def drop(client_id: str, request: Request) -> Response:
        session = sessions.get(client_id)
        if session is None:
            return Response("open the page first", 404)
        target, size = place_of(session.folder, unquote(request.headers.get("x-name", "file"))), 0
        with target.open("wb") as out:
            async for piece in request.stream():
                size += len(piece)
                if size > LARGEST:
                    return Response(f"{target.name} is larger than 1 GiB: name it with delever serve instead", 413)
                out.write(piece)
        return Response(target.name)

    async def leave() -> None:
        for session in list(sessions.values()):
            await session.close()

    pages.on_shutdown(leave)
    ui.run_with(app, title="delever", favicon=ICON, dark=None, language="en-US", tailwind=False, reconnect_timeout=AWAY,
                show_welcome_message=False)
    return app
