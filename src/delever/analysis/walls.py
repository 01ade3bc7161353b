"""The liquidation wall: after a shock to one asset, what is eligible, and what is liquidatable. Two different things.

*Eligible*: all that accounts with a health factor below 1 hold and owe. *Liquidatable*: what the rules let one call on
each of them seize and repay now. The wall asks "what if every oracle saw this now": all feeds of the shocked market
move (but those that are `fixed`); a shock to ETH carries along what is pegged to it, one to stETH moves its peg alone.
Nobody trades: the feedback is the business of a stress test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from delever.analysis.joint_shocks import REMEDY, Joint, effects, parse_joint
from delever.analysis.margins import MarginBook, reached, unhealthy_positions
from delever.analysis.shocks import FIVES, Shocks, Walk, parse_shocks
from delever.analysis.tables import Column, named, numbered, table
from delever.analysis.valuation import Legs, callable_now, chain, health, legs_of, market_of, sensitivity
from delever.catalog.days import find
from delever.core.jit import interpreted
from delever.model.asset import price_usd
from delever.model.book import COLLATERAL, DEBT
from delever.model.errors import InputError
from delever.model.world import World
from delever.run.assemble import Model, assemble
from delever.run.plots import reach_by_shock
from delever.run.result import Result

NO_COLLATERAL = "(none)"
AMOUNTS = tuple(f"{what}_{side}{unit}" for what in ("eligible", "liquidatable") for side in (COLLATERAL, DEBT)
                for unit in ("", "_usd"))  # native units and USD


@dataclass(frozen=True, repr=False)
class Wall(Result):
    """What a shock reaches.

    table: a row a shock, protocol, collateral asset and debt asset, nothing left out: rows add up to the totals.
    totals: a row a shock and protocol.
    accounts: a row a leg of the accounts that are eligible at `shock`, the largest of the shocks.
    With margin exchanges all three also have rows of theirs, with columns of their own: positions of accounts whose equity is
    below maintenance margin (all that the engine would close in the end; a first call may close less).
    """

    table: pa.Table
    totals: pa.Table
    accounts: pa.Table
    shock: float  # share; of several assets that of the lead, the first that moves from step to step
    moves: pa.Table  # a row a shock and asset: its move, its price after it
    asked: pa.Table  # what is stated, and what of it is used; how many prices follow each asset that is shocked (run/asked.py)
    findings: pa.Table  # as those of a check
    said: tuple[str, ...] = ()  # how moves of several assets came about

    @property
    def main(self) -> pa.Table:
        """See Result."""
        return self.totals

    def _chart(self, alt: Any, figures: Sequence[str]) -> Any:
        """See Result: what each shock reaches."""
        return reach_by_shock(alt, self.totals)

    @property
    def assets(self) -> tuple[str, ...]:
        """What is shocked, the lead first."""
        return tuple(dict.fromkeys(self.moves["asset"].to_pylist()))

    def __repr__(self) -> str:
        shocks = self.totals["shock"].unique().to_pylist()
        span = f"{min(shocks):+.4g}" + (f" to {max(shocks):+.4g} in {len(shocks)} steps" if len(shocks) > 1 else "")
        return f"Wall of {', '.join(self.assets)} {span}: {self.accounts.num_rows} legs reached at {self.shock:+.4g}"


def wall(world: World, asset: str | None, shocks: Shocks | Mapping[str, Shocks], step: float | str | None = None,
         count: int | None = None) -> Wall:
    """The wall of an asset. shocks: a share, several, or text such as "-5%" or "-60%..0%" (steps of 5 %).

    Without an asset of several at once: "ETH -30 %, WBTC -20 %", "all -20 %", "factor ETH -30 %", "12 March 2020", or shocks
    by asset (joint_shocks.py). step, count: of ranges that do not say it themselves.
    An account with several legs stands in several rows: its collateral is divided among its debts in proportion to
    their value, its debts among its collateral likewise, but no pair of legs gets less than a call would take of it.
    """
    return wall_of(assemble(world), asset, shocks, Walk(step, count))


def joint_of(model: Model, asset: str | None, shocks: Shocks | Mapping[str, Shocks], walk: Walk = FIVES) -> Joint:
    """The moves meant: of one asset, or of several."""
    if asset is None:
        if not isinstance(shocks, (str, Mapping)):
            raise InputError("names no asset", "shock", shocks, REMEDY)
        return parse_joint(shocks, model, walk)
    market_of(model, asset, "asset")
    if isinstance(shocks, Mapping) or (isinstance(shocks, str) and find(shocks) is not None):
        named = shocks if isinstance(shocks, str) else ", ".join(shocks)
        raise InputError("names assets beside one that is shocked", "shock", named, "leave out the asset")
    return Joint((asset,), np.array([parse_shocks(shocks, walk=walk)]).T)


def wall_of(model: Model, asset: str | None, shocks: Shocks | Mapping[str, Shocks], walk: Walk = FIVES) -> Wall:
    """The same for a world that is assembled already."""
    joint = joint_of(model, asset, shocks, walk)
    moves = joint.moves[:, joint.lead].tolist()
    deepest = max(moves, key=abs)
    legs, seen_moves = legs_of(model), sensitivity(model)[:, [market_of(model, name, "shock") for name in joint.assets]]
    pairs, margin_book = Pairs(model, legs), MarginBook(model)

    tables, totals, accounts = [], [], pa.table({})
    with interpreted(legs.accounts * len(moves)):
        for move, each in zip(moves, joint.moves, strict=True):
            price = model.seen_price(seen_moves @ np.log1p(each))
            reach = Reach(model, legs, price)
            tables.append(_table(pairs, move, reach.by_pair(pairs)))
            totals.append(_totals(model, move, reach.by_protocol()))
            accounts = reach.accounts() if move == deepest else accounts
            if margin_book.exchanges:
                standing = margin_book.at(price)
                positions, of_exchanges = reached(margin_book, move, standing)
                tables.append(positions)
                totals.append(of_exchanges)
                if move == deepest:
                    accounts = united([accounts, unhealthy_positions(margin_book, standing)])
    asked, findings = effects(model, joint, seen_moves)
    return Wall(united(tables), united(totals), accounts, deepest, _moves(model, joint, moves), asked, findings, joint.said)


def _moves(model: Model, joint: Joint, lead: list[float]) -> pa.Table:
    """A row a shock and asset, the lead's first."""
    order = [joint.lead, *(i for i in range(len(joint.assets)) if i != joint.lead)]
    layout = model.layout
    rows = [(shock, joint.assets[i], float(each[i])) for shock, each in zip(lead, joint.moves, strict=True) for i in order]
    log_moves = np.zeros((len(joint.moves), len(layout.markets)))
    for i, name in enumerate(joint.assets):
        log_moves[:, layout.markets.index(name)] += np.log1p(joint.moves[:, i])
    before = {name: price_usd(name, model.world.assets) for name in joint.assets}
    after = [before[name] * float(np.exp(row[chain(model, name)].sum()))
             for row in log_moves for name in (joint.assets[i] for i in order)]
    return table(Column("shock", "share", [row[0] for row in rows]), Column("asset", "", [row[1] for row in rows]),
                 Column("move", "share", [row[2] for row in rows], "of what it is priced in"),
                 Column("price_usd", "USD", after, "after it, with what it is priced in"))


