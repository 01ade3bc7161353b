"""Assets: what has its own price, what is pegged to another, what wraps another, what follows another by contract.

A pegged asset with a `rate` is derived: it has a market of its own and stands for `rate` units of its peg, and the two differ.
    market price in units of the peg = rate x (1 - discount)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import Field, model_validator

from .errors import InputError, nearest
from .quantity import Amount, Instant, PerYear, Ratio, Text, Usd
from .spec import Spec

USD = "USD"  # implicit, worth 1, the root of all prices
WAYS = ("price", "peg", "wraps", "perp", "call", "put")  # to a price
TERMS = {"strike": "`strike: 60k USD`", "expires": "`expires: 2025-12-26T08:00:00Z`", "volatility": "`volatility: 55 %`"}
OPTION = tuple(TERMS)


class Asset(Spec):
    """One asset: exactly one of `price`, `peg` with `ratio`, `wraps` with `rate`, `perp`, or `call` or `put` with their terms."""

    price: Usd | None = Field(None, description="price at the start, of an asset with a market of its own")
    peg: Text | None = Field(None, description="the asset whose price its own follows")
    ratio: Ratio | None = Field(None, description="price in units of the peg at the start; its market is asset/peg")
    wraps: Text | None = Field(None, description="the asset it is a share of; it has no market of its own")
    rate: Ratio | None = Field(
        None, description="units that one unit is worth of what it wraps; or, beside `peg`, stands for and is redeemed for")
    growth: PerYear = Field(0.0, description="growth of the rate of a pegged asset, compounded continuously: staking, interest")
    reserve: Amount | None = Field(
        None, ge=0, description="units of the peg that there are to redeem a pegged asset with a rate; null: without end")
    perp: Text | None = Field(None, description="the asset whose price its contract follows; its market is asset/USD")
    inverse: bool = Field(False, description="a unit of the contract is 1 USD of what it follows, paid in that: its market is "
                          "asset/perp, and its price what a dollar of the contract is worth in the coin")
    call: Text | None = Field(None, description="the coin on one of which it is a European call, paid in it; market: asset/coin")
    put: Text | None = Field(None, description="the same of a put")
    strike: Usd | None = Field(None, gt=0, examples=["60k USD"], description="of an option, for one coin")
    expires: Instant | None = Field(None, examples=["2025-12-26T08:00:00Z"], description="of an option, behind the end of a run")
    volatility: PerYear | None = Field(
        None, gt=0, examples=["55 %"], description="at which an option is marked; it stays what it is (assumption)")
    seizable: bool = Field(True, description="whether a liquidator may take it as collateral or repay it as debt")

    @model_validator(mode="after")
    def _one_way_to_a_price(self) -> Self:
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"needs one of {', '.join(WAYS)}" if not given else f"has {' and '.join(given)}"
            remedy = "give one: `price: 1719.57 USD`, `peg: ETH, ratio: 1`, `wraps: A, rate: 1`, `perp: BTC` or `call: BTC, ...`"
            raise InputError(what, remedy=remedy)
        for name, number in (("peg", "ratio"), ("wraps", "rate")):
            has_name, has_number = getattr(self, name) is not None, getattr(self, number) is not None
            if has_name and not has_number:
                raise InputError("is missing", path=(number,), remedy=f"write it beside {name}, as in `{number}: 1.0`")
            if has_number and not has_name and not (number == "rate" and self.peg is not None):
                homes = "`wraps: ASSET` or `peg: ASSET`" if number == "rate" else f"`{name}: ASSET`"
                raise InputError("has no meaning here", path=(number,), remedy=f"it belongs to {homes}")
        for number, stated in (("growth", self.growth != 0.0), ("reserve", self.reserve is not None)):
            if stated and not self.derived:
                raise InputError("has no meaning here", path=(number,), remedy="it belongs to `peg: ASSET` with a `rate`")
        for name in OPTION:
            if self.is_option and getattr(self, name) is None:
                raise InputError("is missing", path=(name,), remedy=f"an option has {', '.join(OPTION)}: write {TERMS[name]}")
            if not self.is_option and getattr(self, name) is not None:
                raise InputError("has no meaning here", path=(name,), remedy="it belongs to `call: COIN` or `put: COIN`")
        if self.inverse and self.perp is None:
            raise InputError("has no meaning here", path=("inverse",), remedy="it belongs to `perp: ASSET`")
        if self.price is not None and self.price <= 0:
            raise InputError(f"is {self.price:g}", path=("price",), value=self.price, remedy="a price is above 0")
        return self

    @property
    def derived(self) -> bool:
        """Whether it has both a market of its own and a rate at which it is redeemed."""
        return self.peg is not None and self.rate is not None

    @property
    def below(self) -> str:
        """The asset that its price is counted in: its peg, what it wraps, of an inverse perp or an option its coin, or USD."""
        return self.peg or self.wraps or (self.follows if self.follows and (self.inverse or self.is_option) else USD)

    @property
    def is_option(self) -> bool:
        """Whether it is a call or a put."""
        return self.call is not None or self.put is not None

    @property
    def follows(self) -> str | None:
        """The asset whose price its contract follows; None: it is no contract."""
        return self.perp or self.call or self.put

    @property
    def factor(self) -> float:
        """Price at the start in units of `below`; of a perp, which knows it by its underlying alone, see `factor_of`."""
        given = next((number for number in (self.price, self.ratio, self.rate) if number is not None), None)
        if given is None:
            raise ValueError(f"a perp of {self.perp} has no price of its own: ask factor_of")
        return given


Assets = Mapping[str, Asset]


def down_to_usd(name: str, assets: Assets) -> Iterator[str]:
    """`name`, what it wraps or is pegged to, and so on; USD, the end, is left out."""
    while name != USD:
        yield name
        name = assets[name].below


def market_of(name: str, assets: Assets) -> str | None:
    """The market `asset/quote` in which the asset has its own price; None for USD and wrapped assets."""
    return None if name == USD or assets[name].wraps is not None else f"{name}/{assets[name].below}"


def markets(assets: Assets) -> dict[str, str]:
    """Market `asset/quote` -> its asset, in the order of the assets."""
    return {market: name for name in assets if (market := market_of(name, assets)) is not None}


def factor_of(name: str, assets: Assets) -> float:
    """Price at the start in units of `below`; a perp starts at the USD price of its underlying, an inverse one at 1 / that."""
    underlying = assets[name].follows
    if underlying is None:
        return assets[name].factor
    if assets[name].is_option:
        return float("nan")  # it takes a date to say: see run/options.py
    return 1.0 / price_usd(underlying, assets) if assets[name].inverse else price_usd(underlying, assets)


def price_usd(name: str, assets: Assets) -> float:
    """Price at the start [USD a unit]."""
    price = 1.0
    for step in down_to_usd(name, assets):
        price *= factor_of(step, assets)
    return price


def perps(assets: Assets, options: bool = False) -> dict[str, str]:
    """Perp -> the asset whose price it follows, in the order of the assets; options: these too."""
    return {name: asset.follows for name, asset in assets.items()
            if asset.follows is not None and (options or not asset.is_option)}


def check_assets(assets: Assets) -> None:
    """Every peg and wrap leads to USD."""
    if USD in assets:
        raise InputError("is always there, worth 1", path=("assets", USD), remedy="leave it out")
    for name, asset in assets.items():
        if "/" in name:
            raise InputError("has a slash in its name", path=("assets", name), remedy="slashes separate pairs: ETH/USD")
        if asset.follows is not None:
            _check_perp(name, asset, assets)
            continue
        key = "peg" if asset.peg is not None else "wraps"
        stated = next((other for other in (asset.peg, asset.wraps) if other is not None), USD)
        if stated != USD and stated not in assets:
            raise InputError("unknown asset", path=("assets", name, key), value=stated, remedy=nearest(stated, {*assets, USD}))
        wrapped = assets[asset.peg].wraps if asset.peg is not None and asset.peg != USD else None
        if wrapped is not None:
            remedy = f"peg to {wrapped}, which it wraps"
            raise InputError("is pegged to a wrapper", path=("assets", name, key), value=asset.peg, remedy=remedy)
        if asset.below in assets and assets[asset.below].follows is not None:
            remedy = f"a contract is no asset to build on: name {assets[asset.below].follows}, which it follows"
            raise InputError("leads to a perp", path=("assets", name, key), value=asset.below, remedy=remedy)
    for name in assets:
        seen: list[str] = []
        for step in down_to_usd(name, assets):
            if step in seen:
                ring = " -> ".join([*seen[seen.index(step) :], step])
                remedy = "give one of them a price of its own"
                raise InputError("pegs and wraps run in a circle", path=("assets", name), value=ring, remedy=remedy)
            seen.append(step)


def _check_perp(name: str, perp: Asset, assets: Assets) -> None:
    """The underlying is an asset with a price in USD that is not itself a contract; an inverse perp's has a market of its own."""
    key = next(way for way in ("perp", "call", "put") if getattr(perp, way) is not None)
    path, underlying = ("assets", name, key), str(perp.follows)
    if underlying == USD:
        raise InputError("follows USD", path=path, value=USD, remedy="name the asset whose price the contract follows")
    if underlying not in assets:
        remedy = nearest(underlying, [other for other in assets if assets[other].follows is None])
        raise InputError("unknown asset", path=path, value=underlying, remedy=remedy)
    if assets[underlying].follows is not None:
        remedy = f"name {assets[underlying].follows}, which that one follows"
        raise InputError("follows a perp", path=path, value=underlying, remedy=remedy)
    wrapped = assets[underlying].wraps
    if (perp.inverse or perp.is_option) and wrapped is not None:
        raise InputError("is paid in a wrapper", path=path, value=underlying, remedy=f"name {wrapped}, which it wraps")
