"""Lending books as subgraphs and APIs answer: small recorded answers, amounts worked out by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from delever.ingest.lending import read_lending
from delever.ingest.own_import import import_book
from delever.model.book import Book
from delever.model.errors import InputError

WETH = {"id": "0xC02a", "symbol": "WETH", "decimals": 18}
USDC = {"id": "0xa0b8", "symbol": "USDC", "decimals": 6}


def refusal(*answers: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_lending({f"{i}.json": answer for i, answer in enumerate(answers)})
    return str(caught.value)


def rows(answer: Any, **names: str) -> list[tuple[Any, ...]]:
    table = read_lending({"a.json": answer}, names).table
    return [tuple(row.values()) for row in table.select(["account", "owner", "asset", "side", "amount"]).to_pylist()]


# --- a subgraph of Messari's schema --------------------------------------------------------------------------


def position(account: str, side: str, balance: str, market: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{account}-{market}-{side}", "account": {"id": account}, "side": side, "balance": balance,
        "isCollateral": side == "LENDER", "market": {"id": market}, **more,
    }  # fmt: skip


def subgraph() -> dict[str, Any]:
    """Two lenders of WETH, one with it pledged, and a borrower of 1500.25 USDC."""
    return {
        "data": {
            "_meta": {"block": {"number": 18_000_000, "timestamp": 1_693_066_895}, "hasIndexingErrors": False},
            "markets": [
                {"id": "m1", "inputToken": WETH, "liquidationThreshold": "82.5", "inputTokenBalance": "5500000000000000000"},
                {"id": "m2", "inputToken": USDC, "liquidationThreshold": "0", "variableBorrowedTokenBalance": "1500250000",
                 "stableBorrowedTokenBalance": "0"},
            ],
            "positions": [
                position("0xa", "LENDER", "2500000000000000000", "m1"),
                position("0xb", "LENDER", "3000000000000000000", "m1", isCollateral=False),
                position("0xa", "BORROWER", "1500250000", "m2"),
                position("0xc", "BORROWER", "0", "m2"),
            ],
        }
    }  # fmt: skip


def test_a_subgraph_s_positions_are_legs_and_its_markets_totals_reconcile() -> None:
    found = read_lending({"a.json": subgraph()})
    assert found.table.to_pylist() == [
        {"account": "0xa", "owner": "0xa", "asset": "WETH", "side": "collateral", "amount": 2.5, "liquidation_threshold": 0.825},
        {"account": "0xa", "owner": "0xa", "asset": "USDC", "side": "debt", "amount": 1500.25, "liquidation_threshold": None},
    ]
    assert [(one.name, one.given, one.found) for one in found.stated] == [
        ("supplied.WETH", 5.5, 5.5),
        ("debt.USDC", 1500.25, 1500.25),
    ]
    assert found.dropped == ("supplies that are no collateral of 1 accounts: 3 WETH",)
    assert found.block == 18_000_000 and found.time is not None and found.time.isoformat() == "2023-08-26T16:21:35+00:00"
    assert "interest since each account's last transaction: balances of a subgraph are as of then" in found.unknown
    assert Book.from_table(found.table, protocol="aave").number_of_accounts == 1


def test_positions_within_markets_or_accounts_are_the_same_positions() -> None:
    flat = subgraph()["data"]
    nested = copy.deepcopy(flat)
    del nested["positions"]
    for market in nested["markets"]:
        market["positions"] = [
            {key: value for key, value in row.items() if key != "market"}
            for row in flat["positions"]
            if row["market"]["id"] == market["id"]
        ]
    assert rows(nested) == rows(flat)
    by_account = {"accounts": [{"id": "0xa", "positions": [row for row in flat["positions"] if row["account"]["id"] == "0xa"]}]}
    for row in by_account["accounts"][0]["positions"]:
        del row["account"]
    by_account["markets"] = flat["markets"]
    assert rows(by_account) == rows(subgraph())


def test_pages_are_one_book_at_one_block() -> None:
    first, second = subgraph(), subgraph()
    first["data"]["positions"], second["data"]["positions"] = first["data"]["positions"][:2], second["data"]["positions"][2:]
    both = read_lending({"1.json": first, "2.json": second})
    assert both.table == read_lending({"a.json": subgraph()}).table
    second["data"]["_meta"]["block"]["number"] = 18_000_001
    assert "has pages of several blocks: '18000000, 18000001'; ask for all pages at one block" in refusal(first, second)
    assert "is there twice; pages overlap: page on with id_gt" in refusal(subgraph(), subgraph())


def test_a_page_that_may_be_cut_off_is_told() -> None:
    answer = subgraph()
    answer["data"]["positions"] = [position(f"0x{i}", "LENDER", "1", "m1") for i in range(100)]
    assert "whether more than 100 positions are there: a page ends there" in read_lending({"a": answer}).unknown


def test_totals_in_dollars_are_held_at_the_market_s_price() -> None:
    answer = subgraph()
    del answer["data"]["markets"][0]["inputTokenBalance"]
    answer["data"]["markets"][0] |= {"totalDepositBalanceUSD": "9000", "inputTokenPriceUSD": "1600"}
    first = read_lending({"a": answer}).stated[0]
    assert (first.name, first.given, first.found) == ("supplied.WETH in USD", 9000.0, 8800.0)  # (2.5 + 3) x 1600


def test_markets_that_are_margined_apart_are_accounts_apart() -> None:
    answer = subgraph()["data"]
    dai = {"id": "0x6b17", "symbol": "DAI", "decimals": 18}
    answer["markets"] = [
        {"id": "0x1111111111", "inputToken": WETH, "borrowedToken": USDC, "liquidationThreshold": "86", "totalBorrow": "5000000"},
        {"id": "0x2222222222", "inputToken": WETH, "borrowedToken": dai, "liquidationThreshold": "77",
         "totalCollateral": "4000000000000000000"},
    ]  # fmt: skip
    answer["positions"] = [
        position("0xa", "COLLATERAL", "1000000000000000000", "0x1111111111"),
        position("0xa", "BORROWER", "5000000", "0x1111111111"),
        position("0xa", "COLLATERAL", "4000000000000000000", "0x2222222222"),
        position("0xd", "SUPPLIER", "7000000000000000000", "0x2222222222", asset=dai),
    ]
    for row in answer["positions"]:
        row.pop("isCollateral")
    assert rows(answer) == [
        ("0xa/0x11111111", "0xa", "WETH", "collateral", 1.0),
        ("0xa/0x11111111", "0xa", "USDC", "debt", 5.0),
        ("0xa/0x22222222", "0xa", "WETH", "collateral", 4.0),
    ]
    found = read_lending({"a": answer})
    assert "what is lent out and backs nothing of 1 accounts: 7 DAI" in found.dropped
    assert [(one.name, one.apart) for one in found.stated] == [
        ("debt.USDC in market 0x1111111111", 0.0),
        ("supplied.WETH in market 0x2222222222", 0.0),
    ]


def test_markets_of_one_relation_are_margined_together() -> None:
    """As Compound v3: each collateral is a market that lends the base token of its comet."""
    answer = subgraph()["data"]
    comets = [{"relation": "0xc0", "borrowedToken": USDC}, {"relation": "0xc1", "borrowedToken": USDC}]
    answer["markets"] = [
        {"id": "m1", "inputToken": WETH, "liquidationThreshold": "90", "inputTokenBalance": "1000000000000000000", **comets[0]},
        {"id": "m2", "inputToken": USDC, "variableBorrowedTokenBalance": "7000000", **comets[0]},
        {"id": "m3", "inputToken": USDC, "variableBorrowedTokenBalance": "1000000", **comets[1]},
    ]
    answer["positions"] = [
        position("0xa", "LENDER", "1000000000000000000", "m1"),
        position("0xa", "BORROWER", "7000000", "m2"),
        position("0xa", "BORROWER", "1000000", "m3"),
    ]
    assert rows(answer) == [
        ("0xa/0xc0", "0xa", "WETH", "collateral", 1.0),
        ("0xa/0xc0", "0xa", "USDC", "debt", 7.0),
        ("0xa/0xc1", "0xa", "USDC", "debt", 1.0),
    ]
    assert [one.apart for one in read_lending({"a": answer}).stated] == [0.0] * 3


def test_two_tokens_of_one_symbol_are_told_apart_by_their_addresses() -> None:
    answer = subgraph()
    other = {**USDC, "id": "0xFF97"}
    answer["data"]["markets"].append({"id": "m3", "inputToken": other, "liquidationThreshold": "80"})
    answer["data"]["positions"].append(position("0xb", "LENDER", "1000000", "m3"))
    assert "two tokens are called USDC: '0xa0b8, 0xff97'; tell them apart: --name 0xff97=USDC.2" in refusal(answer)
    assert ("0xb", "0xb", "USDC.e", "collateral", 1.0) in rows(answer, **{"0xff97": "USDC.e"})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"balance": "1.5"}, "a.json, position 0xa-m1-LENDER: balance is no whole number: '1.5'"),
        ({"balance": 2.5e18}, "balance is no whole number: '2.5e+18'; amounts are whole numbers of the smallest unit"),
        ({"balance": "-1"}, "balance is negative: -1"),
        ({"side": "LEND"}, "side is not known: 'LEND'; known: COLLATERAL, LENDER, SUPPLIER, BORROWER"),
        ({"account": {}}, "has no account.id; ask for account.id too"),
        ({"market": None}, "has no market; ask for market too"),
        ({"market": {"id": "m9"}}, "has no inputToken; ask for inputToken too"),
        ({"asset": {"symbol": "WETH"}}, "has no decimals"),
    ],
)
def test_what_a_subgraph_does_not_say_is_asked_for_by_name(change: dict[str, Any], line: str) -> None:
    answer = subgraph()
    answer["data"]["positions"][0] |= change
    with pytest.raises(InputError) as caught:
        read_lending({"a.json": answer})
    assert line in str(caught.value)


def test_a_subgraph_with_indexing_errors_is_refused() -> None:
    answer = subgraph()
    answer["data"]["_meta"]["hasIndexingErrors"] = True
    assert "has indexing errors" in refusal(answer)


# --- Morpho --------------------------------------------------------------------------------------------------


def morpho() -> dict[str, Any]:
    """One user in two markets; his second debt is in shares alone."""
    wsteth = {"address": "0x7f39", "symbol": "wstETH", "decimals": 18}
    usdc = {"address": "0xa0b8", "symbol": "USDC", "decimals": 6}
    one = {
        "uniqueKey": "0xb323495f7e4148be", "lltv": "860000000000000000", "loanAsset": usdc, "collateralAsset": wsteth,
        "state": {"borrowAssets": "3000000000", "collateralAssets": "2000000000000000000", "blockNumber": 23_700_000,
                  "timestamp": 1_762_000_000},
    }  # fmt: skip
    two = {
        "marketId": "0x64d65c9a2d91c36d", "lltv": 945_000_000_000_000_000, "loanAsset": wsteth, "collateralAsset": usdc,
        "state": {"borrowAssets": "1999999999999999999", "borrowShares": "999999000000", "blockNumber": 23_700_000},
    }  # fmt: skip
    return {
        "data": {
            "marketPositions": {
                "pageInfo": {"count": 3, "countTotal": 3},
                "items": [
                    {"user": {"address": "0xu"}, "market": one,
                     "state": {"collateral": "2000000000000000000", "borrowAssets": 3_000_000_000, "supplyAssets": "0"}},
                    {"user": {"address": "0xu"}, "market": two,
                     "state": {"collateral": "9000000", "borrowAssets": None, "borrowShares": "500000000000"}},
                    {"user": {"address": "0xv"}, "market": one,
                     "state": {"collateral": "0", "borrowAssets": "0", "supplyAssets": "1000000"}},
                ],
            }
        }
    }  # fmt: skip


def test_each_market_of_morpho_is_an_account_of_its_own_and_shares_are_worth_assets() -> None:
    found = read_lending({"a.json": morpho()})
    # 5e11 shares of 999999e6 + 1e6 = 1e12, of 2e18 - 1 + 1 assets: half of 2e18 wei is 1 wstETH
    assert rows(morpho()) == [
        ("0xu/0xb323495f", "0xu", "USDC", "debt", 3000.0),
        ("0xu/0xb323495f", "0xu", "wstETH", "collateral", 2.0),
        ("0xu/0x64d65c9a", "0xu", "wstETH", "debt", 1.0),
        ("0xu/0x64d65c9a", "0xu", "USDC", "collateral", 9.0),
    ]
    assert found.table["liquidation_threshold"].to_pylist() == [None, 0.86, None, 0.945]
    assert [(one.name, one.apart) for one in found.stated] == [
        ("debt.USDC in 0xb323495f", 0.0),
        ("collateral.wstETH in 0xb323495f", 0.0),
        ("debt.wstETH in 0x64d65c9a", pytest.approx(0.5)),  # another borrower is not in the answer
    ]
    assert found.block == 23_700_000
    assert found.dropped == ("what is supplied to be lent and backs nothing of 1 accounts: 1 USDC",)


def test_a_page_of_morpho_s_is_not_taken_for_the_whole() -> None:
    answer = morpho()
    answer["data"]["marketPositions"]["pageInfo"]["countTotal"] = 250
    assert "marketPositions has 3 of 250 positions; page on with skip: 3, and give all pages as files" in refusal(answer)
    assert "0xu in 0xb323495f7e4148be is there twice" in refusal(morpho(), morpho())


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("market", "lltv"), None, "position of 0xu has no lltv"),
        (("market", "loanAsset"), {"symbol": "USDC"}, "has no decimals"),
        (("user",), {}, "has no user.address"),
        (("state", "borrowAssets"), None, "has no borrowShares"),
    ],
)
def test_what_morpho_s_answer_lacks_is_named(path: tuple[str, ...], value: Any, line: str) -> None:
    answer = morpho()
    where = answer["data"]["marketPositions"]["items"][0]
    for key in path[:-1]:
        where = where[key]
    where[path[-1]] = value
    assert line in refusal(answer)


def test_sources_do_not_mix() -> None:
    assert "0.json, 1.json: mixes sources" in refusal(subgraph(), morpho())


def test_a_few_smallest_units_are_rounding_and_more_is_not() -> None:
    """100 of 1e-6 USDC; of 1500.25 a thousandth is more than rounding."""
    for raw, apart in (("1500250100", 0.0), ("1500250101", 101e-6 / 1500.250101), ("0", 1500.25)):
        answer = subgraph()
        answer["data"]["markets"][1]["variableBorrowedTokenBalance"] = raw
        assert read_lending({"a": answer}).stated[1].apart == pytest.approx(apart, rel=1e-6)


def written(folder: Path, value: Any) -> Path:
    file = folder / "answer.json"
    file.write_text(json.dumps(value))
    return file


def test_pages_in_one_file_are_one_book(tmp_path: Path) -> None:
    pages = [subgraph(), subgraph()]
    pages[0]["data"]["positions"], pages[1]["data"]["positions"] = (
        subgraph()["data"]["positions"][:1],
        subgraph()["data"]["positions"][1:],
    )
    found = import_book([written(tmp_path, pages)], "lending", names={"WETH": "ETH"}, protocol="aave")
    assert found.table["asset"].to_pylist() == ["ETH", "USDC"] and found.table["protocol"].to_pylist() == ["aave"] * 2
    assert found.table.schema.metadata == {b"block": b"18000000", b"as_of": b"2023-08-26T16:21:35Z"}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"errors": [{"message": "indexing_error"}]}, "answer.json is an error in place of an answer: 'indexing_error'"),
        ({"data": {"pools": []}}, "answer.json is no answer of a lending protocol that is known; known: a subgraph of Messari's"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(tmp_path: Path, value: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        import_book([written(tmp_path, value)], "lending")
    assert line in str(caught.value)
