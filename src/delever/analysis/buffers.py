"""How usable buffers were: how much of each was used before the next layer of the waterfall, or bad debt, was reached.

    used      what it had borne / (what it had borne + what was left) of a fund; 1 - equity / equity at the start of a vault
    reached   the first bin of the timeline at whose end a later layer had borne anything; else the end, where some deficit stays
    unused    what it held then [USD]
Of a lending protocol the fees that it kept of liquidations are one more buffer, where no fund takes them: nothing uses it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.analysis.tables import Column, table
from delever.model.world import Protocol
from delever.run.collect import numbers
from delever.run.estimates import Estimate, among, mean, share
from delever.run.figures import drawn_of
from delever.run.stress import Run
from delever.waterfall.base import Layer

STOCKS = {"insurance_fund": "fund_left", "backstop": "vault_equity"}  # layer -> column of the timeline that says what it holds
SAID = {"insurance_fund": "insurance fund", "backstop": "backstop vault"}
ANY = 1.0  # USD: less is rounding
FEES = "fees kept of liquidations"
NONE: Estimate = (np.nan, np.nan, np.nan)
Found = tuple[str, str, np.ndarray, np.ndarray, np.ndarray]  # protocol, buffer, was reached [P], used [P], unused [P]


def buffers_of(run: Run) -> pa.Table:
    """A row a buffer: on how many paths what comes behind it was reached, and how much of it had been used by then."""
    found, drawn = list(_of_layers(run)) + list(_of_fees(run)), drawn_of(run.model, run.paths)
    used = [mean(one[3][one[2]], among(drawn, one[2])) if one[2].any() else NONE for one in found]
    idle = [mean(one[4][one[2]], among(drawn, one[2]))[0] if one[2].any() else np.nan for one in found]

    def known(values: list[float]) -> list[float | None]:
        return [None if value != value else value for value in values]

    return table(
        Column("protocol", "", pa.array([one[0] for one in found], pa.string())),
        Column("buffer", "", pa.array([one[1] for one in found], pa.string())),
        Column("passed", "share", [share(one[2], drawn)[0] for one in found], "paths on which what comes behind it was reached",
               pa.float64()),
        Column("used", "share", known([value[0] for value in used]), "of it by then, mean over those paths", pa.float64()),
        *(Column(key, "share", known([value[i] for value in used]), "", pa.float64()) for i, key in ((1, "low"), (2, "high"))),
        Column("unused_usd", "USD", known(idle), "held by it then, mean over those paths", pa.float64()),
        Column("paths", "count", [int(one[2].sum()) for one in found], "with losses behind it", pa.int64()))


def _of_layers(run: Run) -> Iterator[Found]:
    """Funds and vaults of waterfalls."""
    line, paths = run.timeline, run.paths.num_rows
    for name, protocol in run.world.protocols.items():
        layers = [layer.kind for layer in protocol.waterfall]
        if not any(layer in STOCKS for layer in layers) or not line.num_columns:
            continue
        mine = line.filter(pc.equal(line["protocol"], name))
        bore = {layer: numbers(mine, layer).reshape(paths, -1) for layer in layers if layer in mine.column_names}
        stays = numbers(run.paths, f"residual_shortfall.{name}") > ANY
        for place, layer in enumerate(layers):
            if layer not in STOCKS:
                continue
            left = numbers(mine, STOCKS[layer]).reshape(paths, -1)
            later = np.zeros(left.shape, np.bool_)
            for other in layers[place + 1:]:
                if other in bore:
                    later |= bore[other] > ANY
            later[:, -1] |= stays
            at, hit = later.argmax(axis=1), np.asarray(later.any(axis=1))
            held = np.maximum(left[np.arange(paths), at], 0.0)
            whole = bore[layer][np.arange(paths), at] + held if layer == "insurance_fund" else np.full(
                paths, vault_of(protocol, place))
            used = np.where(whole > 0.0, 1.0 - np.minimum(held / np.maximum(whole, 1e-300), 1.0), 1.0)
            yield name, SAID[layer], hit, used, held


def vault_of(protocol: Protocol, place: int) -> float:
    """What a layer of a waterfall brings into the vault at the start [USD]."""
    layer = protocol.waterfall[place]
    return layer.vault()[0] if isinstance(layer, Layer) else 0.0


def _of_fees(run: Run) -> Iterator[Found]:
    """Of lending protocols without a fund."""
    for name in run.world.lending:
        protocol, field = run.world.protocols[name], f"protocol_fee.{name}"
        if field not in run.paths.column_names or any(layer.kind == "insurance_fund" for layer in protocol.waterfall):
            continue
        kept = numbers(run.paths, field)
        if kept.any():
            yield name, FEES, numbers(run.paths, f"shortfall.{name}") > ANY, np.zeros(len(kept)), kept
