"""What is true of every mechanism, whatever its role; the file of a role adds what is true of those of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq

from conformance.house import HOOKS, PATHS, docstring, example, played, whole, world_with
from delever import worlds
from delever.core.phase import Kind, Phase, grouped
from delever.engine.conservation import LIMIT
from delever.model.schema import schema_rows
from delever.run.assemble import assemble
from delever.run.chunk import simulate
from delever.run.store import Store
from delever.run.stress import stress
from run.small import bits


class EveryMechanism:
    """Claims about the mechanisms of a role."""

    role: ClassVar[str]

    def test_it_says_in_a_sentence_what_it_does_and_where_that_is_from(self, kind: str) -> None:
        spec = worlds.kinds(self.role)[kind]
        text = docstring(spec)
        assert re.match(r"\S.*[.:]", text), "the docstring of the file begins with a sentence"
        assert "Source" in text or "assumption" in text.lower(), "it says its source, or that it is an assumption"
        assert spec.__doc__, "the spec says what it states"

    def test_every_field_says_what_it_means(self, kind: str) -> None:
        for row in schema_rows([worlds.kinds(self.role)[kind]]):
            assert len(row.meaning.split()) >= 2, f"{row.field} needs a description: a unit or a plain meaning"

    def test_it_can_be_made_from_the_examples_of_its_fields(self, kind: str) -> None:
        spec = worlds.kinds(self.role)[kind]
        made = example(spec)
        assert made.kind == kind
        assert spec(**made.fields()) == made, "what is kept is what may be stated"

    def test_value_is_conserved_in_every_step(self, kind: str) -> None:
        assert whole(self.role, kind)[1] < LIMIT

    def test_no_bit_depends_on_the_chunk(self, kind: str) -> None:
        assert played(self.role, kind, 1)[0] == whole(self.role, kind)[0]

    def test_a_run_that_was_stopped_ends_as_one_that_was_not(self, kind: str, tmp_path: Path) -> None:
        world = world_with(self.role, kind)
        run = stress(world, tmp_path / "whole", threads=1, chunk=PATHS)
        identity = {key: run.manifest[key] for key in ("world_hash", "inputs", "program", "trace")}
        with Store(tmp_path / "half", identity) as store:
            store.open()
            store.add(simulate(assemble(world), 0, 1, []))
        stress(world, tmp_path / "half", threads=1)
        tables = [bits(pq.read_table(tmp_path / run / "paths.parquet")) for run in ("whole", "half")]
        assert tables[0] == tables[1]


class WithPhase(EveryMechanism):
    """Claims about roles whose mechanisms act through core/phase.Phase."""

    def phase(self, kind: str, times: int = 1) -> tuple[Any, int]:
        """The phase of the kind in the small world, and how many there are."""
        world = world_with(self.role, kind, times)
        spec = worlds.kinds(self.role)[kind]
        setting = assemble(world).setting(1)
        mine = {name: made for name, made in self.members(world).items() if type(made) is spec}
        owners = grouped(mine)
        return owners[0][0].phase(owners[0][1], setting), len(owners)

    def members(self, world: Any) -> dict[str, Any]:
        """The mechanisms of the role by name."""
        return dict(getattr(world, self.role))

    def test_one_phase_serves_all_of_the_kind(self, kind: str) -> None:
        phase, families = self.phase(kind)
        assert families == 1
        assert isinstance(phase, Phase)

    def test_it_overrides_no_hook_that_the_step_does_not_call(self, kind: str) -> None:
        hooks = [name for name in vars(Phase) if not name.startswith("_") and callable(getattr(Phase, name))]
        phase, _ = self.phase(kind)
        mine = {name for name in hooks if getattr(type(phase), name) is not getattr(Phase, name)}
        assert mine - HOOKS[self.role] == set(), f"of {self.role} the step calls {', '.join(sorted(HOOKS[self.role]))}"

    def test_its_kinds_of_transaction_say_name_gas_and_turn(self, kind: str) -> None:
        kinds = self.phase(kind)[0].kinds()
        for made in kinds:
            assert isinstance(made, Kind)
            assert re.fullmatch(r"[a-z][a-z_]*", made.name)
            assert made.gas >= 0.0
            assert made.turn in range(4)
        assert len({made.name for made in kinds}) == len(kinds)

    def test_what_it_counts_has_a_unit_and_a_meaning(self, kind: str) -> None:
        for column in self.phase(kind)[0].counters:
            assert re.fullmatch(r"[a-z][a-z_0-9]*", column.name)
            assert column.unit
            assert len(column.meaning.split()) >= 2
