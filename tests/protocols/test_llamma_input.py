"""What a book of LLAMMA may not say is answered with one line: where, what, and what to do."""

from __future__ import annotations

import pyarrow as pa
import pytest

from delever.model.book import Book
from delever.model.errors import InputError
from delever.run.assemble import assemble
from protocols.llamma_worlds import loans, world


def held(*legs: tuple[str, str, float]) -> Book:
    """One account, its legs: asset, side, amount."""
    return Book.from_table(pa.Table.from_pylist([
        {"account": "anna", "asset": asset, "side": side, "amount": amount} for asset, side, amount in legs]), protocol="crvusd")


def mistake(book: Book, **changes: object) -> str:
    with pytest.raises(InputError) as caught:
        assemble(world(book, **changes))
    return str(caught.value)


def test_a_loan_has_one_collateral_and_one_debt() -> None:
    terms = {name: {"liquidation_threshold": 0.94, "incentive": 0.0} for name in ("ETH", "USD")}
    said = mistake(held(("ETH", "collateral", 1.0), ("USD", "collateral", 5.0), ("ETH", "debt", 0.1)),
                   protocols__crvusd__parameters=terms)
    assert "protocols.crvusd.book" in said and "anna" in said and "has 2 collaterals and 1 debts" in said


def test_a_loan_lies_in_four_to_fifty_bands() -> None:
    said = mistake(loans((1.0, 100.0, 3)))
    assert "lies in 3 bands" in said and "a0" in said and "4 to 50" in said


def test_a_loan_holds_something() -> None:
    assert "holds 0 of its collateral" in mistake(loans((0.0, 100.0, 10), (1.0, 100.0, 10)))


def test_a_base_price_is_of_a_collateral() -> None:
    said = mistake(loans((1.0, 100.0, 10)), protocols__crvusd__rules={"kind": "llamma", "base_price": {"BTC": 30_000}})
    assert "nobody holds it" in said and "BTC" in said


def test_the_rules_do_not_take_fewer_bands_either() -> None:
    with pytest.raises(InputError, match="bands"):
        world(loans((1.0, 100.0, 10)), protocols__crvusd__rules={"kind": "llamma", "bands": 3})


def test_the_book_and_not_the_rules_says_in_how_many_bands_a_loan_lies() -> None:
    from protocols.llamma_worlds import started

    amm, lent, _ = started(world(loans((1.0, 100.0, 4), (1.0, 300.0, 0)), rules={"bands": 7}))[2].markets[0]
    assert (lent.last - lent.first + 1).tolist() == [4, 7]
    assert amm.y[0].sum() == pytest.approx(2.0)
