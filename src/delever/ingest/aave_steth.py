"""Every Aave v2 and v3 account with stETH or wstETH collateral on 20 June 2023, as legs.

Source: lidofinance/aave-liquidation-model @a44561e (folder aave_steth_2023-06): the totals, average threshold and
health factor that the contracts report for each account, and lists that split accounts by what they owe and hold.
An account is *split* when its legs reproduce both totals to 1e-6. All others hold assets that the lists do not name:
they carry one remainder leg a side, signed, in USD at the time of the book, such that health recomputes exactly.
The threshold of a collateral remainder makes the account's backing the reported one. In five accounts (remainders of
102 USD in all) it would have to be negative: there it is 0 and the thresholds of the legs are lowered instead.

The contracts round an account's average threshold down to a basis point (GenericLogic.calculateUserAccountData). The
legs of an account whose collateral is reproduced carry that rounding: their thresholds are the reserve's times
reported / computed average, at most 1.3e-4 lower.

Totals and legs were read up to minutes apart: ETH debts mostly differ by the interest of one block (1.3e-8), in all by
less than 7e-7. Where a split account owes ETH alone the total is that debt, so its legs are put at the totals (without
this 191 of 251 such v2 accounts and 114 of 126 in v3 recompute health to 1e-9, with it all do).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from delever.model.errors import InputError

SPLIT_TOLERANCE = 1e-6  # relative, of both totals
BASIS_POINT_ROUNDING = 1.5e-4  # most that rounding down to a basis point takes of a threshold of 0.72 or more, share
ETH_USD = 1719.57  # USD per ETH that the v3 totals imply; the Chainlink answer valid 14:17:11-14:56:47 UTC
REST_COLLATERAL, REST_DEBT, REMAINDER = "rest_collateral", "rest_debt", "remainder"
E_MODE_ETH = 1  # category of ETH-correlated assets in v3
TOKENS = {  # column prefix in the files -> asset
    "usdc": "USDC", "usdt": "USDT", "dai": "DAI", "fei": "FEI", "tusd": "TUSD", "susd": "sUSD", "usdp": "USDP",
    "frax": "FRAX", "gusd": "GUSD", "busd": "BUSD", "lusd": "LUSD", "wbtc": "WBTC", "weth": "ETH",
}  # fmt: skip


@dataclass(frozen=True)
class Version:
    """One market of the data set: its files, its unit of account, its prices and thresholds at the time of the book."""

    protocol: str
    unit: str  # what totals and prices are in
    totals: str  # file
    lists: tuple[str, ...]  # files; b1*, b12* add no leg to the totals file, b21*, b31* are subsets of b2*, b3*
    ether: dict[str, str]  # collateral column of the totals file -> asset
    prices: dict[str, float]  # [unit per token]
    usd: float  # [USD per unit]
    thresholds: dict[str, float]  # share; assets not named are no collateral
    e_mode: dict[str, float]  # share, for accounts in E_MODE_ETH


# Prices: of ETH and staked ETH as the totals imply (v2 stETH: the Chainlink answer of 07:52:59 UTC; v3 answers have 8
# decimals), the others as in the files' price columns.
# Thresholds: as accounts with a single collateral report them and mixed accounts confirm. The v3 files' own columns for
# USDC, DAI and WBTC are those before the update of 29 May 2023 and do not reproduce the reported averages; FEI's 0.075
# in the v2 files is 0.75 (governance put it at 75 % until July 2023).
VERSIONS = {
    "v2": Version(
        protocol="aave_v2",
        unit="ETH",
        totals="steth_aave.csv",
        lists=("b2.csv", "b3.csv"),
        ether={"amount": "stETH"},
        prices={
            "ETH": 1.0, "stETH": 0.9997408501530325, "USDC": 580223303700951e-18, "USDT": 580844896987157e-18,
            "DAI": 580908282837672e-18, "FEI": 564993868543894e-18, "TUSD": 583426495248742e-18,
            "sUSD": 579347611866053e-18, "USDP": 579142608809052e-18, "FRAX": 577606946186631e-18,
            "GUSD": 581540734020714e-18, "BUSD": 582048488379007e-18, "WBTC": 15.472525091899482,
        },
        usd=ETH_USD,
        thresholds={
            "stETH": 0.83, "ETH": 0.86, "USDC": 0.875, "DAI": 0.87, "FEI": 0.75, "TUSD": 0.825, "WBTC": 0.82,
        },
        e_mode={},
    ),
    "v3": Version(
        protocol="aave_v3",
        unit="USD",
        totals="steth_aave_v3.csv",
        lists=("b2_v3.csv", "b3_v3.csv"),
        ether={"amount": "wstETH", "reth_collateral": "rETH", "cbeth_collateral": "cbETH"},
        prices={
            "ETH": ETH_USD, "wstETH": 1941.05455469, "rETH": 1847.50923196, "cbETH": 1786.16497163, "USDC": 1.00021167,
            "USDT": 0.99974555, "DAI": 0.9999, "LUSD": 1.0069521, "WBTC": 26757.53028597,
        },
        usd=1.0,
        thresholds={
            "wstETH": 0.80, "ETH": 0.83, "rETH": 0.74, "cbETH": 0.74, "USDC": 0.79, "DAI": 0.80, "WBTC": 0.78,
        },
        e_mode={"wstETH": 0.93, "ETH": 0.93, "rETH": 0.93, "cbETH": 0.93},
    ),
}  # fmt: skip


def prices(part: str) -> dict[str, float]:
    """Prices at which the totals of "v2" or "v3" were struck, remainders included [unit of account per token]."""
    version = VERSIONS[part]
    return {**version.prices, REST_COLLATERAL: 1.0 / version.usd, REST_DEBT: 1.0 / version.usd}


def read(table: Callable[[str], pa.Table], part: str) -> tuple[pa.Table, pa.Table]:
    """Legs and accounts of the "v2" or "v3" book; `table` opens a file of the data set."""
    if part not in VERSIONS:
        raise InputError("unknown part", "book aave_steth_2023-06", part, "name aave_steth_2023-06/v2 or /v3")
    version = VERSIONS[part]
    totals = _Columns(table(version.totals), version.totals)
    held, owed = _amounts(version, totals, [_Columns(table(name), name) for name in version.lists])
    emode = totals("emode").astype(np.int32) if version.e_mode else np.zeros(len(totals.users), np.int32)
    _strike_at_totals(version, totals, held, owed)
    thresholds = _thresholds(version, held, emode)
    legs = _legs(version, totals, held, owed, thresholds, emode)
    accounts = pa.table({
        "protocol": [version.protocol] * len(totals.users),
        "account": totals.users,
        "emode": pa.array(emode),
        "reported_collateral": pa.array(totals("collateral")),
        "reported_debt": pa.array(totals("debt")),
        "reported_threshold": pa.array(totals("threshold") / 1e4),
        "reported_health": pa.array(totals("healthf")),
        "unit": [version.unit] * len(totals.users),
    })  # fmt: skip
    return legs, accounts


class _Columns:
    """A file's columns as float64, with the file named when one is missing."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self.table, self.name = table, name
        self.users: list[str] = self._column("user").to_pylist()

    def __call__(self, column: str) -> np.ndarray:
        values: np.ndarray = self._column(column).to_numpy().astype(np.float64)
        return values

    def _column(self, column: str) -> pa.ChunkedArray:
        if column not in self.table.column_names:
            raise InputError("has no column", self.name, column, "fetch the data set aave_steth_2023-06 again")
        return self.table.column(column)

    def tokens(self, suffix: str) -> dict[str, np.ndarray]:
        """Amounts [accounts] in whole tokens by asset, of the columns named TOKEN + suffix."""
        found = [token for token in TOKENS if token + suffix in self.table.column_names]
        decimals = {token: 18.0 if token == "weth" else self(f"{token}_decimals") for token in found}
        return {TOKENS[token]: self(token + suffix) / 10.0 ** decimals[token] for token in found}


