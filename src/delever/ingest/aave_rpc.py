"""A market of Aave v3 at a block, read from a node through UiPoolDataProvider: the answer that `aave_pool` reads, recorded.

Structs grew: which version a contract is of is told by the size of what it answers, whose first text lies behind its head.
Source: github.com/aave/aave-v3-periphery (3.0) and aave-dao/aave-v3-origin (3.1 on), IUiPoolDataProviderV3.sol and DataTypes.sol;
selectors are the first four bytes of the signatures' keccak-256. By these; tried on answers encoded by them, on no live node.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from delever.ingest.json_rpc import Call, Node
from delever.model.errors import InputError

RESERVES = "0xec489c21"  # getReservesData(address)
USER = "0x51974cc0"  # getUserReservesData(address,address)
MODES = "0x6f90b9d1"  # getEModes(address)
WORD = 32  # bytes
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
CURRENCY = "(uint256,int256,int256,uint8)"
# Fields of AggregatedReserveData in their order, with the versions that have them where not all do: 3.0, 3.1, 3.2, 3.3, 3.4 on.
VERSIONS = "01234"
FIELDS = """
underlyingAsset address | name string | symbol string | decimals uint256 | baseLTVasCollateral uint256 |
reserveLiquidationThreshold uint256 | reserveLiquidationBonus uint256 | reserveFactor uint256 | usageAsCollateralEnabled bool |
borrowingEnabled bool | stableBorrowRateEnabled bool 01 | isActive bool | isFrozen bool | liquidityIndex uint128 |
variableBorrowIndex uint128 | liquidityRate uint128 | variableBorrowRate uint128 | stableBorrowRate uint128 01 |
lastUpdateTimestamp uint40 | aTokenAddress address | stableDebtTokenAddress address 01 | variableDebtTokenAddress address |
interestRateStrategyAddress address | availableLiquidity uint256 | totalPrincipalStableDebt uint256 01 |
averageStableRate uint256 01 | stableDebtLastUpdateTimestamp uint256 01 |
totalScaledVariableDebt uint256 | priceInMarketReferenceCurrency uint256 |
priceOracle address | variableRateSlope1 uint256 | variableRateSlope2 uint256 | stableRateSlope1 uint256 01 |
stableRateSlope2 uint256 01 | baseStableBorrowRate uint256 01 | baseVariableBorrowRate uint256 | optimalUsageRatio uint256 |
isPaused bool | isSiloedBorrowing bool | accruedToTreasury uint128 | unbacked uint128 0123 | isolationModeTotalDebt uint128 |
flashLoanEnabled bool | debtCeiling uint256 | debtCeilingDecimals uint256 | eModeCategoryId uint8 01 | borrowCap uint256 |
supplyCap uint256 | eModeLtv uint16 01 | eModeLiquidationThreshold uint16 01 | eModeLiquidationBonus uint16 01 |
eModePriceSource address 01 | eModeLabel string 01 | borrowableInIsolation bool | virtualAccActive bool 123 |
virtualUnderlyingBalance uint128 1234 | deficit uint128 34
"""
USER_FIELDS = """
underlyingAsset address | scaledATokenBalance uint256 | usageAsCollateralEnabledOnUser bool | stableBorrowRate uint256 01 |
scaledVariableDebt uint256 | principalStableDebt uint256 01 | stableBorrowLastUpdateTimestamp uint256 01
"""
MODE_HEAD = ["ltv uint16", "liquidationThreshold uint16", "liquidationBonus uint16", "collateralBitmap uint128"]
MODE_TAILS = (
    ["label string", "borrowableBitmap uint128"],  # 3.2
    ["label string", "borrowableBitmap uint128", "ltvzeroBitmap uint128"],  # 3.6
    ["isolated bool", "label string", "borrowableBitmap uint128", "ltvzeroBitmap uint128"],  # later
)

Struct = list[tuple[str, str]]  # (field, type)


def fields(text: str, version: str) -> Struct:
    """Fields of a struct in one version."""
    rows = [row.split() for row in text.split("|")]
    return [(row[0], row[1]) for row in rows if len(row) < 3 or version in row[2]]


def fetch(node: Node, provider: str, pool: str, block: int, accounts: Sequence[str]) -> dict[str, Any]:
    """The recorded answer: reserves, and every account's, at the block.

    provider: the contract UiPoolDataProvider. pool: the market's PoolAddressesProvider.
    """
    _codec()
    wrong = importlib.import_module("eth_abi.exceptions").DecodingError
    for option, value in (("--provider", provider), ("--pool", pool)):
        if not ADDRESS.fullmatch(value):
            raise InputError("is no address", option, value, "write 0x and 40 digits, as aave-address-book lists it")
    try:
        return _fetch(node, provider, pool, block, accounts)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, wrong) as error:
        what, remedy = "has an answer that is not as documented", "see that --provider and --pool are Aave v3's on this chain"
        raise InputError(what, node.shown, f"{type(error).__name__} {error}", remedy) from None


def _fetch(node: Node, provider: str, pool: str, block: int, accounts: Sequence[str]) -> dict[str, Any]:
    header = node.call("eth_getBlockByNumber", [hex(block), False])
    if not isinstance(header, dict):
        raise InputError("has no such block", node.shown, block, "give a block of this chain that is there")
    at = hex(block)
    raw = node.call("eth_call", _call(provider, RESERVES, [pool], at)[1])
    reserves, currency, version = decode_reserves(_bytes(raw, node))
    answers = node.calls([_call(provider, USER, [pool, account], at) for account in accounts])
    users = {account: decode_user(_bytes(answer, node), version) for account, answer in zip(accounts, answers, strict=True)}
    found = {
        "chainId": int(node.call("eth_chainId", []), 16),
        "block": block,
        "timestamp": int(header["timestamp"], 16),
        "getReservesData": [reserves, currency],
        "getUserReservesData": users,
    }
    if any(mode for _, mode in users.values()) and "eModeCategoryId" not in reserves[0]:
        found["getEModes"] = decode_modes(_bytes(node.call("eth_call", _call(provider, MODES, [pool], at)[1]), node))
    return found


def read_accounts(path: str | Path) -> list[str]:
    """Addresses of a file: one a line, in the first cell; empty lines and a header are passed over."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("cannot be read", str(path), reason, "name a text file") from None
    cells = [re.split(r"[,;\t]", line)[0].strip().strip('"') for line in lines]
    found: dict[str, None] = {}
    for row, cell in enumerate(cells):
        if ADDRESS.fullmatch(cell):
            found[cell.lower()] = None
        elif cell and row > 0:
            raise InputError("is no address", f"{path}, line {row + 1}", cell, "write 0x and 40 digits, one a line")
    if not found:
        raise InputError("has no addresses", str(path), remedy="write 0x and 40 digits, one a line")
    return list(found)


