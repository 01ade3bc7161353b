"""What the browser may ask for, by name; each changes the session, which then says what is to be shown anew."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from delever.web.intake import Intake
from delever.web.session import Session
from delever.web.view import SHARE, SPANS, USD, move_of

Save = Callable[[bytes, str], None]
Action = Callable[["Hands", str, str], Awaitable[None]]


class Hands:
    """A session, what is being dropped, and how a file reaches the browser."""

    def __init__(self, session: Session, intake: Intake, save: Save) -> None:
        self.session, self.intake, self.save = session, intake, save

    async def act(self, given: object) -> None:
        """Carry out what the browser sent; what is not known is nothing."""
        if not isinstance(given, Mapping):
            return
        name, value, also = (str(given.get(key, "")) for key in ("do", "value", "with"))
        action = ACTIONS.get(name)
        if action is not None:
            await action(self, value, also)

    def look(self, stale: tuple[str, ...], **changed: Any) -> None:
        """Another view; what of it is stale is asked anew."""
        self.session.view = replace(self.session.view, **changed)
        if stale:
            self.session.want(*stale)


async def set_field(hands: Hands, value: str, also: str) -> None:
    """One field."""
    await hands.session.set(also, value)


async def set_any(hands: Hands, value: str, also: str) -> None:
    """PATH=VALUE."""
    path, equals, text = value.partition("=")
    if equals and path.strip():
        await hands.session.set(path.strip(), text)
    elif value.strip():
        hands.session.fail(f"{value.strip()}: is not PATH=VALUE; write for example actors.liquidators.rule=always")


async def undo(hands: Hands, value: str, also: str) -> None:
    """The last change."""
    session = hands.session
    if session.view.settings:
        await session.set(session.view.settings[-1][0], "")
    elif session.without:
        session.without = None
        session.shown("changes", "answer", "account")


async def run(hands: Hands, value: str, also: str) -> None:
    """Begin."""
    hands.session.run()


async def cancel(hands: Hands, value: str, also: str) -> None:
    """End what runs."""
    await hands.session.cancel()


async def keep(hands: Hands, value: str, also: str) -> None:
    """What is set now, under a label."""
    hands.session.keep(value)


async def forget(hands: Hands, value: str, also: str) -> None:
    """A variant that was kept."""
    session = hands.session
    session.kept = [one for one in session.kept if one.label != value]
    session.shown("changes", "answer")


async def asset(hands: Hands, value: str, also: str) -> None:
    """Whose wall."""
    if value in hands.session.world.get("assets", []):
        hands.look(("wall", "at"), asset=value, collateral="", debt="")
        hands.session.shown("asset")


async def span(hands: Hands, value: str, also: str) -> None:
    """Falls or rises."""
    if value in SPANS:
        hands.look(("wall", "at"), span=value, shock=-0.3 if value == "falls" else 0.3)
        hands.session.shown("asset")


async def shock(hands: Hands, value: str, also: str) -> None:
    """The price that is looked at."""
    move = move_of(value)
    if move is not None:
        hands.look(("at",), shock=move)
        hands.session.shown("shock")


async def other(hands: Hands, value: str, also: str) -> None:
    """Another price that moves too."""
    move = move_of(value)
    if move is not None and also in hands.session.world.get("assets", []):
        others = {**dict(hands.session.view.others), also: move}
        hands.look(("wall", "at"), others=tuple((name, at) for name, at in others.items() if at))


async def unit(hands: Hands, value: str, also: str) -> None:
    """USD, or shares of all debt."""
    hands.look((), unit=SHARE if value == SHARE else USD)
    hands.session.shown("unit")


async def protocol(hands: Hands, value: str, also: str) -> None:
    """Down to one; the same again: up."""
    chosen = "" if value == hands.session.view.protocol else value
    hands.look((), protocol=chosen, collateral="", debt="", account="", mine=False)
    hands.session.legs = []
    hands.session.shown("account")


async def pair(hands: Hands, value: str, also: str) -> None:
    """Down to a pair of assets; the same again: up."""
    view = hands.session.view
    same = (view.collateral, view.debt) == (value, also)
    hands.look((), collateral="" if same else value, debt="" if same else also)
    hands.session.shown("account")


async def account(hands: Hands, value: str, also: str) -> None:
    """Down to one account."""
    stale = ("account", "log") if hands.session.view.mine else ("account",)
    hands.look(stale, account=value, protocol=also)


async def mine(hands: Hands, value: str, also: str) -> None:
    """Transactions of the account, or of all."""
    hands.look(("log",), mine=not hands.session.view.mine)
    hands.session.shown("account")


async def without(hands: Hands, value: str, also: str) -> None:
    """Leave the account out of what runs next, or no longer."""
    session = hands.session
    whom = (session.view.protocol, session.view.account)
    session.without = None if session.without == whom else whom
    session.shown("changes", "account")
    if session.without is not None:
        session.run()


async def path(hands: Hands, value: str, also: str) -> None:
    """Whose transactions are shown."""
    most = int(hands.session.result.get("paths", 0))
    if value in ("worst", "median") or (value.isdecimal() and int(value) < most):
        hands.look(("log",), path=value)


async def kind(hands: Hands, value: str, also: str) -> None:
    """Transactions of a kind."""
    hands.look(("log",), kind=value)


async def save(hands: Hands, value: str, also: str) -> None:
    """A file for the browser."""
    from delever.model.errors import InputError, StoppedError
    from delever.web.worker import CancelledError

    try:
        hands.save(*await hands.session.file(value))
    except CancelledError:
        return
    except (InputError, StoppedError) as error:
        hands.session.fail(str(error))


async def dismiss(hands: Hands, value: str, also: str) -> None:
    """The message has been read."""
    hands.session.fail("")


async def opening(hands: Hands, value: str, also: str) -> None:
    """Show what may be opened, or no longer."""
    hands.intake.shown = not hands.intake.shown
    hands.session.shown("intake")


async def open_source(hands: Hands, value: str, also: str) -> None:
    """Another world."""
    hands.intake.shown = False
    await hands.session.open(value)


async def refused(hands: Hands, value: str, also: str) -> None:
    """A file did not arrive."""
    hands.session.fail(value)


async def dropped(hands: Hands, value: str, also: str) -> None:
    """Files have arrived."""
    try:
        names = json.loads(value)
    except ValueError:
        return
    if isinstance(names, list):
        await hands.intake.take(hands.session, [str(name) for name in names])
        hands.session.shown("intake")


async def book_of(hands: Hands, value: str, also: str) -> None:
    """Whose book was dropped."""
    if value in hands.session.world.get("protocols", []):
        hands.intake.protocol, hands.intake.mapping = value, {}
        await again(hands)


async def column(hands: Hands, value: str, also: str) -> None:
    """What a column is."""
    hands.intake.mapping[also] = value
    await again(hands)


async def renamed(hands: Hands, value: str, also: str) -> None:
    """What an asset is called in the world."""
    if value:
        hands.intake.names[also] = value
        await again(hands)


async def again(hands: Hands) -> None:
    """Read the book as it is said now."""
    await hands.intake.read(hands.session)
    hands.session.shown("intake")


async def use(hands: Hands, value: str, also: str) -> None:
    """Take the book."""
    await hands.intake.use(hands.session)
    hands.session.shown("intake")


ACTIONS: Mapping[str, Action] = {
    "set": set_field, "setany": set_any, "undo": undo, "run": run, "cancel": cancel, "keep": keep, "forget": forget,
    "asset": asset, "span": span, "shock": shock, "other": other, "unit": unit, "protocol": protocol, "pair": pair,
    "account": account, "mine": mine, "without": without, "path": path, "kind": kind, "save": save, "dismiss": dismiss,
    "opening": opening, "open": open_source, "refused": refused, "dropped": dropped, "book_of": book_of, "column": column,
    "renamed": renamed, "use": use,
}
