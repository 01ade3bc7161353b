"""Risk figures of exchanges and default waterfalls: what was closed, who bore the rest, when each layer ran dry."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from delever.model.exchange import is_exchange
from delever.run.assemble import Model
from delever.run.estimates import Estimate, mean, quantile, share

Row = tuple[str, Estimate, str, str]  # figure, (value, low, high), unit, definition
BORE = {
    "insurance_fund": "deficits that the insurance fund paid",
    "backstop": "equity below zero that the backstop vault took over",
    "adl": "haircuts that auto-deleveraging imposed on winners",
    "socialised_loss": "deficits taken from accounts or claims pro rata",
}
DRY = {
    "insurance_fund": "the insurance fund held less than was asked of it",
    "backstop": "the backstop vault refused an account",
    "adl": "auto-deleveraging found too few positions on the other side",
    "socialised_loss": "there was less to take from than had to be borne",
}
MONEY = {
    "liquidated": "positions closed by the engine, on books or at a flat price, at marks",
    "taken_over": "positions that the backstop vault took over, at marks",
    "deleveraged": "winners' positions that auto-deleveraging closed, at marks",
    "haircut": "what auto-deleveraging cost winners against the mark",
    "slippage": "what closing positions on books cost against the mark",
}
COUNTS = {
    "accounts_liquidated": "accounts liquidated at least once",
    "liquidations": "calls of accounts in which something was closed",
}
HIT = {  # per path on which ADL closed somebody
    "adl_accounts": ("count", "mean number of accounts that auto-deleveraging closed or cut"),
    "adl_severity": ("share", "mean severity: haircuts, as a share of all that accounts fell short of and the fund did not pay"),
    "adl_profit_taken": ("share", "mean of haircuts as a share of the profit, since entry and funding aside, of what was closed"),
    "adl_largest_haircut": ("share", "median of the highest such share of one account; above 1 he lost more than his profit"),
    "adl_largest_part": ("share", "mean of the highest share of all haircuts of a path that one account bore"),
    "adl_coverability": ("ratio", "mean of the lowest ratio of winners' profits to the deficit, over positions to be closed"),
    "adl_overshoot": ("USD", "mean overshoot regret: how far haircuts were from what each position lacked, summed"),
    "adl_unfairness": ("USD", "mean fairness regret: largest share of a profit taken, less the smallest possible, times the "
                       "deficit, summed"),
}
PERPS = pa.schema([("protocol", pa.string()), ("perp", pa.string()), ("open_interest", pa.float64()), ("figure", pa.string()),
                   ("value", pa.float64()), ("unit", pa.string()), ("low", pa.float64()), ("high", pa.float64()),
                   ("median", pa.float64()), ("of_open_interest", pa.float64())])


def column(paths: pa.Table, name: str) -> np.ndarray:
    """A column as numbers."""
    return np.asarray(paths[name], float)


def where_it_happened(when: np.ndarray) -> Estimate:
    """Median over the paths with a value, nan if there is none."""
    some = when[~np.isnan(when)]
    return quantile(some, 0.5) if len(some) else (np.nan, np.nan, np.nan)


def by_exchange(model: Model, paths: pa.Table) -> list[Row]:
    """Transactions of every exchange."""
    rows: list[Row] = []
    for name, protocol in model.world.protocols.items():
        if not is_exchange(protocol):
            continue
        rows += [(f"{figure}.{name}", mean(column(paths, f"{figure}.{name}")), "USD", f"mean over paths of {words}")
                 for figure, words in MONEY.items()]
        rows += [(f"{figure}.{name}", mean(column(paths, f"{figure}.{name}")), "count", f"mean over paths of {words}")
                 for figure, words in COUNTS.items()]
        start, adl = column(paths, f"first_liquidation.{name}"), column(paths, f"first_adl.{name}")
        rows += [
            (f"first_liquidation.{name}", where_it_happened(start), "s",
             "median time of the first liquidation, over the paths that have one"),
            (f"probability_of_adl.{name}", share(~np.isnan(adl)), "share", "paths with auto-deleveraging"),
            (f"first_adl.{name}", where_it_happened(adl), "s",
             "median time of the first auto-deleveraging, over the paths that have one"),
            (f"adl_delay.{name}", where_it_happened(adl - start), "s",
             "median time from the first liquidation to the first auto-deleveraging, over the paths that have both")]
        for figure, (unit, words) in HIT.items():
            values = column(paths, f"{figure}.{name}")
            values = values[values > 0] if figure == "adl_accounts" else values[~np.isnan(values)]
            if figure == "adl_largest_haircut":  # without bound where somebody with next to no profit is closed
                estimate = where_it_happened(values)
            else:
                estimate = mean(values) if len(values) else (np.nan, np.nan, np.nan)
                if unit == "share":  # a normal interval knows no bounds
                    estimate = estimate[0], max(estimate[1], 0.0), min(estimate[2], 1.0)
            rows.append((f"{figure}.{name}", estimate, unit, f"{words}; over the paths with auto-deleveraging"))
    rows += [(f"naked.{name}", mean(column(paths, f"naked.{name}")), "units",
              "mean over paths of spot and perp of this arbitrageur together at the end, units of what the perp follows")
             for name in model.world.actors if f"naked.{name}" in paths.column_names]
    return rows


def by_layer(model: Model, paths: pa.Table) -> list[Row]:
    """Transactions of every default waterfall, and of what no layer bore."""
    rows: list[Row] = []
    for name, protocol in model.world.protocols.items():
        if not (is_exchange(protocol) or protocol.waterfall):
            continue
        for kind in dict.fromkeys(layer.kind for layer in protocol.waterfall):
            dry = column(paths, f"{kind}_dry.{name}")
            rows += [(f"{kind}.{name}", mean(column(paths, f"{kind}.{name}")), "USD", f"mean over paths of {BORE[kind]}"),
                     (f"{kind}_ran_dry.{name}", share(~np.isnan(dry)), "share", f"paths on which {DRY[kind]}"),
                     (f"{kind}_dry.{name}", where_it_happened(dry), "s", "median time at which that first happened, over them")]
        for held, words in (("fund_left", "what the insurance fund holds at the end, at prices seen"),
                            ("vault_equity", "what the backstop vault is worth at the end, at marks")):
            if f"{held}.{name}" in paths.column_names:
                rows.append((f"{held}.{name}", mean(column(paths, f"{held}.{name}")), "USD", f"mean over paths of {words}"))
        short = column(paths, f"residual_shortfall.{name}")
        rows += [(f"deficit_booked.{name}", mean(column(paths, f"deficit_booked.{name}")), "USD",
                  "mean over paths of deficits booked: what closed accounts owed, before the fund or socialised losses bore any"),
                 (f"residual_shortfall.{name}", mean(short), "USD", "mean over paths of deficits that no layer bore"),
                 (f"residual_shortfall_95.{name}", quantile(short, 0.95), "USD", "95th percentile over paths of the same"),
                 (f"probability_of_shortfall.{name}", share(short > 0.0), "share", "paths with deficits that no layer bore")]
    return rows


def by_perp(model: Model, paths: pa.Table) -> pa.Table:
    """MONEY by perp: mean with its interval, median, and the mean as a share of the open interest at the start.

    Open interest [USD at marks]: longs or shorts, whichever is more.
    """
    interest, rows = open_interest(model), []
    for (name, perp), usd in interest.items():
        for figure in MONEY:
            values = column(paths, f"{figure}.{name}.{perp}")
            value, low, high = mean(values)
            rows.append({"protocol": name, "perp": perp, "open_interest": usd, "figure": figure, "value": value, "unit": "USD",
                         "low": low, "high": high, "median": quantile(values, 0.5)[0],
                         "of_open_interest": value / usd if usd > 0.0 else np.nan})
    return pa.Table.from_pylist(rows, schema=PERPS)


def open_interest(model: Model) -> dict[tuple[str, str], float]:
    """By exchange and perp at the start, USD at marks: longs or shorts, whichever is more."""
    tables, margins, price = model.positions.tables, model.positions.margins, model.seen_price()
    out: dict[tuple[str, str], float] = {}
    for r in np.flatnonzero(margins.perp):
        held = slice(margins.position_first[r], margins.position_first[r + 1])
        units = tables.amount[margins.position_account[held], margins.position_leg[held]]
        out[model.positions.reserves[r]] = float(max(units[units > 0.0].sum(), -units[units < 0.0].sum()) * price[r])
    return out
