"""What is kept of exchanges and of default waterfalls: positions closed, who bore it, when each layer ran dry."""

from __future__ import annotations

import numpy as np

from delever.core.state import State
from delever.core.tables import COVERED, DEFICIT, LAYERS
from delever.model.exchange import is_exchange
from delever.run.assemble import Model

Column = tuple[str, str, np.ndarray]  # name, unit, a number a path
LAYER = ("insurance_fund", "backstop", "adl", "socialised_loss")  # as core.tables numbers them
assert len(LAYER) == LAYERS
FLOWS = ("liquidated", "taken_over", "deleveraged", "haircut", "slippage")  # the fields of core.state.Flows


def by_waterfall(model: Model, state: State) -> list[Column]:
    """What each layer of each protocol bore, when it could first not serve in full, and what nobody bore."""
    out: list[Column] = []
    for number, (name, protocol) in enumerate(model.world.protocols.items()):
        mine = [r for r, (of, _) in enumerate(model.positions.reserves) if of == name]
        kinds = [layer.kind for layer in protocol.waterfall]
        for kind in dict.fromkeys(kinds):
            layer = LAYER.index(kind)
            out += [(f"{kind}.{name}", "USD", state.safety.served[layer, number]),
                    (f"{kind}_dry.{name}", "s", never_as_nan(state.safety.dry[layer, number]))]
        if "insurance_fund" in kinds:
            out.append((f"fund_left.{name}", "USD", value(state, state.safety.fund, mine)))
        if "backstop" in kinds:
            out.append((f"vault_equity.{name}", "USD", vault_equity(state, mine)))
        if kinds or is_exchange(protocol):
            out += [(f"deficit_booked.{name}", "USD", value(state, state.ledgers.booked[DEFICIT] + state.ledgers.booked[COVERED],
                                                            mine)),
                    (f"residual_shortfall.{name}", "USD", value(state, state.ledgers.booked[DEFICIT], mine))]
    return out


def by_exchange(model: Model, state: State) -> list[Column]:
    """Positions closed, taken over and deleveraged, in all and by perp, at marks; who stands naked."""
    out: list[Column] = []
    for number, (name, protocol) in enumerate(model.world.protocols.items()):
        if not is_exchange(protocol):
            continue
        mine = [(r, asset) for r, (of, asset) in enumerate(model.positions.reserves) if of == name and state.margins.perp[r]]
        for figure, table in zip(FLOWS, state.flows, strict=True):
            out.append((f"{figure}.{name}", "USD", added([table[r] for r, _ in mine], state.paths)))
            out += [(f"{figure}.{name}.{asset}", "USD", table[r]) for r, asset in mine]
        for event, when in zip(("first_liquidation", "first_adl"), state.safety.first[:, number], strict=True):
            out.append((f"{event}.{name}", "s", never_as_nan(when)))
    for (name, spec), units in zip(model.world.arbitrageurs.items(), state.naked, strict=True):
        out.append((f"naked.{name}", str(getattr(spec, "account", "units")), units))
    return out


def added(rows: list[np.ndarray], paths: int) -> np.ndarray:
    """Their sum, row by row: NumPy's adds a single path's in another order, which moves a bit."""
    total = np.zeros(paths)
    for row in rows:
        total += row
    return total


def value(state: State, units: np.ndarray, reserves: list[int]) -> np.ndarray:
    """Worth of units [R, P] of some reserves at seen prices [USD]."""
    return added([units[r] * state.sight.price[:, r] for r in reserves], state.paths)


def vault_equity(state: State, reserves: list[int]) -> np.ndarray:
    """What a vault is worth at marks, collateral after haircuts [USD]."""
    margins, vault, price = state.margins, state.safety.vault, state.sight.price
    return added([vault[r] * (price[:, r] - margins.paid[r] if margins.perp[r] else price[:, r] * margins.weight[r])
                  for r in reserves], state.paths)


def never_as_nan(when: np.ndarray) -> np.ndarray:
    """Times [s]; nan where it did not happen."""
    return np.where(np.isinf(when), np.nan, when)
