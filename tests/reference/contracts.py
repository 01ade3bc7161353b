"""What contracts decide, in their own integers: which way a case goes. Numbers are raw; divisions round down if they say no more.

Written from the rules that the executed contracts follow. Each answer is a word for the branch that is taken.
"""

from __future__ import annotations

from typing import Any

WAD, RAY = 10**18, 10**27
USD = 10**8  # of Aave's and Comet's prices
Raw = dict[str, int]


def up(a: int, b: int) -> int:
    return -(-a // b)


def half_up(a: int, b: int) -> int:
    return (a + b // 2) // b


# ---- Maker ------------------------------------------------------------------------------------------------------


def bark(g: Raw) -> str:
    """Dog.bark of a vault."""
    spot = g["price"] * 10**9 * RAY // g["par"] * RAY // g["mat"]
    if not g["ink"] * spot < g["art"] * g["rate"]:
        return "safe"
    room = min(g["Hole"] - g["Dirt"], g["hole"] - g["dirt"])
    if room <= 0:
        return "no room"
    part = min(g["art"], room * WAD // g["rate"] // g["chop"])
    if part == g["art"] or (g["art"] - part) * g["rate"] < g["dust"]:
        return "whole"
    return "dusty" if part * g["rate"] < g["dust"] else "part"


def take(g: Raw) -> str:
    """Clipper.take at price `price`. amt, max_price: left out where there is no limit."""
    if g.get("max_price", g["price"]) < g["price"]:
        return "too expensive"
    units = min(g["lot"], g.get("amt", g["lot"]))
    owe, tab = units * g["price"], g["tab"]
    if owe > tab:
        return "all of the tab"
    if owe < tab and units < g["lot"] and tab - owe < g["chost"]:
        return "no partial purchase" if tab <= g["chost"] else "down to the dust"
    return "all of the lot" if units == g["lot"] else "as asked"


# ---- Compound v2 ------------------------------------------------------------------------------------------------


def compound_shortfall(markets: list[Raw]) -> int:
    """Debt less counted collateral [1e-18 USD]: above 0 an account may be called. price: [1e-36 USD a unit]."""
    each = (half_up(half_up(m["collateral_factor"] * m["exchange_rate"], WAD) * m["price"], WAD) for m in markets)
    backing = sum(worth * m["vtokens"] // WAD for worth, m in zip(each, markets, strict=True))
    return sum(m["price"] * m["borrow"] // WAD for m in markets) - backing


def compound_seized(taken: Raw, repaid: Raw, g: Raw) -> int:
    """vTokens for what is repaid. ratio_more: smallest units added to those that one unit repaid brings, times 1e18."""
    owed = half_up(g["liquidation_incentive"] * repaid["price"], WAD)
    ratio = owed * WAD // half_up(taken["price"] * taken["exchange_rate"], WAD) + g.get("ratio_more", 0)
    return ratio * g["repay"] // WAD


def compound_call(markets: list[Raw], taken: int, repaid: int, g: Raw) -> str:
    """VToken.liquidateBorrow of an account in these markets, of which two are meant."""
    if compound_shortfall(markets) <= 0:
        return "INSUFFICIENT_SHORTFALL"
    if g["repay"] > g["close_factor"] * markets[repaid]["borrow"] // WAD:
        return "TOO_MUCH_REPAY"
    seized, held = compound_seized(markets[taken], markets[repaid], g), markets[taken]["vtokens"]
    return "LIQUIDATE_SEIZE_TOO_MUCH" if seized > held else "all of the collateral" if seized == held else "accepted"


# ---- Compound v3 ------------------------------------------------------------------------------------------------


def short_of(collaterals: list[Raw], debt: int, price: int, decimals: int) -> int:
    """Counted collateral less debt [1e-8 USD]: below 0 the account may be absorbed."""
    counted = sum(c["amount"] * c["price"] // 10**c["decimals"] * c["factor"] // WAD for c in collaterals)
    return counted - debt * price // 10**decimals


def buy(g: Raw) -> str:
    """Comet.buyCollateral."""
    if g["reserves"] >= 0 and g["reserves"] >= g["target_reserves"]:
        return "NotForSale"
    discount = g["store_front_price_factor"] * (WAD - g["liquidation_factor"]) // WAD
    price = g["asset_price"] * (WAD - discount) // WAD
    quote = g["base_price"] * g["base_amount"] * 10**g["asset_decimals"] // price // 10**g["base_decimals"]
    if quote < g["min_amount"]:
        return "TooMuchSlippage"
    return "InsufficientReserves" if quote > g["collateral_reserves"] else "sold"


# ---- Morpho Blue ------------------------------------------------------------------------------------------------


def room_to_borrow(g: Raw) -> int:
    """What a position may owe beyond what it does: below 0 it is unhealthy."""
    assets, shares = g["total_borrow_assets"] + 1, g["total_borrow_shares"] + 10**6
    return g["collateral"] * g["price"] // 10**36 * g["lltv"] // WAD - up(g["borrow_shares"] * assets, shares)


def call(g: Raw) -> str:
    """Morpho.liquidate: by `seized_assets` or by `repaid_shares`."""
    assets, shares = g["total_borrow_assets"] + 1, g["total_borrow_shares"] + 10**6
    if room_to_borrow(g) >= 0:
        return "healthy"
    factor = min(115 * 10**16, WAD * WAD // (WAD - 3 * 10**17 * (WAD - g["lltv"]) // WAD))
    if "seized_assets" in g:
        seized = g["seized_assets"]
        repaid = up(up(up(seized * g["price"], 10**36) * WAD, factor) * shares, assets)
    else:
        repaid = g["repaid_shares"]
        seized = repaid * assets // shares * factor // WAD * 10**36 // g["price"]
    if repaid > g["borrow_shares"] or seized > g["collateral"]:
        return "more than there is"
    if seized == g["collateral"]:
        return "all of the collateral"
    return "all of the debt" if repaid == g["borrow_shares"] else "part"


# ---- Aave v3.6 --------------------------------------------------------------------------------------------------


def aave_call(c: dict[str, Any], d: dict[str, Any], g: Raw, bonus: int) -> str:
    """liquidationCall of an unhealthy account on collateral c and debt d.

    c, d: their decimals; g: supplied, debt, cover (left out: all), price_c, price_d, health, all_debt [1e-8 USD]; bonus [1e-4].
    """
    unit_c, unit_d = 10**c["decimals"], 10**d["decimals"]
    held, owed, most = g["supplied"], g["debt"], g["debt"]
    worth_c, worth_d = held * g["price_c"] // unit_c, up(owed * g["price_d"], unit_d)
    if min(worth_c, worth_d) >= 2000 * USD and g["health"] > 95 * 10**16 and worth_d > half_up(g["all_debt"], 2):
        most = half_up(g["all_debt"], 2) * unit_d // g["price_d"]
    cover = min(most, g.get("cover", owed))
    seized = half_up(g["price_d"] * cover * unit_c // (g["price_c"] * unit_d) * bonus, 10**4)
    if seized > held:
        seized, cover = held, up(g["price_c"] * held * unit_d // (g["price_d"] * unit_c) * 10**4, bonus)
    if seized < held and cover < owed:
        left = min((held - seized) * g["price_c"] // unit_c, up((owed - cover) * g["price_d"], unit_d))
        return "part" if left >= 1000 * USD else "dust"
    return "all of the collateral" if seized == held else "all of the debt"
