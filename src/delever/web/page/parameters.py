"""Parameters beside what they are now, and what to do with changes of them."""

from __future__ import annotations

from delever.web.page.words import markup
from delever.web.session import RUNNING, Session


def parameters(session: Session) -> str:
    """The table. It is made once a world, so that nobody's cursor is lost; the page marks what is changed."""
    return markup("parameters", groups=session.world.get("groups", []), settings=dict(session.view.settings),
                  first=["scenario"])


def controls(session: Session) -> str:
    """Run, cancel, undo, keep."""
    view = session.view
    return markup("controls", running=session.state == RUNNING, changes=session.changed, without=session.without,
                  kept=session.kept, command=session.command(), count=len(view.settings), paths=session.paths())


def bar(session: Session) -> str:
    """What is open."""
    return markup("bar", world=session.world, source=session.source, query=session.view.query())


def message(session: Session) -> str:
    """What is wrong, where something is."""
    return markup("message", text=session.error, field=session.bad_field)
