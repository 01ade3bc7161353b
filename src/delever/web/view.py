"""What is looked at, as far as a link carries it: the world, what was changed, the wall's price, the account, the path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

LEAST, MOST = -0.95, 3.0  # of a move
BOOK = ".book"  # of a field: a file that a browser dropped is no other's
USD, SHARE = "usd", "share"
SPANS = {"falls": "-60%..0%", "rises": "0%..60%"}  # of the wall


@dataclass(frozen=True)
class View:
    """One state of the page; change it with `dataclasses.replace`."""

    source: str = ""  # name of what is opened; empty: the first that is served
    settings: tuple[tuple[str, str], ...] = ()  # field, value as typed
    asset: str = ""
    span: str = "falls"
    shock: float = -0.3  # share
    others: tuple[tuple[str, float], ...] = ()  # moves of other assets
    unit: str = USD
    protocol: str = ""
    collateral: str = ""
    debt: str = ""
    account: str = ""
    path: str = "worst"  # or median, or a number
    kind: str = ""  # of transactions
    mine: bool = False  # only those of the account

    def query(self) -> str:
        """As the query of a link; what is as at the start is left out."""
        at_start = View()
        pairs: list[tuple[str, str]] = [("open", self.source)] if self.source else []
        pairs += [("set", f"{name}={value}") for name, value in self.settings if not name.endswith(BOOK)]
        pairs += [(name, value) for name in TEXTS if (value := getattr(self, name)) != getattr(at_start, name)]
        if self.shock != at_start.shock:
            pairs.append(("shock", f"{self.shock:.10g}"))
        pairs += [("other", f"{name}={move:.10g}") for name, move in self.others]
        if self.mine:
            pairs.append(("mine", "1"))
        return urlencode(pairs)


TEXTS = ("asset", "span", "unit", "protocol", "collateral", "debt", "account", "path", "kind")


def view_of(pairs: Iterable[tuple[str, str]]) -> View:
    """The state that a link carries; what it does not know, or cannot be, is left out."""
    texts: dict[str, str] = {}
    settings: dict[str, str] = {}
    others: dict[str, float] = {}
    shock, mine, source = View.shock, False, ""
    for name, value in pairs:
        left, equals, right = value.partition("=")
        if name == "open":
            source = value
        elif name == "set" and equals and left.strip() and right.strip():
            settings[left.strip()] = right.strip()
        elif name == "other" and equals and (move := move_of(right)) is not None:
            others[left] = move
        elif name == "shock":
            found = move_of(value)
            shock = View.shock if found is None else found
        elif name == "mine":
            mine = value == "1"
        elif name in TEXTS:
            texts[name] = value
    texts["unit"] = SHARE if texts.get("unit") == SHARE else USD
    texts["span"] = texts.get("span", "falls") if texts.get("span") in SPANS else "falls"
    return View(source=source, settings=tuple(settings.items()), shock=shock, others=tuple(others.items()), mine=mine, **texts)


def move_of(text: object) -> float | None:
    """A move as a share; none where it is no number, or none that a price can do."""
    try:
        move = float(str(text))
    except ValueError:
        return None
    return move if LEAST <= move <= MOST else None
