"""A chain of one's own: contracts deployed and called by name."""

from __future__ import annotations

from typing import Any

from eth_abi import decode, encode
from pyrevm import EVM, BlockEnv, CfgEnv, Env

ME = "0x" + "11" * 20
LARGEST_CODE = 1_000_000  # the contracts are not optimised


class Refused(Exception):
    """A call that reverted."""

    @property
    def reason(self) -> str:
        """Its words, "Panic", or the first four bytes of what it says, in hex."""
        data = str(self).split("output: 0x")[1].split(" ")[0]
        if data.startswith("08c379a0"):
            return bytes.fromhex(data[8 + 128:]).rstrip(b"\0").decode()
        return "Panic" if data.startswith("4e487b71") else data[:8]


def kind(described: dict[str, Any]) -> str:
    """A type as the encoder writes it: tuples spelt out."""
    if not described["type"].startswith("tuple"):
        return str(described["type"])
    return "(" + ",".join(kind(part) for part in described["components"]) + ")" + described["type"][5:]


class Contract:
    """A deployed contract."""

    def __init__(self, chain: Chain, compiled: dict[str, Any], address: str) -> None:
        self.chain, self.compiled, self.address = chain, compiled, address
        self.known = {entry["name"]: ([kind(i) for i in entry["inputs"]], [kind(o) for o in entry["outputs"]])
                      for entry in compiled["abi"] if entry["type"] == "function"}
        self.selector = {text.split("(")[0]: bytes.fromhex(code) for text, code in compiled["selectors"].items()}

    def __call__(self, name: str, *given: Any, by: str = ME) -> Any:
        """What a function answers: nothing, a value or a tuple of values."""
        takes, gives = self.known[name]
        data = self.selector[name] + encode(takes, given)
        try:
            answer = self.chain.evm.message_call(caller=by, to=self.address, calldata=data)
        except RuntimeError as why:
            raise Refused(f"{name}: {why}") from why
        values = decode(gives, answer) if gives else ()
        return values[0] if len(values) == 1 else values


class Chain:
    """Deploys from one set of compiled contracts."""

    def __init__(self, compiled: dict[str, Any]) -> None:
        self.compiled = compiled
        self.evm = EVM(env=Env(cfg=CfgEnv(limit_contract_code_size=LARGEST_CODE)), gas_limit=2**40)
        self.evm.set_balance(ME, 10**30)
        self.libraries: dict[str, str] = {}

    def at(self, time: int, block: int = 0) -> None:
        """From now on every call is in a block of that time [s] and number."""
        self.evm.set_block_env(BlockEnv(timestamp=time, number=block))

    def deploy(self, name: str, *given: Any) -> Contract:
        """A contract, after the libraries that it is linked to."""
        one = self.compiled[name]
        code = one["code"]
        for library, start in one["links"]:
            if library not in self.libraries:
                self.libraries[library] = self.deploy(library).address
            code = code[:2 * start] + self.libraries[library][2:].lower() + code[2 * start + 40:]
        takes = [kind(i) for entry in one["abi"] if entry["type"] == "constructor" for i in entry["inputs"]]
        address = self.evm.deploy(deployer=ME, code=bytes.fromhex(code) + encode(takes, given))
        return Contract(self, one, address)
