"""A StableSwap pool given as a JSON file: amplification, fee, balances."""

from __future__ import annotations

from typing import Any

from delever.model.errors import InputError


def read(pool: dict[str, Any], where: str) -> dict[str, Any]:
    """A [contract's convention, Ann = A n], fee [share of output], balances {asset: whole tokens}, of a pool file.

    `where` names the file in errors.
    """
    for field in ("A", "fee", "balances"):
        if field not in pool:
            raise InputError("has no field", where, field, "a pool file has A, fee and balances")
    balances = pool["balances"]
    if not isinstance(balances, dict) or len(balances) < 2:
        raise InputError("must hold two assets or more", where, balances, 'write "balances": {"ETH": 1.0, "stETH": 1.0}')
    numbers = {"A": pool["A"], "fee": pool["fee"], **{f"balances.{asset}": held for asset, held in balances.items()}}
    for field, value in numbers.items():
        usable = isinstance(value, int | float) and not isinstance(value, bool)
        if not usable or not (value >= 0.0 if field == "fee" else value > 0.0):
            raise InputError(f"{field} must be a positive number", where, value, "mend the pool file")
    return {
        "A": float(pool["A"]),
        "fee": float(pool["fee"]),
        "balances": {str(asset): float(held) for asset, held in balances.items()},
    }
