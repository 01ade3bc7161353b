"""Accounts of a market of Aave v3, as UiPoolDataProvider answers, recorded with names of fields.

`{"block": N, "timestamp": T, "getReservesData": [[{underlyingAsset, symbol, decimals, ...}, ...], {...}], "getUserReservesData":
{"0x...": [[{underlyingAsset, scaledATokenBalance, usageAsCollateralEnabledOnUser, scaledVariableDebt}, ...], emode], ...},
"getEModes": [{id, eMode: {liquidationThreshold, collateralBitmap}}, ...]}`, as ethers, viem and web3 name them; the names of
Aave's own tools, reservesData, userReserves and userEmodeCategoryId, do too. T is the block's time: interest runs until then.

Indices are in ray (1e27) and thresholds in basis points. A balance is its scaled one times the index, half up (rayMul); the index
of a reserve runs on from its last update, for supplies linearly, for debts as the contract's series to the third power
(MathUtils). The protocol's totals are compared at the indices that stand: debt is totalScaledVariableDebt; supplied is what the
pool holds and is owed, less what is accrued to the treasury (supply = liquidity + debt + unbacked + deficit - treasury). What is
minted to be lent, as GHO, has no such total.
An account in an efficiency mode has its category's threshold on the assets of the category. Supplies that are not enabled as
collateral, or count for nothing, are left out by name.
Source: github.com/aave-dao/aave-v3-origin, IUiPoolDataProviderV3.sol, MathUtils.sol, and aave/aave-v3-periphery for 3.0; by
these, no live answer was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delever.ingest.lending_answers import BPS, Leg, LendingReader, Lent, Token, beside, cell, decimals, left_out, one_of, whole
from delever.model.errors import InputError

RAY = 10**27
YEAR = 365 * 86_400  # seconds, as the contracts count
RESERVES = ("getReservesData", "reservesData")
USERS = ("getUserReservesData", "userReserves")
MODES = ("getEModes", "eModesData")


def ray_mul(a: int, b: int) -> int:
    """Product of two rays, half up (WadRayMath.rayMul)."""
    return (a * b + RAY // 2) // RAY


def linear(index: int, rate: int, seconds: int) -> int:
    """The index of supplies after so long at a rate a year [ray] (MathUtils.calculateLinearInterest)."""
    return ray_mul(index, RAY + rate * seconds // YEAR)


def compounded(index: int, rate: int, seconds: int) -> int:
    """The index of debts, by three terms of the exponential series (MathUtils.calculateCompoundedInterest, 3.6)."""
    x = rate * seconds // YEAR
    square = ray_mul(x, x)
    return ray_mul(index, RAY + x + square // 2 + ray_mul(square, x) // 6)


@dataclass(frozen=True)
class Reserve:
    """A reserve: what it says of itself, and its indices at the time of the block."""

    row: Mapping[str, Any]
    place: str
    id: int  # its bit in the maps of categories
    token: Token
    supply_index: int
    debt_index: int

    def get(self, field: str, empty: int | None = None) -> int:
        """A whole number of the answer."""
        return whole(self.row, field, self.place, empty)


def told(value: Any) -> bool:
    """Reserves and users under the contract's names."""
    return isinstance(value, Mapping) and any(key in value for key in RESERVES) and any(key in value for key in USERS)


def read(answers: Sequence[Any], name: Callable[[Token], str]) -> Lent:
    """Legs of every user; pages hold other users at the same block."""
    lent = Lent()
    lent.block = one_of((whole(page, "block", "answer", -1) for page in answers if page.get("block") is not None), "block")
    lent.time = one_of((whole(page, "timestamp", "answer") for page in answers), "timestamp")
    reserves = _reserves(answers[0], lent.time or 0)
    thresholds = _categories(answers[0], reserves)
    position: dict[str, int] = {}
    users = [(str(user), value) for page in answers for user, value in cell(page, _key(page, USERS), "answer").items()]
    for i, (user, _) in enumerate(users):
        if position.setdefault(user.lower(), i) != i:
            raise InputError("is there twice", f"user {user}", remedy="pages overlap: ask for each user once")
    scaled: dict[str, list[int]] = {address: [0, 0, 0] for address in reserves}  # supplied, variable debt, stable principal
    idle: list[tuple[str, Token, int]] = []
    empty, modes = 0, 0
    for user, value in users:
        rows, category = _rows(user, value)
        before = len(lent.legs)
        unsaid = category and not any(key[0] == category for key in thresholds)
        modes += bool(unsaid)
        for row in rows:
            place = f"user {user}"
            address = str(cell(row, "underlyingAsset", place)).lower()
            if address not in reserves:
                raise InputError("has a reserve that is not among the reserves", place, address, "record both at one block")
            _legs(lent, idle, scaled[address], user, row, reserves[address], category, thresholds, bool(unsaid))
        empty += len(lent.legs) == before
    left_out(lent, "supplies that are no collateral", idle, name)
    lent.dropped += [f"{empty} accounts that neither pledge nor owe"] if empty else []
    lent.unknown += (
        [f"thresholds of {modes} accounts in an efficiency mode: those of the world's parameters (getEModes would say)"]
        if modes
        else []
    )
    for address, reserve in reserves.items():
        _totals(lent, reserve, scaled[address], name)
    return lent


