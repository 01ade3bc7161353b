"""Cells of a stranger's table as numbers and words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from delever.ingest.numbers import fault, limits
from delever.model.errors import InputError

NUMBER = re.compile(
    r"(?P<sign>[-+−]?)(?P<digits>[0-9.,'_\s]*[0-9][0-9.,'_\s]*)(?P<exponent>[eE][-+]?\d+)?(?P<end>%|k|m|mm|mn|bn|b)?",
    re.IGNORECASE,
)
ENDS = {"": 0, "%": -2, "k": 3, "m": 6, "mm": 6, "mn": 6, "bn": 9, "b": 9}  # powers of ten
NOTHING = ("", "-", "–", "—", "n/a", "na", "null", "none", "nan")


def number(text: str, where: str) -> float | None:
    """A number as people write it; None for an empty cell.

    >>> [number(text, "") for text in ("1,234.50", "1.234,50", "(12)", "-0,5", "$1 200", "83 %", "1e-3", "2.5k")]
    [1234.5, 1234.5, -12.0, -0.5, 1200.0, 0.83, 0.001, 2500.0]
    """
    bare = text.strip()
    if bare.casefold() in NOTHING:
        return None
    negative = bare.startswith("(") and bare.endswith(")")
    bare = bare.strip("()").strip().strip("$€£").strip()
    found = NUMBER.fullmatch(bare.replace("\u00a0", " ").replace(" %", "%"))
    if found is None:
        raise InputError("is not a number", where, text, "write a number, or leave the column out with --map THEIRS=")
    digits = re.sub(r"['_\s]", "", found["digits"])
    try:
        power = int((found["exponent"] or "e0")[1:]) + ENDS[(found["end"] or "").lower()]
        value = float(f"{_plain(digits, where, text)}e{power}")
    except ValueError:
        raise InputError("is not a number", where, text, "write a number with one decimal point") from None
    wrong = fault(value)
    if wrong is not None:
        raise InputError(wrong, where, text, limits())
    return -value if negative or found["sign"] in ("-", "−") else value


def _plain(digits: str, where: str, text: str) -> str:
    """Digits with one decimal point. Of 1,234 nobody can say which is meant unless it groups: then it is a thousand."""
    if "," in digits and "." in digits:
        decimal = max(",", ".", key=digits.rfind)
        other = "." if decimal == "," else ","
        return digits.replace(other, "").replace(decimal, ".")
    if "," not in digits:
        return digits if digits.count(".") < 2 else digits.replace(".", "")
    groups = digits.split(",")
    if len(groups) > 2 or (len(groups[1]) == 3 and groups[0] not in ("", "0")):
        if not all(len(group) == 3 for group in groups[1:]):
            raise InputError("is not a number", where, text, "write it without commas")
        return "".join(groups)
    return ".".join(groups)


def word(text: str, meanings: Mapping[str, tuple[str, ...]], where: str) -> str:
    """The meaning of a word, whatever the case."""
    bare = re.sub(r"[^a-z0-9+-]", "", text.casefold())
    for meaning, words in meanings.items():
        if bare in words:
            return meaning
    known = ", ".join(f"{meaning} ({', '.join(words[:4])})" for meaning, words in meanings.items())
    raise InputError("is no word that is known here", where, text, f"known: {known}")
