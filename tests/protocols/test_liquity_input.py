"""What a book of Liquity may not say is answered with one line: where, what, and what to do."""

from __future__ import annotations

import pyarrow as pa
import pytest

from delever.model.book import Book
from delever.model.errors import InputError
from delever.run.assemble import assemble
from delever.run.warm import every_kernel
from protocols.liquity_worlds import some_troves, started, totals, troves, world

ROW = "protocols.liquity.rules.stability_pool"


def held(*legs: tuple[str, str, float]) -> Book:
    """One account, its legs: asset, side, amount."""
    return Book.from_table(pa.Table.from_pylist([
        {"account": "anna", "asset": asset, "side": side, "amount": amount} for asset, side, amount in legs]), protocol="liquity")


def mistake(book: Book, **changes: object) -> str:
    with pytest.raises(InputError) as caught:
        started(world(book, **changes))
    return str(caught.value)


def test_a_trove_has_one_collateral_and_one_debt() -> None:
    said = mistake(held(("ETH", "collateral", 1.0), ("LUSD", "collateral", 5.0), ("LUSD", "debt", 100.0), ("ETH", "debt", 0.1)))
    assert "protocols.liquity.book" in said and "anna" in said and "2 debts" in said and "make it a trove for each pair" in said


def test_a_trove_holds_something() -> None:
    assert "holds 0 of its collateral" in mistake(held(("ETH", "collateral", 0.0), ("LUSD", "debt", 100.0)))


def test_a_pool_is_no_larger_than_what_has_been_minted() -> None:
    owed = totals(5)[1]
    said = mistake(some_troves(5), rules={"stability_pool": {"ETH": 1.001 * owed}})
    assert ROW in said and f"more than the {owed:g} LUSD that its troves owe" in said and "deposit less" in said
    started(world(some_troves(5), rules={"stability_pool": {"ETH": owed}}))


def test_a_pool_is_measured_by_the_whole_book_where_a_few_of_it_are_run() -> None:
    """Kernels are made ready on 64 accounts of a book."""
    owed = totals(100)[1]
    every_kernel(assemble(world(some_troves(100), rules={"stability_pool": {"ETH": 0.99 * owed}})))


def test_a_collateral_counts_for_something() -> None:
    terms = {name: {"liquidation_threshold": 0.0, "incentive": 0.0} for name in ("ETH", "LUSD")}
    said = mistake(some_troves(5), protocols__liquity__parameters=terms)
    assert "protocols.liquity.parameters.ETH.liquidation_threshold" in said and "1 / MCR" in said


def test_a_pool_is_of_a_collateral_that_somebody_borrows_against() -> None:
    said = mistake(troves((1.0, 2.0)), rules={"stability_pool": {"BTC": 5.0}})
    assert ROW in said and "BTC" in said and "nobody holds it" in said and "ETH" in said


def test_the_stablecoin_is_not_read_from_its_market_by_oversight() -> None:
    said = mistake(some_troves(5), oracles={"liquity": {"ETH": "eth_usd"}})
    assert "oracles.liquity.LUSD" in said and "which the contract does not do" in said and "kind: fixed" in said


def test_terms_are_within_their_bounds() -> None:
    for name, value in (("critical_ratio", 0.9), ("fee_floor", 1.5), ("per_call", 0), ("pool_sells", 2.0)):
        with pytest.raises(InputError, match=name):
            world(troves((1.0, 2.0)), rules={name: value})
    with pytest.raises(InputError, match="version"):
        world(troves((1.0, 2.0)), rules={"version": "v3"})