def united(tables: list[pa.Table]) -> pa.Table:
    """One below the other; empty where a table has no such column."""
    return pa.concat_tables(tables, promote_options="default")


class Pairs:
    """Every collateral leg with every debt leg of its account, and of which kind the pair is.

    Axes: N pairs, B debt legs of accounts that hold nothing, G kinds (protocol, collateral asset, debt asset).
    """

    def __init__(self, model: Model, legs: Legs) -> None:
        reserves = model.positions.reserves
        held = np.flatnonzero(~legs.debt)
        owner = legs.account[held]
        times = legs.debts[owner]
        nth = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
        self.collateral = np.repeat(held, times)  # [N] leg
        self.debt = np.repeat(legs.first[owner] + legs.collaterals[owner], times) + nth  # [N] leg
        self.bare = np.flatnonzero(legs.debt & (legs.collaterals[legs.account] == 0))  # [B] leg
        kinds = len(reserves) + 1  # the last stands for no collateral
        backing = np.append(legs.reserve[self.collateral], np.full(len(self.bare), kinds - 1))
        code, kind = numbered(backing * kinds + legs.reserve[np.append(self.debt, self.bare)], kinds**2)
        self.kind, self.bare_kind = kind[: len(self.debt)], kind[len(self.debt) :]  # [N], [B]
        assets = [*(asset for _, asset in reserves), NO_COLLATERAL]
        of_debt = [reserves[c % kinds] for c in code.tolist()]
        self.protocols = [protocol for protocol, _ in of_debt]  # [G]
        self.collaterals, self.debts = [assets[c // kinds] for c in code.tolist()], [asset for _, asset in of_debt]


class Reach:
    """What one shock reaches."""

    def __init__(self, model: Model, legs: Legs, price: np.ndarray) -> None:
        """price: [R] seen prices, USD."""
        self.model, self.legs = model, legs
        self.health = health(legs, price)
        self.eligible = self.health.eligible  # [A]
        self.call = callable_now(model, legs, price, self.eligible)  # [K] units that one call takes
        self.call_value = self.call * price[legs.reserve]  # [K] USD

    def by_pair(self, pairs: Pairs) -> dict[str, np.ndarray]:
        """Accounts and AMOUNTS by kind of pair, [G]."""
        legs, groups = self.legs, len(pairs.debts)
        at = np.flatnonzero(self.eligible[legs.account[pairs.debt]])
        kind, c, d = pairs.kind[at], pairs.collateral[at], pairs.debt[at]
        with np.errstate(divide="ignore", invalid="ignore"):
            taken = np.where(legs.amount > 0.0, self.call / legs.amount, 0.0)  # [K] share of the leg
        called_c, called_d = self._share(self.call_value, c), self._share(self.call_value, d)
        size = np.abs(self.health.value)  # remainders may be negative
        part_c = divided(c, self._share(size, d), taken[c] * called_d)
        part_d = divided(d, self._share(size, c), taken[d] * called_c)
        out = {"accounts": np.bincount(kind, minlength=groups)}
        for name, leg, amount, value, part in (
            ("eligible_collateral", c, legs.amount, self.health.value, part_c),
            ("eligible_debt", d, legs.amount, self.health.value, part_d),
            ("liquidatable_collateral", c, self.call, self.call_value, called_d),
            ("liquidatable_debt", d, self.call, self.call_value, called_c),
        ):
            out[name] = sums(kind, amount[leg] * part, groups)
            out[f"{name}_usd"] = sums(kind, value[leg] * part, groups)
        bare = np.flatnonzero(self.eligible[legs.account[pairs.bare]])
        leg, kind = pairs.bare[bare], pairs.bare_kind[bare]
        out["accounts"] += np.bincount(kind, minlength=groups)
        out["eligible_debt"] += sums(kind, legs.amount[leg], groups)
        out["eligible_debt_usd"] += sums(kind, self.health.value[leg], groups)
        return out

    def _share(self, values: np.ndarray, leg: np.ndarray) -> np.ndarray:
        """Share of each of these legs in the sum of `values` on its side of its account, [N]; 0 of nothing."""
        legs = self.legs
        side = 2 * legs.account + legs.debt
        total = np.bincount(side, values, 2 * legs.accounts)[side[leg]]
        return np.where(total > 0.0, values[leg] / np.where(total > 0.0, total, 1.0), 0.0)

    def by_protocol(self) -> dict[str, np.ndarray]:
        """The totals of the wall, [protocols]."""
        legs, of = self.legs, self.model.positions.protocol
        count, eligible = len(self.model.world.protocols), self.eligible
        called = legs.total(self.call_value, legs.debt) > 0.0

        def total(values: np.ndarray, side: np.ndarray) -> np.ndarray:
            return sums(of[eligible], legs.total(values, side)[eligible], count)

        return {
            "accounts": np.bincount(of[eligible], minlength=count),
            "callable_accounts": np.bincount(of[called], minlength=count),
            "eligible_collateral_usd": total(self.health.value, ~legs.debt),
            "eligible_debt_usd": total(self.health.value, legs.debt),
            "liquidatable_collateral_usd": total(self.call_value, ~legs.debt),
            "liquidatable_debt_usd": total(self.call_value, legs.debt),
            "bad_debt_usd": sums(of, self.beyond(), count),
        }

    def beyond(self) -> np.ndarray:
        """What each account owes beyond all that it has as collateral, at seen prices [A] USD."""
        legs = self.legs
        return np.maximum(legs.total(self.health.value, legs.debt) - legs.total(self.health.value, ~legs.debt), 0.0)

    def accounts(self) -> pa.Table:
        """A row a leg of the eligible accounts."""
        legs, positions = self.legs, self.model.positions
        at = np.flatnonzero(self.eligible[legs.account])
        account = legs.account[at]
        return table(
            Column("protocol", "", named(list(self.model.world.protocols), positions.protocol[account])),
            Column("account", "", named(positions.accounts, account)),
            Column("health_factor", "1", self.health.factor[account]),
            Column("asset", "", named([asset for _, asset in positions.reserves], legs.reserve[at])),
            Column("side", "", named([COLLATERAL, DEBT], legs.debt[at].astype(np.int64))),
            Column("amount", "units", legs.amount[at]),
            Column("value_usd", "USD", self.health.value[at]),
            Column("liquidatable", "USD", self.call_value[at], "what one call may seize or repay of this leg"),
        )


def sums(group: np.ndarray, values: np.ndarray, groups: int) -> np.ndarray:
    """Sum of the values by group, [groups]; zeros where there are none."""
    total: np.ndarray = np.bincount(group, values, groups).astype(np.float64)  # of nothing: integers
    return total


def divided(leg: np.ndarray, weight: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Part of each leg that goes to each of its pairs, [N]; the parts of a leg add up to 1.

        part = floor + (1 - sum of floors) above / sum of above,   above = max(weight - floor, 0)

    weight: [N] share of the pair's other leg in its side; floor: [N] share of the leg that a call takes in this pair.
    Where no floor exceeds its weight the part is the weight.
    """
    above, pairs = np.maximum(weight - floor, 0.0), np.bincount(leg)[leg]
    spare, taken = np.bincount(leg, above)[leg], np.bincount(leg, floor)[leg]
    alike = np.where(spare > 0.0, above / np.where(spare > 0.0, spare, 1.0), 1.0 / pairs)
    parts: np.ndarray = floor + (1.0 - taken) * alike
    return parts


def _table(pairs: Pairs, move: float, rows: dict[str, np.ndarray]) -> pa.Table:
    at = np.flatnonzero(rows["accounts"])
    at = at[np.lexsort((-rows["eligible_debt_usd"][at], [pairs.protocols[i] for i in at]))]
    return table(
        Column("shock", "share", np.full(len(at), move)),
        Column("protocol", "", [pairs.protocols[i] for i in at], kind=pa.string()),
        Column("collateral", "", [pairs.collaterals[i] for i in at], kind=pa.string()),
        Column("debt", "", [pairs.debts[i] for i in at], kind=pa.string()),
        Column("accounts", "1", rows["accounts"][at], "one with several legs a side counts in several rows"),
        *(Column(name, "USD" if name.endswith("_usd") else "units", rows[name][at]) for name in AMOUNTS),
    )


def _totals(model: Model, move: float, rows: dict[str, np.ndarray]) -> pa.Table:
    protocols = list(model.world.protocols)
    lends = [number for number, name in enumerate(protocols) if name in model.world.lending]
    return table(
        Column("shock", "share", np.full(len(lends), move)),
        Column("protocol", "", [protocols[number] for number in lends], kind=pa.string()),
        *(Column(name, "USD" if name.endswith("_usd") else "1", values[lends]) for name, values in rows.items()),
    )
