"""One error for all that a user can get wrong: a single line that names the thing, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

LONGEST_VALUE = 80  # characters of a value that are shown
LONGEST_LIST = 19  # names that are all listed; of more the nearest
NEAREST = 5  # of many
CONTINUES = ("is ", "has ", "misses ", "must ", "needs ", "cannot ")  # a `what` that goes on from the place: "rule is missing"


class InputError(ValueError):
    """What the user gave cannot be used.

    The line reads `where: what: value; remedy`. `what` says what is wrong and may begin with a verb ("is
    missing"), `where` names the file, book or spec, `value` what was given (None: nothing to show), `remedy` what to
    write instead. `path` is the way from `where` to the place, as keys of the YAML file. `lines` are such that can be pasted.
    """

    def __init__(
        self,
        what: str,
        where: str = "",
        value: object = None,
        remedy: str = "",
        *,
        path: tuple[str | int, ...] = (),
        lines: tuple[str, ...] = (),
    ) -> None:
        self.what = what
        self.root = where
        self.path = path
        self.value = value
        self.remedy = remedy
        self.lines = lines
        super().__init__(self._line())

    @property
    def where(self) -> str:
        """File (or spec) and the path of keys in it."""
        keys = ".".join(str(key) for key in self.path)
        if not self.root or not keys:
            return self.root or keys
        return f"{self.root}.{keys}" if self.root.isidentifier() else f"{self.root}: {keys}"

    def at(self, where: str, *path: str | int) -> InputError:
        """The same error, found while reading `path` of `where`: its own path goes on from there.

        An error that already names a file or table keeps it; the name of a spec gives way.
        """
        if self.root and not self.root.isidentifier():
            return self
        return InputError(self.what, where, self.value, self.remedy, path=(*path, *self.path), lines=self.lines)

    def _line(self) -> str:
        line = self.where
        if line:
            line += " " if self.what.startswith(CONTINUES) else ": "
        line += self.what
        shown = show(self.value)
        if shown and not re.search(rf"(?<!\w){re.escape(str(self.value))}(?!\w)", self.what):
            line += f": {shown}"
        if self.remedy:
            line += f"; {self.remedy}"
        return " ".join(line.split())


class StoppedError(RuntimeError):
    """A run ended through nothing that was asked for: a full disk, a folder that is gone, a worker that was killed.

    One line, which says how to go on.
    """


class RunWarning(UserWarning):
    """Something in a run folder is not believed; the run goes on without it."""


def show(value: object) -> str:
    """A value as it is quoted in an error, cut when long; nothing for None."""
    if value is None:
        return ""
    text = " ".join((repr(value) if isinstance(value, str) else str(value)).split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, whatever the case; None when nothing is close."""
    by_fold = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    found = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest, and all that are known where these are fewer than twenty.

    >>> nearest("stEHT", ["stETH", "ETH"])
    'did you mean stETH? known: ETH, stETH'
    >>> nearest("banana", ["stETH", "ETH"])
    'known: ETH, stETH'
    """
    names = sorted(known)
    if not names:
        return "none is known here"
    found = near(name, names)
    meant = f"did you mean {found}?" if found is not None else ""
    if len(names) <= LONGEST_LIST:
        return f"{meant} known: {', '.join(names)}".strip() if names != [found] else meant
    close = get_close_matches(name.casefold(), [other.casefold() for other in names], n=NEAREST, cutoff=0.0)
    by_fold = {other.casefold(): other for other in names}
    return meant or f"nearest of {len(names)}: {', '.join(by_fold[other] for other in close)}"
