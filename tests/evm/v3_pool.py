"""Uniswap v3's real pools: positions of one's own, and swaps in them read as cases of the golden vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evm.chain import Chain, Contract, Refused

LOWEST, HIGHEST = 4295128739 + 1, 1461446703485210103287273052203988822378723970342 - 1  # roots of prices that swaps may end at
WORD = 256  # spacings of ticks that the contract looks through at once


@dataclass(frozen=True)
class Pool:
    """What is put into a pool: ticks and liquidity of its positions, and the root of the price at which it starts [2^-96]."""

    fee: int  # [1e-6]
    decimals: tuple[int, int]
    root: int
    positions: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Asked:
    """Token 0 for token 1, or the other way; so much in, or so much out; no further than a root of the price."""

    zero_for_one: bool
    amount: int
    exact_input: bool
    limit: int | None = None


class Ticks:
    """A factory and a trader; every pool starts from there."""

    def __init__(self, compiled: dict[str, Any]) -> None:
        chain = self.chain = Chain(compiled)
        self.factory, self.trader = chain.deploy("UniswapV3Factory"), chain.deploy("Trader")
        self.factory("enableFeeAmount", 100, 1)
        self.tokens = sorted((chain.deploy("Token", 18) for _ in range(2)), key=lambda token: int(token.address, 16))
        for token in self.tokens:
            token("mint", self.trader.address, 2**127)

    def swapped(self, made: Pool, swaps: list[Asked]) -> list[dict[str, Any]]:
        """Cases of the swaps, one after the other, as long as some liquidity stands where the pool does."""
        before = self.chain.evm.snapshot()
        try:
            pool = self.pool(made)
            found: list[dict[str, Any]] = []
            for asked in swaps:
                if pool("liquidity") == 0:
                    break
                found.append(self.case(pool, made, asked))
            return found
        finally:
            self.chain.evm.revert(before)

    def pool(self, made: Pool) -> Contract:
        where = [token.address for token in self.tokens]
        self.factory("createPool", *where, made.fee)
        pool = Contract(self.chain, self.chain.compiled["UniswapV3Pool"], self.factory("getPool", *where, made.fee))
        pool("initialize", made.root)
        for position in made.positions:
            self.trader("provide", pool.address, *position)
        return pool

    def case(self, pool: Contract, made: Pool, asked: Asked) -> dict[str, Any]:
        """One swap."""
        (root, tick, *_), stands = pool("slot0"), pool("liquidity")
        zero, one = made.decimals
        given = {"decimals0": zero, "decimals1": one, "fee_pips": made.fee, "sqrt_price_x96": [str(root), root / 2**96],
                 "positions": [{"lower": low, "upper": high, "liquidity": [str(size), float(size)]}
                               for low, high, size in made.positions],
                 "zero_for_one": asked.zero_for_one, "exact_input": asked.exact_input,
                 "amount": [str(asked.amount), asked.amount / 10.0 ** (zero if asked.zero_for_one is asked.exact_input else one)]}
        if asked.limit is not None:
            given["sqrt_price_limit_x96"] = [str(asked.limit), asked.limit / 2**96]
        limit = asked.limit or (LOWEST if asked.zero_for_one else HIGHEST)
        case: dict[str, Any] = {"id": repr((made, asked, root)), "in": given}
        try:
            signed = asked.amount if asked.exact_input else -asked.amount
            amounts = self.trader("trade", pool.address, asked.zero_for_one, signed, limit)
        except Refused as why:
            return case | {"out": {"revert": why.reason}}
        after, tick_after, *_ = pool("slot0")
        words = abs(tick_after - tick) // (WORD * pool("tickSpacing")) + 1
        return case | {"words": words, "liquidity_before": stands, "out": {
            "amount0": [str(amounts[0])], "amount1": [str(amounts[1])], "sqrt_price_x96_after": [str(after)],
            "liquidity_after": [str(pool("liquidity"))]}}
