"""What every result can do in a notebook: a short text, its main table as HTML, and as a pandas frame."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from delever.model.errors import InputError

if TYPE_CHECKING:
    import pandas

ROWS = 40  # that are shown
LONGEST = 60  # characters of a cell


class Result:
    """A result whose `main` table says most of it."""

    @property
    def main(self) -> pa.Table:
        """The table that is shown and becomes a frame."""
        raise NotImplementedError

    def to_pandas(self) -> pandas.DataFrame:
        """The main table as a pandas frame; other tables are Arrow, and have a `to_pandas` of their own."""
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise InputError("pandas is not installed", f"{type(self).__name__}.to_pandas", None,
                             'pip install "delever[notebook]", or use the Arrow tables') from None
        return self.main.to_pandas()

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
