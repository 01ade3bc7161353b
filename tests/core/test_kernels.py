"""Kernels: one signature each, arrays of another type refused, and a cache that knows what a kernel is made of."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from delever.core import jit
from delever.core.jit import Kernel, kernel

TESTS = Path(__file__).resolve().parents[1]
DECORATORS = {"kernel", "helper", "laid_in"}


class Table(NamedTuple):
    """What kernels are mostly called with."""

    units: np.ndarray


def total(table: Table, more: np.ndarray, count: int) -> float:
    """Sum of the first rows of two columns."""
    found = 0.0
    for i in range(count):
        found += table.units[i] + more[i]
    return found


# --- signatures ----------------------------------------------------------------------------------------------


def signatures() -> list[str]:
    """Kernels that a few small worlds call, of both modes and with every layer of a waterfall: how often compiled, name.

    The smallest comes first, since one row of anything is contiguous whatever it was cut from.
    """
    from delever.run.stress import stress
    from run.exchange_small import exchange
    from run.small import everything, fall, loan, one_market

    smallest = one_market(loan("a", 1.0, 800.0), scenario={"events": [fall(0.1)]})
    for world in (smallest, everything("sequential", paths=2), everything("batched", paths=2), exchange(paths=1),
                  exchange(lending=True, paths=2)):
        stress(world, keep=False, trace=[0], threads=1)
    found = {id(held): held for name, module in list(sys.modules.items()) if name.startswith("delever.")
             for held in vars(module).values() if isinstance(held, Kernel)}
    return [f"{len(held.dispatcher.overloads)} {held.__module__}.{held.__name__}" for held in found.values() if held.dispatcher]


def fresh(code: str, **env: str) -> str:
    """What a process of its own prints."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path, **env}, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_kernel_has_one_signature_whatever_the_world() -> None:
    """What is not of the first call's types is refused, so the second would not be compiled but missed."""
    lines = fresh("from core.test_kernels import signatures; print('\\n'.join(signatures()))",
                  DELEVER_CHECKED="1").splitlines()
    times = {line.split()[1]: int(line.split()[0]) for line in lines}
    assert {name: count for name, count in times.items() if count > 1} == {}
    assert sum(times.values()) > 30  # they were called


def compiled(checked: bool, monkeypatch: pytest.MonkeyPatch) -> Callable[[Table, np.ndarray, int], float]:
    """A kernel of its own in one mode, called once as it should be."""
    monkeypatch.setattr(jit, "CHECKED", checked)
    summed = kernel(total)
    assert summed(Table(np.ones(4)), np.ones(4), 3) == 6.0
    assert summed(Table(np.ones(5)), np.zeros(7), 5) == 5.0
    return summed


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("wrong", [np.int64, np.float32, np.bool_, object])
@pytest.mark.parametrize("in_a_tuple", [True, False])
def test_an_array_of_another_type_is_refused(wrong: type, in_a_tuple: bool, checked: bool, monkeypatch: pytest.MonkeyPatch
                                             ) -> None:
    """An entry point of its own accord refuses another width only: eight bytes of an integer are a float to it."""
    summed, right, other = compiled(checked, monkeypatch), np.ones(4), np.ones(4, wrong)
    for _ in range(2):
        with pytest.raises(TypeError, match=rf"argument {int(not in_a_tuple)} of .*total is .* was .*float64"):
            summed(*((Table(other), right) if in_a_tuple else (Table(right), other)), 4)
    assert summed(Table(right), right, 4) == 8.0  # nothing was compiled for the other type


