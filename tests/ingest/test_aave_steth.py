"""The book of June 2023: what is split reproduces its totals and its health, the rest says so and still recomputes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from delever.ingest.aave_steth import prices
from delever.ingest.recompute import leg_totals, recomputation
from delever.ingest.source import Source
from delever.model.book import Book
from delever.model.errors import InputError

VERSIONS = {"v2": ("aave_v2", 1309, 638), "v3": ("aave_v3", 502, 326)}


def book(source: Source, part: str) -> Book:
    tables = source.book(f"aave_steth_2023-06/{part}")
    return Book.from_table(tables.legs, tables.accounts, part, VERSIONS[part][0])


def split(found: Book) -> np.ndarray:
    """[accounts] without a remainder leg."""
    rest = set(found.legs.filter(pc.equal(found.legs["label"], "remainder"))["account"].to_pylist())
    return np.array([account not in rest for account in found.accounts["account"].to_pylist()])


def errors(found: Book, part: str, remainders: bool) -> dict[str, np.ndarray]:
    """Relative errors of collateral, debt and health, [accounts]."""
    totals = leg_totals(found.legs, found.accounts, prices(part), remainders)
    reported = {name: found.accounts[f"reported_{name}"].to_numpy() for name in ("collateral", "debt", "health")}
    with np.errstate(divide="ignore", invalid="ignore"):
        health = totals["backing"] / totals["debt"]
        return {"collateral": np.abs(totals["collateral"] / reported["collateral"] - 1.0),
                "debt": np.abs(totals["debt"] / reported["debt"] - 1.0), "health": np.abs(health / reported["health"] - 1.0)}


@pytest.mark.parametrize("part", VERSIONS)
def test_every_account_is_there_and_as_many_are_split_as_the_files_allow(source: Source, part: str) -> None:
    found, (_, accounts, whole) = book(source, part), VERSIONS[part]
    assert found.number_of_accounts == len(found.accounts) == accounts
    off = errors(found, part, remainders=False)
    reproduced = (off["collateral"] < 1e-6) & (off["debt"] < 1e-6)
    assert split(found).sum() == whole
    assert (split(found) <= reproduced).all()


@pytest.mark.parametrize("part", VERSIONS)
def test_split_accounts_recompute_their_health(source: Source, part: str) -> None:
    found = book(source, part)
    off, whole = errors(found, part, remainders=False)["health"], split(found)
    assert off[whole].max() < 1e-6
    owed: dict[str, set[str]] = {}
    debts = found.legs.filter(pc.equal(found.legs["side"], "debt"))
    for account, asset in zip(debts["account"].to_pylist(), debts["asset"].to_pylist(), strict=True):
        owed.setdefault(account, set()).add(asset)
    ether = whole & np.array([owed.get(account) == {"ETH"} for account in found.accounts["account"].to_pylist()])
    assert ether.sum() > 100
    assert off[ether].max() < 1e-9


@pytest.mark.parametrize("part", VERSIONS)
def test_with_its_remainders_every_account_is_what_the_file_reports(source: Source, part: str) -> None:
    off = errors(book(source, part), part, remainders=True)
    assert off["collateral"].max() < 1e-6
    assert off["debt"].max() < 1e-6
    assert off["health"].max() < 1e-6


def test_remainders_are_labelled_signed_and_one_a_side(source: Source) -> None:
    legs = pa.concat_tables([book(source, part).legs for part in VERSIONS])
    rest = legs.filter(pc.equal(legs["label"], "remainder"))
    assert set(rest["asset"].to_pylist()) == {"rest_collateral", "rest_debt"}
    assert pc.min(rest["amount"]).as_py() < 0.0 < pc.max(rest["amount"]).as_py()
    places = list(zip(rest["protocol"].to_pylist(), rest["account"].to_pylist(), rest["side"].to_pylist(), strict=True))
    assert len(places) == len(set(places))
    other = legs.filter(pc.not_equal(legs["label"], "remainder"))
    assert pc.min(other["amount"]).as_py() >= 0.0


def test_recomputation_counts_accounts_and_value(source: Source) -> None:
    found = book(source, "v2")
    table = recomputation(found.legs, found.accounts, prices("v2"))
    assert table["tolerance"].to_pylist() == [1e-9, 1e-6, 1e-2]
    counts, shares = table["accounts"].to_pylist(), table["debt_share"].to_pylist()
    assert counts == sorted(counts)
    assert counts[1] >= 638
    assert 0.0 < shares[0] <= shares[1] <= shares[2] <= 1.0


def test_an_unknown_part_is_named(source: Source) -> None:
    with pytest.raises(InputError, match="name aave_steth_2023-06/v2 or /v3"):
        source.book("aave_steth_2023-06/v4")
