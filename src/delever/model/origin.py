"""Where an input comes from: measured, estimated, assumed, or what the scenario asks; by whom, and what it is called."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .quantity import Text
from .spec import Spec

PARTS = {"book": "protocols", "parameters": "protocols", "venue": "venues", "feed": "feeds", "network": "networks",
         "actor": "actors", "policy": "policies"}  # what a key names -> the part of the world that has it
SINGLE = ("prices", "events", "execution")  # keys without a name behind them


class Origin(Spec):
    """What is known of one input."""

    how: Literal["measured", "estimated", "assumed", "scenario"] = Field(
        examples=["measured"], description="measured: read off; estimated: computed from data; assumed: neither; scenario: what "
        "the run asks `what if` of")
    source: Text = Field("", examples=["Aave subgraph, block 17500000"], description="by whom, where, of what")
    label: Text = Field("", examples=["Aave v2 on Ethereum"], description="what reports call it")