@pytest.mark.parametrize("kept", [True, False], ids=["its array lives on", "all of it is gone"])
def test_a_table_at_the_address_of_one_that_is_gone_is_looked_at(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    summed, right, other = compiled(False, monkeypatch), np.ones(4), np.ones(4, np.int64)
    for _ in range(200):  # a freed tuple's place is the next one's
        table = Table(right if kept else np.ones(4))
        summed(table, right, 4)
        del table
        with pytest.raises(TypeError, match="argument 0"):
            summed(Table(other), right, 4)


def test_what_guards_hold_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    summed, units = compiled(False, monkeypatch), np.ones(4)
    before = sys.getrefcount(units)
    summed(Table(units), units, 4)
    assert sys.getrefcount(units) > before
    jit.forget()
    assert sys.getrefcount(units) == before


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("wrong", [[1.0] * 4, (np.ones(4),), 1.0], ids=["list", "tuple", "number"])
def test_what_is_no_table_and_no_array_is_refused(wrong: object, checked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    summed, right = compiled(checked, monkeypatch), np.ones(4)
    for table, more in ((wrong, right), (Table(right), wrong)):
        with pytest.raises((TypeError, AttributeError)):
            summed(table, more, 4)  # type: ignore[arg-type]


def read_only() -> np.ndarray:
    """Four ones that must not be written."""
    ones = np.ones(4)
    ones.flags.writeable = False
    return ones


@pytest.mark.parametrize("wrong", [np.ones(8)[::2], np.ones((4, 4)), read_only()], ids=["strided", "square", "read-only"])
@pytest.mark.parametrize("in_a_tuple", [True, False])
def test_checked_calls_refuse_another_layout(wrong: np.ndarray, in_a_tuple: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    summed, right = compiled(True, monkeypatch), np.ones(4)
    with pytest.raises(TypeError, match=r"total is .*, and was .* when the kernel was compiled"):
        summed(*((Table(wrong), right) if in_a_tuple else (Table(right), wrong)), 4)


def test_checked_calls_refuse_a_fraction_where_a_count_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be cut down to a whole number. NumPy's whole numbers are welcome."""
    summed, right = compiled(True, monkeypatch), np.ones(4)
    assert summed(Table(right), right, np.int64(2)) == 4.0
    with pytest.raises(TypeError, match="argument 2"):
        summed(Table(right), right, 2.5)  # type: ignore[arg-type]


def test_a_table_is_unpacked_once_and_seen_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    summed, table, right = compiled(False, monkeypatch), Table(np.ones(4)), np.ones(4)
    made: list[int] = []
    monkeypatch.setattr(jit, "holder", lambda kind, holder=jit.holder: lambda given: (made.append(1), holder(kind)(given))[1])
    assert [summed(table, right, 4), summed(table, right, 4)] == [8.0, 8.0]
    table.units[:] = 2.0
    assert summed(table, right, 4) == 12.0
    assert len(made) == 1


def test_a_kernel_called_by_threads_with_tables_of_their_own_reads_each_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    summed, right = compiled(False, monkeypatch), np.zeros(4)

    def sums(k: int) -> set[float]:
        table = Table(np.full(4, float(k)))
        return {summed(table, right, 4) for _ in range(3000)}

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(sums, range(8))) == [{4.0 * k} for k in range(8)]


# --- who allocates -------------------------------------------------------------------------------------------


def doubled(units: np.ndarray) -> np.ndarray:
    """Makes an array."""
    return units * 2.0


def tripled(units: np.ndarray) -> np.ndarray:
    """Will be marked."""
    return units * 3.0


def handed_back(units: np.ndarray) -> np.ndarray:
    """Makes none, but hands one out."""
    return units


def test_a_kernel_that_makes_an_array_says_so() -> None:
    for function in (doubled, handed_back):
        with pytest.raises(Exception, match=r"doubled|handed_back returns an array: mark it"):
            kernel(function)(np.ones(4))
    assert kernel(jit.allocates(tripled))(np.ones(4)).tolist() == [3.0] * 4


def test_who_calls_what_allocates_says_so_too() -> None:
    """Nobody frees what a kernel that does not count is handed."""
    marked, called = set(), {}
    for path in modules():
        for function in filter(decorated, ast.parse(path.read_text(encoding="utf-8")).body):
            assert isinstance(function, ast.FunctionDef)
            if any(isinstance(mark, ast.Name) and mark.id == "allocates" for mark in function.decorator_list):
                marked.add(function.name)
            called[f"{path.stem}.{function.name}"] = {node.func.id for node in ast.walk(function) if isinstance(node, ast.Call)
                                                      and isinstance(node.func, ast.Name)}
    helpers = {"fill_queue", "fill_pro_rata", "choose"}
    assert helpers <= marked
    assert {name.split(".")[1] for name, names in called.items() if names & helpers} <= marked


def test_the_tests_check_every_call() -> None:
    assert jit.CHECKED


# --- what a kernel is made of --------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package, on which the cache's keys are computed."""
    copy = tmp_path / "delever"
    shutil.copytree(jit.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "PACKAGE", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    """Keys are computed once a process."""
    jit.imports_of.cache_clear()
    jit.cache_dir.cache_clear()


def moved(package: Path, touched: str) -> set[str]:
    """Modules whose kernels get another folder when a comment is added to one file."""
    modules = [path for path in package.rglob("*.py") if has_kernels(path)]
    before = {path: jit.cache_dir(path) for path in modules}
    with (package / touched).open("a", encoding="utf-8") as file:
        file.write("# a remark\n")
    forget()
    return {path.relative_to(package).as_posix() for path in modules if jit.cache_dir(path) != before[path]}


def has_kernels(path: Path) -> bool:
    """Whether something is compiled in a file."""
    return any(decorated(node) for node in ast.parse(path.read_text(encoding="utf-8")).body)


def decorated(node: ast.AST) -> bool:
    """A function that is compiled."""
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(mark, ast.Name) and mark.id in DECORATORS for mark in node.decorator_list)


def test_who_touches_a_mechanism_compiles_that_mechanism(package: Path) -> None:
    assert moved(package, "protocols/pro_rata.py") == {"protocols/pro_rata.py"}
    assert moved(package, "waterfall/adl.py") == {"waterfall/adl.py"}
    assert "engine/boundary.py" not in moved(package, "venues/stableswap.py")


def test_a_file_that_is_imported_at_a_distance_counts(package: Path) -> None:
    """mine.py -> core/near.py -> core/far.py, which imports near.py in turn."""
    mine = "from delever.core.jit import kernel\nfrom delever.core import (\n    near,\n)\n\n@kernel\ndef f():\n    near.g()\n"
    (package / "protocols/mine.py").write_text(mine, encoding="utf-8")
    (package / "core/near.py").write_text("import delever.core.far\n", encoding="utf-8")
    (package / "core/far.py").write_text("from delever.core.near import g\n", encoding="utf-8")
    for touched in ("core/far.py", "core/near.py", "protocols/mine.py"):
        assert moved(package, touched) == {"protocols/mine.py"}
    there = moved(package, "core/profile.py")
    assert {"core/profile.py", "core/market.py", "engine/trade.py"} <= there
    assert "protocols/mine.py" not in there


def test_what_lays_nothing_into_a_kernel_does_not_count(package: Path) -> None:
    for touched in ("report/__init__.py", "model/world.py", "analysis/walls.py", "cli/main.py"):
        assert moved(package, touched) == set()


@pytest.mark.parametrize(("text", "found"), [
    ("from delever.core.tables import (\n    CASH,\n    DEBTS,\n)\n", {"core/tables.py", "core/__init__.py"}),
    ("from delever.engine import boundary, step\n", {"engine/__init__.py", "engine/boundary.py", "engine/step.py"}),
    ("from delever.engine import (\n    boundary,\n    step as steps,\n)\n",
     {"engine/__init__.py", "engine/boundary.py", "engine/step.py"}),
    ("import delever.core.adl\n", {"core/adl.py", "core/__init__.py"}),
    ("def late():\n    from delever.core import adl\n", {"core/adl.py", "core/__init__.py"}),
    ("import numpy as np\nfrom delevered.core import adl\n", set())])
def test_every_form_of_an_import_is_followed(text: str, found: set[str], package: Path) -> None:
    (package / "new.py").write_text(text, encoding="utf-8")
    # A package's own file matters where a name is taken from it, and is harmless where not.
    assert {path.relative_to(package).as_posix() for path in jit.imports_of(package / "new.py")} | {
        name for name in found if name.endswith("__init__.py")} == found


def modules() -> list[Path]:
    """Files of ours that can be laid into kernels."""
    return [path for path in sorted(jit.PACKAGE.rglob("*.py")) if path.parent != jit.PACKAGE
            and path.relative_to(jit.PACKAGE).parts[0] not in jit.NO_KERNELS]


def test_no_import_of_any_module_is_missed() -> None:
    """Beside Python's own parser."""
    assert len(modules()) > 60
    for path in modules():
        named: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: the cache's key does not see relative imports"
                named |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
        bases = [jit.PACKAGE.parent / name.replace(".", "/") for name in named if name.startswith("delever.")]
        files = {file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py") if file.exists()}
        assert files <= jit.imports_of(path), path


def test_nothing_outside_of_the_key_is_laid_into_a_kernel() -> None:
    """A constant of a spec's module would be frozen into compiled code that does not know when it changes."""
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        foreign = {alias.asname or alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                   for alias in node.names if (node.module or "").startswith("delever.")
                   and (node.module or "").split(".")[1] in jit.NO_KERNELS}
        for function in filter(decorated, tree.body):
            used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            assert not used & foreign.keys(), f"{path}: {function.name}"
