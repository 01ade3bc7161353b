"""The fuzzer's command: see the package."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import shutil
import sys
import time
import warnings
from random import Random
from typing import Any, NamedTuple

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # most calls end before a kernel is needed
os.environ["DELEVER_DATA"] = ""

from tests.fuzz.corpus import FOLDER
from tests.fuzz.judge import LONGEST, Finding, judged
from tests.fuzz.targets import TARGETS

CHANGES = (1, 1, 1, 2, 3, 5)  # of one input
MEMORY = 16 * 2**30  # address space [bytes]; what asks for more is a finding
SHOWN = 3000  # characters of an input


class Case(NamedTuple):
    """One call: the input it starts from, its changes and its choices, each by a seed."""

    target: str
    base: int
    changes: tuple[int, ...]
    choices: int

    def value(self) -> Any:
        """The input."""
        target = TARGETS[self.target]
        value = target.bases[self.base]
        for seed in self.changes:
            try:
                value = target.change(value, Random(seed))
            except (RecursionError, OverflowError):  # nested so deep, or so large, that nothing more can be changed
                break
        return value

    def run(self) -> Finding | None:
        """What is wrong with the call; None: nothing."""
        value = self.value()
        return judged(lambda: TARGETS[self.target].call(value, Random(self.choices)))

    def smaller(self, finding: Finding) -> Case:
        """The same finding with as few changes as there can be."""
        for at in range(len(self.changes)):
            fewer = self._replace(changes=self.changes[:at] + self.changes[at + 1 :])
            found = fewer.run()
            if found is not None and found.place == finding.place:
                return fewer.smaller(found)
        return self


def case_of(seed: int, number: int, only: list[str]) -> Case:
    """The call of a number: the same whatever came before it."""
    rng = Random(f"{seed}:{number}")
    names = only or list(TARGETS)
    name = rng.choices(names, [TARGETS[one].share for one in names])[0]
    changes = tuple(rng.randrange(2**32) for _ in range(rng.choice(CHANGES)))
    return Case(name, rng.randrange(len(TARGETS[name].bases)), changes, rng.randrange(2**32))


def main() -> int:
    """Calls until there are enough, or the time is up; the findings, each once."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--calls", type=int, default=200_000)
    options.add_argument("--seconds", type=float, default=float("inf"), help="at most so long")
    options.add_argument("--first", type=int, default=0, help="number of the first call: where a finding says")
    options.add_argument("--only", nargs="*", default=[], choices=list(TARGETS))
    given = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    begin, done, slowest = time.monotonic(), 0, 0.0
    found: dict[str, tuple[int, Case, Finding]] = {}
    for number in range(given.first, given.first + given.calls):
        if time.monotonic() - begin > given.seconds:
            break
        faulthandler.dump_traceback_later(10 * LONGEST, exit=True)  # what no alarm ends: it waits, or never comes back to Python
        start = time.process_time()
        case = case_of(given.seed, number, given.only)
        finding = case.run()
        done, slowest = done + 1, max(slowest, time.process_time() - start)
        if finding is not None and finding.place not in found:
            case = case.smaller(finding)
            found[finding.place] = (number, case, finding)
            print(shown(given.seed, number, case, finding, given.only), file=sys.stderr, flush=True)
    faulthandler.cancel_dump_traceback_later()
    shutil.rmtree(FOLDER, ignore_errors=True)
    took = time.monotonic() - begin
    print(json.dumps({"seed": given.seed, "calls": done, "seconds": round(took, 1), "calls_per_second": round(done / took, 1),
                      "slowest_s": round(slowest, 2), "findings": len(found)}))
    return 1 if found else 0


def shown(seed: int, number: int, case: Case, finding: Finding, only: list[str]) -> str:
    """A finding, and how to see it again."""
    again = f"--seed {seed} --first {number} --calls 1" + (f" --only {' '.join(only)}" if only else "")
    return f"\n{finding.what}\n  at {finding.place}; {case.target}, {again}\n  of {str(case.value())[:SHOWN]!r}"


if __name__ == "__main__":
    sys.exit(main())
