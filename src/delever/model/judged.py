"""By what outcomes of a run are judged: where a figure needs a threshold, a window or a band, it is stated here."""

from __future__ import annotations

from pydantic import Field

from .quantity import Seconds, Share
from .spec import Spec


class Judged(Spec):
    """Thresholds, windows and bands of the outcomes of a run. All are assumptions: no source says where they must lie."""

    event_share: Share = Field(0.05, gt=0, description="a deleveraging event: this share of a protocol's debt or positions at "
                               "the start is closed by force (assumption)")
    event_within: Seconds = Field(3600.0, gt=0, description="within this time, rounded up to whole steps (assumption)")
    regret_after: Seconds = Field(3600.0, gt=0, description="a liquidation is regretted where the account, had nobody called it, "
                                  "would be healthy this long after, rounded up to whole steps (assumption)")
    price_band: Share = Field(0.01, gt=0, description="prices have recovered: no market stands further from the outside price "
                              "than at the start, by this share (assumption)")
    health_band: Share = Field(0.001, gt=0, description="health has recovered: accounts left unhealthy owe no more than this "
                               "share of all debt and open interest at the start (assumption)")
    depth_band: Share = Field(0.05, gt=0, description="liquidity has recovered: no side of a market lacks more than this share "
                              "of its depth at the start (assumption)")
