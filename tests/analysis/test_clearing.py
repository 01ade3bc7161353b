"""Clearing vectors: published worked cases, the definition itself, and both ends found by iteration from above and below."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from delever.analysis.clearing import Claims, claims_of, clear, greatest, least
from delever.model.errors import InputError

Floats = NDArray[np.float64]


def column(name: str, *args: object, **options: object) -> list[object]:
    return clear(*args, **options).table[name].to_pylist()  # type: ignore[arg-type]


# --- worked cases --------------------------------------------------------------------------------------------------


def test_rogers_and_veraart_example_3_3_has_two_vectors() -> None:
    # Both owe 2.2 and have 1, half of everything is lost in default. Believed, both pay; not believed, x = 1/2 + x/2 = 1.
    found = clear([[0.0, 2.2], [2.2, 0.0]], [1.0, 1.0], alpha=0.5, beta=0.5)
    assert found.table["pays"].to_pylist() == [2.2, 2.2]
    assert found.table["pays at least"].to_pylist() == [1.0, 1.0]
    assert not found.unique
    assert (found.table["defaults"].to_pylist(), found.table["defaults at least"].to_pylist()) == ([False] * 2, [True] * 2)


def test_rogers_and_veraart_example_3_3_as_published() -> None:
    # Debts 2 and 2.2: all pay by both, since the first needs 1 and receives at least .5 + .5 x 1 = 1.
    found = clear([[0.0, 2.0], [2.2, 0.0]], [1.0, 1.0], alpha=0.5, beta=0.5)
    assert found.table["pays"].to_pylist() == [2.0, 2.2]


@pytest.mark.parametrize("gamma", [0.4, 0.2])
def test_rogers_and_veraarts_circle(gamma: float) -> None:
    # Section 5.1, epsilon = 1: six in a circle, owing 2 and 3 in turn, with gamma (1 -+ 1): all fail, those who owe 3 first.
    alpha = beta = 0.5
    owes = np.zeros((6, 6))
    for i in range(6):
        owes[i, (i + 1) % 6] = 2.0 + i % 2
    found = clear(owes, [0.0, 2.0 * gamma] * 3, alpha=alpha, beta=beta)
    odd = alpha * gamma / (1.0 - beta**2) * beta * 2.0
    even = alpha * gamma / (1.0 - beta**2) * 2.0
    np.testing.assert_allclose(found.table["pays"], [odd, even] * 3, rtol=1e-14)
    assert found.table["round"].to_pylist() == [1, 0] * 3
    assert found.unique


def test_eisenberg_and_noes_circle_without_cash_pays_all_or_nothing() -> None:
    found = clear([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.0])
    assert found.table["pays"].to_pylist() == [1.0, 1.0]
    assert found.table["pays at least"].to_pylist() == [0.0, 0.0]


def test_a_chain_by_hand() -> None:
    # 0 owes 10 to 1 and has 4; 1 owes 8 and 2 to 2 and outside, and has 1: 5 are shared 4 to 1; 2 owes 6 and has 3: 4 + 3 > 6.
    owes = [[0.0, 10.0, 0.0], [0.0, 0.0, 8.0], [0.0, 0.0, 0.0]]
    found = clear(owes, [4.0, 1.0, 3.0], outside=[0.0, 2.0, 6.0], names=["a", "b", "c"])
    assert found.table["pays"].to_pylist() == [4.0, 5.0, 6.0]
    assert found.table["round"].to_pylist() == [0, 1, None]  # b would have 11 for 10, if a paid
    assert found.table["equity"].to_pylist() == [0.0, 0.0, 1.0]
    assert found.payments.to_pylist() == [
        {"debtor": "a", "creditor": "b", "due": 10.0, "paid": 4.0, "paid at least": 4.0},
        {"debtor": "b", "creditor": "c", "due": 8.0, "paid": 4.0, "paid at least": 4.0}]


def test_the_round_counts_how_far_a_default_has_travelled() -> None:
    # Each owes the next 10 and has nothing but what it is owed: the first has 9.
    owes = np.diag([10.0] * 3, 1)
    assert column("round", owes, [9.0, 0.0, 0.0, 0.0]) == [0, 1, 2, None]
    assert column("pays", owes, [9.0, 0.0, 0.0, 0.0], beta=0.5) == [9.0, 4.5, 2.25, 0.0]


# --- what a clearing vector is -------------------------------------------------------------------------------------


def once(claims: Claims, paid: Floats) -> Floats:
    """What is paid if others pay that."""
    got = claims.share.T @ paid
    return np.where(claims.short(paid), claims.alpha * claims.cash + claims.beta * got, claims.due)


@st.composite
def networks(draw: st.DrawFn) -> Claims:
    """Some debts of 0, circles without cash, outsiders, and costs of 0, half and all."""
    n = draw(st.integers(1, 6))
    some = st.one_of(st.just(0.0), st.integers(1, 9).map(float))
    owed = np.array(draw(st.lists(some, min_size=n * n, max_size=n * n))).reshape(n, n)
    np.fill_diagonal(owed, 0.0)
    cash, outside = (np.array(draw(st.lists(some, min_size=n, max_size=n))) for _ in range(2))
    alpha, beta = (draw(st.sampled_from([0.0, 0.5, 0.9, 1.0])) for _ in range(2))
    return claims_of(owed, cash, outside * draw(st.sampled_from([0.0, 1.0])), alpha, beta)


@settings(max_examples=80, deadline=None)
@given(networks())
def test_both_are_clearing_vectors_and_iteration_from_either_end_comes_to_them(claims: Claims) -> None:
    most, fewest = greatest(claims)[0], least(claims)
    above, below = claims.due, np.zeros_like(claims.due)
    for _ in range(800):
        above, below = once(claims, above), once(claims, below)
    np.testing.assert_allclose(most, above, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(once(claims, most), most, rtol=1e-9, atol=1e-9)
    # From below an iteration may creep up to a threshold that it never crosses: the exact vector may be at most above it.
    assert np.all(fewest >= below - 1e-7) and np.all(fewest <= most + 1e-9)
    np.testing.assert_allclose(once(claims, fewest), fewest, rtol=1e-9, atol=1e-9)


@given(networks())
def test_what_is_paid_is_what_is_received_and_what_leaves(claims: Claims) -> None:
    for paid in (greatest(claims)[0], least(claims)):
        leaves = (paid * (1.0 - claims.share.sum(axis=1))).sum()
        assert paid.sum() == pytest.approx((claims.share.T @ paid).sum() + leaves, abs=1e-9)
        assert np.all(paid <= claims.due)


# --- input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "says"), [
    (([[0.0, 1.0]], [1.0]), "owes has another shape: '?1x2'?; give as many rows as columns"),
    (([[1.0]], [1.0]), "owes has something on its diagonal, in row 0: 1.0; nobody owes himself"),
    (([[0.0, -1.0], [0.0, 0.0]], [1.0, 1.0]), "owes is negative: -1.0"),
    (([[0.0, 1.0], [0.0, 0.0]], [1.0, float("nan")]), "cash is not finite"),
    (([[0.0, 1.0], [0.0, 0.0]], [1.0, 1.0, 1.0]), "cash has another shape"),
    (([[0.0, 1.0], [0.0]], [1.0, 1.0]), "owes must hold numbers alone, in rows of one length"),
])
def test_what_cannot_be_cleared_is_said_in_a_line(arguments: tuple[object, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        clear(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "says"), [({"alpha": 1.5}, "alpha is no share: 1.5"), ({"beta": -0.1}, "beta is no share"),
                                               ({"names": ["a", "a"]}, "names must be 2 different ones")])
def test_shares_and_names_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        clear([[0.0, 1.0], [1.0, 0.0]], [1.0, 1.0], **options)  # type: ignore[arg-type]
