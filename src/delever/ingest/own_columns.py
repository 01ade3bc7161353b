"""Which column of a stranger's table is which of ours: guessed by name, overridden with theirs=ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from delever.model.errors import InputError, nearest

# Ours -> what others call it, letters and digits alone, the likeliest first.
LENDING: dict[str, tuple[str, ...]] = {
    "account": (
        "account",
        "accountid",
        "user",
        "useraddress",
        "wallet",
        "walletaddress",
        "address",
        "borrower",
        "client",
        "clientid",
        "customer",
        "holder",
        "onbehalfof",
        "position",
        "positionid",
        "loanid",
        "vault",
        "urn",
        "id",
        "uid",
    ),
    "owner": ("owner", "beneficialowner", "entity", "group", "parent", "person"),
    "protocol": ("protocol", "market", "pool", "platform", "venue"),
    "asset": (
        "asset",
        "token",
        "symbol",
        "coin",
        "currency",
        "reserve",
        "assetsymbol",
        "tokensymbol",
        "underlying",
        "ticker",
        "ccy",
    ),
    "side": ("side", "type", "kind", "leg", "direction", "positiontype", "legtype"),
    "amount": ("amount", "balance", "quantity", "qty", "units", "tokens", "size", "tokenamount", "tokenbalance", "amountunits"),
    "collateral_asset": (
        "collateralasset",
        "collateraltoken",
        "collateralsymbol",
        "collateralcoin",
        "suppliedasset",
        "supplyasset",
        "collateralcurrency",
    ),
    "collateral": (
        "collateral",
        "collateralamount",
        "collateralbalance",
        "collateralunits",
        "supplied",
        "supply",
        "deposit",
        "deposited",
        "pledged",
        "ink",
    ),
    "debt_asset": (
        "debtasset",
        "debttoken",
        "debtsymbol",
        "loanasset",
        "loantoken",
        "borrowedasset",
        "borrowasset",
        "debtcoin",
        "loancurrency",
        "debtcurrency",
        "borrowtoken",
    ),
    "debt": (
        "debt",
        "debtamount",
        "debtbalance",
        "borrowed",
        "borrow",
        "borrowedamount",
        "borrowamount",
        "owed",
        "loan",
        "loanamount",
        "outstanding",
        "art",
    ),
    "liquidation_threshold": ("liquidationthreshold", "threshold", "liqthreshold", "lt", "lltv", "liquidationltv"),
    "emode": ("emode", "emodecategory", "emodeid", "efficiencymode"),
    "bands": ("bands", "numberofbands", "nbands"),
    "interest_rate": ("interestrate", "annualinterestrate"),
}
PERPS: dict[str, tuple[str, ...]] = {
    "account": (*LENDING["account"][:-7], "trader", "subaccount", "accountname", "login", "id", "uid"),
    "owner": LENDING["owner"],
    "protocol": ("protocol", "exchange", "platform", "venue"),
    "instrument": ("instrument", "symbol", "market", "contract", "pair", "product", "instid", "ticker", "coin", "perp", "asset"),
    "size": ("size", "quantity", "qty", "positionsize", "positionamt", "position", "szi", "netsize", "amount", "units", "pos"),
    "side": ("side", "direction", "longshort", "positionside", "posside", "buysell"),
    "entry_price": (
        "entryprice",
        "entry",
        "avgprice",
        "averageprice",
        "avgentryprice",
        "averageentryprice",
        "avgpx",
        "entrypx",
        "openprice",
        "costprice",
        "openrate",
        "avgentry",
        "avgopenprice",
    ),
    "margin_mode": ("marginmode", "margintype", "mgnmode", "mode", "crossisolated"),
    "collateral": (
        "collateral",
        "margin",
        "isolatedmargin",
        "positionmargin",
        "walletbalance",
        "wallet",
        "cash",
        "deposit",
        "balance",
        "marginpaid",
        "collateralamount",
    ),
    "collateral_asset": (
        "collateralasset",
        "marginasset",
        "margincoin",
        "settlecoin",
        "collateraltoken",
        "ccy",
        "collateralcurrency",
    ),
}
OURS = {"lending": LENDING, "perps": PERPS}
MONEY = re.compile(r"usd|eur|value|notional", re.IGNORECASE)  # of columns that are worth, not units


@dataclass(frozen=True)
class Columns:
    """What was made of a header."""

    of: Mapping[str, str]  # ours -> theirs
    guessed: frozenset[str]  # of ours
    unused: tuple[str, ...]  # theirs


def squashed(name: str) -> str:
    """Letters and digits of a name, in lower case.

    >>> squashed("Liq. Threshold")
    'liqthreshold'
    """
    return re.sub(r"[^0-9a-z]", "", name.casefold())


def match(columns: Sequence[str], kind: str, said: Mapping[str, str], where: str) -> Columns:
    """Ours for theirs. said: theirs -> ours, "" to leave a column out; a column named by it is not guessed.

    Of several that could be ours the likeliest is; a column of money is no column of units.
    """
    ours = OURS[kind]
    for theirs, own in said.items():
        if theirs not in columns:
            raise InputError("--map names a column that is not there", where, theirs, nearest(theirs, columns))
        if own and own not in ours:
            raise InputError(f"--map makes {theirs} a column that is not known", where, own, nearest(own, ours))
    of: dict[str, str] = {}
    for theirs, own in said.items():
        if own and own in of:
            raise InputError(f"--map makes two columns {own}", where, f"{of[own]}, {theirs}", "keep one")
        if own:
            of[own] = theirs
    free = [name for name in columns if name not in said]
    ranked = sorted(
        (names.index(squashed(name)), squashed(name) != own.replace("_", ""), own, name)
        for name in free
        for own, names in ours.items()
        if own not in of and squashed(name) in names and not (MONEY.search(name) and own in ("amount", "size"))
    )
    guessed: dict[str, str] = {}
    for _, _, own, theirs in ranked:
        if own not in guessed and theirs not in guessed.values():
            guessed[own] = theirs
    used = {*of.values(), *guessed.values()}
    both = {**of, **guessed}
    return Columns(
        {own: both[own] for own in ours if own in both}, frozenset(guessed), tuple(name for name in columns if name not in used)
    )


def missing(own: str, kind: str, where: str, columns: Columns) -> InputError:
    """No column is this one of ours."""
    left = ", ".join(columns.unused) or "none"
    remedy = f"unused columns: {left}; say which with --map THEIRS={own}, or the same for all rows with --fill {own}=VALUE"
    return InputError(f"no column is known to be {own}", where, remedy=remedy)
