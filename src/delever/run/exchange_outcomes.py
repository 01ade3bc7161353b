"""What is kept of exchanges and of default waterfalls: positions closed, who bore it, when each layer ran dry."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from delever.core.state import State
from delever.core.tables import COVERABILITY, COVERED, DEFICIT, INSURANCE, LAYERS, OVERSHOOT, UNFAIRNESS
from delever.model.exchange import is_exchange
from delever.run.assemble import Model

Column = tuple[str, str, np.ndarray]  # name, unit, a number a path
LAYER = ("insurance_fund", "backstop", "adl", "socialised_loss")  # as core.tables numbers them
assert len(LAYER) == LAYERS
FLOWS = ("liquidated", "taken_over", "deleveraged", "haircut", "slippage")  # the fields of core.state.Flows


ADL_FIGURES = (  # of a path, nan where ADL closed nobody; name, unit
    ("adl_accounts", "count"), ("adl_severity", "share"), ("adl_profit_taken", "share"), ("adl_largest_haircut", "share"),
    ("adl_largest_part", "share"), ("adl_coverability", "ratio"), ("adl_overshoot", "USD"), ("adl_unfairness", "USD"))


def watched(model: Model) -> list[int]:
    """Numbers of the protocols that can lose more than their accounts have: exchanges, and lending with a waterfall."""
    return [number for number, protocol in enumerate(model.world.protocols.values())
            if is_exchange(protocol) or protocol.waterfall]


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
        out += by_adl(model, state, number, name)
    for name, units in state.naked.items():
        out.append((f"naked.{name}", "units", units))
    return out


def by_adl(model: Model, state: State, number: int, name: str) -> list[Column]:
    """How hard ADL hit whom on one exchange: ADL_FIGURES.

        severity         haircuts / (haircuts + deficits booked - what the fund paid): the part of what was left that winners paid
        profit taken     haircuts / profit of what was closed, at the mark (funding aside)
        largest haircut  the highest such share of one account
        largest part     the highest share of all haircuts of the path that one account bore
        coverability     lowest ratio of winners' profits to the deficit, over the positions that ADL was to close; below 1 no
                         rule covers it
        overshoot, unfairness    summed over those positions: |H - B| and |max h - min(B / U, 1)| B, as in analysis/adl.py
    """
    n, paths = state.n_closings, state.paths
    mine = np.flatnonzero(model.positions.protocol[state.closings.account[:n]] == number)
    path, account = state.closings.path[:n][mine], state.closings.account[:n][mine]
    haircut, profit = state.closings.haircut[:n][mine], profits(model, state)[mine]
    accounts = len(model.positions.accounts)
    key, of = np.unique(path * accounts + account, return_inverse=True)
    winner = key // max(accounts, 1)  # [winners] path; sums are in the order of the closings, which is a path's own
    lost, made = (np.bincount(of, values, len(key)) for values in (haircut, np.maximum(profit, 0.0)))
    total, earned = (np.bincount(path, values, paths) for values in (haircut, np.maximum(profit, 0.0)))
    mine_reserves = [r for r, (protocol, _) in enumerate(model.positions.reserves) if protocol == name]
    booked = value(state, state.ledgers.booked[DEFICIT] + state.ledgers.booked[COVERED], mine_reserves)
    rest = np.maximum(booked - state.safety.served[INSURANCE, number], 0.0)
    largest, part = np.full(paths, np.nan), np.full(paths, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.fmax.at(largest, winner, np.where(made > 0.0, lost / made, np.nan))
        np.fmax.at(part, winner, np.where(total[winner] > 0.0, lost / total[winner], np.nan))
        ratios = [np.where(whole > 0.0, total / whole, np.nan) for whole in (total + rest, earned)]
    hit = np.bincount(path, minlength=paths) > 0
    rounds = state.safety.rounds[:, number]
    coverable = np.where(np.isinf(rounds[COVERABILITY]), np.nan, rounds[COVERABILITY])
    columns = [np.bincount(winner, minlength=paths), *(np.where(hit, x, np.nan) for x in (*ratios, largest, part)), coverable,
               *(np.where(hit, rounds[figure], np.nan) for figure in (OVERSHOOT, UNFAIRNESS))]
    return [(f"{figure}.{name}", unit, column) for (figure, unit), column in zip(ADL_FIGURES, columns, strict=True)]


def profits(model: Model, state: State) -> np.ndarray:
    """Profit of each part that ADL closed, at the mark, since the entry price of the book [closings], USD.

    Funding aside; nan of an arbitrageur, whose entry price moves as he trades.
    """
    tables, n = model.positions.tables, state.n_closings
    if not n:
        return np.zeros(0)
    account, reserve, units = state.closings.account[:n], state.closings.reserve[:n], state.closings.units[:n]
    signature, first = tables.signature[account], int(tables.first_debt[0])
    leg = first + (tables.reserve[signature, first:] == reserve[:, None]).argmax(axis=1)
    size = tables.amount[account, leg]
    with np.errstate(divide="ignore", invalid="ignore"):
        entry = np.where(tables.margin[signature] == 1, tables.cost[account, leg] / size, np.nan)
    profit: np.ndarray = units * (marks(state) - entry)
    return profit


def marks(state: State) -> np.ndarray:
    """The mark of the perp at each closing [closings], USD: haircut = units x (mark - price)."""
    n = state.n_closings
    price: np.ndarray = state.closings.price[:n] + state.closings.haircut[:n] / state.closings.units[:n]
    return price


def deleveraged_positions(model: Model, state: State) -> pa.Table:
    """The positions that ADL closed, a row each, by path and then as they came. time: the end of the step [s]."""
    n, positions = state.n_closings, model.positions
    order = np.argsort(state.closings.path[:n], kind="stable")
    account, reserve = state.closings.account[:n][order], state.closings.reserve[:n][order]
    mark, units = marks(state)[order], state.closings.units[:n][order]
    names = list(model.world.protocols)
    of = [names[p] for p in positions.protocol[account].tolist()]
    called = [positions.accounts[a] for a in account.tolist()]
    legs = positions.book.legs.select(["protocol", "account", "owner"])
    legs = legs.filter(pc.is_in(legs["account"], pa.array(sorted(set(called)), pa.string())))
    owners = {(row["protocol"], row["account"]): row["owner"] for row in legs.to_pylist()}
    columns: list[tuple[str, str, pa.Array]] = [
        ("path", "number", pa.array(state.first_path + state.closings.path[:n][order])),
        ("time", "s", pa.array(state.closings.step[:n][order] * state.step_length)),
        ("protocol", "", pa.array(of, pa.string())), ("account", "", pa.array(called, pa.string())),
        ("owner", "", pa.array([owners[key] for key in zip(of, called, strict=True)], pa.string())),
        ("perp", "", pa.array([positions.reserves[r][1] for r in reserve.tolist()], pa.string())),
        ("units", "units", pa.array(units)), ("price", "USD", pa.array(state.closings.price[:n][order])),
        ("mark", "USD", pa.array(mark)), ("notional", "USD", pa.array(np.abs(units) * mark)),
        ("haircut", "USD", pa.array(state.closings.haircut[:n][order])),
        ("profit", "USD", pa.array(profits(model, state)[order]))]
    return pa.table([column for _, _, column in columns], schema=pa.schema(
        [pa.field(name, column.type, metadata={"unit": unit} if unit else None) for name, unit, column in columns]))


def added(rows: list[np.ndarray], paths: int) -> np.ndarray:
    """Their sum, row by row: NumPy's adds a single path's in another order, which moves a bit."""
    total = np.zeros(paths)
    for row in rows:
        total += row
    return total


def value(state: State, units: np.ndarray, reserves: list[int]) -> np.ndarray:
    """Worth of units [R, P] of some reserves at seen prices [USD]."""
    return added([units[r] * state.seen.price[:, r] for r in reserves], state.paths)


def vault_equity(state: State, reserves: list[int]) -> np.ndarray:
    """What a vault is worth at marks, collateral after haircuts [USD]."""
    margins, vault, price = state.margins, state.safety.vault, state.seen.price
    return added([vault[r] * (price[:, r] - margins.paid[r] if margins.perp[r] else price[:, r] * margins.weight[r])
                  for r in reserves], state.paths)


def never_as_nan(when: np.ndarray) -> np.ndarray:
    """Times [s]; nan where it did not happen."""
    return np.where(np.isinf(when), np.nan, when)
