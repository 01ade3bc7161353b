"""YAML from outside: aliases and nesting have an end, nothing stands twice, what a tag cannot make is a line."""

from __future__ import annotations

import pytest

from delever.model.errors import InputError
from delever.model.yaml_text import DEEPEST, parse


def laughs(levels: int, open_: str, close: str) -> str:
    """Each level is ten of the one before: 10 ** levels values."""
    lines = [f"a0: &a0 {open_}{', '.join(['k: 1' if open_ == '{' else '1'] * 1)}{close}"]
    for n in range(1, levels + 1):
        items = [f"k{i}: *a{n - 1}" if open_ == "{" else f"*a{n - 1}" for i in range(10)]
        lines.append(f"a{n}: &a{n} {open_}{', '.join(items)}{close}")
    return "\n".join(lines)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_aliases_that_unfold_without_end_are_refused_and_few_are_not(brackets: str) -> None:
    assert len(parse(laughs(3, *brackets))["a3"]) == 10
    with pytest.raises(InputError, match=r"w, line \d+, column \d+ is not YAML: 'it unfolds into more than 1,000,000 values'"):
        parse(laughs(9, *brackets), "w")


def test_nesting_has_an_end() -> None:
    assert parse("[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1))
    for text in ("[" * 5000, "{a: " * 5000, "[" * DEEPEST + "1" + "]" * DEEPEST):
        with pytest.raises(InputError, match=f"more than {DEEPEST} blocks stand within each other"):
            parse(text)


@pytest.mark.parametrize(("text", "line"), [
    ("a: &a [*a]", "a stands inside of what it means"),
    ("a: {b: 1, b: 2}", "b stands twice"),
    ("? [1]\n: 2", "a key must be a name"),
    ("x" * 201 + ": 1", "a name of 201 characters, where 200 are the most"),
    ("a: !!float mark", "it is no float"),
    ("a: !!int ''", "it is no int"),
    ("a: !!bool maybe", "it is no bool"),
    ("a: 0000-01-01", "it is no timestamp"),
    ("a: 2024-13-45", "it is no timestamp"),
    ("a: " + "9" * 5000, "it is no int"),
    ("a: !!python/object:os.system x", "could not determine a constructor"),
])
def test_what_yaml_cannot_mean_is_a_line_with_its_place(text: str, line: str) -> None:
    with pytest.raises(InputError, match=r"^w, line 1, column \d+ is not YAML: ") as caught:
        parse(text, "w")
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_meant_stays() -> None:
    assert parse("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}
