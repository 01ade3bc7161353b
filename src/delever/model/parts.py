"""What checks need to know of a world and its protocols; the specs themselves need the checks, and so stand above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from .book import Book
from .parameters import Parameters
from .references import HasAssets
from .scenario import Scenario
from .spec import Spec


class ProtocolParts(Protocol):
    """A protocol, as its checks see it."""

    @property
    def rules(self) -> Spec: ...
    @property
    def parameters(self) -> str | Mapping[str, Parameters]: ...
    @property
    def book(self) -> str | Book: ...
    @property
    def unit(self) -> str: ...
    @property
    def waterfall(self) -> Sequence[Spec]: ...
    @property
    def funding(self) -> Any: ...


class WorldParts(HasAssets, Protocol):
    """A world, as its checks see it."""

    @property
    def protocols(self) -> Mapping[str, ProtocolParts]: ...
    @property
    def feeds(self) -> Mapping[str, Spec]: ...
    @property
    def oracles(self) -> Mapping[str, Mapping[str, str]]: ...
    @property
    def venues(self) -> Mapping[str, Spec]: ...
    @property
    def networks(self) -> Mapping[str, Spec]: ...
    @property
    def actors(self) -> Mapping[str, Spec]: ...
    @property
    def policies(self) -> Mapping[str, Spec]: ...
    @property
    def scenario(self) -> Scenario: ...
    @property
    def ages(self) -> Mapping[str, datetime]: ...
