"""Risk parameters of a protocol by asset: reserves of lending, perps and collateral of margin exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from delever import catalog

from .errors import InputError, near, nearest
from .quantity import Amount, PerYear, Ratio, Share, Text, Usd, Whole
from .spec import Spec

HALF_OF_INITIAL = 2.0  # initial margin / maintenance margin where a tier does not say
ROUNDING = 1e-12  # relative: 1/3 x 3 may come out beside 1
SHORT = ("max_leverage", "maintenance")  # of a perp with one tier, written without its list


LTV = ("share of the value up to which more may be borrowed (collateral factor), at most the threshold; null: not stated. A "
       "check says what is missing at it; nobody is liquidated by it")


class EmodeParameters(Spec):
    """Risk parameters of a collateral in one efficiency-mode category, in place of the ordinary ones."""

    liquidation_threshold: Share = Field(examples=["93 %"], description="share of the value that backs debt")
    incentive: Share = Field(examples=["1 %"], description="what a liquidator gets on top of what he repays")
    loan_to_value: Share | None = Field(None, examples=["90 %"], description=LTV)

    @model_validator(mode="after")
    def _opens_healthy(self) -> Self:
        opens_healthy(self.loan_to_value, self.liquidation_threshold)
        return self


class ReserveParameters(Spec):
    """Risk parameters of one asset in one protocol."""

    liquidation_threshold: Share = Field(examples=["83 %"], description="share of the value that backs debt")
    incentive: Share = Field(examples=["5 %"], description="what a liquidator gets on top of what he repays")
    loan_to_value: Share | None = Field(None, examples=["80 %"], description=LTV)
    protocol_fee: Share = Field(0.0, description="the protocol's part of the incentive")
    supply_rate: PerYear = Field(0.0, description="growth of deposits, continuously compounded")
    borrow_rate: PerYear = Field(0.0, description="growth of debts, continuously compounded")
    supply_cap: Amount | None = Field(None, description="most that may be supplied; null: any")
    borrow_cap: Amount | None = Field(None, description="most that may be owed; null: any")
    debt_ceiling: Usd | None = Field(None, ge=0, description="isolation: most that accounts which have this collateral alone may "
                                     "owe together; null: any")
    siloed: bool = Field(False, description="whether who owes it may owe nothing else")
    borrowable_in_isolation: bool = Field(True, description="whether it may be borrowed against isolated collateral alone")
    emode: dict[int, EmodeParameters] = Field({}, description="parameters by efficiency-mode category (1, 2, ...), for accounts "
                                              "in it; an asset may be collateral in several")
    borrowable_in: tuple[Whole, ...] | None = Field(None, examples=["[0, 1]"], description="categories whose accounts may "
                                                    "borrow (more of) it, 0: those in none; null: all")

    @model_validator(mode="after")
    def _opens_healthy(self) -> Self:
        opens_healthy(self.loan_to_value, self.liquidation_threshold)
        return self


def opens_healthy(loan_to_value: float | None, threshold: float) -> None:
    """Refuse terms at which a loan could be liquidated as soon as it is opened."""
    if loan_to_value is not None and loan_to_value > threshold + ROUNDING:
        raise InputError(f"is above the liquidation threshold {threshold:g}", path=("loan_to_value",), value=f"{loan_to_value:g}",
                         remedy="a loan would be liquidated as soon as it is opened: lower it")


class Tier(Spec):
    """The terms of a position from a size on; a tier that states its leverage alone keeps half the initial margin.

    Maintenance margin = half of the initial margin at maximum leverage, so 1 / (2 x max_leverage): Hyperliquid,
    https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margining.
    """

    floor: Usd = Field(examples=["50k USD"], description="size of the position from which the tier holds; a plain number of "
                       "`floors_in` where that is not USD")
    maintenance: Share = Field(
        examples=["1.25 %"],
        description="maintenance margin of what is above the floor; where it is missing 1 / (2 x max_leverage)",
    )
    max_leverage: Ratio | None = Field(None, description="size by equity at which a position may be opened; null: any")

    @model_validator(mode="before")
    @classmethod
    def _half_of_initial(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("maintenance") is not None:
            return values
        leverage = values.get("max_leverage")
        if leverage is None:
            raise InputError("is missing", path=("maintenance",), remedy="write `maintenance: 1.25 %` or `max_leverage: 40`")
        return {**values, "maintenance": 1.0 / (HALF_OF_INITIAL * _leverage(leverage))}

    @model_validator(mode="after")
    def _can_be_opened(self) -> Self:
        if self.max_leverage is not None and self.maintenance * self.max_leverage > 1.0 + ROUNDING:
            what = f"is {self.maintenance:.6g}, more than the initial margin 1 / {self.max_leverage:g}"
            remedy = "what is just opened would be liquidated at once: lower it or the leverage"
            raise InputError(what, path=("maintenance",), value=f"{self.maintenance:.6g}", remedy=remedy)
        return self


def _leverage(value: object) -> float:
    """The leverage that a maintenance margin is worked out from, checked as its own field is."""
    leverage: float | None = Tier(floor=0.0, maintenance=0.0, max_leverage=value).max_leverage
    if leverage is None or leverage < 1.0:
        raise InputError(f"is {value}", path=("max_leverage",), value=value, remedy="it is a ratio, at least 1")
    return leverage


class PerpParameters(Spec):
    """Margin tiers of one perp on one exchange: `{max_leverage: 40}` or `{tiers: [{floor: 0 USD, ...}, ...]}`."""

    short_margin: Share | None = Field(
        None, examples=["7.5 %"], description="of an option, in place of tiers: maintenance margin of a short contract beside "
        "its mark, share of a coin; of a put that is worth more than a coin times its mark")
    floors_in: Text = Field("USD", description="asset in which floors are counted, the unit of the exchange: of inverse perps "
                            "their coin; of one tier, whose floor is 0, it need not be said")
    tiers: tuple[Tier, ...] = Field(
        examples=["[{floor: 0 USD, max_leverage: 40}, {floor: 150m USD, max_leverage: 20}]"],
        description="from the lowest floor, which is 0; `max_leverage: 40` in its place is one tier",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_tier(cls, values: Any) -> Any:
        """`{max_leverage: 40}`, with or without `maintenance`, is one tier from 0."""
        if not isinstance(values, Mapping):
            return values
        if values.get("short_margin") is not None:
            unknown = next((str(name) for name in values if name != "short_margin"), None)
            if unknown is not None:
                remedy = "an option has no tiers: leave it out"
                raise InputError("has no meaning beside short_margin", path=(unknown,), remedy=remedy)
            return {**values, "tiers": (Tier(floor=0.0, maintenance=1.0),)}
        short = {name: values[name] for name in SHORT if name in values}
        if not short:
            misspelt = next((name for name in values if near(str(name), SHORT) is not None), None)
            if misspelt is None:
                return values
            raise InputError("unknown field", value=misspelt, remedy=nearest(str(misspelt), SHORT))
        if "tiers" in values:
            remedy = "write it inside of each tier"
            raise InputError("has no meaning beside tiers", path=(next(iter(short)),), remedy=remedy)
        unknown = next((str(name) for name in values if name not in short), None)
        if unknown is not None:
            raise InputError("unknown field", value=unknown, remedy=nearest(unknown, SHORT))
        return {"tiers": (Tier(floor=0.0, **short),)}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.tiers:
            raise InputError("is empty", path=("tiers",), remedy="write `[{floor: 0 USD, max_leverage: 40}]`")
        if self.tiers[0].floor != 0:
            raise _out_of_order(0, "floor", f"{self.tiers[0].floor:g} USD", "the first tier starts at 0 USD")
        for number, (below, tier) in enumerate(zip(self.tiers, self.tiers[1:], strict=False), start=1):
            if tier.floor <= below.floor:
                remedy = f"floors rise from tier to tier: above {below.floor:g} USD"
                raise _out_of_order(number, "floor", f"{tier.floor:g} USD", remedy)
            if tier.maintenance < below.maintenance:
                remedy = f"margins do not fall from tier to tier: at least {below.maintenance:.6g}"
                raise _out_of_order(number, "maintenance", f"{tier.maintenance:.6g}", remedy)
        return self


def _out_of_order(number: int, field: str, value: str, remedy: str) -> InputError:
    return InputError("tiers out of order", path=("tiers", number, field), value=value, remedy=remedy)


class CollateralParameters(Spec):
    """What one asset counts for as margin on an exchange."""

    haircut: Share = Field(0.0, description="share of the value that backs no position")


Parameters = ReserveParameters | PerpParameters | CollateralParameters
# The shorthand's fields count as the perp's own.
KEYS: dict[type[Spec], frozenset[str]] = {
    PerpParameters: frozenset({*PerpParameters.model_fields, *SHORT}),
    CollateralParameters: frozenset(CollateralParameters.model_fields),
    ReserveParameters: frozenset(ReserveParameters.model_fields),
}


def read_parameters(value: object) -> object:
    """A name from the catalog, or a block by asset; built here so that an error says which field it is in."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        remedy = "name a parameter set of the catalog, or write `ASSET: {liquidation_threshold: ..., incentive: ...}`"
        raise InputError("needs a name or a block by asset", value=value, remedy=remedy)
    return {asset: read_entry(asset, given) for asset, given in value.items()}


