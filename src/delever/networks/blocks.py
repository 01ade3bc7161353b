"""A chain whose blocks have finite room and are filled by fee.

Source: a priority gas auction as since EIP-1559, with a base fee that does not move within a run (assumption).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from delever.core.phase import Phase
from delever.core.setting import Setting
from delever.model.errors import InputError
from delever.model.quantity import Gwei, Seconds
from delever.networks.base import Chain


class Blocks(Chain):
    """A chain."""

    kind: ClassVar[str] = "blocks"
    block_time: Seconds = Field(gt=0, examples=["12 s"], description="time between blocks")
    room: int = Field(gt=0, examples=[20], description="transactions of this world that fit in a block")
    base_fee: Gwei = Field(ge=0, examples=["20 gwei"], description="least bid, a unit of gas")
    native: str = Field(default="ETH", description="asset in which gas is paid")
    gas: dict[str, float] = Field(default_factory=dict, description="gas of a transaction by kind; assumption: what the kind "
                                  "itself says, such as oracle 100,000, top_up 250,000, liquidation 500,000, order 300,000")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for name, units in self.gas.items():
            if not 0.0 <= units < math.inf:
                raise InputError(f"is {units:g}", value=units, remedy="gas is a number, 0 or more", path=("gas", name))
        return self

    @classmethod
    def phase(cls, specs: Mapping[str, Self], setting: Setting) -> Phase:
        """Nothing moves."""
        return Phase()

    def time_between_blocks(self) -> float:
        """As stated [s]."""
        return self.block_time

    def start(self) -> tuple[int, float, str]:
        """As stated."""
        return self.room, self.base_fee, self.native

    def gas_of(self, kind: str, usual: float) -> float:
        """As stated, or as usual."""
        return self.gas.get(kind, usual)
