"""Every parameter set is cited, and valid as what it is for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from delever.catalog import PARAMETERS, citations, get
from delever.model.errors import InputError
from delever.model.parameters import PerpParameters
from delever.model.world import ReserveParameters
from delever.protocols.morpho import Morpho

PERPS = [name for name in PARAMETERS if name.startswith(("binance", "hyperliquid"))]
LENDING = [name for name in PARAMETERS if name not in PERPS]


@pytest.mark.parametrize("name", LENDING)
def test_every_reserve_is_a_valid_parameter_set_with_a_source(name: str) -> None:
    cited = citations(name)
    assert cited["*"]
    for asset, values in get(name).items():
        entry = ReserveParameters(**values)
        assert 0.0 <= entry.liquidation_threshold < 1.0
        assert cited[asset], asset


@pytest.mark.parametrize("name", PERPS)
def test_every_perp_is_a_valid_parameter_set_with_a_source(name: str) -> None:
    cited = citations(name)
    assert cited["*"]
    for perp, values in get(name).items():
        tiers = PerpParameters(**values).tiers
        assert [tier.floor for tier in tiers] == [tier["floor"] for tier in values["tiers"]]
        assert all(a.maintenance < b.maintenance for a, b in pairwise(tiers)), perp
        assert all(a.max_leverage > b.max_leverage for a, b in pairwise(tiers)), perp
        assert cited[perp], perp


@pytest.mark.parametrize("name", PARAMETERS)
def test_sources_are_citations_that_exist(name: str) -> None:
    known = PARAMETERS[name].sources
    assert {source for entry in PARAMETERS[name].reserves.values() for source in entry.cited} <= set(known)


def test_hyperliquid_keeps_half_of_the_initial_margin() -> None:
    """ "the maintenance margin is between 1.25% (for 40x max leverage assets) and 16.7% (for 3x max leverage assets)"

    https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations
    """
    perps = get("hyperliquid-2026-03")
    rates = [tier["maintenance"] for values in perps.values() for tier in values["tiers"] if tier["floor"] == 0]
    assert min(rates) == perps["BTC-PERP"]["tiers"][0]["maintenance"] == 0.0125
    assert round(max(rates), 3) == 0.167


@pytest.mark.parametrize(
    ("perp", "table"),
    [
        ("BTC-PERP", [(0, 40), (150e6, 20)]),
        ("ETH-PERP", [(0, 25), (100e6, 15)]),
        ("SOL-PERP", [(0, 20), (70e6, 10)]),
        ("XRP-PERP", [(0, 20), (40e6, 10)]),
        *((f"{coin}-PERP", [(0, 10), (20e6, 5)]) for coin in ("DOGE", "kPEPE", "WIF", "POPCAT", "HYPE", "FARTCOIN", "ENA")),
        *((f"{coin}-PERP", [(0, 10), (3e6, 5)]) for coin in ("OP", "ARB", "LDO", "TON", "ONDO", "JUP", "BNB", "DOT")),
    ],
)
def test_tiers_of_2025_are_those_of_the_documentation(perp: str, table: list[tuple[float, float]]) -> None:
    """ "BTC 0-150M 40, >150M 20; ETH 0-100M 25, >100M 15; SOL 0-70M 20, >70M 10; XRP 0-40M 20, >40M 10; DOGE, kPEPE, [...]
    POPCAT, WIF, [...] HYPE, FARTCOIN 0-20M 10, >20M 5; OP, ARB, LDO, TON, [...] 0-3M 10, >3M 5"

    https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers (copy of 2025)
    """
    tiers = get("hyperliquid-2025-10")[perp]["tiers"]
    assert [(tier["floor"], tier["max_leverage"]) for tier in tiers] == table


def test_an_unknown_set_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean aave-v2-ethereum-2023-06"):
        get("aave-v2-etherum-2023-06")


def test_morphos_incentives_are_what_its_rules_work_out() -> None:
    sets = [name for name in PARAMETERS if name.startswith("morpho")]
    for name in sets:
        for values in get(name).values():
            if values["liquidation_threshold"] > 0.0:
                implied = Morpho(version="v1").incentives(np.array([values["liquidation_threshold"]]))
                assert values["incentive"] == pytest.approx(float(implied[0]), abs=1e-11)
    assert len(sets) == 2


def test_no_call_of_aave_v4_lowers_health_at_its_full_bonus_at_the_terms_of_arc() -> None:
    """The main spoke's: (1 + incentive) x threshold <= 0.9, the health at which the whole bonus is paid."""
    for asset, values in get("aave-v4-arc-main-2026-06").items():
        assert (1.0 + values["incentive"]) * values["liquidation_threshold"] <= 0.9, asset


def test_no_call_of_venus_lowers_health_in_its_core_pool() -> None:
    """Its contract refuses a threshold x incentive of 1 and above (SetterFacet.ensureSafeLiquidationParams)."""
    for asset, values in get("venus-core-bnb-2025-10").items():
        for terms in (values, *values.get("emode", {}).values()):
            assert (1.0 + terms["incentive"]) * terms["liquidation_threshold"] < 1.0, asset
