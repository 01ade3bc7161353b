"""Few arguments: what is passed on together is a group of core/tables.py, not one table after another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import delever

SOURCE = Path(delever.__file__).resolve().parent
MOST = 12
COMPILED = {"kernel", "helper", "laid_in"}


def compiled() -> Iterator[tuple[str, int]]:
    """("file function", number of arguments) of every compiled function."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and COMPILED & {ast.unparse(mark) for mark in node.decorator_list}:
                a = node.args
                assert a.vararg is None and a.kwarg is None, node.name
                yield f"{path.relative_to(SOURCE).as_posix()} {node.name}", len(a.posonlyargs + a.args + a.kwonlyargs)


def test_no_kernel_takes_more_than_twelve_arguments() -> None:
    many = {name: count for name, count in compiled() if count > MOST}
    assert many == {}
