"""The house: what is true of the package as a whole."""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import delever

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "delever"


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_import_delever_loads_no_compiler_and_nothing_heavy() -> None:
    heavy = ("numba", "numpy", "pyarrow", "duckdb", "pydantic", "rich", "yaml")
    assert python(f"import sys, delever; print([m for m in {heavy} if m in sys.modules])") == "[]"


def test_specs_load_without_numba() -> None:
    assert python("import sys, delever; delever.World; print('numba' in sys.modules)") == "False"


def cpu_of_children() -> float:
    """Seconds of the processor that ended children took: what others do on the machine is not in them."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    command = [sys.executable, "-m", "delever", "--help"]
    best = float("inf")
    for _ in range(5):  # the best of five: the machine may be busy
        start = cpu_of_children()
        subprocess.run(command, check=True, capture_output=True)
        best = min(best, cpu_of_children() - start)
    assert best < 0.3


@pytest.mark.parametrize("name", delever.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(delever, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="banana"):
        delever.banana  # noqa: B018


def test_the_lock_has_hashes_for_every_package_and_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert not re.search(r"://|--index|--extra-index|--find-links| @ ", text)
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert len(entries) > 30
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_lock_holds_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    direct = [*project["dependencies"], *extras["test"], *extras["docs"]]
    wanted = {re.split(r"[<>=]", name)[0].lower() for name in direct}
    locked = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert wanted - locked == set()


def test_every_module_says_what_it_is() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCE.rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_only_one_file_imports_numba() -> None:
    """One decorator: one set of compiler flags and one cache."""
    importing = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"^\s*(import|from) numba", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["core/compiler.py"]


def test_kernels_use_only_arithmetic_that_is_the_same_everywhere() -> None:
    """No power and no exp or log of the C library inside a compiled function: their last bit differs by machine."""
    forbidden = {"exp", "log", "log2", "log10", "log1p", "expm1", "pow", "sin", "cos"}
    found = []
    for path in SOURCE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef) or not _is_compiled(function):
                continue
            for node in ast.walk(function):
                power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not _is_constant(node)
                call = isinstance(node, ast.Attribute) and node.attr in forbidden
                if power or call:
                    found.append(f"{path.relative_to(SOURCE)}:{node.lineno} in {function.name}")
    assert found == []


def _is_constant(node: ast.BinOp) -> bool:
    """2.0**-53 is folded before it runs."""
    return not any(isinstance(part, ast.Name) for part in ast.walk(node))


def _is_compiled(function: ast.FunctionDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id in {"kernel", "helper"} for mark in function.decorator_list)


def test_the_package_ships_its_world_and_its_types() -> None:
    assert (SOURCE / "py.typed").is_file()
    assert (SOURCE / "examples" / "first" / "book.csv").is_file()


def test_no_module_imports_what_imports_it() -> None:
    """Imports for types and imports inside of functions count: what needs each other cannot be read alone."""
    arrows = {name_of(path): imports_of(path) for path in SOURCE.rglob("*.py")}
    reached = {name: reach(name, arrows) for name in arrows}
    circles = {frozenset(other for other in found if name in reached[other]) | {name}
               for name, found in reached.items() if name in found}
    assert [sorted(circle) for circle in circles] == []


def name_of(path: Path) -> str:
    """A module's name."""
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Modules of ours that a file imports anywhere; a package only stands for what it says itself."""
    package, found = name_of(path).split(".") if path.name == "__init__.py" else name_of(path).split(".")[:-1], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[:len(package) - node.level + 1], *([node.module] if node.module else [])]) \
                if node.level else str(node.module)
            inner = {f"{base}.{alias.name}" for alias in node.names}
            modules = {name for name in inner if (SOURCE.parent / (name.replace(".", "/") + ".py")).exists()}
            found |= modules if len(modules) == len(inner) else modules | {base}
    return {name for name in found if name.startswith("delever.")}


def reach(start: str, arrows: dict[str, set[str]]) -> set[str]:
    """Modules that one gets to."""
    found: set[str] = set()
    todo = list(arrows[start])
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += arrows.get(name, set())
    return found
