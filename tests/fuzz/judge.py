"""What a call must not do: fall over, take too long, or report a figure that is none."""

from __future__ import annotations

import dataclasses
import math
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from delever.model.errors import InputError

LONGEST = 20.0  # [s] of the processor, so that a busy machine finds no more than an idle one
ENDLESS = ("heartbeat",)  # columns in which infinite means never


class Finding(NamedTuple):
    """What is wrong, and the place that tells findings apart."""

    what: str
    place: str


class TooLong(BaseException):
    """A call that takes more than LONGEST."""


@contextmanager
def alarm(seconds: float = LONGEST) -> Iterator[None]:
    """Ends what is inside after so much of the processor's time; what only waits is __main__'s to end."""
    def ring(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def judged(call: Callable[[], Any]) -> Finding | None:
    """None where the call passes."""
    try:
        with alarm():
            result = call()
    except InputError as error:
        line = str(error)
        return None if line.strip() and "\n" not in line else Finding("an error of no or several lines", line)
    except TooLong as error:
        return Finding(f"took more than {LONGEST:g} s", place_of(error))
    except Exception as error:
        return Finding(f"{type(error).__name__}: {str(error)[:200]}", place_of(error))
    wrong = next(not_finite(result, ""), None)
    return None if wrong is None else Finding("a figure that is none", wrong)


def place_of(error: BaseException) -> str:
    """The innermost line of the program itself."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/delever/" in frame.filename]
    where = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{where.filename.rpartition('/delever/')[2]}:{where.lineno}"


def not_finite(value: Any, path: str) -> Iterator[str]:
    """Places of infinite numbers; what is not known is NaN or null, and is shown as such."""
    if isinstance(value, float):
        if math.isinf(value):
            yield path
    elif isinstance(value, pa.Table):
        for name in value.column_names:
            if name not in ENDLESS and pa.types.is_floating(value[name].type) and pc.any(pc.is_inf(value[name])).as_py():
                yield f"{path}.{name}"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from not_finite(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from not_finite(inner, path)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name != "model":
                yield from not_finite(getattr(value, field.name), f"{path}.{field.name}")
