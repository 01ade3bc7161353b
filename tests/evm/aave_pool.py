"""Aave's real pool with tokens and prices of one's own, and positions in it read as cases of the golden vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evm.chain import ME, Chain, Contract, Refused

NOBODY = "0x" + "00" * 20
TREASURY, LENDER, BORROWER, CALLER = ("0x" + digit * 20 for digit in ("a1", "a2", "a3", "a4"))
DECIMALS = {"WETH": 18, "WBTC": 8, "USDC": 6, "DAI": 18}
PLENTY, ALL = 10**14, 2**256 - 1
OPENED, RATES = 1_700_000_000, (4 * 10**25, 9 * 10**25)  # when all indices are 1 [s]; of supply and borrow [1e-27 a year]
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


@dataclass(frozen=True)
class Mode:
    """An efficiency mode: terms of its collaterals in place of their own [basis points]."""

    threshold: int
    bonus: int
    collaterals: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """One account and one call on it."""

    reserves: tuple[Reserve, ...]
    taken: str
    repaid: str
    most: int
    mode: Mode | None = None
    grown: tuple[int, int] = (0, 0)  # that indices have grown when it is opened, and then until the call [s]

    def reserve(self, asset: str) -> Reserve:
        return next(r for r in self.reserves if r.asset == asset)

    def terms(self, r: Reserve) -> tuple[int, int]:
        """(threshold, bonus) of a collateral."""
        mode = self.mode
        return (mode.threshold, mode.bonus) if mode and r.asset in mode.collaterals else (r.threshold, r.bonus)


class Pool:
    """A deployed pool of version v3_6 or v3_0 with listed assets (by their decimals) and a lender of each."""

    def __init__(self, compiled: dict[str, Any], version: str, listed: Mapping[str, int] = DECIMALS) -> None:
        chain = self.chain = Chain(compiled)
        self.version, self.prices = version, chain.deploy("Prices")
        provider = chain.deploy("PoolAddressesProvider", "", ME)
        rates = chain.deploy("Rates", *RATES)
        chain.at(OPENED)
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

    def configure(self, reserve: Reserve, category: int = 0) -> None:
        """Set what the reserve's liquidations read. category: of efficiency mode, as 3.0 keeps it."""
        bits = (reserve.threshold - 100) | reserve.threshold << 16 | reserve.bonus << 32 | reserve.decimals << 48 \
            | 1 << 56 | 1 << 58 | reserve.fee << 152 | category << 168 | 1 << 252
        self.pool("setConfiguration", self.token[reserve.asset].address, (bits,))

    def supply(self, who: str, asset: str, units: int) -> None:
        self.token[asset]("mint", who, units)
        self.pool("supply", self.token[asset].address, units, who, 0, by=who)

    def called(self, asked: Asked) -> tuple[dict[str, Any], Asked]:
        """A case as the golden vectors have them, and what stood when the call was made; the pool is as before."""
        before = self.chain.evm.snapshot()
        try:
            now = self.open(asked)
            return self.case(now), now
        finally:
            self.chain.evm.revert(before)

    def open(self, asked: Asked) -> Asked:
        """The account, with what it has and owes at the time of the call."""
        self.chain.at(OPENED + asked.grown[0])
        for r in asked.reserves:
            self.configure(r, int(asked.mode is not None and (r.owed > 0 or r.asset in asked.mode.collaterals)))
        if asked.mode:
            self.enter(asked.mode)
        for r in asked.reserves:
            self.prices("set", self.token[r.asset].address, HIGH if r.supplied else LOW)
            if r.supplied:
                self.supply(BORROWER, r.asset, r.supplied)
        for r in asked.reserves:
            if r.owed:
                self.pool("borrow", self.token[r.asset].address, r.owed, 2, 0, BORROWER, by=BORROWER)
        for r in asked.reserves:
            self.prices("set", self.token[r.asset].address, r.price)
        self.chain.at(OPENED + sum(asked.grown))
        return replace(asked, reserves=tuple(replace(
            r, supplied=self.claim[r.asset]("balanceOf", BORROWER), owed=self.debt[r.asset]("balanceOf", BORROWER))
            for r in asked.reserves))

    def enter(self, mode: Mode) -> None:
        """The account is in efficiency mode, where everything may be borrowed."""
        terms = (mode.threshold - 100, mode.threshold, mode.bonus)
        if self.version == "v3_6":
            self.pool("configureEModeCategory", 1, (*terms, ""))
            collaterals = sum(1 << i for i, asset in enumerate(self.token) if asset in mode.collaterals)
            self.pool("configureEModeCategoryCollateralBitmap", 1, collaterals)
            self.pool("configureEModeCategoryBorrowableBitmap", 1, (1 << len(self.token)) - 1)
        else:
            self.pool("configureEModeCategory", 1, (*terms, NOBODY, ""))
        self.pool("setUserEMode", 1, by=BORROWER)

    def case(self, asked: Asked) -> dict[str, Any]:
        """The call."""
        collateral, debt, most = asked.taken, asked.repaid, asked.most
        unit = {r.asset: 10.0 ** r.decimals for r in asked.reserves}
        mode = asked.mode
        given = {"reserves": [dict(
            asset=r.asset, decimals=r.decimals, price=[str(r.price), r.price / 1e8], lt=r.threshold, bonus=r.bonus,
            protocol_fee=r.fee, supplied=[str(r.supplied), r.supplied / unit[r.asset]], collateral=r.supplied > 0,
            debt=[str(r.owed), r.owed / unit[r.asset]], liquidity_index=self.index("Income", r),
            borrow_index=self.index("VariableDebt", r)) for r in asked.reserves],
            "emode": mode and {"lt": mode.threshold, "bonus": mode.bonus, "collateral_assets": mode.collaterals},
            "collateral_asset": collateral, "debt_asset": debt,
            "debt_to_cover": "max" if most == ALL else [str(most), most / unit[debt]]}
        case: dict[str, Any] = {"id": repr(asked), "in": given, "out": {"before": self.account()}}
        had, owned = (self.token[name]("balanceOf", CALLER) for name in (collateral, debt))
        kept, owing = self.claim[collateral]("balanceOf", TREASURY), self.debt[debt]("balanceOf", BORROWER)
        try:
            self.pool("liquidationCall", self.token[collateral].address, self.token[debt].address, BORROWER, most, False,
                      by=CALLER)
        except Refused as why:
            case["out"]["revert"] = why.reason
            return case
        fee, left = (self.claim[collateral]("balanceOf", who) for who in (TREASURY, BORROWER))
        seized, repaid = self.token[collateral]("balanceOf", CALLER) - had, owned - self.token[debt]("balanceOf", CALLER)
        owes = self.debt[debt]("balanceOf", BORROWER)
        deficit = [dict(asset=r.asset, amount=["", self.pool("getReserveDeficit", self.token[r.asset].address)
                                               / unit[r.asset]]) for r in asked.reserves] if self.version == "v3_6" else []
        assert owing >= owes
        case["out"] |= {"seized": ["", seized / unit[collateral]], "repaid": ["", repaid / unit[debt]],
                        "protocol_fee": ["", (fee - kept) / unit[collateral]], "deficit": deficit,
                        "after": self.account() | {"collateral_left": ["", left / unit[collateral]],
                                                   "debt_left": ["", owes / unit[debt]]}}
        return case

    def index(self, of: str, r: Reserve) -> list[Any]:
        """A reserve's index of supply ("Income") or of debt ("VariableDebt"), now."""
        raw = self.pool(f"getReserveNormalized{of}", self.token[r.asset].address)
        return [str(raw), raw / 1e27]

    def account(self) -> dict[str, Any]:
        collateral, debt, _, _, _, health = self.pool("getUserAccountData", BORROWER)
        return {"collateral_base": ["", collateral / 1e8], "debt_base": ["", debt / 1e8],
                "health_factor": "infinite" if health == ALL else ["", health / 1e18]}
