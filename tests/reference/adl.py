"""Who is auto-deleveraged, and by how much."""

from __future__ import annotations

from reference.margin import Layer, MarginAccount, MarginExchange, Sight, perp_of

PRO_RATA = ("wealth_pro_rata", "contract_pro_rata", "capped_pro_rata")


Winner = tuple[MarginAccount, str]  # account and leg


def closings(exchange: MarginExchange, perp: str, q: float, x: float, layer: Layer, sight: Sight
             ) -> tuple[list[tuple[Winner, float]], bool]:
    """(winner, units) that close at x against a position of q units, and whether they suffice for all of it."""
    others = [(a, leg) for a in exchange.accounts for leg, p in a.positions.items() if perp_of(leg) == perp
              and p.units * q < 0.0 and exchange.equity(a, sight) >= exchange.maintenance(a, sight)]
    if layer.rule in PRO_RATA:
        return _shared(exchange, others, q, x, layer, sight)
    left, found = abs(q), []
    # sorted is stable: equals stay in the book's order
    for account, leg in sorted(others, key=lambda winner: -score(exchange, *winner, layer.rule, sight)):
        if left > 0.0:
            units = min(_most(exchange, account, leg, q, x, 1.0, sight), left)
            found.append(((account, leg), units))
            left -= units
    return found, left == 0.0


def score(exchange: MarginExchange, account: MarginAccount, leg: str, rule: str, sight: Sight) -> float:
    """The place in a queue: who has most goes first."""
    position, mark = account.positions[leg], sight.mark[perp_of(leg)]
    profit = exchange.profit(account, leg, sight)
    leverage = abs(position.units) * mark / exchange.equity(account, sight)
    if rule == "hyperliquid":
        entry = position.cost / position.units
        return (mark / entry if position.units > 0.0 else entry / mark) * leverage
    share = profit / abs(position.cost)
    if rule == "hyperliquid_v2":
        return leverage * max(share, 0.0)
    assert rule == "binance"
    return share * leverage if profit >= 0.0 else share / leverage


def _most(exchange: MarginExchange, account: MarginAccount, leg: str, q: float, x: float, cap: float, sight: Sight) -> float:
    """Units that an account closes at most: a share of its position, and what its equity bears."""
    size, mark = cap * abs(account.positions[leg].units), sight.mark[perp_of(leg)]
    loss, bears = (x - mark if q > 0.0 else mark - x), 0.999 * exchange.equity(account, sight)
    return bears / loss if size * loss > bears else size


def _shared(exchange: MarginExchange, others: list[Winner], q: float, x: float, layer: Layer, sight: Sight
            ) -> tuple[list[tuple[Winner, float]], bool]:
    """Water-filling: min(most, lambda x weight), with lambda such that all together close what is wanted."""
    wanted = abs(q)
    rows = []  # winner, weight, most that it closes
    for account, leg in others:
        size = abs(account.positions[leg].units)
        weight = max(exchange.profit(account, leg, sight), 0.0) if layer.rule == "wealth_pro_rata" else size
        if weight > 0.0:
            cap = layer.cap if layer.rule == "capped_pro_rata" else 1.0
            rows.append(((account, leg), weight, _most(exchange, account, leg, q, x, cap, sight)))
    enough = sum(most for _, _, most in rows)
    if enough <= wanted:
        return [(winner, most) for winner, _, most in rows], enough == wanted
    full: set[int] = set()  # rows that close all they can
    while True:
        left = wanted - sum(rows[i][2] for i in full)
        level = left / sum(weight for i, (_, weight, _) in enumerate(rows) if i not in full)
        more = {i for i, (_, weight, most) in enumerate(rows) if i not in full and level * weight >= most}
        if not more or len(full | more) == len(rows):  # all of them: by rounding alone, as they have more than is wanted
            break
        full |= more
    return [(winner, most if i in full else level * weight) for i, (winner, weight, most) in enumerate(rows)], True
