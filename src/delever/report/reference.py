"""What the documentation's reference has, by name: kinds of every role, specs, fields, figures and columns.

Figures and columns are those that stand as constants in the mechanisms' own files, and those of the layers of a waterfall. Names
that depend on a world, such as those of terms that follow something, stand in the schema of a run's tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from delever.catalog.days import DAYS, IN, SOURCES, Day, find
from delever.core.columns import ASSET, BASE, OF, QUOTE, Column, Figure
from delever.model.errors import InputError, nearest
from delever.model.finding import CODES
from delever.model.schema import MODEL, Row, schema_rows
from delever.model.spec import Spec
from delever.report.document import Remark, Remarks, Report, Section, column, table_of
from delever.report.glossary import CALLED, meaning_of
from delever.report.glossary import WORDS as PRINTED
from delever.run.collect import in_words
from delever.run.measures import MEASURES, known_as, measures_named
from delever.waterfall.base import LayerPhase, served_columns
from delever.worlds import ROLES, kinds

if TYPE_CHECKING:
    from types import ModuleType

REDUCED = {"mean": "mean over paths", "quantile": "quantile over paths", "tail_mean": "mean of the worst paths",
           "entropic": "entropic value at risk", "share_above": "share of paths above a level",
           "yearly_share_above": "share of paths above a level, made yearly",
           "share_where": "share of paths on which it happened", "mean_where": "mean over the paths on which it happened",
           "mean_positive": "mean over the paths with more than nothing",
           "median_where": "median over the paths on which it happened", "largest": "largest on any path"}


# What stands for names that depend on a world.
WORDS = {OF: "the protocol, market or asset", ASSET: "units of the asset", BASE: "units of the base asset",
         QUOTE: "units of the quote asset"}


WORD_OF_DAYS = "days"
SAID_OF_DAYS = ("From the day's start, UTC: its open, or the last sample before midnight. A shock by the name of a day "
                "takes assets to their lows, since liquidations look at the worst moment. That is deeper than any moment was: "
                "lows came at different times, each on one venue (assumption).")


class Kind(NamedTuple):
    """A spec and where it stands."""

    role: str  # empty: the model's own
    name: str
    spec: type[Spec]


class Known(NamedTuple):
    """A figure, and the column that it is of."""

    figure: Figure
    column: Column


def every_kind() -> list[Kind]:
    """The model's own specs, then every kind of every role."""
    own = [Kind("", spec.__name__, spec) for spec in MODEL]
    return own + [Kind(role, name, spec) for role in ROLES for name, spec in kinds(role).items()]


def declared_columns() -> list[Column]:
    """Columns of results, by name: constants of modules, and what layers of a waterfall bore."""
    import delever.run.stress  # noqa: F401  (with it all that a run is made of)

    every_kind()  # imports all mechanisms
    found: dict[str, Column] = {}
    for module in sorted((name for name in sys.modules if name.startswith("delever.")), key=str):
        for one in _columns_of(sys.modules[module]):
            if one.name not in found or len(one.figures) > len(found[one.name].figures):
                found[one.name] = in_words(one, WORDS)
    return [found[name] for name in sorted(found)]


def _columns_of(module: ModuleType) -> Iterator[Column]:
    for held in list(vars(module).values()):
        if isinstance(held, type) and issubclass(held, LayerPhase) and held.serves is not None:
            yield from served_columns(held.serves)
        several: Iterable[Any] = held.values() if isinstance(held, dict) else held if type(held) is tuple else (held,)
        yield from (one for one in several if isinstance(one, Column))


def figures() -> dict[str, Known]:
    """Every figure by name."""
    return {figure.name: Known(figure, one) for one in declared_columns() for figure in one.figures}


def explain(name: str = "") -> Report:
    """All that there is under a name; without one, what names there are."""
    if not name.strip():
        return _contents()
    sections = list(_found(name.strip()))
    if not sections:
        raise InputError("no such kind, field or figure", "explain", name, _near(name.strip()))
    return Report(name.strip(), tuple(sections))


