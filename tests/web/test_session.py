"""One browser's state, with the processes that compute for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from delever.web.session import Session
from delever.web.sources import sources_of
from delever.web.view import view_of


def in_a_session(work: Callable[[Session], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, link: str = "") -> Session:
    """Do something in a session of the first world, and close it."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")

    async def main() -> Session:
        session = Session(sources_of([]), view_of([tuple(one.split("=", 1)) for one in link.split("&") if one]))  # type: ignore[misc]
        try:
            session.want("world")
            await session.settled()
            await work(session)
        finally:
            await session.close()
        return session

    return asyncio.run(main())


def test_a_run_is_cancelled_and_keeps_its_first_paths_and_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    async def work(session: Session) -> None:
        session.run()
        while not session.result:
            await asyncio.sleep(0.05)
        process = session.long.process
        assert process is not None and session.state == "running"
        await session.set("scenario.horizon", "1 hr")  # a mistake while it runs: said, and nothing changes
        seen["error"], seen["settings"] = session.error, session.view.settings
        await session.cancel()
        seen["same"] = session.long.process is process and process.returncode is None
        session.dirty.discard("figures")
        await session.settled()
        seen["log"] = session.log["of"]
        seen["pid"] = process.pid

    session = in_a_session(work, monkeypatch, "set=scenario.paths=200")
    assert session.state == "results" and session.result["paths"] == 20 and session.result["of"] == 200
    assert seen["same"] and seen["log"]
    assert "horizon" in str(seen["error"]) and seen["settings"] == (("scenario.paths", "200"),)
    assert not session.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(seen["pid"])), 0)


def test_of_changes_that_come_fast_only_the_last_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def work(session: Session) -> None:
        session.shown = lambda *names: asked.append((names, session.at.get("shock")))
        from delever.web.page.actions import Hands

        hands = Hands(session, None, lambda data, name: None)  # type: ignore[arg-type]
        for percent in range(-50, -9):
            await hands.act({"do": "shock", "value": percent / 100})
        await session.settled()
        for nothing in (None, [], {}, {"do": "nothing"}, {"do": "shock", "value": "1e9"}, {"do": "path", "value": "7"}):
            await hands.act(nothing)

    session = in_a_session(work, monkeypatch)
    answers = [shock for names, shock in asked if names == ("at",)]
    assert session.at["shock"] == -0.1 and answers[-1] == -0.1 and len(answers) < 10


def test_a_process_that_is_killed_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(session: Session) -> None:
        assert session.quick.process is not None
        session.quick.process.kill()
        await session.set("actors.liquidators.rule", "always")
        if session.error:  # it was told, and the next is answered
            await session.set("actors.liquidators.rule", "always")
        await session.settled()

    session = in_a_session(work, monkeypatch)
    assert session.changed[0]["after"] == "always" and not session.error
