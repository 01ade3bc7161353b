"""Maker's ETH-A in March 2020, in April 2021, when it moved to Dutch auctions, and in February 2022.

The terms of its auctions are versions of the rules: `flip.eth_a_2020_03`, `clip.eth_a_2021_04`, `clip.eth_a_2022_02`.
Liquidation threshold = 1 / mat, incentive = penalty (chop - 1), which the protocol keeps all of: see protocols/clip.py, flip.py.
"""

from __future__ import annotations

import math

from delever.catalog.parameters import Entry, ParameterSet

SOURCES = {
    "2020-03-15": "makerdao/spells-mainnet @96f7b33, archive/2020-03-15-DssSpell/DssSpell.sol: the fee that it found (4 %); mat "
                  "and chop: makerdao/dss-deploy-scripts @01e55f5, config/main.json, of autumn 2020",
    "2021-04-30": "makerdao/spells-mainnet @50f65be, archive/2021-04-30-DssSpell/DssSpell.t.sol: values after the spell",
    "2022-02-25": "makerdao/spells-mainnet @3e6e363, archive/2022-02-25-DssSpell/test/config.sol: values after the spell",
}
NOTE = "The stability fee compounds by the second and is kept continuous here; collateral earns nothing."


def _eth_a(mat: float, chop: float, fee: float, cited: str) -> ParameterSet:
    """mat: collateral by debt below which a vault is unsafe; chop: 1 + penalty; fee: stability fee a year."""
    vault = {"liquidation_threshold": 1.0 / mat, "incentive": round(chop - 1.0, 6)}
    owed = {"liquidation_threshold": 0.0, "incentive": 0.0, "borrow_rate": math.log1p(fee)}
    return ParameterSet(note=NOTE, sources=SOURCES, reserves={"ETH": Entry(vault, (cited,)), "DAI": Entry(owed, (cited,))})


PARAMETERS: dict[str, ParameterSet] = {
    "maker-eth-a-2020-03": _eth_a(1.5, 1.13, 0.04, "2020-03-15"),
    "maker-eth-a-2021-04": _eth_a(1.5, 1.13, 0.055, "2021-04-30"),
    "maker-eth-a-2022-02": _eth_a(1.45, 1.13, 0.0225, "2022-02-25"),
}