def _found(name: str) -> Iterator[Section | Remarks]:
    word, (first, _, rest) = name.casefold(), name.casefold().partition(".")
    if (printed := meaning_of(name)) is not None:
        yield Remarks(printed[0], (Remark("", printed[1]),))
    if word == WORD_OF_DAYS:
        yield _days()
    elif (day := find(name)) is not None:
        yield _day(day)
    kinds_of = every_kind()
    for kind in kinds_of:
        if word in (kind.name.casefold(), f"{kind.role}.{kind.name}".casefold()):
            yield from _kind(kind)
    if word in ROLES:
        yield _role(word)
    fields = [(kind, row) for kind in kinds_of for row in schema_rows([kind.spec])
              if row.field.casefold() == word or (row.field.casefold() == rest and kind.name.casefold() == first)
              or f"{kind.role}.{kind.name}.{row.field}".casefold() == word]
    if fields:
        yield _fields(f"Fields named {name}", [row for _, row in fields], [_of(kind) for kind, _ in fields])
    yield from _figures(word if word in labels_of(figures()) else word.replace(" ", "_"))
    yield from _measures(word)
    if word in CODES:
        yield Remarks(f"Code {word} of findings", (Remark("", CODES[word]),))


def _days() -> Section:
    coins = ("BTC", "ETH")
    lows = [column(f"{coin} to its low", [day.moves[coin].low for day in DAYS], "share") for coin in coins]
    closes = [column(f"{coin} to the close", [day.moves[coin].close for day in DAYS], "share") for coin in coins]
    return Section("Days by name, for shocks", table_of(
        column("day", [str(day.date) for day in DAYS]), column("called", [", ".join(day.names) for day in DAYS]), *lows, *closes,
        column("assets", [", ".join(day.moves) for day in DAYS])), (SAID_OF_DAYS,), under="assets")


def _day(day: Day) -> Section:
    moves = day.moves
    return Section(str(day), table_of(
        column("asset", list(moves)), column("priced in", [IN.get(asset, "USD") for asset in moves]),
        column("to its low", [move.low for move in moves.values()], "share"),
        column("to the close", [move.close for move in moves.values()], "share"),
        column("source", [SOURCES[move.cited] for move in moves.values()])), (SAID_OF_DAYS,), under="source")


def _of(kind: Kind) -> str:
    return f"{kind.role}: {kind.name}" if kind.role else kind.name


def _kind(kind: Kind) -> Iterator[Section | Remarks]:
    lines = [line.strip() for line in (kind.spec.__doc__ or "").strip().splitlines() if line.strip()]
    module = (sys.modules[kind.spec.__module__].__doc__ or "").strip() if kind.role else ""
    yield Remarks(_of(kind), tuple(Remark("", line) for line in [*module.splitlines(), "", *lines] if line.strip()))
    yield _fields("Fields", schema_rows([kind.spec]))


def _fields(heading: str, rows: list[Row], of: list[str] | None = None) -> Section:
    columns = [] if of is None else [column("of", of)]
    columns += [column("field", [row.field for row in rows]), column("type", [row.type for row in rows]),
                column("kept in", [row.unit for row in rows]), column("default", [row.default for row in rows]),
                column("range", [row.range for row in rows]), column("example", [row.example for row in rows]),
                column("meaning", [row.meaning for row in rows])]
    return Section(heading, table_of(*columns), under="meaning", keys=1)


def _role(role: str) -> Section:
    found = kinds(role)
    return Section(f"Kinds of {role}", table_of(column("kind", list(found)), column("what it is", [
        (spec.__doc__ or "").strip().split("\n")[0] for spec in found.values()])), under="what it is")


