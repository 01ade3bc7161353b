"""What every result can do in a notebook: a short text, its main table as HTML and as a frame of pandas or polars, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from delever.model.errors import InputError

if TYPE_CHECKING:
    import altair
    import pandas
    import polars

ROWS = 40  # that are shown
LONGEST = 60  # characters of a cell


class Result:
    """A result whose `main` table says most of it."""

    pictured: ClassVar[int] = 0  # figures that a picture of it may be asked for

    @property
    def main(self) -> pa.Table:
        """The table that is shown and becomes a frame."""
        raise NotImplementedError

    def to_pandas(self) -> pandas.DataFrame:
        """The main table as a pandas frame; other tables are Arrow, and have a `to_pandas` of their own."""
        self._needs("pandas", "to_pandas")
        return self.main.to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The main table as a polars frame; `polars.from_arrow` takes the other tables."""
        return self._needs("polars", "to_polars").from_arrow(self.main)

    def plot(self, *figures: str) -> altair.TopLevelMixin:
        """What it is about as an Altair chart, which a notebook shows. figures: to show, instead of the main ones."""
        if len(figures) > self.pictured:
            most = f"{self.pictured or 'no'} figure{'s' * (self.pictured > 1)}"
            raise InputError(f"shows {most} by name", f"{type(self).__name__}.plot", ", ".join(figures), "name fewer")
        return self._chart(self._needs("altair", "plot"), figures)

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """Its picture. alt: the module altair. InputError: it has none of this kind."""
        raise InputError("has no picture in a notebook", f"{type(self).__name__}.plot", None,
                         "its command draws one with --chart FILE.svg; `.main` is its table")

    def _needs(self, package: str, method: str) -> Any:
        """An optional package."""
        try:
            return import_module(package)
        except ImportError:
            raise InputError(f"{package} is not installed", f"{type(self).__name__}.{method}", None,
                             'pip install "delever[notebook]", or use the Arrow tables') from None

    def _repr_html_(self) -> str:
        """For notebooks: the short text above the main table."""
        table = self.main
        units = [((field.metadata or {}).get(b"unit") or b"").decode() for field in table.schema]
        heads = "".join(f"<th>{escape(field.name)}{f' [{escape(unit)}]' if unit not in ('', '1') else ''}</th>"
                        for field, unit in zip(table.schema, units, strict=True))
        rows = "".join(f"<tr>{''.join(_cell(value) for value in row.values())}</tr>" for row in table.slice(0, ROWS).to_pylist())
        more = f"<p>and {table.num_rows - ROWS:,} rows more</p>" if table.num_rows > ROWS else ""
        return f"<p>{escape(repr(self))}</p><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _cell(value: Any) -> str:
    """Numbers to six digits, flush right; long texts are cut, with the whole of it as a hint."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td style="text-align:right">{value:,.6g}</td>'
    text = "" if value is None else str(value)
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return f'<td title="{escape(text)}">{escape(short)}</td>' if short != text else f"<td>{escape(text)}</td>"
