"""A market of Aave v3 read from a node: a recorded JSON-RPC server that answers as the contracts of each version do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from eth_abi.abi import encode
from typer.testing import CliRunner

from delever.cli.main import app
from delever.ingest import aave_rpc
from delever.ingest.aave_rpc import FIELDS, MODES, RESERVES, USER, USER_FIELDS, VERSIONS, fields
from delever.ingest.json_rpc import Node
from delever.ingest.lending import read_lending
from delever.model.errors import InputError
from ingest.aave_market import BLOCK, NOW, A, B, C, market
from ingest.recorded import Asked, serving

PROVIDER, POOL = "0x" + "5" * 40, "0x" + "6" * 40
EMPTY = {"address": "0x" + "0" * 40, "string": "", "bool": False}
CATEGORY = "(uint8,(uint16,uint16,uint16,uint128,string,uint128))[]"


def kinds(struct: list[tuple[str, str]]) -> str:
    return f"({','.join(kind for _, kind in struct)})"


def packed(text: str, version: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name, EMPTY.get(kind, 0)) for name, kind in fields(text, version))


def node(version: str, answer: dict[str, Any], batches: bool = True, modes: Any = ()) -> Callable[[Asked], Any]:
    """What a node answers that has the market at BLOCK."""

    def called(data: str) -> str:
        if data.startswith(RESERVES):
            struct, (rows, _) = fields(FIELDS, version), answer["getReservesData"]
            currency = (10**8, 10**8, 2500 * 10**8, 8)
            types = [f"{kinds(struct)}[]", "(uint256,int256,int256,uint8)"]
            return "0x" + encode(types, [[packed(FIELDS, version, row) for row in rows], currency]).hex()
        if data.startswith(MODES):
            return "0x" + encode([CATEGORY], [list(modes)]).hex()
        assert data.startswith(USER) and data[34:74] == POOL[2:]
        rows, mode = answer["getUserReservesData"]["0x" + data[98:138]]
        types = [f"{kinds(fields(USER_FIELDS, version))}[]", "uint8"]
        return "0x" + encode(types, [[packed(USER_FIELDS, version, row) for row in rows], mode]).hex()

    def one(call: dict[str, Any]) -> dict[str, Any]:
        method, params = call["method"], call["params"]
        if method == "eth_getBlockByNumber":
            result: Any = {"timestamp": hex(NOW)} if params[0] == hex(BLOCK) else None
        elif method == "eth_chainId":
            result = "0x1"
        else:
            assert method == "eth_call" and params[1] == hex(BLOCK)  # every call is pinned
            result = called(params[0]["data"]) if params[0]["to"] == PROVIDER else "0x"
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    def answered(asked: Asked) -> Any:
        if isinstance(asked.body, list):
            refused = {"jsonrpc": "2.0", "id": None, "error": {"message": "batches are not served"}}
            return list(reversed([one(call) for call in asked.body])) if batches else refused
        return one(asked.body)

    return answered


@pytest.mark.parametrize("version", VERSIONS)
def test_contracts_of_every_version_give_the_book_of_the_recorded_answer(version: str) -> None:
    with serving(node(version, market())) as server:
        fetched = aave_rpc.fetch(Node(server.address), PROVIDER, POOL, BLOCK, [A, B, C])
    found, wanted = read_lending({"a": fetched}), read_lending({"a": market()})
    assert found.table == wanted.table and found.time == wanted.time and found.block == BLOCK
    if version in "4":  # others state what these reserves do not have: a pool's balance alone, or no deficit
        assert found.stated == wanted.stated
    assert fetched["chainId"] == 1
    assert len(server.asked) == 4  # block, reserves, one batch of users, chain


def test_a_node_without_batches_is_asked_one_by_one() -> None:
    with serving(node("4", market(), batches=False)) as server:
        fetched = aave_rpc.fetch(Node(server.address), PROVIDER, POOL, BLOCK, [A, B, C])
    assert len(fetched["getUserReservesData"]) == 3 and len(server.asked) == 7


def test_efficiency_modes_are_asked_where_somebody_is_in_one() -> None:
    answer = market()
    answer["getUserReservesData"][A][1] = 1
    modes = [(1, (9000, 9300, 10100, 1, "ETH correlated", 0)), (2, (9000, 9700, 10100, 2, "stables", 2))]
    with serving(node("4", answer, modes=modes)) as server:
        found = read_lending({"a": aave_rpc.fetch(Node(server.address), PROVIDER, POOL, BLOCK, [A])})
    assert found.table["liquidation_threshold"].to_pylist() == [0.93, None]
    assert found.table["emode"].to_pylist() == [1, 1]


def test_a_busy_node_is_asked_again_and_its_address_is_never_shown() -> None:
    waits: list[float] = []
    tries = iter([(429, {}), (503, {})])
    answering = node("4", market())
    with serving(lambda asked: next(tries, None) or answering(asked)) as server:
        fetched = aave_rpc.fetch(Node(f"{server.address}/v3/SECRETKEY", waits.append), PROVIDER, POOL, BLOCK, [A])
    assert waits == [1.0, 3.0] and fetched["block"] == BLOCK
    with serving(lambda asked: (401, {"error": "SECRETKEY"})) as server, pytest.raises(InputError) as caught:
        aave_rpc.fetch(Node(f"{server.address}/v3/SECRETKEY"), PROVIDER, POOL, BLOCK, [A])
    assert str(caught.value) == "node 127.0.0.1 has no answer: 'HTTP 401'; check the address and the key in it, or ask later"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"block": BLOCK + 1}, "node 127.0.0.1 has no such block: 19000001"),
        ({"provider": POOL}, "node 127.0.0.1 has no contract there that answers; see that --provider is a UiPoolDataProvider"),
        ({"provider": "0x5"}, "--provider is no address: '0x5'"),
        ({"pool": "aave"}, "--pool is no address: 'aave'"),
    ],
)
def test_what_is_not_there_is_named(change: dict[str, Any], line: str) -> None:
    asked = {"provider": PROVIDER, "pool": POOL, "block": BLOCK} | change
    with serving(node("4", market())) as server, pytest.raises(InputError) as caught:
        aave_rpc.fetch(Node(server.address), accounts=[A], **asked)
    assert line in str(caught.value)


def test_an_archive_that_is_missing_is_the_node_s_word() -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "missing trie node"}}
    line = "has an error for eth_getBlockByNumber: 'missing trie node'"
    with serving(lambda asked: error) as server, pytest.raises(InputError, match=line):
        aave_rpc.fetch(Node(server.address), PROVIDER, POOL, BLOCK, [A])


def test_a_version_that_is_not_known_is_refused() -> None:
    data = encode(["(address,string,uint256)[]", "uint256"], [[(A, "x", 1)], 0])
    with pytest.raises(InputError, match="version that is not known: '3 fields'; known are those of Aave"):
        aave_rpc.decode_reserves(data)
    with pytest.raises(InputError, match="has less than it should answer: '3 bytes'"):
        aave_rpc.decode_reserves(b"abc")


def test_accounts_are_a_file_of_addresses(tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(f"account,note\n{A},x\n\n{B.upper().replace('0X', '0x')},y\n{A},again\n")
    assert aave_rpc.read_accounts(file) == [A, B]
    file.write_text(f"{A}\n0xb\n")
    with pytest.raises(InputError, match="line 2 is no address: '0xb'"):
        aave_rpc.read_accounts(file)


def typed(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["import", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_import_reads_a_block_reconciles_it_and_keeps_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("accounts.txt").write_text(f"{A}\n{B}\n")
    node_words = ("--block", str(BLOCK), "--accounts", "accounts.txt", "--provider", PROVIDER, "--pool", POOL, "--as", "lending")
    with serving(node("4", market())) as server:
        monkeypatch.setenv("DELEVER_RPC", f"{server.address}/SECRETKEY")
        code, out, err = typed(*node_words, "--out", "book.parquet", "--save", "answer.json")
    assert (code, err) == (0, "") and "SECRETKEY" not in out
    assert "protocol  4 of its totals reconciled\n" in out
    assert f"as of     block {BLOCK}, 2024-01-13T19:17:23Z: the world's as_of" in out
    metadata = pyarrow.parquet.read_schema("book.parquet").metadata
    assert (metadata[b"block"], metadata[b"as_of"]) == (str(BLOCK).encode(), b"2024-01-13T19:17:23Z")
    code, again, _ = typed("answer.json", "--as", "lending", "--json")
    said = json.loads(again)
    assert code == 0 and said["as_of"] == {"block": str(BLOCK), "as_of": "2024-01-13T19:17:23Z"}
    assert said["protocol"][3] == {"total": "debt.USDC", "given": 2100.0, "found": 2100.0, "apart": 0.0}

    Path("answer.json").write_text(json.dumps(market() | {"getUserReservesData": {A: market()["getUserReservesData"][A]}}))
    code, _, err = typed("answer.json", "--as", "lending")
    assert code == 2
    assert err.startswith("delever: answer.json: supplied.USDC does not add up: the book has 0 and 102 is the protocol's own")
    code, out, _ = typed("answer.json", "--as", "lending", "--tolerance", "100 %")
    assert code == 0 and "protocol  4 of its totals reconciled, at most 100 % apart (supplied.USDC)" in out
    code, out, _ = typed("answer.json", "--as", "lending", "--part")
    assert code == 0 and "protocol  supplied.USDC 0 of its 102: 100.000% apart" in out
    assert typed("answer.json", "--as", "perps")[2].startswith("delever: answer.json is a lending protocol's answer; write --as")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--rpc", "http://localhost:1"), "delever: --rpc needs --block, --accounts, --provider, --pool; a book is"),
        (("--block", "5"), "delever: --rpc is not said; name the node, or set DELEVER_RPC"),
        ((), "delever: import has nothing to read; name a file, or --exchange NAME, or --rpc URL"),
        (("a.json", "--save", "x.json"), "delever: --save needs --exchange or --rpc; it keeps what is fetched"),
        (("a.json", "--keys", "k.json"), "delever: --keys needs --exchange; name the exchange"),
    ],
)
def test_options_that_go_together_are_asked_for(words: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DELEVER_RPC", raising=False)
    assert typed(*words, "--as", "lending")[2].startswith(line)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://me:SECRET@host", "http://host:99999", "https://ho st/a", ""])
def test_an_address_that_is_no_node_s_is_neither_opened_nor_shown(address: str) -> None:
    with pytest.raises(InputError, match="--rpc is no address of a node; write https") as caught:
        Node(address)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("result", ["0x1234", "0xzz", "0x" + "00" * 31 + "40" + "ff" * 64, 7, {"timestamp": "soon"}])
def test_an_answer_that_makes_no_sense_is_one_line(result: Any) -> None:
    def answer(asked: Asked) -> Any:
        return {"id": asked.body["id"], "result": {"timestamp": "0x1"} if asked.body["method"] != "eth_call" else result}

    with serving(answer) as server, pytest.raises(InputError) as caught:
        aave_rpc.fetch(Node(server.address), PROVIDER, POOL, BLOCK, [A])
    assert str(caught.value).startswith(("node 127.0.0.1 has", "UiPoolDataProvider"))


def test_what_a_node_says_is_told_without_the_key_in_its_address() -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"message": "project SECRETKEY has no access"}}
    with serving(lambda asked: error) as server, pytest.raises(InputError, match=r"project \*\*\* has no access"):
        Node(f"{server.address}/v3/SECRETKEY").call("eth_chainId", [])
