"""Of what kind each input is: as stated, else by rule, and never silently."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import delever as dl
from delever.analysis.origins import origins
from delever.model.errors import InputError
from delever.run.store import MADE
from delever.run.stress import open_run, stress
from run.small import fall, loan, one_market


def test_what_is_stated_is_said_and_what_is_not_goes_by_rule() -> None:
    world = one_market(loan("a", 1.0, 100.0), scenario={"events": [fall(0.1)]}, ages={"book:pool": "2023-12-31T00:00:00Z"},
                       inputs={"book:pool": {"how": "estimated", "source": "a survey", "label": "Loans"},
                               "survey:own": {"how": "measured"}})
    found = {row["input"]: row for row in origins(world).to_pylist()}
    assert found["book:pool"] | {"as_of": None} == {"input": "book:pool", "what": "Loans", "kind": "estimated",
                                                    "source": "a survey", "as_of": None, "age": 86_400.0}
    assert {key: row["kind"] for key, row in found.items()} == {
        "book:pool": "estimated", "parameters:pool": "not stated", "actor:liquidators": "assumed", "execution": "assumed",
        "prices": "scenario", "events": "scenario", "survey:own": "measured"}


def test_a_parameter_set_that_the_catalog_cites_is_measured() -> None:
    found = {row["input"]: row for row in origins(dl.load(dl.example("first"), set={
        "protocols.aave.parameters": "aave-v3-ethereum-2023-06"}).replace("inputs", {})).to_pylist()}
    assert (found["parameters:aave"]["kind"], found["parameters:aave"]["source"]) == (
        "measured", "catalog, aave-v3-ethereum-2023-06")


@pytest.mark.parametrize(("inputs", "said"), [
    ({"book:pol": {"how": "measured"}}, r"inputs\.book:pol: unknown book: 'pol'; did you mean pool\?"),
    ({"book:pool": {"how": "guessed"}}, r"inputs\.book:pool\.how is 'guessed'; choose one of measured, estimated, assumed"),
    ({"book:pool": {}}, r"inputs\.book:pool\.how is missing")])
def test_what_is_stated_wrongly_is_one_line(inputs: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        one_market(loan("a", 1.0, 100.0), inputs=inputs)


def test_a_run_remembers_its_command_and_how_long_it_took(tmp_path: Path) -> None:
    run = stress(dl.load(dl.example("first"), set={"scenario.paths": 1, "scenario.horizon": "7 h"}), tmp_path / "run")
    made = open_run(tmp_path / "run").manifest[MADE]
    assert made == run.manifest[MADE] and made["seconds"] > 0.0 and re.match(r"\d{4}-\d\d-\d\dT", made["begun"])
    assert made["command"] == "delever.stress(world)"
