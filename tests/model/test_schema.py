"""The schema table says of every field what a user needs to write it."""

from __future__ import annotations

from delever.model.schema import schema_rows

from .conftest import Pool


def test_every_field_of_the_model_has_a_meaning() -> None:
    assert [f"{row.spec}.{row.field}" for row in schema_rows() if not row.meaning] == []


def test_every_number_of_the_model_has_a_unit() -> None:
    assert [f"{row.spec}.{row.field}" for row in schema_rows() if row.type.startswith("number") and not row.unit] == []


def test_a_row_says_type_unit_and_default() -> None:
    rows = {(row.spec, row.field): row[2:5] for row in schema_rows()}
    assert rows["Scenario", "horizon"] == ("number", "s", "required")
    assert rows["Funding", "cap"] == ("number", "share of 1", "required")
    assert rows["Execution", "mode"] == ("sequential | batched", "", "sequential")
    assert rows["Scenario", "events"] == ("list of mechanism", "", "[]")
    assert rows["World", "as_of"] == ("instant", "UTC", "required")
    assert rows["World", "execution"] == ("Execution", "", "mode: sequential, rounds: 1")


def test_required_choices_have_no_default() -> None:
    required = {(row.spec, row.field) for row in schema_rows() if row.default == "required"}
    assert required >= {("World", "as_of"), ("Scenario", "horizon"), ("Scenario", "seed"), ("Scenario", "step")}


def test_a_mechanism_is_listed_under_its_kind() -> None:
    row = schema_rows([Pool])[1]
    assert (row.spec, row.field, row.type, row.unit) == ("pool", "half_life", "number or null", "s")