def decode_reserves(data: bytes) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Reserves, the reference currency, and the version they are of."""
    first = _first(data)
    head = _word(data, first + WORD)  # the name lies behind the head of its struct
    version = next((one for one in VERSIONS if WORD * len(fields(FIELDS, one)) == head), None)
    if version is None:
        what, remedy = "is of a version that is not known", "known are those of Aave 3.0 to 3.6"
        raise InputError(what, "UiPoolDataProvider", f"{head // WORD} fields", remedy)
    struct = fields(FIELDS, version)
    rows, currency = _codec().decode([f"{_type(struct)}[]", CURRENCY], data)
    names = (
        "marketReferenceCurrencyUnit",
        "marketReferenceCurrencyPriceInUsd",
        "networkBaseTokenPriceInUsd",
        "networkBaseTokenPriceDecimals",
    )
    return [_named(struct, row) for row in rows], dict(zip(names, currency, strict=True)), version


def decode_user(data: bytes, version: str) -> list[Any]:
    """[reserves, efficiency mode] of a user."""
    struct = fields(USER_FIELDS, version)
    count = _word(data, _word(data, 0))
    if len(data) != WORD * (3 + count * len(struct)):
        raise InputError("is of another version than its reserves", "UiPoolDataProvider", remedy="give another contract")
    rows, mode = _codec().decode([f"{_type(struct)}[]", "uint8"], data)
    return [[_named(struct, row) for row in rows], mode]


def decode_modes(data: bytes) -> list[dict[str, Any]]:
    """Efficiency modes."""
    if not _word(data, _word(data, 0)):
        return []
    first = _first(data)
    category = first + _word(data, first + WORD)
    for tail in MODE_TAILS:
        rows = [row.split() for row in MODE_HEAD + tail]
        label = next(i for i, row in enumerate(rows) if row[1] == "string")
        if _word(data, category + WORD * label) == WORD * len(rows):
            struct = [(row[0], row[1]) for row in rows]
            (found,) = _codec().decode([f"(uint8,{_type(struct)})[]"], data)
            return [{"id": mode, "eMode": _named(struct, row)} for mode, row in found]
    raise InputError("has efficiency modes of a version that is not known", "UiPoolDataProvider", remedy="known are 3.2 to 3.6")


def _named(struct: Struct, row: Sequence[Any]) -> dict[str, Any]:
    """A struct by its fields, numbers as text where JSON would round them."""
    return {
        name: str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for (name, _), value in zip(struct, row, strict=True)
    }


def _type(struct: Struct) -> str:
    return f"({','.join(kind for _, kind in struct)})"


def _word(data: bytes, at: int) -> int:
    if at + WORD > len(data):
        what, remedy = "has less than it should answer", "check --provider and --pool"
        raise InputError(what, "UiPoolDataProvider", f"{len(data)} bytes", remedy)
    return int.from_bytes(data[at : at + WORD], "big")


def _first(data: bytes) -> int:
    """Where the first struct of the array that comes first begins."""
    array = _word(data, 0)
    if not _word(data, array):
        raise InputError("has no reserves", "UiPoolDataProvider", remedy="check --pool: it is the PoolAddressesProvider")
    return array + WORD + _word(data, array + WORD)


def _call(to: str, selector: str, addresses: Sequence[str], at: str) -> Call:
    data = selector + "".join(address[2:].lower().rjust(2 * WORD, "0") for address in addresses)
    return "eth_call", [{"to": to, "data": data}, at]


def _bytes(answer: Any, node: Node) -> bytes:
    if answer in ("0x", "", None):
        remedy = "see that --provider is a UiPoolDataProvider that was there at that block"
        raise InputError("has no contract there that answers", node.shown, remedy=remedy)
    return bytes.fromhex(str(answer).removeprefix("0x"))


def _codec() -> Any:
    if importlib.util.find_spec("eth_abi") is None:
        raise InputError("needs what decodes contracts' answers", "--rpc", remedy="install the extra `chain` (eth-abi)")
    return importlib.import_module("eth_abi.abi")
