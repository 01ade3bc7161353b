"""Uniswap v2's real pairs."""

from __future__ import annotations

from evm.chain import ME, Chain, Contract

COUNTED, OF = 997, 1000  # of an input that a pair counts


class Pairs:
    """A factory, whose pairs nobody takes a share of."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.factory = chain, chain.deploy("UniswapV2Factory", ME)

    def made(self, base: Contract, quote: Contract) -> Pair:
        """A new pair, empty."""
        self.factory("createPair", base.address, quote.address)
        address = self.factory("getPair", base.address, quote.address)
        return Pair(Contract(self.chain, self.chain.compiled["UniswapV2Pair"], address), base, quote)


class Pair:
    """A pair, seen from one of its tokens. Smallest units."""

    def __init__(self, contract: Contract, base: Contract, quote: Contract) -> None:
        self.contract, self.address, self.tokens = contract, contract.address, (base, quote)
        self.turned = contract("token0") != base.address

    def fill(self, base: int, quote: int) -> None:
        """Somebody provides so much of either."""
        for token, units in zip(self.tokens, (base, quote), strict=True):
            token("mint", self.address, units)
        self.contract("mint", ME)

    def holds(self) -> tuple[int, int]:
        """(base, quote)"""
        one, other, _ = self.contract("getReserves")
        return (other, one) if self.turned else (one, other)

    def most_for(self, units: int, buying: bool = False) -> int:
        """The most that it gives for units of the base; buying: of the quote."""
        into, out_of = reversed(self.holds()) if buying else self.holds()
        return units * COUNTED * out_of // (into * OF + units * COUNTED)

    def swap(self, who: str, units: int, out: int, buying: bool = False) -> None:
        """Units of the base go in, so many of the quote come out; buying: the other way."""
        self.tokens[buying]("transfer", self.address, units, by=who)
        self.contract("swap", *((out, 0) if buying != self.turned else (0, out)), who, b"", by=who)
