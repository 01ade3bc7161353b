"""Every parameter set is cited, and its numbers are shares."""

from __future__ import annotations

import pytest

from delever.catalog import PARAMETERS, citations, get
from delever.model.errors import InputError
from delever.model.world import ReserveParameters


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_entry_is_a_valid_parameter_set_with_a_source(name: str) -> None:
    cited = citations(name)
    assert cited["*"]
    for asset, values in get(name).items():
        entry = ReserveParameters(**values)
        assert 0.0 <= entry.liquidation_threshold < 1.0
        assert cited[asset], asset


def test_an_unknown_set_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean aave-v2-ethereum-2023-06"):
        get("aave-v2-etherum-2023-06")