def _key(page: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((key for key in keys if key in page), keys[0])


def _reserves(page: Mapping[str, Any], now: int) -> dict[str, Reserve]:
    """Reserves by address, in the order of the pool."""
    rows = page[_key(page, RESERVES)]
    rows = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], list) else rows
    found: dict[str, Reserve] = {}
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            remedy = "record structs with the names of their fields: their order differs between versions"
            raise InputError("has reserves without names", value=row, remedy=remedy)
        address = str(cell(row, "underlyingAsset", f"reserve {i}")).lower()
        symbol = str(cell(row, "symbol", f"reserve {address}"))
        place = f"reserve {symbol}"
        since = now - whole(row, "lastUpdateTimestamp", place)
        if since < 0:
            raise InputError("was updated after the block", place, f"{-since} s", "give the time of the block that was read")
        found[address] = Reserve(
            row,
            place,
            i,
            Token(symbol, decimals(row, place), address),
            linear(whole(row, "liquidityIndex", place), whole(row, "liquidityRate", place), since),
            compounded(whole(row, "variableBorrowIndex", place), whole(row, "variableBorrowRate", place), since),
        )
    return found


def _categories(page: Mapping[str, Any], reserves: Mapping[str, Reserve]) -> dict[tuple[int, str], int]:
    """(category, reserve) -> threshold [basis points]: of getEModes, or of reserves that name their one category (3.0, 3.1)."""
    found: dict[tuple[int, str], int] = {}
    for address, reserve in reserves.items():
        if reserve.get("eModeCategoryId", 0):
            found[reserve.get("eModeCategoryId"), address] = reserve.get("eModeLiquidationThreshold")
    for row in page.get(_key(page, MODES)) or ():
        category = whole(row, "id", "eMode")
        place = f"efficiency mode {category}"
        terms = cell(row, "eMode", place)
        pledged = whole(terms, "collateralBitmap", place)
        for address, reserve in reserves.items():
            # Without a dropped reserve before it, a reserve's place in the list is its id. Assumption, not in the answer.
            if pledged >> reserve.id & 1:
                found[category, address] = whole(terms, "liquidationThreshold", place)
    return found


def _rows(user: str, value: Any) -> tuple[Sequence[Any], int]:
    """A user's reserves and efficiency mode."""
    if isinstance(value, Mapping):
        return cell(value, "userReserves", f"user {user}"), whole(value, "userEmodeCategoryId", f"user {user}")
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], list):
        return value[0], whole({"emode": value[1]}, "emode", f"user {user}")
    raise InputError("is no answer of getUserReservesData", f"user {user}", value, "it is [reserves, efficiency mode]")


def _legs(
    lent: Lent,
    idle: list[tuple[str, Token, int]],
    scaled: list[int],
    user: str,
    row: Mapping[str, Any],
    reserve: Reserve,
    category: int,
    thresholds: Mapping[tuple[int, str], int],
    unsaid: bool,
) -> None:
    """The legs of one user in one reserve; scaled balances are added up. unsaid: nothing says the category's thresholds."""
    place = f"user {user}, {reserve.token.symbol}"
    supply, debt = whole(row, "scaledATokenBalance", place), whole(row, "scaledVariableDebt", place)
    stable = whole(row, "principalStableDebt", place, 0)
    for i, raw in enumerate((supply, debt, stable)):
        scaled[i] += raw
    owed = ray_mul(debt, reserve.debt_index)
    if stable:
        since = (lent.time or 0) - whole(row, "stableBorrowLastUpdateTimestamp", place)
        owed += ray_mul(stable, compounded(RAY, whole(row, "stableBorrowRate", place), max(since, 0)))
    if owed:
        lent.legs.append(Leg(user, user, reserve.token, "debt", owed, emode=category))
    if not supply:
        return
    held = ray_mul(supply, reserve.supply_index)
    own = reserve.get("reserveLiquidationThreshold")
    counts = thresholds.get((category, reserve.token.address), own) if category else own
    enabled = cell(row, "usageAsCollateralEnabledOnUser", place)
    if enabled not in (True, False):
        raise InputError("usageAsCollateralEnabledOnUser is neither true nor false", place, str(enabled), "record it as it is")
    if not enabled or not (counts or unsaid):
        idle.append((user, reserve.token, held))
        return
    lent.legs.append(Leg(user, user, reserve.token, "collateral", held, None if unsaid else counts / BPS, category))


def _totals(lent: Lent, reserve: Reserve, scaled: Sequence[int], name: Callable[[Token], str]) -> None:
    """The reserve's own totals, at the indices that stand."""
    get, supply_index, debt_index = reserve.get, reserve.get("liquidityIndex"), reserve.get("variableBorrowIndex")
    stable = 0
    if get("totalPrincipalStableDebt", 0):
        since = get("lastUpdateTimestamp") - get("stableDebtLastUpdateTimestamp")
        stable = ray_mul(get("totalPrincipalStableDebt"), compounded(RAY, get("averageStableRate"), max(since, 0)))
    debt = ray_mul(get("totalScaledVariableDebt"), debt_index)
    counted = reserve.row.get("virtualAccActive", True) is True and "virtualUnderlyingBalance" in reserve.row
    held = get("virtualUnderlyingBalance" if counted else "availableLiquidity")
    treasury = ray_mul(get("accruedToTreasury", 0), supply_index)
    supplied = held + debt + stable + get("unbacked", 0) + get("deficit", 0) - treasury
    symbol = name(reserve.token)
    if debt and not get("liquidityRate"):
        lent.unknown.append(f"the total supply of {symbol}: its suppliers earn nothing, as where it is minted to be lent")
    else:
        lent.stated.append(beside(f"supplied.{symbol}", reserve.token, supplied, ray_mul(scaled[0], supply_index)))
    lent.stated.append(beside(f"debt.{symbol}", reserve.token, debt, ray_mul(scaled[1], debt_index)))
    if get("totalPrincipalStableDebt", 0):
        total = get("totalPrincipalStableDebt")
        lent.stated.append(beside(f"stable principal.{symbol}", reserve.token, total, scaled[2]))


AAVE = LendingReader("Aave's UiPoolDataProvider", told, read)
