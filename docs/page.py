"""Runs the examples of docs/mechanisms.md, each in the page's world: value is conserved, and something changes.

    python docs/page.py [example ...]      such as oracles/capped.py; without a name, all
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

PAGE = Path(__file__).resolve().parent / "mechanisms.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
POSITIONS = """account,instrument,size,entry_price,margin_mode,collateral
long,ETH-PERP,500,2000,cross,70000
short,ETH-PERP,-500,2000,cross,400000
"""


class Example(NamedTuple):
    """A file of the page, and what the block behind it changes in the page's world."""

    file: str
    text: str
    change: dict[str, Any]


class Page(NamedTuple):
    """What the page holds."""

    world: dict[str, Any]
    book: str
    examples: list[Example]


def read(page: Path = PAGE) -> Page:
    """Its first yaml block is the world, its first text block the book; a python block begins with `# file: ROLE/KIND.py`."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    world = next(yaml.safe_load(text) for language, text in blocks if language == "yaml")
    book = next(text for language, text in blocks if language == "text")
    examples = []
    for (language, text), (behind, change) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        named = re.match(r"# file: (\w+/\w+\.py)\n", text)
        if language != "python" or named is None:
            continue
        if behind != "yaml":
            raise ValueError(f"{named[1]}: no yaml block says how a world uses it")
        examples.append(Example(named[1], text[named.end():], yaml.safe_load(change)))
    return Page(world, book, examples)


def laid_over(world: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The world with a change: blocks are merged, lists added, mechanisms of another kind put in their place."""
    out = copy.deepcopy(dict(world))
    for key, value in change.items():
        before = out.get(key)
        if isinstance(before, dict) and isinstance(value, dict) and value.get("kind") == before.get("kind"):
            out[key] = laid_over(before, value)
        else:
            out[key] = before + value if isinstance(before, list) and isinstance(value, list) else value
    return out


def without(change: Any, kind: str) -> Any:
    """The change less the mechanisms of a kind."""
    def is_it(value: Any) -> bool:
        return value == kind or (isinstance(value, dict) and value.get("kind") == kind)

    if isinstance(change, dict):
        return {key: without(value, kind) for key, value in change.items() if not is_it(value)}
    return [without(value, kind) for value in change if not is_it(value)] if isinstance(change, list) else change


def laid_out(page: Page, folder: Path) -> None:
    """The files of the page in their roles' folders, and the books of its worlds; what stands there already is left."""
    files = {example.file: example.text for example in page.examples} | {"book.csv": page.book, "positions.csv": POSITIONS}
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def played(world: Mapping[str, Any], folder: Path, chunk: int) -> list[bytes]:
    """What each path of a world ends with; an error where value is not conserved after some step."""
    from delever import worlds
    from delever.core.tables import SLOTS
    from delever.engine.conservation import LIMIT, residual
    from delever.engine.step import step
    from delever.run.assemble import assemble, phases
    from delever.run.collect import collect, mechanisms_of
    from delever.run.start import new_state

    for protocol in (stated := copy.deepcopy(dict(world)))["protocols"].values():
        protocol["book"] = str(folder / protocol["book"])
    model, ends = assemble(worlds.load(stated)), []
    for first in range(0, model.world.scenario.paths, chunk):
        paths = min(chunk, model.world.scenario.paths - first)
        acting = phases(model, paths, ())
        state = new_state(model, first, paths, acting)
        for _ in range(model.steps):
            step(acting, state)
            worst = float(residual(state, int(state.watch.counts[SLOTS])).max())
            if not worst < LIMIT:
                raise RuntimeError(f"step {state.step}: {worst:g} of an asset's turnover is not accounted for")
        collect(mechanisms_of(acting), state)
        tables = (state.ledgers.tokens, state.ledgers.booked, state.markets.price, state.feeds.answer)
        ends += [b"".join(table[..., p].tobytes() for table in tables) for p in range(paths)]
    return ends


def run(names: list[str]) -> list[str]:
    """Plays these examples, or all; a line each, with a hash of how it ends. The first that fails raises."""
    from delever.core.jit import cache_root
    from delever.model.errors import InputError

    page, lines, folder = read(), [], cache_root() / "page"  # the same place each time, so that kernels are found compiled
    laid_out(page, folder)
    os.environ["DELEVER_MECHANISMS"] = str(folder)
    for example in page.examples:
        if names and example.file not in names:
            continue
        world = laid_over(page.world, example.change)
        ends = played(world, folder, 3)
        if ends != played(world, folder, 1):
            raise RuntimeError(f"{example.file}: paths end otherwise one at a time than together")
        try:
            plain = played(laid_over(page.world, without(example.change, Path(example.file).stem)), folder, 3)
        except InputError:  # nothing stands in its place
            plain = played(page.world, folder, 3)
        if [end for end in ends if end in plain]:
            raise RuntimeError(f"{example.file}: a path ends as without it")
        digest = hashlib.sha256(b"".join(ends)).hexdigest()[:16]
        lines.append(f"{example.file}: {len(example.text.splitlines())} lines, ends {digest}")
    return lines


if __name__ == "__main__":
    print("\n".join(run(sys.argv[1:])))