def read_entry(asset: str, given: object) -> Parameters:
    """The parameters of one asset; which kind they are is told by their keys."""
    if isinstance(given, Parameters):
        return given
    if not isinstance(given, Mapping):
        remedy = "write `{liquidation_threshold: 83 %, incentive: 5 %}`, `{max_leverage: 40}` or `{haircut: 5 %}`"
        raise InputError("must be a block", path=(asset,), value=given, remedy=remedy)
    try:
        built: Parameters = _kind_of(given)(**given)
    except InputError as error:
        raise error.at("", asset) from None
    return built


def look_up(given: str | Mapping[str, Parameters]) -> dict[str, Parameters]:
    """Parameters by asset: as they are given, or those of a set that the catalog names."""
    if not isinstance(given, str):
        return dict(given)
    return {asset: read_entry(asset, entry) for asset, entry in catalog.get(given).items()}


def categories_of(entries: Mapping[str, Parameters]) -> set[int]:
    """Efficiency-mode categories that some reserve has parameters in; of an asset without them the ordinary ones hold."""
    return {category for entry in entries.values() if isinstance(entry, ReserveParameters) for category in entry.emode}


def _kind_of(given: Mapping[str, Any]) -> type[Any]:
    """The spec that a key belongs to; failing that, one that has a key much like it, to be told so.

    An empty block is an asset that counts in full.
    """
    if not given:
        return CollateralParameters
    for key in given:
        for spec, keys in KEYS.items():
            if key in keys:
                return spec
    for key in given:
        for spec, keys in KEYS.items():
            if near(str(key), keys) is not None:
                return spec
    return ReserveParameters
