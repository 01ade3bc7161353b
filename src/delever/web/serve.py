"""Starts the page, says where it is, and stops it tidily."""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
import webbrowser
from threading import Timer
from typing import Any
from urllib.parse import quote

from delever.model.errors import InputError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def serve(*names: str, host: str = "127.0.0.1", port: int = 8050, show: bool = False, threads: int | None = None) -> None:
    """Serve the page until it is interrupted. names: worlds and folders of runs; embedded worlds are there always.

    host: anything but this machine alone is entered with a token, which the printed link has. port: 0 takes a free one.
    threads: of each browser's runs. InputError: the extra is not installed, a name is nothing, the port is taken.
    """
    needed()
    from delever.web.application import application
    from delever.web.sources import sources_of

    known = sources_of(names)
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    with contextlib.closing(bound(host, port)) as listening:
        number = int(listening.getsockname()[1])
        link = link_of(host, number, token)
        print(f"delever: the page is at {link}\ndelever: Ctrl-C stops it", file=sys.stderr, flush=True)
        if show:
            Timer(1.0, webbrowser.open, (link,)).start()
        with contextlib.suppress(KeyboardInterrupt):
            run(application(known, threads), token, number, listening)
    print("delever: stopped", file=sys.stderr)


def needed() -> None:
    """InputError where the extra is not installed."""
    try:
        import nicegui
        import uvicorn  # noqa: F401
    except ImportError:
        raise InputError("is not installed", "serve", None, 'pip install "delever[web]"') from None
    if int(nicegui.__version__.split(".")[0]) < 3:
        raise InputError("needs nicegui 3", "serve", nicegui.__version__, 'pip install --upgrade "delever[web]"')


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as unless:
            listening = unless.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen()  # whoever comes before the page is there waits for it
            unless.pop_all()
    except OSError as error:
        raise InputError("cannot be listened at", "serve", f"{host}:{port}",
                         f"{(error.strerror or str(error)).lower()}; --port 0 takes a free one") from None
    return listening


def link_of(host: str, port: int, token: str | None) -> str:
    """Where a browser finds it."""
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    place = f"http://{f'[{name}]' if ':' in name else name}:{port}/"
    return place if token is None else f"{place}?token={quote(token)}"


def run(app: Any, token: str | None, port: int, listening: socket.socket) -> None:
    """The server, to its end."""
    import uvicorn

    from delever.web.guard import Guard

    config = uvicorn.Config(Guard(app, token, port), log_level="warning", loop="asyncio", timeout_graceful_shutdown=1,
                            lifespan="on", ws_max_size=1 << 24)
    uvicorn.Server(config).run(sockets=[listening])
