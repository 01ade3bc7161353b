"""Cases on edges: all that floats can tell come out as the contracts say, and each other one lies within a smallest unit.

RULES.md of the vectors lets a float engine land on the other side of an edge. It may do so here only where the contract's own
integers turn by one smallest unit of one number; of those that what a float64 holds of the numbers decides 95 % must be its own.
"""

from __future__ import annotations

import pytest

from protocols.edges import FLOAT, ON, on_edges

pytestmark = pytest.mark.usefixtures("tables_of_their_own")


@pytest.mark.parametrize("name", ON)
def test_what_differs_on_an_edge_lies_within_one_smallest_unit_of_it(name: str) -> None:
    of, found = ON[name], on_edges(name)
    apart = [case for case in found if not of.alike(case)]
    assert [case["id"] for case in apart if not of.within(case)] == []
    told = [case["id"] for case in apart if not of.within(case, FLOAT)]
    assert len(told) <= 0.05 * len(found), told