def _figures(word: str) -> Iterator[Section]:
    known, base = figures(), word.partition(".")[0]
    name = base if base in known else labels_of(known).get(word)
    if name is not None:
        figure, of = known[name]
        rows = [("definition", figure.meaning), ("unit", figure.unit or of.unit),
                ("how", _how(figure)),
                ("of the column", f"{of.name}: {of.meaning}"), ("heading", of.section), ("called", figure.label or name)]
        rows += [("known as", f"{one.called} of {one.who}") for one in known_as(name)]
        yield _told(f"Figure {name}", rows)
    for one in declared_columns():
        if one.name == base:
            rows = [("meaning", one.meaning), ("unit", one.unit), ("figures", ", ".join(f.name for f in one.figures) or "none"),
                    ("over protocols", one.over or "each by itself")]
            yield _told(f"Column {one.name} of results", rows)


def labels_of(known: Mapping[str, Known]) -> dict[str, str]:
    """Names of figures by what reports call them."""
    return {one.figure.label.casefold(): name for name, one in known.items() if one.figure.label}


def _measures(word: str) -> Iterator[Section]:
    """What others publish under that name, or somebody of that name."""
    known = figures()
    for one in measures_named(word):
        figure, of = known[one.figure]
        yield _told(f"{one.called} of {one.who}", [
            ("they define", one.meant), ("horizon", one.horizon), ("used", one.since),
            ("figure of a run", f"{one.figure}: {figure.label or one.figure.replace('_', ' ')}"), ("how", _how(figure)),
            ("of the column", of.name), ("unit", figure.unit or of.unit), ("differs", one.differs)])


def _told(heading: str, rows: Sequence[tuple[str, str]]) -> Section:
    """Rows of what is said about something."""
    return Section(heading, table_of(column("what", [row[0] for row in rows]), column("said", [row[1] for row in rows])))


def _how(figure: Figure) -> str:
    return REDUCED[figure.reduce] + (f", level {figure.level:g}" if figure.level else "")


def _names() -> list[str]:
    every = every_kind()
    return sorted({WORD_OF_DAYS, *(kind.name for kind in every), *ROLES, *CODES, *figures(),
                   *(one.name for one in declared_columns()), *PRINTED, *CALLED,
                   *(name.casefold() for one in MEASURES for name in (one.who, one.called)),
                   *(row.field for kind in every for row in schema_rows([kind.spec]))})


def _near(name: str) -> str:
    return nearest(name, _names())


def _contents() -> Report:
    """Roles with their kinds, specs, figures."""
    named = [("specs", ", ".join(spec.__name__ for spec in MODEL)), *((role, ", ".join(kinds(role))) for role in ROLES)]
    known = figures()
    return Report("What can be explained", (
        Section("Kinds by role", table_of(column("role", [row[0] for row in named]), column("kinds", [row[1] for row in named]))),
        Section("Figures", table_of(column("figure", sorted(known)), column("unit of it", [
            known[name].figure.unit or known[name].column.unit for name in sorted(known)]),
            column("definition", [known[name].figure.meaning for name in sorted(known)])), under="definition"),
        Section("Words of tables", table_of(column("word", list(PRINTED)), column("meaning", list(PRINTED.values()))),
                under="meaning"),
        Section("Codes of findings", table_of(column("code", list(CODES)), column("meaning", list(CODES.values())))),
        Section("Measures of others", table_of(
            column("who", [one.who for one in MEASURES]), column("measure", [one.called for one in MEASURES]),
            column("figure", [one.figure for one in MEASURES]), column("they define", [one.meant for one in MEASURES])),
            under="they define", keys=2),
    ), ("delever explain KIND, ROLE.KIND, FIELD, KIND.FIELD, FIGURE, CODE, WORD or MEASURE (gauntlet, psl); days "
        "that a shock may name: delever explain days",))


def reference_json(name: str) -> dict[str, Any]:
    """The same for machines: sections in their order, a line of text as a row with `text` alone."""
    report = explain(name)
    return {"name": report.title, "found": [{"heading": section.heading, "rows": [
        {key.replace(" ", "_"): value for key, value in row.items()} for row in section.table.to_pylist()]
        if isinstance(section, Section) else [{"text": item.text} for item in section.items]} for section in report.sections]}
