"""How much is worked out beside a run: counted in what the run's own paths took, not in seconds, so that it is the same anywhere.

    work of a path = steps + CHECK x exact health checks on it                                                  [path-steps]
    work of a chunk = CHUNK x steps + that of its paths: a step costs by itself, and paths beside each other share that
    allowed = largest of SHARE x the run's work and LEAST
What is rerun without somebody is taken to need as many checks as the run did.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from delever.analysis.samples import chunks
from delever.run.assemble import Model
from delever.run.stress import Run
from delever.run.work import LARGEST

# estimates, from CPU times of chunks of 1 to 64 paths of the embedded world, aave_steth and aave_and_perps: a step of a chunk
# takes 70 to 150 us, each path of it 0.5 to 2 us more, a check 0.2 us
CHUNK, CHECK = 128.0, 0.2
SHARE, LEAST = 0.5, 1e7  # path-steps; some ten seconds
SAMPLE = 50  # paths at most


def path_work(model: Model, paths: pa.Table) -> np.ndarray:
    """Work of each path of a table of paths, beside others."""
    checks: np.ndarray = paths["health_checks"].to_numpy()
    return model.steps + CHECK * checks


def chunk_work(model: Model, work: np.ndarray, first: int, last: int) -> float:
    """Work of paths first .. last - 1, as samples play them. work: of each path."""
    return len(chunks(model, first, last)) * CHUNK * model.steps + float(work[first:last].sum())


def spans(model: Model, work: np.ndarray, paths: np.ndarray) -> list[tuple[int, int]]:
    """(first, last + 1) of what is played to have these paths: those between two of them with them, where that costs less than a
    chunk more. paths: ascending; work: of each path, from path 0 on."""
    if not len(paths):
        return []
    up_to = np.concatenate([[0.0], np.cumsum(work)])
    between = up_to[paths[1:]] - up_to[paths[:-1] + 1]
    parts = np.split(paths, np.flatnonzero(between > CHUNK * model.steps) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]


class Budget:
    """What a run allows. path: work of each of its paths; whole: of the run; allowed: beside it [path-steps]."""

    def __init__(self, run: Run) -> None:
        self.model, self.path = run.model, path_work(run.model, run.paths)
        self.whole = float(self.path.sum()) + -(-len(self.path) // LARGEST) * CHUNK * run.model.steps
        self.allowed = max(SHARE * self.whole, LEAST)

    @property
    def most(self) -> int:
        """Paths that are played at most."""
        return min(SAMPLE, len(self.path))

    def work(self, first: int, last: int) -> float:
        """Of playing paths first .. last - 1 again."""
        return chunk_work(self.model, self.path, first, last)

    def first(self, share: float = 1.0) -> int:
        """How many of the first paths may be played for a share of what is allowed; one at least."""
        fit = (n for n in range(self.most, 1, -1) if self.work(0, n) <= share * self.allowed)
        return next(fit, 1)

    def rerun(self, paths: np.ndarray) -> float:
        """Work of playing these again."""
        return sum(self.work(*span) for span in spans(self.model, self.path, paths))

    def shared(self, spent: float, count: int, differ: Sequence[np.ndarray]) -> tuple[int, int]:
        """(paths, owners) that fit: as many of the first `count` paths as leave room for everybody, on one path as many as do.

        spent: so far; differ: ascending paths that are played again without each. One owner at least.
        """
        def each(paths: int) -> np.ndarray:
            return spent + np.cumsum([self.rerun(found[found < paths]) for found in differ])

        fit = (paths for paths in range(count, 0, -1) if not len(differ) or each(paths)[-1] <= self.allowed)
        paths = next(fit, 0)
        return (paths, len(differ)) if paths else (1, max(1, int((each(1) <= self.allowed).sum())))
