"""YAML from outside: nothing twice, nothing nested without end, no alias that unfolds into more than a file may hold.

The YAML of a file and that of a text on the command line are read by the same loader.
"""

from __future__ import annotations

from typing import Any

import yaml

from .errors import InputError

DEEPEST = 50  # blocks within each other; assumption: no world has more than 9
MOST_VALUES = 1_000_000  # of a text with its aliases unfolded; assumption
MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`, under which a block stands whose fields are taken over
LONGEST_NAME = 200  # characters of a key; assumption: no longer than a file's name may be


class _Loader(yaml.SafeLoader):
    """Counts what it reads, and what aliases would unfold into."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.values = 0
        self.unfolded: dict[str, int] = {}  # anchor -> values behind it

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        anchor, before = getattr(event, "anchor", None), self.values
        is_alias = isinstance(event, yaml.AliasEvent)
        self.depth += 1
        self.values += self.unfolded.get(str(anchor), 1) if is_alias else 1
        for wrong, problem in (
                (is_alias and anchor in self.anchors and anchor not in self.unfolded, f"{anchor} stands inside of what it means"),
                (self.depth > DEEPEST, f"more than {DEEPEST} blocks stand within each other"),
                (self.values > MOST_VALUES, f"it unfolds into more than {MOST_VALUES:,} values")):
            if wrong:
                raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        if anchor is not None and not is_alias:
            self.unfolded[anchor] = self.values - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """What a tag cannot make of a text is an error of YAML: `!!float mark`, the year 0, a number of 5000 digits."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            tag = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(None, None, f"it is no {tag}", node.start_mark) from None


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    """A key that stands twice is an error: the first of two would be lost in silence."""
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (dict, list, set)):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key_node.start_mark)
        if len(str(key)) > LONGEST_NAME:
            problem = f"a name of {len(str(key))} characters, where {LONGEST_NAME} are the most"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key} stands twice", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse(text: str, where: str = "") -> Any:
    """What a text says; `where` names it in errors."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark is not None and where else where
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise InputError("is not YAML", place, problem, "check indentation, colons and quotes there") from None
