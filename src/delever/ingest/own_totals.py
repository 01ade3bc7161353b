"""A book's totals beside those that its owner knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from delever.ingest.own_cells import number
from delever.model.errors import InputError, nearest


@dataclass(frozen=True)
class Reconciled:
    """One total: what was given, what the book has."""

    name: str
    given: float
    found: float
    rounding: float = 0.0  # difference that is none

    @property
    def apart(self) -> float:
        """Difference, share of what was given."""
        if abs(self.found - self.given) <= self.rounding:
            return 0.0
        return abs(self.found - self.given) / abs(self.given) if self.given else abs(self.found)


def totals_of(table: pa.Table) -> dict[str, float]:
    """Totals by name: accounts, rows; collateral, debt, long and short in units, of one asset as `collateral.ETH`."""
    out = {"accounts": float(len(set(table["account"].to_pylist()))), "rows": float(table.num_rows)}
    if "side" in table.column_names:
        parts = [
            (side, table["asset"], pc.if_else(pc.equal(table["side"], side), table["amount"], 0.0))
            for side in ("collateral", "debt")
        ]
    else:
        size = pc.fill_null(table["size"], 0.0)
        held = table["collateral_asset"] if "collateral_asset" in table.column_names else pa.array(["USD"] * table.num_rows)
        parts = [
            ("collateral", held, table["collateral"]),
            ("long", table["instrument"], pc.max_element_wise(size, 0.0)),
            ("short", table["instrument"], pc.negate(pc.min_element_wise(size, 0.0))),
        ]
    for side, names, units in parts:
        for name, value in zip(names.to_pylist(), units.to_pylist(), strict=True):
            if value:
                key = f"{side}.{name or 'USD'}"
                out[key] = out.get(key, 0.0) + value
    for side, _, _ in parts:
        of = [value for key, value in out.items() if key.startswith(f"{side}.")]
        if len(of) < 2:
            out[side] = sum(of)
    return out


def beside(table: pa.Table, given: Mapping[str, str]) -> list[Reconciled]:
    """Each total given beside the book's."""
    known = totals_of(table)
    out = []
    for name, text in given.items():
        wanted = number(text, f"--total {name}")
        if name not in known:
            several = sorted(key for key in known if key.startswith(f"{name}."))
            if several:
                raise InputError(
                    f"{name} is in several assets, whose units do not add up",
                    "--total",
                    remedy=f"say of which: {', '.join(several)}",
                )
            raise InputError("is no total of this book", f"--total {name}", name, nearest(name, known))
        if wanted is None:
            raise InputError("has no number", f"--total {name}", text, "write --total collateral=1234.5")
        out.append(Reconciled(name, wanted, known[name]))
    return out


def hold(totals: Sequence[Reconciled], tolerance: float, where: str, whose: str, remedy: str) -> None:
    """Refuse totals that are apart by more than the tolerance, a share; all that are, are named."""
    bad = [one for one in totals if one.apart > tolerance]
    if bad:
        each = [f"{one.name} does not add up: the book has {one.found:,.10g} and {one.given:,.10g} {whose}, {one.apart:.3%} apart"
                for one in bad]
        raise InputError(", ".join(each), where, remedy=remedy)
