"""Who may enter: on this machine alone anybody here, by names of this machine; from elsewhere whoever has the link's token.

Another page that is open in the same browser is kept out by the headers that browsers send: Host (a name that was pointed at this
machine is not one of its names) and Origin. What is answered says itself that nothing may be fetched from anywhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = (
    (b"content-security-policy", b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
     b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; frame-ancestors 'none'; "
     b"base-uri 'self'; form-action 'self'"),
    (b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff"),
)
REFUSED = b"403: this page needs the link that delever serve has printed\n"


class Guard:
    """Before an application. token: none where it is bound to this machine alone."""

    def __init__(self, app: App, token: str | None, port: int) -> None:
        self.app, self.token, self.cookie = app, token, f"delever_{port}"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in pairs if name == "token"), None)
        if not self.is_from_here(headers):
            await refuse(scope, send)
        elif self.token is None or self.is_token(cookie_of(headers, self.cookie)):
            await self.app(scope, receive, self.with_headers(send))
        elif scope["type"] == "http" and self.is_token(given):
            rest = urlencode([(name, value) for name, value in pairs if name != "token"])
            kept = f"{self.cookie}={self.token}; HttpOnly; Path=/; SameSite=Lax"
            await admit(send, scope["path"] + (f"?{rest}" if rest else ""), kept)
        else:
            await refuse(scope, send)

    def is_token(self, given: str | None) -> bool:
        """Whether it is the one, in a time that says nothing."""
        return self.token is not None and given is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def is_from_here(self, headers: dict[str, str]) -> bool:
        """Whether the browser asks for this page by a name of ours, and not on behalf of another page."""
        host = headers.get("host", "")
        if self.token is None and name_of(f"//{host}") not in HERE:
            return False
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc == host

    def with_headers(self, send: Send) -> Send:
        """Answers that say what a browser may do with them."""
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)
        return sent


def name_of(address: str) -> str:
    """The host of an address, lower case; empty where it has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def cookie_of(headers: dict[str, str], name: str) -> str | None:
    """A cookie's value."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


async def refuse(scope: Message, send: Send) -> None:
    """403; a socket is closed before it opens, which browsers are told as 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain"), *HEADERS]})
    await send({"type": "http.response.body", "body": REFUSED})


async def admit(send: Send, to: str, cookie: str) -> None:
    """On to the page itself, with the token kept where no link shows it."""
    headers = [(b"location", to.encode("latin-1")), (b"set-cookie", cookie.encode("latin-1")), *HEADERS]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
