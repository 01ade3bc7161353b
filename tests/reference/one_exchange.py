"""The smallest exchange: one perp, 5 % maintenance, no venue unless one is given; cases solved by hand start from it."""

from __future__ import annotations

import math

from reference.books import check_books
from reference.margin import Layer, MarginAccount, MarginExchange, Position, Stage
from reference.plain import Path
from reference.pool import Market, Profile
from reference.setting import Result, Setting

PERP = "BTC-PERP"


def book(depth: float) -> Profile:
    """Makers with constant liquidity: 2 depth du units around the outside price."""
    return Profile([0.5, 1.0, 2.0], [2.0 * depth, 2.0 * depth], [-depth, 0.0, 2.0 * depth], 0.0, 0.0, True)


def trader(name: str, q: float, entry: float, wallet: float, **collateral: float) -> MarginAccount:
    positions = {PERP: Position(q, q * entry)} if q else {}
    return MarginAccount("ex", name, 0, wallet - q * entry, dict(collateral), positions)


def setting(accounts: list[MarginAccount], price: float, waterfall: list[Layer] | None = None,
            stages: list[Stage] | None = None, profile: Profile | None = None, **changes: object) -> Setting:
    """One exchange with one perp, 5 % maintenance, one step of one block; BTC at `price` [USD], without a venue."""
    exchange = MarginExchange("ex", {PERP: [(0.0, 0.05)]}, {"ETH": 0.9}, {PERP: "BTC"}, accounts,
                              stages or [Stage("market")], waterfall or [])
    given: dict[str, object] = dict(
        steps=1, dt=60.0, blocks=1, sequential=True,
        markets={"BTC": Market("BTC", "USD", math.log(price)), "ETH": Market("ETH", "USD", math.log(1000.0)),
                 PERP: Market(PERP, "USD", 0.0, profile)},
        wraps={}, moves=[{}] * 9, depth_shocks=[[]] * 9, feeds={}, sight={}, unit={"ex": "USD"}, rates={}, rules={},
        accounts=[], orders=[], attentive=0.0,
        exchanges=[exchange])
    return Setting(**{**given, **changes})  # type: ignore[arg-type]


def ended(result: Result, name: str) -> MarginAccount:
    return next(a for a in result.exchanges["ex"].accounts if a.name == name)


def run(given: Setting) -> Result:
    """The path, with the books checked after every block."""
    path = Path(given)
    start = check_books(path, None)

    def checked(b: int, block=path.block) -> float:  # type: ignore[no-untyped-def]
        again: float = block(b)
        check_books(path, start)
        return again

    path.block = checked  # type: ignore[method-assign]
    return path.run()
