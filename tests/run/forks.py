"""`delever`, started many times for the price of once: a process that has everything loaded forks one for each line it reads."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRESS = re.compile(r"^delever: \w+( [\d,]+ of [\d,]+)?, \d+ s\n", re.MULTILINE)  # every few seconds


class Forks:
    """The process, for as long as a `with` block; one command at a time, in a working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pid = folder, 0

    def __enter__(self) -> Forks:
        self.server = subprocess.Popen([sys.executable, __file__], cwd=self.folder, bufsize=0, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env={**os.environ, "DELEVER_CHECKED": ""})
        return self

    def __exit__(self, *raised: object) -> None:
        self.server.stdin.close()  # type: ignore[union-attr]
        self.server.wait()
        self.server.stdout.close()  # type: ignore[union-attr]

    def start(self, *typed: str) -> int:
        """Start `delever` with these words; its number."""
        self.server.stdin.write(json.dumps(typed).encode() + b"\n")  # type: ignore[union-attr]
        self.pid = int(self.server.stdout.readline())  # type: ignore[union-attr]
        return self.pid

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not select.select([self.server.stdout], [], [], 0)[0]

    def wait(self, what: Any = lambda: False) -> bool:
        """Until something is so; False: it ended before."""
        while self.running():
            if what():
                return True
            time.sleep(0.001)
        return False

    def end(self) -> tuple[int, str]:
        """Its exit code once it has ended, negative for a signal; and what it said on stderr, but for how far it is."""
        code = int(self.server.stdout.readline())  # type: ignore[union-attr]
        return code, PROGRESS.sub("", (self.folder / "stderr").read_text())


def serve() -> None:
    """In the process."""
    from delever.cli.main import main
    from delever.cli.options import load_world
    from delever.run.stress import stress

    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have it ignored
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stress(load_world("first", {"scenario.paths": "1", "scenario.horizon": "7 h"}), keep=False)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            for name, number in ((os.devnull, 0), (os.devnull, 1), ("stderr", 2)):
                os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
            sys.argv = ["delever", *json.loads(line)]
            code: Any = 1
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
            sys.stderr.flush()
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
