"""Why a figure changed: parts add up exactly, what did not change has none, and what cannot be replayed is the model's."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from delever.analysis.adding_up import chain, quanta, quantum, shapley, share_out
from delever.analysis.change import Change, change
from delever.analysis.hybrids import GROUPS, group_of, hybrid
from delever.model.errors import InputError
from delever.model.world import World
from delever.report.change import change_chart, change_json, change_report
from delever.run.store import MANIFEST, describe, fingerprint, read_manifest, write_manifest
from delever.run.stress import stress
from delever.worlds import load
from run.small import book, fall, loan, one_market

FIGURE = "repaid_debt"
EVENTS = {"events": [fall(0.1)], "paths": 5, "prices": {"kind": "lognormal", "volatility": {"ETH": 2.0}}}
OTHER = {"prices": ("assets.ETH.price", 950.0), "parameters": ("protocols.pool.parameters.ETH.liquidation_threshold", 0.8),
         "positions": ("protocols.pool.book", book([*loan("a", 10.0, 8300.0), *loan("b", 9.0, 6000.0)])),
         "scenario": ("scenario.events", [fall(0.15)])}


@cache
def first() -> World:
    return one_market([*loan("a", 10.0, 8000.0), *loan("b", 10.0, 6500.0)], scenario=EVENTS)


def second(*groups: str) -> World:
    world = first()
    for group in groups:
        world = world.replace(*OTHER[group])
    return world


def parts(found: Change, figure: str = FIGURE) -> dict[str, float]:
    return {row["part"]: row["change"] for row in found.table.to_pylist() if row["figure"] == figure}


@pytest.mark.parametrize("method", ["sequential", "shapley"])
def test_parts_add_up_exactly_in_any_order(method: Any) -> None:
    found = change(first(), second("prices", "positions", "parameters"), FIGURE, method, threads=1)
    rows = found.table.to_pylist()
    difference = Fraction(rows[-1]["after"]) - Fraction(rows[0]["before"])
    assert difference != 0 and sum(Fraction(row["change"]) for row in rows) == difference
    for order in permutations(row["change"] for row in rows):
        total = 0.0
        for size in order:
            total += size
        assert Fraction(total) == difference
    assert all(row["before"] + row["change"] == row["after"] for row in rows)
    ends = [stress(world, keep=False, threads=1).summary.to_pylist() for world in (first(), second("prices", "positions",
                                                                                                   "parameters"))]
    values = [next(row["value"] for row in end if row["figure"] == FIGURE) for end in ends]
    assert (rows[0]["before"], rows[-1]["after"]) == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize("group", GROUPS)
def test_what_changed_in_one_group_alone_is_that_groups(group: str) -> None:
    found = change(first(), second(group), FIGURE, threads=1)
    assert found.worlds == 2 and {row["group"] for row in found.settings.to_pylist()} == {group}
    size = parts(found).pop(group)
    assert size != 0.0 and all(value == 0.0 for name, value in parts(found).items() if name != group)


def test_the_same_worlds_give_zeros() -> None:
    found = change(first(), second(), threads=1)
    assert found.worlds == 1 and not found.settings.num_rows
    assert set(found.table["change"].to_pylist()) == set(found.table["low"].to_pylist()) == {0.0}


def test_another_order_gives_other_parts_and_the_mean_of_orders_lies_between() -> None:
    worlds = first(), second("prices", "parameters")
    one, other = (parts(change(*worlds, FIGURE, order=order, threads=1)) for order in (GROUPS, GROUPS[::-1]))
    mean = parts(change(*worlds, FIGURE, "shapley", threads=1))
    for group in ("prices", "parameters"):
        assert mean[group] == pytest.approx((one[group] + other[group]) / 2.0, rel=1e-9)


def test_a_mixture_takes_books_from_the_one_and_rules_from_the_other() -> None:
    world = second("positions", "parameters")
    mixed = hybrid(first(), world, ["positions"]).protocols["pool"]
    assert mixed.book is world.protocols["pool"].book and mixed.parameters == first().protocols["pool"].parameters
    assert group_of("protocols.pool.book", first(), world) == "positions"
    assert group_of("protocols.pool.parameters.ETH.incentive", first(), world) == "parameters"


def test_a_protocol_that_only_one_has_comes_with_the_positions() -> None:
    loans = book(loan("c", 10.0, 8000.0), "more")
    more = {**describe(first().protocols["pool"]), "book": loans}
    world = load({**{key: getattr(first(), key) for key in ("as_of", "assets", "actors")}, "scenario": first().scenario,
                  "protocols": {"pool": first().protocols["pool"], "more": more}})
    found = change(first(), world, "accounts_liquidated", threads=1)
    assert parts(found, "accounts_liquidated")["positions"] > 0.0
    assert [name for name, size in parts(found, "accounts_liquidated").items() if size] == ["positions"]


def test_runs_in_folders_are_read_and_files_of_one_name_with_other_content_are_positions(tmp_path: Path) -> None:
    rows = "account,asset,side,amount\na,ETH,collateral,10\na,USD,debt,{debt}\n"
    text = json.dumps({**describe(first()), "protocols": {"pool": {**describe(first().protocols["pool"]), "book": "book.csv"}}})
    runs = []
    for name, debt in (("monday", 8000), ("tuesday", 8300)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "world.yaml").write_text(text)
        (folder / "book.csv").write_text(rows.format(debt=debt))
        runs.append(stress(load(folder), out=folder / "run", threads=1).folder)
    found = change(str(runs[0]), str(runs[1]), FIGURE, threads=1)
    assert [name for name, size in parts(found).items() if size] == ["positions"]
    json.dumps(change_json(found))
    assert "positions" in change_report(found).markdown() and change_chart(found).startswith("<svg")


def test_what_another_program_says_is_the_models_part(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    (folder / "book.csv").write_text("account,asset,side,amount\na,ETH,collateral,10\na,USD,debt,8000\n")
    stated = {**describe(first()), "protocols": {"pool": {**describe(first().protocols["pool"]), "book": "book.csv"}}}
    (folder / "world.yaml").write_text(json.dumps(stated))
    old = load(folder)
    run = stress(old.replace(*OTHER["scenario"]), out=tmp_path / "run", threads=1)  # as an older program would have played it
    manifest = read_manifest(tmp_path / "run")
    described = describe(old)
    write_manifest(tmp_path / "run", {**manifest, "program": "0" * 16, "world": described, "world_hash": fingerprint(described)})
    assert (tmp_path / "run" / MANIFEST).exists()
    found = change(str(tmp_path / "run"), old.replace(*OTHER["prices"]), FIGURE, threads=1)
    now = stress(old, keep=False, threads=1)
    values = [next(row["value"] for row in one.summary.to_pylist() if row["figure"] == FIGURE) for one in (run, now)]
    assert parts(found)["model"] == pytest.approx(values[1] - values[0], rel=1e-9) and parts(found)["model"] != 0.0
    assert parts(found)["prices"] != 0.0 and parts(found)["scenario"] == 0.0


def test_what_is_asked_wrongly_is_said_in_a_line() -> None:
    for given in ({"figure": "bad_dept"}, {"method": "fair"}, {"order": ("prices",)}):
        with pytest.raises(InputError):
            change(first(), second("prices"), threads=1, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_random_values_are_shared_out_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    values = {frozenset(k for k in range(n) if number >> k & 1): float(rng.normal() * 10.0 ** rng.uniform(-9, 9))
              for number in range(2**n)}
    one = quantum(list(values.values()))
    whole = {key: quanta(value, one) for key, value in values.items()}
    largest = max(abs(value) for value in values.values())
    assert all(abs(whole[key] * one - value) <= 1e-14 * largest for key, value in values.items())
    for weights in (chain(n), shapley(n)):
        shared = share_out(weights, whole)
        total = whole[frozenset(range(n))] - whole[frozenset()]
        assert sum(shared) == total and sum(size * one for size in shared) == total * one
        assert all(sum(of.values()) == 1 for of in weights)
