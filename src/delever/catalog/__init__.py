"""Cited parameter sets: numbers and where each is from, no logic."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from delever.catalog import aave, binance, compound, hyperliquid, liquity, maker, morpho, venus
from delever.catalog.parameters import ParameterSet
from delever.model.errors import InputError, nearest

PARAMETERS: dict[str, ParameterSet] = {**aave.PARAMETERS, **binance.PARAMETERS, **compound.PARAMETERS,
                                      **hyperliquid.PARAMETERS, **liquity.PARAMETERS, **maker.PARAMETERS, **morpho.PARAMETERS,
                                      **venus.PARAMETERS}

__all__ = ["PARAMETERS", "ParameterSet", "citations", "get", "parameter_set"]


def parameter_set(name: str) -> ParameterSet:
    """The named set, with its sources."""
    if name not in PARAMETERS:
        raise InputError("unknown parameter set", "catalog", name, nearest(name, PARAMETERS))
    return PARAMETERS[name]


def get(name: str) -> dict[str, dict[str, Any]]:
    """Parameters by asset: liquidation_threshold, incentive, ... as shares; of a perp the tiers of its margin."""
    return {asset: deepcopy(entry.values) for asset, entry in parameter_set(name).reserves.items()}


def citations(name: str) -> dict[str, str]:
    """Where the numbers of each asset are from, by asset; "*" speaks of all of them."""
    chosen = parameter_set(name)
    cited = {
        asset: "; ".join(chosen.sources.get(source, source) for source in entry.cited)
        for asset, entry in chosen.reserves.items()
    }
    return {"*": chosen.note, **cited}
