"""Aave's real pool with tokens and prices of one's own, and positions in it read as cases of the golden vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evm.chain import ME, Chain, Contract, Refused

NOBODY = "0x" + "00" * 20
TREASURY, LENDER, BORROWER, CALLER = ("0x" + digit * 20 for digit in ("a1", "a2", "a3", "a4"))
DECIMALS = {"WETH": 18, "WBTC": 8, "USDC": 6, "DAI": 18}
PLENTY, ALL = 10**14, 2**256 - 1
HIGH, LOW = 10**14, 10**4  # prices at which every position is allowed [1e-8 USD]


@dataclass(frozen=True)
class Reserve:
    """Parameters in basis points, price in 1e-8 USD, amounts in smallest units."""

    asset: str
    price: int
    threshold: int
    bonus: int
    fee: int
    supplied: int = 0
    owed: int = 0

    @property
    def decimals(self) -> int:
        return DECIMALS.get(self.asset, 18)


class Pool:
    """A deployed pool of version v3_6 or v3_0 with listed assets (by their decimals) and a lender of each."""

    def __init__(self, compiled: dict[str, Any], version: str, listed: Mapping[str, int] = DECIMALS) -> None:
        chain = self.chain = Chain(compiled)
        self.version, self.prices = version, chain.deploy("Prices")
        provider = chain.deploy("PoolAddressesProvider", "", ME)
        rates = chain.deploy("Rates", 0, 0)
        recent = version == "v3_6"
        self.pool = chain.deploy("PoolInstance", provider.address, rates.address) if recent \
            else chain.deploy("Pool", provider.address)
        for name, held in (("POOL", self.pool.address), ("PRICE_ORACLE", self.prices.address),
                           ("POOL_CONFIGURATOR", ME)):
            provider("setAddress", name.encode().ljust(32, b"\0"), held)
        if not recent:
            self.pool("initialize", provider.address)
        self.token = {asset: chain.deploy("Token", decimals) for asset, decimals in listed.items()}
        self.claim: dict[str, Contract] = {}
        self.debt: dict[str, Contract] = {}
        for asset, token in self.token.items():
            named = (listed[asset], "", "", b"")
            of, it = self.pool.address, token.address
            if recent:
                claim = chain.deploy("ATokenInstance", of, NOBODY, TREASURY)
                debt = chain.deploy("VariableDebtTokenInstance", of, NOBODY)
                for made in (claim, debt):
                    chain.evm.insert_account_storage(made.address, 0, 0)  # as a proxy's storage is: not yet initialised
                    made("initialize", of, it, *named)
                self.pool("initReserve", it, claim.address, debt.address)
            else:
                claim, debt, stable = (chain.deploy(n, of) for n in ("AToken", "VariableDebtToken", "StableDebtToken"))
                claim("initialize", of, TREASURY, it, NOBODY, *named)
                debt("initialize", of, it, NOBODY, *named)
                stable("initialize", of, it, NOBODY, *named)
                self.pool("initReserve", it, claim.address, stable.address, debt.address, rates.address)
            self.claim[asset], self.debt[asset] = claim, debt
            self.configure(Reserve(asset, LOW, 8000, 10500, 0))
            self.supply(LENDER, asset, PLENTY * 10 ** listed[asset])
            token("mint", CALLER, PLENTY * 10 ** listed[asset])

    def configure(self, reserve: Reserve) -> None:
        """Set what the reserve's liquidations read."""
        bits = (reserve.threshold - 100) | reserve.threshold << 16 | reserve.bonus << 32 | reserve.decimals << 48 \
            | 1 << 56 | 1 << 58 | reserve.fee << 152 | 1 << 252
        self.pool("setConfiguration", self.token[reserve.asset].address, (bits,))

    def supply(self, who: str, asset: str, units: int) -> None:
        self.token[asset]("mint", who, units)
        self.pool("supply", self.token[asset].address, units, who, 0, by=who)

    def called(self, reserves: list[Reserve], collateral: str, debt: str, most: int) -> dict[str, Any]:
        """A case as the golden vectors have them: one account with one liquidation call on it; the pool is as before."""
        before = self.chain.evm.snapshot()
        try:
            return self.case(reserves, collateral, debt, most)
        finally:
            self.chain.evm.revert(before)

    def case(self, reserves: list[Reserve], collateral: str, debt: str, most: int) -> dict[str, Any]:
        for r in reserves:
            self.configure(r)
            self.prices("set", self.token[r.asset].address, HIGH if r.supplied else LOW)
            if r.supplied:
                self.supply(BORROWER, r.asset, r.supplied)
        for r in reserves:
            if r.owed:
                self.pool("borrow", self.token[r.asset].address, r.owed, 2, 0, BORROWER, by=BORROWER)
        for r in reserves:
            self.prices("set", self.token[r.asset].address, r.price)
        unit = {r.asset: 10.0 ** r.decimals for r in reserves}
        given = {"reserves": [dict(
            asset=r.asset, decimals=r.decimals, price=[str(r.price), r.price / 1e8], lt=r.threshold, bonus=r.bonus,
            protocol_fee=r.fee, supplied=[str(r.supplied), r.supplied / unit[r.asset]], collateral=r.supplied > 0,
            debt=[str(r.owed), r.owed / unit[r.asset]]) for r in reserves],
            "emode": None, "collateral_asset": collateral, "debt_asset": debt,
            "debt_to_cover": "max" if most == ALL else [str(most), most / unit[debt]]}
        case: dict[str, Any] = {"id": repr((reserves, collateral, debt, most)), "in": given, "out": {"before": self.account()}}
        had, owned = (self.token[collateral]("balanceOf", CALLER), self.token[debt]("balanceOf", CALLER))
        claims, kept = self.claim[collateral]("balanceOf", BORROWER), self.claim[collateral]("balanceOf", TREASURY)
        owing = self.debt[debt]("balanceOf", BORROWER)
        try:
            self.pool("liquidationCall", self.token[collateral].address, self.token[debt].address, BORROWER, most, False,
                      by=CALLER)
        except Refused as why:
            case["out"]["revert"] = why.reason
            return case
        left, fee = self.claim[collateral]("balanceOf", BORROWER), self.claim[collateral]("balanceOf", TREASURY) - kept
        owes = self.debt[debt]("balanceOf", BORROWER)
        seized, repaid = claims - left - fee, owned - self.token[debt]("balanceOf", CALLER)
        if collateral != debt:
            assert self.token[collateral]("balanceOf", CALLER) - had == seized
        else:
            repaid += seized
        deficit = [dict(asset=r.asset, amount=["", self.pool("getReserveDeficit", self.token[r.asset].address)
                                               / unit[r.asset]]) for r in reserves] if self.version == "v3_6" else []
        assert owing >= owes
        case["out"] |= {"seized": ["", seized / unit[collateral]], "repaid": ["", repaid / unit[debt]],
                        "protocol_fee": ["", fee / unit[collateral]], "deficit": deficit,
                        "after": self.account() | {"collateral_left": ["", left / unit[collateral]],
                                                   "debt_left": ["", owes / unit[debt]]}}
        return case

    def account(self) -> dict[str, Any]:
        collateral, debt, _, _, _, health = self.pool("getUserAccountData", BORROWER)
        return {"collateral_base": ["", collateral / 1e8], "debt_base": ["", debt / 1e8],
                "health_factor": "infinite" if health == ALL else ["", health / 1e18]}
