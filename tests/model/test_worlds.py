"""Worlds load from files and folders, with the mechanisms of the roles' folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from delever.model.errors import InputError
from delever.worlds import ROLES, kinds, load, resolve

from .conftest import WORLD

POOL = "kind: constant_product, reserves: {stETH: 1e5, ETH: 1e5}, fee: 4 bp,"
TEXT = WORLD.replace("kind: pool,", POOL).replace("base_fee: 20 gwei", "base_fee: 20 gwei, room: 30")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "world.yaml").write_text(TEXT)
    return tmp_path


def test_a_folder_means_its_world_and_a_file_itself(folder: Path) -> None:
    world = load(folder)
    assert world == load(str(folder / "world.yaml"))
    assert world.folder == folder
    assert world.replace("scenario.seed", 8).folder == folder


def test_settings_change_fields_and_may_name_another_mechanism(folder: Path) -> None:
    world = load(folder, set={"actors.liquidators.rule": "always", "protocols.aave.rules": "aave.v3_3", "networks": "null"})
    assert world.actors["liquidators"] == kinds("actors")["liquidators"](rule="always")
    assert world.protocols["aave"].rules == resolve("protocols", "aave")(version="v3_3")
    assert world.networks == {}


def test_a_wrong_setting_names_the_setting(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^--set actors\.liquidators\.rul: actors\.liquidators: unknown field: 'rul'; did you"):
        load(folder, set={"actors.liquidators.rul": "always"})


def test_an_error_names_the_file_and_the_keys(folder: Path) -> None:
    (folder / "world.yaml").write_text(TEXT.replace("83 %", "83"))
    with pytest.raises(InputError) as caught:
        load(folder)
    path = folder / "world.yaml"
    assert str(caught.value) == (
        f"{path}: protocols.aave.parameters.stETH.liquidation_threshold is 83; it is a share, so 0.83"
    )


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml cannot be read: 'there is no such file'; name a"):
        load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.yaml cannot be read: 'it is not text'"):
        load(tmp_path / "binary.yaml")


def test_every_mechanism_is_found_under_the_name_of_its_file() -> None:
    assert {"aave", "pro_rata"} <= set(kinds("protocols"))
    assert {"constant_product", "stableswap", "depth_table"} <= set(kinds("venues"))
    assert {"push", "market", "fixed"} <= set(kinds("oracles"))
    assert set(kinds("actors")) >= {"liquidators", "borrowers"}
    for role in ROLES:
        for kind, spec in kinds(role).items():
            assert resolve(role, kind) is spec


@pytest.mark.parametrize("kind", ["constant_produkt", "base", "os.path", ""])
def test_an_unknown_kind_is_answered(kind: str) -> None:
    with pytest.raises(InputError, match=r"unknown kind of venues.*(did you mean|known:) constant_product"):
        resolve("venues", kind)


def test_the_model_loads_without_the_compiler() -> None:
    code = (
        "import sys, delever, delever.model.load, delever.model.schema, delever.worlds;"
        "assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
