"""What a user states about auctions: versions, curves and what they need, vaults that are none."""

from __future__ import annotations

import re

import pytest

from delever.catalog import get
from delever.model.errors import InputError
from delever.protocols.clip import SPELLS, Clip
from delever.run.assemble import assemble
from protocols.clip_worlds import Mapping, auctions
from run.small import loan


def test_a_version_is_the_chains_terms_and_what_is_stated_beside_goes_before() -> None:
    chosen = Clip(version="eth_a_2022_02", tip=0)
    assert (chosen.buf, chosen.hole, chosen.tip, chosen.dust) == (1.2, 65e6, 0.0, 15e3)
    assert auctions(loan("a", 1.0, 1.0)).replace("protocols.pool.rules", "clip.eth_a_2021_04").protocols["pool"].rules.buf == 1.3


@pytest.mark.parametrize(("change", "line"), [
    ({"curve": "linear"}, "tau is missing; the linear curve needs it: time until the price is 0 (linear)"),
    ({"curve": "exponential", "cut": None}, "cut is missing; the exponential curve needs it: factor on the price, a step "
     "(stairstep) or a second (exponential)"),
    ({"buf": 0}, "buf is 0; it is a ratio, above 0"),
    ({"cusp": "140 %"}, "cusp is 140 %; it is a share, from 0 to 1"),
    ({"tail": -1}, "tail is -1; it is a time, at least 0"),
])
def test_bad_terms_are_one_line_that_says_where_and_what_to_write(change: Mapping, line: str) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        auctions(loan("a", 1.0, 1.0), change)


TWO: Mapping = {"ETH": {"price": 1000.0}, "BTC": {"price": 1.0}}


def test_a_vault_with_two_collaterals_is_named_with_what_to_do() -> None:
    legs = [*loan("ok", 1.0, 1.0), *loan("both", 1.0, 1.0), ("both", "BTC", "collateral", 1.0)]
    terms = {"liquidation_threshold": 0.5, "incentive": 0.13}
    with pytest.raises(InputError) as found:
        assemble(auctions(legs, assets=TWO, parameters={"ETH": terms, "BTC": terms}))
    assert str(found.value) == ("protocols.pool.book has 2 collaterals and 1 debts: 'both'; a vault of clip has one of each: "
                                "make it a vault for each pair")


def test_vaults_that_owe_different_assets_are_two_protocols() -> None:
    legs = [*loan("a", 1.0, 1.0), ("b", "ETH", "collateral", 1.0), ("b", "BTC", "debt", 1.0)]
    with pytest.raises(InputError, match=r"book: owes USD and BTC; vaults of clip owe one asset, .*: make it two protocols"):
        assemble(auctions(legs, assets=TWO))


@pytest.mark.parametrize(("version", "mat", "fee"), [("eth_a_2021_04", 1.5, 0.055), ("eth_a_2022_02", 1.45, 0.0225)])
def test_every_version_has_its_parameters_in_the_catalog(version: str, mat: float, fee: float) -> None:
    assert version in SPELLS
    vault, owed = (get(f"maker-{version.replace('_', '-')}")[asset] for asset in ("ETH", "DAI"))
    assert (vault["liquidation_threshold"] * mat, vault["incentive"]) == pytest.approx((1.0, 0.13))
    assert 0.0 < owed["borrow_rate"] < fee, "continuous"