def _amounts(
    version: Version, totals: _Columns, lists: list[_Columns]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Collateral and debt by asset, [accounts] tokens, in the order of the totals file."""
    size = len(totals.users)
    held = {asset: totals(column) for column, asset in version.ether.items()}
    owed = {"ETH": totals("ethdebt")}
    row = {user: i for i, user in enumerate(totals.users)}
    for listed in lists:
        at = [row[user] for user in listed.users]
        for amounts, suffix in ((held, "_collateral"), (owed, "")):
            for asset, tokens in listed.tokens(suffix).items():
                amounts.setdefault(asset, np.zeros(size))[at] = tokens
    return held, owed


def _value(version: Version, amounts: dict[str, np.ndarray]) -> np.ndarray:
    """[accounts] in the unit of account."""
    total: np.ndarray = np.sum([amount * version.prices[asset] for asset, amount in amounts.items()], axis=0)
    return total


def _reproduces(value: np.ndarray, total: np.ndarray) -> np.ndarray:
    within: np.ndarray = np.abs(value - total) < SPLIT_TOLERANCE * total
    return within


def _strike_at_totals(
    version: Version, totals: _Columns, held: dict[str, np.ndarray], owed: dict[str, np.ndarray]
) -> None:
    """Scale the legs of split accounts that owe ETH alone, by less than 1e-6, to the reported totals; in place."""
    others = np.sum([np.abs(amount) for asset, amount in owed.items() if asset != "ETH"], axis=0)
    sides = ((held, totals("collateral")), (owed, totals("debt")))
    split = [_reproduces(_value(version, amounts), total) for amounts, total in sides]
    alone = split[0] & split[1] & (others == 0.0)
    for amounts, total in sides:
        factor = total[alone] / _value(version, amounts)[alone]
        for amount in amounts.values():
            amount[alone] *= factor


def _thresholds(version: Version, held: dict[str, np.ndarray], emode: np.ndarray) -> dict[str, np.ndarray]:
    """Liquidation threshold by collateral, [accounts] share."""
    return {
        asset: np.where(
            (emode == E_MODE_ETH) & (asset in version.e_mode),
            version.e_mode.get(asset, 0.0),
            version.thresholds.get(asset, 0.0),
        )
        for asset in held
    }


def _legs(
    version: Version,
    totals: _Columns,
    held: dict[str, np.ndarray],
    owed: dict[str, np.ndarray],
    thresholds: dict[str, np.ndarray],
    emode: np.ndarray,
) -> pa.Table:
    """The legs table: an account's collateral, then its debt, remainders last on each side."""
    reported, average = totals("collateral"), totals("threshold") / 1e4  # [accounts] unit; share
    collateral, debt = _value(version, held), _value(version, owed)  # [accounts] unit
    backing = _value(version, {asset: amount * thresholds[asset] for asset, amount in held.items()})
    reproduced = _reproduces(collateral, reported)
    split = reproduced & _reproduces(debt, totals("debt"))

    rounding = average * collateral / backing
    rounded = reproduced & (np.abs(rounding - 1.0) < BASIS_POINT_ROUNDING)
    rounding = np.where(rounded & (np.abs(rounding - 1.0) > 1e-9), rounding, 1.0)  # 1 where nothing was rounded off
    rest = reported - collateral
    with np.errstate(divide="ignore", invalid="ignore"):
        implied = (reported * average - backing) / rest
    implied = np.where(rounded | (rest == 0.0), average, implied)
    kept = np.clip(implied, 0.0, 1.0)  # a threshold is a share; what is cut off goes to the legs beside it
    rounding = np.where(kept == implied, rounding, (reported * average - rest * kept) / backing)

    nothing = np.full(len(reported), np.nan)
    columns: list[tuple[str, str, str, np.ndarray, np.ndarray, np.ndarray]] = [
        *((a, "collateral", "", amount, thresholds[a] * rounding, amount != 0.0) for a, amount in held.items()),
        (REST_COLLATERAL, "collateral", REMAINDER, rest * version.usd, kept, ~split),
        *((a, "debt", "", amount, nothing, amount != 0.0) for a, amount in owed.items()),
        (REST_DEBT, "debt", REMAINDER, (totals("debt") - debt) * version.usd, nothing, ~split),
    ]
    present = np.array([keep for *_, keep in columns]).T  # [accounts, columns]
    account, column = np.nonzero(present)
    users = pa.array(totals.users).take(pa.array(account))
    threshold = np.array([values for *_, values, _ in columns]).T[present]

    def text(index: int) -> pa.Array:
        return pa.array([str(c[index]) for c in columns]).take(pa.array(column))

    return pa.table({
        "protocol": [version.protocol] * len(account),
        "account": users,
        "owner": users,
        "asset": text(0),
        "side": text(1),
        "amount": np.array([c[3] for c in columns]).T[present],
        "liquidation_threshold": pa.array(threshold, mask=np.isnan(threshold)),
        "emode": emode[account],
        "label": text(2),
    })  # fmt: skip
