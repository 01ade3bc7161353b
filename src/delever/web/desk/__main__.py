"""The loop of the process: a request at a time; an interrupt ends the request that is being answered, and nothing else."""

from __future__ import annotations

import ctypes
import os
import pickle
import queue
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from delever.web.desk.books import draft, read
from delever.web.desk.figures import figures, report
from delever.web.desk.replays import transactions, transactions_csv
from delever.web.desk.runs import run
from delever.web.desk.state import Desk, changes, look
from delever.web.desk.walls import account, at, positions_csv, wall, wall_csv

HEAD = struct.Struct("<I")  # length of a frame, before it
DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG
JOBS: Mapping[str, Callable[..., Any]] = {
    "look": look, "changes": changes, "wall": wall, "at": at, "account": account, "run": run, "figures": figures,
    "report": report, "transactions": transactions, "read": read, "draft": draft, "wall_csv": wall_csv,
    "positions_csv": positions_csv, "transactions_csv": transactions_csv,
}


class Line:
    """Frames to the page. An interrupt waits until a frame is whole, and is nothing where no request is being answered.

    One that was raised where the interpreter ignores it (in a destructor) is raised again after the next frame.
    """

    def __init__(self, out: int) -> None:
        self.out, self.busy, self.sending, self.due = out, False, False, False
        signal.signal(signal.SIGINT, self.interrupt)

    def interrupt(self, number: int, frame: object) -> None:
        """The signal's handler."""
        self.due = self.sending or self.busy
        if self.busy and not self.sending:
            raise KeyboardInterrupt

    def send(self, kind: str, value: object) -> None:
        """One frame."""
        data = pickle.dumps((kind, value))
        self.sending = True
        left = memoryview(HEAD.pack(len(data)) + data)
        while left:
            left = left[os.write(self.out, left):]
        self.sending = False
        if self.due and self.busy:
            raise KeyboardInterrupt

    def last(self, kind: str, value: object) -> None:
        """The last frame of a request."""
        self.busy = False
        self.send(kind, value)
        self.due = False


def main() -> None:
    """Until the page is gone."""
    source, out = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # workers that are forked close it
    os.dup2(2, 1)  # what anything prints is no frame
    sys.argv[:] = ["delever", "serve"]  # what a report names as the command that it comes from
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    requests: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
    threading.Thread(target=listen, args=(source, requests), daemon=True).start()
    line, desk = Line(out), Desk()
    while True:
        answer(line, desk, *requests.get())


def answer(line: Line, desk: Desk, name: str, given: dict[str, Any]) -> None:
    """One request."""
    desk.tell = lambda stage, done, of: line.send("progress", (stage, done, of))
    desk.part = lambda value: line.send("part", value)
    line.busy = True
    try:
        line.last("done", JOBS[name](desk, **given))
    except KeyboardInterrupt:
        line.last("cancelled", None)
    except Exception as error:
        from delever.model.errors import InputError, StoppedError

        if isinstance(error, (InputError, StoppedError)):
            line.last("refused", " ".join(str(error).split()))
        else:
            line.last("failed", "".join(traceback.format_exception(error)))


def listen(source: int, requests: queue.Queue[tuple[str, dict[str, Any]]]) -> None:
    """Requests as they come; the page's end is this process's."""
    while True:
        head = read_whole(source, HEAD.size)
        requests.put(pickle.loads(read_whole(source, *HEAD.unpack(head))))


def read_whole(source: int, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        more = os.read(source, min(size - len(data), 1 << 20))
        if not more:
            os._exit(0)
        data += more
    return data


if __name__ == "__main__":
    main()
