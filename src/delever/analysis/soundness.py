"""Is this world sound? What one should know before believing a run of it, each with a remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from delever.analysis.book_findings import (
    BookView,
    accounts_found,
    caps_found,
    exchanges_found,
    markets_found,
    parameters_found,
    prices_found,
)
from delever.analysis.inputs import inputs, inputs_table
from delever.analysis.limit_terms import terms_found, terms_of
from delever.analysis.margins import MarginBook, margin_bands, open_positions
from delever.analysis.reproduction import bands, reproduction
from delever.analysis.seen_prices import prices_table, seen_prices
from delever.analysis.valuation import health, legs_of
from delever.analysis.world_findings import actors_found, inputs_found
from delever.core.jit import interpreted
from delever.ingest.own_names import alike_found
from delever.model.finding import as_finding, warnings
from delever.model.world import World
from delever.run.asked import asked_table, findings_of, findings_table, notes_found, stated
from delever.run.assemble import assemble, phases
from delever.run.plots import by_health
from delever.run.result import Result


@dataclass(frozen=True, repr=False)
class Check(Result):
    """What there is to know about a world before it is run.

    findings: level, code, what, where, value, remedy, worst first. asked: what is stated, and what of it is used (run/asked.py).
    prices: who sees which price. inputs: how old each is. health: how many accounts' legs give back the totals and health
    factors that their source reports. accounts: the book by health. Of margin exchanges, without rows where there are none:
    positions: open positions by perp; margins: accounts by equity over maintenance margin.
    """

    findings: pa.Table
    asked: pa.Table
    prices: pa.Table
    inputs: pa.Table
    health: pa.Table
    accounts: pa.Table
    positions: pa.Table
    margins: pa.Table

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.findings

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: the book's debt by health."""
        return by_health(alt, self.accounts)

    def __repr__(self) -> str:
        levels = self.findings["level"].to_pylist() if self.findings.num_rows else []
        found = ", ".join(f"{levels.count(level)} {level}" for level in dict.fromkeys(levels)) or "nothing found"
        return f"Check: {found}; {self.prices.num_rows} prices seen, {self.inputs.num_rows} inputs"


def check(world: World) -> Check:
    """Read everything that the world names and look at it. What cannot be read, or run, at all raises InputError."""
    model = assemble(world)
    with interpreted(len(model.positions.accounts)):
        phases(model, 1, [])
    seen, ages = seen_prices(model), inputs(world)
    legs = legs_of(model)
    at_start = health(legs, model.seen_price())
    book = BookView(model, legs, at_start)
    margin_book = MarginBook(model)
    standing = margin_book.at(model.seen_price())
    used = stated(model)
    people = {*model.positions.accounts, *model.positions.owners}
    found = [*accounts_found(book), *map(as_finding, alike_found(people, "protocols")),
             *exchanges_found(margin_book, standing), *prices_found(book, seen), *markets_found(book),
             *actors_found(world), *findings_of(world, used), *parameters_found(world, book), *caps_found(world, book),
             *warnings([*terms_found(terms_of(model, legs, depth=False))]), *inputs_found(world, ages),
             *notes_found(model.source.notes)]
    return Check(findings_table(found), asked_table(used), prices_table(seen), inputs_table(ages), reproduction(model),
                 bands(model, legs, at_start), open_positions(margin_book, standing), margin_bands(margin_book, standing))
