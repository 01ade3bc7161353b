"""One call shows any result of contagion, one draws it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

import delever as dl
from delever.analysis.clearing import clear
from delever.analysis.debtrank import debtrank
from delever.analysis.fire_sales import by_fall, fire_sale, sheets
from delever.analysis.network import network
from delever.analysis.overlap import overlap, vulnerability
from delever.report import picture

PAIR = sheets([[80.0], [20.0]], [5.0, 80.0], [15.0, 0.0], [90.0, 0.0], [4.0, 0.0], ["bank a", "bank b"], ["bond"])
RESULTS = {
    "due": lambda: clear([[0.0, 2.0], [1.0, 0.0]], [1.0, 1.0], names=["bank a", "bank b"]),
    "DebtRank": lambda: debtrank([[0.0, 2.0], [1.0, 0.0]], [5.0, 5.0], names=["bank a", "bank b"]),
    "takes": lambda: overlap([[1.0], [2.0]], 10.0, ["bank a", "bank b"]),
    "by sales": lambda: vulnerability([[10.0], [20.0]], [1.0, 2.0], 0.1, 100.0, names=["bank a", "bank b"]),
    "step": lambda: fire_sale(PAIR, [0.03], [100.0]),
    "fall": lambda: by_fall(PAIR, {"bond": 0.03}, [0.0, 0.05]),
    "systemicness": lambda: network(dl.load(dl.example("first"))),
}


@pytest.mark.parametrize("says", RESULTS)
def test_every_result_is_shown_and_drawn(says: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = RESULTS[says]()
    drawn = picture(result)
    ElementTree.fromstring(drawn)
    assert says in drawn
    dl.show(result)
    printed = capsys.readouterr().out
    assert repr(result).split(":")[0] in " ".join(printed.split())
    assert all(name.split()[0] in printed for name in result.main.column_names[:2])


def test_what_has_no_picture_is_said() -> None:
    with pytest.raises(TypeError, match="int is nothing that is drawn"):
        picture(1)
