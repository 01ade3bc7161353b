"""The base of everything a user states: frozen, no unknown fields, errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from delever.ingest.numbers import fault, limits

from .errors import InputError, near, nearest, show
from .replace import fields_of, put

# Unknown names first: a misspelt field is also a missing one, and the spelling is the remedy.
FIRST = {"extra_forbidden": 0, "missing": 1}


class Spec(BaseModel):
    """A frozen statement of the user; subclasses add fields, each with a unit and a description.

    `kind` is the name of a mechanism in YAML, the name of its file too; empty for specs that are no mechanism.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)
    kind: ClassVar[str] = ""

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise explain(error, type(self)) from None

    @model_validator(mode="before")
    @classmethod
    def _empty_block(cls, values: Any) -> Any:
        """A key with nothing behind it (`networks:`) is an empty block where the field is a collection."""
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if value is not None or not _is_collection(cls, key)}

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        """Numbers without a unit; those with one look themselves (quantity.py)."""
        for name in self.model_fields_set:
            for path, number in _numbers(getattr(self, name), (name,)):
                wrong = fault(number)
                if wrong is not None:
                    raise InputError(wrong, path=path, value=number, remedy=limits())
        return self

    def fields(self) -> dict[str, Any]:
        """Field name -> value, specs left as they are."""
        return fields_of(self)

    def replace(self, path: str, value: Any) -> Self:
        """The same spec with the value at a dotted path changed, and checked again."""
        changed: Self = put(self, path, value)
        return changed


def _numbers(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    """The numbers of a field, also in its lists and tables; of what is a spec that one has looked."""
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, (dict, tuple)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(inner, (*path, key))


def _is_collection(spec: type[BaseModel], name: str) -> bool:
    info = spec.model_fields.get(name)
    default = info.get_default(call_default_factory=True, validated_data={}) if info is not None else None
    return isinstance(default, (dict, tuple))


def explain(error: ValidationError, spec: type[BaseModel]) -> InputError:
    """pydantic's error as one line; of several the first, misspelt names before all others."""
    details = error.errors(include_url=False)
    missing = [detail for detail in details if detail["type"] == "missing" and len(detail["loc"]) == 1]
    if len(missing) > 1 and len(missing) == len([detail for detail in details if FIRST.get(detail["type"], 2) < 2]):
        return _all_missing([str(detail["loc"][0]) for detail in missing], spec)
    first = min(details, key=lambda detail: FIRST.get(detail["type"], 2))
    return _convert(first, spec)


def _all_missing(names: list[str], spec: type[BaseModel]) -> InputError:
    """Every field that is missing, at once."""
    written = "; ".join(_how_to_write(name, spec.model_fields.get(name)).removeprefix("write ") for name in names)
    return InputError(f"misses {', '.join(names[:-1])} and {names[-1]}", spec.__name__, remedy=f"write {written}")


def _convert(detail: ErrorDetails, spec: type[BaseModel]) -> InputError:
    path = tuple(detail["loc"])
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return cause.at(spec.__name__, *path)
    name = str(path[-1]) if path else ""
    value = detail["input"]
    kind = detail["type"]
    rule = detail["msg"].removeprefix("Value error, ")
    what = f"is {show(value)}" if value is not None else "is null"
    remedy = rule.replace("Input should", "it must")
    if kind == "extra_forbidden":
        what, value, path = "unknown field", name, path[:-1]
        remedy = nearest(name, spec.model_fields)
    elif kind == "missing":
        what, value = "is missing", None
        remedy = _how_to_write(name, spec.model_fields.get(name))
    elif kind == "literal_error":
        known = _choices(spec.model_fields.get(name))
        found = near(str(value), known)
        what = f"is {value!r}"
        remedy = (f"did you mean {found}? " if found else "") + f"choose one of {', '.join(known)}"
    elif kind in ("model_type", "dict_type", "mapping_type"):
        what, remedy = "must be a block of `field: value` lines", "see the schema in the documentation"
    elif kind == "is_instance_of":
        what, remedy = "must be a mechanism", "in YAML {kind: NAME, ...}, in Python its spec"
    elif kind == "too_short":
        what, value, remedy = "is empty", None, "it needs at least one entry"
    elif kind == "finite_number":
        what = "is NaN or infinite"
    return InputError(what, spec.__name__, value, remedy, path=path)


def _how_to_write(name: str, info: FieldInfo | None) -> str:
    """`write seed: 7 (number that every random draw follows from)`."""
    if info is None:
        return ""
    example = info.examples[0] if info.examples else "..."
    return f"write `{name}: {example}`" + (f" ({info.description})" if info.description else "")


def _choices(info: FieldInfo | None) -> list[str]:
    """The values of a Literal field."""
    return [str(value) for value in getattr(info.annotation, "__args__", ())] if info is not None else []
