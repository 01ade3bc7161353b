"""A process that computes for one browser: asked in the event loop, answered from outside of it.

It keeps its world, what is compiled and its runs from one request to the next. To cancel is an interrupt, after which all of
that is still there; only where none is heeded for some seconds the process is ended, and the next request begins a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any

from delever.model.errors import InputError, StoppedError

HEAD = struct.Struct("<I")  # as desk/__main__.py has it
PATIENCE = 10.0  # after an interrupt [s]: a kernel that is being compiled does not heed it before it is


class CancelledError(Exception):
    """What was asked has been cancelled."""


class Worker:
    """One process and what it is asked, one thing after the other."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.turn = asyncio.Lock()
        self.first: dict[str, Any] | None = None  # `look`, asked again of a new process
        self.busy = self.ended = False

    async def ask(self, name: str, *, tell: Callable[[str, int, int], None] | None = None,
                  part: Callable[[Any], None] | None = None, **given: Any) -> Any:
        """The answer. tell, part: called in the loop with progress, and with answers on the way.

        InputError: it was refused; CancelledError: it was cancelled; StoppedError: the process has ended.
        """
        async with self.turn:
            if self.ended:
                raise CancelledError
            self.busy = True
            try:
                if self.process is None or self.process.returncode is not None:
                    await self._start()
                    if self.first is not None and name != "look":
                        await self._ask("look", self.first, None, None)
                if name == "look":
                    self.first = given
                return await self._ask(name, given, tell, part)
            finally:
                self.busy = False

    async def _start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "delever.web.desk", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            start_new_session=True)  # Ctrl-C at the terminal is for the page, which then ends this

    async def _ask(self, name: str, given: dict[str, Any], tell: Callable[[str, int, int], None] | None,
                   part: Callable[[Any], None] | None) -> Any:
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        data = pickle.dumps((name, given))
        try:
            process.stdin.write(HEAD.pack(len(data)) + data)
            await process.stdin.drain()
            while True:
                (size,) = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
                kind, value = pickle.loads(await process.stdout.readexactly(size))
                if kind == "done":
                    return value
                if kind == "cancelled":
                    raise CancelledError
                if kind == "refused":
                    raise InputError(value)
                if kind == "failed":
                    print(value, file=sys.stderr)
                    raise StoppedError(f"this is a mistake of the program: {value.strip().splitlines()[-1]}")
                if kind == "progress" and tell is not None:
                    tell(*value)
                if kind == "part" and part is not None:
                    part(value)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._gone()
            if self.ended:
                raise CancelledError from None
            raise StoppedError("the process that computes has ended, perhaps for want of memory; ask again") from None

    async def cancel(self) -> None:
        """End what is being answered; what is finished stays."""
        process = self.process
        if process is None or process.returncode is not None or not self.busy:
            return
        if sys.platform == "win32":  # where a process cannot be interrupted alone
            await self.end(for_good=False)
            return
        process.send_signal(signal.SIGINT)
        for _ in range(round(PATIENCE / 0.05)):
            await asyncio.sleep(0.05)
            if not self.busy:
                return
        await self.end(for_good=False)

    async def end(self, for_good: bool = True) -> None:
        """End the process, whatever it does."""
        self.ended = self.ended or for_good
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self._gone()

    async def _gone(self) -> None:
        if self.process is not None:
            await self.process.wait()
            self.process = None
