"""Who is let in: the token by link or cookie, names of this machine, no other page's requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from delever.web.guard import Guard

Sent = list[dict[str, Any]]


def asked(token: str | None, *, query: str = "", kind: str = "http", **headers: str) -> Sent:
    """What is sent for one request; an application that says 200."""
    sent: Sent = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": kind, "path": "/", "query_string": query.encode(),
             "headers": [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:8050", **headers}.items()]}
    asyncio.run(Guard(application, token, 8050)(scope, receive, send))
    return sent


def status(sent: Sent) -> int:
    return int(sent[0]["status"])


def test_this_machine_alone_needs_no_token() -> None:
    assert [status(asked(None, host=host)) for host in ("127.0.0.1:8050", "localhost:8050", "[::1]:8050")] == [200] * 3


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", "", "[", "localhost.evil:8050"])
def test_a_name_that_was_pointed_here_is_refused(host: str) -> None:
    assert status(asked(None, host=host)) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:9999"])
def test_another_page_is_refused(origin: str) -> None:
    assert status(asked(None, origin=origin)) == 403
    assert asked(None, origin=origin, kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_the_page_itself_may_ask() -> None:
    assert status(asked(None, origin="http://127.0.0.1:8050")) == 200


@pytest.mark.parametrize(("query", "cookie"), [("", ""), ("token=", ""), ("token=right2", ""), ("", "delever_8050=wrong"),
                                               ("", "delever_9000=right"), ("x=right", ""), ("", "]=;")])
def test_without_the_token_nothing_is_answered(query: str, cookie: str) -> None:
    assert status(asked("right", query=query, cookie=cookie)) == 403


def test_no_socket_opens_by_a_query_alone() -> None:
    assert asked("right", query="token=right", kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_the_link_leaves_a_cookie_and_no_token_in_the_address() -> None:
    sent = asked("right", query="open=first&token=right&shock=-0.2", host="server:8050")
    headers = dict(sent[0]["headers"])
    assert status(sent) == 303
    assert headers[b"location"] == b"/?open=first&shock=-0.2"
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert status(asked("right", cookie=cookie.split(";")[0], host="server:8050")) == 200


def test_every_answer_forbids_what_comes_from_elsewhere() -> None:
    for sent in (asked(None), asked(None, host="evil"), asked("right")):
        policy = dict(sent[0]["headers"])[b"content-security-policy"].decode()
        assert "default-src 'self'" in policy and "http" not in policy and "*" not in policy
